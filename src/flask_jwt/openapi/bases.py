"""Find what the paths of an OpenAPI document are relative to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .document import Document, as_object
from .routes import Operation, Routes


class Bases:
    """Hold the paths that those of one document may be relative to, the most probable first.

    The order is fixed. If it depended on the operations before, a document could describe the
    guards of ``/items`` as those of ``/api/items``, only because it has a ``/health`` outside.
    """

    def __init__(self, document: Document, routes: Routes) -> None:
        bases = [*_list_bases(document), ""]
        # Some of it may be the prefix of a proxy, or SCRIPT_NAME, which rules don't contain.
        ends = {end for base in bases for end in _list_ends(base)}
        ordered = dict.fromkeys([*filter(None, bases), *sorted(ends, key=len, reverse=True)])
        self._declared = bases[0]
        self._routes = routes
        # A client may have sent the prefix, so its length must not multiply the time for each path.
        self._uses = {base: 0 for base in ordered if routes.index.has_below(base)}

    @property
    def base(self) -> str:
        """Return the path, in the application, that most paths of the document are relative to."""
        base = max(self._uses, key=self._uses.__getitem__)
        return base if self._uses[base] else self._declared

    def find(self, path: str, name: str) -> Operation | None:
        """Return the operation of a path of the document, or None.

        :param name: the HTTP method, as documents write it
        """
        for base in self._uses:
            operation = self._routes.find(base + path, name)
            if operation is not None:
                self._uses[base] += 1
                return operation
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
