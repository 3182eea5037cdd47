"""Issue access tokens, and refresh tokens that belong to no session."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from flask import has_request_context, request

from .._config.options import TokenLifetime, seconds_of
from .._config.settings import Settings
from .._jose.claims import (
    RESERVED_CLAIMS,
    TIME_CLAIMS,
    Claims,
    ClaimsView,
    Header,
    HeaderView,
)
from .._jose.codec import Token, TokenCodec, as_token, numeric_date
from .._jose.grants import RequiredNames
from ..errors import ConfigError
from .app_state import AppState
from .caching import note_user_data
from .context import app_state
from .grants import apply_grants, grant_claims
from .identities import check_identity, get_user_id, identity_claims

if TYPE_CHECKING:
    from ..stores import Session


_EPOCH = datetime(1970, 1, 1)

END_OF_TIME = 253402300799
"""The ``exp`` of a token that never expires, if ``JWT_REQUIRED_CLAIMS`` requires one.

It is the last second of the year 9999, the latest one that a datetime can represent. With it, such
a token is also accepted by other verifiers that require an ``exp``.
"""


def create_access_token(
    identity: object,
    *,
    claims: ClaimsView | None = None,
    headers: HeaderView | None = None,
    expires_delta: TokenLifetime | None = None,
    fresh: bool | float | timedelta | None = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
    overwrite: bool = False,
) -> str:
    """Create an access token for *identity*, without a session and without checking a password.

    The token has the claims that a login issues, except ``sid`` and ``auth_time``::

        @app.post("/kiosk/tokens")
        @jwt_required(fresh=True)
        def create_kiosk_token():
            token = create_access_token("kiosk-7", scopes="orders:read")
            return {"access_token": token}

    :param identity: a user object or dict with an ``id``, or the id itself
    :param claims: additional claims; they are merged with those of the ``additional_claims_loader``
    :param headers: additional JOSE header parameters
    :param expires_delta: the lifetime: seconds, a timedelta, or anything else that can be added to
        a datetime; False: never expires. Such a token stays valid after logout unless it belongs
        to a session. Default ``JWT_ACCESS_TOKEN_EXPIRES``
    :param fresh: True if the user has just entered the password; a timedelta from now, or a
        timestamp in seconds, until which the token counts as fresh
    :param scopes: the scopes of the token, its claim ``scope`` (RFC 8693 section 4.2): a string
        with spaces between them, or several strings. They replace all that the
        ``additional_claims_loader`` grants
    :param roles: likewise the roles of the token, its claim ``roles`` (RFC 9068 section 2.2.3.1)
    :param overwrite: True to let *claims* replace claims that this package issues
    :raises ValueError: if *claims* would replace a claim that this package issues, such as ``exp``
        or ``identity``, and *overwrite* is False; or if both *scopes* and *claims* state scopes
    :raises TypeError: if a value in *claims* can't be written as JSON
    """
    granted = grant_claims(app_state().settings, scopes, roles)
    if repeated := granted.keys() & (claims or {}).keys():
        raise ValueError(f"{' and '.join(sorted(repeated))} stands in claims too; write it once")
    payload = _issued_claims(identity, "access", expires_delta, fresh)
    return _create(identity, payload, claims, headers, overwrite, granted=granted)


def grant_login_claims(
    state: AppState, scopes: RequiredNames | None, roles: RequiredNames | None
) -> Claims:
    """Return the claims that grant *scopes* and *roles* to a login or a session.

    :raises ConfigError: if the application has a handler that would ignore them
    """
    if scopes is None and roles is None:
        return {}
    if state.handlers.grants_callback is not None:
        raise ConfigError(
            "The scopes and roles of a login have no effect, because the grants_loader of this "
            "application alone decides them. Drop one of the two: the grants_loader, or the "
            "arguments scopes and roles."
        )
    if state.handlers.jwt_encode_callback is not _default_jwt_encode_handler:
        raise ConfigError(
            "The scopes and roles of a login have no effect, because the jwt_encode_handler of "
            "this application issues the access tokens without them. Drop one of the two: the "
            "jwt_encode_handler (a jwt_payload_handler can set claims too), or the arguments "
            "scopes and roles."
        )
    return grant_claims(state.settings, scopes, roles)


def create_refresh_token(
    identity: object,
    *,
    claims: ClaimsView | None = None,
    headers: HeaderView | None = None,
    expires_delta: TokenLifetime | None = None,
    overwrite: bool = False,
) -> str:
    """Create a refresh token that belongs to no session, for ``@jwt_required(refresh=True)``.

    Such a token can't be rotated or revoked. In an application with a store, use
    ``jwt.sessions.start()`` instead. The arguments and errors are those of
    :func:`create_access_token`; the default lifetime is ``JWT_REFRESH_TOKEN_EXPIRES``.
    """
    payload = _issued_claims(identity, "refresh", expires_delta, False)
    return _create(identity, payload, claims, headers, overwrite)


def _create(
    identity: object,
    payload: Claims,
    claims: ClaimsView | None,
    headers: HeaderView | None,
    overwrite: bool,
    *,
    granted: ClaimsView | None = None,
) -> Token:
    state = app_state()
    if has_request_context():  # the view probably returns the token
        note_user_data(request)
    more = _additional_claims(
        state, identity, payload, claims, overwrite=overwrite, granted=granted
    )
    payload.update(more)
    check_identity(state, payload)
    header = {**_additional_headers(state, identity), **(headers or {})}
    return as_token(signing_codec(state, identity).issue(payload, header, now=state.clock.now()))


def signing_codec(state: AppState, identity: object) -> TokenCodec:
    """Return the codec that issues tokens for *identity*, with the encode key loader's key if there
    is a loader."""
    load = state.handlers.encode_key_callback
    if load is None:
        return state.codecs.access()
    return state.codecs.with_key(state.call(load, identity))


def _additional_headers(state: AppState, identity: object) -> HeaderView:
    load = state.handlers.additional_headers_callback
    headers: HeaderView = {} if load is None else state.call(load, identity)
    return headers


def _additional_claims(
    state: AppState,
    identity: object,
    issued: ClaimsView,
    claims: ClaimsView | None,
    *,
    overwrite: bool,
    granted: ClaimsView | None = None,
) -> Claims:
    load = state.handlers.additional_claims_callback
    loaded: ClaimsView = {} if load is None else state.call(load, identity)
    more = {**apply_grants(state, loaded, granted or {}), **(claims or {})}
    more.update(granted or {})
    reserved = RESERVED_CLAIMS if "aud" in issued else RESERVED_CLAIMS - {"aud"}
    collisions = reserved.intersection(more)
    if collisions and not overwrite:
        raise ValueError(
            f"claims would replace {', '.join(sorted(collisions))}, which this package issues: "
            "rename these claims, or pass overwrite=True to create_access_token()"
        )
    return more


def _issued_claims(
    identity: object,
    token_type: str = "access",
    expires: TokenLifetime | None = None,
    fresh: bool | float | timedelta | None = None,
) -> Claims:
    state = app_state()
    settings = state.settings
    now = state.clock.now()
    user_id = get_user_id(state, identity)
    lifetime = settings.expiration if token_type == "access" else settings.refresh_lifetime
    if expires is not None:
        lifetime = seconds_of(expires)
    return {
        **_fresh_claim(state, fresh, now),
        **identity_claims(state, settings, user_id),
        **_time_claims(settings, now, lifetime),
        "jti": secrets.token_urlsafe(12),
        "type": token_type,
        **_csrf_claim(state, settings),
        **issuer_and_audience(settings),
    }


def _fresh_claim(state: AppState, fresh: bool | float | timedelta | None, now: float) -> Claims:
    if fresh is None and "fresh" in state.profile.more_claims:
        fresh = _is_during_login(now)
    if fresh is None:
        return {}
    return {"fresh": now + fresh.total_seconds() if isinstance(fresh, timedelta) else fresh}


def _time_claims(settings: Settings, now: float, lifetime: float) -> Claims:
    claims = {"iat": int(now)}
    if settings.encode_nbf:
        claims["nbf"] = int(now + settings.not_before)
    if math.isfinite(lifetime):
        claims["exp"] = int(now + lifetime)
    elif "exp" in settings.required_claims:
        claims["exp"] = END_OF_TIME
    return claims


def _csrf_claim(state: AppState, settings: Settings) -> Claims:
    is_wanted = settings.csrf_protect and "csrf" in state.profile.more_claims
    return {"csrf": secrets.token_urlsafe(24)} if is_wanted else {}


def issuer_and_audience(settings: Settings) -> Claims:
    """Return the ``iss`` and the ``aud`` of issued tokens, as far as they are configured."""
    claims: Claims = {}
    if settings.encode_issuer is not None:
        claims["iss"] = settings.encode_issuer
    if settings.encode_audience is not None:
        audience = settings.encode_audience
        claims["aud"] = audience if isinstance(audience, str) else list(audience)
    return claims


def storage_namespace(settings: Settings) -> str:
    """Return the name that separates this application from others that share its store."""
    namespace = settings.storage_namespace
    return (settings.encode_issuer or "") if namespace is None else namespace


class _Login(NamedTuple):
    auth_time: int
    session: Session | None
    payload: ClaimsView | None
    """What the payload handler has already returned for this login."""
    granted: ClaimsView
    """The claims of the scopes and roles that the application has given to this login."""


# A context variable, because handlers have Flask-JWT's signatures: (identity) and nothing else.
_login: ContextVar[_Login | None] = ContextVar("flask_jwt_login", default=None)


def _is_during_login(now: float) -> bool:
    login = _login.get()
    return login is not None and login.auth_time >= int(now)


@contextmanager
def login_context(
    auth_time: float,
    session: Session | None = None,
    payload: ClaimsView | None = None,
    granted: ClaimsView | None = None,
) -> Iterator[None]:
    """Bind the tokens that the encode handler issues within this context to a login.

    :param auth_time: when the user authenticated, in seconds since the epoch
    :param session: the session of the login, if there is one
    :param payload: what the payload handler has returned for the login; None: call the handler
    :param granted: claims with scopes and roles, which replace those of the payload handler
    """
    reset = _login.set(_Login(int(auth_time), session, payload, granted or {}))
    try:
        yield
    finally:
        _login.reset(reset)


def _add_login_claims(payload: ClaimsView) -> ClaimsView:
    """Return *payload*; in a session with ``sid``, ``auth_time`` and ``csrf``, and an ``exp`` no
    later than the session's.
    """
    login = _login.get()
    if login is None or login.session is None:
        return payload
    # Not left to the payload handler: without a sid its tokens could not be revoked.
    claims = {"auth_time": login.auth_time, "sid": login.session.sid, **payload}
    if login.session.csrf is not None:
        # One value for all tokens of the session, so that a form in an open page stays valid while
        # tokens are renewed. Flask-JWT-Extended's profile has issued another one for each token.
        claims["csrf"] = login.session.csrf
    exp = claims.get("exp", math.inf)
    if isinstance(exp, datetime):
        exp = numeric_date(exp)
    if not isinstance(exp, (int, float)):
        # Its JSON might be a number, and the token might outlive the session.
        raise ConfigError(
            'The "exp" of the jwt_payload_handler is neither a number of seconds nor a datetime, '
            f"but of type {type(exp).__name__}"
        )
    claims["exp"] = min(exp, int(login.session.ends_at()))
    return claims


def _default_jwt_payload_handler(identity: object) -> Claims:
    """Return the claims of a new access token for *identity*.

    The time claims are naive datetimes in UTC, as in Flask-JWT. Its programs calculate with them.
    """
    claims = _issued_claims(identity)
    for name in TIME_CLAIMS:
        if name in claims:
            with suppress(OverflowError):  # beyond the year 9999
                claims[name] = _EPOCH + timedelta(seconds=claims[name])
    login = _login.get()
    if login is not None:
        claims["auth_time"] = login.auth_time
    state = app_state()
    # Flask-JWT-Extended lets additional claims replace any claim.
    overwrite = bool(state.profile.more_claims)
    return {**claims, **_additional_claims(state, identity, claims, None, overwrite=overwrite)}


def encode_token() -> Token:
    """Raise a ConfigError. Flask-JWT has a function of this name, which has never worked."""
    raise ConfigError("encode_token() does not work; write create_access_token(user)")


def _default_jwt_headers_handler(identity: object) -> Header | None:
    """Return the header parameters of the ``additional_headers_loader``, or None."""
    return dict(_additional_headers(app_state(), identity)) or None


def _default_jwt_encode_handler(identity: object) -> Token:
    """Return a signed token with the payload handler's claims and the headers handler's parameters.

    :raises ConfigError: if the payload lacks a claim of ``JWT_REQUIRED_CLAIMS``; the guard would
        reject such a token
    """
    state = app_state()
    login = _login.get()
    payload = None if login is None else login.payload
    if payload is None:
        payload = state.call(state.handlers.jwt_payload_callback, identity)
    headers = state.call(state.handlers.jwt_headers_callback, identity)
    codec = signing_codec(state, identity)
    if login is not None:
        payload = apply_grants(state, payload, login.granted)
    missing = state.config.latest.required_claims.difference(payload)
    if missing:
        raise ConfigError(f"Payload is missing required claims: {', '.join(sorted(missing))}")
    check_identity(state, payload)
    return as_token(codec.issue(_add_login_claims(payload), headers, now=state.clock.now()))
