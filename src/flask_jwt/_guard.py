"""The one place that lets a request in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial, wraps
from inspect import isclass, iscoroutinefunction
from typing import Any, NamedTuple, TypeVar, cast

import jwt

from . import _csrf as csrf
from ._app_state import AppState
from ._context import RequestState, app_state, current_context, current_request
from ._locations import _default_request_handler, token_in, token_in_header
from ._renewal import forget_cookies, has_refresh_cookie, renewed
from ._responses import answering, refused
from ._tokens import VerifiedToken
from .errors import (
    AuthError,
    ClaimsRefused,
    JWTError,
    ReauthenticationRequired,
    SchemeUnsupported,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    UserGone,
    WrongTokenType,
)

_NUMBERS = (int, float)

View = TypeVar("View", bound=Callable[..., Any])


class _Ask(NamedTuple):
    """What a guard asks of a request."""

    realm: str | None = None
    optional: bool = False
    fresh: bool | timedelta = False
    refresh: bool = False
    locations: Sequence[str] | None = None
    verify_type: bool = True
    skip_revocation_check: bool = False

    @property
    def type(self) -> str | None:
        if not self.verify_type:
            return None
        return "refresh" if self.refresh else "access"

    @property
    def is_usual(self) -> bool:
        """Whether it asks for an access token in the configured locations."""
        return self.verify_type and not self.refresh and not self.locations


def jwt_required(
    realm: str | None = None,
    *,
    optional: bool = False,
    fresh: bool | timedelta = False,
    refresh: bool = False,
    locations: str | Sequence[str] | None = None,
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
    ask = _Ask(
        realm, optional, fresh, refresh, _listed(locations), verify_type, skip_revocation_check
    )
    return guarded_by(partial(_admit, ask, ask.is_usual))


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
    locations: str | Sequence[str] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> None:
    """Do what :func:`jwt_required` does, from inside a view or a ``before_request`` function.

    :raises JWTError: the refusal; left alone, it becomes the answer
    """
    ask = _Ask(
        realm, optional, fresh, refresh, _listed(locations), verify_type, skip_revocation_check
    )
    _admit(ask, ask.is_usual)


def _listed(locations: str | Sequence[str] | None) -> Sequence[str] | None:
    return (locations,) if isinstance(locations, str) else locations


def _jwt_required(realm: str | None = None) -> None:
    """:func:`verify_jwt_in_request` under the name code for Flask-JWT calls."""
    verify_jwt_in_request(realm)


def _admit(ask: _Ask, is_usual: bool) -> None:
    context = current_context()
    registered = context.app.extensions.get("jwt")
    state = app_state() if registered is None else registered.state
    request = current_request()
    current = context.g._flask_jwt = RequestState(request)
    if request.method in state.spelling.exempt_methods:
        return
    try:
        _verify(state, current, ask, is_usual)
    except (TokenMissing, SchemeUnsupported) as error:
        if not ask.optional:
            raise refused(state, error, ask.realm) from None
    except JWTError as error:
        if isinstance(error, AuthError) and current.verified is not None:
            error.jwt_header, error.jwt_data = current.verified.header, current.claims
        is_over = current.location == "cookies" and isinstance(error, (TokenInvalid, UserGone))
        current.forget()
        if isinstance(error, ClaimsRefused):
            is_over = False  # it was the application's check of this request; the session lives
        if is_over and state.sessions is not None and not ask.refresh:
            forget_cookies()
            if ask.optional:
                return
        raise refused(state, error, ask.realm) from error.__cause__


def _verify(state: AppState, current: RequestState, ask: _Ask, is_usual: bool) -> None:
    handlers = state.handlers
    if handlers.jwt_decode_callback is not _default_jwt_decode_handler and not ask.refresh:
        token = state.call("request_callback")
        if token is None:
            raise TokenMissing
        claims = current.claims = _decode_with_handler(state, token)
    else:
        verified = _verified(state, current, ask, is_usual)
        current.verified = verified
        claims = current.claims = verified.claims
        if verified.sid is not None and not ask.skip_revocation_check and not ask.refresh:
            check_session = state.check_session
            if check_session is not None:
                check_session(verified.sid, verified.issued_at)
    if ask.fresh is not False:
        _check_fresh(state, claims, ask.fresh)
    if handlers.blocklist_callback is not None or handlers.verification_callback is not None:
        _check_with_handlers(state, current, ask)
    identify = handlers.identity_callback
    if identify is None:
        identity = state.claimed_identity(claims)
    else:
        identity = state.call("identity_callback", _identified(current))
    if identity is None:
        raise UserGone
    current.identity = identity


def _verified(state: AppState, current: RequestState, ask: _Ask, is_usual: bool) -> VerifiedToken:
    """The token that the request carries, if it is good."""
    handlers = state.handlers
    codec, now = state.codec(), state.clock()
    if handlers.request_callback is not _default_request_handler:
        token = _as_text(state.call("request_callback"))
        if token is None:
            raise TokenMissing
        return _judged(state, current, ask, token)
    if not is_usual or state.header is None or handlers.decode_key_callback is not None:
        return _searched(state, current, ask)
    current.location = "headers"
    header = current.request.environ.get(state.header)
    if (seen := codec.recall(header, now)) is not None:
        return seen
    token = token_in_header(header, state.prefixes)
    if token is None:
        raise TokenMissing
    return codec.verify(token, now, header)


def _searched(state: AppState, current: RequestState, ask: _Ask) -> VerifiedToken:
    """The first good token, in the order of the locations.

    A bad one ends the search, but not in a cookie: the browser sends it unasked, and it must not
    stand in the way of a token that a client has chosen to send.
    """
    settings = state.settings
    locations = ask.locations or settings.locations
    absences: list[AuthError] = []
    failure: JWTError | None = None
    for location in locations:
        try:
            token = token_in(location, current.request, settings, refresh=ask.refresh)
            current.location = location
            if location != "cookies":
                return _judged(state, current, ask, token)
            return _judged_with_proof(state, current, ask, token)
        except (TokenMissing, SchemeUnsupported) as error:
            absences.append(error)
        except JWTError as error:
            if location != "cookies":
                raise
            failure = failure or error
    current.location = None if failure is None else "cookies"
    is_over = failure is None or isinstance(failure, TokenInvalid)
    may_renew = "cookies" in locations and ask.type == "access"
    if is_over and may_renew and has_refresh_cookie(state, current.request):
        current.location = "cookies"
        return state.codec().verify(renewed(state, current.request).access_token, state.clock())
    if failure is not None:
        raise failure
    if len(absences) == 1:
        raise absences[0]
    raise _absent_everywhere(absences, settings.header_name)


def _absent_everywhere(absences: Sequence[AuthError], header: str) -> TokenMissing:
    reasons = "; ".join(
        f'Missing header "{header}"' if _is_missing_header(error) else str(error.description)
        for error in absences
    )
    return TokenMissing(f"Request does not contain an access token: {reasons}", absences=absences)


def _is_missing_header(error: AuthError) -> bool:
    return isinstance(error, TokenMissing) and error.location == "headers"


def _judged_with_proof(
    state: AppState, current: RequestState, ask: _Ask, token: str
) -> VerifiedToken:
    proof = csrf.submitted(current.request, state.settings, refresh=ask.refresh)
    verified = _judged(state, current, ask, token)
    if proof is not None:
        csrf.check(proof, token, verified.claims)
    return verified


def _judged(state: AppState, current: RequestState, ask: _Ask, token: str) -> VerifiedToken:
    codec, now = state.codec_for(token, ask.type), state.clock()
    if not ask.refresh:
        return codec.recall(token, now) or codec.verify(token, now)
    # Only a session's refresh token has a sid; which session's, its own strict check finds out.
    if state.sessions is None or "sid" not in codec.read(token)[1]:
        return codec.verify(token, now)
    current.session = state.sessions.verify(token)
    return state.refresh_codec().verify(token, now)


def _check_with_handlers(state: AppState, current: RequestState, ask: _Ask) -> None:
    handlers = state.handlers
    facts = {} if current.verified is None else current.verified.header, current.claims
    is_listed = handlers.blocklist_callback is not None and not ask.skip_revocation_check
    if is_listed and state.call("blocklist_callback", *facts):
        raise TokenRevoked
    if handlers.verification_callback is None:
        return
    if not state.call("verification_callback", *facts):
        raise ClaimsRefused


def _identified(current: RequestState) -> Any:
    """The claims that say who it is: a session's refresh token keeps those of its access tokens."""
    return current.claims if current.session is None else json.loads(current.session.payload)


def _check_fresh(state: AppState, claims: Any, fresh: bool | timedelta) -> None:
    facts: Mapping[str, Any] = claims if isinstance(claims, Mapping) else {}
    mark: Any = facts.get("fresh")
    given: Any = facts.get("auth_time")
    window = fresh.total_seconds() if isinstance(fresh, timedelta) else None
    if mark is True and type(given) not in _NUMBERS:
        given = facts.get("iat")
    if window is None:
        until_then = type(mark) in _NUMBERS and mark >= state.clock()
        at_login = type(given) in _NUMBERS and facts.get("iat", math.inf) <= given
        if mark is True or until_then or at_login:
            return
    elif type(given) in _NUMBERS and state.clock() - given <= window:
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
    with answering(state):
        text = _as_text(token)
        if text is None:
            raise TokenMissing
        wanted = ("refresh" if refresh else "access") if verify_type else None
        try:
            codec = state.codec_for(text, wanted)
            return codec.verify(text, state.clock()).claims
        except TokenExpired as error:
            if not allow_expired:
                raise
            return dict(error.jwt_data)


def _default_jwt_decode_handler(token: str | bytes) -> dict[str, Any]:
    """The claims of an access token."""
    return decode_token(token)
