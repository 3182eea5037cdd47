"""Find the rule of a path in an OpenAPI document."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Rule

# As Werkzeug splits a rule: <converter(arguments):name>.
_VARIABLE = re.compile(r"<(?:[a-zA-Z_]\w*(?:\(.*?\))?:)?([a-zA-Z_]\w*)>")
_PARAMETER = re.compile(r"\{[^{}]*\}")


def to_openapi(rule: str) -> str:
    """Return a rule of Werkzeug as a path of OpenAPI: ``/orders/{id}`` for ``/orders/<int:id>``."""
    return _VARIABLE.sub(r"{\1}", rule)


class RuleIndex:
    """Find rules by the shape of their paths, because a document may name parameters otherwise."""

    def __init__(self, app: Flask) -> None:
        self._exact: dict[tuple[str, str], Rule] = {}
        self._rules: dict[str, list[Rule]] = {}
        self._beginnings = {""}
        for rule in app.url_map.iter_rules():
            if not rule.websocket and not rule.build_only:
                path = to_openapi(rule.rule)
                shape = _shape(path)
                for method in rule.methods or ():
                    self._exact.setdefault((path, method), rule)
                self._rules.setdefault(shape, []).append(rule)
                while shape not in self._beginnings:
                    self._beginnings.add(shape)
                    shape = shape.rpartition("/")[0]

    def has_below(self, base: str) -> bool:
        """Return whether a rule may begin with *base*."""
        return _shape(base) in self._beginnings

    def find(self, path: str, method: str) -> Rule | None:
        """Return the rule for a path of the application and an HTTP method, or None."""
        # Rules of one shape differ in their converters. The names distinguish them.
        exact = self._exact.get((path, method))
        if exact is not None:
            return exact
        for rule in self._rules.get(_shape(path), ()):
            if rule.methods is None or method in rule.methods:
                return rule
        return None


def _shape(path: str) -> str:
    return _PARAMETER.sub("{}", path).rstrip("/")
