"""Respond to Flask-JWT-Extended's and PyJWT's exceptions, as Flask's error handler for them."""

from functools import partial
from typing import Any

from .._web.app_state import AppState
from .._web.responses import render
from ..errors import rejection_of


def handle_error(state: AppState, error: Exception) -> Any:
    """Return the response to *error*.

    An exception of PyJWT that the program raises is the program's own. As if this function weren't
    there, it goes to the program's handler for a base class, or becomes a server error.
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
