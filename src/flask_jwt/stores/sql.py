"""Store sessions in SQLite, PostgreSQL, MySQL or MariaDB, with SQLAlchemy Core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any, TypeVar

from ..errors import ConfigError, StoreUnavailable, TextNotStorable
from ._base import RevocationPage, Session, legacy_subject, missing_driver
from ._counters import AttemptKeys, Change, Decision
from ._deadline import Turns, no_time_limit, time_left, time_limit

try:
    import sqlalchemy as sa
    from sqlalchemy import exc

    from . import _sql_counters
    from . import _sql_statements as statements
    from ._sql_engine import IN_MEMORY, abandon, make_engine, parse_url
    from ._sql_errors import is_about_text, store_unavailable
    from ._sql_tables import (
        create_tables,
        has_earlier_counters,
        metadata,
        missing_columns,
        sessions_table,
        upgrade_tables,
    )
except ModuleNotFoundError:
    raise missing_driver("SQLAlchemy", "sql") from None

__all__ = ["SqlStore", "metadata", "sessions_table"]

T = TypeVar("T")

_START_EARLIER = 60.0
"""Seconds before the interval that counts, at which a new process begins to read the feed."""
MOST_CONNECTIONS = 15
"""The connections of a process that are in use at the same time."""

UPGRADE_TIMEOUT = 3600.0
"""Seconds that a statement of an upgrade may take, such as the creation of an index."""


class SqlStore:
    """Store sessions in the table ``jwt_sessions``, which is created at the first use.

    Each statement is a transaction, so no transaction spans several statements.

    :param uri: a SQLAlchemy URL
    :param folder: the folder of a SQLite database whose path is relative
    :param timeout: seconds to wait for a connection, a lock or a response
    """

    def __init__(self, uri: str, timeout: float, folder: str | None = None) -> None:
        self._url = parse_url(uri, folder)
        self._timeout = timeout
        self._backend = self._url.get_backend_name()
        self._process = _Process(make_engine(self._url, timeout))
        driver: Any = self.engine.dialect.loaded_dbapi
        self._errors = (exc.SQLAlchemyError, driver.Error)

    @property
    def engine(self) -> sa.Engine:
        """Return the engine of this process."""
        return self._get_process().engine

    def _get_process(self) -> _Process:
        process = self._process
        if process.id != os.getpid():
            # A forked process inherits the sockets of its parent. If both used them, each would
            # read the responses of the other. (os.register_at_fork() is not enough: uWSGI forks
            # without Python.)
            abandon(process.engine)
            process = self._process = _Process(make_engine(self._url, self._timeout))
        return process

    def ping(self, timeout: float) -> None:
        """Check that the database responds within *timeout* seconds."""
        with no_time_limit(), time_limit(timeout):
            self._run(lambda connection: connection.execute(statements.PING).all())

    def setup(self) -> None:
        """Create the tables, if they don't exist.

        :raises ConfigError: if the table of the sessions is of an earlier version
        """
        with time_limit(self._timeout):
            self._setup(self._get_process())

    def _setup(self, process: _Process) -> None:
        # SQLAlchemy locks the first connection as well, without a limit.
        with process.turns.take(time_left(self._timeout)) as is_mine:
            if process.is_ready:
                return
            if not is_mine:
                raise _no_time()
            try:
                if missing_columns(process.engine) or has_earlier_counters(process.engine):
                    raise ConfigError(
                        "The table jwt_sessions was created by an earlier version of Flask-JWT-Too."
                        " Run: flask jwt sessions upgrade"
                    )
                create_tables(process.engine)
            except self._errors as error:
                raise store_unavailable(error, self._backend) from error
            process.is_ready = True

    def upgrade(
        self, key_of: Callable[[str], str | None], on_batch: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Add tables, columns, indexes and subject keys that are missing.

        It may be repeated, and the application may go on meanwhile.
        """
        try:
            with self._upgrade_engine() as engine:
                added = upgrade_tables(engine)
                sessions = self._set_subject_keys(engine, key_of, on_batch)
        except self._errors as error:
            raise store_unavailable(error, self._backend) from error
        return {**added, "sessions": sessions}

    @contextmanager
    def _upgrade_engine(self) -> Iterator[sa.Engine]:
        # An index of a large table takes longer than a request may wait for the store.
        if self._backend == "sqlite" and self._url.database in IN_MEMORY:
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
                try:
                    if values:
                        connection.execute(statements.SET_KEY, values)
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
                total += len(values)
                on_batch(len(rows), expected)
        return total

    def close(self) -> None:
        """Close the connections; the next operation reconnects."""
        process = self._get_process()
        process.is_ready = False  # a SQLite database in memory ends with its connection
        process.engine.dispose()

    def create(self, session: Session) -> int | None:
        """Store a new session; return an upper bound of the user's sessions if they are few."""
        values = {f"{name}_": getattr(session, name) for name in statements.COLUMNS}
        values["subject_"] = legacy_subject(session.subject)[:255]
        try:
            # Before SQLAlchemy 2.0.28, the row count may be -1. If so, the second INSERT fails.
            if self._execute(statements.CREATE_IF_FEW, values) == 1:
                # Logins at the same time don't see each other, so the bound has room for them.
                return 2 * statements.FEW_SESSIONS
            self._execute(statements.CREATE, values)
        except exc.IntegrityError as error:
            # An earlier attempt has stored it, and its response was lost. If not, the error may
            # quote the row.
            if self.get(session.sid) is None:
                raise store_unavailable(error, self._backend) from None
        return None

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
        grants: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one, in one UPDATE."""
        values = {
            "sid_": sid, "current": generation, "now": now, "idle": idle_expires_at,
            "change": change_id, "address": ip, "agent": user_agent, "grants_": grants or "",
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
        if self._execute(statements.REVOKE, values) == 1:
            return True
        self._execute(statements.REPEAT_REVOCATION, {"sid_": sid})
        return False

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        return self._execute(statements.RENAME, {"sid_": sid, "label_": label}) == 1

    def set_grants(self, sid: str, grants: str | None, *, expected: str | None) -> bool:
        """Set the grants of a session, if they are *expected*, in one UPDATE."""
        values = {
            "sid_": sid, "grants_": grants, "expected": expected or "", "repeated": grants or "",
        }  # fmt: skip
        return self._execute(statements.SET_GRANTS, values) == 1

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
        try:
            return [Session(*row) for row in self._fetch(statement, values)]
        except _TextRejected:
            # No session has a subject that the database can't hold.
            return self.list_active(subject_key, now, limit=limit, after=after)

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*."""
        values = {"key": subject_key, "now": now, "keep": keep, "maximum": limit}
        statement = statements.SURPLUS_BY_USE if by_use else statements.SURPLUS_BY_AGE
        return [Session(*row) for row in self._fetch(statement, values)]

    def read_revocations(
        self, position: int | None, *, now: float, lifetime: float, limit: int = 1000
    ) -> RevocationPage:
        """Return about *limit* revocations, in the order in which the store got them."""
        if position is None:
            values = {"interval": int((lifetime + _START_EARLIER) * 1e6), "maximum": limit}
            rows = self._fetch(statements.FEED_START, values)
        else:
            rows = self._fetch(statements.FEED, {"position": position, "maximum": limit})
        if len(rows) < limit:
            old = self._fetch(statements.REVOKED_WITHOUT_POSITION, {"since": now - lifetime})
            sids = [row[0] for row in (*rows, *old)]
            return RevocationPage(sids, rows[-1][1] if rows else position or 0, is_last=True)
        if rows[-1][1] == position:  # all of them have the same place
            return self.read_revocations(position, now=now, lifetime=lifetime, limit=2 * limit)
        return RevocationPage([row[0] for row in rows], rows[-1][1], is_last=False)

    def now(self) -> float:
        """Return the time of the database."""
        if self.engine.dialect.name == "sqlite":
            return time.time()  # a library in this process
        return float(self._fetch(statements.NOW, {})[0][0]) / 1e6

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        values = {"before": before, "now": before if now is None else now, "maximum": limit}
        is_sqlite = self._backend == "sqlite"
        for statement in (
            statements.DELETE_ENDED_IN_SQLITE if is_sqlite else statements.DELETE_ENDED
        ):
            if deleted := self._run(partial(_delete, statement=statement, values=values)):
                return deleted
        return 0

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
        def execute(values: dict[str, Any]) -> int:
            return self._run(lambda connection: int(connection.execute(statement, values).rowcount))

        try:
            return execute(values)
        except _TextRejected:
            # For example a name of a device, in a database that doesn't have all characters.
            shortened = {
                name: value.encode("ascii", "ignore").decode() if isinstance(value, str) else value
                for name, value in values.items()
            }
        try:
            return execute(shortened)
        except _TextRejected:
            raise TextNotStorable from None

    def _fetch(self, statement: sa.Executable, values: dict[str, Any]) -> list[Any]:
        return self._run(lambda connection: list(connection.execute(statement, values).all()))

    def _run(self, action: Callable[[sa.Connection], T]) -> T:
        process = self._get_process()
        with time_limit(self._timeout):
            if not process.is_ready:
                self._setup(process)
            if not process.connections.acquire(timeout=max(0.0, time_left(self._timeout))):
                raise _no_time()
            try:
                with process.engine.connect() as connection:
                    return action(connection)
            except exc.IntegrityError:
                raise
            except (*self._errors, UnicodeError) as error:
                if is_about_text(error, self._backend):
                    raise _TextRejected from error
                raise store_unavailable(error, self._backend) from error
            finally:
                process.connections.release()


def _delete(connection: sa.Connection, statement: sa.Executable, values: dict[str, Any]) -> int:
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        # A batch touches pages all over the file. The default cache would write them repeatedly.
        connection.exec_driver_sql("PRAGMA cache_size=-65536")
    try:
        return int(connection.execute(statement, values).rowcount)
    finally:
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA cache_size=-2000")


class _TextRejected(Exception):
    """Raised when the database can't hold a string."""


class _Process:
    """Hold what each process has separately: connections, and whether it has set up the tables."""

    def __init__(self, engine: sa.Engine) -> None:
        self.id = os.getpid()
        self.engine = engine
        self.is_ready = False
        self.turns = Turns()
        self.connections = BoundedSemaphore(MOST_CONNECTIONS)


def _no_time() -> StoreUnavailable:
    error = StoreUnavailable()
    error.is_outage = False
    error.reason = "no free connection"
    return error
