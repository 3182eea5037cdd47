"""Define what ``flask jwt doctor`` reports."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(str, Enum):
    """The meaning of a finding for the program."""

    works = "works"
    differs = "differs"
    rejected = "rejected"


class Finding(NamedTuple):
    """A name, option or route that works, differs from the predecessor, or is rejected.

    :param where: file and line, option or route
    :param text: the description of what was found
    :param write: the line to write, or None if there is nothing to change
    """

    kind: Kind
    where: str
    text: str
    write: str | None = None
