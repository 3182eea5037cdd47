"""Renew the cookies of a session: verify the refresh cookie first, and rotate the session last.

The guard verifies the refresh cookie and issues an access token for this request. The session is
rotated when the response is about to leave, because only then is the browser sure to get the new
refresh token. If a request rotated its session earlier, and its response was lost, the browser
would use its old refresh token again, which looks as if the token had been stolen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from flask import Request, Response

from ..errors import (
    AuthError,
    CsrfFailed,
    StoreUnavailable,
    TokenInvalid,
    TokenMissing,
    UserNotFound,
)
from .app_state import AppState
from .caching import no_store
from .context import (
    RequestState,
    current_request,
    make_request_state,
    request_state,
    require_sessions,
)
from .cookies import (
    get_cookies,
    report_sizes,
    set_cookies,
    unset_access_cookies,
    unset_host_only_cookies,
    unset_refresh_cookies,
)
from .csrf import check_request, is_websocket, needs_value

if TYPE_CHECKING:
    from .._sessions.rotation import Tokens

logger = logging.getLogger("flask_jwt")

T = TypeVar("T")


def has_refresh_cookie(state: AppState, request: Request) -> bool:
    """Return whether *request* has a refresh cookie, and the application has sessions.

    One that is only repeated doesn't count.
    """
    has_cookie = bool(get_cookies(request, state.settings.refresh_cookie_name))
    return has_cookie and state.sessions is not None and not _repeats_handshake(request)


def _repeats_handshake(request: Request) -> bool:
    """Return whether *request* stands for an event of a Socket.IO connection.

    Flask-SocketIO gives the environ of the handshake to each event. The browser may have renewed
    its cookies since, so the refresh cookie there would look as if it had been stolen.
    """
    event: object = getattr(request, "event", None)
    if not isinstance(event, dict):
        return False
    # Connecting to another namespace is an event of the same name, long after the handshake.
    first = request.environ.setdefault("flask_jwt.handshake_event", event)
    return first is not event or event.get("message") != "connect"


def begin_renewal(state: AppState, request: Request, *, renew: bool) -> str:
    """Return an access token for the session of the refresh cookie.

    All guards of a request get the same one.

    :param renew: False: the response doesn't bring new cookies, unless another guard renews them
    :raises JWTError: as :meth:`SessionManager.refresh` does, or if the CSRF value is missing or
        wrong
    """
    current = make_request_state()
    if current.rotated is not None:
        return current.rotated.access_token
    if current.renewal is None:
        begin = require_sessions(state).begin_refresh
        current.renewal = _use_refresh_cookie(state, request, current, begin)
    current.is_renewed = current.is_renewed or renew
    return current.renewal.access_token


def rotate_session(state: AppState, request: Request) -> Tokens:
    """Exchange the refresh cookie for new tokens at once, for the refresh endpoint.

    :raises JWTError: as :func:`begin_renewal` does
    """
    current = make_request_state()
    refresh = require_sessions(state).refresh
    current.rotated = _use_refresh_cookie(state, request, current, refresh)
    current.is_renewed = False
    return current.rotated


def _use_refresh_cookie(
    state: AppState, request: Request, current: RequestState, use: Callable[[str], T]
) -> T:
    """Return the result of *use* for the first refresh cookie that it accepts."""
    settings = state.settings
    needs_csrf = needs_value(request, settings, refresh=True)
    tokens = get_cookies(request, settings.refresh_cookie_name)
    if len(tokens) > 1:
        tokens = require_sessions(state).drop_superseded(tokens)
    failure: AuthError = TokenMissing(f'Missing cookie "{settings.refresh_cookie_name}"')
    for number, token in enumerate(tokens):
        try:
            if needs_csrf:
                claims = state.codecs.refresh().verify(token, state.clock.now()).claims
                check_request(request, settings, token, claims, refresh=True)
            result = use(token)
        except (TokenInvalid, UserNotFound, CsrfFailed) as error:
            # Of several failures, the end of a session is the one that the browser should know of.
            if number == 0 or (failure.ended_sid is None and error.ended_sid is not None):
                failure = error
        else:
            current.has_ended_twin = current.has_ended_twin or failure.ended_sid is not None
            return result
    raise failure


def finish_response_last(state: AppState) -> None:
    """Make the application complete the renewal of cookies after all other hooks of a response.

    Another hook may return another response, which would lack the new cookies, or raise an error.
    """
    # Flask calls these functions in reverse order. after_this_request() runs before all of them.
    hooks = state.app.after_request_funcs.setdefault(None, [])
    hooks.insert(0, partial(_finish_response, state))


def _finish_response(state: AppState, response: Response) -> Response:
    current = request_state()
    if current is None:
        return response
    is_renewed = current.is_renewed or current.rotated is not None
    if is_renewed or current.is_ended or current.has_ended_twin:
        try:
            _update_cookies(state, current, response)
        except Exception:
            # The view has succeeded, and the next request will renew the cookies.
            logger.exception("Could not update the JWT cookies of a response")
    return response


def _update_cookies(state: AppState, current: RequestState, response: Response) -> None:
    if is_websocket(current_request()):
        return
    settings = state.settings
    # What the view has set or deleted is newer: it may have logged a user in or out.
    lines = response.headers.getlist("Set-Cookie")
    kept = {line.partition("=")[0] for line in lines}
    keeps_access = settings.access_cookie_name in kept
    keeps_refresh = settings.refresh_cookie_name in kept
    if current.is_renewed and not current.is_ended and not keeps_refresh:
        _complete_renewal(state, current)
    _replace_cookies(response, current, keeps_access=keeps_access, keeps_refresh=keeps_refresh)
    has_ended = current.is_ended or current.has_ended_twin
    if has_ended and not (keeps_access or keeps_refresh):
        unset_host_only_cookies(response)
    _forbid_caching(response, current, len(lines))


def _replace_cookies(
    response: Response, current: RequestState, *, keeps_access: bool, keeps_refresh: bool
) -> None:
    """Delete the cookies of an ended session, or set those of a renewed one."""
    if current.is_ended:
        if not keeps_access:
            unset_access_cookies(response)
        if not keeps_refresh:
            unset_refresh_cookies(response)
    elif current.rotated is not None and not keeps_refresh:
        tokens = current.rotated
        set_cookies(response, None if keeps_access else tokens.access_token, tokens.refresh_token)
        report_sizes(tokens.access_token, tokens.refresh_token, can_reject=False)


def _forbid_caching(response: Response, current: RequestState, number_before: int) -> None:
    """Keep a response with cookies of this module out of caches.

    :param number_before: the number of cookies that the response had before
    """
    has_new = len(response.headers.getlist("Set-Cookie")) > number_before
    if has_new or current.rotated is not None:
        # The view may have allowed caching, because it doesn't know of these cookies. A shared
        # cache would send them to other users, who would then be logged in as this user.
        response.headers["Cache-Control"] = "no-store"
        no_store(response)


def _complete_renewal(state: AppState, current: RequestState) -> None:
    if current.renewal is None:
        return
    # Once only: if another hook or the session interface fails, Flask finishes two responses.
    current.is_renewed = False
    try:
        current.rotated = require_sessions(state).complete_refresh(current.renewal)
    except TokenInvalid:
        current.is_ended = True
    except StoreUnavailable as error:
        logger.warning("Could not renew the cookies of a session: %s", error.description)
