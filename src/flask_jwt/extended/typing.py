"""Define the types of arguments, under Flask-JWT-Extended's names."""

from datetime import timedelta
from typing import Any

from .._config.options import TokenLifetime
from ._imported_names import imported_names

ExpiresDelta = TokenLifetime
Fresh = bool | float | timedelta
Claims = dict[str, Any] | None


__getattr__ = imported_names(__name__)
