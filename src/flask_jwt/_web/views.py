"""The endpoints this package registers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request

from .._config.settings import Settings
from .._jose.codec import Token, as_token
from .._jose.encoding import parse_json
from .._jose.key_file import PUBLISHED_FOR
from ..errors import (
    MalformedLogin,
    SchemeUnsupported,
    SessionNotFound,
    TokenMalformed,
    TokenMissing,
    WrongTokenType,
)
from .app_state import AppState
from .context import (
    app_state,
    get_jwt,
    issued_in_cookies,
    issued_tokens,
    remember_issued,
    sessions_of,
)
from .cookies import has_refresh_cookie, rotate_session, unset_jwt_cookies
from .guard import exempt, verify_jwt_in_request
from .issue import END_OF_TIME
from .login import (
    answer,
    asks_for_cookies,
    authenticate,
    log_in,
    reject_forged_login,
    require_login_handler,
)
from .redirects import login_page, next_url, no_store, prefers_html, redirect_to
from .request_token import token_in_header
from .responses import rendering_errors

if TYPE_CHECKING:
    from ..stores import Session

MAX_LOGIN_BODY = 64 * 1024
"""Bytes of a login request; user name and password need far less."""


@exempt
def auth_view() -> Response:
    """Log in: the view behind ``JWT_AUTH_URL_RULE``."""
    state = app_state()
    with rendering_errors(state):
        return no_store(state.app.make_response(state.call(state.handlers.auth_request_callback)))


def _default_auth_request_handler() -> Any:
    """Check user name and password, from a JSON body or a page's form, and answer with tokens."""
    state = app_state()
    require_login_handler(state)
    settings = state.settings
    body = _body(settings)
    in_cookies = asks_for_cookies(settings)
    reject_forged_login(settings)
    identity = authenticate(state, body.get(settings.username_key), body.get(settings.password_key))
    label = body.get("label")
    label = label if isinstance(label, str) else None
    return log_in(state, identity, label, in_cookies=in_cookies)


def _body(settings: Settings) -> Mapping[str, Any]:
    is_form = request.mimetype in _FORMS and "cookies" in settings.locations
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


def _optional_body(settings: Settings) -> Mapping[str, Any]:
    # A body of unknown length is refused rather than taken for none: it may say "global".
    is_chunked = request.mimetype != "" and "Transfer-Encoding" in request.headers
    return _body(settings) if request.content_length or is_chunked else {}


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def _default_auth_response_handler(access_token: Token, identity: Any) -> Any:  # noqa: ARG001
    """The answer to a good login, or to a refresh: JSON (RFC 6749 section 5.1); or where the tokens
    go into cookies, 204 or a redirect to a local ``next``."""
    if issued_in_cookies():
        target = next_url()
        return redirect_to(target) if target is not None or prefers_html() else ("", 204)
    tokens = issued_tokens()
    settings = app_state().settings
    if tokens is None:
        return jsonify({"access_token": access_token.decode("utf-8")})
    return jsonify(
        access_token=access_token.decode("utf-8"),
        refresh_token=tokens.refresh_token,
        **_expires_in(access_token),
        token_type="Bearer" if "bearer" in settings.prefixes else settings.scheme,
    )


def _expires_in(token: str) -> dict[str, int]:
    """Return the member of the response that holds the lifetime, if the token ever expires."""
    state = app_state()
    lifetime = state.settings.expiration
    try:
        claims = state.codecs.access().decode_unverified(token)[1]
        lifetime = math.inf if claims["exp"] == END_OF_TIME else claims["exp"] - state.clock.now()
    except (TokenMalformed, KeyError, TypeError):  # an encode handler may issue what it likes
        pass
    return {"expires_in": max(0, int(lifetime))} if math.isfinite(lifetime) else {}


@exempt
def refresh_view() -> Response:
    """Exchange a refresh token, from the header, a JSON body or its cookie, for new tokens."""
    state = app_state()
    with rendering_errors(state):
        token = _refresh_token(state)
        tokens = sessions_of(state).refresh(token) if token else rotate_session(state, request)
        remember_issued(tokens, in_cookies=token is None)
        return answer(state, as_token(tokens.access_token), tokens.identity)


