"""Examine a program for ``flask jwt doctor``, and print the report."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import click
from flask import Flask
from flask.cli import NoAppException, ScriptInfo

from ..._config.settings import OPTIONS
from ...extended import JWTManager
from ..inspect import read_stdin, unwrap_token
from ..output import WIDTH, echo
from .advice import EXTENDED, MIGRATION, Installed, examine_sources
from .findings import Finding, Kind
from .live import Route, TokenReport, describe_warnings, examine_program, explain_token
from .sources import is_of_program, read_sources


class _Report(NamedTuple):
    reason: Finding | None
    """Why the program can't be imported."""
    findings: Sequence[Finding]
    routes: Sequence[Route]
    token: TokenReport | None

    @property
    def is_ok(self) -> bool:
        is_accepted = self.token is None or self.token.reason is None
        is_rejected = any(finding.kind is Kind.rejected for finding in self.findings)
        return self.reason is None and is_accepted and not is_rejected


def run_doctor(sources: Path, token: str | None, as_json: bool) -> None:
    """Examine the program, print the report, and exit with 1 if something is rejected."""
    read = read_sources(sources)
    findings = examine_sources(read, _find_installed())
    app, reason, notes = _import_program(sources)
    routes: list[Route] = []
    state = None
    if app is not None:
        state, live, routes = examine_program(app)
        mentioned = {finding.where for finding in live} & {mention.name for mention in read.options}
        live = [finding for finding in live if finding.where not in mentioned]
        findings += live + describe_warnings(notes)
    explained = None
    if token is not None:
        encoded = unwrap_token(read_stdin() if token == "-" else token)
        explained = explain_token(state, encoded)
    report = _Report(reason, findings, routes, explained)
    if as_json:
        click.echo(json.dumps(_to_json(report), indent=2))
    else:
        _print_report(report)
    if not report.is_ok:
        sys.exit(1)


def _find_installed() -> Installed:
    handlers = [name for name in dir(JWTManager) if name.endswith(("_handler", "_loader"))]
    return Installed(_has, OPTIONS, handlers)


def _has(module: str, name: str | None) -> bool:
    # Only modules of Flask, its libraries and this package are imported, so nothing of the program
    # runs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a deprecated name is there
        try:
            found = import_module(module)
        except Exception:  # noqa: BLE001 - whatever it is, the program can't import it either
            return False
        try:
            return name is None or hasattr(found, name)
        except ImportError:  # a former name, whose message says what to write
            return False


def _import_program(root: Path) -> tuple[Flask | None, Finding | None, list[str]]:
    """Return the application, or why it can't be imported; and the warnings about it."""
    info = click.get_current_context().ensure_object(ScriptInfo)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with redirect_stdout(sys.stderr):  # what the program prints is no part of the report
                app = info.load_app()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - sys.exit(), too: the reason is reported
            return None, _describe_failure(error, root), []
    notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return app, None, notes


def _describe_failure(error: BaseException, root: Path) -> Finding:
    cause = error.__context__
    is_wrapped = isinstance(error, NoAppException) and str(error).startswith("While importing")
    if is_wrapped and cause is not None:
        error = cause  # Flask's message has a whole traceback in it
    frames = traceback.extract_tb(error.__traceback__)
    where = "the program"
    for frame in frames:
        file = Path(frame.filename)
        if is_of_program(file, root.resolve()):
            where = f"{file.relative_to(root.resolve()).as_posix()}:{frame.lineno}"
    name = f"{type(error).__name__}: " if not isinstance(error, NoAppException) else ""
    # An ImportError ends with the path of the module.
    text = str(error).partition(" (/")[0] if isinstance(error, ImportError) else str(error)
    is_extended = isinstance(error, ModuleNotFoundError) and str(error.name).startswith(EXTENDED)
    return Finding(Kind.rejected, where, name + text, MIGRATION if is_extended else None)


# Output


def _to_json(report: _Report) -> dict[str, Any]:
    reason = report.reason
    return {
        "ok": report.is_ok,
        "imported": reason is None,
        "reason": None if reason is None else {"where": reason.where, "text": reason.text},
        "findings": [finding._asdict() for finding in report.findings],
        "routes": [route._asdict() for route in report.routes],
        "token": None if report.token is None else report.token._asdict(),
    }


def _print_report(report: _Report) -> None:
    if report.reason is not None:
        echo("The program can't be imported, so only its sources were read.")
        _print_finding(report.reason)
        echo("")
    for kind, heading in _HEADINGS.items():
        findings = [finding for finding in report.findings if finding.kind is kind]
        if findings:
            echo(heading)
            for finding in findings:
                _print_finding(finding)
            echo("")
    if report.routes:
        echo("Routes and their guards:")
        _print_routes(report.routes)
        echo("")
    if report.token is not None:
        _print_token(report.token)
    if report.is_ok:
        # Not "nothing is rejected": what depends on data, such as an identity, only requests show.
        echo("No request was made. Nothing was found that would be rejected.")
    else:
        echo("Something is rejected, or can't be imported.")


_HEADINGS = {
    Kind.works: "Works:",
    Kind.differs: "Works differently, or is reported:",
    Kind.rejected: "Is rejected:",
}


def _print_finding(finding: Finding) -> None:
    first, *more = finding.text.splitlines() or [""]
    _echo_wrapped(f"{finding.where}: {first}", "  ")
    for line in more:
        _echo_wrapped(line.strip(), "    ")
    if finding.write is not None:
        echo(f"    write: {finding.write}")


def _print_routes(routes: Sequence[Route]) -> None:
    width = max(len(route.rule) for route in routes)
    methods = max(len(route.methods) for route in routes)
    for route in routes:
        line = f"  {route.rule:{width}}  {route.methods:{methods}}  {route.guard}"
        echo(line.rstrip())


def _print_token(token: TokenReport) -> None:
    echo("The token:")
    _echo_wrapped(f"It is {token.kind}.", "  ")
    for part, values in (("header", token.header), ("claim", token.claims)):
        for name, value in values.items():
            readable = token.times.get(name)
            line = f"{part} {name}: {json.dumps(value)}{f' ({readable})' if readable else ''}"
            _echo_wrapped(line, "  ")
    if token.reason is not None:
        _echo_wrapped(f"It is rejected: {token.reason}", "  ")
    elif token.unchecked is not None:
        _echo_wrapped(f"It was not verified: {token.unchecked}", "  ")
    else:
        echo("  It is accepted.")
    echo("")


def _echo_wrapped(text: str, indent: str) -> None:
    echo(
        fill(
            text,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
