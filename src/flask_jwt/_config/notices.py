"""What an application's developer is told, once for each application."""

from __future__ import annotations

import warnings


class Notices:
    """Remembers which sentences were reported already."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def first_time(self, sentence: str) -> bool:
        """Return whether *sentence* is new, and remember it."""
        is_first = sentence not in self._seen
        self._seen.add(sentence)
        return is_first

    def warn(self, sentence: str) -> None:
        """Warn of a fault in the set-up that the developer should correct."""
        if self.first_time(sentence):
            warnings.warn(sentence, UserWarning, stacklevel=4)
