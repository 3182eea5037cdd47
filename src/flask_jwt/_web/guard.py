"""Verify requests. Every guard of this package goes through :func:`verify_request`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial, wraps
from inspect import isclass, iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast

import jwt
from flask import Request, request

from .._config.options import TokenLocation
from .._jose.claims import Claims, ClaimsView, Header, claimed_identity
from .._jose.grants import RequiredNames, parse_requirement
from .._sessions.granted import read_claims
from ..errors import (
    AuthError,
    ClaimsRejected,
    InsufficientScope,
    JWTError,
    ReauthenticationRequired,
    SchemeUnsupported,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    UserNotFound,
    WrongTokenType,
    rejection_of,
)
from .app_state import STATE_KEY, AppState
from .caching import note_headers, note_missing_token
from .context import (
    RequestState,
    app_state,
    current_context,
    current_request,
    current_request_context,
)
from .cookies import get_cookies
from .foreign_tokens import check_issuer, parse_issuer_names, reject_decode_handler
from .grants import grants_of, missing_grant
from .guarded_views import GuardOptions, get_call, mark_as_guard, remember_guarded
from .replaceable import package
from .request_token import (
    _default_request_handler,
    check_found_token,
    codec_for,
    find_unverified_token,
    token_to_string,
    verify_token,
)
from .responses import prepare_error, rendering_errors

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer

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
    renew: bool = True,
    issuers: str | Issuer | Sequence[str | Issuer] | None = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
) -> Callable[[View], View]:
    """Require a valid access token for a view, which otherwise isn't called.

    Decorate a function or a method, plain or ``async``. The parentheses are required::

        @app.get("/orders/<int:order_id>")
        @jwt_required()
        def show_order(order_id):
            return {"order": order_id, "user": get_jwt_identity()}

        @app.post("/password")
        @jwt_required(fresh=timedelta(minutes=5))
        def change_password():
            ...

    A request without a valid token gets the response of a :class:`JWTError`, mostly a 401. With
    sessions in cookies, an expired access token is renewed by means of the refresh cookie.

    :param realm: for ``WWW-Authenticate``; default ``JWT_DEFAULT_REALM``
    :param optional: also allow requests without a token; an invalid token is still rejected
    :param fresh: require that the user authenticated recently (RFC 9470): at most a timedelta ago;
        True: require a token that was issued by a login and not by a refresh
    :param refresh: require a refresh token instead
    :param locations: where to look for the token; default ``JWT_TOKEN_LOCATION``
    :param verify_type: False to accept a token of any type
    :param skip_revocation_check: accept a token whose session was revoked, or that is on the
        blocklist
    :param renew: False to verify the refresh cookie without renewing it, if the browser doesn't get
        this response: for a proxy that asks whether a request is allowed, such as nginx with
        ``auth_request``
    :param issuers: accept only tokens of these issuers, which are the ``iss`` of some of
        ``JWT_ISSUERS`` or the :class:`Issuer` itself, or ``JWT_ENCODE_ISSUER`` for the
        application's own tokens
    :param scopes: the scopes that the user must have: a string, a list of which all are required,
        or :func:`any_of`. If one is missing, the response is a 403 ``insufficient_scope``
    :param roles: the roles that the user must have, likewise. With *scopes* too, both are required
    :raises TypeError: if the decorated object is not a function
    :raises ValueError: if *scopes* or *roles* has no names
    """
    if callable(realm):
        raise TypeError("Write @jwt_required() with parentheses; without them it guards nothing.")
    options = GuardOptions(
        realm, optional, fresh, refresh, _as_sequence(locations), verify_type,
        skip_revocation_check, renew, issuers=parse_issuer_names(issuers),
        scopes=parse_requirement("scopes", scopes), roles=parse_requirement("roles", roles),
    )  # fmt: skip
    # Guards with other options than Flask-JWT's can't be replaced: a replacement, which may be a
    # custom way to verify requests, would ignore these options.
    is_replaceable = options == GuardOptions(realm)
    admit = partial(verify_request, options, options.is_default, is_replaceable)
    return make_guard(admit, options)


def guarded_by(admit: Callable[[], object]) -> Callable[[View], View]:
    """Return a decorator that calls *admit* before the view, to write a custom guard with.

    *admit* may be ``async``. It raises a :class:`JWTError` to reject the request::

        def verify_admin():
            verify_jwt_in_request()
            if not current_identity["is_admin"]:
                raise JWTError("Forbidden", "This needs an administrator", 403)

        admin_required = guarded_by(verify_admin)

    :raises TypeError: if the decorated object is not a function
    """

    name = getattr(admit, "__qualname__", type(admit).__qualname__)
    return make_guard(admit, GuardOptions(custom=name))


def make_guard(admit: Callable[[], object], options: GuardOptions) -> Callable[[View], View]:
    """Return a decorator as :func:`guarded_by` does, whose guards state their *options*."""

    def decorate(view: View) -> View:
        if isclass(view):
            raise TypeError(
                f"@jwt_required() guards functions; for the class {view.__name__} write "
                "decorators = [jwt_required()] in its body."
            )
        function = _as_coroutine_function(view)
        is_async = iscoroutinefunction(function)

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                if (result := admit()) is not None:
                    _await_if_needed(result)
            except (TokenMissing, SchemeUnsupported):
                # A browser's preflight has no token, and gets Flask's response in place of the
                # view's. Flask-CORS adds its headers to it.
                if request.method != "OPTIONS":
                    raise
                return app_state().app.make_default_options_response()
            if is_async:
                return app_state().app.ensure_sync(function)(*args, **kwargs)
            return function(*args, **kwargs)

        mark_as_guard(guarded, admit, options)
        remember_guarded(view)
        return cast(View, guarded)

    # For Flask-RESTful, which has decorators where others have decorated views.
    mark_as_guard(decorate, admit, options)
    return decorate


def _as_coroutine_function(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return an object with an ``async`` ``__call__`` as a function, and others unchanged."""
    function = view
    while isinstance(function, partial):
        function = function.func
    if iscoroutinefunction(function) or not iscoroutinefunction(get_call(function)):
        return view

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await view(*args, **kwargs)

    return call


