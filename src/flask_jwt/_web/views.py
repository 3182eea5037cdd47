"""Define the endpoints that this package registers."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request

from .._config.settings import Settings
from .._jose.codec import Token, as_token
from .._jose.encoding import parse_json
from .._jose.key_file import PUBLISHED_FOR
from ..errors import (
    LoginNotFound,
    MalformedLogin,
    SchemeUnsupported,
    SessionNotFound,
    TokenMalformed,
    TokenMissing,
    UserNotFound,
    WrongTokenType,
)
from .app_state import AppState
from .caching import no_store
from .context import (
    app_state,
    is_issued_in_cookies,
    issued_tokens,
    request_state,
    require_sessions,
    set_issued_tokens,
)
from .cookies import get_csrf_token, unset_host_only_cookies, unset_jwt_cookies
from .csrf import FORMS, came_in_cookie, is_of_trusted_origin
from .guard import verify_jwt_in_request
from .issue import END_OF_TIME
from .locations import parse_authorization
from .login import (
    asks_for_cookies,
    authenticate,
    create_token_response,
    log_in,
    reject_forged_login,
    require_login_handler,
)
from .redirects import login_page, next_url, prefers_html, redirect_to
from .renewal import has_refresh_cookie, rotate_session
from .request_token import check_found_token
from .responses import rendering_errors

logger = logging.getLogger("flask_jwt")

if TYPE_CHECKING:
    from ..stores import Session

MAX_LOGIN_BODY = 64 * 1024
"""Bytes that a login request may have; a user name and a password need far fewer."""


def auth_view() -> Response:
    """Log in: the view of ``JWT_AUTH_URL_RULE``."""
    state = app_state()
    with rendering_errors(state):
        return no_store(state.app.make_response(state.call(state.handlers.auth_request_callback)))


def _default_auth_request_handler() -> Any:
    """Check the user name and password in a JSON body or a form, and respond with tokens."""
    state = app_state()
    require_login_handler(state)
    settings = state.settings
    body = _parse_body(settings)
    in_cookies = asks_for_cookies(settings)
    reject_forged_login(settings)
    identity = authenticate(state, body.get(settings.username_key), body.get(settings.password_key))
    label = body.get("label")
    label = label if isinstance(label, str) else None
    return log_in(state, identity, label, in_cookies=in_cookies)


def _parse_body(settings: Settings) -> Mapping[str, object]:
    # Forms only with cookies, because a page can't use the JSON response, and because a form can
    # be sent by another site, which reject_forged_login() checks for cookies only.
    is_form = request.mimetype in FORMS and "cookies" in settings.locations
    if not is_form and not request.is_json:
        raise MalformedLogin("Send a JSON object, with Content-Type: application/json")
    if request.content_length is None:
        raise MalformedLogin("Send the JSON object with a Content-Length")
    if request.content_length > MAX_LOGIN_BODY:
        raise MalformedLogin(f"The JSON object is longer than {MAX_LOGIN_BODY} bytes")
    if is_form:
        return request.form
    try:
        body = parse_json(request.get_data())
    except ValueError:
        raise MalformedLogin("The body is not valid JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise MalformedLogin("The body must be a JSON object")
    return body


def _parse_optional_body(settings: Settings) -> Mapping[str, object]:
    # A body of unknown length is rejected rather than ignored: it may say "scope": "global".
    is_chunked = request.mimetype != "" and "Transfer-Encoding" in request.headers
    return _parse_body(settings) if request.content_length or is_chunked else {}


def _default_auth_response_handler(access_token: Token, identity: object) -> Any:  # noqa: ARG001
    """Return the response to a login or a refresh: the tokens as JSON (RFC 6749 section 5.1).

    If the tokens are sent in cookies, it is 204, or a redirect to a local ``next``. A script of
    another origin can't read the cookie with the CSRF value, so it gets the value as JSON.
    """
    settings = app_state().settings
    if is_issued_in_cookies():
        is_html = prefers_html()
        if settings.csrf_protect and not is_html and is_of_trusted_origin(request, settings):
            return jsonify(csrf_token=get_csrf_token(access_token))
        target = next_url()
        return redirect_to(target) if target is not None or is_html else ("", 204)
    tokens = issued_tokens()
    if tokens is None:
        return jsonify({"access_token": access_token.decode("utf-8")})
    return jsonify(
        access_token=access_token.decode("utf-8"),
        refresh_token=tokens.refresh_token,
        **_get_expires_in(access_token, settings),
        token_type="Bearer" if "bearer" in settings.prefixes else settings.scheme,
    )


def _get_expires_in(token: str, settings: Settings) -> dict[str, int]:
    """Return the member of the response that holds the lifetime, if the token ever expires."""
    state = app_state()
    lifetime = settings.expiration
    try:
        claims = state.codecs.decode_unverified(token)[1]
        lifetime = math.inf if claims["exp"] == END_OF_TIME else claims["exp"] - state.clock.now()
    except (TokenMalformed, KeyError, TypeError):  # an encode handler may issue any string
        pass
    return {"expires_in": max(0, math.ceil(lifetime))} if math.isfinite(lifetime) else {}


def refresh_view() -> Response:
    """Exchange a refresh token, from the header, a JSON body or its cookie, for new tokens."""
    state = app_state()
    with rendering_errors(state):
        _require_signing_key(state)
        token = _find_refresh_token(state)
        tokens = require_sessions(state).refresh(token) if token else rotate_session(state, request)
        set_issued_tokens(tokens, in_cookies=token is None)
        return create_token_response(state, as_token(tokens.access_token), tokens.identity)


def _require_signing_key(state: AppState) -> None:
    if state.codecs.refresh().keys.can_sign:
        return
    if state.notices.first_time("no key for refreshes"):
        logger.warning(
            "A refresh got a 404 response, because this application has only a public key: the "
            "client has to send it to the application that signs the tokens. To register no "
            "endpoints here, set JWT_AUTH_URL_RULE = None."
        )
    raise LoginNotFound("This application has no key to sign new tokens with")


def _find_refresh_token(state: AppState) -> str | None:
    """Return the refresh token in the body or the header; None if it is only in the cookie.

    :raises TokenMissing: if there is none
    """
    # Not split: the order in which the locations are searched is decided here.
    # The body comes first, because many clients send an access token in every request's header.
    settings = state.settings
    body = _parse_optional_body(settings)
    token = body.get("refresh_token")
    may_be_cookie = token is None and "cookies" in settings.locations
    if may_be_cookie and not _header_has_token(settings) and has_refresh_cookie(state, request):
        return None
    if token is None:
        token = state.call(state.handlers.request_callback)
    if token is None:
        raise TokenMissing("Request does not contain a refresh token")
    if not isinstance(token, str) or not token:
        raise TokenMalformed("The refresh token must be a non-empty string")
    if token is not body.get("refresh_token") and came_in_cookie(request, token):
        verified = state.codecs.refresh().verify(token, state.clock.now())
        check_found_token(state, token, verified, refresh=True)
    return token


def _header_has_token(settings: Settings) -> bool:
    header = request.headers.get(settings.header_name)
    try:
        return parse_authorization(header, settings.prefixes) is not None
    except SchemeUnsupported:  # credentials for a proxy or for another guard
        return False


def logout_view() -> Response:
    """Revoke the client's session, the user's other sessions, or all of them."""
    state = app_state()
    with rendering_errors(state):
        scope = _parse_optional_body(state.settings).get("scope", "local")
        if scope not in ("local", "others", "global"):
            raise MalformedLogin('"scope" must be "local", "others" or "global"')
        sessions = require_sessions(state)
        if scope == "local":
            sid, is_active = _get_session_to_end(state)
            is_first = sessions.revoke(sid)  # even if it has ended: its logout may be incomplete
            revoked = int(is_first and is_active)
        else:
            session = _get_current_session(state)
            keep = session.sid if scope == "others" else None
            revoked = sessions.revoke_all(session, keep=keep)
        return no_store(_logout_response(state, revoked, is_logged_out=scope != "others"))


def _logout_response(state: AppState, revoked: int, *, is_logged_out: bool) -> Response:
    """Return the number of revoked sessions as JSON, or redirect a browser.

    :param is_logged_out: whether the client's own session is among them
    """
    has_pages = "cookies" in state.settings.locations
    response = jsonify(revoked=revoked)
    if has_pages and prefers_html():
        page = login_page(state) if state.settings.login_view and is_logged_out else None
        response = redirect_to(next_url() or page)
    if has_pages and is_logged_out:
        unset_jwt_cookies(response)
        unset_host_only_cookies(response)
    return response


MOST_LISTED = 1000
"""The sessions that one response lists at most."""


def sessions_view() -> Response:
    """Return a page of the user's active sessions: their devices."""
    state = app_state()
    with rendering_errors(state):
        current = _get_current_session(state)
        sessions = require_sessions(state).list(current, **_parse_page(request.args))
        devices = [
            {
                "sid": session.sid,
                "label": session.label,
                "user_agent": session.user_agent,
                "ip": session.ip,
                "created_at": int(session.created_at),
                "last_used_at": int(session.rotated_at),
                "expires_at": int(session.ends_at()),
                "current": session.sid == current.sid,
            }
            for session in sessions
        ]
    return no_store(jsonify(sessions=devices))


