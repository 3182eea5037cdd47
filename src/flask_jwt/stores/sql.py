"""Store sessions in SQLite, PostgreSQL, MySQL or MariaDB, with SQLAlchemy Core."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import asdict
from threading import Lock
from typing import Any, TypeVar

from ..errors import ConfigError, StoreUnavailable
from ._base import Session, invalid_uri, missing_driver
from ._deadline import Deadline

try:
    import sqlalchemy as sa
    from sqlalchemy import event, exc
except ModuleNotFoundError:
    raise missing_driver("SQLAlchemy", "sql") from None

T = TypeVar("T")

metadata = sa.MetaData()

#: The table of the sessions, for migrations with Alembic. Times are seconds since the epoch.
sessions_table = sa.Table(
    "jwt_sessions",
    metadata,
    sa.Column("sid", sa.String(32), primary_key=True),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("rotated_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("idle_expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
    sa.Column("user_agent", sa.String(255)),
    sa.Column("ip", sa.String(45)),
    sa.Column("label", sa.String(255)),
    sa.Index("jwt_sessions_subject", "subject"),
    sa.Index("jwt_sessions_revoked_at", "revoked_at"),
    sa.Index("jwt_sessions_expires_at", "expires_at"),
)

_row = sessions_table.c
_now = sa.bindparam("now", type_=sa.Double)
_is_active = sa.and_(
    _row.revoked_at.is_(None),
    _row.expires_at > _now,
    sa.or_(_row.idle_expires_at.is_(None), _row.idle_expires_at > _now),
)

# The statements are built once rather than for each request. The names of their parameters differ
# from those of the columns, which SQLAlchemy reserves for the values of INSERT and UPDATE.
_GET = sa.select(sessions_table).where(_row.sid == sa.bindparam("sid_"))
_CREATE = sa.insert(sessions_table)
# The condition and the change are one statement, so the database decides which of several callers
# rotates a generation; its row count says who did.
_ROTATE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.generation == sa.bindparam("current"), _is_active)
    .values(
        generation=_row.generation + sa.literal_column("1"),
        rotated_at=_now,
        idle_expires_at=sa.bindparam("idle", type_=sa.Double),
    )
)
_REVOKE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.revoked_at.is_(None))
    .values(revoked_at=_now)
)
_RENAME = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"))
    .values(label=sa.bindparam("label_"))
)
_LIST = (
    sa.select(sessions_table)
    .where(_row.subject == sa.bindparam("subject_"), _is_active)
    .order_by(_row.created_at, _row.sid)
)
_REVOKED_SINCE = sa.select(_row.sid, _row.revoked_at).where(
    _row.revoked_at >= sa.bindparam("since", type_=sa.Double)
)
_before = sa.bindparam("before", type_=sa.Double)
_ENDED = (
    sa.select(_row.sid)
    .where(
        sa.or_(_row.expires_at < _before, _row.idle_expires_at < _before, _row.revoked_at < _before)
    )
    .limit(sa.bindparam("maximum", type_=sa.Integer))
)
_COUNT = sa.select(
    sa.func.count(),
    sa.func.count(sa.case((_is_active, 1))),
    sa.func.count(_row.revoked_at),
)


class SqlStore:
    """Store sessions in the table ``jwt_sessions``, which is created at the first use.

    Each statement is a transaction, so no transaction spans several statements.

    :param uri: a SQLAlchemy URL
    :param timeout: seconds to wait for a connection, a lock or a response
    """

    def __init__(self, uri: str, timeout: float) -> None:
        # Hosting providers write postgres://, which SQLAlchemy no longer accepts.
        if uri.startswith("postgres://"):
            uri = "postgresql" + uri.removeprefix("postgres")
        try:
            url = sa.make_url(uri)
            # For SQLAlchemy 2.0, a URI without a driver means psycopg2, the predecessor of psycopg.
            if url.drivername == "postgresql":
                url = url.set(drivername="postgresql+psycopg")
            self.engine = _make_engine(url, timeout)
        except exc.NoSuchModuleError as error:
            raise ConfigError(f"JWT_STORAGE_URI names an unknown driver: {error}") from None
        except (exc.ArgumentError, ValueError):
            raise invalid_uri() from None
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"JWT_STORAGE_URI needs the driver {error.name}: pip install {error.name}"
            ) from None
        # The other drivers have timeouts of their own that work if the server hangs.
        self._deadline = Deadline(timeout) if self.engine.driver == "psycopg" else None
        driver: Any = self.engine.dialect.loaded_dbapi
        self._errors = (exc.SQLAlchemyError, driver.Error)
        # Errors of the statement or its values. The server responded, so it is not unavailable.
        self._statement_errors = (
            exc.DataError, exc.IntegrityError, driver.DataError, driver.IntegrityError
        )  # fmt: skip
        self._is_ready = False
        self._lock = Lock()
        _reset_pool_after_fork(self.engine)

    def setup(self) -> None:
        """Create the table, if it doesn't exist."""
        with self._lock:
            if self._is_ready:
                return
            try:
                try:
                    metadata.create_all(self.engine)
                except exc.DBAPIError:
                    # Another process may have created the table between the check of create_all()
                    # and its CREATE TABLE.
                    if not sa.inspect(self.engine).has_table(sessions_table.name):
                        raise
            except self._errors as error:
                raise _store_unavailable(error) from error
            self._is_ready = True

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        with self._lock:
            self._is_ready = False  # a SQLite database in memory ends with its connection
            self.engine.dispose()

    def create(self, session: Session) -> None:
        """Store a new session."""
        self._execute(_CREATE, asdict(session))

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        rows = self._fetch(_GET, {"sid_": sid})
        return Session(*rows[0]) if rows else None

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next one, in one UPDATE."""
        values = {"sid_": sid, "current": generation, "now": now, "idle": idle_expires_at}
        return self._execute(_ROTATE, values) == 1

    def revoke(self, sid: str, now: float) -> bool:
        """Revoke a session."""
        return self._execute(_REVOKE, {"sid_": sid, "now": now}) == 1

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        return self._execute(_RENAME, {"sid_": sid, "label_": label}) == 1

    def list_active(self, subject: str, now: float) -> list[Session]:
        """Return the active sessions of *subject*, oldest first."""
        return [Session(*row) for row in self._fetch(_LIST, {"subject_": subject, "now": now})]

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        return [(row[0], row[1]) for row in self._fetch(_REVOKED_SINCE, {"since": since})]

    def prune(self, before: float, limit: int) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        # Not every database supports DELETE with LIMIT, so the sids are selected first. An ended
        # session never becomes active again, so the two statements need no common transaction.
        sids = [row[0] for row in self._fetch(_ENDED, {"before": before, "maximum": limit})]
        if not sids:
            return 0
        return self._execute(sa.delete(sessions_table).where(_row.sid.in_(sids)), {})

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active, revoked and expired sessions."""
        total, active, revoked = self._fetch(_COUNT, {"now": now})[0]
        return {"active": active, "revoked": revoked, "expired": total - active - revoked}

    def warnings(self) -> list[str]:
        """Return nothing, because a database doesn't lose acknowledged changes."""
        return []

    def _execute(self, statement: sa.Executable, values: dict[str, Any]) -> int:
        return self._run(lambda connection: int(connection.execute(statement, values).rowcount))

    def _fetch(self, statement: sa.Executable, values: dict[str, Any]) -> list[Any]:
        return self._run(lambda connection: list(connection.execute(statement, values).all()))

    def _run(self, action: Callable[[sa.Connection], T]) -> T:
        if not self._is_ready:
            self.setup()
        operation = None
        try:
            with self.engine.connect() as connection:
                if self._deadline is None:
                    return action(connection)
                raw: Any = connection.connection.dbapi_connection
                operation = self._deadline.begin(raw.fileno())
                try:
                    return action(connection)
                finally:
                    self._deadline.end(operation)
        except self._statement_errors:
            raise
        except self._errors as error:
            has_timed_out = operation is not None and operation.has_timed_out
            raise _store_unavailable(error, has_timed_out=has_timed_out) from error


def _make_engine(url: sa.URL, timeout: float) -> sa.Engine:
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


def _reset_pool_after_fork(engine: sa.Engine) -> None:
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


def _store_unavailable(error: Exception, *, has_timed_out: bool = False) -> StoreUnavailable:
    # The circuit breaker repeats an operation once if the connection was lost. After a timeout it
    # must not, because the request has waited long enough.
    is_lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return StoreUnavailable.because(error, lost_connection=is_lost and not has_timed_out)
