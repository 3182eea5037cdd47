"""Define ``flask jwt sessions``: list, show, revoke, prune and count sessions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from .._sessions.manager import SessionManager
from .._web.context import app_state, require_sessions
from ..stores import Session
from .output import NAMES_AS_GIVEN, CommandGroup, format_time, json_option, print_table

sessions_cli = CommandGroup(
    "sessions", help="Manage sessions: the logins of users on their devices."
)


def _sessions() -> SessionManager:
    return require_sessions(app_state())


@sessions_cli.command("init")
def init_sessions() -> None:
    """Create the database tables.

    Without this command the session store creates them on first use.
    """
    _sessions().store.setup()
    click.echo("The session store is ready.", err=True)


@sessions_cli.command("list", context_settings=NAMES_AS_GIVEN)
@click.argument("subject")
@json_option
def list_sessions(subject: str, as_json: bool) -> None:
    """List the active sessions of SUBJECT.

    SUBJECT is the sub claim of the tokens, usually the user's id.
    """
    sessions = _sessions().list(subject)
    if as_json:
        click.echo(json.dumps([_fields(session) for session in sessions], indent=2))
        return
    print_table(
        ("SID", "LABEL", "AGENT", "IP", "SINCE", "LAST USED"),
        [
            (
                session.sid, session.label or "-", (session.user_agent or "-")[:40],
                session.ip or "-", format_time(session.created_at), format_time(session.rotated_at),
            )
            for session in sessions
        ],
    )  # fmt: skip


@sessions_cli.command("show", context_settings=NAMES_AS_GIVEN)
@click.argument("sid")
@json_option
def show_session(sid: str, as_json: bool) -> None:
    """Show one session, also if it has ended."""
    session = _sessions().get(sid)
    if session is None:
        raise click.ClickException(f"There is no session {sid}; it may have been pruned.")
    fields = _fields(session)
    if as_json:
        click.echo(json.dumps(fields, indent=2))
        return
    rows = [
        (name, format_time(value) if name.endswith("_at") else ("-" if value is None else value))
        for name, value in fields.items()
    ]
    print_table(("FIELD", ""), rows)


@sessions_cli.command("revoke", context_settings=NAMES_AS_GIVEN)
@click.argument("sids", metavar="[SID]...", nargs=-1)
@click.option("--subject", help="Revoke all sessions of this user.")
def revoke_sessions(sids: tuple[str, ...], subject: str | None) -> None:
    """Revoke sessions by SID, or all of a user with --subject."""
    if not sids and subject is None:
        raise click.UsageError("Write a SID, or --subject.")
    sessions = _sessions()
    unknown = [sid for sid in sids if sessions.get(sid) is None]
    # Valid ids are revoked before an unknown one is reported: in an emergency, each one counts.
    revoked = sum(sessions.revoke(sid) for sid in sids if sid not in unknown)
    if subject is not None:
        revoked += sessions.revoke_all(subject)
    click.echo(f"Revoked {revoked} session{'' if revoked == 1 else 's'}.")
    if unknown:
        raise click.ClickException(f"There is no session {', '.join(unknown)}.")


@sessions_cli.command("prune")
@json_option
def prune_sessions(as_json: bool) -> None:
    """Delete ended sessions, in short transactions."""
    sessions = _sessions()
    if as_json:
        click.echo(json.dumps({"forgotten": sessions.prune()}))
        return
    counts = sessions.count()
    ended = counts["revoked"] + counts["expired"]
    with click.progressbar(length=ended, label="Deleting") as bar:
        deleted = sessions.prune(on_batch=bar.update)
    # The others may have access tokens that have not expired, and are rejected by these rows.
    click.echo(f"Deleted {deleted} of {ended} ended sessions; those that ended recently are kept.")


@sessions_cli.command("stats")
@json_option
def show_stats(as_json: bool) -> None:
    """Count the active, revoked and expired sessions."""
    counts = _sessions().count()
    if as_json:
        click.echo(json.dumps(counts))
        return
    print_table(("SESSIONS", ""), list(counts.items()))


def _fields(session: Session) -> dict[str, Any]:
    fields = asdict(session)
    # The payload holds the application's own claims, which may be personal data.
    del fields["payload"]
    return fields
