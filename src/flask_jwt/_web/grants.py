"""Write scopes and roles into tokens, and find those of the user of a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from werkzeug.local import LocalProxy

from .._config.settings import Settings
from .._jose.claims import Claims, ClaimsView
from .._jose.grants import (
    NO_GRANTS,
    ClaimPath,
    Grants,
    RequiredNames,
    Requirement,
    list_names,
    read_grants,
    replace_grants,
)
from .._sessions.granted import read_claims
from ..errors import ConfigError, InsufficientScope
from .app_state import AppState
from .context import RequestState, app_state, request_state, require_verified


def grant_claims(
    settings: Settings, scopes: RequiredNames | None, roles: RequiredNames | None
) -> Claims:
    """Return the claims that grant *scopes* and *roles*; None adds no claim.

    :raises ConfigError: if the guard doesn't read these claims
    """
    claims: Claims = {}
    sources = settings.grant_claims
    if scopes is not None:
        _check_is_read("JWT_SCOPE_CLAIMS", "scope", sources.scopes)
        claims["scope"] = " ".join(list_names("scopes", scopes))
    if roles is not None:
        _check_is_read("JWT_ROLE_CLAIMS", "roles", sources.roles)
        claims["roles"] = list_names("roles", roles)
    return claims


def apply_grants(state: AppState, claims: ClaimsView, granted: ClaimsView) -> ClaimsView:
    """Return *claims* with *granted* in place of all claims that grant the same."""
    # Most tokens have none, and reading the settings compares every option.
    return replace_grants(claims, granted, state.settings.grant_claims) if granted else claims


def _check_is_read(option: str, claim: str, paths: Iterable[ClaimPath]) -> None:
    if (claim,) not in paths:
        raise ConfigError(
            f"{option} doesn't contain {claim!r}, the claim that tokens of this application have. "
            f"Add it, or pass another claim in claims="
        )


def missing_grant(scopes: Requirement | None, roles: Requirement | None) -> InsufficientScope:
    """Return the error for a user who lacks a scope or a role that a guard requires."""
    # The message names the required scopes, never those that the user has.
    needed = " and ".join(str(required) for required in (scopes, roles) if required is not None)
    return InsufficientScope(f"This needs {needed}", scopes=() if scopes is None else scopes.names)


def grants_of(state: AppState, current: RequestState) -> Grants:
    """Return the grants of the user of the request: the loader's, or else those in the token."""
    if current.identity is None:
        return NO_GRANTS
    if current.grants is None:
        current.grants = _load_grants(state, current)
    return current.grants


def _load_grants(state: AppState, current: RequestState) -> Grants:
    load = state.handlers.grants_callback
    if load is not None:
        # An error of the loader isn't caught: without the grants no request is allowed.
        grants = state.call(load, current.identity, current.claims)
        if not isinstance(grants, Grants):
            raise ConfigError(
                f"The grants_loader returned {type(grants).__name__}; return "
                "flask_jwt.Grants(scopes=…, roles=…)"
            )
        return grants
    if current.session is not None:  # a refresh token
        sources = state.settings.grant_claims
        return read_grants(read_claims(current.session, sources), sources)
    if current.verified is not None:
        return current.verified.grants
    # A decode handler may return anything.
    claims = current.claims if isinstance(current.claims, dict) else {}
    return read_grants(claims, state.settings.grant_claims)


def has_scope(scope: str) -> bool:
    """Return whether the user of the current request has *scope*, which is compared exactly.

    Use it in a view that shows more to some users::

        @app.get("/orders")
        @jwt_required(scopes="orders:read")
        def list_orders():
            return {"orders": find_orders(), "may_add": has_scope("orders:write")}

    :raises RuntimeError: if no guard has verified the request
    """
    return scope in grants_of(app_state(), require_verified("has_scope")).scopes


def _current_grants() -> Grants:
    current = request_state()
    return NO_GRANTS if current is None else grants_of(app_state(), current)


current_grants: Any = LocalProxy(_current_grants)
"""The :class:`Grants` of the current request's user, whose ``scopes`` and ``roles`` are frozensets;
empty without a token."""
