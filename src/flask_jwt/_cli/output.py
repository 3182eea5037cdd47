"""How the commands show things: tables for people, JSON for scripts, errors without tracebacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import wraps
from typing import Any, TypeVar

import click

from ..errors import ConfigError, StoreUnavailable

Command = TypeVar("Command", bound=Callable[..., Any])

NAMES_AS_GIVEN = {"ignore_unknown_options": True}
"""Context settings of commands that take a kid, sid or token: base64url may begin with a dash."""

as_json = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")


def tells_errors(command: Command) -> Command:
    """Show what the developer can mend as a message, not as a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
        except StoreUnavailable as error:
            cause = error.__cause__ or error
            raise click.ClickException(f"The session store does not answer: {cause}") from None

    return wrapped  # type: ignore[return-value]


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print *rows* in columns as wide as their widest cell."""
    lines = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        click.echo("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def moment(seconds: float | None) -> str:
    """*seconds* since the epoch as a UTC time; a dash for None."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
