"""Sessions in a SQL database, through SQLAlchemy Core: SQLite, PostgreSQL, MySQL and its kin."""

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
from ._base import Session, bad_uri, missing_driver
from ._deadline import Deadline

try:
    import sqlalchemy as sa
    from sqlalchemy import event, exc
except ModuleNotFoundError:
    raise missing_driver("SQLAlchemy", "sql") from None

T = TypeVar("T")

metadata = sa.MetaData()

#: The table, for those who make theirs with Alembic. Moments are seconds since the epoch.
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

_GET = sa.select(sessions_table).where(_row.sid == sa.bindparam("sid_"))
_CREATE = sa.insert(sessions_table)
_ROTATE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.generation == sa.bindparam("present"), _is_active)
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
    _row.revoked_at >= sa.bindparam("moment", type_=sa.Double)
)
_before = sa.bindparam("before", type_=sa.Double)
_ENDED = (
    sa.select(_row.sid)
    .where(
        sa.or_(_row.expires_at < _before, _row.idle_expires_at < _before, _row.revoked_at < _before)
    )
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_COUNT = sa.select(
    sa.func.count(),
    sa.func.count(sa.case((_is_active, 1))),
    sa.func.count(_row.revoked_at),
)


class SqlStore:
    """Sessions in the table ``jwt_sessions``, made on first use if it isn't there.

    Each method is one statement in a transaction of its own.

    :param uri: a SQLAlchemy URL
    :param timeout: seconds to wait for a connection, a lock or an answer
    """

    def __init__(self, uri: str, timeout: float) -> None:
        if uri.startswith("postgres://"):
            uri = "postgresql" + uri.removeprefix("postgres")
        try:
            url = sa.make_url(uri)
            if url.drivername == "postgresql":
                url = url.set(drivername="postgresql+psycopg")
            self.engine = _make_engine(url, timeout)
        except exc.NoSuchModuleError as error:
            raise ConfigError(f"JWT_STORAGE_URI can't be used: {error}") from None
        except (exc.ArgumentError, ValueError):
            raise bad_uri() from None
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"JWT_STORAGE_URI needs the driver {error.name}: pip install {error.name}"
            ) from None
        # Other drivers keep such a limit themselves.
        self._deadline = Deadline(timeout) if self.engine.driver == "psycopg" else None
        driver: Any = self.engine.dialect.loaded_dbapi
        self._errors = (exc.SQLAlchemyError, driver.Error)
        self._mistakes = (
            exc.DataError, exc.IntegrityError, driver.DataError, driver.IntegrityError
        )  # fmt: skip
        self._is_ready = False
        self._lock = Lock()
        _renew_after_fork(self.engine)

    def setup(self) -> None:
        """Make the table, if it isn't there."""
        with self._lock:
            if self._is_ready:
                return
            try:
                try:
                    metadata.create_all(self.engine)
                except exc.DBAPIError:
                    # Another process may have made it between our look and our CREATE.
                    if not sa.inspect(self.engine).has_table(sessions_table.name):
                        raise
            except self._errors as error:
                raise _unavailable(error) from error
            self._is_ready = True

    def close(self) -> None:
        """Close the connections; the next operation makes new ones."""
        with self._lock:
            self._is_ready = False  # a SQLite database in memory ends with its connection
            self.engine.dispose()

    def create(self, session: Session) -> None:
        """Keep a new session."""
        self._execute(_CREATE, asdict(session))

    def get(self, sid: str) -> Session | None:
        """The session, or None."""
        rows = self._rows(_GET, {"sid_": sid})
        return Session(*rows[0]) if rows else None

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next, in one UPDATE."""
        values = {"sid_": sid, "present": generation, "now": now, "idle": idle_expires_at}
        return self._execute(_ROTATE, values) == 1

    def revoke(self, sid: str, now: float) -> bool:
        """End a session for good."""
        return self._execute(_REVOKE, {"sid_": sid, "now": now}) == 1

    def rename(self, sid: str, label: str | None) -> bool:
        """Give a session another label."""
        return self._execute(_RENAME, {"sid_": sid, "label_": label}) == 1

    def list_active(self, subject: str, now: float) -> list[Session]:
        """The subject's active sessions, oldest first."""
        return [Session(*row) for row in self._rows(_LIST, {"subject_": subject, "now": now})]

    def revoked_since(self, moment: float) -> Iterable[tuple[str, float]]:
        """Sid and moment of each revocation from *moment* on."""
        return [(row[0], row[1]) for row in self._rows(_REVOKED_SINCE, {"moment": moment})]

    def prune(self, before: float, limit: int) -> int:
        """Forget ended sessions, *limit* of them in one short transaction."""
        sids = [row[0] for row in self._rows(_ENDED, {"before": before, "most": limit})]
        if not sids:
            return 0
        return self._execute(sa.delete(sessions_table).where(_row.sid.in_(sids)), {})

    def count(self, now: float) -> dict[str, int]:
        """How many sessions are active, revoked and expired."""
        total, active, revoked = self._rows(_COUNT, {"now": now})[0]
        return {"active": active, "revoked": revoked, "expired": total - active - revoked}

    def warnings(self) -> list[str]:
        """A database keeps what it acknowledged."""
        return []

    def _execute(self, statement: Any, values: dict[str, Any]) -> int:
        return self._run(lambda connection: int(connection.execute(statement, values).rowcount))

    def _rows(self, statement: Any, values: dict[str, Any]) -> list[Any]:
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
        except self._mistakes:
            raise  # the server answered; what it was asked is at fault
        except self._errors as error:
            raise _unavailable(
                error, was_too_slow=operation is not None and operation.is_over
            ) from error


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
    if url.database not in (None, "", ":memory:"):
        arguments["pool_timeout"] = timeout
    # One statement is one transaction: autocommit spares the round trips of BEGIN and COMMIT.
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", **arguments)
    if backend == "sqlite":
        event.listen(engine, "connect", lambda made, _: _prepare_sqlite(made, timeout))
    return engine


def _prepare_sqlite(connection: Any, timeout: float) -> None:
    cursor = connection.cursor()
    deadline = time.monotonic() + timeout
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            # Where workers make the file together SQLite doesn't wait for the lock as it does else.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
    # With NORMAL a power failure could undo a logout that was acknowledged.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _renew_after_fork(engine: sa.Engine) -> None:
    reference = weakref.ref(engine)

    def renew() -> None:
        engine = reference()
        if engine is not None:
            engine.dispose(close=False)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def _unavailable(error: Exception, *, was_too_slow: bool = False) -> StoreUnavailable:
    is_lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return StoreUnavailable.because(error, lost_connection=is_lost and not was_too_slow)
