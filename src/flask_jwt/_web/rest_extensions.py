"""Find out which of the program's error handlers Flask-RESTful or Flask-RESTX asks.

Both put an ``Api.error_router`` in front of ``app.handle_user_exception``. For their own endpoints
it makes the response:

- An exception that is no HTTPException is passed on to Flask if exceptions propagate
  (``PROPAGATE_EXCEPTIONS``, debug mode, tests). Otherwise Flask's handlers are not asked, and it
  becomes a 500, unless the program has an entry in ``Api(errors=...)`` or an ``@api.errorhandler``.
- Flask-RESTful sends the response of an HTTPException that has one, and asks no handler.

Neither package is imported; their ``Api`` is recognized by its attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, has_request_context, request

from ..errors import JWTError


def find_api(app: Flask) -> Any:
    """Return the ``Api`` that handles errors of the current request, or None."""
    rule = request.url_rule if has_request_context() else None
    handle: Any = app.handle_user_exception
    while rule is not None and isinstance(handle, partial) and handle.args:
        api: Any = getattr(handle.func, "__self__", None)
        if hasattr(api, "owns_endpoint") and api.owns_endpoint(rule.endpoint):
            return api
        handle = handle.args[0]
    return None


def find_failing_api(app: Flask, error_class: type[Exception]) -> Any:
    """Return the ``Api`` that would turn an *error_class* into a 500, or None.

    :param error_class: a class of exceptions that are no HTTPExceptions
    """
    api = find_api(app)
    if api is None or _propagates(app):
        return None
    if is_restx(api):
        is_handled = api._default_error_handler or _has_handler(api, error_class)
    else:
        is_handled = "status" in api.errors.get(error_class.__name__, {})
    return None if is_handled else api


def is_restx(api: Any) -> bool:
    """Return whether *api* is Flask-RESTX's; otherwise it is Flask-RESTful's."""
    return hasattr(api, "error_handlers")


def is_unhandled_in_restx(app: Flask, error: Exception) -> bool:
    """Return whether Flask-RESTX makes the response to *error* without the program's handlers."""
    api = find_api(app)
    return api is not None and is_restx(api) and not _has_handler(api, type(error))


def ask_program(app: Flask, error: Any, usual_status: Callable[[], int]) -> Response | None:
    """Return the response of the program's handler that would be asked if *error* had none.

    :param error: an exception for which the ``Api`` itself asks no handler
    :param usual_status: returns the status if the handler says none
    :returns: None if there is no such handler
    """
    api = find_api(app)
    if api is None:
        return None
    if _propagates(app):
        # Flask's own method; that of the object leads to error_router.
        return app.make_response(type(app).handle_user_exception(app, error))
    if is_restx(api):
        return _ask_default_handler(app, api, error, usual_status)
    return _use_entry(api, error, usual_status)


def _propagates(app: Flask) -> bool:
    propagate = app.config.get("PROPAGATE_EXCEPTIONS")
    return app.testing or app.debug if propagate is None else bool(propagate)


def _has_handler(api: Any, error_class: type[Exception]) -> bool:
    holders = (api, *api.namespaces)
    return any(issubclass(error_class, tuple(holder.error_handlers)) for holder in holders)


def _ask_default_handler(
    app: Flask, api: Any, error: Exception, usual_status: Callable[[], int]
) -> Response | None:
    """Return the response of the ``@api.errorhandler`` for all exceptions, as Flask-RESTX does."""
    if api._default_error_handler is None:
        return None
    result = api._default_error_handler(error)
    body, *rest = result if isinstance(result, tuple) else (result,)
    if app.config.get("ERROR_INCLUDE_MESSAGE", True) and isinstance(body, dict):
        body.setdefault("message", str(error))
    response: Response = api.make_response(body, *(rest or [usual_status()]))
    return response


def _use_entry(api: Any, error: Exception, usual_status: Callable[[], int]) -> Response | None:
    """Return the response that ``Api(errors=...)`` describes, as Flask-RESTful does."""
    # Flask-JWT had one class for all errors, so programs name that one.
    names = [each.__name__ for each in type(error).__mro__ if issubclass(each, JWTError)]
    names = names or [type(error).__name__]
    entry = next((api.errors[name] for name in names if name in api.errors), None)
    if entry is None:
        return None
    status = entry["status"] if "status" in entry else usual_status()
    response: Response = api.make_response({"message": str(error), **entry}, status)
    return api.unauthorized(response) if status == 401 else response
