"""Types of arguments."""

from datetime import timedelta
from typing import Literal

ExpiresDelta = timedelta | Literal[False]
Fresh = bool | float | timedelta
