"""``flask jwt passwords``: which stored hashes are old, and a hash for a password."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from flask.cli import AppGroup, ScriptInfo, pass_script_info

from .._login.passwords import KINDS, NONE, UNKNOWN, hash_password, is_current, kind_of
from ..errors import ConfigError
from .output import as_json, table, tells_errors

if TYPE_CHECKING:
    import sqlalchemy as sa

passwords_cli = AppGroup("passwords", help="How the users' passwords are hashed.")


class Column(NamedTuple):
    """Stored hashes, read while they are counted."""

    values: Iterable[Any]
    total: int | None
    """How many there are, for the progress bar; None if nobody knows."""


@passwords_cli.command("hash", with_appcontext=False)
@tells_errors
def print_hash() -> None:
    """Ask for a password twice, and print a hash to store."""
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        click.echo(hash_password(password))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@passwords_cli.command("check", with_appcontext=False)
@click.option("--table", "table_name", help="The table with the users; also SCHEMA.TABLE.")
@click.option("--column", help="Its column with the hashes.")
@click.option(
    "--database", metavar="URI", help="Default: the application's SQLALCHEMY_DATABASE_URI."
)
@click.option("--file", "path", help="Read a file with one hash a line instead; - for stdin.")
@as_json
@pass_script_info
@tells_errors
def check_passwords(
    info: ScriptInfo,
    *,
    table_name: str | None,
    column: str | None,
    database: str | None,
    path: str | None,
    as_json: bool,
) -> None:
    """Count the hashes by kind, and tell how many are old. Shows no hash and changes nothing.

    Needs no application with --file, or with --database.
    """
    if path is not None:
        if table_name or column or database:
            raise click.UsageError("Write --file, or --table and --column; not both.")
        source = _of_file(path)
    elif table_name and column:
        source = _of_database(_engine(info, database), table_name, column)
    else:
        raise click.UsageError("Write --table and --column, or --file.")
    with source as hashes:
        _show(_count(hashes, is_silent=as_json), as_json)


def _count(hashes: Column, is_silent: bool) -> Counter[str]:
    if is_silent:
        return Counter(map(kind_of, hashes.values))
    bar = click.progressbar(
        hashes.values, hashes.total, "Reading", file=sys.stderr, update_min_steps=1000
    )
    with bar as values:
        return Counter(map(kind_of, values))


def _show(counts: Counter[str], in_json: bool) -> None:
    without = counts.pop(NONE, 0)
    total = counts.total()
    old = sum(count for kind, count in counts.items() if not is_current(kind))
    kinds = [
        {"kind": kind, "count": counts[kind], "current": is_current(kind)}
        for kind in KINDS
        if counts[kind]
    ]
    if in_json:
        found = {"hashes": total, "old": old, "without_password": without, "kinds": kinds}
        click.echo(json.dumps(found, indent=2))
        return
    if kinds:
        table(
            ("KIND", "HASHES", ""),
            [(k["kind"], k["count"], "current" if k["current"] else "old") for k in kinds],
        )
        click.echo()
    click.echo(f"{old} of {total} hashes are old. Rows without a password: {without}.")
    if counts[UNKNOWN]:
        click.echo(f"check_password can't read {counts[UNKNOWN]} of them as they are.")


@contextmanager
def _of_file(path: str) -> Iterator[Column]:
    total = None
    try:
        if path != "-":
            with open(path, "rb") as file:
                total = sum(1 for _ in file)
        with click.open_file(path, encoding="utf-8", errors="replace") as file:
            yield Column((line.rstrip("\r\n") for line in file), total)
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None


def _engine(info: ScriptInfo, database: str | None) -> sa.Engine:
    try:
        import sqlalchemy as sa
        from sqlalchemy import exc
    except ModuleNotFoundError:
        raise ConfigError(
            "Reading a table needs SQLAlchemy: pip install 'Flask-JWT-Too[sql]'"
        ) from None
    if database is None:
        app = info.load_app()
        # Flask-SQLAlchemy's engine: it knows that a relative path is one in the instance folder.
        with app.app_context():
            engine = getattr(app.extensions.get("sqlalchemy"), "engine", None)
        if isinstance(engine, sa.Engine):
            return engine
        database = app.config.get("SQLALCHEMY_DATABASE_URI")
    if not database:
        raise ConfigError(
            "This application names no database. Write --database URI, or set "
            "SQLALCHEMY_DATABASE_URI."
        )
    try:
        return sa.create_engine(database)
    except (exc.ArgumentError, ValueError):  # their text may quote the URI's password
        raise ConfigError("The database's URI is none that SQLAlchemy knows.") from None
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"This database needs the driver {error.name}: pip install {error.name}"
        ) from None


@contextmanager
def _of_database(engine: sa.Engine, table_name: str, column: str) -> Iterator[Column]:
    import sqlalchemy as sa
    from sqlalchemy import exc

    schema, _, name = table_name.rpartition(".")
    users = sa.table(name, sa.column(column), schema=schema or None)
    try:
        # Rows come as they are read; the database keeps the rest.
        with engine.connect().execution_options(yield_per=1000) as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(users))
            yield Column(connection.execute(sa.select(users.c[column])).scalars(), total)
    except exc.SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise ConfigError(f"{table_name}.{column} can't be read: {reason}") from None
    finally:
        engine.dispose()
