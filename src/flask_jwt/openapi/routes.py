"""Find the rules and the guards of an application, and keep them until it changes."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass

from werkzeug.routing import Rule

from .._web.app_state import AppState
from .._web.default_guard import find_exemptions
from .._web.route_table import RouteGuards, find_guards_of_rule
from .._web.views import OPEN_VIEWS
from .changes import Snapshot
from .paths import RuleIndex, to_openapi


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold what guards an HTTP method of a rule. Equal ones mostly are the same object.

    An application has few different ones, so few objects are read for a document of many routes.
    """

    method: str
    guards: RouteGuards | None
    """None if the rule has no view."""
    rule: Rule | None
    """The rule of an endpoint of this package, and otherwise None."""


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
        # By method first: a look into one of few dictionaries is faster than a tuple as the key.
        self._by_path: defaultdict[str, dict[str, Operation]] = defaultdict(dict)
        self._by_rule: dict[tuple[int, str], Operation] = {}
        self._distinct: dict[Operation, Operation] = {}

    def find(self, path: str, name: str) -> Operation | None:
        """Return the operation at a path of the application, or None.

        :param name: the HTTP method, as documents write it
        """
        known = self._by_path[name]
        operation = known.get(path)
        if operation is None:
            method = name.upper()
            rule = self.index.find(path, method)
            if rule is None:
                return None
            operation = self._find_operation(rule, method)
            # A document may name the parameters otherwise, and part of its paths may have been
            # sent by a client. So others than those of the rules aren't kept.
            if path == to_openapi(rule.rule):
                known[path] = operation
        return operation

    def _find_operation(self, rule: Rule, method: str) -> Operation:
        key = id(rule), method
        if key not in self._by_rule:
            # If another thread has found the same meanwhile, both use the same object.
            self._by_rule.setdefault(key, self._make_operation(rule, method))
        return self._by_rule[key]

    def _make_operation(self, rule: Rule, method: str) -> Operation:
        if rule.endpoint not in self._state.app.view_functions:
            return Operation(method, None, None)
        guards = find_guards_of_rule(self._state, self._exemptions, rule, method)
        if guards.access == "built in":
            return Operation(method, guards, rule)
        operation = Operation(method, guards, None)
        with suppress(TypeError):  # locations may be a list
            return self._distinct.setdefault(operation, operation)
        return operation


def get_routes(state: AppState) -> Routes:
    """Return the present routes of an application."""
    if state.routes is None or not state.routes[0].is_current():
        # In this order, so that a change meanwhile counts as one.
        snapshot = Snapshot(state)
        state.routes = snapshot, Routes(state)
    routes: Routes = state.routes[1]
    return routes
