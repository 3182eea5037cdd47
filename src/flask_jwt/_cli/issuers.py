"""Define ``flask jwt issuers``, and explain to developers why a foreign token is rejected."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .._jose.claims import Claims, ClaimsView, Header
from .._web.app_state import AppState
from .._web.context import app_state
from ..errors import ConfigError, IssuerUnavailable
from .output import CommandGroup, format_time, json_option, print_table

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer
    from .._issuers.registry import Issuers, TrustedIssuer

issuers_cli = CommandGroup("issuers", help="Show and check the other issuers (JWT_ISSUERS).")

GRAPH = ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com")
"""The audiences of Microsoft Graph, whose tokens only Microsoft can verify."""

MOST_SKEW = 30.0
"""Seconds by which clocks may differ without a remark."""


def _require_issuers(state: AppState) -> Issuers:
    issuers = state.codecs.issuers()
    if issuers is None:
        raise ConfigError(
            "This application trusts no other issuer. Write JWT(app, issuers=[Issuer(…)]), or set "
            "JWT_ISSUERS."
        )
    return issuers


@issuers_cli.command("list")
@json_option
def list_issuers(as_json: bool) -> None:
    """List the issuers whose tokens are accepted.

    Those that a function finds are not listed, because only the function knows them.
    """
    issuers = _require_issuers(app_state())
    if issuers.lookup is not None:
        name = issuers.lookup.name
        if as_json:
            click.echo(json.dumps({"function": name}, indent=2))
        else:
            click.echo(
                f"The function {name} finds the issuer of each token. To check some of its "
                "issuers: flask jwt issuers check https://…"
            )
        return
    rows = [_describe(one.issuer) for one in issuers.all]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    print_table(
        ("ISSUER", "AUDIENCE", "ALGORITHMS", "KEYS"),
        (
            [row["issuer"], row["audience"], " ".join(row["algorithms"]), row["keys"]]
            for row in rows
        ),
        copied="ISSUER",
    )


def _describe(issuer: Issuer) -> dict[str, Any]:
    keys = issuer.jwks_uri or "in its metadata"
    if issuer.jwks is not None and issuer.jwks_uri is None:
        keys = "in the configuration"
    return {
        "issuer": issuer.issuer,
        "audience": _describe_audience(issuer),
        "algorithms": list(issuer.algorithms),
        "keys": keys,
    }


def _describe_audience(issuer: Issuer) -> str:
    """Name the applications for which a token may be: by their audience, or by their client id."""
    if issuer.audiences is not None:
        return " ".join(sorted(issuer.audiences))
    clients = [f"{name}: {' '.join(sorted(ids))}" for name, ids in issuer.clients.items()]
    return "; ".join(clients) or "any"


@issuers_cli.command("check")
@click.argument("names", metavar="[ISS]...", nargs=-1)
@json_option
def check_issuers(names: tuple[str, ...], as_json: bool) -> None:
    """Fetch the keys of all issuers, or of those named ISS, for example in a deployment.

    The exit status is 1 if the keys of an issuer can't be fetched, or no issuer has the name. If a
    function finds the issuers, name those to check.
    """
    state = app_state()
    issuers = _require_issuers(state)
    if issuers.lookup is not None and not names:
        raise ConfigError(
            f"The function {issuers.lookup.name} finds the issuers, so name those to check: "
            "flask jwt issuers check https://…"
        )
    if names:
        rows = [_check_name(state, issuers, name) for name in names]
    else:
        rows = [_check(state, one) for one in issuers.all]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        print_table(
            ("ISSUER", "KEYS", "ALGORITHMS", "PROBLEM"),
            (
                [row["issuer"], row["keys"], " ".join(row["algorithms"]), row["problem"] or "-"]
                for row in rows
            ),
            copied="ISSUER",
        )
    if any(row["keys"] == 0 for row in rows):
        sys.exit(1)


def _check_name(state: AppState, issuers: Issuers, name: str) -> dict[str, Any]:
    problem = "JWT_ISSUERS has no such issuer"
    try:
        trusted = issuers.find(name)
    except IssuerUnavailable as error:
        trusted, problem = None, f"The function failed: {error.__cause__!r}"
    if trusted is not None:
        return _check(state, trusted)
    return {"issuer": name, "keys": 0, "algorithms": [], "problem": problem}


def _check(state: AppState, trusted: TrustedIssuer) -> dict[str, Any]:
    from .._issuers.fetch import FetchFailed

    issuer, problem = trusted.issuer, None
    keys: tuple[Any, ...] = ()
    if trusted.source.keys is not None and issuer.jwks_uri is None:
        keys = trusted.source.keys.keys
    else:
        try:
            keys = trusted.fetch(state.settings.issuer_timeout).keys.keys
        except FetchFailed as error:
            problem = str(error)
        else:
            problem = _describe_skew(state, trusted)
    return {
        "issuer": issuer.issuer,
        "keys": len(keys),
        "algorithms": sorted({key.algorithm for key in keys}),
        "problem": problem,
    }


def _describe_skew(state: AppState, trusted: TrustedIssuer) -> str | None:
    date = None if trusted.fetched is None else trusted.fetched.date
    if date is None or abs(seconds := date - state.clock.now()) <= MOST_SKEW:
        return None
    ahead = "ahead of" if seconds > 0 else "behind"
    return f"Its clock is {abs(seconds):.0f} s {ahead} this one"


def explain(state: AppState, header: Header, claims: Claims) -> list[str]:
    """Return what an unverified token says about its issuer, and which mistakes it shows.

    For developers only: clients get no information about the configuration.
    """
    issuers = state.codecs.issuers()
    if issuers is None or not header:
        return []
    iss = claims.get("iss")
    trusted = issuers.find(iss)
    if trusted is None:
        return _explain_unknown(state, issuers, claims)
    issuer = trusted.issuer
    lines = [f"Its issuer is {trusted.issuer!r} of JWT_ISSUERS."]
    alg = header.get("alg")
    if isinstance(alg, str) and alg.startswith("HS"):
        lines.append(
            f"It is signed with a secret ({alg}), but {issuer.issuer} has key pairs "
            f"({', '.join(issuer.algorithms)}): another program has made it, or the issuer still "
            "uses a secret and has to change to a key pair."
        )
    lines += _explain_audience(issuer, claims)
    lines += [
        f"The claim {name} is {claims.get(name)!r:.80}; accepted: {', '.join(accepted)}."
        for name, accepted in issuer.values.items()
        if claims.get(name) not in tuple(accepted)
    ]
    lines += [f"The claim {name} is missing." for name in issuer.required if name not in claims]
    lines += _explain_times(issuer, claims, state.clock.now())
    return lines


def _explain_times(issuer: Issuer, claims: ClaimsView, now: float) -> Iterator[str]:
    expires: Any = claims.get("exp")
    begins: Any = claims.get("nbf")
    if type(expires) in (int, float) and expires <= now - issuer.leeway_seconds:
        yield f"It expired at {_format_claim(expires)}."
    if type(begins) in (int, float) and begins > now + issuer.leeway_seconds:
        yield f"It is not valid before {_format_claim(begins)}."


def _format_claim(seconds: float) -> str:
    return format_time(seconds) if 0 <= seconds < 1e11 else str(seconds)


def _explain_unknown(state: AppState, issuers: Issuers, claims: ClaimsView) -> list[str]:
    iss = claims.get("iss")
    if not isinstance(iss, str) or iss == state.settings.encode_issuer:
        return []
    for one in issuers.all:
        for name in one.issuer.names:
            if name.rstrip("/").lower() == iss.rstrip("/").lower():
                return [
                    f"Its iss is {iss!r:.200}, but {name!r} is configured. They have to be equal "
                    "letter for letter."
                ]
    if issuers.lookup is not None:
        return [f"The function {issuers.lookup.name} returns no issuer for its iss, {iss!r:.200}."]
    return [f"None of JWT_ISSUERS is its iss, {iss!r:.200}."]


def _explain_audience(issuer: Issuer, claims: ClaimsView) -> list[str]:
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if any(name in GRAPH for name in named):
        return [
            "This is a token for Microsoft Graph, not one for this application, and only Microsoft "
            "can verify it. The client has to request a scope of this API: api://…/.default"
        ]
    accepted = issuer.audiences
    if accepted is None or not accepted.isdisjoint(name for name in named if isinstance(name, str)):
        return []
    return [f"Its aud is {audience!r:.200}; accepted: {', '.join(sorted(accepted))}."]
