"""``flask jwt``: keys, secrets, and what a token says; the other groups have their own modules."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from .._jose.claims import TIME_CLAIMS
from .._jose.key_file import PUBLISHED_FOR, prune, read_key_file, rotate, write_key_file
from .._jose.key_set import KeySet
from .._jose.keys import ALGORITHMS, Key
from .._web.app_state import AppState
from .._web.context import app_state
from .._web.session_wiring import LONGEST_SESSION
from ..errors import ConfigError, JWTError, StoreUnavailable
from .output import NAMES_AS_GIVEN, as_json, moment, table, tells_errors
from .passwords import passwords_cli
from .sessions import sessions_cli

jwt_cli = AppGroup("jwt", help="Keys, sessions, passwords and tokens of Flask-JWT-Too.")
keys_cli = AppGroup("keys", help="The key file, JWT_KEY_FILE: one key signs, all verify.")
jwt_cli.add_command(keys_cli)
jwt_cli.add_command(sessions_cli)
jwt_cli.add_command(passwords_cli)

algorithm_option = click.option(
    "--algorithm", type=click.Choice(list(ALGORITHMS)), default=None, help="Default: EdDSA."
)


@jwt_cli.command(with_appcontext=False)
@click.option("--bytes", "size", default=64, show_default=True, type=click.IntRange(32, 1024))
def secret(size: int) -> None:
    """Print a new random secret, for JWT_SECRET_KEY or SECRET_KEY."""
    click.echo(secrets.token_urlsafe(size))


def _key_file() -> str:
    path = current_app.config.get("JWT_KEY_FILE")
    if not path:
        raise ConfigError(
            "This application names no key file. Set JWT_KEY_FILE to a path outside of the "
            "repository, such as instance/jwt-keys.json."
        )
    return str(path)


def _show(keys: KeySet, now: float, in_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "state": keys.state(key, now),
            "sign_from": key.sign_from,
            "verify_until": key.verify_until,
        }
        for key in sorted(keys.keys, key=lambda key: key.sign_from)
    ]
    if in_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table(
        ("KID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL"),
        [
            (
                row["kid"], row["algorithm"], row["state"],
                moment(row["sign_from"] or None), moment(row["verify_until"]),
            )
            for row in rows
        ],
    )  # fmt: skip


@keys_cli.command("generate", with_appcontext=False)
@algorithm_option
@as_json
@click.option("--file", "path", required=True, help="Where to make it.")
@tells_errors
def generate_keys(algorithm: str | None, as_json: bool, path: str) -> None:
    """Make a key file with one new key. An existing file is never replaced.

    Needs no application, since one that names a missing key file can't start.
    """
    if os.path.exists(path):
        raise ConfigError(f"{path} exists already. To add a key to it: flask jwt keys rotate")
    now = time.time()
    keys = KeySet([Key.generate(algorithm or "EdDSA", sign_from=now)])
    write_key_file(path, keys)
    click.echo(f"Made {path}, readable by you only. Set JWT_KEY_FILE to it.", err=True)
    _show(keys, now, as_json)


@keys_cli.command("list")
@as_json
@tells_errors
def list_keys(as_json: bool) -> None:
    """Show the keys of the key file and what each does now."""
    _show(read_key_file(_key_file()), app_state().clock.now(), as_json)


@keys_cli.command("rotate")
@algorithm_option
@as_json
@click.option("--now", "at_once", is_flag=True, help="Sign with it at once; see below.")
@click.option(
    "--keep-for",
    type=click.FloatRange(0),
    help="Seconds for which the present key goes on to verify after it stops to sign. "
    "Default: the longest lifetime of a token.",
)
@tells_errors
def rotate_keys(
    algorithm: str | None, as_json: bool, at_once: bool, keep_for: float | None
) -> None:
    """Add a new key, which will sign; the present one then verifies until its tokens expire.

    The new key is published at once and signs ten minutes later, when no client has an older key
    set in its cache. Running processes follow by themselves. With --now it signs at once: for
    emergencies, because services that cached the key set refuse new tokens until they ask again.
    After a leak, remove the old key as well: flask jwt keys prune KID.
    """
    path = _key_file()
    keys = read_key_file(path)
    now = app_state().clock.now()
    new = Key.generate(algorithm or keys.active(now).algorithm)
    lifetime = _longest_lifetime(app_state()) if keep_for is None else keep_for
    delay = 0 if at_once else PUBLISHED_FOR
    keys = rotate(keys, new, now=now, lifetime=lifetime, delay=delay)
    write_key_file(path, keys)
    _show(keys, now, as_json)


def _longest_lifetime(state: AppState) -> float:
    settings = state.settings
    refresh = 0.0 if state.sessions is None else settings.refresh_lifetime + settings.leeway
    # Tokens may be good for ever; keys are not kept for them that long.
    return float(min(max(settings.access_lifetime, refresh), LONGEST_SESSION))


@keys_cli.command("prune", context_settings=NAMES_AS_GIVEN)
@click.argument("kids", metavar="[KID]...", nargs=-1)
@as_json
@tells_errors
def prune_keys(kids: tuple[str, ...], as_json: bool) -> None:
    """Remove the keys that are gone, and each KID named: its tokens are refused at once."""
    path = _key_file()
    now = app_state().clock.now()
    keys = prune(read_key_file(path), kids, now=now)
    write_key_file(path, keys)
    _show(keys, now, as_json)


@jwt_cli.command(context_settings=NAMES_AS_GIVEN)
@click.argument("token")
@as_json
@tells_errors
def inspect(token: str, as_json: bool) -> None:
    """Show what TOKEN says, whether this application accepts it, and why not.

    A TOKEN of - is read from standard input, which keeps it out of the shell's history. The exit
    status is 1 for a token refused.
    """
    state = app_state()
    codec = state.codecs.access()
    now = state.clock.now()
    text = sys.stdin.read().strip() if token == "-" else token
    header: dict[str, Any] = {}
    claims: dict[str, Any] = {}
    session = None
    try:
        header, claims = codec.decode_unverified(text)
        session = _session_state(state, claims)
        verified = codec.verify(text, now)
        if verified.sid is not None and state.check_session is not None:
            state.check_session(verified.sid, verified.issued_at)
        reason = None
    except StoreUnavailable:
        raise
    except JWTError as error:
        reason = str(error.description)
    if as_json:
        found = {
            "accepted": reason is None, "reason": reason, "session": session,
            "header": header, "claims": claims,
        }  # fmt: skip
        click.echo(json.dumps(found, indent=2))
    else:
        _show_token(header, claims, session, reason)
    if reason is not None:
        sys.exit(1)


def _session_state(state: AppState, claims: dict[str, Any]) -> str | None:
    """Return what the store says about the token's session; None if it belongs to none."""
    sid = claims.get("sid")
    if state.sessions is None or not isinstance(sid, str):
        return None
    session = state.sessions.get(sid)
    if session is None:
        return "unknown"
    if session.revoked_at is not None:
        return "revoked"
    return "active" if session.is_active(state.clock.now()) else "expired"


def _show_token(
    header: dict[str, Any], claims: dict[str, Any], session: str | None, reason: str | None
) -> None:
    rows = [("header", name, json.dumps(value), "") for name, value in header.items()]
    for name, value in claims.items():
        is_time = name in (*TIME_CLAIMS, "auth_time") and type(value) in (int, float)
        readable = moment(value) if is_time and 0 <= value < 1e11 else ""
        rows.append(("claim", name, json.dumps(value), readable))
    if rows:
        table(("PART", "NAME", "VALUE", ""), rows)
    if session is not None:
        click.echo(f"\nSession: {session}")
    verdict = "accepted" if reason is None else f"refused: {reason}"
    click.echo(f"\nThis application's verdict: {verdict}")
