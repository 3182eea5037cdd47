"""Store sessions in memory, for tests and for a single process that may lose them at a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from threading import Lock

from ._base import Session


class MemoryStore:
    """Store sessions in a dict."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def setup(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def create(self, session: Session) -> None:
        """Store a new session."""
        with self._lock:
            self._sessions[session.sid] = session

    def get(self, sid: str) -> Session | None:
        """Return the session, or None."""
        return self._sessions.get(sid)

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next one."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.generation != generation or not session.is_active(now):
                return False
            self._sessions[sid] = replace(
                session,
                generation=generation + 1,
                rotated_at=now,
                idle_expires_at=idle_expires_at,
            )
            return True

    def revoke(self, sid: str, now: float) -> bool:
        """Revoke a session."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.revoked_at is not None:
                return False
            self._sessions[sid] = replace(session, revoked_at=now)
            return now < session.ends_at()

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is not None:
                self._sessions[sid] = replace(session, label=label)
        return session is not None

    def list_active(self, subject: str, now: float) -> list[Session]:
        """Return the active sessions of *subject*, oldest first."""
        with self._lock:
            active = [
                session
                for session in self._sessions.values()
                if session.subject == subject and session.is_active(now)
            ]
        # The sid makes the order of sessions of the same second the same in all stores.
        return sorted(active, key=lambda session: (session.created_at, session.sid))

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        with self._lock:
            return [
                (session.sid, session.revoked_at)
                for session in self._sessions.values()
                if session.revoked_at is not None and session.revoked_at >= since
            ]

    def prune(self, before: float, limit: int) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        with self._lock:
            ended = [
                session.sid
                for session in self._sessions.values()
                if session.ends_at() < before
                or (session.revoked_at is not None and session.revoked_at < before)
            ][:limit]
            for sid in ended:
                del self._sessions[sid]
        return len(ended)

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
