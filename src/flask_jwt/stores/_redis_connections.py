"""Limit each step of a connection to Redis to what is left of the call's time."""

from __future__ import annotations

from typing import Any

from redis.connection import (
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import TimeoutError as NoResponse
from redis.sentinel import SentinelManagedConnection

from ._deadline import time_left


class _Limited:
    """Set the timeouts of a connection of redis-py, which are constants otherwise, at each step."""

    longest_wait = 2.0
    """The seconds of a step if the call has no limit."""
    share = 1.0
    """The share of that time that a step may take, so that another server can be asked as well."""

    def _connect(self) -> Any:
        this: Any = self
        this.socket_connect_timeout = this.socket_timeout = self._get_timeout()
        return super()._connect()  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **options: Any) -> Any:
        """Send a command."""
        self._set_timeout()
        return super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Wait for a response."""
        self._set_timeout()
        return super().read_response(*args, **options)  # type: ignore[misc]

    def _set_timeout(self) -> None:
        this: Any = self
        if this._sock is not None:
            try:
                timeout = self._get_timeout()
            except NoResponse:
                this.disconnect()
                raise
            this._sock.settimeout(timeout)

    def _get_timeout(self) -> float:
        left = time_left(self.longest_wait)
        if left <= 0:
            raise NoResponse("The time for this call is used up")
        return min(left, self.longest_wait * self.share)


class LimitedConnection(_Limited, Connection):
    """Connect over TCP."""


class LimitedSSLConnection(_Limited, SSLConnection):
    """Connect over TLS."""


class LimitedUnixConnection(_Limited, UnixDomainSocketConnection):
    """Connect over a socket of this machine."""


class LimitedSentinelConnection(_Limited, SentinelManagedConnection):
    """Connect to the server that the Sentinels name."""


class ClusterPool(ConnectionPool):
    """Hold the connections to a node of a cluster."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("connection_class", LimitedConnection)
        super().__init__(**options)


def limited(connection_class: type, timeout: float, share: float = 1.0) -> Any:
    """Return a class of connections that wait *timeout* seconds if the call has no limit."""
    attributes = {"longest_wait": timeout, "share": share}
    return type(connection_class.__name__, (connection_class,), attributes)
