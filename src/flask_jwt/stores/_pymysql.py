"""Connections of PyMySQL whose waiting is limited."""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection

from ._deadline import time_left

_LEAST = 0.001
"""Seconds: a timeout of 0 means none."""


class LimitedConnection(Connection):
    """Limit each wait to what is left of the call's time."""

    longest_wait = 0.0
    """The seconds of a wait if the call has no limit."""

    def __init__(self, **options: Any) -> None:
        options["connect_timeout"] = max(_LEAST, time_left(self.longest_wait))
        super().__init__(**options)

    def _read_bytes(self, num_bytes: int) -> Any:
        # PyMySQL sets its timeout, which is a constant otherwise, whenever it waits.
        self._read_timeout = max(_LEAST, time_left(self.longest_wait))
        return super()._read_bytes(num_bytes)

    def _write_bytes(self, data: Any) -> None:
        self._write_timeout = max(_LEAST, time_left(self.longest_wait))
        super()._write_bytes(data)
