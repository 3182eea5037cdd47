"""Know which sessions were revoked recently, so that access tokens need no database query."""

from __future__ import annotations

import os
from threading import Condition, Lock

from .._clock import Clock
from ..errors import StoreUnavailable, TokenRevoked
from ..stores import SessionStore
from ..stores._deadline import time_limit

EARLY_WAIT = 0.1
"""Seconds for which a request waits for a poll that is not required yet."""

_BUCKETS = 4
_RETRY_AFTER = 1.0
"""Seconds after a failed poll in which the store isn't polled again."""


class Revocations:
    """Hold the ids of recently revoked sessions, at most *staleness* seconds behind the store.

    Once the lifetime of an access token has passed since a revocation, the session has no valid
    access token left, so its id is dropped. Ids are held as integers, which take less memory than
    strings, in a few sets, one for each interval of time. Whole sets are dropped, without iterating
    over their members.

    :param lifetime: the longest time in seconds for which an access token is accepted
    :param staleness: the maximum age of the last poll in seconds. If it is older, all requests wait
        for a new poll. From half of this age on, one request polls and the others don't wait
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
        self._bucket_seconds = max(1.0, lifetime / _BUCKETS)
        self._buckets: dict[int, set[int]] = {}
        self._polled_at = float("-inf")
        self._tried_at = float("-inf")
        self._read_until: float | None = None
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

    def add(self, sid: str, revoked_at: float) -> None:
        """Add a session that this process has revoked, without waiting for the next poll."""
        with self._lock:
            self._insert(sid, revoked_at)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _insert(self, sid: str, revoked_at: float) -> None:
        bucket = int(revoked_at // self._bucket_seconds)
        if bucket not in self._buckets:
            # The dict is replaced, not changed: other threads iterate over it without the lock.
            self._buckets = {**self._buckets, bucket: set()}
        self._buckets[bucket].add(int(sid, 16))

    def _poll(self, *, is_required: bool) -> None:
        # One thread polls, and nothing is locked meanwhile. Until a poll is required, the other
        # threads use what is cached.
        if not self._begin_poll(is_required=is_required):
            return
        try:
            now = self._clock.monotonic()
            age = now - self._polled_at
            is_required = not 0 <= age < self.staleness
            self._tried_at = now
            try:
                if is_required:
                    self._read_revocations()
                else:
                    # The request goes on with what is cached rather than wait for a store that
                    # hangs. A store that always takes longer is polled when it is required.
                    with time_limit(EARLY_WAIT):
                        self._read_revocations()
            except StoreUnavailable:
                if is_required:
                    raise
            else:
                self._polled_at = now
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

    def _read_revocations(self) -> None:
        now = self._clock.now()
        oldest = now - self.lifetime
        # Each read begins a minute or more before the end of the previous one. Otherwise it could
        # miss a revocation by a server whose clock is behind, or one that was committed late.
        # If this clock was set back, all revocations are read again.
        read_until = self._read_until
        since = oldest if read_until is None or now < read_until else read_until - self._overlap
        revocations = self._store.revoked_since(max(since, oldest))
        with self._lock:
            for sid, revoked_at in revocations:
                self._insert(sid, revoked_at)
        self._read_until = now
        expired = [b for b in self._buckets if (b + 1) * self._bucket_seconds < oldest]
        if expired:
            self._buckets = {b: s for b, s in self._buckets.items() if b not in expired}

    @property
    def _overlap(self) -> float:
        return max(60.0, self.staleness)
