"""Print tables for people, JSON for scripts, and errors without tracebacks.

What comes from a token, a store or the command line may contain control characters, with which it
could change what the terminal shows. So everything that is printed passes :func:`clean`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import wraps
from typing import Any, TypeVar

import click
from flask import cli
from flask.cli import AppGroup

from ..errors import ConfigError, JWTError, StoreUnavailable

Command = TypeVar("Command", bound=Callable[..., Any])

# A kid, sid or token is base64url, which may begin with a dash. Click would then report an unknown
# option; with this setting it passes the argument on as it was typed.
NAMES_AS_GIVEN = {"ignore_unknown_options": True}
"""Context settings of commands with an argument that is a kid, sid or token."""

WIDTH = 80
"""The columns that a table may have."""

NARROWEST = 20
"""The least width of the widest column of a table; a table without room for it becomes a list."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def clean(value: object) -> str:
    r"""Return *value* as a string of printable characters; others become escapes such as \x1b."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in str(value)
    )


def clean_lines(message: str) -> str:
    """Return *message* cleaned as by :func:`clean`, but with its line breaks."""
    return "\n".join(map(clean, message.split("\n")))


def echo(message: str = "", *, err: bool = False) -> None:
    """Print *message*, which may have several lines."""
    click.echo(clean_lines(message), err=err)


def report_errors(command: Command) -> Command:
    """Print an error that the developer can fix as a message, without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            raise click.ClickException(clean_lines(str(error))) from None
        except StoreUnavailable as error:
            # The driver's message, which clients don't get, says which server can't be reached.
            cause = error.__cause__ or error
            message = f"The session store is unavailable: {cause}"
            raise click.ClickException(clean_lines(message)) from None
        except JWTError as error:
            raise click.ClickException(clean_lines(str(error.description))) from None
        except click.ClickException as error:
            raise _clean_error(error) from None

    return wrapped  # type: ignore[return-value]


def _clean_error(error: click.ClickException) -> click.ClickException:
    message = error.format_message()
    cleaned = clean_lines(message)
    if message == cleaned:
        return error
    if isinstance(error, click.UsageError):
        return click.UsageError(cleaned, error.ctx)
    return click.ClickException(cleaned)


class _CleanUsage(click.Command):
    """Clean the messages of errors in the command line, which quote its arguments."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            raise _clean_error(error) from None


class CommandGroup(_CleanUsage, AppGroup):
    """Run commands in the application's context, and report their errors without tracebacks.

    An application that can't start, for instance because its key file is broken, is reported too.
    """

    def command(  # type: ignore[override]
        self, *args: Any, with_appcontext: bool = True, **options: Any
    ) -> Callable[[Command], click.Command]:
        """Register a command; *with_appcontext* says whether it needs an application."""
        register = super().command(*args, cls=_CleanUsage, with_appcontext=False, **options)

        def decorate(command: Command) -> click.Command:
            in_context = cli.with_appcontext(command) if with_appcontext else command
            return register(report_errors(in_context))

        return decorate


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, copied: str | None = None
) -> None:
    """Print *rows* under *headings*, at most 80 columns wide.

    If the cells need more, those of the widest column go on in the next lines. If too little would
    be left for it, each row is printed as a list of its cells.

    :param copied: the heading of a column whose cells are copied to other commands, so they don't
        go on in the next line if a list has room for them
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        click.echo("none")
        return
    widths = [max(map(_width, column)) for column in zip(headings, *cells, strict=True)]
    widest = widths.index(max(widths))
    left = WIDTH - sum(widths) - 2 * (len(widths) - 1) + widths[widest]
    if widths[widest] > left:
        if left < max(NARROWEST, _width(headings[widest])) or headings[widest] == copied:
            _print_lists(headings, cells)
            return
        widths[widest] = left
    for line in (headings, *cells):
        _print_line([list(_wrap(cell, width)) for cell, width in zip(line, widths, strict=True)],
                    widths)  # fmt: skip


def _print_lists(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    label_width = max(map(_width, headings))
    widths = [label_width, WIDTH - label_width - 2]
    for number, row in enumerate(rows):
        if number:
            click.echo()
        for heading, cell in zip(headings, row, strict=True):
            _print_line([[heading], list(_wrap(cell, widths[1]))], widths)


def _print_line(wrapped: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """Print one row, the cells of which may have several lines."""
    for number in range(max(map(len, wrapped))):
        parts = [lines[number] if number < len(lines) else "" for lines in wrapped]
        padded = [
            part + " " * (width - _width(part)) for part, width in zip(parts, widths, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def _wrap(cell: str, width: int) -> Iterator[str]:
    """Return the lines of *cell*, which break between words, or anywhere if a word is longer."""
    line = ""
    for word in re.findall(r"\S+\s*|\s+", cell):
        if line and _width(line) + _width(word.rstrip()) > width:
            yield line
            line = ""
        for character in word:
            if _width(line) + _width(character) > width:
                yield line
                line = ""
            line += character
    yield line


def _width(text: str) -> int:
    """Return the number of columns that *text* has in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "FW")
        for c in text
    )


def format_time(seconds: float | None) -> str:
    """Return *seconds* since the epoch as a UTC time, and None as a dash."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
