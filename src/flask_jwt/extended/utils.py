"""Create tokens, and read the token of the current request."""

from typing import Any

import jwt as pyjwt
from flask import g

import flask_jwt

from .. import get_csrf_token as get_csrf_token
from .. import get_jwt_request_location as get_jwt_request_location
from .. import set_access_cookies as set_access_cookies
from .. import set_refresh_cookies as set_refresh_cookies
from .. import unset_access_cookies as unset_access_cookies
from .. import unset_jwt_cookies as unset_jwt_cookies
from .. import unset_refresh_cookies as unset_refresh_cookies
from .._jose.grants import RequiredNames
from .._web.context import foreign_identity
from .._web.current_user import UserProxy
from ._imported_names import imported_names
from .config import config
from .exceptions import JWTDecodeError
from .internal_utils import has_user_lookup
from .typing import Claims, ExpiresDelta, Fresh


def create_access_token(
    identity: object,
    fresh: Fresh = False,
    expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None,
    additional_headers: Claims = None,
    *,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
) -> str:
    """Create an access token, as :func:`flask_jwt.create_access_token` does.

    :param identity: the user, or whatever the ``user_identity_loader`` takes
    :param fresh: whether the token is fresh, or a timedelta for which it is
    :param expires_delta: the lifetime, False for a token that never expires; default
        ``JWT_ACCESS_TOKEN_EXPIRES``
    :param additional_claims: more claims; they replace issued claims of the same names
    :param additional_headers: more header parameters
    :param scopes: the scopes of the token, as in :func:`flask_jwt.create_access_token`
    :param roles: its roles
    """
    token = flask_jwt.create_access_token(
        identity,
        claims=additional_claims,
        headers=additional_headers,
        overwrite=True,
        expires_delta=expires_delta,
        fresh=fresh,
        scopes=scopes,
        roles=roles,
    )
    return str(token)  # no subclass: YAML and msgpack reject those


def create_refresh_token(
    identity: object,
    expires_delta: ExpiresDelta | None = None,
    additional_claims: Claims = None,
    additional_headers: Claims = None,
) -> str:
    """Create a refresh token, as :func:`flask_jwt.create_refresh_token` does.

    The arguments are those of :func:`create_access_token`; the default lifetime is
    ``JWT_REFRESH_TOKEN_EXPIRES``.
    """
    token = flask_jwt.create_refresh_token(
        identity,
        claims=additional_claims,
        headers=additional_headers,
        overwrite=True,
        expires_delta=expires_delta,
    )
    return str(token)


def decode_token(
    encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
) -> dict[str, Any]:
    """Verify a token of any type and return its claims.

    :param csrf_value: the required value of its ``csrf`` claim
    :param allow_expired: also accept an expired token
    :raises jwt.PyJWTError: or JWTDecodeError, CSRFError
    """
    claims = flask_jwt.decode_token(encoded_token, verify_type=False, allow_expired=allow_expired)
    if csrf_value:
        # Programs expect this error, not a CSRFError, if the token has no such claim.
        if "csrf" not in claims:
            raise JWTDecodeError("Missing claim: csrf")
        flask_jwt.check_csrf_token(encoded_token, csrf_value)
    return claims


def get_jti(encoded_token: str) -> str | None:
    """Verify a token and return its ``jti``."""
    return decode_token(encoded_token).get("jti")


def get_unverified_jwt_headers(encoded_token: str) -> dict[str, Any]:
    """Return the header of a token, *not verified*."""
    return dict(pyjwt.get_unverified_header(encoded_token))


# The names in flask.g are Flask-JWT-Extended's: test suites set them instead of sending a token.


def get_jwt() -> dict[str, Any]:
    """Return the claims of the current request's token; ``{}`` without an optional one.

    :raises RuntimeError: if the request was not verified
    """
    claims: dict[str, Any] | None = g.get("_jwt_extended_jwt")
    return flask_jwt.get_jwt() if claims is None else claims


def get_jwt_header() -> dict[str, Any]:
    """Return the header of the current request's token; ``{}`` without an optional one.

    :raises RuntimeError: if the request was not verified
    """
    header: dict[str, Any] | None = g.get("_jwt_extended_jwt_header")
    return flask_jwt.get_jwt_header() if header is None else header


def get_jwt_identity() -> Any:
    """Return the identity in the current request's token; None without an optional one.

    :raises RuntimeError: if the request was not verified
    """
    claims, foreign = get_jwt(), foreign_identity()
    return claims.get(config.identity_claim_key) if foreign is None else foreign


def get_current_user() -> Any:
    """Return the user whom the ``user_lookup_loader`` found for this request; None without a token.

    :raises RuntimeError: if the request was not verified, or there is no such loader
    """
    if "_jwt_extended_jwt_user" in g:
        return g._jwt_extended_jwt_user["loaded_user"]
    get_jwt()  # raises if the request was not verified
    if not has_user_lookup():
        raise RuntimeError("Provide a `@jwt.user_lookup_loader` callback to use this method")
    return flask_jwt.current_identity._get_current_object()


def current_user_context_processor() -> dict[str, Any]:
    """Return what ``add_context_processor`` adds to the context of templates."""
    return {"current_user": get_current_user()}


# Read from the module at each use, because test suites replace get_current_user there.
current_user: Any = UserProxy(lambda: get_current_user())  # noqa: PLW0108


__getattr__ = imported_names(__name__)
