"""List every route of an application with what guards it, for ``flask jwt routes``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Literal, NamedTuple

from flask import Flask
from werkzeug.routing import Rule

from .app_state import AppState
from .default_guard import (
    Exemptions,
    Target,
    find_exemptions,
    is_open,
    is_static,
    list_blueprints,
    verify_unless_exempt,
)
from .guarded_views import GuardOptions, find_bypassed_guards, guards_of, list_layers
from .views import OPEN_VIEWS

Access = Literal["open", "optional", "guarded", "by default", "exempt", "static", "built in"]

_VERIFIERS = frozenset({"verify_jwt_in_request", "_jwt_required"})


class Route(NamedTuple):
    """Describe one rule, with those of its methods that have the same guards."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str
    access: Access
    """Who may call the route:

    - ``open``: everyone
    - ``optional``: everyone, but no one with an invalid token
    - ``guarded``: clients that meet the requirements
    - ``by default``: clients with a valid token, by ``JWT_REQUIRED_BY_DEFAULT``
    - ``exempt``: everyone, by ``jwt.exempt`` or because it is the login page
    - ``static``: everyone, because it is Flask's view of static files
    - ``built in``: an endpoint of this package, which verifies what it needs
    """
    is_bypassed: bool
    """Whether a guard stands above the route decorator, and guards nothing."""
    requirements: tuple[str, ...]

    @property
    def is_open_by_mistake(self) -> bool:
        """Return whether nothing says that the route is meant to be open."""
        return self.is_bypassed or self.access == "open"


def list_routes(state: AppState) -> list[Route]:
    """Return the routes of the application, in the order of its URL map."""
    exemptions = find_exemptions(state.app)
    bypassed = set(find_bypassed_guards(state.app))
    routes: list[Route] = []
    for rule in state.app.url_map.iter_rules():
        alike: dict[tuple[Access, tuple[str, ...]], list[str]] = {}
        for method in _methods_of(rule):
            alike.setdefault(_describe(state, exemptions, rule, method), []).append(method)
        endpoint = rule.endpoint
        routes += [
            Route(rule.rule, tuple(methods), endpoint, access, endpoint in bypassed, requirements)
            for (access, requirements), methods in alike.items()
        ]
    return routes


def _methods_of(rule: Rule) -> Sequence[str]:
    methods = set(rule.methods or {"GET"}) - {"OPTIONS"}
    # Flask calls the view for GET for HEAD requests, too.
    if "GET" in methods:
        methods.discard("HEAD")
    return sorted(methods) or ["OPTIONS"]


class RouteGuards(NamedTuple):
    """Hold the guards of a rule for one HTTP method."""

    access: Access
    options: tuple[GuardOptions, ...] = ()
    """The options of each guard; also those of the guard by default."""
    needs_csrf_proof: bool = False
    """Whether a request with a cookie must prove that a page of this application sent it."""


def find_guards_of_rule(
    state: AppState, exemptions: Exemptions | None, rule: Rule, method: str
) -> RouteGuards:
    """Return what guards *rule*, for the table of routes and for OpenAPI documents.

    :param exemptions: the result of :func:`find_exemptions`
    """
    app, endpoint = state.app, rule.endpoint
    view = app.view_functions.get(endpoint)
    if view in OPEN_VIEWS:
        return RouteGuards("built in")
    guards = (*_guards_of_requests(app, endpoint, method), *_guards_of_view(view, method))
    access: Access
    if guards:
        access = "optional" if all(guard.optional for guard in guards) else "guarded"
    else:
        access = _get_access_without_guards(state, exemptions, rule, method)
        guards = (GuardOptions(),) if access == "by default" else ()
    return RouteGuards(access, guards, _needs_csrf_proof(state, guards, method))


def _describe(
    state: AppState, exemptions: Exemptions | None, rule: Rule, method: str
) -> tuple[Access, tuple[str, ...]]:
    """Return who may call a rule with a method, and what is required of them."""
    guards = find_guards_of_rule(state, exemptions, rule, method)
    requirements = [name for options in guards.options for name in _list_requirements(options)]
    if guards.needs_csrf_proof:
        requirements.append("CSRF")
    return guards.access, tuple(dict.fromkeys(requirements))


def _get_access_without_guards(
    state: AppState, exemptions: Exemptions | None, rule: Rule, method: str
) -> Access:
    if is_static(state, rule.endpoint):
        return "static"
    if exemptions is None:
        return "open"
    return "exempt" if _is_exempt(state, exemptions, rule, method) else "by default"


def _is_exempt(state: AppState, exemptions: Exemptions, rule: Rule, method: str) -> bool:
    root = state.app.config["APPLICATION_ROOT"].rstrip("/")
    target = Target(rule, method, (rule.rule, root + rule.rule))
    return is_open(state, exemptions, target, state.app.view_functions.get(rule.endpoint))


def _guards_of_requests(app: Flask, endpoint: str, method: str) -> Iterator[GuardOptions]:
    """Yield the guards among the ``before_request`` functions for an endpoint."""
    for name in [None, *list_blueprints(endpoint)]:
        for function in app.before_request_funcs.get(name, ()):
            yield from _guards_of_view(function, method)


def _guards_of_view(view: object, method: str) -> list[GuardOptions]:
    guards = list(guards_of(view, method))
    if guards:
        return guards
    name = _find_call_of_verifier(view, method)
    # What the function requires, and when, can't be seen from outside.
    return [] if name is None else [GuardOptions(custom=name)]


def _find_call_of_verifier(view: object, method: str) -> str | None:
    """Return the name of the view, or of a decorator, that calls ``verify_jwt_in_request`` itself.

    :returns: None if there is none
    """
    for layer in list_layers(view, method):
        code = getattr(layer, "__code__", None)
        if not isinstance(code, CodeType) or layer is verify_unless_exempt:
            continue
        if not _VERIFIERS.isdisjoint(code.co_names):
            # A decorator that uses functools.wraps has the name of the view, except here.
            return str(getattr(code, "co_qualname", code.co_name))  # Python 3.11
    return None


def _list_requirements(guard: GuardOptions) -> Iterator[str]:
    if guard.custom is not None:
        yield f"by {guard.custom}()"
    if guard.refresh:
        yield "refresh token"
    elif not guard.verify_type:
        yield "token of any type"
    if guard.fresh is True:
        yield "fresh"
    elif guard.fresh is not False:
        yield f"login at most {guard.fresh} ago"
    for requirement in (guard.scopes, guard.roles):
        if requirement is not None:
            yield str(requirement).removeprefix("the ")
    if guard.locations:
        yield f"in {', '.join(guard.locations)}"
    if guard.skip_revocation_check:
        yield "revoked tokens too"


def _needs_csrf_proof(state: AppState, guards: Sequence[GuardOptions], method: str) -> bool:
    if not guards:
        return False
    settings = state.settings
    reads_cookies = any("cookies" in (guard.locations or settings.locations) for guard in guards)
    return reads_cookies and settings.csrf_protect and method in settings.csrf_methods
