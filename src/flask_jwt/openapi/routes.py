"""Find the rules and the guards of an application, and keep them until it changes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from werkzeug.routing import Rule

from .._web.app_state import AppState
from .._web.default_guard import find_exemptions
from .._web.route_table import RouteGuards, find_guards_of_rule
from .._web.views import OPEN_VIEWS
from .paths import RuleIndex


class Routes:
    """Hold what documents of an application need of its rules.

    Most of the time for a document would otherwise go into finding the same guards again.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._exemptions = find_exemptions(state.app)
        self.index = RuleIndex(state.app)
        self.own = [
            (rule, method)
            for rule in state.app.url_map.iter_rules()
            if state.app.view_functions.get(rule.endpoint) in OPEN_VIEWS
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        ]
        """The rules of this package's endpoints, with each of their HTTP methods."""
        self._guards: dict[tuple[int, str], RouteGuards] = {}
        self._distinct: dict[RouteGuards, RouteGuards] = {}

    def find_guards(self, rule: Rule, method: str) -> RouteGuards:
        """Return what guards *rule*. Rules with equal guards mostly have the same object."""
        known = self._guards.get((id(rule), method))
        if known is None:
            guards = find_guards_of_rule(self._state, self._exemptions, rule, method)
            with suppress(TypeError):  # locations may be a list
                guards = self._distinct.setdefault(guards, guards)
            known = self._guards[id(rule), method] = guards
        return known


def get_routes(state: AppState) -> Routes:
    """Return the present routes of an application."""
    snapshot = _take_snapshot(state)
    if state.routes is None or state.routes[0] != snapshot:
        state.routes = snapshot, Routes(state)
    routes: Routes = state.routes[1]
    return routes


def _take_snapshot(state: AppState) -> tuple[Any, ...]:
    """Return what is different after a change of a rule, a view or a guard."""
    app = state.app
    exemptions = find_exemptions(app)
    return (
        list(app.url_map.iter_rules()),
        dict(app.view_functions),
        {name: list(hooks) for name, hooks in app.before_request_funcs.items()},
        None if exemptions is None else exemptions.count,
        state.settings,
    )
