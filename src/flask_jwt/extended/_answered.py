"""Keep Flask-RESTful and Flask-RESTX from turning Flask-JWT-Extended's exceptions into a 500.

Where one of them would, an exception is an instance of a subclass of the same name, which has its
response ready. Everywhere else the classes are Flask-JWT-Extended's and PyJWT's themselves.
"""

from functools import cache
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException

from .._web.context import app_state
from .._web.responses import render_under_extensions
from .._web.rest_extensions import find_failing_api, is_restx
from ..errors import InstanceStatus


def answered_class(error_class: Any) -> Any:
    """Return *error_class*, or its subclass for the REST extension of the current request."""
    try:
        app = app_state().app
    except RuntimeError:  # no application context, or an application without a manager
        return error_class
    if issubclass(error_class, (_InRestful, _InRestx)):
        return error_class
    api = find_failing_api(app, error_class)
    return error_class if api is None else _make_subclass(error_class, is_restx(api))


class _InRestful(HTTPException):
    """Hold a response, which Flask-RESTful sends."""

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)  # that of HTTPException changes the arguments

    __str__ = Exception.__str__
    __repr__ = Exception.__repr__

    # A program's own Api may read these attributes.

    code: Any = InstanceStatus()

    @property
    def status_code(self) -> int:
        return self.response.status_code

    @property
    def description(self) -> str:  # type: ignore[override]
        return str(self)

    @property
    def response(self) -> Response:  # type: ignore[override]
        made: Response | None = self.__dict__.get("_response")
        if made is None:
            made = self._response = render_under_extensions(app_state(), self)
        return made


class _InRestx(Exception):
    """Pass a response on to Flask."""

    # No HTTPException, which an @api.errorhandler(HTTPException) would get.

    @property
    def data(self) -> Any:
        """Raise the response, as :func:`flask.abort` does.

        Flask-RESTX reads this attribute if it has found no handler for the exception.
        """
        raise HTTPException(response=render_under_extensions(app_state(), self))


@cache
def _make_subclass(error_class: Any, is_for_restx: bool) -> Any:
    names = {name: getattr(error_class, name) for name in ("__module__", "__qualname__", "__doc__")}
    base = _InRestx if is_for_restx else _InRestful
    return type(error_class.__name__, (error_class, base), names)
