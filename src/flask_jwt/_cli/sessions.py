"""``flask jwt sessions``: who is logged in, on what, and out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup

from .._sessions.manager import SessionManager
from .._web.context import app_state, require_sessions
from ..stores import Session
from .output import NAMES_AS_GIVEN, as_json, moment, table, tells_errors

sessions_cli = AppGroup("sessions", help="Who is logged in, on which devices.")


def _sessions() -> SessionManager:
    return require_sessions(app_state())


@sessions_cli.command("init")
@tells_errors
def init_sessions() -> None:
    """Make the tables; elsewhere they are made on first use."""
    _sessions().store.setup()
    click.echo("The session store is ready.", err=True)


@sessions_cli.command("list", context_settings=NAMES_AS_GIVEN)
@click.argument("subject")
@as_json
@tells_errors
def list_sessions(subject: str, as_json: bool) -> None:
    """Show the active sessions of SUBJECT, the sub of the tokens: mostly the user's id."""
    sessions = _sessions().list(subject)
    if as_json:
        click.echo(json.dumps([_facts(session) for session in sessions], indent=2))
        return
    table(
        ("SID", "LABEL", "AGENT", "IP", "SINCE", "LAST USED"),
        [
            (
                session.sid, session.label or "-", (session.user_agent or "-")[:40],
                session.ip or "-", moment(session.created_at), moment(session.rotated_at),
            )
            for session in sessions
        ],
    )  # fmt: skip


@sessions_cli.command("show", context_settings=NAMES_AS_GIVEN)
@click.argument("sid")
@as_json
@tells_errors
def show_session(sid: str, as_json: bool) -> None:
    """Show one session, over though it may be."""
    session = _sessions().get(sid)
    if session is None:
        raise click.ClickException(f"There is no session {sid}, or it was pruned.")
    facts = _facts(session)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    rows = [
        (name, moment(value) if name.endswith("_at") else ("-" if value is None else value))
        for name, value in facts.items()
    ]
    table(("FACT", ""), rows)


@sessions_cli.command("revoke", context_settings=NAMES_AS_GIVEN)
@click.argument("sids", metavar="[SID]...", nargs=-1)
@click.option("--subject", help="End all sessions of this user.")
@tells_errors
def revoke_sessions(sids: tuple[str, ...], subject: str | None) -> None:
    """End sessions: by SID, or all of a user's with --subject."""
    if not sids and subject is None:
        raise click.UsageError("Name a SID, or a --subject.")
    sessions = _sessions()
    unknown = [sid for sid in sids if sessions.get(sid) is None]
    ended = sum(sessions.revoke(sid) for sid in sids if sid not in unknown)
    if subject is not None:
        ended += sessions.revoke_all(subject)
    click.echo(f"Ended {ended} session{'' if ended == 1 else 's'}.")
    if unknown:
        raise click.ClickException(f"There is no session {', '.join(unknown)}.")


@sessions_cli.command("prune")
@as_json
@tells_errors
def prune_sessions(as_json: bool) -> None:
    """Forget sessions that are over, in short transactions."""
    sessions = _sessions()
    if as_json:
        click.echo(json.dumps({"forgotten": sessions.prune()}))
        return
    counts = sessions.count()
    most = counts["revoked"] + counts["expired"]
    with click.progressbar(length=most, label="Forgetting") as bar:
        total = sessions.prune(on_batch=bar.update)
    click.echo(f"Forgot {total} of {most} sessions that are over; the rest ended within the hour.")


@sessions_cli.command("stats")
@as_json
@tells_errors
def show_stats(as_json: bool) -> None:
    """Count the sessions."""
    counts = _sessions().count()
    if as_json:
        click.echo(json.dumps(counts))
        return
    table(("SESSIONS", ""), list(counts.items()))


def _facts(session: Session) -> dict[str, Any]:
    facts = asdict(session)
    del facts["payload"]
    return facts
