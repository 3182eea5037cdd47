"""Find the rule of a path in an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.routing import Rule

from .document import Document, as_object

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


class Bases:
    """Hold the paths that those of one document may be relative to, the most probable first.

    The order is fixed. If it depended on the operations before, a document could describe the
    guards of ``/items`` as those of ``/api/items``, only because it has a ``/health`` outside.
    """

    def __init__(self, document: Document, rules: RuleIndex) -> None:
        bases = [*_list_bases(document), ""]
        # Some of it may be the prefix of a proxy, or SCRIPT_NAME, which rules don't contain.
        ends = {end for base in bases for end in _list_ends(base)}
        ordered = dict.fromkeys([*filter(None, bases), *sorted(ends, key=len, reverse=True)])
        self._declared = bases[0]
        self._rules = rules
        # A client may have sent the prefix, so its length must not multiply the time for each path.
        self._uses = {base: 0 for base in ordered if rules.has_below(base)}

    @property
    def base(self) -> str:
        """Return the path, in the application, that most paths of the document are relative to."""
        base = max(self._uses, key=self._uses.__getitem__)
        return base if self._uses[base] else self._declared

    def find(self, path: str, method: str) -> Rule | None:
        """Return the rule for a path of the document, or None."""
        for base in self._uses:
            if (rule := self._rules.find(base + path, method)) is not None:
                self._uses[base] += 1
                return rule
        return None


def _list_bases(document: Document) -> Iterator[str]:
    if document.is_swagger:
        yield str(document.root.get("basePath") or "").rstrip("/")
    servers: Any = document.root.get("servers")
    for server in servers if isinstance(servers, (list, tuple)) else ():
        yield _path_of_server(as_object(server))


def _path_of_server(server: Mapping[str, Any]) -> str:
    url = str(server.get("url", ""))
    for name, variable in as_object(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(as_object(variable).get("default", "")))
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def _list_ends(base: str) -> Iterator[str]:
    """Yield *base* and its ends: ``/app/api``, ``/api`` and an empty string."""
    while base:
        yield base
        _, slash, rest = base[1:].partition("/")
        base = slash + rest
    yield ""


def _shape(path: str) -> str:
    return _PARAMETER.sub("{}", path).rstrip("/")
