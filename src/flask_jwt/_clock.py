"""The one clock of an application."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Tells the time to everything in one application that needs it.

    Keep the clock and call :attr:`now` or :attr:`monotonic` at each use: a test replaces both
    attributes while the application runs.

    :param now: returns seconds since the epoch
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.monotonic: Callable[[], float] = time.monotonic
        """Returns seconds that never go backwards, except where a test replaces it."""
