"""A limit on how long a database driver may wait for its server.

PostgreSQL's own timeouts are kept by the server, which can't when it hangs, and psycopg waits as
long as the connection stands. So a thread looks after the operations that are running, and shuts
the socket of one that takes too long: its driver then reports a lost connection.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from threading import Lock, Thread

_IDLE_AFTER = 60.0


class Operation:
    """One that is running."""

    __slots__ = ("descriptor", "due", "is_over")

    def __init__(self, descriptor: int, due: float) -> None:
        self.descriptor = descriptor
        self.due = due
        self.is_over = False
        """Whether it took too long."""


class Deadline:
    """Ends operations that run longer than *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running: set[Operation] = set()
        self._lock = Lock()
        self._thread: Thread | None = None

    def begin(self, descriptor: int) -> Operation:
        """Limit what happens on the socket *descriptor* until :meth:`end`."""
        operation = Operation(descriptor, time.monotonic() + self._timeout)
        with self._lock:
            self._running.add(operation)
            # A fork leaves the thread behind.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._look_after, daemon=True, name="jwt-store")
                self._thread.start()
        return operation

    def end(self, operation: Operation) -> None:
        """The operation is done; its socket may be another's from now on."""
        with self._lock:
            self._running.discard(operation)

    def _look_after(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(self._timeout / 4)
            with self._lock:
                now = time.monotonic()
                if self._running:
                    idle_since = now
                elif now - idle_since > _IDLE_AFTER:
                    self._thread = None
                    return
                for operation in [o for o in self._running if o.due <= now]:
                    operation.is_over = True
                    self._running.discard(operation)
                    _shut(operation.descriptor)


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
