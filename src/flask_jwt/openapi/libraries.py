"""Annotate the documents that libraries generate. None of the libraries is imported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask

from .._web.context import app_state
from ..errors import ConfigError
from .annotation import annotate

logger = logging.getLogger("flask_jwt")

Annotate = Callable[[Any, Flask | None], Any]
"""Annotates a document of an application; None stands for the current one."""

_TESTED = {
    "apiflask": "APIFlask 3.1.2",
    "flask_openapi3": "flask-openapi3 4.3.2",
    "flask_restx": "Flask-RESTX 1.3.2",
    "flask_smorest": "flask-smorest 0.47.0",
    "spectree": "spectree 3.0.0",
}


def secure(api: Any, *, endpoints: bool = True) -> None:
    """Annotate each document that *api* generates, as :func:`annotate` does::

        app = APIFlask(__name__)
        secure(app)

    Call it before or after the views are registered.

    :param api: an ``APIFlask`` or a ``flask_openapi3.OpenAPI`` application, a
        ``flask_smorest.Api``, a ``flask_restx.Api`` or a ``spectree.SpecTree``
    :param endpoints: False to leave out the endpoints of this package
    :raises TypeError: if *api* is none of them
    :raises ConfigError: if this version of the library generates its documents otherwise
    """

    def annotate_safely(document: Any, app: Flask | None) -> Any:
        # A page of documentation must not fail because something can't be described.
        try:
            return annotate(document, app or app_state().app, endpoints=endpoints)
        except Exception:
            logger.exception("Could not write the guards into an OpenAPI document")
            return document

    for owner in type(api).__mro__:
        library = owner.__module__.partition(".")[0]
        hook = _HOOKS.get((library, owner.__name__))
        if hook is not None:
            hook(api, library, annotate_safely)
            return
    raise TypeError(
        "secure() takes an APIFlask or flask_openapi3.OpenAPI application, a flask_smorest.Api, a "
        f"flask_restx.Api or a spectree.SpecTree, not {type(api).__name__}. For a document of any "
        "other library, write: document = annotate(document, app)"
    )


def _wrap(owner: Any, name: str, library: str, convert: Callable[[Any], Any]) -> None:
    """Make the method *name* of *owner* return what *convert* returns for its result."""
    method = getattr(owner, name, None)
    if not callable(method):
        raise _unknown_version(owner, name, library)
    if hasattr(method, _IS_WRAPPED):
        return

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return convert(method(*args, **kwargs))

    setattr(wrapped, _IS_WRAPPED, True)
    setattr(owner, name, wrapped)


_IS_WRAPPED = "_flask_jwt_openapi"


def _unknown_version(owner: Any, name: str, library: str) -> ConfigError:
    return ConfigError(
        f"flask_jwt.openapi.secure() can't annotate the documents of this version of {library}: "
        f"{type(owner).__name__} has no {name}. It was tested with {_TESTED[library]}; install "
        "that version, or call annotate(document, app) with the document."
    )


def _secure_apiflask(app: Any, library: str, annotate: Annotate) -> None:
    def annotate_spec(spec: Any) -> Any:
        # Before the author's spec_processor, so that its changes are kept.
        _wrap(spec, "to_dict", library, lambda document: annotate(document, app))
        return spec

    _wrap(app, "_generate_spec", library, annotate_spec)


def _secure_flask_openapi3(app: Any, library: str, annotate: Annotate) -> None:
    def annotate_json(_: None) -> None:
        app.spec_json = annotate(app.spec_json, app)

    _wrap(app, "generate_spec_json", library, annotate_json)


def _secure_flask_smorest(api: Any, library: str, annotate: Annotate) -> None:
    def annotate_spec(_: None) -> None:
        app = api._app
        _wrap(api.spec, "to_dict", library, lambda document: annotate(document, app))

    _wrap(api, "_init_spec", library, annotate_spec)  # called by each init_app()
    if api.spec is not None:
        annotate_spec(None)


def _secure_spectree(api: Any, library: str, annotate: Annotate) -> None:
    _wrap(api, "_generate_spec", library, lambda document: annotate(document, None))


def _secure_flask_restx(api: Any, library: str, annotate: Annotate) -> None:
    base = type(api)
    if hasattr(base, _IS_WRAPPED):
        return
    schema: Any = getattr(base, "__schema__", None)
    if not hasattr(schema, "__get__"):
        raise _unknown_version(api, "__schema__", library)
    latest: list[Any] = [None, None]

    def get_schema(self: Any) -> Any:
        document = schema.__get__(self, base)
        if "paths" not in document:  # RESTX could not generate it, and says so
            return document
        if latest[0] is not document:
            latest[:] = document, annotate(document, None)
        return latest[1]

    # Python reads properties from the class, so this object gets another class.
    members = {"__schema__": property(get_schema), _IS_WRAPPED: True, "__module__": base.__module__}
    api.__class__ = type(base.__name__, (base,), members)


_HOOKS: dict[tuple[str, str], Callable[[Any, str, Annotate], None]] = {
    ("apiflask", "APIFlask"): _secure_apiflask,
    ("flask_openapi3", "OpenAPI"): _secure_flask_openapi3,
    ("flask_restx", "Api"): _secure_flask_restx,
    ("flask_smorest", "Api"): _secure_flask_smorest,
    ("spectree", "SpecTree"): _secure_spectree,
}
