"""Sessions in this process's memory: for tests, and for one process that may forget on restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from threading import Lock

from ._base import Session


class MemoryStore:
    """A dict behind a lock."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def setup(self) -> None:
        """Nothing to make."""

    def close(self) -> None:
        """Do nothing: memory has no connections."""

    def create(self, session: Session) -> None:
        """Keep a new session."""
        with self._lock:
            self._sessions[session.sid] = session

    def get(self, sid: str) -> Session | None:
        """The session, or None."""
        return self._sessions.get(sid)

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next."""
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
        """End a session for good."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is None or session.revoked_at is not None:
                return False
            self._sessions[sid] = replace(session, revoked_at=now)
            return now < session.ends_at()

    def rename(self, sid: str, label: str | None) -> bool:
        """Give a session another label."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is not None:
                self._sessions[sid] = replace(session, label=label)
        return session is not None

    def list_active(self, subject: str, now: float) -> list[Session]:
        """The subject's active sessions, oldest first."""
        with self._lock:
            mine = [s for s in self._sessions.values() if s.subject == subject and s.is_active(now)]
        return sorted(mine, key=lambda session: (session.created_at, session.sid))

    def revoked_since(self, moment: float) -> Iterable[tuple[str, float]]:
        """Sid and moment of each revocation from *moment* on."""
        with self._lock:
            return [
                (session.sid, session.revoked_at)
                for session in self._sessions.values()
                if session.revoked_at is not None and session.revoked_at >= moment
            ]

    def prune(self, before: float, limit: int) -> int:
        """Forget sessions that ended before *before*."""
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
        """How many sessions are active, revoked and expired."""
        with self._lock:
            sessions = list(self._sessions.values())
        revoked = sum(session.revoked_at is not None for session in sessions)
        active = sum(session.is_active(now) for session in sessions)
        return {"active": active, "revoked": revoked, "expired": len(sessions) - active - revoked}

    def warnings(self) -> list[str]:
        """Memory is one process's own and forgets."""
        return [
            "memory:// keeps sessions in one process and forgets them when it ends; "
            "serve with one worker only, or set JWT_STORAGE_URI to a database or Redis."
        ]
