"""The endpoints this package registers."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from ._app_state import AppState
from ._context import (
    app_state,
    get_jwt,
    issued_tokens,
    remember_issued,
    sessions_of,
)
from ._encoding import parse_json
from ._guard import verify_jwt_in_request
from ._issue import issuing
from ._keyring import PUBLISHED_FOR
from ._responses import answering
from ._tokens import Token, as_token
from .errors import (
    CredentialsInvalid,
    LoginMalformed,
    SessionUnknown,
    TokenMalformed,
    TokenMissing,
    WrongTokenType,
)
from .stores import Session

MAX_LOGIN_BODY = 64 * 1024
"""Bytes of a login request; user name and password need far less."""


def auth_view() -> Response:
    """Log in: the view behind ``JWT_AUTH_URL_RULE``."""
    state = app_state()
    with answering(state):
        response = state.app.make_response(state.call("auth_request_callback"))
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _default_auth_request_handler() -> Any:
    """Check user name and password from a JSON body and answer with an access token."""
    state = app_state()
    settings = state.settings
    body = _json_body()
    username, password = body.get(settings.username_key), body.get(settings.password_key)
    if not _is_credential(username) or not _is_credential(password):
        raise CredentialsInvalid
    identity = state.call("authentication_callback", username, password)
    if not identity:
        raise CredentialsInvalid
    if state.sessions is None:
        with issuing(state.clock()):
            access_token = as_token(state.call("jwt_encode_callback", identity))
    else:
        label = body.get("label")
        tokens = state.sessions.start(
            identity,
            label=label if isinstance(label, str) else None,
            user_agent=request.headers.get("User-Agent"),
            ip=request.remote_addr,
        )
        access_token = as_token(tokens.access_token)
        remember_issued(tokens)
    return state.call("auth_response_callback", access_token, identity)


def _json_body() -> dict[str, Any]:
    if not request.is_json:
        raise LoginMalformed("Send a JSON object, with Content-Type: application/json")
    if request.content_length is None:
        raise LoginMalformed("Send the JSON object with a Content-Length")
    if request.content_length > MAX_LOGIN_BODY:
        raise LoginMalformed(f"The JSON object is longer than {MAX_LOGIN_BODY} bytes")
    try:
        body = parse_json(request.get_data())
    except ValueError:
        raise LoginMalformed("The body is not valid JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise LoginMalformed("The body must be a JSON object")
    return body


def _is_credential(value: Any) -> bool:
    # No account has a NUL in its name, but databases and bcrypt answer one with an exception.
    return isinstance(value, str) and value != "" and "\0" not in value


def _default_auth_response_handler(access_token: Token, identity: Any) -> Any:  # noqa: ARG001
    """The JSON answer to a good login, or to a refresh (RFC 6749 section 5.1)."""
    tokens = issued_tokens()
    if tokens is None:
        return jsonify({"access_token": access_token.decode("utf-8")})
    return jsonify(
        access_token=access_token.decode("utf-8"),
        refresh_token=tokens.refresh_token,
        expires_in=_expires_in(access_token),
        token_type="Bearer" if "bearer" in app_state().prefixes else app_state().settings.scheme,
    )


def _expires_in(token: str) -> int:
    state = app_state()
    try:
        claims = state.codec().read(token)[1]
        return max(0, int(claims["exp"] - state.clock()))
    except (TokenMalformed, KeyError, TypeError):  # an encode handler may issue what it likes
        return int(state.settings.expiration)


def refresh_view() -> Response:
    """Exchange a refresh token, from the header or a JSON body, for new tokens."""
    state = app_state()
    with answering(state):
        tokens = sessions_of(state).refresh(_refresh_token(state))
        remember_issued(tokens)
        access_token = as_token(tokens.access_token)
        answer = state.app.make_response(
            state.call("auth_response_callback", access_token, tokens.identity)
        )
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer


def _refresh_token(state: AppState) -> str:
    # A body that names the token wins: clients put the access token into each request's header.
    token = _json_body().get("refresh_token") if request.content_length else None
    if token is None:
        token = state.call("request_callback")
    if token is None:
        raise TokenMissing("Request does not contain a refresh token")
    if not isinstance(token, str):
        raise TokenMalformed("A refresh token is a text")
    return token


def logout_view() -> Response:
    """End the caller's session, their others, or all."""
    state = app_state()
    with answering(state):
        scope = _json_body().get("scope", "local") if request.content_length else "local"
        if scope not in ("local", "others", "global"):
            raise LoginMalformed('scope is "local", "others" or "global"')
        sessions = sessions_of(state)
        session = _own_session(state)
        if scope == "local":
            ended = int(sessions.revoke(session.sid))
        else:
            keep = session.sid if scope == "others" else None
            ended = sessions.revoke_all(session.subject, keep=keep)
    return jsonify(revoked=ended)


def sessions_view() -> Response:
    """The caller's devices."""
    state = app_state()
    with answering(state):
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
            for session in sessions_of(state).store.list_active(own.subject, state.clock())
        ]
    return jsonify(sessions=devices)


def session_view(sid: str) -> Response:
    """End one of the caller's sessions."""
    state = app_state()
    with answering(state):
        own = _own_session(state)
        sessions = sessions_of(state)
        session = sessions.get(sid)
        if session is None or session.subject != own.subject or session.revoked_at is not None:
            raise SessionUnknown
        sessions.revoke(sid)
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
        raise SessionUnknown("This token belongs to no session")
    return session


def jwks_view() -> Response:
    """The public keys, for others to verify our tokens with (RFC 7517 section 5)."""
    state = app_state()
    document = state.codec().keys.public_jwks(state.clock()) or {"keys": []}
    response = state.app.make_response(jsonify(document))
    response.headers["Cache-Control"] = f"max-age={PUBLISHED_FOR}"
    return response
