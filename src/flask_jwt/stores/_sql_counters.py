"""Count failed logins in a SQL database: two statements before an attempt, and one after it.

Every statement is a transaction, because an attempt checks a password in between. An attempt reads
its counters, decides, and increments them in one upsert. Other attempts may do the same meanwhile,
so the upsert fails as a whole if a counter would exceed its limit: the table has a constraint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ._counters import SLOTS, SLOTS_AHEAD, AttemptKeys, Change, Counter, Decision, decide
from ._sql_tables import COUNTER_LIMIT, login_counters_table

MOST_ALLOWED = 10**9
"""Larger limits count as this one, because the columns are 32-bit integers."""

PRUNE_AFTER = 60.0
"""Seconds for which an expired counter is kept. The clock of another server may be slow."""

MOST_ROWS = 1_000_000
"""The most counters that are kept; beyond that, those that expire soonest are deleted. An attacker
chooses the names, and only their number at one address is limited."""

_PRUNED_AT_ONCE = 1000

_TABLE = login_counters_table.name
_SLOTS = [f"failures_{n}" for n in range(SLOTS)]
_COLUMNS = (
    "counter_key", "slot", *_SLOTS, "allowed", "strikes", "blocked_until", "counted_in",
    "expires_at",
)  # fmt: skip


def begin_login(connection: sa.Connection, keys: AttemptKeys, now: float) -> Decision:
    """Decide about an attempt, and count it as failed if it is allowed."""
    decision, changes = decide(keys, _read(connection, keys.all()), now)
    if changes and not _upsert(connection, changes):
        # Other attempts have reached the limit since the counters were read. The next attempt will
        # read that, and set the time until which logins are rejected.
        shortest = min(window_keys.window.seconds for window_keys in keys.windows)
        return decision._replace(wait=float(shortest))
    return decision


def change_counters(connection: sa.Connection, changes: list[Change]) -> None:
    """Make changes, which take failures back or mark an account as known."""
    # The constraint can't fail: these changes only subtract.
    _upsert(connection, changes)


def prune_counters(connection: sa.Connection, now: float) -> bool:
    """Delete counters that have expired, but not more than can be deleted quickly.

    :returns: whether there may be more
    """
    before = now - PRUNE_AFTER
    statement = f"SELECT expires_at FROM {_TABLE} ORDER BY expires_at DESC LIMIT 1 OFFSET :most"  # noqa: S608
    surplus = connection.execute(sa.text(statement), {"most": MOST_ROWS}).scalar()
    if surplus is not None:
        before = max(before, surplus)
    values = {"before": before, "maximum": _PRUNED_AT_ONCE}
    expired = f"FROM {_TABLE} WHERE expires_at <= :before ORDER BY expires_at LIMIT :maximum"
    if connection.dialect.name in ("mysql", "mariadb"):
        # They have no LIMIT in a subquery, but one in DELETE.
        statement = f"DELETE {expired}"
    else:
        statement = f"DELETE FROM {_TABLE} WHERE counter_key IN (SELECT counter_key {expired})"  # noqa: S608
    return connection.execute(sa.text(statement), values).rowcount >= _PRUNED_AT_ONCE


def _read(connection: sa.Connection, keys: list[str]) -> dict[str, Counter]:
    statement = _select(_placeholder(connection), len(keys))
    counters = {}
    for row in connection.exec_driver_sql(statement, tuple(keys)):
        key, slot, *failures, strikes, blocked_until, counted_in, expires_at = row
        # A change that takes failures back inserts negative numbers if its row was deleted
        # meanwhile.
        counters[key] = Counter(
            slot, tuple(max(0, number) for number in failures), strikes, max(0.0, blocked_until),
            max(0, counted_in), expires_at,
        )  # fmt: skip
    return counters


def _upsert(connection: sa.Connection, changes: list[Change]) -> bool:
    """Make *changes* in one statement, or none of them if a limit would be exceeded."""
    values: list[Any] = []
    # Statements that lock the same rows in the same order can't end in a deadlock.
    for change in sorted(changes):
        allowed = MOST_ALLOWED if change.allowed is None else min(change.allowed, MOST_ALLOWED)
        counted = -1 if change.counted_in is None else change.counted_in
        # A negative time is the one that must not have changed.
        blocked_until = change.blocked_until or -change.last_block
        values += (
            change.key, change.slot, *change.failures, allowed, change.strikes, blocked_until,
            counted, change.expires_at,
        )  # fmt: skip
    statement = _upsert_of(connection.dialect.name, _placeholder(connection), len(changes))
    try:
        with _not_waiting_for_the_disk(connection):
            connection.exec_driver_sql(statement, tuple(values))
    except exc.DBAPIError as error:
        # MySQL reports it as another class of error than the other databases.
        if COUNTER_LIMIT in str(error.orig):
            return False
        raise
    return True


_ASYNCHRONOUS_COMMIT = "set_config('synchronous_commit', 'off', true)"
"""Let PostgreSQL commit a statement without waiting for its disk, as SQLite below.

