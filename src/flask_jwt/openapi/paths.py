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
        self._rules: dict[str, list[tuple[str, Rule]]] = {}
        for rule in app.url_map.iter_rules():
            if not rule.websocket and not rule.build_only:
                path = to_openapi(rule.rule)
                self._rules.setdefault(_shape(path), []).append((path, rule))

    def find(self, path: str, method: str) -> Rule | None:
        """Return the rule for a path of the application and an HTTP method, or None."""
        rules = [
            (own_path, rule)
            for own_path, rule in self._rules.get(_shape(path), ())
            if rule.methods is None or method in rule.methods
        ]
        # Rules of one shape differ in their converters. The names distinguish them.
        exact = [rule for own_path, rule in rules if own_path == path]
        return exact[0] if exact else rules[0][1] if rules else None


class Bases:
    """Hold the paths that those of a document may be relative to, the most probable first."""

    def __init__(self, document: Document) -> None:
        bases = [*dict.fromkeys(_list_bases(document)), ""]
        # Some of it may be the prefix of a proxy, or SCRIPT_NAME, which rules don't contain.
        self.all = tuple(dict.fromkeys(end for base in bases for end in _list_ends(base)))

    @property
    def base(self) -> str:
        """Return the path that the paths of the document are relative to, in the application."""
        return self.all[0]

    def find(self, rules: RuleIndex, path: str, method: str) -> Rule | None:
        """Return the rule for a path of the document, or None."""
        for base in self.all:
            if (rule := rules.find(base + path, method)) is not None:
                self.all = (base, *(other for other in self.all if other != base))
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
