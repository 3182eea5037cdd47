"""Parse ``JWT_LOGIN_LIMITS``, which has the notation of the library ``limits``."""

from __future__ import annotations

import re

from ..errors import ConfigError
from ..stores._counters import DAY, Window

_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": DAY,
    "month": 30 * DAY,
    "year": 360 * DAY,
}

_LIMIT = re.compile(r"\s*([0-9]+)\s*(?:/|per)\s*([0-9]*)\s*([a-z]+)\s*", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,;|]")


def parse_limits(notation: str) -> list[Window]:
    """Return the windows of a notation such as ``10/minute; 100/hour``.

    :raises ConfigError: if the notation is invalid
    """
    try:
        return [_parse_limit(part) for part in _parts(notation)]
    except ValueError:
        raise ConfigError(
            f"JWT_LOGIN_LIMITS: {notation!r} is invalid; write it like '10/minute; 100/hour'"
        ) from None


def _parts(notation: str) -> list[str]:
    *parts, last = _SEPARATOR.split(notation)
    # The library also accepts ":;" and ":," as separators.
    return [*(part.removesuffix(":") for part in parts), last]


def _parse_limit(part: str) -> Window:
    match = _LIMIT.fullmatch(part)
    if match is None:
        raise ValueError
    amount, multiple, unit = match.groups()
    name = unit.lower()
    seconds = _SECONDS.get(name) or _SECONDS.get(name.removesuffix("s"))
    if seconds is None:
        raise ValueError
    return Window(int(amount), seconds * (int(multiple or 1) or 1))
