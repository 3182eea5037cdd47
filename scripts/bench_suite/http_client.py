"""Send requests of several clients at a time, and measure how long each response takes."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

Address = tuple[str, int]
#: A client yields a request and gets its response, until it has no more requests.
Client = Generator[bytes, "Response", None]


@dataclass
class Response:
    status: int
    cookies: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def build_request(
    method: str,
    path: str,
    body: dict[str, Any] | str | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """Return a request as bytes, with *body* as JSON, or as a form if it is a string."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench"]
    content = b""
    if body is not None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "x-www-form-urlencoded" if isinstance(body, str) else "json"
        lines += [f"Content-Type: application/{kind}", f"Content-Length: {len(content)}"]
    lines += ["Accept: application/json", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def parse_response(message: bytes) -> Response:
    head, _, body = message.partition(b"\r\n\r\n")
    status, *headers = head.decode("latin-1").split("\r\n")
    cookies = {}
    for line in headers:
        name, _, value = line.partition(":")
        if name.lower() == "set-cookie":
            cookie, _, content = value.strip().partition(";")[0].partition("=")
            cookies[cookie] = content
        elif name.lower() == "transfer-encoding":
            body = _join_chunks(body)
    if not status.startswith("HTTP/1.1 "):
        raise SystemExit(f"not a response of HTTP: {message[:200]!r}")
    return Response(int(status.split()[1]), cookies, body)


def _join_chunks(encoded: bytes) -> bytes:
    """Return a body that was sent in chunks, as Django without its middlewares sends it."""
    body = b""
    while encoded:
        size, _, encoded = encoded.partition(b"\r\n")
        length = int(size, 16)
        body += encoded[:length]
        encoded = encoded[length + 2 :]
    return body


def send(address: Address, message: bytes) -> Response:
    """Send one request and return its response."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(message)
        received = bytearray()
        while part := connection.recv(65536):
            received += part
    return parse_response(bytes(received))


@dataclass
class _Exchange:
    client: Client
    started: float
    received: bytearray = field(default_factory=bytearray)


def run_clients(address: Address, clients: Sequence[Client]) -> tuple[float, list[float]]:
    """Run all clients at a time; return the seconds for all of them and those of each response."""
    latencies: list[float] = []
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            _start(selector, address, client, next(client))
        while selector.get_map():
            events = selector.select(30)
            if not events:
                raise SystemExit("a server didn't respond within 30 s")
            for key, _ in events:
                connection, exchange = key.fileobj, key.data
                assert isinstance(connection, socket.socket)
                if part := connection.recv(65536):
                    exchange.received += part
                    continue
                latencies.append(time.perf_counter() - exchange.started)
                selector.unregister(connection)
                connection.close()
                try:
                    message = exchange.client.send(parse_response(bytes(exchange.received)))
                except StopIteration:
                    continue
                _start(selector, address, exchange.client, message)
    return time.perf_counter() - start, latencies


def _start(
    selector: selectors.BaseSelector, address: Address, client: Client, message: bytes
) -> None:
    exchange = _Exchange(client, time.perf_counter())
    connection = socket.create_connection(address, timeout=30)
    connection.sendall(message)
    selector.register(connection, selectors.EVENT_READ, exchange)
