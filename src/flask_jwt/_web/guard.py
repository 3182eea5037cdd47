"""The one place that lets a request in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial, wraps
from inspect import isclass, iscoroutinefunction
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import jwt
from flask import request

from .._config.options import TokenLocation
from .._jose.claims import claimed_identity
from ..errors import (
    AuthError,
    ClaimsRejected,
    JWTError,
    ReauthenticationRequired,
    SchemeUnsupported,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    UserNotFound,
    WrongTokenType,
)
from .app_state import STATE_KEY, AppState
from .context import RequestState, app_state, current_context, current_request
from .cookies import clear_cookies
from .request_token import GuardOptions, codec_for, token_text, verify_token
from .responses import prepare_error, rendering_errors

_NUMBERS = (int, float)

View = TypeVar("View", bound=Callable[..., Any])


def jwt_required(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
    locations: TokenLocation | Sequence[TokenLocation] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> Callable[[View], View]:
    """Guard a view: without a good access token it answers 401 and doesn't run.

    Works on functions and methods, plain or ``async``. Write the parentheses.

    :param realm: for ``WWW-Authenticate``; default ``JWT_DEFAULT_REALM``
    :param optional: let a request without a token in as nobody; a bad token is refused all the same
    :param fresh: ask for a password given lately (RFC 9470): a timedelta says how lately, True that
        the token comes from a login and not from a refresh
    :param refresh: ask for a refresh token instead
    :param locations: where to look for the token; default ``JWT_TOKEN_LOCATION``
    :param verify_type: False: a token of any type will do
    :param skip_revocation_check: let in the token of a session that was ended, or on the blocklist
    :raises TypeError: if put on something that isn't a function
    """
    if callable(realm):
        raise TypeError("Write @jwt_required() with parentheses; without them it guards nothing.")
    options = GuardOptions(
        realm, optional, fresh, refresh, _listed(locations), verify_type, skip_revocation_check
    )
    return guarded_by(partial(verify_request, options, options.is_default))


def guarded_by(admit: Callable[[], Any]) -> Callable[[View], View]:
    """A decorator that calls *admit* before the view: for a guard of your own, which raises a
    :class:`JWTError` to refuse.

    :raises TypeError: if put on something that isn't a function
    """

    def decorate(view: View) -> View:
        if isclass(view):
            raise TypeError(
                f"@jwt_required() guards functions; for the class {view.__name__} write "
                "decorators = [jwt_required()] in its body."
            )
        is_async = iscoroutinefunction(view)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            admit()
            if is_async:
                return app_state().app.ensure_sync(view)(*args, **kwargs)
            return view(*args, **kwargs)

        setattr(guarded, _GUARDED, True)
        return cast(View, guarded)

    return decorate


def is_guarded(view: Any) -> bool:
    """Whether *view* has a guard of its own."""
    return getattr(view, _GUARDED, False) is True


_GUARDED = "_jwt_is_guarded"


def verify_jwt_in_request(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
    locations: TokenLocation | Sequence[TokenLocation] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> None:
    """Do what :func:`jwt_required` does, from inside a view or a ``before_request`` function.

    :raises JWTError: the refusal; left alone, it becomes the answer
    """
    options = GuardOptions(
        realm, optional, fresh, refresh, _listed(locations), verify_type, skip_revocation_check
    )
    verify_request(options, options.is_default)


def _listed(
    locations: TokenLocation | Sequence[TokenLocation] | None,
) -> Sequence[TokenLocation] | None:
    return (locations,) if isinstance(locations, str) else locations


def _jwt_required(realm: str | None = None) -> None:
    """:func:`verify_jwt_in_request` under the name code for Flask-JWT calls."""
    verify_jwt_in_request(realm)


def verify_request(options: GuardOptions, is_default: bool) -> None:
    """Verify the current request as *options* say, and remember its token and its user.

    :raises JWTError: with the application's response ready
    """
    # Not split further: it runs on each guarded request, where each call counts.
    context = current_context()
    state: AppState = context.app.extensions.get(STATE_KEY) or app_state()
    request = current_request()
    current = context.g._flask_jwt = RequestState(request)
    if request.method in state.profile.exempt_methods:
        return
    try:
        _verify(state, current, options, is_default)
    except (TokenMissing, SchemeUnsupported) as error:
        if not options.optional:
            raise prepare_error(state, error, options.realm) from None
    except JWTError as error:
        if isinstance(error, AuthError) and current.verified is not None:
            error.jwt_header, error.jwt_data = current.verified.header, current.claims
        is_ended = _ends_session(state, current, options, error)
        current.forget()
        if is_ended:
            clear_cookies()
        if not (is_ended and options.optional):
            raise prepare_error(state, error, options.realm) from error.__cause__


def _ends_session(
    state: AppState, current: RequestState, options: GuardOptions, error: JWTError
) -> bool:
    """Return whether *error* says that the cookies of this request are of no use any more."""
    if current.location != "cookies" or state.sessions is None or options.refresh:
        return False
    # ClaimsRejected is the application's check of this one request.
    return isinstance(error, (TokenInvalid, UserNotFound)) and not isinstance(error, ClaimsRejected)


def _verify(
    state: AppState, current: RequestState, options: GuardOptions, is_default: bool
) -> None:
    handlers = state.handlers
    if handlers.jwt_decode_callback is not _default_jwt_decode_handler and not options.refresh:
        claims = current.claims = _decode_with_handler(state)
    else:
        verified = verify_token(state, current, options, is_default)
        current.verified = verified
        claims = current.claims = verified.claims
        check_session = state.check_session
        if verified.sid is not None and check_session is not None and options.checks_session:
            check_session(verified.sid, verified.issued_at)
    if options.fresh is not False:
        _check_fresh(state, claims, options.fresh)
    if handlers.blocklist_callback is not None or handlers.verification_callback is not None:
        _check_with_handlers(state, current, options)
    current.identity = _identity(state, current, claims)


def _check_with_handlers(state: AppState, current: RequestState, options: GuardOptions) -> None:
    header = {} if current.verified is None else current.verified.header
    is_listed = None if options.skip_revocation_check else state.handlers.blocklist_callback
    if is_listed is not None and state.call(is_listed, header, current.claims):
        raise TokenRevoked
    is_valid = state.handlers.verification_callback
    if is_valid is not None and not state.call(is_valid, header, current.claims):
        raise ClaimsRejected


def _identity(state: AppState, current: RequestState, claims: Any) -> Any:
    identify = state.handlers.identity_callback
    if identify is None:
        identity = claimed_identity(claims, state.config.latest.identity_claim)
    else:
        identity = state.call(identify, _identified(current))
    if identity is None:
        raise UserNotFound
    return identity


def _identified(current: RequestState) -> Any:
    """The claims that say who it is: a session's refresh token keeps those of its access tokens."""
    return current.claims if current.session is None else json.loads(current.session.payload)