def admit_request(admit: Callable[[], object]) -> None:
    """Call *admit*, which may be ``async``."""
    _await_if_needed(admit())


def _await_if_needed(result: object) -> None:
    app_state().call(lambda: result)


def verify_jwt_in_request(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
    locations: TokenLocation | Sequence[TokenLocation] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
    renew: bool = True,
    issuers: str | Issuer | Sequence[str | Issuer] | None = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
) -> None:
    """Verify the current request as :func:`jwt_required` does, for example for all views at once::

        @blueprint.before_request
        def verify():
            verify_jwt_in_request()

    :raises JWTError: if the request is rejected; if it isn't caught, it becomes the response
    """
    options = GuardOptions(
        realm, optional, fresh, refresh, _as_sequence(locations), verify_type,
        skip_revocation_check, renew, issuers=parse_issuer_names(issuers),
        scopes=parse_requirement("scopes", scopes), roles=parse_requirement("roles", roles),
    )  # fmt: skip
    verify_request(options, options.is_default)


def _as_sequence(
    locations: TokenLocation | Sequence[TokenLocation] | None,
) -> Sequence[TokenLocation] | None:
    return (locations,) if isinstance(locations, str) else locations


def _jwt_required(realm: str | None = None) -> None:
    """Verify the current request; code that was written for Flask-JWT calls this name."""
    verify_jwt_in_request(realm)


