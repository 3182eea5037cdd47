"""Define ``flask jwt``, with the commands for keys, secrets and single tokens."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import click
from flask import current_app

from .._jose.key_file import (
    PUBLISHED_FOR,
    change_key_file,
    create_key_file,
    prune,
    read_key_file,
    rotate,
)
from .._jose.key_set import KeySet
from .._jose.keys import ALGORITHMS, Key
from .._web.app_state import AppState
from .._web.context import app_state
from .._web.session_wiring import LONGEST_SESSION
from ..errors import ConfigError
from .doctor import doctor
from .inspect import inspect
from .issuers import issuers_cli
from .output import NAMES_AS_GIVEN, CommandGroup, echo, format_time, json_option, print_table
from .passwords import passwords_cli
from .routes import routes
from .sessions import sessions_cli

jwt_cli = CommandGroup("jwt", help="Manage keys, sessions, passwords and tokens (Flask-JWT-Too).")
keys_cli = CommandGroup(
    "keys", help="Manage the key file (JWT_KEY_FILE). One key signs, all verify."
)
jwt_cli.add_command(keys_cli)
jwt_cli.add_command(sessions_cli)
jwt_cli.add_command(passwords_cli)
jwt_cli.add_command(issuers_cli)
jwt_cli.add_command(doctor)
jwt_cli.command(context_settings=NAMES_AS_GIVEN)(inspect)

algorithm_option = click.option(
    "--algorithm", type=click.Choice(list(ALGORITHMS)), default=None, help="Of the new key."
)


jwt_cli.command()(routes)


@jwt_cli.command(with_appcontext=False)
@click.option("--bytes", "size", default=64, show_default=True, type=click.IntRange(32, 1024),
              help="The number of random bytes.")  # fmt: skip
def secret(size: int) -> None:
    """Print a new random secret for JWT_SECRET_KEY or SECRET_KEY."""
    click.echo(secrets.token_urlsafe(size))


def _key_file() -> str:
    path = current_app.config.get("JWT_KEY_FILE")
    if not path:
        raise ConfigError(
            "This application has no key file. Set JWT_KEY_FILE to a path that Git "
            "ignores, such as instance/jwt-keys.json: in app.config, or as "
            "FLASK_JWT_KEY_FILE in the environment if the application calls "
            "app.config.from_prefixed_env(). `flask jwt keys generate` makes the file."
        )
    return str(path)


def _show(keys: KeySet, now: float, as_json: bool) -> None:
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
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    print_table(
        ("KID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL"),
        [
            (
                row["kid"], row["algorithm"], row["state"],
                # 0, the default, stands for a key without a date.
                format_time(row["sign_from"] or None), format_time(row["verify_until"]),
            )
            for row in rows
        ],
        copied="KID",
    )  # fmt: skip


@keys_cli.command("generate", with_appcontext=False)
@algorithm_option
@json_option
@click.option("--file", "path", required=True, help="The path of the new file.")
def generate_keys(algorithm: str | None, as_json: bool, path: str) -> None:
    """Create a key file with one new key.

    Its folder is created too. An existing file is never replaced. The default algorithm is EdDSA.
    """
    # Without the application, which can't start while JWT_KEY_FILE names a missing file.
    now = time.time()
    # The first key has no date: it would not sign on a host whose clock is slow.
    keys = KeySet([Key.generate(algorithm or "EdDSA")])
    create_key_file(path, keys)
    # On stderr, so that --json prints nothing but JSON on stdout.
    echo(
        f"Created {path}, which only you can read. Set JWT_KEY_FILE to it: in app.config, or as "
        "FLASK_JWT_KEY_FILE in the environment if the application calls "
        "app.config.from_prefixed_env().", err=True,
    )  # fmt: skip
    _show(keys, now, as_json)


@keys_cli.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the keys and their states.

    A pending key doesn't sign yet. The active key signs. A retired key still verifies, until the
    tokens that it signed have expired. An expired key does nothing.
    """
    _show(read_key_file(_key_file()), app_state().clock.now(), as_json)


@keys_cli.command("rotate")
@algorithm_option
@json_option
@click.option("--now", "at_once", is_flag=True, help="Sign with the new key at once; see above.")
@click.option(
    "--keep-for",
    # Not FloatRange, which accepts inf and nan.
    type=click.IntRange(0, LONGEST_SESSION),
    help="Seconds for which the active key still verifies after the new key takes over. "
    "Default: the longest lifetime of a token.",
)
def rotate_keys(algorithm: str | None, as_json: bool, at_once: bool, keep_for: int | None) -> None:
    """Add a new key, which replaces the active key for signing.

    The new key is published at once and signs from ten minutes later, when no client has the older
    key set in its cache. The old key then verifies until its last token has expired. Running
    processes reload the key file by themselves.

    With --now the new key signs at once, and a pending key is removed. This is for emergencies:
    services that have cached the key set reject new tokens until they fetch it again. After a leak
    also remove the old key: flask jwt keys prune KID.

    With several hosts, copy the file to each of them before the new key signs.

    The default algorithm is that of the active key.
    """
    path = _key_file()
    now = app_state().clock.now()
    lifetime = _longest_lifetime(app_state()) if keep_for is None else keep_for
    delay = 0 if at_once else PUBLISHED_FOR
    replaced: list[str | None] = []

    def add_key(keys: KeySet) -> KeySet:
        replaced[:] = [key.kid for key in keys.keys if keys.state(key, now) == "pending"]
        new = Key.generate(algorithm or keys.active(now).algorithm)
        return rotate(keys, new, now=now, lifetime=lifetime, delay=delay)

    _show(_change(path, add_key), now, as_json)
    for kid in replaced:  # never without --now
        echo(f"Removed the pending key {kid}, which has signed nothing.", err=True)
    deadline = "now" if at_once else f"before {format_time(now + delay)}"
    echo(
        f"If the application runs on several hosts, copy {path} to each of them {deadline}. A host "
        "without the new key rejects its tokens.",
        err=True,
    )


def _change(path: str, change: Callable[[KeySet], KeySet]) -> KeySet:
    """Change the key file, and say so if another process is doing the same."""
    message = f"Waiting: another process is changing the folder of {path}, and holds its lock …"
    return change_key_file(path, change, before_waiting=lambda: echo(message, err=True))


def _longest_lifetime(state: AppState) -> float:
    settings = state.settings
    refresh = 0.0 if state.sessions is None else settings.refresh_lifetime + settings.leeway
    # Tokens may never expire. Then their key verifies for as long as the longest session lasts.
    return float(min(max(settings.access_lifetime, refresh), LONGEST_SESSION))


@keys_cli.command("prune", context_settings=NAMES_AS_GIVEN)
@click.argument("kids", metavar="[KID]...", nargs=-1)
@json_option
def prune_keys(kids: tuple[str, ...], as_json: bool) -> None:
    """Remove expired keys, and the keys named by KID.

    Tokens that a removed key has signed are rejected at once.
    """
    path = _key_file()
    now = app_state().clock.now()
    _show(_change(path, lambda keys: prune(keys, kids, now=now)), now, as_json)
