"""Where sessions are kept: one protocol, a module for each kind of store.

A store holds one row per session and decides nothing: :mod:`flask_jwt._sessions` does. What it must
get right is :meth:`SessionStore.rotate`: of all callers with one generation, exactly one is told
True. Any failure to reach the data is a :class:`~flask_jwt.errors.StoreUnavailable`.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._base import REDIS_SCHEMES, Session, SessionStore

__all__ = ["Session", "SessionStore", "open_store"]


def open_store(uri: str, timeout: float) -> SessionStore:
    """The store that *uri* names (the spelling of Flask-Limiter and SQLAlchemy).

    :param timeout: seconds to wait for its answer
    :raises ConfigError: if nothing handles such a URI, or its driver isn't installed
    """
    scheme = uri.partition(":")[0]
    if scheme == "memory":
        from .memory import MemoryStore

        return MemoryStore()
    if scheme in REDIS_SCHEMES:
        from .redis import RedisStore

        return RedisStore(uri, timeout)
    if scheme.partition("+")[0] in ("sqlite", "postgresql", "postgres", "mysql", "mariadb"):
        from .sql import SqlStore

        return SqlStore(uri, timeout)
    raise ConfigError(
        f"JWT_STORAGE_URI begins with {scheme!r}, which is no store. Write memory://, "
        "sqlite:///path, postgresql+psycopg://…, mysql+…://…, redis://…, redis+cluster://… or "
        "redis+sentinel://…"
    )
