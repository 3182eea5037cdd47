"""Write what guards each operation into an OpenAPI document."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flask import Flask

from .._web.context import app_state
from .._web.route_table import RouteGuards
from .document import Document, JSONObject, as_object, is_object
from .endpoints import Endpoints, complete
from .errors import ErrorResponses
from .paths import Bases, to_openapi
from .routes import get_routes
from .security import SecurityRequirement, SecuritySchemes, list_extensions, list_sentences

logger = logging.getLogger("flask_jwt")

# Not options: Flask responds to these without the view.
_METHODS = frozenset({"get", "put", "post", "delete", "head", "patch", "trace", "query"})


def annotate(document: Mapping[str, Any], app: Flask, *, endpoints: bool = True) -> dict[str, Any]:
    """Return an OpenAPI document with the guards of the views that it describes.

    Each guarded operation gets its ``security``, and the responses of its guards. What the author
    has written is left as it is::

        document = annotate(yaml.safe_load(Path("openapi.yaml").read_text()), app)

    :param document: OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0; it isn't changed
    :param app: the application, whose views have all been registered
    :param endpoints: False to leave out the endpoints of this package that *document* lacks
    :raises ConfigError: if the application has no JWT
    """
    return _Annotation(document, app).run(endpoints=endpoints)


class _Description(NamedTuple):
    """Hold the description of the guards of an operation."""

    security: list[SecurityRequirement]
    extensions: JSONObject
    sentences: tuple[str, ...]
    responses: dict[str, JSONObject]


class _Annotation:
    """Annotate one document."""

    def __init__(self, document: Mapping[str, Any], app: Flask) -> None:
        self._state = state = app_state(app)
        self._document = Document(document)
        self._routes = get_routes(state)
        self._bases = Bases(self._document, self._routes.index)
        self._settings = state.settings
        self._schemes = SecuritySchemes(self._document, self._settings)
        self._errors = ErrorResponses(self._document, state)
        self._endpoints = Endpoints(self._document, state, self._schemes, self._errors)
        self._inherited = document.get("security")
        """The author's ``security`` for all operations without one."""
        self._descriptions: dict[tuple[int, str], _Description] = {}
        self._found: set[tuple[str, str]] = set()
        """The rules of this package's endpoints that the document has, with their methods."""

    def run(self, *, endpoints: bool) -> JSONObject:
        root = self._document.root
        paths: JSONObject = dict(as_object(root.get("paths")))
        for path, item in paths.items():
            if is_object(item):
                paths[path] = self._annotate_item(str(path), item)
        if endpoints:
            self._add_endpoints(paths)
        if paths or "paths" in root:
            root["paths"] = paths
        return root

    def _annotate_item(self, path: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        annotated = dict(item)
        for method, operation in item.items():
            if method in _METHODS and is_object(operation):
                annotated[method] = self._annotate_operation(path, method.upper(), item, operation)
        return annotated

    def _annotate_operation(
        self, path: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        rule = self._bases.find(path, method)
        if rule is None or rule.endpoint not in self._state.app.view_functions:
            self._warn(path, method)
            return operation
        guards = self._routes.find_guards(rule, method)
        if guards.access == "built in":
            self._found.add((rule.rule, method))
            own = self._endpoints.describe(rule, method)
            return operation if own is None else complete(operation, own, item)
        if not guards.options:
            return operation
        # By identity, because a comparison of all options would take longer than all the rest.
        description = self._descriptions.get((id(guards), method))
        if description is None:
            description = self._descriptions[id(guards), method] = self._describe(guards, method)
        return _add_guards(operation, description, has_security=bool(self._inherited))

    def _describe(self, guards: RouteGuards, method: str) -> _Description:
        is_listed = self._document.is_json_schema
        return _Description(
            self._schemes.require(guards.options, method),
            list_extensions(guards.options, lists_scopes=is_listed),
            tuple(dict.fromkeys(list_sentences(guards.options, self._settings))),
            self._errors.of_guards(guards.options, guards.needs_csrf_proof),
        )

    def _add_endpoints(self, paths: JSONObject) -> None:
        """Add those endpoints of this package that the document doesn't describe yet."""
        base = self._bases.base
        for rule, method in self._routes.own:
            if (rule.rule, method) in self._found:
                continue
            path = to_openapi(rule.rule)
            more: JSONObject = {}
            if path.startswith(f"{base}/"):
                path = path.removeprefix(base)
            elif self._document.is_swagger:
                continue  # all its paths are below basePath
            else:
                more = {"servers": [{"url": "/"}]}
            operation = self._endpoints.describe(rule, method)
            if operation is not None:
                paths[path] = {**more, **as_object(paths.get(path)), method.lower(): operation}

    def _warn(self, path: str, method: str) -> None:
        if self._state.notices.first_time(f"openapi {method} {path}"):
            logger.warning(
                "The OpenAPI document describes %s %s, for which this application has no view, so "
                "it doesn't say what guards it.", method, path,
            )  # fmt: skip


def _add_guards(
    operation: Mapping[str, Any], own: _Description, *, has_security: bool
) -> JSONObject:
    """Add what *operation* lacks of a description.

    :param has_security: whether the author has written ``security`` for the whole document
    """
    annotated = dict(operation)
    if own.security and "security" not in annotated and not has_security:
        annotated["security"] = [
            {name: list(scopes) for name, scopes in one.items()} for one in own.security
        ]
    for name, value in own.extensions.items():
        choices = [list(one) if isinstance(one, list) else one for one in value]
        annotated.setdefault(name, choices)
    if own.sentences:
        written = str(annotated.get("description") or "")
        annotated["description"] = _add_sentences(written, own.sentences)
    responses: dict[Any, Any] = dict(as_object(annotated.get("responses")))
    annotated["responses"] = responses
    for status, response in own.responses.items():
        # YAML reads an unquoted 401 as a number.
        if status not in responses and int(status) not in responses:
            responses[status] = response
    return annotated


def _add_sentences(description: str, sentences: Sequence[str]) -> str:
    added = " ".join(sentence for sentence in sentences if sentence not in description)
    return f"{description}\n\n{added}" if description and added else description or added
