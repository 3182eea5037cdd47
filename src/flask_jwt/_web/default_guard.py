"""Deny by default: guard each view that is not exempt, and report guards that guard nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from inspect import isclass, ismethod
from typing import NamedTuple

from flask import Blueprint, Flask, Response, request
from flask.views import View
from werkzeug.routing import Rule

from ..errors import SchemeUnsupported, TokenMissing
from .app_state import AppState
from .context import request_state
from .foreign_tokens import check_handlers, find_unknown_issuers
from .guard import admit_request, verify_jwt_in_request
from .guarded_views import Guard, find_bypassed_guards, find_guards, is_guard, list_layers
from .redirects import is_login_page, list_request_paths, report_guarded_login_view

logger = logging.getLogger("flask_jwt")

_AUTOMATIC_OPTIONS = "provide_automatic_options"


class Exemptions:
    """Hold what is exempt from ``JWT_REQUIRED_BY_DEFAULT``.

    Nothing is marked on the functions themselves: another application may use them too.
    """

    def __init__(self, views: Iterable[object]) -> None:
        # With the objects, whose ids could otherwise become those of others.
        self._views: dict[tuple[int, int], object] = {}
        self._endpoints: set[str] = set()
        self._blueprints: list[Blueprint] = []
        for view in views:
            self.add(view)

    def add(self, target: object) -> None:
        """Exempt a function, a bound method, a view class, a blueprint or an endpoint.

        :raises TypeError: if *target* is none of them
        """
        if isinstance(target, str):
            self._endpoints.add(target)
        elif isinstance(target, Blueprint):
            self._blueprints.append(target)
        elif issubclass(target, View) if isclass(target) else _is_view(target):
            self._views[_key_of(target)] = target
        else:
            raise TypeError(
                "jwt.exempt takes a view function, a bound method, a view class, a blueprint or "
                f"the name of an endpoint, not {target!r}"
            )

    def include(self, app: Flask, endpoint: str, view: object, method: str) -> bool:
        """Return whether *view*, called with the HTTP method at *endpoint*, is exempt."""
        if endpoint in self._endpoints:
            return True
        # By name, because one blueprint may be registered several times, nested or not.
        if any(app.blueprints.get(name) in self._blueprints for name in list_blueprints(endpoint)):
            return True
        return any(_key_of(layer) in self._views for layer in list_layers(view, method))

    @property
    def count(self) -> int:
        """Return the number of exemptions, none of which is ever removed."""
        return len(self._views) + len(self._endpoints) + len(self._blueprints)

    def list_unused(self, app: Flask) -> Iterator[str]:
        """Yield the endpoints and blueprints that *app* doesn't have."""
        for endpoint in sorted(self._endpoints.difference(app.view_functions)):
            yield f"the endpoint {endpoint!r}"
        registered = list(app.blueprints.values())
        for blueprint in self._blueprints:
            if blueprint not in registered:
                yield f"the blueprint {blueprint.name!r}"


def list_blueprints(endpoint: str) -> list[str]:
    """Return the names of the blueprints of *endpoint*, the outermost first."""
    *names, _ = endpoint.split(".")
    return [".".join(names[: n + 1]) for n in range(len(names))]


class Target(NamedTuple):
    """What a request asks for, so that no request is needed to ask whether it is open."""

    rule: Rule
    method: str
    paths: tuple[str, ...]
    """The paths that may be that of ``JWT_LOGIN_VIEW``."""


def _is_view(target: object) -> bool:
    return callable(target) and not isinstance(target, Flask)


def _key_of(view: object) -> tuple[int, int]:
    # Each access to a bound method makes a new object. One method of one object is exempt, because
    # the same method of another object, such as a second Api, may show something else.
    return (id(view.__self__), id(view.__func__)) if ismethod(view) else (id(view), 0)


def verify_unless_exempt(state: AppState, exemptions: Exemptions) -> Response | None:
    """Verify the current request, unless its view is exempt or is a guard itself.

    404 and 405 responses are not guarded, nor are Flask's own responses to ``OPTIONS``.
    """
    if request.url_rule is None:
        return None
    view = state.app.view_functions.get(request.url_rule.endpoint)
    target = Target(request.url_rule, request.method, list_request_paths())
    if is_guard(view) or is_open(state, exemptions, target, view):
        return None
    guards = find_guards(view, request.method)
    if not guards and request.method in state.profile.exempt_methods:
        return state.app.make_default_options_response()
    try:
        for guard in guards:
            _verify_ahead(guard)
        if not guards:
            verify_jwt_in_request()
    except (TokenMissing, SchemeUnsupported):
        if request.method != "OPTIONS":
            raise
        return state.app.make_default_options_response()
    return None


