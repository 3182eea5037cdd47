"""Notice changes of an application after which other guards may apply to a rule."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_

from .._web.app_state import AppState
from .._web.default_guard import find_exemptions
from .._web.guarded_views import CLASS_MEMBERS, find_view_class


class Snapshot:
    """Hold what the guards of an application were found in.

    Objects are compared by identity: two that are equal, such as rules of one path, may have other
    guards. They are kept here, because a new object could have the id of one that is gone.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        found = map(find_view_class, list(state.app.view_functions.values()))
        classes = {id(cls): cls for cls in found if cls is not None}.values()
        self._members = [
            (cls, name) for cls in classes for name in CLASS_MEMBERS if hasattr(cls, name)
        ]
        containers = [getattr(cls, "method_decorators", ()) for cls in classes]
        self._decorators = list({id(one): one for one in containers}.values())
        self._objects = self._list_objects()
        self._exempt = self._count_exemptions()

    def is_current(self) -> bool:
        """Return whether the application is still the same."""
        objects = self._list_objects()
        return (
            len(objects) == len(self._objects)
            and all(map(is_, objects, self._objects))
            and self._count_exemptions() == self._exempt
        )

    def _list_objects(self) -> list[object]:
        app = self._state.app
        objects: list[object] = [self._state.settings, app.config.get("APPLICATION_ROOT")]
        objects += app.url_map.iter_rules()
        objects += app.view_functions
        objects += app.view_functions.values()
        for name, hooks in app.before_request_funcs.items():
            objects += [name, *hooks]
        for name, blueprint in app.blueprints.items():
            objects += [name, blueprint, blueprint.has_static_folder]
        objects.append(app.has_static_folder)
        objects += [getattr(cls, name, None) for cls, name in self._members]
        for decorators in self._decorators:
            objects += _list_decorators(decorators)
        return objects

    def _count_exemptions(self) -> int | None:
        exemptions = find_exemptions(self._state.app)
        return None if exemptions is None else exemptions.count


def _list_decorators(decorators: object) -> Iterator[object]:
    """Yield the ``method_decorators`` of a view class, with the methods if they differ."""
    if isinstance(decorators, dict):
        for method, functions in decorators.items():
            yield method
            yield from functions
    elif isinstance(decorators, (list, tuple)):
        yield from decorators
