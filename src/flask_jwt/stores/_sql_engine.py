"""Create the connections of the SQL store: their drivers, options and timeouts."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from inspect import signature
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine.default import DefaultDialect

from ..errors import ConfigError
from ._base import invalid_uri
from ._deadline import time_left
from ._sql_errors import is_from_demoted_server

logger = logging.getLogger("flask_jwt")

DRIVERS = {
    ("sqlite", "pysqlite"): "",
    ("postgresql", "psycopg"): "psycopg[binary]",
    ("mysql", "pymysql"): "PyMySQL",
    ("mysql", "mysqldb"): "mysqlclient",
    ("mariadb", "pymysql"): "PyMySQL",
    ("mariadb", "mysqldb"): "mysqlclient",
}
"""The drivers whose waiting can be limited, and their packages."""

SERVER_SHARE = 0.9
"""The share of the timeout after which the database itself gives up a statement. If it does so
first, the connection can be used again, and the statement has ended."""

DROP_AGAIN_AFTER = 5.0
"""Seconds after which all connections to a server that is read-only are dropped again."""

# No operation needs a transaction of several statements, so each statement is committed by itself.
# With BEGIN and COMMIT, each operation would need three round trips instead of one.
AUTOCOMMIT: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
"""The options of all engines."""
if "skip_autocommit_rollback" in signature(DefaultDialect).parameters:  # SQLAlchemy 2.0.43
    # SQLAlchemy would roll back whenever a connection is released. There is nothing to roll back,
    # but the drivers of MySQL send it, which is a round trip more for each operation.
    AUTOCOMMIT["skip_autocommit_rollback"] = True

IN_MEMORY = (None, "", ":memory:")
"""The databases of the URLs of SQLite that have a single connection."""


def parse_url(uri: str, folder: str | None = None) -> sa.URL:
    """Return the URL of a database.

    :param folder: the folder of a SQLite database whose path is relative
    :raises ConfigError: if *uri* is invalid or its driver can't be used
    """
    # Hosting providers write postgres://, which SQLAlchemy no longer accepts.
    if uri.startswith("postgres://"):
        uri = "postgresql" + uri.removeprefix("postgres")
    try:
        url = sa.make_url(uri)
        # For SQLAlchemy 2.0, a URI without a driver means psycopg2, the predecessor of psycopg.
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        dialect = url.get_dialect()
    except exc.NoSuchModuleError as error:
        raise ConfigError(f"JWT_STORAGE_URI names an unknown driver: {error}") from None
    except (exc.ArgumentError, ValueError):
        raise invalid_uri() from None
    backend = url.get_backend_name()
    _check_driver(backend, dialect)
    if backend in ("mysql", "mariadb") and not url.database:
        raise ConfigError("JWT_STORAGE_URI names no database: add /name to its end")
    return _find_file(url, folder) if backend == "sqlite" else url


def _check_driver(backend: str, dialect: type[sa.Dialect]) -> None:
    if (backend, dialect.driver) in DRIVERS and not dialect.is_async:
        return
    supported = " or ".join(f"{b}+{d}://" for b, d in DRIVERS if b == backend and b != "sqlite")
    # Asynchronous drivers need an event loop. The others can't limit how long they wait, so a
    # server that hangs would block every thread of the application.
    raise ConfigError(
        f"JWT_STORAGE_URI names the driver {dialect.driver}, which can't be used here, because it "
        "is asynchronous or waits indefinitely for a server that hangs. Write "
        + (supported or "sqlite:///path")
    )


def _find_file(url: sa.URL, folder: str | None) -> sa.URL:
    """Return the URL of a SQLite database with an absolute path."""
    name = url.database
    if name in IN_MEMORY or name is None or name.startswith("file:"):
        return url
    path = os.path.join(os.path.abspath(folder or ""), name)
    if not os.path.isabs(name) and folder is not None:
        # Flask doesn't create the instance folder.
        os.makedirs(folder, exist_ok=True)
        if os.path.exists(name) and not os.path.exists(path):
            logger.warning(
                "JWT_STORAGE_URI names %s, not %s as in earlier versions: move the file", path,
                os.path.abspath(name),
            )  # fmt: skip
    logger.info("The sessions are in %s", path)
    return url.set(database=path)


def make_engine(url: sa.URL, timeout: float) -> sa.Engine:
    """Return an engine whose operations take at most *timeout* seconds.

    :raises ConfigError: if the driver is not installed, or an option of *url* is invalid
    """
    backend = url.get_backend_name()
    arguments: dict[str, Any] = {}
    # The pool of a SQLite database in memory has a single connection, and no such argument. The
    # store itself limits the number of connections, because how long one may wait for a connection
    # depends on the call.
    if url.database not in IN_MEMORY or backend != "sqlite":
        arguments["max_overflow"] = -1
    try:
        engine = sa.create_engine(url, hide_parameters=True, **AUTOCOMMIT, **arguments)
        options = dict(engine.dialect.create_connect_args(engine.url)[1])
    except ModuleNotFoundError:
        package = DRIVERS[backend, url.get_dialect().driver]
        raise ConfigError(f"JWT_STORAGE_URI needs {package}: pip install '{package}'") from None
    except (exc.ArgumentError, ValueError):
        raise invalid_uri() from None
    if backend == "sqlite":
        _prepare_sqlite(engine, options, timeout)
    elif backend == "postgresql":
        _prepare_postgresql(engine, options, timeout)
    else:
        _prepare_mysql(engine, options, timeout)

    dropped_at = float("-inf")

    @event.listens_for(engine, "handle_error")
    def judge(context: Any) -> None:
        nonlocal dropped_at
        if is_from_demoted_server(context.original_exception, backend):
            # The next connection may find the server that takes writes now. The others are dropped
            # as well, but not again and again.
            context.is_disconnect = True
            now = time.monotonic()
            context.invalidate_pool_on_disconnect = now - dropped_at > DROP_AGAIN_AFTER
            if context.invalidate_pool_on_disconnect:
                dropped_at = now
        elif time_left(timeout) <= 0:
            # One slow operation is no reason to give up the connections of others.
            context.invalidate_pool_on_disconnect = False

    return engine


_abandoned: list[sa.Engine] = []


def abandon(engine: sa.Engine) -> None:
    """Never use again the connections that a forked process has inherited."""
    # Their sockets are shared with the parent. A driver that closes one properly, for example when
    # the connection is collected, ends the session of the parent. So they are kept, and what a
    # driver writes at the end of the process goes nowhere.
    _abandoned.append(engine)
    for connection in list(_connections.get(engine, ())):
        with suppress(Exception):  # a connection that is closed has no descriptor
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, connection.fileno())
            os.close(null)


_connections: WeakKeyDictionary[sa.Engine, WeakSet[Any]] = WeakKeyDictionary()
"""The open connections of each engine, also those that are in use."""


def _connect_with(engine: sa.Engine, connect: Callable[..., Any]) -> None:
    @event.listens_for(engine, "do_connect")
    def open_connection(_dialect: Any, _record: Any, _arguments: Any, options: Any) -> Any:
        connection = connect(**options)
        _connections.setdefault(engine, WeakSet()).add(connection)
        return connection


def _reject_option(error: Exception) -> ConfigError:
    # The message of a driver names the option, and may quote its value.
    name = next((word for word in str(error).split() if word.startswith(("'", '"'))), "")
    return ConfigError(f"JWT_STORAGE_URI has an invalid option{name and ' '}{name.rstrip('.')}")


def _prepare_sqlite(engine: sa.Engine, options: dict[str, Any], timeout: float) -> None:
    longest = min(float(options.get("timeout", timeout)), timeout)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        _configure_sqlite(connection, time_left(timeout))

    @event.listens_for(engine, "checkout")
    def limit(connection: Any, _record: Any, _proxy: Any) -> None:
        milliseconds = int(max(0.0, min(longest, time_left(timeout))) * 1000)
        connection.execute(f"PRAGMA busy_timeout={milliseconds}")


def _configure_sqlite(connection: Any, timeout: float) -> None:
    cursor = connection.cursor()
    deadline = time.monotonic() + timeout
    cursor.execute("PRAGMA busy_timeout=0")
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


def _prepare_postgresql(engine: sa.Engine, options: dict[str, Any], timeout: float) -> None:
    from ._psycopg import LimitedConnection, find_invalid_option, is_recent

    if not is_recent():
        raise ConfigError("JWT_STORAGE_URI needs psycopg 3.2 or later: pip install -U psycopg")
    # Otherwise it is that of the database, which may not have all characters. For SQL_ASCII,
    # psycopg would return bytes.
    changes: dict[str, Any] = {"client_encoding": options.get("client_encoding", "utf8")}
    threshold = options.pop("prepare_threshold", "5").lower()
    if threshold != "none" and not threshold.isdigit():
        raise ConfigError("JWT_STORAGE_URI: write prepare_threshold=none, or a number")
    changes["prepare_threshold"] = None if threshold == "none" else int(threshold)
    # SQLAlchemy has added an object to the options of the URL.
    given = {name: value for name, value in options.items() if isinstance(value, (str, int))}
    if error := find_invalid_option(given):
        raise _reject_option(error)
    # In transaction mode, PgBouncer has no prepared statements, because it lets several clients use
    # one connection of the server, and it rejects "options".
    if threshold != "none":
        milliseconds = int(timeout * SERVER_SHARE * 1000)
        limits = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
        # Of two values of a setting, the last one counts.
        changes["options"] = f"{limits} {options.get('options', '')}".rstrip()
    limited: Any = type("LimitedConnection", (LimitedConnection,), {"longest_wait": timeout})
    _connect_with(engine, lambda **given: limited.connect(**{**given, **changes}))


def _prepare_mysql(engine: sa.Engine, options: dict[str, Any], timeout: float) -> None:
    # The default of a driver or of the server may be a character set without all characters.
    charset = options.setdefault("charset", "utf8mb4")
    if engine.driver == "pymysql":
        from ._pymysql import LimitedConnection, find_invalid_option

        if error := find_invalid_option(options):
            raise _reject_option(error)
    else:
        from ._mysqlclient import LimitedConnection
    limited: Any = type("LimitedConnection", (LimitedConnection,), {"longest_wait": timeout})
    _connect_with(engine, lambda **given: limited(**{**given, "charset": charset}))

    @event.listens_for(engine, "connect")
    def limit(connection: Any, _record: Any) -> None:
        # The default, REPEATABLE READ, locks the rows that the subquery of a change reads, and the
        # gaps between them. Simultaneous logins of a user would wait for each other, or end in a
        # deadlock.
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        seconds = timeout * SERVER_SHARE
        statement = f"max_execution_time={int(seconds * 1000)}"
        if "mariadb" in connection.get_server_info().lower():
            statement = f"max_statement_time={seconds}"
        cursor = connection.cursor()
        cursor.execute(f"SET innodb_lock_wait_timeout={max(1, int(seconds))}, {statement}")
        cursor.close()
