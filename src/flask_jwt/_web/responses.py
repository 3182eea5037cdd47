"""From an error to an answer: JSON body and ``WWW-Authenticate`` challenge (RFC 6750 section 3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from flask import Response, jsonify
from jwt import InvalidTokenError
from werkzeug.wrappers import Response as BaseResponse

from ..errors import JWTError, ReauthenticationRequired, json_response
from .app_state import AppState
from .context import app_state
from .redirects import login_redirect

logger = logging.getLogger("flask_jwt")


def prepare_error(state: AppState, error: JWTError, realm: str | None = None) -> JWTError:
    """*error* by the name that the front door has for it, ready to be raised: its answer will be
    the application's."""
    if error.renderer is not None:
        return error
    translated = state.translate_error(error)
    translated.realm = realm
    translated.renderer = partial(_render, state)
    return translated


@contextmanager
def rendering_errors(state: AppState) -> Iterator[None]:
    """Within this context a refusal gets the application's answer."""
    try:
        yield
    except JWTError as error:
        raise prepare_error(state, error) from error.__cause__


def handle_jwt_error(state: AppState, error: JWTError) -> Any:
    """Flask's error handler for :class:`JWTError`, also for those raised by a view itself.

    A handler of the application's for PyJWT's class of the error answers instead, as one for
    :class:`jwt.ExpiredSignatureError` means it to.
    """
    handlers = state.app.error_handler_spec[None][None]
    for kind in type(error).__mro__:
        is_of_pyjwt = issubclass(kind, InvalidTokenError) and not issubclass(kind, JWTError)
        if is_of_pyjwt and kind in handlers:
            return state.app.ensure_sync(handlers[kind])(error)
    return prepare_error(state, error).response


def _default_jwt_error_handler(error: JWTError) -> Any:
    """The JSON answer to *error*, as Flask-JWT's error handlers return it."""
    logger.info("%s %s", error.status_code, error)
    return jsonify(error.body), error.status_code, dict(error.headers or {})


def _render(state: AppState, error: JWTError) -> Response:
    if (page := login_redirect(state, error)) is not None:
        return page
    response = state.app.make_response(state.call(state.handlers.jwt_error_callback, error))
    if response.status_code == 401:
        response.headers.setdefault("WWW-Authenticate", _challenge(state, error))
    return response


def _render_where_raised(error: JWTError) -> BaseResponse:
    try:
        state = app_state()
    except RuntimeError:  # no application, or one without a JWT
        return json_response(error)
    return _render(state, state.translate_error(error))


# REST extensions take the answer from the error itself: they pass Flask's error handlers by.
JWTError.unbound_renderer = staticmethod(_render_where_raised)


def _challenge(state: AppState, error: JWTError) -> str:
    parameters = {"realm": error.realm or state.settings.realm}
    if error.challenge is not None:
        parameters.update(error=error.challenge, error_description=str(error.description))
        if isinstance(error, ReauthenticationRequired) and error.max_age is not None:
            parameters["max_age"] = str(error.max_age)
    quoted = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters.items())
    return f"{state.settings.scheme} {quoted}"


def _quotable(text: str) -> str:
    printable = "".join(c for c in text if " " <= c <= "~")
    return printable.replace("\\", "\\\\").replace('"', '\\"')
