"""Tokens, and what is known of the current request's."""

from __future__ import annotations

from typing import Any

import jwt as pyjwt
from flask import g
from werkzeug.local import LocalProxy

import flask_jwt

from .. import JWTError, check_csrf_token, checked_config, current_identity
from .. import get_csrf_token as get_csrf_token
from .. import get_jwt_request_location as get_jwt_request_location
from .. import set_access_cookies as set_access_cookies
from .. import set_refresh_cookies as set_refresh_cookies
from .. import unset_access_cookies as unset_access_cookies
from .. import unset_jwt_cookies as unset_jwt_cookies
from .. import unset_refresh_cookies as unset_refresh_cookies
from .exceptions import JWTDecodeError, translated
from .internal_utils import get_jwt_manager, has_user_lookup
from .typing import Claims, ExpiresDelta, Fresh


def create_access_token(
    identity: Any,
    fresh: Fresh = False,
    expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None,
    additional_headers: Claims = None,
) -> str:
    """:func:`flask_jwt.create_access_token`, where *additional_claims* replace issued ones."""
    get_jwt_manager()
    return flask_jwt.create_access_token(
        identity,
        fresh=fresh,
        expires_delta=expires_delta,
        claims=additional_claims,
        headers=additional_headers,
        overwrite=True,
    )


def create_refresh_token(
    identity: Any,
    expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None,
    additional_headers: Claims = None,
) -> str:
    """:func:`flask_jwt.create_refresh_token`, where *additional_claims* replace issued ones."""
    get_jwt_manager()
    return flask_jwt.create_refresh_token(
        identity,
        expires_delta=expires_delta,
        claims=additional_claims,
        headers=additional_headers,
        overwrite=True,
    )


def decode_token(
    encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
) -> dict[str, Any]:
    """The verified claims of a token of any type.

    :param csrf_value: what its ``csrf`` claim must be
    :raises jwt.PyJWTError: or JWTDecodeError, CSRFError
    """
    get_jwt_manager()
    try:
        claims = flask_jwt.decode_token(
            encoded_token, verify_type=False, allow_expired=allow_expired
        )
        if csrf_value and "csrf" not in claims:
            raise JWTDecodeError("Missing claim: csrf")
        if csrf_value:
            check_csrf_token(encoded_token, csrf_value)
    except JWTError as error:
        raise translated(error) from error.__cause__
    return claims


def get_jti(encoded_token: str) -> str | None:
    """The token's ``jti``, once it has been verified."""
    return decode_token(encoded_token).get("jti")


def get_unverified_jwt_headers(encoded_token: str) -> dict[str, Any]:
    """The token's header, *not verified*."""
    return dict(pyjwt.get_unverified_header(encoded_token))


# The names in flask.g are Flask-JWT-Extended's: test suites set them instead of sending a token.


def get_jwt() -> dict[str, Any]:
    """The claims of the current request's token; ``{}`` where an optional one is absent.

    :raises RuntimeError: if the request was not verified
    """
    by_hand: dict[str, Any] | None = g.get("_jwt_extended_jwt")
    return flask_jwt.get_jwt() if by_hand is None else by_hand


def get_jwt_header() -> dict[str, Any]:
    """The header of the current request's token; raises as :func:`get_jwt` does."""
    by_hand: dict[str, Any] | None = g.get("_jwt_extended_jwt_header")
    return flask_jwt.get_jwt_header() if by_hand is None else by_hand


def get_jwt_identity() -> Any:
    """The identity in the current request's token; None where an optional one is absent."""
    return get_jwt().get(checked_config("JWT_IDENTITY_CLAIM"))


def get_current_user() -> Any:
    """What the ``user_lookup_loader`` gave for this request; None without a token.

    :raises RuntimeError: if the request was not verified, or there is no such loader
    """
    if "_jwt_extended_jwt_user" in g:
        return g._jwt_extended_jwt_user["loaded_user"]
    get_jwt()
    if not has_user_lookup():
        raise RuntimeError("Provide a `@jwt.user_lookup_loader` callback to use this method")
    return current_identity._get_current_object()


current_user: Any = LocalProxy(get_current_user)