def find_exemptions(app: Flask) -> Exemptions | None:
    """Return what is exempt from the guard by default; None if *app* has no such guard."""
    for hook in app.before_request_funcs.get(None, ()):
        if isinstance(hook, partial) and hook.func is verify_unless_exempt:
            exemptions: Exemptions = hook.args[1]
            return exemptions
    return None


def is_open(state: AppState, exemptions: Exemptions, target: Target, view: object) -> bool:
    """Return whether the guard by default lets everyone in to *view*, the view of *target*."""
    if target.method == "OPTIONS" and _responds_to_options(target.rule, view):
        return True
    endpoint = target.rule.endpoint
    return (
        exemptions.include(state.app, endpoint, view, target.method)
        or is_static(state, endpoint)
        or is_login_page(state, target.rule, target.paths)
    )


def _verify_ahead(guard: Guard) -> None:
    """Do what *guard* does, because something around it, such as a cache, runs before it.

    When the guard itself is called, it doesn't verify the request again.
    """
    admit_request(guard.admit)
    current = request_state()
    if current is not None:
        current.verified_ahead = guard.options


def _responds_to_options(rule: Rule, view: object) -> bool:
    """Return whether Flask, or a decorator such as Flask-CORS's, responds without the view."""
    if getattr(rule, _AUTOMATIC_OPTIONS, False):
        return True
    # A decorator that responds adds OPTIONS to the required_methods of the function. A view that
    # lists OPTIONS among its own methods is called, so it needs a token.
    is_decorated = hasattr(view, "__wrapped__") and not hasattr(view, "view_class")
    adds_options = "OPTIONS" in getattr(view, "required_methods", ())
    return is_decorated and adds_options and getattr(view, _AUTOMATIC_OPTIONS, None) is False


def is_static(state: AppState, endpoint: str) -> bool:
    """Return whether *endpoint* is Flask's own view of static files."""
    owner, _, name = endpoint.rpartition(".")
    scaffold = state.app.blueprints.get(owner) if owner else state.app
    if name != "static" or scaffold is None or not scaffold.has_static_folder:
        return False
    # A blueprint with a static folder always registers its own view. An application registers one
    # only if its folder is known from the start; otherwise "static" may be a view of the program.
    view = state.app.view_functions[endpoint]
    return bool(owner or getattr(view, "__module__", None) == Flask.__module__)


def check_views_at_first_request(state: AppState, exemptions: Exemptions) -> None:
    """Report views that are open by mistake, once, when all views have been registered."""
    app = state.app

    @app.before_request
    def check() -> None:
        # A new list, because Flask is iterating over the old one. It replaces the old one in one
        # step: a request of another thread must never find the guard missing. Later requests pay
        # nothing.
        others = [hook for hook in app.before_request_funcs.get(None, ()) if hook is not check]
        if others:
            app.before_request_funcs[None] = others
        else:
            app.before_request_funcs.pop(None, None)
        if state.notices.first_time("views checked"):
            _check_views(state, exemptions)
            check_handlers(state)


def _check_views(state: AppState, exemptions: Exemptions) -> None:
    for endpoint in find_bypassed_guards(state.app):
        logger.error(
            "The view %r is registered without its guard: @jwt_required() stands above the route "
            "decorator, which has registered the function before. Put @app.route above "
            "@jwt_required().", endpoint,
        )  # fmt: skip
    for endpoint, name in find_unknown_issuers(state):
        logger.error(
            "The guard of the view %r accepts tokens of the issuer %s, which is none of "
            "JWT_ISSUERS; check its name.", endpoint, name,
        )  # fmt: skip
    view = state.app.view_functions.get(state.settings.login_view or "")
    if any(not guard.options.optional for guard in find_guards(view, "GET")):
        report_guarded_login_view(state)
    if state.settings.required_by_default:
        for target in exemptions.list_unused(state.app):
            logger.error(
                "jwt.exempt was called with %s, which this application doesn't have.", target
            )