def _refresh_token(state: AppState) -> str | None:
    """The one in the body or the header; None where there is only the cookie."""
    # A body that names the token wins: clients put the access token into each request's header.
    body = _optional_body(state.settings)
    token = body.get("refresh_token")
    settings = state.settings
    may_be_cookie = token is None and "cookies" in settings.locations
    if may_be_cookie and not _header_has_token(settings) and has_refresh_cookie(state, request):
        return None
    if token is None:
        token = state.call(state.handlers.request_callback)
    if token is None:
        raise TokenMissing("Request does not contain a refresh token")
    if not isinstance(token, str) or not token:
        raise TokenMalformed("A refresh token is a text")
    return token


def _header_has_token(settings: Settings) -> bool:
    header = request.headers.get(settings.header_name)
    try:
        return token_in_header(header, settings.prefixes) is not None
    except SchemeUnsupported:  # of the proxy, or of another guard
        return False


@exempt
def logout_view() -> Response:
    """End the caller's session, their others, or all."""
    state = app_state()
    with rendering_errors(state):
        scope = _optional_body(state.settings).get("scope", "local")
        if scope not in ("local", "others", "global"):
            raise MalformedLogin('scope is "local", "others" or "global"')
        sessions = sessions_of(state)
        session = _own_session(state)
        if scope == "local":
            ended = int(sessions.revoke(session.sid))
        else:
            keep = session.sid if scope == "others" else None
            ended = sessions.revoke_all(session.subject, keep=keep)
        return no_store(_logout_response(state, ended, is_out=scope != "others"))


def _logout_response(state: AppState, ended: int, *, is_out: bool) -> Response:
    """Return how many sessions were ended, or send a browser on.

    :param is_out: whether the caller's session is among them
    """
    has_pages = "cookies" in state.settings.locations
    response = jsonify(revoked=ended)
    if has_pages and prefers_html():
        page = login_page(state) if state.settings.login_view and is_out else None
        response = redirect_to(next_url() or page)
    if has_pages and is_out:
        unset_jwt_cookies(response)
    return response


@exempt
def sessions_view() -> Response:
    """The caller's devices."""
    state = app_state()
    with rendering_errors(state):
        own = _own_session(state)
        devices = [
            {
                "sid": session.sid,
                "label": session.label,
                "user_agent": session.user_agent,
                "ip": session.ip,
                "created_at": int(session.created_at),
                "last_used_at": int(session.rotated_at),
                "expires_at": int(session.ends_at()),
                "current": session.sid == own.sid,
            }
            for session in sessions_of(state).store.list_active(own.subject, state.clock.now())
        ]
    return jsonify(sessions=devices)


@exempt
def session_view(sid: str) -> Response:
    """End one of the caller's sessions, or give it another label."""
    state = app_state()
    with rendering_errors(state):
        own = _own_session(state)
        sessions = sessions_of(state)
        session = sessions.get(sid)
        if session is None or session.subject != own.subject or session.revoked_at is not None:
            raise SessionNotFound
        if request.method == "DELETE":
            sessions.revoke(sid)
        else:
            body = _body(state.settings)
            label = body.get("label")
            if "label" not in body or not (label is None or isinstance(label, str)):
                raise MalformedLogin('Send {"label": …} with a text, or null for none')
            sessions.rename(sid, label)
    return Response(status=204)


def _own_session(state: AppState) -> Session:
    """The session of the request's token; an access token or a refresh token will do."""
    sessions = sessions_of(state)
    try:
        verify_jwt_in_request()
    except WrongTokenType:
        verify_jwt_in_request(refresh=True)
    claims = get_jwt()
    sid = claims.get("sid") if isinstance(claims, dict) else None
    session = sessions.get(sid) if isinstance(sid, str) else None
    if session is None or session.revoked_at is not None:
        raise SessionNotFound("This token belongs to no session")
    return session


@exempt
def jwks_view() -> Response:
    """The public keys, for others to verify our tokens with (RFC 7517 section 5)."""
    state = app_state()
    document = state.codecs.access().keys.public_jwks(state.clock.now()) or {"keys": []}
    response = state.app.make_response(jsonify(document))
    response.headers["Cache-Control"] = f"max-age={PUBLISHED_FOR}"
    return response
