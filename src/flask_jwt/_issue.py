"""From a user to a token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from ._claims import RESERVED_CLAIMS
from ._context import app_state
from ._tokens import Token
from .errors import ConfigError


def create_access_token(
    identity: Any,
    *,
    claims: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    expires_delta: timedelta | float | None = None,
    overwrite: bool = False,
) -> str:
    """An access token for *identity*, as logging in would give.

    :param identity: a user object or dict with an ``id``, or the id itself
    :param claims: more claims. One that this package issues can't be among them, so that extra
        data never replaces ``exp`` or ``identity`` by accident
    :param headers: more JOSE header parameters
    :param expires_delta: lifetime in seconds or a timedelta; default ``JWT_EXPIRATION_DELTA``
    :param overwrite: let *claims* replace issued ones
    :raises ValueError: if *claims* collide with reserved ones and *overwrite* is False
    :raises TypeError: if something in *claims* can't be written as JSON
    """
    state = app_state()
    if expires_delta is None:
        expires = state.settings.expiration
    elif isinstance(expires_delta, timedelta):
        expires = expires_delta.total_seconds()
    else:
        expires = float(expires_delta)
    payload = _issued_claims(identity, expires)
    collisions = RESERVED_CLAIMS.intersection(claims or ())
    if collisions and not overwrite:
        raise ValueError(
            f"claims would replace {', '.join(sorted(collisions))}, which the token issues itself; "
            "rename them, or pass overwrite=True if you mean it"
        )
    payload.update(claims or {})
    return state.codec().issue(payload, headers, now=state.clock())


def identity_of(identity: Any) -> Any:
    """The id of a user: its ``id`` attribute or item, or *identity* where it is an id itself.

    :raises ConfigError: if there is none that JSON can hold
    """
    if hasattr(identity, "id"):
        found = identity.id
    elif isinstance(identity, Mapping):
        found = identity.get("id")
    else:
        found = identity
    if isinstance(found, UUID):
        found = str(found)
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(
            f"An identity of type {type(found).__name__} can't go into a token. Return an object "
            "with an id that JSON can hold from the authentication handler, or write a "
            "jwt_payload_handler."
        ) from None
    if found is None:
        raise ConfigError(
            "The identity has no id. Return an object with an id attribute, or a dict with an "
            "'id', from the authentication handler, or write a jwt_payload_handler."
        )
    return found


def subject_of(user_id: Any) -> str:
    """*user_id* as the text of a ``sub`` claim (RFC 7519 section 4.1.2)."""
    return user_id if isinstance(user_id, str) else json.dumps(user_id, separators=(",", ":"))


def _issued_claims(identity: Any, expires: float) -> dict[str, Any]:
    state = app_state()
    settings = state.settings
    now = state.clock()
    user_id = identity_of(identity)
    claims = {
        "identity": user_id,
        "sub": subject_of(user_id),
        "iat": int(now),
        "nbf": int(now + settings.not_before),
        "exp": int(now + expires),
        "jti": secrets.token_urlsafe(12),
        "type": "access",
    }
    if settings.encode_issuer is not None:
        claims["iss"] = settings.encode_issuer
    if settings.encode_audience is not None:
        audience = settings.encode_audience
        claims["aud"] = audience if isinstance(audience, str) else list(audience)
    return claims


def _default_jwt_payload_handler(identity: Any) -> dict[str, Any]:
    """The claims of a new access token for *identity*."""
    return _issued_claims(identity, app_state().settings.expiration)


def _default_jwt_headers_handler(identity: Any) -> dict[str, Any] | None:  # noqa: ARG001
    """No extra header parameters."""
    return None


def _default_jwt_encode_handler(identity: Any) -> Token:
    """A signed token with the payload handler's claims and the headers handler's header.

    :raises ConfigError: if the payload lacks a claim of ``JWT_REQUIRED_CLAIMS``, so that no token
        is issued that would be refused
    """
    state = app_state()
    payload = state.call("jwt_payload_callback", identity)
    missing = state.settings.required_claims.difference(payload)
    if missing:
        raise ConfigError(f"Payload is missing required claims: {', '.join(sorted(missing))}")
    headers = state.call("jwt_headers_callback", identity)
    return state.codec().issue(payload, headers, now=state.clock())
