"""The statements of the SQL store.

They are built once rather than for each request. The names of their parameters differ from those of
the columns, which SQLAlchemy reserves for the values of INSERT and UPDATE.
"""

from __future__ import annotations

import sqlalchemy as sa

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
CREATE = sa.insert(sessions_table)
LAST_SEQUENCE = sa.select(sa.func.max(_row.sequence)).where(_row.subject_key == _key)
# The condition and the change are one statement, so the database decides which of several callers
# rotates a generation; its row count says who did.
ROTATE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.generation == sa.bindparam("current"), IS_ACTIVE)
    .values(
        generation=_row.generation + sa.literal_column("1"),
        rotated_at=_now,
        idle_expires_at=sa.bindparam("idle", type_=sa.Double),
        change_id=sa.bindparam("change"),
        last_ip=sa.bindparam("address"),
        last_user_agent=sa.bindparam("agent"),
    )
)
REVOKE = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"), _row.revoked_at.is_(None))
    .values(
        revoked_at=_now,
        change_id=sa.bindparam("change"),
        revocation_kept_until=sa.bindparam("kept", type_=sa.Double),
    )
)
RENAME = (
    sa.update(sessions_table)
    .where(_row.sid == sa.bindparam("sid_"))
    .values(label=sa.bindparam("label_"))
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
REVOKED_SINCE = sa.select(_row.sid, _row.revoked_at).where(
    _row.revoked_at >= sa.bindparam("since", type_=sa.Double)
)
_before = sa.bindparam("before", type_=sa.Double)
ENDED = (
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
