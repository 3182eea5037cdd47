"""Print tables for people, JSON for scripts, and errors without tracebacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import wraps
from typing import Any, TypeVar

import click
from flask import cli
from flask.cli import AppGroup

from ..errors import ConfigError, StoreUnavailable

Command = TypeVar("Command", bound=Callable[..., Any])

# A kid, sid or token is base64url, which may begin with a dash. Click would then report an unknown
# option; with this setting it passes the argument on as it was typed.
NAMES_AS_GIVEN = {"ignore_unknown_options": True}
"""Context settings of commands with an argument that is a kid, sid or token."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def report_errors(command: Command) -> Command:
    """Print an error that the developer can fix as a message, without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
        except StoreUnavailable as error:
            # The driver's message, which clients don't get, says which server can't be reached.
            cause = error.__cause__ or error
            raise click.ClickException(f"The session store is unavailable: {cause}") from None

    return wrapped  # type: ignore[return-value]


class CommandGroup(AppGroup):
    """Run commands in the application's context, and report their errors without tracebacks.

    An application that can't start, for instance because its key file is broken, is reported too.
    """

    def command(  # type: ignore[override]
        self, *args: Any, with_appcontext: bool = True, **options: Any
    ) -> Callable[[Command], click.Command]:
        """Register a command; *with_appcontext* says whether it needs an application."""
        register = super().command(*args, with_appcontext=False, **options)

        def decorate(command: Command) -> click.Command:
            in_context = cli.with_appcontext(command) if with_appcontext else command
            return register(report_errors(in_context))

        return decorate


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* under *headings*; each column is as wide as its widest cell."""
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        click.echo("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def format_time(seconds: float | None) -> str:
    """Return *seconds* since the epoch as a UTC time, and None as a dash."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