def _check_fresh(state: AppState, claims: Any, fresh: bool | timedelta) -> None:
    claims = claims if isinstance(claims, Mapping) else {}
    if isinstance(fresh, timedelta):
        window = fresh.total_seconds()
        login = _login_time(claims)
        if login is None or state.clock.now() - login > window:
            raise ReauthenticationRequired(int(window))
    elif not _is_of_login(claims, state.clock.now()):
        raise ReauthenticationRequired


def _login_time(claims: Mapping[str, Any]) -> float | None:
    """Return when the password was given, as far as the token says it."""
    login = claims.get("auth_time")
    if type(login) not in _NUMBERS and claims.get("fresh") is True:
        login = claims.get("iat")
    return login if type(login) in _NUMBERS else None


def _is_of_login(claims: Mapping[str, Any], now: float) -> bool:
    """Return whether the token was issued at a login, or is marked as fresh (until a time)."""
    mark: Any = claims.get("fresh")
    if mark is True or (type(mark) in _NUMBERS and mark >= now):
        return True
    login = _login_time(claims)
    issued_at: float = claims.get("iat", math.inf)
    return login is not None and issued_at <= login


def _decode_with_handler(state: AppState) -> Any:
    token = state.call(state.handlers.request_callback)
    if token is None:
        raise TokenMissing
    state.settings  # noqa: B018  nothing else on this way looks whether options have changed
    try:
        claims = state.call(state.handlers.jwt_decode_callback, token)
    except JWTError:
        raise
    except jwt.InvalidTokenError as error:
        raise TokenInvalid(str(error)) from error
    if isinstance(claims, Mapping) and claims.get("type", "access") != "access":
        raise WrongTokenType("This needs a token of type access")
    return claims


