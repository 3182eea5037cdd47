"""Limit the time for which a database driver waits for its server.

PostgreSQL enforces its own timeouts on the server, so they don't help if the server hangs, and
psycopg waits as long as the connection is open. A request would then wait indefinitely. A thread
therefore watches the running operations and shuts down the socket of one that takes too long. The
driver of that socket reports a lost connection, and the request fails with a 503.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from threading import Lock, Thread

_IDLE_AFTER = 60.0
"""Seconds without an operation after which the thread ends."""


class Operation:
    """A running operation."""

    __slots__ = ("deadline", "descriptor", "has_timed_out")

    def __init__(self, descriptor: int, deadline: float) -> None:
        self.descriptor = descriptor
        self.deadline = deadline
        self.has_timed_out = False


class Deadline:
    """Interrupt operations that take longer than *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running: set[Operation] = set()
        self._lock = Lock()
        self._thread: Thread | None = None

    def begin(self, descriptor: int) -> Operation:
        """Limit the time of an operation on the socket *descriptor*, until :meth:`end`."""
        operation = Operation(descriptor, time.monotonic() + self._timeout)
        with self._lock:
            self._running.add(operation)
            # Threads don't survive a fork, so a worker process may have to start its own.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._watch, daemon=True, name="jwt-store")
                self._thread.start()
        return operation

    def end(self, operation: Operation) -> None:
        """Stop limiting *operation*, so that its descriptor may be reused."""
        with self._lock:
            self._running.discard(operation)

    def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            # Checking at intervals is simpler than waking up for each operation, and begin() and
            # end() stay cheap. An operation may take up to a quarter longer than the timeout.
            time.sleep(self._timeout / 4)
            with self._lock:
                now = time.monotonic()
                if self._running:
                    idle_since = now
                elif now - idle_since > _IDLE_AFTER:
                    self._thread = None
                    return
                # The lock is held while sockets are shut down, so that end() can't return, and the
                # descriptor can't be reused for another connection, in between.
                for operation in [o for o in self._running if o.deadline <= now]:
                    operation.has_timed_out = True
                    self._running.discard(operation)
                    _shut_down(operation.descriptor)


def _shut_down(descriptor: int) -> None:
    # A socket object closes its descriptor, which belongs to the driver, so it gets a duplicate.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
