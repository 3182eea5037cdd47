"""Respond to Flask-JWT-Extended's and PyJWT's exceptions, as Flask's error handler for them."""

from functools import partial
from typing import Any

from .._web.app_state import AppState
from .._web.responses import render
from ..errors import rejection_of


def handle_error(state: AppState, error: Exception) -> Any:
    """Return the response to *error*.

    A PyJWT exception that the program itself raises is left to the program: its handler for a base
    class is called, or the exception becomes a server error.
    """
    if rejection_of(error) is not None:
        return render(state, error)
    handlers = state.app.error_handler_spec[None][None]
    for error_class in type(error).__mro__:
        handler = handlers.get(error_class)
        if handler is not None and not _is_this(handler):
            return state.app.ensure_sync(handler)(error)
    raise error


def _is_this(handler: object) -> bool:
    return isinstance(handler, partial) and handler.func is handle_error
