"""Deny by default: ``JWT_REQUIRED_BY_DEFAULT`` guards each view that says nothing else."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import request

from ._app_state import AppState
from ._context import app_state
from ._guard import is_guarded, verify_jwt_in_request

View = TypeVar("View", bound=Callable[..., Any])

_EXEMPT = "_jwt_is_exempt"
_ANSWERS_OPTIONS = "provide_automatic_options"


def exempt(view: View) -> View:
    """Mark *view* as open to everybody."""
    setattr(view, _EXEMPT, True)
    return view


def guard_by_default() -> Any:
    """Before each request: verify it, unless its view is exempt or guards itself.

    What isn't there (404, 405) is told to everybody, and so is what Flask says to ``OPTIONS``.
    """
    if request.endpoint is None:
        return None
    state = app_state()
    view = state.app.view_functions.get(request.endpoint)
    places = [view, *_class_places(view)]
    if any(_is_exempt(place) or is_guarded(place) for place in places):
        return None
    if _is_static(state, request.endpoint) or _is_login_page(state):
        return None
    if request.method == "OPTIONS":
        return _options_answer(state, view)
    return verify_jwt_in_request()


def _options_answer(state: AppState, view: Any) -> Any:
    """Flask's, in place of a view that takes ``OPTIONS`` itself: it might do what it does for
    ``GET``. A decorator that answers for the view, as Flask-CORS's does, says so on it."""
    is_flask_s = getattr(request.url_rule, _ANSWERS_OPTIONS, False)
    if is_flask_s or getattr(view, _ANSWERS_OPTIONS, None) is False:
        return None
    return state.app.make_default_options_response()


def _is_exempt(place: Any) -> bool:
    # A class that inherits from an open one has not been called open itself.
    return bool(vars(place).get(_EXEMPT) if isclass(place) else getattr(place, _EXEMPT, False))


def _is_static(state: AppState, endpoint: str) -> bool:
    """Whether it is Flask's own view of static files, and not one that is called ``static``."""
    owner, _, name = endpoint.rpartition(".")
    place = state.app.blueprints.get(owner) if owner else state.app
    return name == "static" and place is not None and place.has_static_folder


def _class_places(view: Any) -> list[Any]:
    """The class of a class-based view, and its method for this request."""
    owner = getattr(view, "view_class", None)
    if owner is None:
        return []
    method = request.method.lower()
    handler = getattr(owner, method, None)
    return [owner, getattr(owner, "get", None) if handler is None and method == "head" else handler]


def _is_login_page(state: AppState) -> bool:
    page = state.settings.login_view
    if page is None or not page.startswith("/"):
        return page == request.endpoint
    path = urlsplit(page).path
    return path in (request.path, request.root_path + request.path)
