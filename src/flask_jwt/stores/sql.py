"""Store sessions in SQLite, PostgreSQL, MySQL or MariaDB, with SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Lock
from typing import Any, TypeVar

from ..errors import ConfigError, StoreUnavailable
from ._base import Session, invalid_uri, legacy_subject, missing_driver
from ._counters import AttemptKeys, Change, Decision
from ._deadline import Deadline

try:
    import sqlalchemy as sa
    from sqlalchemy import exc

    from . import _sql_counters
    from . import _sql_statements as statements
    from ._sql_engine import make_engine, reset_pool_after_fork
    from ._sql_tables import (
        add_column,
        create_tables,
        has_earlier_counters,
        login_counters_table,
        metadata,
        missing_columns,
        missing_indexes,
        sessions_table,
    )
except ModuleNotFoundError:
    raise missing_driver("SQLAlchemy", "sql") from None

__all__ = ["SqlStore", "metadata", "sessions_table"]

T = TypeVar("T")

UPGRADE_TIMEOUT = 3600.0
"""Seconds that a statement of an upgrade may take, such as the creation of an index."""


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
            self.engine = make_engine(url, timeout)
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
        reset_pool_after_fork(self.engine)

    def setup(self) -> None:
        """Create the tables, if they don't exist.

        :raises ConfigError: if the table of the sessions is of an earlier version
        """
        with self._lock:
            if self._is_ready:
                return
            try:
                if missing_columns(self.engine) or has_earlier_counters(self.engine):
                    raise ConfigError(
                        "The table jwt_sessions was created by an earlier version of Flask-JWT-Too."
                        " Run: flask jwt sessions upgrade"
                    )
                create_tables(self.engine)
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
                columns = missing_columns(engine)
                for column in columns:
                    add_column(engine, column)
                if has_earlier_counters(engine):
                    login_counters_table.drop(engine)
                create_tables(engine)
                # create_all() creates no indexes of tables that exist.
                indexes = [i for t in metadata.tables.values() for i in missing_indexes(engine, t)]
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
        engine = make_engine(self._url, UPGRADE_TIMEOUT)
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
            unkeyed = sa.select(sa.func.count()).where(sessions_table.c.subject_key.is_(None))
            expected = connection.execute(unkeyed).scalar_one()
            while rows := connection.execute(statements.WITHOUT_KEY, {"after": after}).all():
                after = rows[-1].sid
                keys = [(row.sid, key_of(row.payload)) for row in rows]
                values = [{"sid_": sid, "key": key} for sid, key in keys if key is not None]
                # One transaction, because a commit for each row would take much longer.
                connection.exec_driver_sql("BEGIN")
                if values:
                    connection.execute(statements.SET_KEY, values)
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
        last = self._fetch(statements.LAST_SEQUENCE, {"key": session.subject_key})[0][0] or 0
        subject = legacy_subject(session.subject)[:255]
        try:
            self._execute(
                statements.CREATE, {**asdict(session), "subject": subject, "sequence": last + 1}
            )
        except exc.IntegrityError:
            # An earlier attempt has stored it, and its response was lost.
            if self.get(session.sid) is None:
                raise

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        rows = self._fetch(statements.GET, {"sid_": sid})
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
        return self._execute(statements.ROTATE, values) == 1

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
        return self._execute(statements.REVOKE, values) == 1

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        return self._execute(statements.RENAME, {"sid_": sid, "label_": label}) == 1

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
        row = sessions_table.c
        is_users = row.subject_key == sa.bindparam("key")
        values: dict[str, Any] = {"key": subject_key, "now": now, "maximum": limit}
        if subject is not None:
            has_subject = sa.and_(
                row.subject_key.is_(None), row.subject == sa.bindparam("subject_")
            )
            is_users = sa.or_(is_users, has_subject)
            values["subject_"] = legacy_subject(subject)
        statement = sa.select(sessions_table).where(is_users, statements.IS_ACTIVE)
        statement = statement.order_by(*statements.POSITION)
        if after is not None:
            place: list[Any] = [
                sa.bindparam(f"after{n}", value) for n, value in enumerate(after.position)
            ]
            statement = statement.where(sa.tuple_(*statements.POSITION) > sa.tuple_(*place))
        statement = statement.limit(sa.bindparam("maximum", type_=sa.Integer))
        return [Session(*row) for row in self._fetch(statement, values)]

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*."""
        values = {"key": subject_key, "now": now, "keep": keep, "maximum": limit}
        statement = statements.SURPLUS_BY_USE if by_use else statements.SURPLUS_BY_AGE
        return [Session(*row) for row in self._fetch(statement, values)]

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        return [(row[0], row[1]) for row in self._fetch(statements.REVOKED_SINCE, {"since": since})]

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        # Not every database supports DELETE with LIMIT, so the sids are selected first. An ended
        # session never becomes active again, so the two statements need no common transaction.
        kept = before if now is None else now
        values = {"before": before, "now": kept, "maximum": limit}
        sids = [row[0] for row in self._fetch(statements.ENDED, values)]
        if not sids:
            return 0
        return self._execute(sa.delete(sessions_table).where(sessions_table.c.sid.in_(sids)), {})

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active, revoked and expired sessions."""
        total, active, revoked = self._fetch(statements.COUNT, {"now": now})[0]
        return {"active": active, "revoked": revoked, "expired": total - active - revoked}

    def begin_login(self, keys: AttemptKeys, now: float) -> Decision:
        """Decide about a login, and count it as failed if it is allowed."""
        return self._run(lambda connection: _sql_counters.begin_login(connection, keys, now))

    def change_counters(self, changes: list[Change], now: float) -> None:  # noqa: ARG002
        """Change the counters of failed logins."""
        self._run(lambda connection: _sql_counters.change_counters(connection, changes))

    def prune_counters(self, now: float) -> bool:
        """Delete expired counters of failed logins; return whether there may be more."""
        return self._run(lambda connection: _sql_counters.prune_counters(connection, now))

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


def _store_unavailable(error: Exception, *, has_timed_out: bool = False) -> StoreUnavailable:
    # The circuit breaker repeats an operation once if the connection was lost. After a timeout it
    # must not, because the request has waited long enough.
    is_lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return StoreUnavailable.because(error, lost_connection=is_lost and not has_timed_out)
