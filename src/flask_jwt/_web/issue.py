"""From a user to a token."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from .._config.options import TokenLifetime, seconds_of
from .._config.settings import Settings
from .._jose.claims import RESERVED_CLAIMS, has_bool_identity, plain_id, subject_of
from .._jose.codec import Token, TokenCodec
from ..errors import ConfigError
from .app_state import AppState
from .context import app_state

if TYPE_CHECKING:
    from ..stores import Session


END_OF_TIME = 253402300799
"""The ``exp`` of a token that never expires, if ``JWT_REQUIRED_CLAIMS`` requires one.

It is the last second of the year 9999, the latest one that a datetime can represent. With it, such
a token is also accepted by other verifiers that require an ``exp``.
"""


def create_access_token(
    identity: Any,
    *,
    claims: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    expires_delta: TokenLifetime | None = None,
    fresh: bool | float | timedelta | None = None,
    overwrite: bool = False,
) -> str:
    """An access token for *identity*, as logging in would give.

    :param identity: a user object or dict with an ``id``, or the id itself
    :param claims: more claims, beside those of the ``additional_claims_loader``. One that this
        package issues can't be among them, so that extra data never replaces ``exp`` or
        ``identity`` by accident
    :param headers: more JOSE header parameters
    :param expires_delta: lifetime in seconds, a timedelta or what else can be added to a date;
        False: it never expires; default ``JWT_ACCESS_TOKEN_EXPIRES``
    :param fresh: whether the password was given for it, or until when it counts as that: a
        timedelta from now, or seconds since the epoch
    :param overwrite: let *claims* replace issued ones
    :raises ValueError: if *claims* collide with reserved ones and *overwrite* is False
    :raises TypeError: if something in *claims* can't be written as JSON
    """
    payload = _issued_claims(identity, "access", expires_delta, fresh)
    return _create(identity, payload, claims, headers, overwrite)


def create_refresh_token(
    identity: Any,
    *,
    claims: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    expires_delta: TokenLifetime | None = None,
    overwrite: bool = False,
) -> str:
    """A refresh token that belongs to no session: for ``@jwt_required(refresh=True)``.

    It can't be rotated or revoked. Where there is a store, ``jwt.sessions.start()`` gives better.
    Arguments and errors are those of :func:`create_access_token`; the lifetime is
    ``JWT_REFRESH_TOKEN_EXPIRES`` by default.
    """
    payload = _issued_claims(identity, "refresh", expires_delta, False)
    return _create(identity, payload, claims, headers, overwrite)


def _create(
    identity: Any,
    payload: dict[str, Any],
    claims: Mapping[str, Any] | None,
    headers: Mapping[str, Any] | None,
    overwrite: bool,
) -> str:
    state = app_state()
    payload.update(_additional_claims(state, identity, claims, overwrite))
    _check_identity(state, payload)
    header = {**_additional_headers(state, identity), **(headers or {})}
    return signing_codec(state, identity).issue(payload, header, now=state.clock.now())


def signing_codec(state: AppState, identity: Any) -> TokenCodec:
    """Return the codec that issues tokens for *identity*: with the key of the encode key loader, if
    there is one."""
    load = state.handlers.encode_key_callback
    if load is None:
        return state.codecs.access()
    return state.codecs.with_key(state.call(load, identity))


def _additional_headers(state: AppState, identity: Any) -> Mapping[str, Any]:
    load = state.handlers.additional_headers_callback
    headers: Mapping[str, Any] = {} if load is None else state.call(load, identity)
    return headers


def _additional_claims(
    state: AppState, identity: Any, claims: Mapping[str, Any] | None, overwrite: bool
) -> dict[str, Any]:
    load = state.handlers.additional_claims_callback
    loaded: Mapping[str, Any] = {} if load is None else state.call(load, identity)
    more = {**loaded, **(claims or {})}
    collisions = RESERVED_CLAIMS.intersection(more)
    if collisions and not overwrite:
        raise ValueError(
            f"claims would replace {', '.join(sorted(collisions))}, which the token issues itself; "
            "rename them, or pass overwrite=True if you mean it"
        )
    return more


def _issued_claims(
    identity: Any,
    token_type: str = "access",
    expires: TokenLifetime | None = None,
    fresh: bool | float | timedelta | None = None,
) -> dict[str, Any]:
    state = app_state()
    settings = state.settings
    now = state.clock.now()
    user_id = _user_id(state, identity)
    lifetime = settings.expiration if token_type == "access" else settings.refresh_lifetime
    if expires is not None:
        lifetime = seconds_of(expires)
    return {
        **_freshness(state, fresh, now),
        **_who(state, settings, user_id),
        **_times(settings, now, lifetime),
        "jti": secrets.token_urlsafe(12),
        "type": token_type,
        **_csrf_claim(state, settings),
        **_parties(settings),
    }


def _user_id(state: AppState, identity: Any) -> Any:
    """Return the id that a token for *identity* contains.

    :raises ConfigError: if JSON can't represent it
    """
    user_id = state.call(state.handlers.user_identity_callback, identity)
    if not state.profile.checks_identity:
        return user_id
    user_id = plain_id(user_id)
    try:
        subject_of(user_id)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The user_identity_loader returned a {type(user_id).__name__} that JSON can't "
            f"represent, so no token can contain it: {error}. Return a string instead."
        ) from None
    return user_id


def _check_identity(state: AppState, payload: Mapping[str, Any]) -> None:
    """Raise a ConfigError if the identity in *payload* is True or False."""
    claim = state.settings.identity_claim
    if state.profile.checks_identity and has_bool_identity(payload, claim):
        raise ConfigError(
            "The identity in the payload is True or False, and True is equal to 1 in Python, so "
            "the token would be accepted as user 1's. Return the user's id from the "
            "jwt_payload_handler or the user_identity_loader."
        )


def _freshness(
    state: AppState, fresh: bool | float | timedelta | None, now: float
) -> dict[str, Any]:
    if fresh is None and "fresh" in state.profile.more_claims:
        fresh = _is_login(now)
    if fresh is None:
        return {}
    return {"fresh": now + fresh.total_seconds() if isinstance(fresh, timedelta) else fresh}


def _times(settings: Settings, now: float, lifetime: float) -> dict[str, Any]:
    claims = {"iat": int(now)}
    if settings.encode_nbf:
        claims["nbf"] = int(now + settings.not_before)
    if math.isfinite(lifetime):
        claims["exp"] = int(now + lifetime)
    elif "exp" in settings.required_claims:
        claims["exp"] = END_OF_TIME
    return claims


def _csrf_claim(state: AppState, settings: Settings) -> dict[str, Any]:
    is_wanted = settings.csrf_protect and "csrf" in state.profile.more_claims
    return {"csrf": secrets.token_urlsafe(24)} if is_wanted else {}


def _parties(settings: Settings) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    if settings.encode_issuer is not None:
        claims["iss"] = settings.encode_issuer
    if settings.encode_audience is not None:
        audience = settings.encode_audience
        claims["aud"] = audience if isinstance(audience, str) else list(audience)
    return claims


def _who(state: AppState, settings: Settings, user_id: Any) -> dict[str, Any]:
    if settings.identity_claim is None:
        return {"identity": user_id, "sub": subject_of(user_id)}
    if settings.verify_sub and settings.identity_claim == "sub" and type(user_id) is not str:
        state.notices.warn(
            f"This identity is of type {type(user_id).__name__}, so its token will be refused: a "
            "sub is a text (RFC 7519 section 4.1.2). Write create_access_token(str(…)), or set "
            "JWT_VERIFY_SUB = False, with which it comes back as it was."
        )
    return {settings.identity_claim: user_id}


class _Login(NamedTuple):
    auth_time: int
    session: Session | None
    payload: Mapping[str, Any] | None
    """What the payload handler returned for this login already."""


_login: ContextVar[_Login | None] = ContextVar("flask_jwt_login", default=None)


def _is_login(now: float) -> bool:
    login = _login.get()
    return login is not None and login.auth_time >= int(now)


@contextmanager
def issuing(
    auth_time: float,
    session: Session | None = None,
    payload: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Within this context the encode handler's tokens belong to a login.

    :param auth_time: when the password was given, seconds since the epoch
    :param payload: what the payload handler has returned for it; None: the handler is called
    """
    reset = _login.set(_Login(int(auth_time), session, payload))
    try:
        yield
    finally:
        _login.reset(reset)


