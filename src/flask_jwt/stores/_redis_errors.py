"""What the errors of Redis and of its client mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as NoResponse

from ..errors import JWTError, StoreUnavailable

READ_ONLY = "read-only"

_REASONS = (
    (AuthenticationError, "permission denied"),
    (NoPermissionError, "permission denied"),
    (MaxConnectionsError, "connection limit"),
    (OutOfMemoryError, "out of memory"),
    (ReadOnlyError, READ_ONLY),
    (ClusterDownError, "a part of the cluster is down"),
)
_WORDS = {
    "max number of clients": "connection limit",
    "is now a slave": READ_ONLY,
    "READONLY": READ_ONLY,
    "MISCONF": "no writes to disk",
    "NOREPLICAS": "not enough replicas",
    "OOM": "out of memory",
    "NOPERM": "permission denied",
    "NOAUTH": "permission denied",
    "WRONGPASS": "permission denied",
}


def find_reason(error: BaseException) -> str:
    """Return why Redis has rejected a command, or "" if it can't be reached."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    text = str(error)
    for word, reason in _WORDS.items():
        if word in text:
            return reason
    if isinstance(error, (LostConnection, NoResponse)):
        return ""
    if isinstance(error, RedisClusterException):
        # No node can be reached, or the nodes don't agree yet who has which slots.
        return "" if "cannot be connected" in text else "the cluster is changing"
    return "rejected" if isinstance(error, ResponseError) else type(error).__name__


@contextmanager
def translating_errors(
    drop_connections: Callable[[], object], *, is_cluster: bool
) -> Iterator[None]:
    """Raise StoreUnavailable for the errors of Redis and of its client.

    :param drop_connections: called if the server has become read-only
    """
    try:
        yield
    except (RedisError, RedisClusterException) as error:
        # RedisClusterException is not a RedisError.
        reason = find_reason(error)
        is_lost = isinstance(error, LostConnection) and not reason
        if reason == READ_ONLY:
            # The next connections may find the server that takes writes now.
            drop_connections()
            is_lost = True
        raise StoreUnavailable.because(error, lost_connection=is_lost, reason=reason) from error
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        # While slots are moved, the client for clusters raises such errors from its own tables.
        if not is_cluster or isinstance(error, JWTError) or not _is_from_client(error):
            raise
        raise StoreUnavailable.because(error, reason="the cluster is changing") from error


def _is_from_client(error: BaseException) -> bool:
    """Return whether redis-py has raised *error*, rather than this package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else trace.tb_frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "redis"
