"""Logging in: the one place where a password is judged, and what a good one is answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Response, has_request_context, request
from werkzeug.exceptions import HTTPException

from .. import signals
from .._config.settings import Settings
from .._jose.claims import InvalidIdentity
from .._jose.codec import Token, as_token
from .._sessions.printable import printable
from ..errors import (
    ConfigError,
    CsrfFailed,
    InvalidCredentials,
    JWTError,
    LoginNotFound,
    TooManyLoginAttempts,
)
from .app_state import AppState
from .context import issued_in_cookies, issued_tokens, remember_issued
from .cookies import set_cookies
from .csrf import is_foreign
from .issue import issuing
from .redirects import no_store

if TYPE_CHECKING:
    from .._login.limits import LoginThrottle

logger = logging.getLogger("flask_jwt")


def authenticate(state: AppState, username: Any, password: Any) -> Any:
    """The user with this name and password, by the authentication handler.

    :raises InvalidCredentials: if there is none
    :raises TooManyLoginAttempts: if too many logins have failed to try one more
    """
    if not _is_credential(username) or not _is_credential(password):
        raise InvalidCredentials
    ip = _client_address(state)
    facts: dict[str, Any] = {"username": printable(username, 255), "ip": ip}
    throttle = _throttle(state)
    attempt = None
    try:
        if throttle is not None:
            attempt = throttle.begin(username, ip)
        identity = _identify(state, username, password)
    except TooManyLoginAttempts as error:
        facts["retry_after"] = error.retry_after
        signals.login_limited.send(state.app, **facts)
        raise
    except BaseException as error:
        if _is_refusal(error):
            signals.authentication_failed.send(state.app, **facts)
        elif attempt is not None:
            attempt.forgive()
        raise
    if attempt is not None:
        attempt.succeed()
    signals.authenticated.send(state.app, **facts)
    return identity


def _identify(state: AppState, username: str, password: str) -> Any:
    handler = state.handlers.authentication_callback
    if handler is None:
        raise ConfigError("No authentication_handler is set")
    identity = state.call(handler, username, password)
    if not identity:
        raise InvalidCredentials
    return identity


def _is_refusal(error: BaseException) -> bool:
    """Whether the handler refuses in words of its own, rather than can't tell: a 503 of its own is
    no wrong password."""
    if isinstance(error, JWTError):
        return error.status_code < 500
    if not isinstance(error, HTTPException):
        return False
    status = error.response.status_code if error.response is not None else error.code
    return (status or 500) < 500


def log_in(
    state: AppState, identity: Any, label: str | None = None, *, in_cookies: bool
) -> Response:
    """The answer to a login of *identity*, with its tokens."""
    try:
        return _log_in(state, identity, label, in_cookies=in_cookies)
    except InvalidIdentity as error:
        message = "authenticate() returned {}; return {}"
        raise InvalidIdentity(error.description, message) from None


def _log_in(state: AppState, identity: Any, label: str | None, *, in_cookies: bool) -> Response:
    if state.sessions is None:
        with issuing(state.clock.now()):
            access_token = as_token(state.call(state.handlers.jwt_encode_callback, identity))
        remember_issued(None, in_cookies=in_cookies)
    else:
        tokens = state.sessions.start(
            identity,
            label=label,
            user_agent=request.headers.get("User-Agent"),
            ip=request.remote_addr,
        )
        access_token = as_token(tokens.access_token)
        remember_issued(tokens, in_cookies=in_cookies)
    return answer(state, access_token, identity)


def answer(state: AppState, access_token: Token, identity: Any) -> Response:
    """What the response handler makes of tokens just issued, and their cookies."""
    respond = state.handlers.auth_response_callback
    response = state.app.make_response(state.call(respond, access_token, identity))
    if issued_in_cookies():
        tokens = issued_tokens()
        set_cookies(response, access_token, tokens and tokens.refresh_token)
    return no_store(response)


def require_login_handler(state: AppState) -> None:
    """Make the login endpoint respond 404 as long as there is no authentication handler.

    This is no error at the start, because handlers may be set after ``init_app``.

    :raises LoginNotFound: if there is none
    """
    if state.handlers.authentication_callback is not None:
        return
    if state.notices.first_time("no authentication handler"):
        logger.warning(
            "A login got a 404 response, because no authentication_handler is set. Set one, or "
            "JWT_AUTH_URL_RULE = None for no login endpoint."
        )
    raise LoginNotFound


def asks_for_cookies(settings: Settings) -> bool:
    """Whether the current request's login is to be answered with cookies: where there is no other
    place for tokens, or a page's form sent it."""
    locations = settings.locations
    return "cookies" in locations and not ("headers" in locations and request.is_json)


def reject_forged_login(settings: Settings) -> None:
    """Refuse a form that another site has a browser send, for it to be logged in as somebody else.

    JSON can't be sent from elsewhere without leave of ours (CORS), and a GET that logs in, such as
    an identity provider's redirect, comes from elsewhere.

    :raises CsrfFailed: if so
    """
    is_form = request.method not in ("GET", "HEAD", "OPTIONS") and not request.is_json
    if settings.csrf_protect and is_form and asks_for_cookies(settings) and is_foreign(request):
        raise CsrfFailed("Another site sent this login; send it from a page of this one")


def prepare_limits(state: AppState) -> None:
    """Find out at the start whether logins can be limited.

    :raises ConfigError: if ``JWT_LOGIN_LIMITS`` is set and can't be used
    """
    settings = state.settings
    if settings.auth_url_rule is not None or "JWT_LOGIN_LIMITS" in settings.explicit:
        _throttle(state)


def _throttle(state: AppState) -> LoginThrottle | None:
    settings = state.settings
    if settings.login_limits is None:
        return None
    known = state.limits
    if known is None or known[0] != settings.login_limits:
        from .._login.limits import LoginThrottle, limits_are_installed

        if "JWT_LOGIN_LIMITS" not in settings.explicit and not limits_are_installed():
            state.notices.warn(
                "Logins are not limited, so passwords can be guessed at leisure: pip install "
                "'Flask-JWT-Too[limits]'. To do without, set JWT_LOGIN_LIMITS = None."
            )
            return None
        throttle = LoginThrottle(
            settings.login_limits,
            settings.storage_uri,
            settings.store_timeout,
            state.clock,
        )
        known = state.limits = settings.login_limits, throttle
    return known[1]


def _client_address(state: AppState) -> str | None:
    if not has_request_context():
        return None
    address = request.remote_addr
    is_told = "werkzeug.proxy_fix.orig" in request.environ
    if "X-Forwarded-For" in request.headers and not is_told and _is_near(address):
        # A proxy that Flask doesn't know of: all its users share its address.
        sentence = (
            f"Logins come from the proxy {address or 'on a local socket'}, so its users share one "
            "limit of failed logins: app.wsgi_app = "
            "werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app) tells them apart"
        )
        if state.notices.first_time(sentence):
            logger.warning("%s", sentence)
    return address


def _is_near(address: str | None) -> bool:
    from .._login.limits import is_private

    return not address or is_private(address)


def _is_credential(value: Any) -> bool:
    # No account has a NUL in its name, but databases and bcrypt answer one with an exception.
    return isinstance(value, str) and value != "" and "\0" not in value