def _with_login(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """*payload* with ``sid`` and ``auth_time`` where there is a session: without them a payload
    handler's tokens could not be revoked."""
    login = _login.get()
    if login is None or login.session is None:
        return payload
    claims = {"auth_time": login.auth_time, "sid": login.session.sid, **payload}
    if type(claims.get("exp", math.inf)) in (int, float):
        claims["exp"] = min(claims.get("exp", math.inf), int(login.session.expires_at))
    return claims


def _default_jwt_payload_handler(identity: Any) -> dict[str, Any]:
    """The claims of a new access token for *identity*."""
    claims = _issued_claims(identity)
    login = _login.get()
    if login is not None:
        claims["auth_time"] = login.auth_time
    state = app_state()
    overwrite = bool(state.profile.more_claims)
    return {**claims, **_additional_claims(state, identity, None, overwrite)}


def _default_jwt_headers_handler(identity: Any) -> dict[str, Any] | None:
    """The extra header parameters of the ``additional_headers_loader``, if there is one."""
    return dict(_additional_headers(app_state(), identity)) or None


def _default_jwt_encode_handler(identity: Any) -> Token:
    """A signed token with the payload handler's claims and the headers handler's header.

    :raises ConfigError: if the payload lacks a claim of ``JWT_REQUIRED_CLAIMS``, so that no token
        is issued that would be refused
    """
    state = app_state()
    login = _login.get()
    payload = None if login is None else login.payload
    if payload is None:
        payload = state.call(state.handlers.jwt_payload_callback, identity)
    headers = state.call(state.handlers.jwt_headers_callback, identity)
    codec = signing_codec(state, identity)
    missing = state.settings.required_claims.difference(payload)
    if missing:
        raise ConfigError(f"Payload is missing required claims: {', '.join(sorted(missing))}")
    _check_identity(state, payload)
    return codec.issue(_with_login(payload), headers, now=state.clock.now())
