"""What programs import from here: the manager, the loaded user, the JSON encoder."""

from __future__ import annotations

import json
from typing import Any

from flask import json as flask_json

from .. import ConfigError, _jwt


class JSONEncoder(json.JSONEncoder):
    """Writes what the current application's JSON provider writes."""

    def default(self, o: Any) -> Any:
        return json.loads(flask_json.dumps(o))


def get_jwt_manager() -> Any:
    """The current application's manager.

    :raises ConfigError: if it has none
    """
    try:
        return _jwt.handlers
    except KeyError:
        raise ConfigError(
            "You must initialize a JWTManager with this flask application before using this method"
        ) from None


def has_user_lookup() -> bool:
    """Whether there is a ``user_lookup_loader``."""
    return get_jwt_manager()._user_lookup_callback is not None


def user_lookup(jwt_header: Any, jwt_data: Any) -> Any:
    """What the ``user_lookup_loader`` returns for these claims; None without one."""
    return _jwt.call("_user_lookup_callback", jwt_header, jwt_data) if has_user_lookup() else None
