"""Store sessions in SQLite, PostgreSQL, MySQL or MariaDB, with SQLAlchemy Core."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from threading import Lock
from typing import Any, TypeVar

from ..errors import ConfigError, StoreUnavailable
from ._base import Session, invalid_uri, legacy_subject, missing_driver
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
    # Version 2. These columns are nullable, because during an upgrade processes of the version
    # before still insert rows without them.
    sa.Column("subject_key", sa.String(64)),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("last_ip", sa.String(45)),
    sa.Column("last_user_agent", sa.String(255)),
    sa.Column("change_id", sa.String(32)),
    sa.Column("csrf", sa.String(64)),
    sa.Column("revocation_kept_until", sa.Double),
    sa.Column("feed_position", sa.BigInteger),
    sa.Index("jwt_sessions_subject", "subject"),
    sa.Index("jwt_sessions_subject_key", "subject_key", "sequence"),
    sa.Index("jwt_sessions_revoked_at", "revoked_at"),
    sa.Index("jwt_sessions_expires_at", "expires_at"),
    sa.Index("jwt_sessions_idle_expires_at", "idle_expires_at"),
    sa.Index("jwt_sessions_feed_position", "feed_position"),
)

#: Counters of the store: the version of its tables.
counters_table = sa.Table(
    "jwt_store",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

#: Counters of failed logins. No version uses the table yet; it is created with the others, so that
#: a later version needs no further upgrade.
login_counters_table = sa.Table(
    "jwt_login_counters",
    metadata,
    sa.Column("counter_key", sa.String(64), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("jwt_login_counters_expires_at", "expires_at"),
)

VERSION = 2
"""The version of the tables."""

UPGRADE_TIMEOUT = 3600.0
"""Seconds that a statement of an upgrade may take, such as the creation of an index."""

_row = sessions_table.c
_now = sa.bindparam("now", type_=sa.Double)
_is_active = sa.and_(
    _row.revoked_at.is_(None),
    _row.expires_at > _now,
    sa.or_(_row.idle_expires_at.is_(None), _row.idle_expires_at > _now),
)
_key = sa.bindparam("key", type_=sa.String)
# The same order as Session.position. Sessions of an earlier version have no sequence, and are older
# than those that have one.
_position = (sa.func.coalesce(_row.sequence, 0), _row.created_at, _row.sid)

# The statements are built once rather than for each request. The names of their parameters differ
# from those of the columns, which SQLAlchemy reserves for the values of INSERT and UPDATE.
_GET = sa.select(sessions_table).where(_row.sid == sa.bindparam("sid_"))
_CREATE = sa.insert(sessions_table)
_LAST_SEQUENCE = sa.select(sa.func.max(_row.sequence)).where(_row.subject_key == _key)
# The condition and the change are one statement, so the database decides which of several callers
# rotates a generation; its row count says who did.
_ROTATE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.generation == sa.bindparam("current"), _is_active)
    .values(
        generation=_row.generation + sa.literal_column("1"),
        rotated_at=_now,
        idle_expires_at=sa.bindparam("idle", type_=sa.Double),
        change_id=sa.bindparam("change"),
        last_ip=sa.bindparam("address"),
        last_user_agent=sa.bindparam("agent"),
    )
)
_REVOKE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.revoked_at.is_(None))
    .values(
        revoked_at=_now,
        change_id=sa.bindparam("change"),
        revocation_kept_until=sa.bindparam("kept", type_=sa.Double),
    )
)
_RENAME = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"))
    .values(label=sa.bindparam("label_"))
)
_SURPLUS = (
    sa.select(sessions_table)
    .where(_row.subject_key == _key, _is_active)
    .offset(sa.bindparam("keep", type_=sa.Integer))
    .limit(sa.bindparam("maximum", type_=sa.Integer))
)
_newest_first = [column.desc() for column in _position]
_SURPLUS_BY_AGE = _SURPLUS.order_by(*_newest_first)
_SURPLUS_BY_USE = _SURPLUS.order_by(_row.rotated_at.desc(), *_newest_first)
_REVOKED_SINCE = sa.select(_row.sid, _row.revoked_at).where(
    _row.revoked_at >= sa.bindparam("since", type_=sa.Double)
)
_before = sa.bindparam("before", type_=sa.Double)
_ENDED = (
    sa.select(_row.sid)
    .where(
        sa.or_(
            _row.expires_at < _before,
            sa.and_(
                sa.or_(_row.idle_expires_at < _before, _row.revoked_at < _before),
                sa.or_(_row.revocation_kept_until.is_(None), _row.revocation_kept_until <= _now),
            ),
        )
    )
    .limit(sa.bindparam("maximum", type_=sa.Integer))
)
_COUNT = sa.select(
    sa.func.count(),
    sa.func.count(sa.case((_is_active, 1))),
    sa.func.count(_row.revoked_at),
)
_WITHOUT_KEY = (
    sa.select(_row.sid, _row.payload)
    .where(_row.subject_key.is_(None), _row.sid > sa.bindparam("after"))
    .order_by(_row.sid)
    .limit(500)
)
_SET_KEY = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.subject_key.is_(None))
    .values(subject_key=_key)
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
            self._url = url
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
        """Create the tables, if they don't exist.

        :raises ConfigError: if the table of the sessions is of an earlier version
        """
        with self._lock:
            if self._is_ready:
                return
            try:
                if _missing_columns(self.engine):
                    raise ConfigError(
                        "The table jwt_sessions was created by an earlier version of Flask-JWT-Too."
                        " Run: flask jwt sessions upgrade"
                    )
                _create_tables(self.engine)
            except self._errors as error:
                raise _store_unavailable(error) from error
            self._is_ready = True

    def upgrade(
        self, key_of: Callable[[str], str | None], on_batch: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Add tables, columns, indexes and subject keys that are missing.

        It may be repeated, and the application may go on meanwhile.
        """
        try:
            with self._upgrade_engine() as engine:
                before = set(sa.inspect(engine).get_table_names())
                columns = _missing_columns(engine)
                for column in columns:
                    _add_column(engine, column)
                _create_tables(engine)
                # create_all() creates no indexes of tables that exist.
                indexes = [i for t in metadata.tables.values() for i in _missing_indexes(engine, t)]
                for index in indexes:
                    index.create(engine)
                sessions = self._set_subject_keys(engine, key_of, on_batch)
        except self._errors as error:
            raise _store_unavailable(error) from error
        return {
            "tables": [name for name in metadata.tables if name not in before],
            "columns": [column.name for column in columns],
            "indexes": [index.name for index in indexes],
            "sessions": sessions,
        }

    @contextmanager
    def _upgrade_engine(self) -> Iterator[sa.Engine]:
        # An index of a large table takes longer than a request may wait for the store.
        if self._url.database in (None, "", ":memory:"):
            yield self.engine  # a SQLite database in memory has a single connection
            return
        engine = _make_engine(self._url, UPGRADE_TIMEOUT)
        try:
            yield engine
        finally:
            engine.dispose()

    def _set_subject_keys(
        self,
        engine: sa.Engine,
        key_of: Callable[[str], str | None],
        on_batch: Callable[[int, int], None],
    ) -> int:
        total, after = 0, ""
        with engine.connect() as connection:
            unkeyed = sa.select(sa.func.count()).where(_row.subject_key.is_(None))
            expected = connection.execute(unkeyed).scalar_one()
            while rows := connection.execute(_WITHOUT_KEY, {"after": after}).all():
                after = rows[-1].sid
                keys = [(row.sid, key_of(row.payload)) for row in rows]
                values = [{"sid_": sid, "key": key} for sid, key in keys if key is not None]
                # One transaction, because a commit for each row would take much longer.
                connection.exec_driver_sql("BEGIN")
                if values:
                    connection.execute(_SET_KEY, values)
                connection.exec_driver_sql("COMMIT")
                total += len(values)
                on_batch(len(rows), expected)
        return total

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        with self._lock:
            self._is_ready = False  # a SQLite database in memory ends with its connection
            self.engine.dispose()

    def create(self, session: Session) -> None:
        """Store a new session."""
        # Two logins at the same time may get the same sequence; the sid then decides their order.
        # A sequence of the database would need DDL of its own for each database.
        last = self._fetch(_LAST_SEQUENCE, {"key": session.subject_key})[0][0] or 0
        subject = legacy_subject(session.subject)[:255]
        try:
            self._execute(_CREATE, {**asdict(session), "subject": subject, "sequence": last + 1})
        except exc.IntegrityError:
            # An earlier attempt has stored it, and its response was lost.
            if self.get(session.sid) is None:
                raise

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        rows = self._fetch(_GET, {"sid_": sid})
        return Session(*rows[0]) if rows else None

    def rotate(
        self,
        sid: str,
        generation: int,
        *,
        now: float,
        idle_expires_at: float | None,
        change_id: str | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one, in one UPDATE."""
        values = {
            "sid_": sid, "current": generation, "now": now, "idle": idle_expires_at,
            "change": change_id, "address": ip, "agent": user_agent,
        }  # fmt: skip
        return self._execute(_ROTATE, values) == 1

    def revoke(
        self,
        sid: str,
        now: float,
        *,
        change_id: str | None = None,
        kept_until: float | None = None,
    ) -> bool:
        """Revoke a session."""
        values = {"sid_": sid, "now": now, "change": change_id, "kept": kept_until}
        return self._execute(_REVOKE, values) == 1

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        return self._execute(_RENAME, {"sid_": sid, "label_": label}) == 1

    def list_active(
        self,
        subject_key: str,
        now: float,
        *,
        subject: str | None = None,
        limit: int = 100,
        after: Session | None = None,
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user, in the order of their logins."""
        is_users = _row.subject_key == _key
        values: dict[str, Any] = {"key": subject_key, "now": now, "maximum": limit}
        if subject is not None:
            has_subject = sa.and_(
                _row.subject_key.is_(None), _row.subject == sa.bindparam("subject_")
            )
            is_users = sa.or_(is_users, has_subject)
            values["subject_"] = legacy_subject(subject)
        statement = sa.select(sessions_table).where(is_users, _is_active).order_by(*_position)
        if after is not None:
            place: list[Any] = [
                sa.bindparam(f"after{n}", value) for n, value in enumerate(after.position)
            ]
            statement = statement.where(sa.tuple_(*_position) > sa.tuple_(*place))
        statement = statement.limit(sa.bindparam("maximum", type_=sa.Integer))
        return [Session(*row) for row in self._fetch(statement, values)]

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*."""
        values = {"key": subject_key, "now": now, "keep": keep, "maximum": limit}
        statement = _SURPLUS_BY_USE if by_use else _SURPLUS_BY_AGE
        return [Session(*row) for row in self._fetch(statement, values)]

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        return [(row[0], row[1]) for row in self._fetch(_REVOKED_SINCE, {"since": since})]

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        # Not every database supports DELETE with LIMIT, so the sids are selected first. An ended
        # session never becomes active again, so the two statements need no common transaction.
        kept = before if now is None else now
        values = {"before": before, "now": kept, "maximum": limit}
        sids = [row[0] for row in self._fetch(_ENDED, values)]
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


def _create_tables(engine: sa.Engine) -> None:
    # Another process may create a table between the check of create_all() and its CREATE TABLE, so
    # there may be one failure for each table.
    for _ in metadata.tables:
        try:
            metadata.create_all(engine)
            break
        except exc.DBAPIError:
            if not sa.inspect(engine).has_table(sessions_table.name):
                raise
    else:
        metadata.create_all(engine)
    with engine.connect() as connection:
        is_version = counters_table.c.name == "version"
        values = {"name": "version", "value": VERSION}
        stored = connection.execute(sa.select(counters_table.c.value).where(is_version)).scalar()
        if stored is None:
            with suppress(exc.IntegrityError):  # another process was faster
                connection.execute(sa.insert(counters_table).values(values))
        elif stored < VERSION:
            connection.execute(sa.update(counters_table).where(is_version).values(value=VERSION))


def _missing_columns(engine: sa.Engine) -> list[sa.Column[Any]]:
    """Return the columns that the table of an earlier version lacks."""
    inspector = sa.inspect(engine)
    if not inspector.has_table(sessions_table.name):
        return []
    present = {column["name"] for column in inspector.get_columns(sessions_table.name)}
    return [column for column in sessions_table.columns if column.name not in present]


def _add_column(engine: sa.Engine, column: sa.Column[Any]) -> None:
    # SQLAlchemy has no ALTER TABLE. The names are words of no SQL dialect, so they need no quotes.
    definition = sa.schema.CreateColumn(column).compile(dialect=engine.dialect)
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER TABLE {sessions_table.name} ADD COLUMN {definition}"))


def _missing_indexes(engine: sa.Engine, table: sa.Table) -> list[sa.Index]:
    present = {index["name"] for index in sa.inspect(engine).get_indexes(table.name)}
    return [index for index in table.indexes if index.name not in present]


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
