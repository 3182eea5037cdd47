"""Types of arguments."""

from datetime import timedelta
from typing import Any, Literal

ExpiresDelta = timedelta | Literal[False]
Fresh = bool | float | timedelta
Claims = dict[str, Any] | None
