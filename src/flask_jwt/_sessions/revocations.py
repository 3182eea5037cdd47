"""Know which sessions were revoked recently, so that access tokens need no database query."""

from __future__ import annotations

import os
from collections import deque
from threading import Condition, Lock

from .._clock import Clock
from ..errors import StoreUnavailable, TokenRevoked
from ..stores import SessionStore
from ..stores._deadline import time_limit

EARLY_WAIT = 0.1
"""Seconds for which a request waits for a poll that is not required yet."""

AHEAD = 60.0
"""Seconds by which the clock of the server that issued a token may be ahead of this one."""

_BUCKETS = 4
_RETRY_AFTER = 1.0
"""Seconds after a failed poll in which the store isn't polled again."""

_READ_FOR = 0.03
"""The most seconds for which a request reads revocations, unless it needs them all. The next
requests read the others."""

_START_OVER_AFTER = 600.0
"""Seconds without a poll after which the feed is read from the beginning of the interval that
counts. The store may have been restored from a backup meanwhile."""


class Revocations:
    """Hold the ids of recently revoked sessions, at most *staleness* seconds behind the store.

    Once the lifetime of an access token has passed since a revocation, the session has no valid
    access token left, so its id is dropped. Ids are held as integers, which take less memory than
    strings, in a few sets, one for each interval of time. Whole sets are dropped, without iterating
    over their members.

    No time of day is compared here, because the clocks of servers differ: the feed has the order of
    the store, and ids are dropped by the time that has passed since they were read.

    :param lifetime: the longest time in seconds for which an access token is accepted
    :param staleness: the maximum age of the last poll in seconds. If it is older, all requests wait
        for a new poll. From half of this age on, one request polls and the others don't wait
    :param overlap: seconds; more than a revocation takes between getting its place in the feed and
        being committed. Each poll reads again what was new within these seconds
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        lifetime: float,
        staleness: float,
        clock: Clock,
        overlap: float = 15.0,
    ) -> None:
        self._store = store
        self.lifetime = lifetime
        self.staleness = staleness
        self.overlap = overlap
        self._clock = clock
        self._bucket_seconds = max(1.0, lifetime / _BUCKETS)
        self._buckets: dict[int, set[int]] = {}
        self._polled_at = float("-inf")
        self._tried_at = float("-inf")
        self._poll_began_at: float | None = None
        """When the poll that a request has left to the next one began."""
        self._position: int | None = None
        """The place in the feed of the next page."""
        self._ends: deque[tuple[float, int]] = deque()
        """The time of each poll within the overlap, and the place that it reached."""
        self._polling_time = 0.0
        """Seconds for which this process has polled, without pauses and outages."""
        self._lock = Lock()
        self._polled = Condition(self._lock)
        self._poller: int | None = None
        """The process in which a thread polls, or None."""

    def check(self, sid: str) -> None:
        """Reject the access token of a revoked session.

        :raises TokenRevoked: if the session *sid* was revoked
        :raises StoreUnavailable: if no poll has succeeded for longer than the staleness
        """
        age = self._clock.monotonic() - self._polled_at
        # Polling at half of the staleness has two advantages: under steady traffic no request waits
        # for another's poll, and a failed poll can be repeated before requests have to be rejected.
        # The age is negative if a test has replaced the clock; then a poll is required.
        if not 0 <= age * 2 < self.staleness:
            self._poll(is_required=not 0 <= age < self.staleness)
        number = int(sid, 16)
        for revoked in self._buckets.values():
            if number in revoked:
                raise TokenRevoked(ended_sid=sid)

    def add(self, sid: str) -> None:
        """Add a session that this process has revoked, without waiting for the next poll."""
        self._insert([sid])

    def __len__(self) -> int:
        return len(set().union(*self._buckets.values()))

    def _insert(self, sids: list[str]) -> None:
        numbers = [int(sid, 16) for sid in sids]
        bucket = int(self._clock.monotonic() // self._bucket_seconds)
        with self._lock:
            if bucket not in self._buckets:
                # The dict is replaced, not changed: other threads iterate over it without the lock.
                self._buckets = {**self._buckets, bucket: set()}
            self._buckets[bucket].update(numbers)

    def _poll(self, *, is_required: bool) -> None:
        # One thread polls, and nothing is locked meanwhile. Until a poll is required, the other
        # threads use what is cached.
        if not self._begin_poll(is_required=is_required):
            return
        try:
            now = self._clock.monotonic()
            is_required = not 0 <= now - self._polled_at < self.staleness
            try:
                if is_required:
                    self._read_feed(is_required=True)
                else:
                    # The request goes on with what is cached rather than wait for a store that
                    # hangs. A store that always takes longer is polled when it is required.
                    with time_limit(EARLY_WAIT):
                        self._read_feed(is_required=False)
            except StoreUnavailable:
                self._tried_at = now
                if is_required:
                    raise
        finally:
            with self._polled:
                self._poller = None
                self._polled.notify_all()

    def _begin_poll(self, *, is_required: bool) -> bool:
        """Return whether this thread is to poll; if another one does, wait if it is required.

        :raises StoreUnavailable: if a poll is required, and one has just failed
        """
        with self._polled:
            if self._is_polling():
                if not is_required:
                    return False
                # The poll itself is limited.
                self._polled.wait_for(lambda: not self._is_polling())
            now = self._clock.monotonic()
            age = now - self._polled_at
            if 0 <= age * 2 < self.staleness:
                return False  # another thread has polled meanwhile
            if 0 <= now - self._tried_at < min(_RETRY_AFTER, self.staleness / 4):
                if not 0 <= age < self.staleness:
                    raise StoreUnavailable
                return False
            self._poller = os.getpid()
            return True

    def _is_polling(self) -> bool:
        # A thread that polled in the parent of a forked process doesn't exist here.
        return self._poller == os.getpid()

    def _read_feed(self, *, is_required: bool) -> None:
        """Read the revocations since the last poll, or a part of them if it isn't required."""
        started = self._clock.monotonic()
        began_at = self._poll_began_at
        if began_at is None or not 0 <= started - began_at < self.staleness:
            began_at = self._poll_began_at = started
            self._position = self._find_start(started)
        while True:
            page = self._store.read_revocations(
                self._position, now=self._clock.now(), lifetime=self.lifetime
            )
            if self._position and not page.sids:
                # The session at this place is gone: the store may have been emptied or restored.
                self._position = None
                self._ends.clear()
                continue
            self._insert(page.sids)
            self._position = page.position
            if page.is_last:
                break
            if not is_required and self._clock.monotonic() - started > _READ_FOR:
                return
        self._poll_began_at = None
        self._finish_poll(began_at, page.position)

    def _find_start(self, now: float) -> int | None:
        """Return the place in the feed at which a poll begins."""
        if not 0 <= now - self._polled_at < _START_OVER_AFTER:
            self._ends.clear()
        until = self._polling_time + self._get_time_since_poll(now) - self.overlap
        while len(self._ends) > 1 and self._ends[1][0] <= until:
            self._ends.popleft()
        return self._ends[0][1] if self._ends else None

    def _get_time_since_poll(self, now: float) -> float:
        # While nothing was polled, the store may have been suspended with its clients.
        return min(max(now - self._polled_at, 0.0), self.staleness)

    def _finish_poll(self, began_at: float, position: int) -> None:
        self._polling_time += self._get_time_since_poll(began_at)
        self._polled_at = began_at
        if not self._ends:
            # Places are microseconds at most, so this one was reached before the overlap began.
            start = max(0, position - int(self.overlap * 1e6))
            self._ends.append((self._polling_time - self.overlap, start))
        self._ends.append((self._polling_time, position))
        oldest = int((began_at - self.lifetime - AHEAD) // self._bucket_seconds)
        with self._lock:
            if any(bucket < oldest for bucket in self._buckets):
                self._buckets = {b: s for b, s in self._buckets.items() if b >= oldest}
