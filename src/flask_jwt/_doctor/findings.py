"""Define what ``flask jwt doctor`` reports."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(str, Enum):
    """What a finding means for the program."""

    works = "works"
    differs = "differs"
    rejected = "rejected"


class Finding(NamedTuple):
    """One thing that works, differs from the predecessor, or stops the program or its users.

    :param where: file and line, option or route
    :param text: what is there
    :param write: the line to write, or None if there is nothing to change
    """

    kind: Kind
    where: str
    text: str
    write: str | None = None
