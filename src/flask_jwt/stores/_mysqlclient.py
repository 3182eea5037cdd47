"""Limit the waiting of connections of mysqlclient.

The driver's timeouts are whole seconds, and are set once. But a query can be sent in one step and
its response read in another, and the wait in between can be limited.
"""

from __future__ import annotations

import select
from typing import Any

from MySQLdb.connections import Connection

from ._deadline import time_left

_TIMED_OUT = 2013
"""CR_SERVER_LOST; SQLAlchemy gives up the connection, because the response may still arrive."""


class LimitedConnection(Connection):
    """Give up a query when the time of the call is used up."""

    longest_wait = 0.0
    """The seconds of a wait if the call has no limit."""

    def __init__(self, **options: Any) -> None:
        left = time_left(self.longest_wait)
        if left < min(1.0, self.longest_wait / 2):
            # Connecting takes at least a second if the server hangs.
            raise self.OperationalError(_TIMED_OUT, "too little time is left to connect")
        seconds = max(1, round(left))
        timeouts = dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), seconds)
        super().__init__(**{**options, **timeouts})

    def query(self, query: Any) -> None:
        """Send a query, and wait for its response."""
        self.send_query(bytes(query) if isinstance(query, bytearray) else query)
        if not _wait(self.fileno(), max(0.0, time_left(self.longest_wait))):
            raise self.OperationalError(_TIMED_OUT, "the server has not responded in time")
        self.read_query_result()

    def commit(self) -> None:
        """Commit, with the limit of a query."""
        self.query("COMMIT")

    def rollback(self) -> None:
        """Roll back, with the limit of a query."""
        self.query("ROLLBACK")


def _wait(descriptor: int, seconds: float) -> bool:
    # select() can't wait for descriptors from 1024 on, and gevent replaces poll() as well.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
