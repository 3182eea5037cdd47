"""Measure how long something takes, without the time in which this machine stood still."""

from __future__ import annotations

import threading
import time

BEAT = 0.02
"""Seconds for which a thread sleeps that does nothing else."""
LATE = 0.1
"""Seconds after which it has woken up again, unless the process got no processor."""


class Stopwatch:
    """Tell the time, within a ``with`` block, by a clock that stands still when the machine does.

    A virtual machine may stop for seconds, and a busy one lets a process wait. A thread that sleeps
    for short times notices both. What a test measures, such as the wait for a store, a lock or a
    sleep, stops no other thread, and is counted. A wait in C that keeps the GIL would not be.
    """

    def __enter__(self):
        self._ended = threading.Event()
        self._beat_at = time.monotonic()
        self._lost = 0.0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _beat(self):
        while not self._ended.wait(BEAT):
            self.now()

    def now(self):
        """Return seconds, of which only differences have a meaning."""
        with self._lock:
            now = time.monotonic()
            if now - self._beat_at > LATE:
                self._lost += now - self._beat_at
            self._beat_at = now
            return now - self._lost
