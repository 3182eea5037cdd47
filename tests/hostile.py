"""An HTTP server of raw bytes: it hangs, drips, redirects, and sends what no library would."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections import Counter
from contextlib import suppress


def respond(body=b"", status="200 OK", *headers):
    """Return a response as it is on the wire."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def document(value, *headers):
    """Return a response with a JSON document."""
    return respond(json.dumps(value).encode(), "200 OK", "Content-Type: application/json", *headers)


class HostileServer:
    """Serve ``server.pages``: each path has bytes, or a function that takes the connection.

    ``server.requests`` counts the requests for each path, and ``server.headers`` holds the headers
    of the last one.

    :param ssl_context: serve HTTPS
    :param port: by default a free one
    """

    def __init__(self, ssl_context=None, port=0):
        self.pages = {}
        self.requests = Counter()
        self.headers = {}
        self.closed = threading.Event()
        self._ssl_context = ssl_context
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        scheme = "http" if ssl_context is None else "https"
        host = "127.0.0.1" if ssl_context is None else "localhost"
        self.url = f"{scheme}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        # Else it may accept for the next server, whose socket has the same number.
        self._thread.join()
        self._listener.close()

    def publish(self, keys, issuer=None, **metadata):
        """Serve the metadata of an issuer and its key set."""
        issuer = issuer or self.url
        self.pages["/.well-known/openid-configuration"] = document(
            {"issuer": issuer, "jwks_uri": f"{self.url}/jwks", **metadata}
        )
        self.pages["/jwks"] = document({"keys": keys})

    def _accept(self):
        while not self.closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self._ssl_context is not None:
            try:
                connection = self._ssl_context.wrap_socket(connection, server_side=True)
            except OSError:  # the client doesn't trust the certificate
                return
        with suppress(OSError), connection:
            connection.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            lines = request.decode("latin-1").split("\r\n")
            path = lines[0].split(" ")[1]
            self.headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            self.requests[path] += 1
            page = self.pages.get(path, respond(b"", "404 Not Found"))
            if callable(page):
                page(connection, self)
            else:
                connection.sendall(page)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)


# Functions for ``pages``


def hang(connection, server):
    """Take the request and send nothing."""
    server.closed.wait(60)


def drip(response, pause=0.05):
    """Send *response* byte by byte, each of which comes in time."""

    def page(connection, server):
        for byte in response:
            connection.sendall(bytes([byte]))
            if server.closed.wait(pause):
                return

    return page


def repeat(start, piece, limit=64 * 1024 * 1024):
    """Send *start*, and *piece* again and again."""

    def page(connection, server):
        connection.sendall(start)
        for _ in range(limit // len(piece)):
            connection.sendall(piece)
            if server.closed.is_set():
                return

    return page


def delayed(response, seconds):
    """Send *response* later."""

    def page(connection, server):
        time.sleep(seconds)
        connection.sendall(response)

    return page


def compressed(value):
    """Return a response that nobody asked for."""
    return respond(gzip.compress(json.dumps(value).encode()), "200 OK", "Content-Encoding: gzip")
