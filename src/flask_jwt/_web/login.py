"""Log users in: check their credentials, limit failed attempts, and respond with tokens."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeGuard

from flask import Response, has_request_context, request
from werkzeug.exceptions import HTTPException

from .. import signals
from .._config.settings import Settings
from .._jose.claims import InvalidIdentity
from .._jose.codec import Token, as_token
from .._jose.grants import RequiredNames
from .._sessions.printable import printable
from ..errors import (
    ConfigError,
    CsrfFailed,
    InvalidCredentials,
    JWTError,
    LoginNotFound,
    StoreUnavailable,
    TooManyLoginAttempts,
    rejection_of,
)
from .app_state import AppState
from .caching import no_store
from .context import is_issued_in_cookies, issued_tokens, make_request_state, set_issued_tokens
from .cookies import get_cookies, report_sizes, set_cookies
from .csrf import explain_origin, is_cross_origin
from .issue import grant_login_claims, login_context, storage_namespace
from .request_token import codec_for

if TYPE_CHECKING:
    from .._login.limits import LoginLimits
    from .._sessions.manager import SessionManager
    from .._sessions.rotation import Tokens

logger = logging.getLogger("flask_jwt")


def authenticate(state: AppState, username: object, password: object) -> Any:
    """Return the user that the authentication handler returns for these credentials.

    :raises InvalidCredentials: if the handler returns no user
    :raises TooManyLoginAttempts: if too many logins have failed; the handler isn't called
    """
    if not _is_valid_credential(username) or not _is_valid_credential(password):
        raise InvalidCredentials(hint=_explain_credentials(state.settings, username, password))
    ip = _get_client_address()
    details: dict[str, Any] = {"username": printable(username, 255), "ip": ip}
    limits = login_limits(state)
    attempt = None
    try:
        if limits is not None:
            # Counted before the handler runs: checking a password takes long, and of many
            # concurrent attempts all would see the count from before the first of them failed.
            attempt = limits.begin(username, _get_counted_address(state, ip))
        identity = _identify(state, username, password)
    except TooManyLoginAttempts as error:
        details["retry_after"] = error.retry_after
        signals.login_limited.send(state.app, **details)
        raise
    except BaseException as error:
        if _is_rejection(error):
            signals.authentication_failed.send(state.app, **details)
        elif attempt is not None:
            # The handler could not check the credentials, for example because its database is
            # down; an outage must not lock users out.
            attempt.forgive()
        raise
    if attempt is not None:
        attempt.succeed()
    signals.authenticated.send(state.app, **details)
    return identity


def _identify(state: AppState, username: str, password: str) -> Any:
    handler = state.handlers.authentication_callback
    if handler is None:
        raise ConfigError(
            "No authentication_handler is set: pass one to JWT(), or decorate a function with "
            "@jwt.authentication_handler"
        )
    identity = state.call(handler, username, password)
    if not identity:
        raise InvalidCredentials
    return identity


def _is_rejection(error: BaseException) -> bool:
    """Return whether *error*, which the handler raised, means that the credentials are wrong.

    A server error, such as a 503, means that the credentials could not be checked.
    """
    if (rejection := rejection_of(error)) is not None:
        return rejection.status_code < 500
    if not isinstance(error, HTTPException):
        return False
    status = error.response.status_code if error.response is not None else error.code
    return (status or 500) < 500


def log_in(
    state: AppState,
    identity: object,
    label: str | None = None,
    *,
    in_cookies: bool,
    keep: bool = False,
    remember: bool | None = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
    target: str | None = None,
) -> Response:
    """Issue tokens for *identity*, in a session if there is a store, and return the response.

    :param keep: don't end the session whose cookies the response replaces
    :param remember: whether the cookies outlast the browser; None: as ``JWT_SESSION_COOKIE`` says
    :param target: the path that a browser opens next; None: ``next`` of the request
    :param scopes: the scopes of the access tokens; None: those of the payload handler
    :param roles: likewise, the roles
    """
    make_request_state().next_url = target
    grants = (scopes, roles)
    try:
        return _log_in(
            state, identity, label, grants, in_cookies=in_cookies, keep=keep, remember=remember
        )
    except InvalidIdentity as error:
        message = "authenticate() returned {}; return {}"
        raise error.with_message(message) from None


def _log_in(
    state: AppState,
    identity: object,
    label: str | None,
    grants: tuple[RequiredNames | None, RequiredNames | None],
    *,
    in_cookies: bool,
    keep: bool,
    remember: bool | None,
) -> Response:
    if state.sessions is None:
        granted = grant_login_claims(state, *grants)
        with login_context(state.clock.now(), granted=granted):
            access_token = as_token(state.call(state.handlers.jwt_encode_callback, identity))
        if in_cookies:
            report_sizes(access_token, None)
        set_issued_tokens(None, in_cookies=in_cookies)
    else:
        tokens = state.sessions.start(
            identity,
            label=label,
            user_agent=request.headers.get("User-Agent"),
            ip=request.remote_addr,
            remember=remember,
            scopes=grants[0],
            roles=grants[1],
            check=_check_sizes if in_cookies else None,
        )
        access_token = as_token(tokens.access_token)
        set_issued_tokens(tokens, in_cookies=in_cookies)
        if in_cookies and not keep:
            _end_replaced_sessions(state, state.sessions)
    return create_token_response(state, access_token, identity, remember)


def _check_sizes(tokens: Tokens) -> None:
    report_sizes(tokens.access_token, tokens.refresh_token)


def _end_replaced_sessions(state: AppState, sessions: SessionManager) -> None:
    """Revoke the sessions of the request's cookies, which no one can use after this response."""
    now = state.clock.now()
    settings = state.settings
    sids = set()
    for token in get_cookies(request, settings.access_cookie_name):
        with suppress(JWTError):
            sids.add(codec_for(state, token, "access").verify(token, now).sid)
    for token in get_cookies(request, settings.refresh_cookie_name):
        with suppress(JWTError):
            sids.add(state.codecs.refresh().verify(token, now).sid)
    for sid in sids:
        try:
            if isinstance(sid, str):
                sessions.revoke(sid)
        except StoreUnavailable as error:  # the login itself has succeeded
            logger.warning("Could not end a session that a login replaces: %s", error.description)


