"""Turn errors into responses: JSON body and ``WWW-Authenticate`` challenge (RFC 6750 section 3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from flask import Response, jsonify
from jwt import InvalidTokenError
from werkzeug.wrappers import Response as BaseResponse

from ..errors import (
    InsufficientScope,
    JWTError,
    LoginNotFound,
    ReauthenticationRequired,
    StoreUnavailable,
    json_response,
    rejection_of,
)
from .app_state import AppState
from .context import app_state, current_context
from .redirects import login_url, prefers_html, redirect_to
from .rest_extensions import ask_program, is_unhandled_in_restx

logger = logging.getLogger("flask_jwt")


def prepare_error(state: AppState, error: JWTError, realm: str | None = None) -> Exception:
    """Return the exception to raise for *error*.

    It has the class that the application's extension class (``JWT`` or ``JWTManager``) raises for
    this error, and the application's error handler creates its response.

    :param realm: for ``WWW-Authenticate``; default ``JWT_DEFAULT_REALM``
    """
    if error.renderer is None:
        error.realm = realm
        error.renderer = partial(render_under_extensions, state)
    return state.translate_error(error)


@contextmanager
def rendering_errors(state: AppState) -> Iterator[None]:
    """Prepare every :class:`JWTError` that is raised within this context."""
    try:
        yield
    except JWTError as error:
        # "from error" would show both the original and the prepared error in a traceback.
        raise prepare_error(state, error) from error.__cause__


def handle_jwt_error(state: AppState, error: JWTError) -> Any:
    """Return the response to a :class:`JWTError`, as Flask's error handler for this class.

    Most subclasses also inherit from an exception of PyJWT, for example
    :class:`jwt.ExpiredSignatureError`. If the application has an error handler for that exception,
    its result is returned instead.
    """
    translated = prepare_error(state, error)
    if translated is not error:  # a view has raised it; handlers are those of the other class
        return type(state.app).handle_user_exception(state.app, translated)
    # Flask itself never chooses that handler, because JWTError comes first in the MRO.
    handlers = state.app.error_handler_spec[None][None]
    for error_class in type(error).__mro__:
        if not issubclass(error_class, InvalidTokenError) or issubclass(error_class, JWTError):
            continue
        if error_class in handlers:
            return state.app.ensure_sync(handlers[error_class])(error)
    return render(state, error)


def _default_jwt_error_handler(error: JWTError) -> Any:
    """Return the JSON response to *error* in the form that Flask-JWT's error handlers return."""
    return jsonify(error.body), error.status_code, dict(error.headers or {})


def render(state: AppState, error: Exception) -> Response:
    """Return the response to *error* that the application's error handler creates.

    :param error: a :class:`JWTError`, or what the extension class has translated one to
    """
    rejection = cast(JWTError, rejection_of(error))
    # PyJWT's messages are less precise than ours, and may quote the token's header.
    reason = rejection if isinstance(error, InvalidTokenError) else error
    url = login_url(state, rejection)
    if url is not None and prefers_html():
        page = redirect_to(url)
        # The browser's user has only not logged in yet; this is no rejection.
        logger.info("%s", _describe(reason, rejection, page.status_code))
        return page
    with rejection.responding():
        result = state.call(state.handlers.jwt_error_callback, error)
    response = state.app.make_response(result)
    _log_rejection(state, reason, rejection, response.status_code)
    # Caches may keep some errors, such as a 404, without being asked to (RFC 9110 section 15.1).
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status_code == 401 or isinstance(rejection, InsufficientScope):
        response.headers.setdefault("WWW-Authenticate", _challenge(state, rejection))
    if url is not None:
        # htmx follows redirects itself, and would put the login page into a part of this page.
        response.headers["HX-Redirect"] = url
    return response


def render_under_extensions(state: AppState, error: Exception) -> Response:
    """Return the response to *error* if a REST extension asks none of the program's handlers.

    :param error: as for :func:`render`
    """
    rejection = cast(JWTError, rejection_of(error))
    # A handler that reads error.response gets the usual one.
    rejection.renderer = partial(render, state)
    response = ask_program(state.app, error, lambda: render(state, error).status_code)
    return render(state, error) if response is None else response


_LOGGED_ALREADY = (LoginNotFound, StoreUnavailable)


def _log_rejection(state: AppState, reason: Exception, rejection: JWTError, status: int) -> None:
    """Log the reason of a rejection, and once per application where the reasons are."""
    message = _describe(reason, rejection, status)
    if logger.isEnabledFor(logging.INFO) or isinstance(rejection, _LOGGED_ALREADY):
        logger.info("%s", message)
    elif state.notices.first_time("a rejection"):
        logger.warning(
            "A request was rejected: %s. Other rejections are logged at the level INFO, which is "
            'off. To see them: logging.basicConfig(); logging.getLogger("flask_jwt")'
            '.setLevel("INFO")', message.rstrip("."),
        )  # fmt: skip


def _describe(reason: Exception, rejection: JWTError, status: int) -> str:
    message = f"{status} {reason}"
    if rejection.hint is not None:
        message = f"{message.rstrip('.')}. Hint: {rejection.hint}"
    # A description that a view has written may quote the request, which must not forge lines.
    return "".join(c if c.isprintable() else " " for c in message)


def _render_where_raised(error: JWTError) -> BaseResponse:
    try:
        state = app_state()
    except RuntimeError:  # no application context, or a ConfigError: the application has no JWT
        return json_response(error)
    return render_under_extensions(state, prepare_error(state, error))


# REST extensions don't call Flask's error handlers. They read the response from the error, so each
# error needs a renderer. Guards set one with prepare_error(). An error that a view raises has none,
# and is rendered by this function. errors.py can't set it, because it must not import modules that
# need an application.
JWTError.unbound_renderer = staticmethod(_render_where_raised)
JWTError.is_unhandled_in_restx = staticmethod(
    lambda error: is_unhandled_in_restx(current_context().app, error)
)


def _challenge(state: AppState, error: JWTError) -> str:
    parameters = {"realm": error.realm or state.settings.realm}
    if error.challenge is not None:
        parameters.update(error=error.challenge, error_description=str(error.description))
        if isinstance(error, ReauthenticationRequired) and error.max_age is not None:
            parameters["max_age"] = str(error.max_age)
        if isinstance(error, InsufficientScope) and error.scopes:
            parameters["scope"] = " ".join(error.scopes)
    quoted = ", ".join(f'{name}="{_escape_quoted(value)}"' for name, value in parameters.items())
    return f"{state.settings.scheme} {quoted}"


def _escape_quoted(value: str) -> str:
    # RFC 6750 section 3 allows only printable ASCII characters in error_description.
    printable = "".join(c for c in value if " " <= c <= "~")
    return printable.replace("\\", "\\\\").replace('"', '\\"')