def verify_request(  # noqa: C901, PLR0912
    options: GuardOptions, is_default: bool, is_replaceable: bool = False
) -> object:
    """Verify the current request, and keep its token and its user in its :class:`RequestState`.

    :param is_default: ``options.is_default``, which is computed once for each guard
    :param is_replaceable: whether a test suite can replace this with its ``_jwt_required``
    :returns: None, or what the replacement has returned
    :raises JWTError: with the application's response ready
    """
    # Not split further: it runs on each guarded request, where each call counts.
    if is_replaceable and package._jwt_required is not _jwt_required:
        return package._jwt_required(options.realm or app_state().settings.realm)
    context = current_context()
    state: AppState = context.app.extensions.get(STATE_KEY) or app_state()
    request_context = current_request_context()
    request = request_context.request
    # As in Flask-JWT, the last one that sets the user counts; now it is this guard.
    if "current_identity" in request_context.__dict__:
        del request_context.current_identity
    new = RequestState(context.app)
    current: RequestState = request.__dict__.setdefault("_flask_jwt", new)
    if current is not new:
        if current.verified_ahead == options and current.app is context.app:
            current.verified_ahead = None
            return None
        current = request._flask_jwt = _start_again(current, new)
    if request.method in state.profile.exempt_methods:
        return None
    try:
        try:
            _verify(state, request, current, options, is_default)
        except JWTError as error:
            if current.cookie is None:
                raise
            _verify_other_cookies(state, request, current, options, error)
        # Not in _verify(): another cookie must not be tried because this user lacks a scope.
        scopes, roles = options.scopes, options.roles
        if scopes is not None or roles is not None:
            if (
                (verified := current.verified) is not None
                and state.handlers.grants_callback is None
                and current.session is None
                and current.identity is not None
            ):
                # What grants_of() mostly returns, without its call, which costs more than the rest.
                grants = verified.grants
            else:
                grants = grants_of(state, current)
            if not (scopes is None or scopes.is_met_by(grants.scopes)) or not (
                roles is None or roles.is_met_by(grants.roles)
            ):
                raise missing_grant(scopes, roles)  # noqa: TRY301
    except InsufficientScope as error:
        # The token was accepted, so a page that shows this error may show the user.
        raise prepare_error(state, error, options.realm) from None
    except (TokenMissing, SchemeUnsupported) as error:
        note_missing_token(request, state.config.latest, options.locations)
        if not options.optional:
            raise prepare_error(state, error, options.realm) from None
    except JWTError as error:
        rejection = _reject_token(state, current, options, error)
        if rejection is not None:
            raise rejection from error.__cause__
    except BaseException:
        # A handler has failed or called abort(). The program may catch the error, or ask in an
        # error handler who the user is; the token has not been accepted.
        current.clear()
        raise
    return None


def _reject_token(
    state: AppState, current: RequestState, options: GuardOptions, error: JWTError
) -> Exception | None:
    """Remove the rejected token from the request's state, and return the exception to raise.

    :returns: None if the request is allowed without a token
    """
    _add_token(error, current)
    is_of_browser = _is_of_browser(state, current, options, error)
    is_ended = is_of_browser and _ends_session(error)
    current.clear()
    current.failure = type(error)
    current.ended_sid = error.ended_sid if isinstance(error, AuthError) else None
    current.is_ended = current.is_ended or is_ended
    # The client can't help sending its cookies, so an invalid one counts as no token here.
    if options.optional and is_of_browser:
        return None
    return prepare_error(state, error, options.realm)


def _start_again(current: RequestState, new: RequestState) -> RequestState:
    """Return the state for another verification of a request whose state is *current*."""
    if current.app is not new.app:
        return new
    current.clear()  # but tokens that were issued in this request stay
    return current


def _verify_other_cookies(
    state: AppState,
    request: Request,
    current: RequestState,
    options: GuardOptions,
    error: JWTError,
) -> None:
    """Verify the request with its other cookies, after one with a valid token was rejected.

    :param error: the reason, such as that its session has ended
    """
    settings = state.settings
    name = settings.refresh_cookie_name if options.refresh else settings.access_cookie_name
    rejected: dict[str, JWTError] = {}
    current.rejected = rejected
    try:
        while current.cookie is not None:
            is_ended = _ends_session(error)
            has_others = len(get_cookies(request, name)) > len(rejected) + 1
            has_sessions = len(get_cookies(request, settings.refresh_cookie_name)) > 1
            if not has_others and not (is_ended and has_sessions):
                raise error
            _add_token(error, current)
            rejected[current.cookie] = error
            current.clear()
            try:
                _verify(state, request, current, options, options.is_default)
            except JWTError as other:
                error = other
            else:
                current.has_ended_twin = current.has_ended_twin or is_ended
                return
        raise error
    finally:
        current.rejected = None


def _add_token(error: JWTError, current: RequestState) -> None:
    if isinstance(error, AuthError) and current.verified is not None:
        error.jwt_header, error.jwt_data = current.verified.header, current.claims


