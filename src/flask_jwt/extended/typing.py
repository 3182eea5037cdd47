"""Types of arguments."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

ExpiresDelta = timedelta | Literal[False]
Fresh = bool | float | timedelta
Claims = Mapping[str, Any] | None
