"""Know which sessions were revoked recently, so that access tokens need no database query."""

from __future__ import annotations

import logging
from threading import Lock

from .._clock import Clock
from ..errors import StoreUnavailable, TokenRevoked
from ..stores import SessionStore

logger = logging.getLogger("flask_jwt")

_BUCKETS = 4
_RETRY_AFTER = 1.0
"""Seconds between two polls after a failed one."""


class Revocations:
    """Hold the recently revoked sessions, at most *staleness* seconds behind the store.

    A session revoked longer ago than the lifetime of an access token can't have a valid one left,
    so its sid is dropped. Sids are held as integers in a few sets, one per interval of time; whole
    sets are dropped, without iterating over their members.

    :param lifetime: the longest lifetime of an access token in seconds, leeway included
    :param staleness: seconds after which a request waits for a poll of the store; from half of
        that time on, a request polls without making others wait
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        lifetime: float,
        staleness: float,
        clock: Clock,
    ) -> None:
        self._store = store
        self.lifetime = lifetime
        self.staleness = staleness
        self._clock = clock
        self._width = max(1.0, lifetime / _BUCKETS)
        self._buckets: dict[int, set[int]] = {}
        self._polled_at = float("-inf")
        self._tried_at = float("-inf")
        self._read_until: float | None = None
        self._lock = Lock()

    def check(self, sid: str) -> None:
        """Reject the access token of a revoked session.

        :raises TokenRevoked: if the session *sid* was revoked
        :raises StoreUnavailable: if no poll has succeeded for longer than the staleness
        """
        age = self._clock.monotonic() - self._polled_at
        # Polled at half of the staleness, so that under steady traffic no request ever waits for
        # a poll, and so that a failed poll can be repeated before requests have to be rejected.
        if not 0 <= age * 2 < self.staleness:
            self._poll(is_due=not 0 <= age < self.staleness)
        number = int(sid, 16)
        for revoked in self._buckets.values():
            if number in revoked:
                raise TokenRevoked

    def add(self, sid: str, revoked_at: float) -> None:
        """Add a session that this process has revoked, without waiting for the next poll."""
        with self._lock:
            self._insert(sid, revoked_at)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _insert(self, sid: str, revoked_at: float) -> None:
        bucket = int(revoked_at // self._width)
        if bucket not in self._buckets:
            # The dict is replaced, not changed: other threads iterate over it without the lock.
            self._buckets = {**self._buckets, bucket: set()}
        self._buckets[bucket].add(int(sid, 16))

    def _poll(self, *, is_due: bool) -> None:
        # Before a poll is due, one thread polls and the others go on with what is known.
        if not self._lock.acquire(blocking=is_due):
            return
        try:
            now = self._clock.monotonic()
            # The age is negative if a test has replaced the clock; then a poll is due.
            age = now - self._polled_at
            is_due = not 0 <= age < self.staleness
            if 0 <= age * 2 < self.staleness:
                return  # another thread polled while this one waited for the lock
            if 0 <= now - self._tried_at < min(_RETRY_AFTER, self.staleness / 4):
                if is_due:
                    raise StoreUnavailable
                return
            self._tried_at = now
            try:
                self._read_feed()
            except StoreUnavailable:
                if is_due:
                    raise
            else:
                self._polled_at = now
        finally:
            self._lock.release()

    def _read_feed(self) -> None:
        now = self._clock.now()
        oldest = now - self.lifetime
        # The clocks of processes differ, and a revocation may be committed after a later one, so
        # the last part is read again. If the clock has gone back, everything is read again: the
        # previous read ended in what is now the future.
        read_until = self._read_until
        since = oldest if read_until is None or now < read_until else read_until - self._overlap
        for sid, revoked_at in self._store.revoked_since(max(since, oldest)):
            self._insert(sid, revoked_at)
        self._read_until = now
        expired = [b for b in self._buckets if (b + 1) * self._width < oldest]
        if expired:
            self._buckets = {b: s for b, s in self._buckets.items() if b not in expired}

    @property
    def _overlap(self) -> float:
        return max(60.0, self.staleness)
