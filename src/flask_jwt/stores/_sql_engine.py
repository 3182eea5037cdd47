"""The connections of the SQL store."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event


def make_engine(url: sa.URL, timeout: float) -> sa.Engine:
    """Return an engine whose operations take at most *timeout* seconds."""
    backend = url.get_backend_name()
    arguments: dict[str, Any] = {}
    if backend == "sqlite":
        arguments["connect_args"] = {"timeout": timeout}
    elif backend == "postgresql":
        milliseconds = int(timeout * 1000)
        arguments["connect_args"] = {
            "connect_timeout": max(1, round(timeout)),
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        }
    else:
        seconds = max(1, round(timeout))
        arguments["connect_args"] = dict.fromkeys(
            ("connect_timeout", "read_timeout", "write_timeout"), seconds
        )
    # The pool of a SQLite database in memory has a single connection, and no such argument.
    if url.database not in (None, "", ":memory:"):
        arguments["pool_timeout"] = timeout
    # No operation needs a transaction of several statements, so each statement is committed by
    # itself. With BEGIN and COMMIT, each operation would need three round trips instead of one.
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", **arguments)
    if backend == "sqlite":
        event.listen(engine, "connect", lambda raw, _: _configure_sqlite(raw, timeout))
    return engine


def _configure_sqlite(connection: Any, timeout: float) -> None:
    cursor = connection.cursor()
    deadline = time.monotonic() + timeout
    while True:
        try:
            # With a write-ahead log, readers don't wait for a writer. The default journal would
            # make each request that polls revocations wait for each login.
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            # Changing the journal mode needs an exclusive lock, for which SQLite doesn't wait. All
            # workers of a server ask for it when they start with a new file.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    # With synchronous=NORMAL, a power failure may undo the last transactions of a write-ahead log.
    # An acknowledged logout would be undone, and the session would be active again.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def reset_pool_after_fork(engine: sa.Engine) -> None:
    """Let a forked process open connections of its own."""
    # A forked process inherits the sockets of its parent. If both used them, each would read the
    # responses of the other. The child drops the connections and leaves the sockets open, because
    # closing one properly would end the session of the parent.
    reference = weakref.ref(engine)

    def reset() -> None:
        engine = reference()
        if engine is not None:
            engine.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)
