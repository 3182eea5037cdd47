"""Define ``flask jwt sessions``: list, show, revoke, prune and count sessions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from .._sessions.manager import SessionManager
from .._sessions.users import ExactIdentity
from .._web.context import app_state, require_sessions
from ..stores import Session
from .output import NAMES_AS_GIVEN, CommandGroup, echo, format_time, json_option, print_table

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


@sessions_cli.command("upgrade")
@json_option
def upgrade_sessions(as_json: bool) -> None:
    """Add tables, columns and indexes that this version needs.

    The command may be repeated, and the application may go on meanwhile. Repeat it when the last
    process of the earlier version has ended, for the sessions that this process has started. It
    also creates indexes that are missing for another reason.
    """
    sessions = _sessions()
    if as_json:
        click.echo(json.dumps(sessions.upgrade()))
        return
    # The number of sessions isn't known before the store has its columns.
    with click.progressbar(length=1, label="Upgrading") as bar:

        def on_batch(number: int, total: int) -> None:
            bar.length = total
            bar.update(number)

        added = sessions.upgrade(on_batch=on_batch)
    for name in ("tables", "columns", "indexes"):
        if added[name]:
            echo(f"Added {name}: {', '.join(added[name])}")
    count = added["sessions"]
    echo(f"The session store is up to date; {_count(count)} got a subject key.")


type_option = click.option(
    "--type",
    "json_type",
    type=click.Choice(["string", "json"]),
    help="Whether the identity is the string or what it means as JSON, such as a number.",
)


@sessions_cli.command("list", context_settings=NAMES_AS_GIVEN)
@click.argument("identity")
@type_option
@json_option
def list_sessions(identity: str, json_type: str | None, as_json: bool) -> None:
    """List the active sessions of the user with IDENTITY.

    IDENTITY is the user's id in the tokens. 1 is looked up as the string "1" and as the number 1,
    which are two users. A user without active sessions is no error.
    """
    readings, found = _search(identity, json_type)
    if as_json:
        listed = [
            {"identity": reading, **_fields(session)}
            for reading, sessions in found
            for session in sessions
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    for reading, sessions in found:
        echo(f"{_count(len(sessions))} of {_describe(reading)}:")
        _print_sessions(sessions)
    if not found:
        verb = "have" if len(readings) > 1 else "has"
        echo(f"none: {_describe_all(readings, identity)} {verb} no active sessions")


def _print_sessions(sessions: list[Session]) -> None:
    print_table(
        ("SID", "LABEL", "AGENT", "IP", "SINCE", "LAST USED"),
        [
            (
                session.sid, session.label or "-", (session.user_agent or "-")[:40],
                session.ip or "-", format_time(session.created_at), format_time(session.rotated_at),
            )
            for session in sessions
        ],
        copied="SID",
    )  # fmt: skip


Found = list[tuple[Any, list[Session]]]
"""Identities, each with its sessions."""


def _search(argument: str, json_type: str | None) -> tuple[list[Any], Found]:
    """Return the identities that *argument* may stand for, and those that have sessions."""
    readings = _read_identity(argument)
    if json_type is not None:
        readings = [r for r in readings if isinstance(r, str) == (json_type == "string")]
    manager = _sessions()
    found = [(reading, list(manager.iterate(ExactIdentity(reading)))) for reading in readings]
    return readings, [(reading, sessions) for reading, sessions in found if sessions]


def _describe_all(readings: list[Any], argument: str) -> str:
    return " and ".join(map(_describe, readings)) or f"{argument} as JSON"


def _read_identity(argument: str) -> list[Any]:
    """Return the identities that an argument of a command may stand for."""
    try:
        value = json.loads(argument)
    except (ValueError, RecursionError):
        return [argument]
    # 007 or 1e3 is a string, because the number is not written like that in a token.
    is_number = type(value) is int and str(value) == argument
    return [argument, value] if is_number or isinstance(value, (dict, list)) else [argument]


def _describe(identity: Any) -> str:
    kind = {str: "string", int: "number"}.get(type(identity), "JSON")
    return f"the {kind} {json.dumps(identity)}"


def _count(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"


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
@click.option("--subject", help="Revoke all sessions of the user with this identity.")
@type_option
def revoke_sessions(sids: tuple[str, ...], subject: str | None, json_type: str | None) -> None:
    """Revoke sessions by SID, or all of a user with --subject.

    If both the string "1" and the number 1 have sessions, --subject 1 revokes none: write --type.
    """
    if not sids and subject is None:
        raise click.UsageError("Write a SID, or --subject.")
    sessions = _sessions()
    unknown = [sid for sid in sids if sessions.get(sid) is None]
    # Valid ids are revoked before an unknown one is reported: in an emergency, each one counts.
    revoked = sum(sessions.revoke(sid) for sid in sids if sid not in unknown)
    if sids:
        echo(f"Revoked {_count(revoked)}.")
    if unknown:
        raise click.ClickException(f"There is no session {', '.join(unknown)}.")
    if subject is not None:
        _revoke_subject(sessions, subject, json_type)


def _revoke_subject(sessions: SessionManager, subject: str, json_type: str | None) -> None:
    readings, found = _search(subject, json_type)
    if not found:
        tried = _describe_all(readings, subject)
        raise click.ClickException(f"There are no active sessions. Looked for {tried}.")
    if len(found) > 1:
        users = " and ".join(_describe(reading) for reading, _ in found)
        raise click.ClickException(
            f"Both {users} have sessions. Write --type string or --type json."
        )
    ((identity, _),) = found
    revoked = sessions.revoke_all(ExactIdentity(identity))
    echo(f"Revoked {_count(revoked)} of {_describe(identity)}.")


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
    echo(f"Deleted {deleted} of {ended} ended sessions; those that ended recently are kept.")


@sessions_cli.command("stats")
@json_option
def show_stats(as_json: bool) -> None:
    """Count the active, revoked and expired sessions."""
    counts = _sessions().count()
    if as_json:
        click.echo(json.dumps(counts))
        return
    print_table(("SESSIONS", ""), list(counts.items()))


_NOT_SHOWN = {
    # The payload holds the application's own claims, which may be personal data. The CSRF value is
    # a secret of the browser.
    "payload", "csrf", "grants",
    "change_id", "feed_position", "revocation_kept_until", "sequence", "subject_key",
}  # fmt: skip


def _fields(session: Session) -> dict[str, Any]:
    return {name: value for name, value in asdict(session).items() if name not in _NOT_SHOWN}
