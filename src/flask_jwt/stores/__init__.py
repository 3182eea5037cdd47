"""Store sessions in memory, in a SQL database or in Redis.

A store has one row per session and makes no decisions; :mod:`flask_jwt._sessions` makes them. The
operation that must be atomic is :meth:`SessionStore.rotate`: if several callers rotate the same
generation, exactly one of them gets True. A store that can't be reached raises
:class:`~flask_jwt.errors.StoreUnavailable`.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._base import REDIS_SCHEMES, RevocationPage, Session, SessionStore

__all__ = ["RevocationPage", "Session", "SessionStore", "open_store"]


def open_store(uri: str, timeout: float, folder: str | None = None) -> SessionStore:
    """Return the store for *uri*, which has the format of Flask-Limiter's and SQLAlchemy's URIs.

    :param timeout: seconds that a call of the store may take
    :param folder: the folder of a SQLite database whose path is relative; by default the current
        one, which differs between a server and a command
    :raises ConfigError: if the URI is invalid, or the driver isn't installed
    """
    # Each store is imported only if it is used, because its driver is an optional dependency.
    scheme = uri.partition(":")[0]
    if scheme == "memory":
        from .memory import MemoryStore

        return MemoryStore()
    if scheme in REDIS_SCHEMES:
        from .redis import RedisStore

        return RedisStore(uri, timeout)
    if scheme.partition("+")[0] in ("sqlite", "postgresql", "postgres", "mysql", "mariadb"):
        from .sql import SqlStore

        return SqlStore(uri, timeout, folder)
    # Without a colon the value is no URI, and may well be a password.
    start = f"begins with {scheme!r}, which is not supported" if ":" in uri else "is not a URI"
    raise ConfigError(
        f"JWT_STORAGE_URI {start}. Write memory://, "
        "sqlite:///path, postgresql+psycopg://…, mysql+…://…, redis://…, redis+cluster://… or "
        "redis+sentinel://…"
    )
