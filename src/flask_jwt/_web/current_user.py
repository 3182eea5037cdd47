"""The user of the current request, under the names that Flask-JWT gave it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.local import LocalProxy

from .context import current_context, current_request_context, request_state
from .replaceable import package

if TYPE_CHECKING:
    from flask.ctx import RequestContext


def _current_identity() -> Any:
    stack = package._request_ctx_stack
    if stack is not _request_ctx_stack:
        return getattr(stack.top, "current_identity", None)
    state = request_state()
    try:
        context = current_request_context()
    except RuntimeError:
        return None
    if hasattr(context, "current_identity") and context.app is current_context().app:
        return context.current_identity
    return None if state is None else state.identity


class _RequestContextTop:
    """Provide what Flask-JWT's ``_request_ctx_stack.top`` had: the user, as ``current_identity``.

    All other attributes are those of Flask's request context.
    """

    def __init__(self, context: RequestContext) -> None:
        super().__setattr__("_context", context)

    def __getattr__(self, name: str) -> Any:
        return _current_identity() if name == "current_identity" else getattr(self._context, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._context, name, value)


class _RequestContextStack:
    """Stand in for the stack that Flask had until version 2.2, and that Flask-JWT imported."""

    @property
    def top(self) -> _RequestContextTop | None:
        try:
            return _RequestContextTop(current_request_context())
        except RuntimeError:
            return None


_request_ctx_stack = _RequestContextStack()


def get_template_context() -> dict[str, object]:
    """Return the variables of every template.

    ``current_identity`` is the user here rather than a proxy, because a proxy is never ``None`` for
    Jinja's test ``is none``.
    """
    return {"current_identity": _current_identity()}


class UserProxy(LocalProxy[Any]):
    """Stand for the user of the current request, and say why there is none if one is needed."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        user = self._get_current_object()
        try:
            return getattr(user, name)
        except AttributeError as error:
            if user is not None:
                raise
            raise AttributeError(f"{error}. {_explain_no_user()}", name=name, obj=None) from None

    def __getitem__(self, key: Any) -> Any:
        user = self._get_current_object()
        try:
            return user[key]
        except TypeError as error:
            if user is not None:
                raise
            raise TypeError(f"{error}. {_explain_no_user()}") from None

    def __iter__(self) -> Iterator[Any]:
        user = self._get_current_object()
        if user is None:
            raise TypeError(f"'NoneType' object is not iterable. {_explain_no_user()}")
        return iter(user)


# Python and Flask name the class of an object that can't be a mapping or JSON, so the name says
# what to do instead.
UserProxy.__name__ = (
    "LocalProxy (current_identity or current_user; use its fields, such as current_identity['id'])"
)


def _explain_no_user() -> str:
    if request_state() is None:
        return (
            "No guard has verified this request, so it has no user: put @jwt_required() on the "
            "view, below the route decorator"
        )
    return "The request has no token, which the guard allows (optional=True): check for None first"


current_identity: Any = UserProxy(_current_identity)
"""The user of the current request, as ``identity_handler`` returned it; None without a token.

Without an ``identity_handler`` it is the id in the token. It is a proxy, so compare it with ``==``
rather than ``is``, and write ``if not current_identity`` to find out whether there is a user.
An application that has identified the user itself can set ``request_ctx.current_identity``, which
holds until a guard verifies the request::

    @app.get("/profile")
    @jwt_required(optional=True)
    def profile():
        if not current_identity:
            return {"name": "guest"}
        return {"name": current_identity["name"]}
"""
