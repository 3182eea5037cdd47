"""Which sessions were revoked, as far as access tokens still in use can tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

from .errors import StoreUnavailable, TokenRevoked
from .stores import SessionStore

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
    :param monotonic: seconds that only grow
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        lifetime: float,
        staleness: float,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self.lifetime = lifetime
        self._staleness = staleness
        self._clock = clock
        self._monotonic = monotonic
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
        age = self._monotonic() - self._synced_at
        if age * 2 >= self._staleness:
            self._sync(is_due=age >= self._staleness)
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
            now = self._monotonic()
            is_due = now - self._synced_at >= self._staleness
            if (now - self._synced_at) * 2 < self._staleness:
                return  # another thread has just done it
            if now - self._tried_at < min(_RETRY_AFTER, self._staleness / 4):
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
        now = self._clock()
        oldest = now - self.lifetime
        # Writers' clocks and commits differ, so the last stretch is read twice.
        since = oldest if self._known_until is None else self._known_until - self._overlap
        for sid, moment in self._store.revoked_since(max(since, oldest)):
            self._insert(sid, moment)
        self._known_until = now
        dead = [b for b in self._buckets if (b + 1) * self._width < oldest]
        if dead:
            self._buckets = {b: s for b, s in self._buckets.items() if b not in dead}

    @property
    def _overlap(self) -> float:
        return max(60.0, self._staleness)
