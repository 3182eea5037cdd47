"""Limit the waiting of connections of psycopg.

PostgreSQL enforces its timeouts on the server, so they don't help if the server or the network
hangs: libpq then waits as long as the connection is open, and ``tcp_user_timeout`` ends only the
wait for a host that is gone. But psycopg leaves the waiting to its caller. Its operations are
generators, which are resumed at least every 0.1 s, and here they are given up when the time of the
call is used up.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ._deadline import time_left

_INTERVAL = 0.1


def is_recent() -> bool:
    """Return whether psycopg resumes an operation that has to wait; it does from 3.2 on."""
    return hasattr(psycopg, "capabilities")


def find_invalid_option(options: dict[str, Any]) -> Exception | None:
    """Return the error for an unknown option of a connection, or None."""
    try:
        make_conninfo(**options)
    except psycopg.Error as error:
        return error
    return None


class _TimedOut(psycopg.OperationalError):
    """Raised when the server has not responded in time."""


class LimitedConnection(psycopg.Connection[Any]):
    """Give up connecting or an operation when the time of the call is used up.

    The connection is then closed, because the response may still arrive.
    """

    longest_wait = float("inf")
    """The seconds that an operation may take if the call has no limit."""

    def wait(self, gen: Any, interval: float = _INTERVAL, *args: Any, **kwargs: Any) -> Any:
        """Run an operation of psycopg's, until the time is used up."""
        left = time_left(self.longest_wait)
        try:
            return super().wait(_limit(gen, left), min(interval, max(0.001, left)), *args, **kwargs)
        except _TimedOut:
            self.pgconn.finish()
            raise

    @classmethod
    def _connect_gen(cls, *args: Any, **kwargs: Any) -> Any:
        # psycopg rounds its own connect_timeout up to at least two seconds, and counts it for each
        # host.
        return _limit(super()._connect_gen(*args, **kwargs), time_left(cls.longest_wait))


def _limit(operation: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Give up *operation* after *seconds*."""
    ends_at = time.monotonic() + seconds
    try:
        awaited = next(operation)
        while True:
            ready = yield awaited
            if not ready and time.monotonic() >= ends_at:
                raise _TimedOut("the server has not responded in time")
            awaited = operation.send(ready)
    except StopIteration as done:
        return done.value
