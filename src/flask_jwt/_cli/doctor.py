"""Define ``flask jwt doctor``, which reports what a program needs to run with this package."""

from __future__ import annotations

from pathlib import Path

import click

from .output import NAMES_AS_GIVEN, json_option, report_errors


@click.command(context_settings=NAMES_AS_GIVEN)
@click.option(
    "--sources",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The program's folder; default: the current one.",
)
@click.option("--token", default=None, help="Explain this token; - reads it from standard input.")
@json_option
@report_errors
def doctor(sources: Path, token: str | None, as_json: bool) -> None:
    """Report what works in a program with this package, and what to write if something doesn't.

    The program may use Flask-JWT, Flask-JWT-Extended or this package. Its sources are read; then it
    is imported, and its configuration, keys and routes are checked. No request is made. The exit
    status is 1 if the program can't be imported, or something would be rejected.
    """
    # Imported here, because the flask command loads this module each time it runs.
    from .diagnosis.report import run_doctor

    run_doctor(sources, token, as_json)
