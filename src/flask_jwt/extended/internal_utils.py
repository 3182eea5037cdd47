"""Provide what programs import from Flask-JWT-Extended's module of this name."""

import json
from typing import Any

from flask import json as flask_json

from .._jose.claims import Claims, Header
from .._web.context import app_state


class JSONEncoder(json.JSONEncoder):
    """Write what the JSON provider of the current application writes."""

    def default(self, o: object) -> Any:
        # The provider only returns strings; json needs the value that the string stands for.
        return json.loads(flask_json.dumps(o))


def get_jwt_manager() -> Any:
    """Return the manager of the current application.

    :raises ConfigError: if it has none
    """
    return app_state().handlers


def has_user_lookup() -> bool:
    """Return whether there is a ``user_lookup_loader``."""
    return get_jwt_manager()._user_lookup_callback is not None


def user_lookup(jwt_header: Header, jwt_data: Claims) -> Any:
    """Return the user that the ``user_lookup_loader`` finds for a token; None without a loader."""
    lookup = get_jwt_manager()._user_lookup_callback
    return None if lookup is None else app_state().call(lookup, jwt_header, jwt_data)
