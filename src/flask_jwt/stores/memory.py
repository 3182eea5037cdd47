"""Store sessions in memory, for tests and for a single process that may lose them at a restart."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

from ._base import RevocationPage, Session, find_surplus
from ._counters import MemoryCounters


class MemoryStore(MemoryCounters):
    """Store sessions in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[str, Session] = {}
        self._created = 0
        self._revoked = 0
        self._feed: list[tuple[int, str]] = []
        self._to_prune: list[str] = []
        self._lock = Lock()

    def setup(self) -> None:
        """Do nothing."""

    def upgrade(
        self,
        key_of: Callable[[str], str | None],  # noqa: ARG002  no earlier version left anything
        on_batch: Callable[[int, int], None],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Do nothing."""
        return {"tables": [], "columns": [], "indexes": [], "sessions": 0}

    def close(self) -> None:
        """Do nothing."""

    def create(self, session: Session) -> None:
        """Store a new session, unless it is stored already."""
        with self._lock:
            if session.sid not in self._sessions:
                self._created += 1
                self._sessions[session.sid] = replace(session, sequence=self._created)

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        return self._sessions.get(sid)

    def rotate(
        self,
        sid: str,
        generation: int,
        *,
        now: float,
        idle_expires_at: float | None,
        change_id: str | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
        grants: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or not session.is_active(now):
                return False
            if (session.generation, session.grants) != (generation, grants):
                return False
            self._sessions[sid] = replace(
                session,
                generation=generation + 1,
                rotated_at=now,
                idle_expires_at=idle_expires_at,
                change_id=change_id,
                last_ip=ip,
                last_user_agent=user_agent,
            )
            return True

    def revoke(
        self,
        sid: str,
        now: float,
        *,
        change_id: str | None = None,
        kept_until: float | None = None,
    ) -> bool:
        """Revoke a session."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.feed_position is not None:
                return False
            is_first = session.revoked_at is None
            if is_first:
                session = replace(
                    session, revoked_at=now, change_id=change_id, revocation_kept_until=kept_until
                )
            self._revoked += 1
            self._sessions[sid] = replace(session, feed_position=self._revoked)
            self._feed.append((self._revoked, sid))
            return is_first

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is not None:
                self._sessions[sid] = replace(session, label=label)
        return session is not None

    def set_grants(self, sid: str, grants: str | None, *, expected: str | None) -> bool:
        """Set the grants of a session, if they are *expected*."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.grants not in (expected, grants):
                return False
            self._sessions[sid] = replace(session, grants=grants)
            return True

    def list_active(
        self,
        subject_key: str,
        now: float,
        *,
        subject: str | None = None,  # noqa: ARG002  each session has a key
        limit: int = 100,
        after: Session | None = None,
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user, in the order of their logins."""
        active = self._list_active(subject_key, now)
        if after is not None:
            active = [session for session in active if session.position > after.position]
        return active[:limit]

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*."""
        return find_surplus(self._list_active(subject_key, now), keep, limit, by_use=by_use)

    def _list_active(self, subject_key: str, now: float) -> list[Session]:
        with self._lock:
            active = [
                session
                for session in self._sessions.values()
                if session.subject_key == subject_key and session.is_active(now)
            ]
        return sorted(active, key=lambda session: session.position)

    def read_revocations(
        self, position: int | None, *, now: float, lifetime: float, limit: int = 1000
    ) -> RevocationPage:
        """Return about *limit* revocations, in the order in which the store got them."""
        with self._lock:
            start = 0 if position is None else bisect_left(self._feed, (position, ""))
            page = self._feed[start : start + limit]
            is_last = start + limit >= len(self._feed)
            sids = [sid for _, sid in page]
            if position is None:
                sids = [sid for sid in sids if self._is_recent(sid, now - lifetime)]
        return RevocationPage(sids, page[-1][0] if page else 0, is_last)

    def _is_recent(self, sid: str, since: float) -> bool:
        session = self._sessions.get(sid)
        return session is not None and (session.revoked_at or since) >= since

    def now(self) -> float:
        """Return the time of this machine."""
        return time.time()

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        kept = before if now is None else now
        with self._lock:
            deleted = self._delete_ended(before, kept, limit)
            if not deleted:
                # All sessions are read once for many calls.
                self._to_prune = [
                    sid
                    for sid, session in self._sessions.items()
                    if _has_ended(session, before, kept)
                ]
                deleted = self._delete_ended(before, kept, limit)
            if deleted and not self._to_prune:
                self._feed = [entry for entry in self._feed if entry[1] in self._sessions]
        return deleted

    def _delete_ended(self, before: float, now: float, limit: int) -> int:
        deleted = 0
        while self._to_prune and deleted < limit:
            sid = self._to_prune.pop()
            if _has_ended(self._sessions.get(sid), before, now):
                del self._sessions[sid]
                deleted += 1
        return deleted

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of active, revoked and expired sessions."""
        with self._lock:
            sessions = list(self._sessions.values())
        revoked = sum(session.revoked_at is not None for session in sessions)
        active = sum(session.is_active(now) for session in sessions)
        return {"active": active, "revoked": revoked, "expired": len(sessions) - active - revoked}

    def warnings(self) -> list[str]:
        """Return a warning that other processes don't share these sessions."""
        return [
            "memory:// stores sessions in one process and loses them when it ends; "
            "use a single worker, or set JWT_STORAGE_URI to a database or to Redis."
        ]


def _has_ended(session: Session | None, before: float, now: float) -> bool:
    """Return whether *session* is there and may be deleted."""
    if session is None or (session.revocation_kept_until or 0) > now:
        return False
    return session.ends_at() < before or (session.revoked_at or before) < before
