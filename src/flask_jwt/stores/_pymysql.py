"""Limit the waiting of connections of PyMySQL."""

from __future__ import annotations

import inspect
from typing import Any

from pymysql.connections import Connection

from ._deadline import time_left

_LEAST = 0.001
"""Seconds: a timeout of 0 means none."""


def find_invalid_option(options: dict[str, Any]) -> Exception | None:
    """Return the error for an unknown option of a connection, or None."""
    try:
        inspect.signature(Connection).bind(**options)
    except TypeError as error:
        return error
    return None


class LimitedConnection(Connection):
    """Limit each wait to what is left of the call's time."""

    longest_wait = 0.0
    """The seconds of a wait if the call has no limit."""

    def __init__(self, **options: Any) -> None:
        options["connect_timeout"] = max(_LEAST, time_left(self.longest_wait))
        super().__init__(**options)

    _sock: Any

    def _read_bytes(self, num_bytes: int) -> Any:
        driver: Any = super()
        # PyMySQL 1.1 sets the timeout of its socket at each read, and 1.2 if it has changed.
        self._read_timeout = self._current_timeout = max(_LEAST, time_left(self.longest_wait))
        self._sock.settimeout(self._read_timeout)
        return driver._read_bytes(num_bytes)

    def _write_bytes(self, data: Any) -> None:
        driver: Any = super()
        self._write_timeout = max(_LEAST, time_left(self.longest_wait))
        driver._write_bytes(data)
