"""Find the guards of a view, whatever wraps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from inspect import getclosurevars, isclass, isfunction, ismethod
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakSet, ref

from flask import Flask
from flask.views import MethodView, http_method_funcs

from .._config.options import TokenLocation
from .._jose.grants import Requirement


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """The requirements of a guard: the arguments of :func:`jwt_required`."""

    realm: str | None = None
    optional: bool = False
    fresh: bool | timedelta = False
    refresh: bool = False
    locations: Sequence[TokenLocation] | None = None
    verify_type: bool = True
    skip_revocation_check: bool = False
    renew: bool = True
    issuers: Sequence[object] | None = None
    """The issuers whose tokens are accepted: strings and Issuer objects; None: all."""
    custom: str | None = None
    """The name of the function that :func:`guarded_by` calls; only it knows its requirements."""
    scopes: Requirement | None = None
    roles: Requirement | None = None

    @property
    def type(self) -> str | None:
        if not self.verify_type:
            return None
        return "refresh" if self.refresh else "access"

    @property
    def checks_session(self) -> bool:
        """Return whether the token of an ended session is rejected."""
        return not self.skip_revocation_check and not self.refresh

    @property
    def is_default(self) -> bool:
        """Return whether the guard requires an access token in the configured locations."""
        return self.verify_type and not self.refresh and not self.locations


class Guard(NamedTuple):
    """Describe a guard; it is an attribute of the function that guards a view."""

    admit: Callable[[], object]
    options: GuardOptions
    # functools.wraps() copies the attribute, so it has to say which function it is about.
    function: ReferenceType[object]


_GUARD = "_jwt_guard"

#: The functions that a guard was put on. They are compared with the registered ones at the first
#: request. An application that is no longer used must not be kept alive, so it holds no function.
_guarded_functions: WeakSet[object] = WeakSet()


def mark_as_guard(function: object, admit: Callable[[], object], options: GuardOptions) -> None:
    """Record that *function* calls *admit* first, which *options* describe."""
    setattr(function, _GUARD, Guard(admit, options, ref(function)))


def remember_guarded(view: object) -> None:
    """Record that a guard was put on *view*, for :func:`find_bypassed_guards`."""
    # Flask-RESTful decorates bound methods with method_decorators at each request.
    if not ismethod(view):
        _guarded_functions.update(filter(isfunction, unwrap(view)))


def is_guard(view: object) -> bool:
    """Return whether *view* itself is a guard, so that nothing runs before it."""
    function = view.__func__ if ismethod(view) else view
    guard = _get_guard(function)
    return guard is not None and guard.function() is function


def _get_guard(function: object) -> Guard | None:
    guard: Guard | None = getattr(function, "__dict__", {}).get(_GUARD)
    return guard


def guards_of(view: object, method: str) -> tuple[GuardOptions, ...]:
    """Return the options of the guards of *view* for the HTTP method, the outermost first."""
    return tuple(guard.options for guard in find_guards(view, method))


def find_guards(view: object, method: str) -> list[Guard]:
    """Return the guards of *view* for the HTTP method, the outermost first."""
    guards: dict[int, Guard] = {}
    for layer in list_layers(view, method):
        if (guard := _get_guard(layer)) is not None:
            guards.setdefault(id(guard), guard)
    return list(guards.values())


def list_layers(view: object, method: str) -> Iterator[Any]:
    """Yield *view*, what it wraps, and for a class-based view the class and what runs of it."""
    owner = None
    for layer in unwrap(view):
        yield from _list_decorators_of_apiflask(layer)
        yield layer
        # A mock or a proxy has every attribute, so what it has may be anything.
        if owner is None and isclass(candidate := getattr(layer, "view_class", None)):
            owner = candidate
    if owner is None:
        return
    yield owner
    yield from unwrap(getattr(owner, "dispatch_request", None))
    name = method.lower()
    # Flask calls get() for HEAD if the class has no head().
    if name == "head" and not hasattr(owner, name):
        name = "get"
    # Flask-RESTful and Flask-RESTX decorate a method each time that they call it.
    decorators = getattr(owner, "method_decorators", ())
    yield from decorators.get(name, ()) if isinstance(decorators, dict) else decorators
    if issubclass(owner, MethodView):
        yield from unwrap(getattr(owner, name, None))


def _list_decorators_of_apiflask(layer: object) -> Iterator[Any]:
    """Yield what APIFlask decorates its own views with each time that it calls them."""
    if isfunction(layer) and layer.__module__ == "apiflask.app":
        names = getclosurevars(layer).nonlocals
        if isinstance(option := names.get("config_name"), str):  # such as DOCS_DECORATORS
            yield from names["self"].config.get(option) or ()


CLASS_MEMBERS = ("dispatch_request", "method_decorators", *sorted(http_method_funcs))
"""What :func:`list_layers` reads of a view class, in which the guards of its views are."""


def find_view_class(view: object) -> type | None:
    """Return the class of a class-based view, whatever wraps it, or None."""
    # A mock or a proxy has every attribute, so what it has may be anything.
    classes = (getattr(layer, "view_class", None) for layer in unwrap(view))
    return next(filter(isclass, classes), None)


def unwrap(view: object) -> Iterator[object]:
    """Yield *view* and the functions that it wraps, the innermost last."""
    # Bounded, because an object may have every attribute, and so always one more __wrapped__.
    for _ in range(_MOST_WRAPPERS):
        if view is None:
            return
        yield view
        if isinstance(view, partial):
            view = view.func
        elif ismethod(view) or isinstance(view, (staticmethod, classmethod)):
            view = view.__func__
        else:
            view = getattr(view, "__wrapped__", get_call(view))


_MOST_WRAPPERS = 64


def get_call(view: object) -> Callable[..., Any] | None:
    """Return the ``__call__`` that the class of the object *view* defines, or None."""
    call = getattr(type(view), "__call__", None)  # noqa: B004  the function itself is needed
    return call if isfunction(call) else None


def find_bypassed_guards(app: Flask) -> Iterator[str]:
    """Yield the endpoints of views that were registered without the guard that was put on them.

    A guard above the route decorator guards nothing: the route decorator has registered the
    function before. A function that is also registered with its guard is open on purpose.
    """
    # Not split: it walks once over all layers of all views, before the first request only.
    endpoints: dict[int, str] = {}
    guarded: set[int] = set()
    for endpoint, view in app.view_functions.items():
        for method in getattr(view, "methods", None) or ["GET"]:
            is_guarded = False
            for layer in list_layers(view, method):
                if is_guarded:
                    guarded.add(id(layer))
                elif isfunction(layer) and layer in _guarded_functions:
                    endpoints.setdefault(id(layer), endpoint)
                is_guarded = is_guarded or _get_guard(layer) is not None
    reported = {endpoint for function, endpoint in endpoints.items() if function not in guarded}
    yield from sorted(reported)
