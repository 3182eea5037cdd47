"""Report each problem to the developer only once per application."""

from __future__ import annotations

import warnings


class Notices:
    """Remember which sentences have been reported."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def first_time(self, sentence: str) -> bool:
        """Return whether *sentence* has not been passed before, and remember it."""
        is_first = sentence not in self._seen
        self._seen.add(sentence)
        return is_first

    def warn(self, sentence: str) -> None:
        """Issue a warning about a mistake in the configuration, unless it was issued before."""
        if self.first_time(sentence):
            warnings.warn(sentence, UserWarning, stacklevel=4)
