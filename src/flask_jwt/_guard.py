"""The one place that lets a request in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import wraps
from inspect import isclass, iscoroutinefunction
from typing import Any, TypeVar, cast

import jwt

from ._context import (
    AppState,
    RequestState,
    app_state,
    claimed_identity,
    current_context,
    current_request,
    sessions_of,
)
from ._locations import _default_request_handler, token_in_header
from ._responses import refused
from ._tokens import VerifiedToken
from .errors import (
    JWTError,
    ReauthenticationRequired,
    SchemeUnsupported,
    TokenInvalid,
    TokenMissing,
    UserGone,
    WrongTokenType,
)

View = TypeVar("View", bound=Callable[..., Any])


def jwt_required(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
) -> Callable[[View], View]:
    """Guard a view: without a good access token it answers 401 and doesn't run.

    Works on functions and methods, plain or ``async``. Write the parentheses.

    :param realm: for ``WWW-Authenticate``; default ``JWT_DEFAULT_REALM``
    :param optional: let a request without a token in as nobody; a bad token is refused all the same
    :param fresh: ask for a password given lately (RFC 9470): a timedelta says how lately, True that
        the token comes from a login and not from a refresh
    :param refresh: ask for a refresh token instead
    :raises TypeError: if put on something that isn't a function
    """
    if callable(realm):
        raise TypeError("Write @jwt_required() with parentheses; without them it guards nothing.")

    def decorate(view: View) -> View:
        if isclass(view):
            raise TypeError(
                f"@jwt_required() guards functions; for the class {view.__name__} write "
                "decorators = [jwt_required()] in its body."
            )
        is_async = iscoroutinefunction(view)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            _admit(realm, optional, fresh, refresh)
            if is_async:
                return app_state().app.ensure_sync(view)(*args, **kwargs)
            return view(*args, **kwargs)

        return cast(View, guarded)

    return decorate


def verify_jwt_in_request(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
) -> None:
    """Do what :func:`jwt_required` does, from inside a view or a ``before_request`` function.

    :raises JWTError: the refusal; left alone, it becomes the answer
    """
    _admit(realm, optional, fresh, refresh)


def _admit(realm: str | None, optional: bool, fresh: bool | timedelta, refresh: bool) -> None:
    context = current_context()
    state = context.app.extensions.get("jwt") or app_state()
    current = context.g._flask_jwt = RequestState(current_request())
    try:
        if refresh:
            _verify_refresh(state, current)
        else:
            _verify(state, current)
        if fresh is not False:
            _check_fresh(state, current.claims, fresh)
    except (TokenMissing, SchemeUnsupported) as error:
        if not optional:
            raise refused(state, error, realm) from None
    except JWTError as error:
        raise refused(state, error, realm) from error.__cause__


def _jwt_required(realm: str | None = None) -> None:
    """:func:`verify_jwt_in_request` under the name code for Flask-JWT calls."""
    verify_jwt_in_request(realm)


def _verify(state: AppState, current: RequestState) -> None:
    handlers = state.handlers
    if handlers.jwt_decode_callback is _default_jwt_decode_handler:
        verified = _verified(state, current)
        if verified.sid is not None and state.check_session is not None:
            state.check_session(verified.sid, verified.issued_at)
        claims = verified.claims
        current.verified = verified
    else:
        token = state.call("request_callback")
        if token is None:
            raise TokenMissing
        claims = _decode_with_handler(state, token)
    current.claims = claims
    _identify(state, current, claims)


def _verified(state: AppState, current: RequestState) -> VerifiedToken:
    codec, now = state.codec(), state.clock()
    if state.handlers.request_callback is _default_request_handler:
        header = current.request.environ.get("HTTP_AUTHORIZATION")
        if (seen := codec.recall(header, now)) is not None:
            return seen
        token = token_in_header(header, state.prefixes)
    else:
        header = None
        token = _as_text(state.call("request_callback"))
        if token is not None and (seen := codec.recall(token, now)) is not None:
            return seen
    if token is None:
        raise TokenMissing
    return codec.verify(token, now, remember_as=header)


def _verify_refresh(state: AppState, current: RequestState) -> None:
    token = _as_text(state.call("request_callback"))
    if token is None:
        raise TokenMissing("Request does not contain a refresh token")
    session = sessions_of(state).verify(token)
    current.verified = state.refresh_codec().verify(token, state.clock())
    current.claims = current.verified.claims
    _identify(state, current, json.loads(session.payload))


def _identify(state: AppState, current: RequestState, payload: Any) -> None:
    if state.handlers.identity_callback is None:
        current.identity = claimed_identity(payload)
    else:
        current.identity = state.call("identity_callback", payload)
    if current.identity is None:
        raise UserGone


def _check_fresh(state: AppState, claims: Any, fresh: bool | timedelta) -> None:
    given: Any = claims.get("auth_time") if isinstance(claims, Mapping) else None
    window = fresh.total_seconds() if isinstance(fresh, timedelta) else None
    if type(given) in (int, float):
        if window is None and claims.get("iat", math.inf) <= given:
            return
        if window is not None and state.clock() - given <= window:
            return
    raise ReauthenticationRequired(None if window is None else int(window))


def _decode_with_handler(state: AppState, token: Any) -> Any:
    try:
        claims = state.call("jwt_decode_callback", token)
    except JWTError:
        raise
    except jwt.InvalidTokenError as error:
        raise TokenInvalid(str(error)) from error
    if isinstance(claims, Mapping) and claims.get("type", "access") != "access":
        raise WrongTokenType("This needs a token of type access")
    return claims


def _as_text(token: Any) -> str | None:
    if token is None or isinstance(token, str):
        return token
    if isinstance(token, bytes):
        return token.decode("latin-1")
    raise TypeError(f"A token is a text, not {type(token).__name__}")


def decode_token(token: str | bytes, *, refresh: bool = False) -> dict[str, Any]:
    """The claims of *token*, verified as a request's would be.

    Whether its session was revoked isn't looked at.

    :param refresh: it must be a refresh token instead of an access token
    :raises TokenInvalid: or the subclass that says what is wrong; each is PyJWT's too
    """
    state = app_state()
    text = _as_text(token)
    if text is None:
        raise TokenMissing
    codec = state.refresh_codec() if refresh else state.codec()
    return codec.verify(text, state.clock()).claims


def _default_jwt_decode_handler(token: str | bytes) -> dict[str, Any]:
    """The claims of an access token."""
    return decode_token(token)
