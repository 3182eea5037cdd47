"""Which sessions were revoked, as far as access tokens still in use can tell."""

from __future__ import annotations

import logging
from threading import Lock

from .._clock import Clock
from ..errors import StoreUnavailable, TokenRevoked
from ..stores import SessionStore

logger = logging.getLogger("flask_jwt")

_BUCKETS = 4
_RETRY_AFTER = 1.0


class Revocations:
    """The recently revoked sessions, learned from the store at most *staleness* seconds late.

    Only a session revoked within the longest lifetime of an access token can have one still in
    use. Their sids are kept as numbers, in sets of a quarter of that time each, so that old ones
    are dropped without looking at them.

    :param lifetime: seconds that an access token may live, leeway included
    :param staleness: seconds; the store is asked in the background of a request from half of it
        on, and before an answer when it has passed
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
        self._synced_at = float("-inf")
        self._tried_at = float("-inf")
        self._known_until: float | None = None
        self._lock = Lock()

    def check(self, sid: str) -> None:
        """Refuse the access token of a revoked session.

        :raises TokenRevoked: if *sid* is one
        :raises StoreUnavailable: if the store could not be asked for longer than the staleness
        """
        age = self._clock.monotonic() - self._synced_at
        if not 0 <= age * 2 < self.staleness:
            self._sync(is_due=not 0 <= age < self.staleness)
        number = int(sid, 16)
        for revoked in self._buckets.values():
            if number in revoked:
                raise TokenRevoked

    def add(self, sid: str, moment: float) -> None:
        """Learn of a revocation at once, from this process."""
        with self._lock:
            self._insert(sid, moment)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _insert(self, sid: str, moment: float) -> None:
        bucket = int(moment // self._width)
        if bucket not in self._buckets:
            # Replaced rather than changed: other threads are reading the old one.
            self._buckets = {**self._buckets, bucket: set()}
        self._buckets[bucket].add(int(sid, 16))

    def _sync(self, *, is_due: bool) -> None:
        if not self._lock.acquire(blocking=is_due):
            return
        try:
            now = self._clock.monotonic()
            # A negative age: a test has replaced the clock. What is known is of no known age then.
            age = now - self._synced_at
            is_due = not 0 <= age < self.staleness
            if 0 <= age * 2 < self.staleness:
                return  # another thread has just done it
            if 0 <= now - self._tried_at < min(_RETRY_AFTER, self.staleness / 4):
                if is_due:
                    raise StoreUnavailable
                return
            self._tried_at = now
            try:
                self._learn()
            except StoreUnavailable:
                if is_due:
                    raise
            else:
                self._synced_at = now
        finally:
            self._lock.release()

    def _learn(self) -> None:
        now = self._clock.now()
        oldest = now - self.lifetime
        # Writers' clocks and commits differ, so the last stretch is read twice; all of it is read
        # where the clock has gone back, since it may have jumped over revocations before.
        known_until = self._known_until
        since = oldest if known_until is None or now < known_until else known_until - self._overlap
        for sid, moment in self._store.revoked_since(max(since, oldest)):
            self._insert(sid, moment)
        self._known_until = now
        dead = [b for b in self._buckets if (b + 1) * self._width < oldest]
        if dead:
            self._buckets = {b: s for b, s in self._buckets.items() if b not in dead}

    @property
    def _overlap(self) -> float:
        return max(60.0, self.staleness)
