"""What programs import from here: the manager, the loaded user, the JSON encoder."""

from typing import Any

from .. import _jwt
from .config import JSONEncoder as JSONEncoder


def get_jwt_manager() -> Any:
    """The current application's manager; a ConfigError if it has none."""
    return _jwt.handlers


def has_user_lookup() -> bool:
    """Whether there is a ``user_lookup_loader``."""
    return get_jwt_manager().user_lookup_callback is not None


def user_lookup(jwt_header: Any, jwt_data: Any) -> Any:
    """What the ``user_lookup_loader`` returns for these claims; None without one."""
    return _jwt.call("user_lookup_callback", jwt_header, jwt_data) if has_user_lookup() else None
