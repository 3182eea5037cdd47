"""Provide the time of an application."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Provide the time for all code of one application.

    Keep the clock itself, and call :attr:`now` or :attr:`monotonic` each time the time is needed,
    because a test may replace both attributes while the application runs.

    :param now: returns seconds since the epoch
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.monotonic: Callable[[], float] = time.monotonic
        """Returns seconds that never decrease, unless a test replaces this function."""
        self.system: Callable[[], float] = time.time
        """Returns the time of this machine, which is compared with the times of other machines. It
        differs from :attr:`now` if a test has replaced that function."""