def _is_of_browser(
    state: AppState, current: RequestState, options: GuardOptions, error: JWTError
) -> bool:
    """Return whether *error* is about the token in a cookie, which is invalid by itself."""
    if current.location != "cookies" or state.sessions is None or options.refresh:
        return False
    # ClaimsRejected comes from the application's own check, which may accept the next request.
    return isinstance(error, (TokenInvalid, UserNotFound)) and not isinstance(error, ClaimsRejected)


def _ends_session(error: JWTError) -> bool:
    """Return whether *error* means that the session of the token has ended.

    The rejection of one token, for example because it has expired, doesn't.
    """
    if isinstance(error, UserNotFound):  # the token may have no session
        return True
    return isinstance(error, AuthError) and error.ended_sid is not None


def _verify(
    state: AppState,
    request: Request,
    current: RequestState,
    options: GuardOptions,
    is_default: bool,
) -> None:
    # Not split further, because it runs on each guarded request.
    handlers = state.handlers
    identify, foreign = handlers.identity_callback, None
    if handlers.jwt_decode_callback is not _default_jwt_decode_handler and not options.refresh:
        claims = current.claims = _decode_with_handler(state, options)
        if options.checks_session:
            _check_session(state, claims)
    else:
        verified = verify_token(state, request, current, options, is_default)
        current.verified = verified
        claims = current.claims = verified.copy_claims()
        check_session = state.check_session
        if verified.sid is not None and check_session is not None and options.checks_session:
            check_session(verified.sid, verified.issued_at)
        if verified.issuer is not None and verified.codec.issuer is not None:
            foreign = verified.identity
            identify = verified.codec.issuer.identity_handler or identify
    if options.issuers is not None:
        check_issuer(state, current, options.issuers)
    if options.fresh is not False:
        _check_fresh(state, claims, options.fresh)
    if handlers.blocklist_callback is not None or handlers.verification_callback is not None:
        _check_with_handlers(state, current, options)
    if identify is None:
        # As read_identity() does, without the call.
        identity = foreign or claimed_identity(claims, state.config.latest.identity_claim)
    else:
        identity = state.call(identify, _get_identity_claims(state, current))
    if identity is None and (identify is not None or state.profile.checks_identity):
        raise UserNotFound(ended_sid=_get_sid(state, current))
    current.identity = identity


def _check_session(state: AppState, claims: Any) -> None:
    """Reject the verified claims of an ended session, which no codec has looked at."""
    sid = _as_sid(state, claims.get("sid") if isinstance(claims, Mapping) else None)
    if sid is None or state.check_session is None:
        return
    issuers = state.codecs.issuers()
    if issuers is not None and issuers.find(claims.get("iss")) is not None:
        return  # the sid of another issuer is no session of the application
    issued_at: Any = claims.get("iat")
    state.check_session(sid, issued_at if type(issued_at) in _NUMBERS else -math.inf)


def check_revocation(header: Header, claims: Claims) -> None:
    """Check the session of a verified token, and ask the application's blocklist.

    :raises TokenRevoked: if the token, or its session, was revoked
    """
    state = app_state()
    with rendering_errors(state):
        _check_session(state, claims)
        is_revoked = state.handlers.blocklist_callback
        if is_revoked is not None and state.call(is_revoked, header, claims):
            error = TokenRevoked()
            error.jwt_header, error.jwt_data = header, claims
            raise error


def _get_sid(state: AppState, current: RequestState) -> str | None:
    """Return the sid of the session of the request's token, or None."""
    return _as_sid(state, current.sid)


def _as_sid(state: AppState, sid: object) -> str | None:
    # A decode handler may return claims of another issuer, whose sid has another form.
    if state.sessions is None or not isinstance(sid, str) or not state.sessions.is_sid(sid):
        return None
    return sid


def _check_with_handlers(state: AppState, current: RequestState, options: GuardOptions) -> None:
    header = {} if current.verified is None else current.verified.header
    is_revoked = None if options.skip_revocation_check else state.handlers.blocklist_callback
    if is_revoked is not None and state.call(is_revoked, header, current.claims):
        raise TokenRevoked
    is_valid = state.handlers.verification_callback
    if is_valid is not None and not state.call(is_valid, header, current.claims):
        raise ClaimsRejected