def create_token_response(
    state: AppState, access_token: Token, identity: object, remember: bool | None = None
) -> Response:
    """Return the response handler's response to tokens just issued, with their cookies if any."""
    respond = state.handlers.auth_response_callback
    response = state.app.make_response(state.call(respond, access_token, identity))
    if is_issued_in_cookies():
        tokens = issued_tokens()
        set_cookies(response, access_token, tokens and tokens.refresh_token, remember)
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
    """Return whether the response to the current request's login is to set cookies.

    That is so if cookies are the only location for tokens, or if a form has sent the login.
    """
    locations = settings.locations
    return "cookies" in locations and not ("headers" in locations and request.is_json)


def reject_forged_login(settings: Settings) -> None:
    """Reject a login form that another site has sent, to log its visitor in as someone else.

    :raises CsrfFailed: if the browser states another origin, and the response would set cookies
    """
    # JSON can't be sent from another origin unless CORS allows it. A GET that logs in, such as the
    # redirect of an identity provider, has to be allowed: it always comes from another site.
    is_form = request.method not in ("GET", "HEAD", "OPTIONS") and not request.is_json
    if (
        settings.csrf_protect
        and is_form
        and asks_for_cookies(settings)
        and is_cross_origin(request, settings)
    ):
        raise CsrfFailed(
            "This login was sent by another site; send it from a page of this site",
            hint=explain_origin(request, settings),
        )


def prepare_limits(state: AppState) -> None:
    """Create the login limits when the application starts, so that they are checked then.

    :raises ConfigError: if ``JWT_LOGIN_LIMITS`` is invalid
    """
    settings = state.settings
    if settings.auth_url_rule is not None or "JWT_LOGIN_LIMITS" in settings.explicit:
        login_limits(state)


def login_limits(state: AppState) -> LoginLimits | None:
    """Return the limits of ``JWT_LOGIN_LIMITS``, or None if logins are not limited.

    :raises ConfigError: if ``JWT_LOGIN_LIMITS`` is invalid
    """
    settings = state.settings
    if settings.login_limits is None:
        return None
    current = state.limits
    if current is None or current[0] != settings.login_limits:
        from .._login.limits import LoginLimits

        sessions = state.sessions
        limits = LoginLimits(
            settings.login_limits,
            None if sessions is None else sessions.store,
            storage_namespace(settings),
            state.clock,
        )
        current = state.limits = settings.login_limits, limits
    return current[1]


_PROXY_HEADERS = (
    "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via",
)  # fmt: skip
"""The headers of proxies. A client may also send them itself."""


def _get_client_address() -> str | None:
    return request.remote_addr if has_request_context() else None


def _get_counted_address(state: AppState, address: str | None) -> str | None:
    """Return the address whose failed logins are counted, or None if it may be a proxy's.

    All users behind a proxy that Flask isn't configured for have its address, so it must not be
    locked out.
    """
    if not has_request_context():
        return None
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    if original and original.get("REMOTE_ADDR") != address:
        return address
    from .._login.names import is_loopback, is_private

    # The headers alone prove nothing, since any client can send them; a client with a public
    # address is not a proxy of this application.
    has_header = any(name in request.headers for name in _PROXY_HEADERS)
    if not address or (has_header and is_private(address)):
        if has_header:
            _report_proxy(state, address)
        return None
    # A proxy on the same host may send no header.
    return None if is_loopback(address) else address


def _report_proxy(state: AppState, address: str | None) -> None:
    if state.notices.first_time("logins from a proxy"):
        logger.warning(
            "Logins come from the proxy %s, so its users can't be distinguished, and failed logins "
            "are limited for each account, but not for each address. Set app.wsgi_app = "
            "werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app)",
            address or "on a local socket",
        )


def _explain_credentials(settings: Settings, username: object, password: object) -> str:
    """Return which fields of a login are missing or invalid, without their values."""
    given = {settings.username_key: username, settings.password_key: password}
    missing = [f'"{name}"' for name, value in given.items() if value is None]
    if missing:
        return (
            f"The login lacks {' and '.join(missing)}. JWT_AUTH_USERNAME_KEY and "
            "JWT_AUTH_PASSWORD_KEY set the names of these fields"
        )
    invalid = [f'"{name}"' for name, value in given.items() if not _is_valid_credential(value)]
    return f"{' and '.join(invalid)} must be a string that is not empty and has no NUL character"


def _is_valid_credential(value: object) -> TypeGuard[str]:
    # No account has a NUL in its name, and databases and bcrypt raise an exception for one.
    return isinstance(value, str) and value != "" and "\0" not in value