def _parse_page(arguments: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of :meth:`SessionManager.list` in a query string."""
    page: dict[str, Any] = {}
    if "after" in arguments:
        page["after"] = arguments["after"]
    if "limit" in arguments:
        # A pattern, because int() also accepts signs, underscores and digits of other scripts.
        if not re.fullmatch("[1-9][0-9]{0,3}", arguments["limit"]):
            raise MalformedLogin('"limit" must be a number of sessions')
        page["limit"] = min(int(arguments["limit"]), MOST_LISTED)
    return page


def session_view(sid: str) -> Response:
    """Revoke one of the user's sessions, or change its label."""
    state = app_state()
    with rendering_errors(state):
        current = _get_current_session(state)
        sessions = require_sessions(state)
        session = sessions.get(sid)
        # The same response for a session of another user as for none, so that sids can't be probed.
        is_users = session is not None and sessions.have_same_user(session, current)
        if session is None or not is_users or session.revoked_at is not None:
            raise SessionNotFound
        if request.method == "DELETE":
            sessions.revoke(sid)
        else:
            body = _parse_body(state.settings)
            label = body.get("label")
            if "label" not in body or not (label is None or isinstance(label, str)):
                raise MalformedLogin('Send {"label": …} with a string, or null for no label')
            sessions.rename(sid, label)
    return no_store(Response(status=204))


def _get_current_session(state: AppState) -> Session:
    """Return the session of the request's access or refresh token.

    :raises SessionNotFound: if the token has no session, or the session was revoked
    """
    sessions = require_sessions(state)
    _verify_either_type()
    sid = _get_token_sid()
    session = sessions.get(sid) if isinstance(sid, str) else None
    if session is None or session.revoked_at is not None:
        raise SessionNotFound("This token belongs to no session")
    return session


def _get_token_sid() -> object:
    """Return the sid in the request's token, which has been verified."""
    current = request_state()
    return None if current is None else current.sid


def _verify_either_type() -> None:
    try:
        verify_jwt_in_request()
    except Exception:  # it may be one of Flask-JWT-Extended's
        current = request_state()
        if current is None or current.failure is not WrongTokenType:
            raise
        verify_jwt_in_request(refresh=True)


def _get_session_to_end(state: AppState) -> tuple[str, bool]:
    """Return the sid of the request's token, and whether its session was active until now.

    A client repeats its logout if the response was lost, or if the server failed in the middle.

    :raises SessionNotFound: if the token has no session
    """
    sessions = require_sessions(state)
    try:
        _verify_either_type()
    except Exception:
        current = request_state()
        if current is None or current.ended_sid is None:
            raise
        return current.ended_sid, current.failure is UserNotFound
    sid = _get_token_sid()
    if not isinstance(sid, str) or not sessions.is_sid(sid):
        raise SessionNotFound("This token belongs to no session")
    return sid, True


def jwks_view() -> Response:
    """Return the public keys, with which others verify our tokens (RFC 7517 section 5)."""
    state = app_state()
    document = state.codecs.access().keys.public_jwks(state.clock.now()) or {"keys": []}
    response = state.app.make_response(jsonify(document))
    response.headers["Cache-Control"] = f"max-age={PUBLISHED_FOR}"
    return response


OPEN_VIEWS = (auth_view, refresh_view, logout_view, sessions_view, session_view, jwks_view)
"""Views that ``JWT_REQUIRED_BY_DEFAULT`` doesn't guard: they verify what they need themselves."""
