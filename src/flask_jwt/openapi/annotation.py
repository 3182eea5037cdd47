"""Write what guards each operation into an OpenAPI document."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from .._web.context import app_state
from .._web.route_table import RouteGuards
from .bases import Bases
from .document import OBJECT_TYPES, Document, JSONObject, as_object
from .endpoints import Endpoints, complete
from .errors import ErrorResponses
from .paths import to_openapi
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


class _Description:
    """Hold the description of guards, and add it to the operations that they guard.

    There are few of them in a document of many operations, so what is the same for all of those is
    prepared here. Lists are copied for each operation, because the caller may change one of them.
    """

    def __init__(
        self,
        security: Sequence[SecurityRequirement],
        extensions: JSONObject,
        sentences: Iterable[str],
        responses: Mapping[str, JSONObject],
    ) -> None:
        self._security = security
        self._extensions = extensions
        self._sentences = tuple(dict.fromkeys(sentences))
        self._text = " ".join(self._sentences)
        # YAML reads an unquoted 401 as a number.
        self._responses = [(name, int(name), response) for name, response in responses.items()]

    def add_to(self, operation: Mapping[str, Any]) -> JSONObject:
        """Return *operation* with what it lacks of this description."""
        annotated = dict(operation)
        if self._security and "security" not in annotated:
            annotated["security"] = self._copy_security()
        for name, value in self._extensions.items():
            choices = [list(one) if isinstance(one, list) else one for one in value]
            annotated.setdefault(name, choices)
        if self._text:
            written = annotated.get("description")
            annotated["description"] = self._add_text(str(written)) if written else self._text
        responses: dict[Any, Any] = dict(as_object(annotated.get("responses")))
        annotated["responses"] = responses
        for name, status, response in self._responses:
            if name not in responses and status not in responses:
                responses[name] = response
        return annotated

    def _copy_security(self) -> list[SecurityRequirement]:
        # Loops, because before Python 3.12 each comprehension takes as long as a call.
        security = []
        for requirement in self._security:
            copy = requirement.copy()
            for name, scopes in requirement.items():
                copy[name] = scopes.copy()
            security.append(copy)
        return security

    def _add_text(self, written: str) -> str:
        added = " ".join(sentence for sentence in self._sentences if sentence not in written)
        return f"{written}\n\n{added}" if added else written


class _Annotation:
    """Annotate one document."""

    def __init__(self, document: Mapping[str, Any], app: Flask) -> None:
        self._state = state = app_state(app)
        self._document = Document(document)
        self._routes = get_routes(state)
        self._bases = Bases(self._document, self._routes)
        self._settings = state.settings
        self._schemes = SecuritySchemes(self._document, self._settings)
        self._errors = ErrorResponses(self._document, state, self._settings)
        self._endpoints = Endpoints(
            self._document, state, self._settings, self._schemes, self._errors
        )
        self._inherited = document.get("security")
        """The author's ``security`` for all operations without one."""
        self._descriptions: dict[int, _Description] = {}
        """The description of the guards of an operation, by the id of the object."""
        self._found: set[tuple[str, str]] = set()
        """The rules of this package's endpoints that the document has, with their methods."""

    def run(self, *, endpoints: bool) -> JSONObject:
        root = self._document.root
        paths: JSONObject = dict(as_object(root.get("paths")))
        for path, item in paths.items():
            if isinstance(item, OBJECT_TYPES):
                paths[path] = self._annotate_item(str(path), item)
        if endpoints:
            self._add_endpoints(paths)
        if paths or "paths" in root:
            root["paths"] = paths
        return root

    def _annotate_item(self, path: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        annotated = dict(item)
        for name, written in item.items():
            if name not in _METHODS or not isinstance(written, OBJECT_TYPES):
                continue
            operation = self._bases.find(path, name)
            if operation is None or operation.guards is None:
                self._warn(path, name.upper())
            elif operation.guards.options:
                # By identity, because a comparison of all options would take longer than the rest.
                description = self._descriptions.get(id(operation))
                if description is None:
                    description = self._describe(operation.guards, operation.method)
                    self._descriptions[id(operation)] = description
                annotated[name] = description.add_to(written)
            elif operation.rule is not None:
                annotated[name] = self._complete(operation.rule, operation.method, written, item)
        return annotated

    def _complete(
        self, rule: Rule, method: str, written: Mapping[str, Any], item: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the operation of an endpoint of this package with what it lacks."""
        self._found.add((rule.rule, method))
        own = self._endpoints.describe(rule, method)
        return written if own is None else complete(written, own, item)

    def _describe(self, guards: RouteGuards, method: str) -> _Description:
        is_listed = self._document.is_json_schema
        security = self._schemes.require(guards.options, method)
        return _Description(
            () if self._inherited else security,
            list_extensions(guards.options, lists_scopes=is_listed),
            list_sentences(guards.options, self._settings),
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