def _get_identity_claims(state: AppState, current: RequestState) -> Any:
    """Return the claims for the identity handler.

    A session's refresh token has none of its own: they are in its payload, as they were issued in
    the access token. Only ``jti`` and ``exp`` are the refresh token's.
    """
    claims = current.claims
    if current.session is None:
        return claims
    kept = read_claims(current.session, state.settings.grant_claims)
    return {**kept, "jti": claims["jti"], "exp": claims["exp"]}


def _check_fresh(state: AppState, claims: object, fresh: bool | timedelta) -> None:
    claims = claims if isinstance(claims, Mapping) else {}
    if isinstance(fresh, timedelta):
        window = fresh.total_seconds()
        login = _get_login_time(claims)
        # Compared, not subtracted: an integer of many digits can't be converted to a float.
        if login is None or login < state.clock.now() - window:
            raise ReauthenticationRequired(int(window))
    elif not _is_fresh(claims, state.clock.now()):
        raise ReauthenticationRequired


def _get_login_time(claims: ClaimsView) -> float | None:
    """Return the time at which the user authenticated, or None if the token doesn't state it."""
    login = claims.get("auth_time")
    # Flask-JWT-Extended's tokens have no auth_time: a fresh one was issued by a login.
    if type(login) not in _NUMBERS and claims.get("fresh") is True:
        login = claims.get("iat")
    return login if type(login) in _NUMBERS else None


def _is_fresh(claims: ClaimsView, now: float) -> bool:
    """Return whether the token was issued by a login, or its ``fresh`` claim says so."""
    fresh: Any = claims.get("fresh")
    if fresh is True or (type(fresh) in _NUMBERS and fresh >= now):
        return True
    login = _get_login_time(claims)
    issued_at: float = claims.get("iat", math.inf)
    return login is not None and issued_at <= login


def _find_token_for_handler(state: AppState, options: GuardOptions) -> Any:
    find = state.handlers.request_callback
    if find is not _default_request_handler:
        note_headers(current_request(), "Cookie")  # a custom handler may read cookies
    # A custom request handler decides itself where it searches.
    elif options.locations:
        return find_unverified_token(state, options.locations)
    return state.call(find)


def _decode_with_handler(state: AppState, options: GuardOptions) -> Any:
    token = _find_token_for_handler(state, options)
    if token is None:
        raise TokenMissing
    if state.settings.issuers:  # which also applies changed options; nothing else here does
        reject_decode_handler()
    try:
        claims = state.call(state.handlers.jwt_decode_callback, token)
    except JWTError:
        raise
    except jwt.InvalidTokenError as error:
        raise rejection_of(error) or TokenInvalid(str(error)) from error
    if isinstance(token, (str, bytes)):  # others are of a decode handler that takes objects
        check_found_token(state, str(token_to_string(token)), refresh=False)
    is_mapping = options.verify_type and isinstance(claims, Mapping)
    if is_mapping and claims.get("type", "access") != "access":
        raise WrongTokenType("This needs a token of type access")
    return claims


def decode_token(
    token: str | bytes,
    *,
    refresh: bool = False,
    verify_type: bool = True,
    allow_expired: bool = False,
) -> Claims:
    """Verify *token* as a guard would, and return its claims.

    >>> token = create_access_token(7)
    >>> decode_token(token)["identity"]
    7

    The session of the token isn't checked, so the token of a revoked session is accepted.

    :param refresh: require a refresh token instead of an access token
    :param verify_type: False to accept a token of any type
    :param allow_expired: accept an expired token if it is valid otherwise
    :raises TokenInvalid: or a subclass, which is also a subclass of PyJWT's corresponding error
    """
    state = app_state()
    with rendering_errors(state):
        # Anything but a string is rejected by the codec.
        encoded: Any = token_to_string(token) if isinstance(token, bytes) else token
        token_type = ("refresh" if refresh else "access") if verify_type else None
        try:
            codec = codec_for(state, encoded, token_type)
            return codec.verify(encoded, state.clock.now()).claims
        except TokenExpired as error:
            if not allow_expired:
                raise
            return dict(error.jwt_data)


def _default_jwt_decode_handler(token: str | bytes) -> Claims:
    """Verify an access token and return its claims."""
    return decode_token(token)
