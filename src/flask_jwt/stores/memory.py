"""Store sessions in memory, for tests and for a single process that may lose them at a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Lock
from typing import Any

from ._base import Session, find_surplus
from ._counters import MemoryCounters


class MemoryStore(MemoryCounters):
    """Store sessions in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[str, Session] = {}
        self._created = 0
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
            if session is None or session.revoked_at is not None:
                return False
            self._sessions[sid] = replace(
                session, revoked_at=now, change_id=change_id, revocation_kept_until=kept_until
            )
            return True

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session."""
        with self._lock:
            session = self._sessions.get(sid)
            if session is not None:
                self._sessions[sid] = replace(session, label=label)
        return session is not None

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

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        with self._lock:
            return [
                (session.sid, session.revoked_at)
                for session in self._sessions.values()
                if session.revoked_at is not None and session.revoked_at >= since
            ]

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*."""
        kept = before if now is None else now
        with self._lock:
            ended = [
                session.sid
                for session in self._sessions.values()
                if session.expires_at < before
                or (
                    (session.ends_at() < before or (session.revoked_at or before) < before)
                    and (session.revocation_kept_until or 0) <= kept
                )
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
