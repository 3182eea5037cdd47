"""Tokens, and what is known of the current request's."""

from typing import Any

import jwt as pyjwt
from flask import g
from werkzeug.local import LocalProxy

import flask_jwt

from .. import get_csrf_token as get_csrf_token
from .. import get_jwt_request_location as get_jwt_request_location
from .. import set_access_cookies as set_access_cookies
from .. import set_refresh_cookies as set_refresh_cookies
from .. import unset_access_cookies as unset_access_cookies
from .. import unset_jwt_cookies as unset_jwt_cookies
from .. import unset_refresh_cookies as unset_refresh_cookies
from .config import config
from .exceptions import JWTDecodeError
from .internal_utils import has_user_lookup
from .typing import Claims, ExpiresDelta, Fresh

__all__ = [
    "create_access_token", "create_refresh_token", "current_user", "decode_token",
    "get_csrf_token", "get_current_user", "get_jti", "get_jwt", "get_jwt_header",
    "get_jwt_identity", "get_jwt_request_location", "get_unverified_jwt_headers",
    "set_access_cookies", "set_refresh_cookies", "unset_access_cookies", "unset_jwt_cookies",
    "unset_refresh_cookies",
]  # fmt: skip


def create_access_token(
    identity: Any, fresh: Fresh = False, expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None, additional_headers: Claims = None,
) -> str:  # fmt: skip
    """:func:`flask_jwt.create_access_token`, where *additional_claims* replace issued ones."""
    return flask_jwt.create_access_token(
        identity, claims=additional_claims, headers=additional_headers, overwrite=True,
        expires_delta=expires_delta, fresh=fresh,
    )  # fmt: skip


def create_refresh_token(
    identity: Any, expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None, additional_headers: Claims = None,
) -> str:  # fmt: skip
    """:func:`flask_jwt.create_refresh_token`, where *additional_claims* replace issued ones."""
    return flask_jwt.create_refresh_token(
        identity, claims=additional_claims, headers=additional_headers, overwrite=True,
        expires_delta=expires_delta,
    )  # fmt: skip


def decode_token(
    encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
) -> dict[str, Any]:
    """The verified claims of a token of any type.

    :param csrf_value: what its ``csrf`` claim must be
    :raises jwt.PyJWTError: or JWTDecodeError, CSRFError
    """
    claims = flask_jwt.decode_token(encoded_token, verify_type=False, allow_expired=allow_expired)
    if csrf_value and "csrf" not in claims:
        raise JWTDecodeError("Missing claim: csrf")
    if csrf_value:
        flask_jwt.check_csrf_token(encoded_token, csrf_value)
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
    return get_jwt().get(config.identity_claim_key)


def get_current_user() -> Any:
    """What the ``user_lookup_loader`` gave for this request; None without a token.

    :raises RuntimeError: if the request was not verified, or there is no such loader
    """
    if "_jwt_extended_jwt_user" in g:
        return g._jwt_extended_jwt_user["loaded_user"]
    get_jwt()
    if not has_user_lookup():
        raise RuntimeError("Provide a `@jwt.user_lookup_loader` callback to use this method")
    return flask_jwt.current_identity._get_current_object()


# Looked up at each use: test suites replace get_current_user in this module.
current_user: Any = LocalProxy(lambda: get_current_user())  # noqa: PLW0108
