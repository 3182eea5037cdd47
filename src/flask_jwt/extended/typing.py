"""Define the types of arguments, under Flask-JWT-Extended's names."""

from datetime import timedelta
from typing import Any

from .._config.options import TokenLifetime

ExpiresDelta = TokenLifetime
Fresh = bool | float | timedelta
Claims = dict[str, Any] | None
