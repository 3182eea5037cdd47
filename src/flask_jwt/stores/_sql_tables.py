"""Define, create and upgrade the tables of the SQL store."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

metadata = sa.MetaData()


def _partial_index(name: str, *columns: str, where: str | None = None) -> sa.Index:
    """Return an index of the rows that have a value in the column, unless *where* says which."""
    condition = sa.text(where or f"{columns[0]} IS NOT NULL")
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


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
    sa.Column("grants", sa.Text),
    sa.Index("jwt_sessions_subject_key", "subject_key", "sequence"),
    sa.Index("jwt_sessions_expires_at", "expires_at"),
    # If the database supports partial indexes, most rows are in none of these: few sessions have
    # been revoked, and only version 1 has stored subjects without a key.
    _partial_index("jwt_sessions_subject", "subject", where="subject_key IS NULL"),
    _partial_index("jwt_sessions_revoked_at", "revoked_at"),
    _partial_index("jwt_sessions_idle_expires_at", "idle_expires_at"),
    _partial_index(
        "jwt_sessions_feed", "feed_position", "revoked_at", where="revoked_at IS NOT NULL"
    ),
)

#: Counters of the store: the version of its tables.
counters_table = sa.Table(
    "jwt_store",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

COUNTER_LIMIT = "jwt_login_counters_limit"
"""The name of the constraint that no login counter exceeds its limit."""

#: Counters of failed logins; see _sql_counters.py. failures_0 belongs to the newest slot.
login_counters_table = sa.Table(
    "jwt_login_counters",
    metadata,
    sa.Column("counter_key", sa.String(80), primary_key=True),
    sa.Column("slot", sa.BigInteger, nullable=False),
    *(sa.Column(f"failures_{n}", sa.Integer, nullable=False) for n in range(5)),
    sa.Column("allowed", sa.Integer, nullable=False),
    sa.Column("strikes", sa.Integer, nullable=False),
    sa.Column("blocked_until", sa.Double, nullable=False),
    sa.Column("counted_in", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.CheckConstraint(
        " + ".join(f"failures_{n}" for n in range(5)) + " <= allowed", name=COUNTER_LIMIT
    ),
    sa.Index("jwt_login_counters_expires_at", "expires_at"),
)

VERSION = 2
"""The version of the tables."""


def create_tables(engine: sa.Engine) -> None:
    """Create the tables that don't exist, and store their version."""
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


def missing_columns(engine: sa.Engine) -> list[sa.Column[Any]]:
    """Return the columns that the table of an earlier version lacks."""
    inspector = sa.inspect(engine)
    if not inspector.has_table(sessions_table.name):
        return []
    present = {column["name"] for column in inspector.get_columns(sessions_table.name)}
    return [column for column in sessions_table.columns if column.name not in present]


def has_earlier_counters(engine: sa.Engine) -> bool:
    """Return whether the table of the login counters has the columns of an earlier snapshot."""
    inspector = sa.inspect(engine)
    if not inspector.has_table(login_counters_table.name):
        return False
    present = {column["name"] for column in inspector.get_columns(login_counters_table.name)}
    return not present.issuperset(login_counters_table.columns.keys())


def add_column(engine: sa.Engine, column: sa.Column[Any]) -> None:
    """Add a column to the table of the sessions."""
    # SQLAlchemy has no ALTER TABLE. The names are words of no SQL dialect, so they need no quotes.
    definition = sa.schema.CreateColumn(column).compile(dialect=engine.dialect)
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER TABLE {sessions_table.name} ADD COLUMN {definition}"))


def upgrade_tables(engine: sa.Engine) -> dict[str, list[str]]:
    """Add missing tables, columns and indexes, and return their names."""
    before = set(sa.inspect(engine).get_table_names())
    columns = missing_columns(engine)
    for column in columns:
        add_column(engine, column)
    if has_earlier_counters(engine):
        login_counters_table.drop(engine)
    create_tables(engine)
    # create_all() creates no indexes of tables that exist.
    indexes = [i for table in metadata.tables.values() for i in missing_indexes(engine, table)]
    for index in indexes:
        index.create(engine)
    return {
        "tables": [name for name in metadata.tables if name not in before],
        "columns": [column.name for column in columns],
        "indexes": [str(index.name) for index in indexes],
    }


def missing_indexes(engine: sa.Engine, table: sa.Table) -> list[sa.Index]:
    """Return the indexes that the table of an earlier version lacks."""
    present = {index["name"] for index in sa.inspect(engine).get_indexes(table.name)}
    return [index for index in table.indexes if index.name not in present]
