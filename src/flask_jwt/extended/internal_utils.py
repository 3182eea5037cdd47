"""What programs import from here: the manager, the loaded user, the JSON encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from flask import json as flask_json

from .._context import app_state

if TYPE_CHECKING:
    from .jwt_manager import JWTManager


class JSONEncoder(json.JSONEncoder):
    """Write what the JSON provider of the current application writes."""

    def default(self, o: Any) -> Any:
        return json.loads(flask_json.dumps(o))


def get_jwt_manager() -> JWTManager:
    """Return the manager of the current application.

    :raises ConfigError: if it has none
    """
    return cast("JWTManager", app_state().handlers)


def has_user_lookup() -> bool:
    """Return whether there is a ``user_lookup_loader``."""
    return get_jwt_manager()._user_lookup_callback is not None


def user_lookup(jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:
    """Return the user that the ``user_lookup_loader`` finds for a token; None without a loader."""
    lookup = get_jwt_manager()._user_lookup_callback
    return None if lookup is None else app_state().call(lookup, jwt_header, jwt_data)
