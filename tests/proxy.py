"""A TCP proxy between the application and its store, which breaks chosen requests."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

# What clients send when they open a connection; only what comes later is an operation.
REDIS_HANDSHAKE = {b"HELLO", b"CLIENT", b"AUTH", b"SELECT"}


def is_postgres_operation(data):
    """Return whether *data* is a statement: messages of the types Parse or Bind."""
    return data[:1] in {b"P", b"B"}


def is_redis_operation(data):
    parts = data.split(b"\r\n", 3)
    return len(parts) > 2 and parts[2].upper() not in REDIS_HANDSHAKE


class Proxy:
    """Forward connections to a server on this machine.

    :param port: the server's
    :param is_operation: returns whether bytes that a client has sent are an operation
    """

    FAULTS = ("before", "after", "drop", "swallow", "delay")

    def __init__(self, port, is_operation):
        self.server_port = port
        self.is_operation = is_operation
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.fault = None
        self.skip = self.times = self.broken = 0
        self.released = threading.Event()
        self.delayed = 0
        """How many delayed operations the server has responded to."""
        self.lock = threading.Lock()
        self.connections = set()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def break_next(self, fault, *, skip=0, times=1):
        """Break *times* operations, after *skip* others.

        :param fault: ``before``: cut the connection without forwarding the operation; ``after``:
            cut it when the server has responded; ``drop``: don't forward the operation, and keep
            the connection; ``swallow``: don't forward the response; ``delay``: forward the
            operation after :meth:`release`
        """
        with self.lock:
            self.fault, self.skip, self.times = fault, skip, times
            self.broken = self.delayed = 0
            self.released.clear()

    def heal(self):
        """Forward everything from now on; return the number of operations that were broken."""
        with self.lock:
            self.fault = None
            return self.broken

    def release(self):
        """Forward what is delayed."""
        self.released.set()

    def close(self):
        self.release()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        # Else it may accept for the next proxy, whose socket has the same number.
        self.thread.join()
        self.listener.close()
        for connection in list(self.connections):
            connection.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                client.close()
                continue
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self, client, server)
            self.connections.add(link)
            threading.Thread(target=link.forward_requests, daemon=True).start()
            threading.Thread(target=link.forward_responses, daemon=True).start()

    def next_fault(self, data):
        """Return the fault for these bytes of a client, or None."""
        with self.lock:
            if self.fault is None or not self.is_operation(data):
                return None
            if self.skip:
                self.skip -= 1
                return None
            if self.broken == self.times:
                return None
            self.broken += 1
            return self.fault


class Link:
    """A connection of a client, and the one to the server."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.fault = None
        self.responded = threading.Event()

    def close(self):
        self.proxy.connections.discard(self)
        for connection in (self.client, self.server):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def forward_requests(self):
        try:
            while data := self.client.recv(1 << 16):
                fault = self.proxy.next_fault(data) or self.fault
                if fault == "before":
                    break
                if fault == "delay":
                    self.proxy.released.wait()
                    self.responded.clear()
                elif fault is not None:
                    self.fault = fault
                if fault != "drop":
                    self.server.sendall(data)
                if fault == "delay":
                    # The client has given up; the server still gets its time to respond.
                    self.responded.wait()
                    self.proxy.delayed += 1
        except OSError:
            pass
        if self.fault not in ("drop", "swallow"):
            self.close()

    def forward_responses(self):
        try:
            while data := self.server.recv(1 << 16):
                self.responded.set()
                if self.fault == "after":
                    break
                if self.fault is None:
                    self.client.sendall(data)
        except OSError:
            pass
        self.responded.set()
        self.close()
