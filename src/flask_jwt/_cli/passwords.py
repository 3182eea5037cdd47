"""Define ``flask jwt passwords``: count outdated hashes, and hash a password."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click
from flask.cli import ScriptInfo, pass_script_info

from .._login.passwords import KINDS, NONE, UNKNOWN, hash_password, is_current, kind_of
from ..errors import ConfigError
from .output import CommandGroup, echo, json_option, print_table

if TYPE_CHECKING:
    import sqlalchemy as sa

passwords_cli = CommandGroup(
    "passwords", help="Hash passwords, and check how stored ones are hashed."
)


class Column(NamedTuple):
    """Hold the stored hashes of a source.

    *values* is read lazily, because a table may have more rows than fit into memory.
    """

    values: Iterable[object]
    total: int | None
    """The number of values, for the progress bar; None if it is not known."""


@passwords_cli.command("hash", with_appcontext=False)
def print_hash() -> None:
    """Prompt for a password, and print a hash to store."""
    # The prompt is on stderr, so that stdout has the hash and nothing else.
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        click.echo(hash_password(password))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@passwords_cli.command("check", with_appcontext=False)
@click.option("--table", "table_name", help="The table of the users, or SCHEMA.TABLE.")
@click.option("--column", help="The column of the hashes.")
@click.option(
    "--database", metavar="URI", help="Default: the application's SQLALCHEMY_DATABASE_URI."
)
@click.option("--file", "path", help="Read a file with one hash per line; - for stdin.")
@json_option
@pass_script_info
def check_passwords(
    info: ScriptInfo,
    *,
    table_name: str | None,
    column: str | None,
    database: str | None,
    path: str | None,
    as_json: bool,
) -> None:
    """Count the stored hashes by type, and report how many are old.

    This prints no hash and changes nothing. With --file or --database it needs no application.
    """
    if path is not None:
        if table_name or column or database:
            raise click.UsageError("Write either --file, or --table and --column, not both.")
        source = _read_file(path)
    elif table_name and column:
        source = _read_table(_engine(info, database), table_name, column)
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


def _show(counts: Counter[str], as_json: bool) -> None:
    without_password = counts.pop(NONE, 0)
    total = counts.total()
    old = sum(count for hash_type, count in counts.items() if not is_current(hash_type))
    rows = [
        {"kind": hash_type, "count": counts[hash_type], "current": is_current(hash_type)}
        for hash_type in KINDS
        if counts[hash_type]
    ]
    if as_json:
        result = {"hashes": total, "old": old, "without_password": without_password, "kinds": rows}
        click.echo(json.dumps(result, indent=2))
        return
    if rows:
        print_table(
            ("TYPE", "HASHES", ""),
            [(row["kind"], row["count"], "current" if row["current"] else "old") for row in rows],
        )
        click.echo()
    echo(f"{old} of {total} hashes are old. Rows without a password: {without_password}.")
    if counts[UNKNOWN]:
        echo(f"check_password can't verify {counts[UNKNOWN]} of them: unknown format.")


@contextmanager
def _read_file(path: str) -> Iterator[Column]:
    total = None
    try:
        # stdin and FIFOs can be read once only, so their lines are not counted beforehand.
        if path != "-" and not stat.S_ISFIFO(os.stat(path).st_mode):
            with open(path, "rb") as file:
                total = sum(1 for _ in file)
        with click.open_file(path, encoding="utf-8", errors="replace") as file:
            yield Column((line.rstrip("\r\n") for line in file), total)
    except OSError as error:
        raise ConfigError(f"Could not read {path}: {error.strerror}") from None
    except ValueError:  # a NUL, or what the file system can't encode
        raise ConfigError(f"Could not read {path}: it is not a path") from None


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
        # Flask-SQLAlchemy resolves a relative SQLite path in the instance folder, and SQLAlchemy in
        # the current directory. So its engine is used if the application has one.
        with app.app_context():
            engine = getattr(app.extensions.get("sqlalchemy"), "engine", None)
        if isinstance(engine, sa.Engine):
            return engine
        database = app.config.get("SQLALCHEMY_DATABASE_URI")
    if not database:
        raise ConfigError(
            "This application has no database. Write --database URI, or set "
            "SQLALCHEMY_DATABASE_URI."
        )
    try:
        return sa.create_engine(database)
    except (exc.ArgumentError, ValueError):
        # Their message is not shown, because it may quote the URI with its password.
        raise ConfigError("The database URI is invalid, or of an unknown dialect.") from None
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The driver of this database is missing: pip install {error.name}"
        ) from None


@contextmanager
def _read_table(engine: sa.Engine, table_name: str, column: str) -> Iterator[Column]:
    import sqlalchemy as sa
    from sqlalchemy import exc

    schema, _, name = table_name.rpartition(".")
    users = sa.table(name, sa.column(column), schema=schema or None)
    try:
        # With yield_per the driver fetches 1000 rows at a time instead of the whole table.
        with engine.connect().execution_options(yield_per=1000) as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(users))
            yield Column(connection.execute(sa.select(users.c[column])).scalars(), total)
    except exc.SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise ConfigError(f"Could not read {table_name}.{column}: {reason}") from None
    finally:
        engine.dispose()
