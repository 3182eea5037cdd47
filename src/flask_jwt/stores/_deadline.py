"""Limit the time of a whole call on a store, whatever it consists of.

A call may have to wait for its turn, connect, create tables, send several statements and repeat
one. Each of these steps asks :func:`time_left` how long it may take. The limit belongs to the
thread or greenlet that makes the call, so it needs no parameter of each function, and no thread
that watches: psycopg waits in Python and asks again and again, and the other drivers are given a
timeout for each step.

What a driver does before it has a socket can't be limited: the resolution of a host name takes as
long as the system's resolver wants.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
"""When the present call must have ended, by the monotonic clock of the system. An application's
clock may stand still in a test, and the drivers wait in real time."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit the calls on stores in this context to *seconds*, or less if an outer limit says so."""
    ends_at = time.monotonic() + seconds
    outer = _ends_at.get()
    token = _ends_at.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _ends_at.reset(token)


@contextmanager
def no_time_limit() -> Iterator[None]:
    """Lift the limit for work on the whole store, of which each step has a limit of its own."""
    token = _ends_at.set(None)
    try:
        yield
    finally:
        _ends_at.reset(token)


def time_left(default: float) -> float:
    """Return the seconds that are left of the present call; *default* if it has no limit.

    The result is 0 or less if the call has used up its time.
    """
    ends_at = _ends_at.get()
    return default if ends_at is None else ends_at - time.monotonic()


class Turns:
    """Let one thread at a time do something that others wait for.

    Unlike with a lock, waiting is limited, and nothing is locked while the thread works.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._is_taken = False

    @contextmanager
    def take(self, seconds: float) -> Iterator[bool]:
        """Wait for a turn, and give True; False if there was none within *seconds*."""
        with self._condition:
            is_mine = self._condition.wait_for(lambda: not self._is_taken, max(0.0, seconds))
            self._is_taken = True
        if not is_mine:
            yield False
            return
        try:
            yield True
        finally:
            with self._condition:
                self._is_taken = False
                self._condition.notify()