def decode_token(
    token: str | bytes,
    *,
    refresh: bool = False,
    verify_type: bool = True,
    allow_expired: bool = False,
) -> dict[str, Any]:
    """The claims of *token*, verified as a request's would be.

    Whether its session was revoked isn't looked at.

    :param refresh: it must be a refresh token instead of an access token
    :param verify_type: False: it may be of any type
    :param allow_expired: that it has expired, and nothing else, is forgiven
    :raises TokenInvalid: or the subclass that says what is wrong; each is PyJWT's too
    """
    state = app_state()
    with rendering_errors(state):
        text = token_text(token)
        if text is None:
            raise TokenMissing
        wanted = ("refresh" if refresh else "access") if verify_type else None
        try:
            codec = codec_for(state, text, wanted)
            return codec.verify(text, state.clock.now()).claims
        except TokenExpired as error:
            if not allow_expired:
                raise
            return dict(error.jwt_data)


def _default_jwt_decode_handler(token: str | bytes) -> dict[str, Any]:
    """The claims of an access token."""
    return decode_token(token)


# Deny by default: JWT_REQUIRED_BY_DEFAULT guards each view that says nothing else.

_EXEMPT = "_jwt_is_exempt"
_ANSWERS_OPTIONS = "provide_automatic_options"


def exempt(view: View) -> View:
    """Mark *view* as open to everybody."""
    setattr(view, _EXEMPT, True)
    return view


def guard_by_default() -> Any:
    """Before each request: verify it, unless its view is exempt or guards itself.

    What isn't there (404, 405) is told to everybody, and so is what Flask says to ``OPTIONS``.
    """
    if request.endpoint is None:
        return None
    state = app_state()
    view = state.app.view_functions.get(request.endpoint)
    places = [view, *_class_places(view)]
    if any(_is_exempt(place) or is_guarded(place) for place in places):
        return None
    if _is_static(state, request.endpoint) or _is_login_page(state):
        return None
    if request.method == "OPTIONS":
        return _options_answer(state, view)
    return verify_jwt_in_request()


def _options_answer(state: AppState, view: Any) -> Any:
    """Flask's, in place of a view that takes ``OPTIONS`` itself: it might do what it does for
    ``GET``. A decorator that answers for the view, as Flask-CORS's does, says so on it."""
    is_flask_s = getattr(request.url_rule, _ANSWERS_OPTIONS, False)
    if is_flask_s or getattr(view, _ANSWERS_OPTIONS, None) is False:
        return None
    return state.app.make_default_options_response()


def _is_exempt(place: Any) -> bool:
    # A class that inherits from an open one has not been called open itself.
    return bool(vars(place).get(_EXEMPT) if isclass(place) else getattr(place, _EXEMPT, False))


def _is_static(state: AppState, endpoint: str) -> bool:
    """Whether it is Flask's own view of static files, and not one that is called ``static``."""
    owner, _, name = endpoint.rpartition(".")
    place = state.app.blueprints.get(owner) if owner else state.app
    return name == "static" and place is not None and place.has_static_folder


def _class_places(view: Any) -> list[Any]:
    """The class of a class-based view, and its method for this request."""
    owner = getattr(view, "view_class", None)
    if owner is None:
        return []
    method = request.method.lower()
    handler = getattr(owner, method, None)
    return [owner, getattr(owner, "get", None) if handler is None and method == "head" else handler]


def _is_login_page(state: AppState) -> bool:
    page = state.settings.login_view
    if page is None or not page.startswith("/"):
        return page == request.endpoint
    path = urlsplit(page).path
    return path in (request.path, request.root_path + request.path)
