"""Convert between this machine's times and those of the session store."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._clock import Clock
from ..stores import RevocationPage, Session, SessionStore

logger = logging.getLogger("flask_jwt")

_MEASURE_AFTER = 60.0
"""Seconds after which the skew is measured again."""

_TOLERANCE = 1.0
"""Seconds by which the skew may differ from the measured one. Clocks of servers that are set by NTP
differ by less, so usually nothing is converted."""

_LOG_FROM = 30.0
"""Seconds of skew from which it is logged."""


class StoreTime:
    """Call another :class:`SessionStore` with times of its clock, and return times of this machine.

    Servers compare the times that others have stored, such as the end of the grace period. If their
    clocks differ, they would reject valid tokens and delete sessions that are active. The store's
    clock is the same for all.

    The skew is the difference between the clocks of the store and of this machine. It is added to
    the time of the application's :class:`Clock`, which a test may have replaced.
    """

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._skew = 0
        self._measured_at = float("-inf")
        self._offset = 0.0
        self._has_logged = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def create(self, session: Session) -> Any:
        """Store a new session."""
        skew = self._get_skew()
        return self.store.create(_shift(session, skew) if skew else session)

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        skew = self._get_skew()
        session = self.store.get(sid)
        return _shift(session, -skew) if skew and session is not None else session

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None, **names: Any
    ) -> bool:
        """Move an active session from *generation* to the next one."""
        if skew := self._get_skew():
            now += skew
            idle_expires_at = None if idle_expires_at is None else idle_expires_at + skew
        return self.store.rotate(sid, generation, now=now, idle_expires_at=idle_expires_at, **names)

    def revoke(
        self, sid: str, now: float, *, change_id: str | None = None, kept_until: float | None = None
    ) -> bool:
        """Revoke a session."""
        if skew := self._get_skew():
            now += skew
            kept_until = None if kept_until is None else kept_until + skew
        return self.store.revoke(sid, now, change_id=change_id, kept_until=kept_until)

    def list_active(
        self, subject_key: str, now: float, *, after: Session | None = None, **options: Any
    ) -> list[Session]:
        """Return active sessions of a user, in the order of their logins."""
        skew = self._get_skew()
        if skew and after is not None:
            after = _shift(after, skew)
        sessions = self.store.list_active(subject_key, now + skew, after=after, **options)
        return _shift_all(sessions, -skew)

    def list_surplus(self, subject_key: str, now: float, **options: Any) -> list[Session]:
        """Return active sessions of a user beyond a number."""
        skew = self._get_skew()
        return _shift_all(self.store.list_surplus(subject_key, now + skew, **options), -skew)

    def read_revocations(
        self, position: int | None, *, now: float, **options: Any
    ) -> RevocationPage:
        """Return a page of the feed."""
        return self.store.read_revocations(position, now=now + self._get_skew(), **options)

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete sessions that ended before *before*."""
        skew = self._get_skew()
        return self.store.prune(before + skew, limit, now=None if now is None else now + skew)

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active, revoked and expired sessions."""
        return self.store.count(now + self._get_skew())

    def _get_skew(self) -> int:
        elapsed = time.monotonic()
        offset = self._clock.system() - elapsed
        # A clock that was set has another offset. Then the skew has changed, too.
        is_set = abs(offset - self._offset) > _TOLERANCE
        if is_set or elapsed - self._measured_at > _MEASURE_AFTER:
            self._measure()
        return self._skew

    def _measure(self) -> None:
        before = time.monotonic()
        system = self._clock.system()
        now = self.store.now()
        after = time.monotonic()
        # The store has read its clock at some time during the call.
        skew = now - system - (after - before) / 2
        if abs(skew - self._skew) > _TOLERANCE + (after - before) / 2:
            # Whole seconds, so that the fractions of stored times stay as they are.
            self._skew = round(skew)
        self._offset, self._measured_at = system - before, after
        if abs(self._skew) <= _LOG_FROM:
            self._has_logged = False
        elif not self._has_logged:
            self._has_logged = True
            logger.warning(
                "The clock of this machine is %d seconds %s the clock of the session store. "
                "Sessions work, but tokens may be rejected: synchronize the clocks, with NTP",
                abs(self._skew), "behind" if self._skew > 0 else "ahead of",
            )  # fmt: skip


_TIMES = (
    "created_at", "rotated_at", "expires_at", "idle_expires_at", "revoked_at",
    "revocation_kept_until",
)  # fmt: skip


def _shift(session: Session, by: int) -> Session:
    times = {name: getattr(session, name) for name in _TIMES}
    return replace(session, **{n: t + by for n, t in times.items() if t is not None})


def _shift_all(sessions: Sequence[Session], by: int) -> list[Session]:
    return [_shift(session, by) for session in sessions] if by else list(sessions)
