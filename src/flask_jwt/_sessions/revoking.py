"""Revoke sessions, and reject the access tokens of those that have ended."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .. import signals
from ..errors import ClaimInvalid, StoreUnavailable, TokenRevoked
from ..stores import Session, SessionStore
from .host import SessionHost
from .refresh_tokens import is_sid
from .revocations import AHEAD, Revocations
from .unfinished import UnfinishedRevocations

ENDED_SESSION_RETENTION = 3600.0
"""The minimum number of seconds for which an ended session is kept, so that an error can say that
the session was revoked or has expired, rather than that it is unknown."""

PRUNE_BATCH = 500, 100_000
"""Sessions deleted in one transaction, at least and at most. It locks these sessions, and in SQLite
the database."""

PRUNE_SECONDS = 0.75
"""Seconds for which such a transaction should take."""


class SessionRevoker:
    """Revoke sessions, and keep track of those that were revoked.

    :attr:`revocations` is this process's list of recently revoked sessions. It is None if the guard
    queries the store for each request instead, or doesn't check sessions.
    """

    def __init__(self, store: SessionStore, host: SessionHost) -> None:
        self.store = store
        self._host = host
        self.revocations: Revocations | None = None
        self.unfinished = UnfinishedRevocations(self._finish_revocation)
        """The revocations that the store has not confirmed; to be finished when it is available."""

    def follow_revocations(
        self, staleness: float | None, lifetime: float, overlap: float = 15.0
    ) -> None:
        """Set how :meth:`check_access_token` finds out which sessions were revoked.

        :param staleness: how many seconds old the cached revocations may be. With 0 or None nothing
            is cached, and each check queries the store
        :param lifetime: the longest time in seconds for which an access token is accepted
        :param overlap: as for :class:`Revocations`
        """
        current = self.revocations
        # If access tokens never expire, no revocation could ever be dropped from the cache, so the
        # store is queried instead.
        if not staleness or not math.isfinite(lifetime):
            self.revocations = None
        elif current is None or (current.lifetime, current.staleness) != (lifetime, staleness):
            self.revocations = Revocations(
                self.store,
                lifetime=lifetime,
                staleness=staleness,
                clock=self._host.clock,
                overlap=overlap,
            )

    def revoke(self, sid: str) -> bool:
        """Revoke a session.

        Its refresh token is rejected at once. Its access tokens are rejected within
        ``JWT_REVOCATION_CHECK`` seconds.

        :returns: True if the session had not been revoked before
        :raises StoreUnavailable: if the store can't be reached. The session is then revoked as soon
            as this process reaches the store again
        """
        return is_sid(sid) and self._revoke(sid, secrets.token_hex(16))

    def prune(self, *, on_batch: Callable[[int], None] | None = None) -> int:
        """Delete sessions that ended so long ago that no token of theirs can still be valid.

        :param on_batch: called with the number of deleted sessions after each transaction
        :returns: the number of sessions deleted
        """
        retention = self._get_retention()
        now = self._host.clock.now()
        total = 0
        batch, most = PRUNE_BATCH
        started = time.monotonic()
        while deleted := self.store.prune(now - retention, batch, now=now):
            total += deleted
            if on_batch is not None:
                on_batch(deleted)
            # Large batches are faster, because they write each page of an index less often.
            factor = PRUNE_SECONDS / max(time.monotonic() - started, 0.001)
            batch = min(most, max(PRUNE_BATCH[0], int(batch * min(2.0, factor))))
            started = time.monotonic()
        return total

    def check_access_token(self, sid: Any, issued_at: float) -> None:
        """Reject the access token of a session that has ended.

        :param sid: the token's ``sid``
        :param issued_at: the token's ``iat``
        :raises TokenRevoked: if the session was revoked. If the store was queried, also if the
            session has expired or is unknown
        :raises ClaimInvalid: if *sid* can't be the id of a session
        """
        if not isinstance(sid, str) or not is_sid(sid):
            raise ClaimInvalid('Invalid "sid" claim')
        recent = self.revocations
        # The cache drops a revocation after the lifetime of access tokens. A token may be older,
        # because it was issued with a longer lifetime or before the option was changed. For such a
        # token the store is queried.
        # The same holds for a token of a server whose clock is ahead. Compared, not subtracted: an
        # integer of many digits can't be converted to a float.
        now = self._host.clock.now()
        if recent is not None and now - recent.lifetime <= issued_at <= now + AHEAD:
            recent.check(sid)
            return
        session = self.store.get(sid)
        if session is None or not session.is_active(self._host.clock.now()):
            raise TokenRevoked(ended_sid=sid)

    def _get_retention(self) -> float:
        return max(ENDED_SESSION_RETENTION, self._host.get_policy().access_lifetime)

    def _revoke(self, sid: str, change_id: str) -> bool:
        now = self._host.clock.now()
        try:
            is_first = self.store.revoke(
                sid, now, change_id=change_id, kept_until=now + self._get_retention()
            )
            if not is_first:
                # The store may have repeated this call, whose response was lost.
                session = self.store.get(sid)
                is_first = session is not None and session.change_id == change_id
        except StoreUnavailable as error:
            if error.was_attempted:
                self.unfinished.add(sid, change_id)
            raise
        if self.revocations is not None:
            self.revocations.add(sid)
        if is_first:
            signals.session_revoked.send(self._host.sender, sid=sid)
        return is_first

    @contextmanager
    def _abandoning(self, session: Session) -> Iterator[None]:
        """Revoke *session* if its login fails, because no one gets its tokens."""
        try:
            yield
        except BaseException as error:
            self.unfinished.add(session.sid, session)
            if not isinstance(error, StoreUnavailable) and isinstance(error, Exception):
                self.unfinished.finish()
            raise

    def _finish_revocation(self, sid: str, revocation: str | Session) -> None:
        if isinstance(revocation, str):
            self._revoke(sid, revocation)
            return
        # The session of a login that failed is stored once more, as a revoked one. Otherwise the
        # database might store it later: it may not have noticed yet that the connection is lost.
        now = self._host.clock.now()
        kept_until = now + self._get_retention()
        self.store.create(
            replace(revocation, payload="{}", revoked_at=now, revocation_kept_until=kept_until)
        )
        self.store.revoke(sid, now, kept_until=kept_until)
        if self.revocations is not None:
            self.revocations.add(sid)
