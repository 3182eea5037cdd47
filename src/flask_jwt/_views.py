"""The endpoints this package registers."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from ._context import app_state
from ._encoding import parse_json
from ._keyring import PUBLISHED_FOR
from ._responses import refused
from ._tokens import Token
from .errors import CredentialsInvalid, JWTError, LoginMalformed

MAX_LOGIN_BODY = 64 * 1024
"""Bytes of a login request; user name and password need far less."""


def auth_view() -> Response:
    """Log in: the view behind ``JWT_AUTH_URL_RULE``."""
    state = app_state()
    try:
        answer = state.call("auth_request_callback")
    except JWTError as error:
        raise refused(state, error) from error.__cause__
    response = state.app.make_response(answer)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _default_auth_request_handler() -> Any:
    """Check user name and password from a JSON body and answer with an access token."""
    state = app_state()
    settings = state.settings
    body = _login_body()
    username, password = body.get(settings.username_key), body.get(settings.password_key)
    if not _is_credential(username) or not _is_credential(password):
        raise CredentialsInvalid
    identity = state.call("authentication_callback", username, password)
    if not identity:
        raise CredentialsInvalid
    token = state.call("jwt_encode_callback", identity)
    text = token.decode("ascii") if isinstance(token, bytes) else token
    return state.call("auth_response_callback", Token(text), identity)


def _login_body() -> dict[str, Any]:
    if not request.is_json:
        raise LoginMalformed(
            "Send the credentials as a JSON object, with Content-Type: application/json"
        )
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
    """The JSON answer to a good login."""
    return jsonify({"access_token": access_token.decode("utf-8")})


def jwks_view() -> Response:
    """The public keys, for others to verify our tokens with (RFC 7517 section 5)."""
    state = app_state()
    document = state.codec().keys.public_jwks(state.clock()) or {"keys": []}
    response = state.app.make_response(jsonify(document))
    response.headers["Cache-Control"] = f"max-age={PUBLISHED_FOR}"
    return response
