"""Build the statements of the SQL store.

They are built once rather than for each request. The names of their parameters differ from those of
the columns, which SQLAlchemy reserves for the values of INSERT and UPDATE.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ._sql_tables import sessions_table

_row = sessions_table.c
_now = sa.bindparam("now", type_=sa.Double)
IS_ACTIVE = sa.and_(
    _row.revoked_at.is_(None),
    _row.expires_at > _now,
    sa.or_(_row.idle_expires_at.is_(None), _row.idle_expires_at > _now),
)
_key = sa.bindparam("key", type_=sa.String)
# The same order as Session.position. Sessions of an earlier version have no sequence, and are older
# than those that have one.
POSITION = (sa.func.coalesce(_row.sequence, 0), _row.created_at, _row.sid)

GET = sa.select(sessions_table).where(_row.sid == sa.bindparam("sid_"))


def _create(last_sequence: sa.ColumnElement[int]) -> sa.Select[Any]:
    # Two logins at the same time may get the same sequence; the sid then decides their order. A
    # sequence of the database would need different DDL for each database.
    return sa.select(
        *(
            sa.func.coalesce(last_sequence, 0) + 1
            if column.name == "sequence"
            else sa.bindparam(f"{column.name}_", type_=column.type)
            for column in _row
        )
    )


_is_same_user = _row.subject_key == sa.bindparam("subject_key_", type_=sa.String)
COLUMNS = [column.name for column in _row]
CREATE = sa.insert(sessions_table).from_select(
    COLUMNS, _create(sa.func.max(_row.sequence)).where(_is_same_user)
)
FEW_SESSIONS = 50
_some = sa.select(_row.sequence).where(_is_same_user).limit(FEW_SESSIONS).subquery("some_sessions")
_few = sa.select(
    sa.func.max(_some.c.sequence).label("last"), sa.func.count().label("number")
).subquery("few_sessions")
#: Inserts no row if the user has as many sessions as FEW_SESSIONS; the row count says so.
CREATE_IF_FEW = (
    sa.insert(sessions_table)
    .from_select(COLUMNS, _create(_few.c.last).where(_few.c.number < FEW_SESSIONS))
    .execution_options(preserve_rowcount=True)  # SQLAlchemy keeps that of an INSERT only on request
)
_present_grants = sa.func.coalesce(_row.grants, sa.literal_column("''"))
# The condition and the change are one statement, so the database decides which of several callers
# rotates a generation; its row count says who did.
ROTATE = (
    sa.update(sessions_table)
    .where(
        _row.sid == sa.bindparam("sid_"),
        _row.generation == sa.bindparam("current"),
        _present_grants == sa.bindparam("grants_"),
        IS_ACTIVE,
    )
    .values(
        generation=_row.generation + sa.literal_column("1"),
        rotated_at=_now,
        idle_expires_at=sa.bindparam("idle", type_=sa.Double),
        change_id=sa.bindparam("change"),
        last_ip=sa.bindparam("address"),
        last_user_agent=sa.bindparam("agent"),
    )
)


class _Microseconds(FunctionElement[int]):
    """Express the time by the clock of the database, in microseconds since the epoch."""

    # SQLAlchemy would compile each statement with a custom ColumnElement again at each execution.
    inherit_cache = True
    type = sa.BigInteger()


@compiles(_Microseconds)
def _compile_microseconds(_: object, compiler: Any, **__: object) -> str:
    return {
        "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
        "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
    }.get(compiler.dialect.name, "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))")


NOW = sa.select(_Microseconds())
_is_revoked = _row.revoked_at.is_not(None)
# Every database reads one entry of the index for this; MariaDB would read all for the maximum.
_end = (
    sa.select(_row.feed_position)
    .where(_is_revoked, _row.feed_position.is_not(None))
    .order_by(_row.feed_position.desc())
    .limit(sa.literal_column("1"))
    .subquery("feed_end")
)
_last = sa.select(
    sa.func.coalesce(sa.func.max(_end.c.feed_position), 0).label("position"),
    _Microseconds().label("time"),
).subquery("feed")
# The place of a revocation in the feed is the time of the database, which all clients share, but
# always after the last place. The database computes it in the statement that revokes: it neither
# depends on when a client goes on, nor does a lock on a counter make logouts wait for each other.
# Two statements at the same time may compute the same place, and the one that began first may be
# committed last, so readers overlap. (MySQL allows the table in a subquery only within another.)
_NEXT_POSITION = sa.select(
    sa.case((_last.c.position >= _last.c.time, _last.c.position + 1), else_=_last.c.time)
).scalar_subquery()
REVOKE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.revoked_at.is_(None))
    .values(
        revoked_at=_now,
        change_id=sa.bindparam("change"),
        revocation_kept_until=sa.bindparam("kept", type_=sa.Double),
        feed_position=_NEXT_POSITION,
    )
)
# A statement whose caller has given up may be committed so late that readers miss its place. The
# repetition gives the session a new one.
REPEAT_REVOCATION = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _is_revoked)
    .values(feed_position=_NEXT_POSITION)
)
RENAME = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"))
    .values(label=sa.bindparam("label_"))
)
# The second value is that of an earlier attempt, whose response was lost.
SET_GRANTS = (
    sa.update(sessions_table)
    .where(
        _row.sid == sa.bindparam("sid_"),
        sa.or_(
            _present_grants == sa.bindparam("expected"),
            _present_grants == sa.bindparam("repeated"),
        ),
    )
    .values(grants=sa.bindparam("grants_"))
)
_SURPLUS = (
    sa.select(sessions_table)
    .where(_row.subject_key == _key, IS_ACTIVE)
    .offset(sa.bindparam("keep", type_=sa.Integer))
    .limit(sa.bindparam("maximum", type_=sa.Integer))
)
_newest_first = [column.desc() for column in POSITION]
SURPLUS_BY_AGE = _SURPLUS.order_by(*_newest_first)
SURPLUS_BY_USE = _SURPLUS.order_by(_row.rotated_at.desc(), *_newest_first)
_FEED = (
    sa.select(_row.sid, _row.feed_position)
    .where(_is_revoked)
    .order_by(_row.feed_position)
    .limit(sa.bindparam("maximum", type_=sa.Integer))
)
_last_position = sa.select(_end.c.feed_position).scalar_subquery()
FEED_START = _FEED.where(
    _row.feed_position >= _last_position - sa.bindparam("interval", type_=sa.BigInteger)
)
FEED = _FEED.where(_row.feed_position >= sa.bindparam("position", type_=sa.BigInteger))
#: Revocations by processes of version 1, which run during an upgrade.
REVOKED_WITHOUT_POSITION = sa.select(_row.sid).where(
    _row.feed_position.is_(None), _row.revoked_at >= sa.bindparam("since", type_=sa.Double)
)
_before = sa.bindparam("before", type_=sa.Double)


def _delete_ended(column: sa.Column[Any], *, has_using: bool) -> sa.Delete:
    # Not every database supports DELETE with LIMIT. MySQL and MariaDB would compare each row of the
    # table with a subquery after IN; SQLite has no other form, and finds a row by its rowid without
    # an index.
    rowid = sa.literal_column("jwt_sessions.rowid", sa.Integer)
    batch = (
        sa.select(_row.sid if has_using else rowid)
        .where(
            column < _before,
            sa.or_(_row.revocation_kept_until.is_(None), _row.revocation_kept_until <= _now),
        )
        .order_by(column)
        .limit(sa.bindparam("maximum", type_=sa.Integer))
    )
    if has_using:
        return sa.delete(sessions_table).where(_row.sid == batch.subquery("batch").c.sid)
    return sa.delete(sessions_table).where(rowid.in_(batch))


_END_COLUMNS = (_row.expires_at, _row.idle_expires_at, _row.revoked_at)
#: Each deletes sessions that have ended in one way, in the order of an index.
DELETE_ENDED = [_delete_ended(column, has_using=True) for column in _END_COLUMNS]
DELETE_ENDED_IN_SQLITE = [_delete_ended(column, has_using=False) for column in _END_COLUMNS]
COUNT = sa.select(
    sa.func.count(),
    sa.func.count(sa.case((IS_ACTIVE, 1))),
    sa.func.count(_row.revoked_at),
)
WITHOUT_KEY = (
    sa.select(_row.sid, _row.payload)
    .where(_row.subject_key.is_(None), _row.sid > sa.bindparam("after"))
    .order_by(_row.sid)
    .limit(500)
)
SET_KEY = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.subject_key.is_(None))
    .values(subject_key=_key)
)

PING: sa.Select[Any] = sa.select(sa.literal_column("1"))
