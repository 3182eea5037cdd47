"""Define what ``flask jwt doctor`` reports."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(str, Enum):
    """Distinguish what findings mean for the program."""

    works = "works"
    differs = "differs"
    rejected = "rejected"


class Finding(NamedTuple):
    """Report a name, option or route that works, differs from the predecessor, or is rejected.

    :param where: file and line, option or route
    :param text: the description of what was found
    :param write: the line to write, or None if there is nothing to change
    """

    kind: Kind
    where: str
    text: str
    write: str | None = None
