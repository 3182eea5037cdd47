"""Define ``flask jwt inspect``: show what a token contains, and whether it is valid."""

from __future__ import annotations

import json
import re
import sys

import click

from .._jose.claims import TIME_CLAIMS, Claims, Header
from .._web.app_state import AppState
from .._web.context import app_state
from .._web.request_token import codec_for
from ..errors import JWTError, StoreUnavailable
from .issuers import explain
from .output import echo, format_time, json_option, print_table

MOST_INPUT = 2**20
"""The bytes that are read from standard input."""

_BEFORE_TOKEN = r"(?i)(?:authorization\s*:\s*)?(?:(?:bearer|jwt|token)\s*[:=]?\s+)?(?:b(?=['\"]))?"


@click.argument("token")
@json_option
def inspect(token: str, as_json: bool) -> None:
    """Show what TOKEN contains and whether it is valid.

    TOKEN may have its scheme before it ("Bearer …") and quotation marks around it. Write - to read
    it from standard input, which keeps it out of the shell's history. The exit status is 1 if the
    token is rejected.
    """
    state = app_state()
    encoded = unwrap_token(read_stdin() if token == "-" else token)
    header: Header = {}
    claims: Claims = {}
    session = hint = None
    issuer: list[str] = []
    try:
        # Decoded first, so that a rejected token is shown as well.
        header, claims = state.codecs.decode_unverified(encoded)
        issuer = explain(state, header, claims)
        session = _get_session_state(state, claims)
        reason = _find_rejection(state, encoded)
    except JWTError as error:
        if isinstance(error, StoreUnavailable):
            raise
        reason, hint = str(error.description), error.hint
    kind = describe_kind(encoded, header, claims)
    if as_json:
        result = {
            "accepted": reason is None, "reason": reason, "hint": hint, "kind": kind,
            "session": session, "issuer": issuer, "header": header, "claims": claims,
        }  # fmt: skip
        click.echo(json.dumps(result, indent=2))
    else:
        _show_token(header, claims)
        echo(f"This is {kind}.")
        for line in issuer:
            echo(line)
        if session is not None:
            echo(f"The session of the token: {session}")
        verdict = "accepts the token" if reason is None else f"rejects the token: {reason}"
        echo(f"This application {verdict}")
        if hint is not None:
            echo(hint)
    if reason is not None:
        sys.exit(1)


def _find_rejection(state: AppState, encoded: str) -> str | None:
    """Return why a guard of this application would reject the token, or None."""
    try:
        verified = codec_for(state, encoded, "access").verify(encoded, state.clock.now())
        if verified.sid is not None and state.check_session is not None:
            state.check_session(verified.sid, verified.issued_at)
    except StoreUnavailable:
        raise
    except JWTError as error:
        return str(error.description)
    return None


def read_stdin() -> str:
    # Bytes, because standard input may be any file.
    return sys.stdin.buffer.read(MOST_INPUT).decode("utf-8", "replace")


def unwrap_token(token: str) -> str:
    """Return *token* without the characters that may have been copied with it."""
    around = " \t\r\n'\"`,;"
    bare = token.strip(around)
    match = re.match(_BEFORE_TOKEN, bare)
    return bare[match.end() if match else 0 :].strip(around)


def describe_kind(encoded: str, header: Header, claims: Claims) -> str:
    """Return what type of token this is, as far as its unverified content shows it."""
    # One list of types, the most specific ones first.
    if encoded.count(".") == 4:
        return "an encrypted token (JWE), which only its issuer's audience can read"
    if not header:
        return "not a JWT"
    token_type = claims.get("type")
    if token_type == "refresh":
        owner = "of a session" if "gen" in claims else "without a session"
        return f"a refresh token {owner}: it is exchanged for an access token, and no view takes it"
    if "nonce" in claims or "at_hash" in claims:
        return (
            "probably an ID token (OpenID Connect), which is for the client: send the access token"
        )
    if token_type in (None, "access"):
        origin = (
            "" if token_type or "identity" in claims else ", of another issuer or an old version"
        )
        return f"an access token{origin}"
    return "a token of another type than access or refresh"


def _get_session_state(state: AppState, claims: Claims) -> str | None:
    """Return what the store says about the token's session; None if it belongs to none."""
    sid = claims.get("sid")
    issuers = state.codecs.issuers()
    if issuers is not None and issuers.find(claims.get("iss")) is not None:
        return None  # the sid of another issuer is no session of this application
    if state.sessions is None or not isinstance(sid, str):
        return None
    session = state.sessions.get(sid)
    if session is None:
        return "unknown"
    if session.revoked_at is not None:
        return "revoked"
    return "active" if session.is_active(state.clock.now()) else "expired"


def _show_token(header: Header, claims: Claims) -> None:
    rows = [("header", name, json.dumps(value), "") for name, value in header.items()]
    for name, value in claims.items():
        is_time = name in (*TIME_CLAIMS, "auth_time") and type(value) in (int, float)
        # Beyond the year 5138 the claim is not in seconds, or not a time at all.
        readable = format_time(value) if is_time and 0 <= value < 1e11 else ""
        rows.append(("claim", name, json.dumps(value), readable))
    if rows:
        print_table(("PART", "NAME", "VALUE", ""), rows)
        click.echo()
