"""Measure requests per second of an open and a guarded view, with gunicorn on the loopback."""

from __future__ import annotations

import functools
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .candidates import tokens
from .measure import Plan, Section, Spread, Table, interleave

WORKERS = 2
CONNECTIONS = 8
VIEWS = {
    "/open": "open view",
    "/guarded": "guarded by Flask-JWT-Too, token seen before",
    "/extended": "guarded by Flask-JWT-Extended",
}


def run(plan: Plan) -> Section:
    token, (forged, _) = tokens({})
    seconds, rounds = plan.choose(0.4, 1.0), plan.choose(3, 9)
    with served() as address:
        for view in VIEWS:
            wait_until_ready(address, request(view, token))
        for view in ("/guarded", "/extended"):
            if b" 200 " in exchange(address, request(view, forged)):
                raise SystemExit(f"gunicorn's {view} accepts a forged token")
        tasks = {
            view: functools.partial(load, address, request(view, token), seconds) for view in VIEWS
        }
        interleave(tasks, 1)
        rates = {view: Spread.of(runs) for view, runs in interleave(tasks, rounds).items()}
    data = {
        "workers": WORKERS,
        "connections": CONNECTIONS,
        "rounds": rounds,
        "seconds": seconds,
        "requests_per_second": {view: rate._asdict() for view, rate in rates.items()},
    }
    rows = [
        [VIEWS[view], f"{rate.median:,.0f}", f"{rate.low:,.0f} to {rate.high:,.0f}"]
        for view, rate in rates.items()
    ]
    notes = [
        f"gunicorn, {WORKERS} sync workers, loopback, {CONNECTIONS} connections at a time, each "
        "closed after its request,",
        f"as sync workers do; {rounds} interleaved rounds of {seconds} s. The client, one process, "
        "runs on the same cores:",
        "these figures compare the views, and are not the capacity of a server.",
    ]
    return Section(data, [Table("Requests per second", ["", "median", "quartiles"], rows, notes)])


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Serve :mod:`bench_suite.served` with gunicorn, and provide its address."""
    # gunicorn inherits the open socket, so that no other process can take the port in between.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{descriptor}"]
        command += ["--workers", str(WORKERS), "--log-level", "warning", "--no-control-socket"]
        command += ["bench_suite.served:application"]
        gunicorn = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            pass_fds=[descriptor],
        )
        try:
            yield listener.getsockname()
        finally:
            gunicorn.terminate()
            gunicorn.wait(30)


def request(path: str, token: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, "", ""]).encode()


def exchange(address: tuple[str, int], message: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(message)
        return b"".join(iter(functools.partial(connection.recv, 4096), b""))


def wait_until_ready(address: tuple[str, int], message: bytes) -> None:
    """Send a request and check its response."""
    # No retries: the socket already listens, so the request waits until gunicorn accepts it.
    response = exchange(address, message)
    if not response.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"gunicorn responded {response[:200]!r}")


def load(address: tuple[str, int], message: bytes, seconds: float) -> float:
    """Return the requests per second, measured over *seconds*."""
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            selector.register(_send(address, message), selectors.EVENT_READ, bytearray())
        done = 0
        start = time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            for key, _ in selector.select(1):
                connection, response = key.fileobj, key.data
                assert isinstance(connection, socket.socket)
                if part := connection.recv(4096):
                    response += part
                    continue
                if not response.startswith(b"HTTP/1.1 200 "):
                    raise SystemExit(f"gunicorn responded {bytes(response[:200])!r}")
                done += 1
                selector.unregister(connection)
                connection.close()
                selector.register(_send(address, message), selectors.EVENT_READ, bytearray())
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return done / elapsed


def _send(address: tuple[str, int], message: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=10)
    connection.sendall(message)
    return connection