The setting ends with the transaction, which is the statement. It needs no round trip, and no state
that a pool such as PgBouncer could give to another client. A crash of the server may undo the last
failures, of less than a second; those before a login aren't among them, because its session is
written to the same log afterwards, and waits for it.
"""


@contextmanager
def _not_waiting_for_the_disk(connection: sa.Connection) -> Iterator[None]:
    """Let SQLite commit without waiting for the disk, which takes longer than all the rest.

    A power failure may undo the last failures; that of a session or a revocation must not happen.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA synchronous=NORMAL")
    try:
        yield
    finally:
        raw.execute("PRAGMA synchronous=FULL")


# The statements are passed to the driver as they are, because SQLAlchemy takes as long to process
# so many parameters as a database takes for the statement.
def _placeholder(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


@lru_cache
def _select(placeholder: str, count: int) -> str:
    columns = ", ".join(
        ("counter_key", "slot", *_SLOTS, "strikes", "blocked_until", "counted_in", "expires_at")
    )
    keys = ", ".join([placeholder] * count)
    return f"SELECT {columns} FROM {_TABLE} WHERE counter_key IN ({keys})"  # noqa: S608


@lru_cache
def _upsert_of(dialect: str, placeholder: str, count: int) -> str:
    """Return the upsert of *count* rows. It does the same as ``_counters.apply()``."""
    is_mysql = dialect in ("mysql", "mariadb")
    greatest = "MAX" if dialect == "sqlite" else "GREATEST"

    def new(column: str) -> str:
        return f"VALUES({column})" if is_mysql else f"excluded.{column}"

    def old(column: str) -> str:
        return f"{_TABLE}.{column}"

    is_present = f"{old('slot')} BETWEEN {new('slot')} AND {new('slot')} + {SLOTS_AHEAD}"

    def shifted(number: int) -> str:
        """Return the failures of a slot, after the time that has passed since the last change."""
        cases = " ".join(
            f"WHEN {old('slot')} = {new('slot')} - {passed} THEN {old(_SLOTS[number - passed])}"
            for passed in range(1, number + 1)
        )
        return f"CASE WHEN {is_present} THEN {old(_SLOTS[number])} {cases} ELSE 0 END"

    # If logins were blocked since the counter was read, an attempt must not be counted: the
    # constraint fails, because no limit is larger.
    last_block = f"{greatest}(0, {old('blocked_until')})"
    is_stale = f"{new(_SLOTS[0])} > 0 AND {last_block} <> -{new('blocked_until')}"
    excess = f" + CASE WHEN {is_stale} THEN {MOST_ALLOWED} ELSE 0 END"

    def chosen(condition: str, column: str) -> str:
        return f"{column} = CASE WHEN {condition} THEN {new(column)} ELSE {old(column)} END"

    # MySQL assigns from left to right, and each expression reads what was assigned before it. So a
    # column stands behind those that are computed from it. For other databases the order doesn't
    # matter.
    assignments = [
        *(
            f"{_SLOTS[n]} = {greatest}(0, {shifted(n)} + {new(_SLOTS[n])}){'' if n else excess}"
            for n in reversed(range(SLOTS))
        ),
        chosen(f"NOT ({is_present})", "slot"),
        f"allowed = {new('allowed')}",
        chosen(f"{new('blocked_until')} > 0", "strikes"),
        chosen(f"{new('blocked_until')} > 0", "blocked_until"),
        chosen(f"{new('counted_in')} >= 0", "counted_in"),
        f"expires_at = {greatest}({old('expires_at')}, {new('expires_at')})",
    ]
    row = f"({', '.join([placeholder] * len(_COLUMNS))})"
    action = "DUPLICATE KEY UPDATE" if is_mysql else "CONFLICT (counter_key) DO UPDATE SET"
    columns, rows = ", ".join(_COLUMNS), f"VALUES {', '.join([row] * count)}"
    if dialect == "postgresql":
        rows = f"SELECT new.* FROM {_ASYNCHRONOUS_COMMIT}, ({rows}) AS new"  # noqa: S608
    insert = f"INSERT INTO {_TABLE} ({columns}) {rows}"
    return f"{insert} ON {action} {', '.join(assignments)}"
