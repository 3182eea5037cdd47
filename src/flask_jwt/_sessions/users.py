"""Find the sessions of a user, and the user of a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .._jose.claims import subject_of
from ..errors import SessionNotFound
from ..stores import Session, SessionStore
from .host import SessionHost
from .printable import printable
from .refresh_tokens import is_sid
from .subjects import subject_key

PAGE = 100
"""The sessions that :meth:`UserSessions.list` returns at most, if it isn't asked for more."""


class ExactIdentity(NamedTuple):
    """An identity as it is in the tokens, of any type that JSON has.

    Without it, :meth:`SessionManager.list` takes a dict for a user.
    """

    value: Any


class UserSessions:
    """Find, list and label the sessions of users."""

    store: SessionStore
    _host: SessionHost

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session, by which its user recognizes the device; None removes it.

        :returns: False if there is no such session
        """
        return is_sid(sid) and self.store.rename(sid, printable(label, 255))

    def _list(
        self, user: Any, active_at: float, limit: int, after: str | Session | None
    ) -> list[Session]:
        """Return sessions that were active at the time *active_at*, and aren't revoked."""
        key, subject = self._get_keys(user)
        if isinstance(after, str):
            session = self.get(after)
            if session is None or not self._is_users(session, key, subject):
                raise SessionNotFound
            after = session
        sessions: list[Session] = []
        while len(sessions) < limit:
            page = self.store.list_active(key, active_at, subject=subject, limit=limit, after=after)
            # A session without a subject key was found by its subject, which may be another user's.
            sessions += [session for session in page if self._is_users(session, key, subject)]
            if len(page) < limit:
                break
            after = page[-1]
        return sessions[:limit]

    def _iterate(self, user: Any, active_at: float) -> Iterator[Session]:
        after = None
        while page := self._list(user, active_at, PAGE, after):
            yield from page
            after = page[-1]

    def list(
        self, user: Any, *, limit: int = PAGE, after: str | Session | None = None
    ) -> list[Session]:
        """Return active sessions of a user, in the order of their logins.

        A string or an integer is taken for the identity as it is in the tokens, so 1 and "1" are
        two users. For anything else the payload handler is called, as at a login.

        :param user: the user, the identity in their tokens, or one of their sessions
        :param limit: the number of sessions that are returned at most
        :param after: the last session of the page before, or its sid
        :raises ConfigError: if *user* is neither a user nor an identity
        :raises SessionNotFound: if *after* is not the sid of a session of the user
        """
        return self._list(user, self._host.clock.now(), limit, after)

    def iterate(self, user: Any) -> Iterator[Session]:
        """Yield all active sessions of a user, in the order of their logins.

        :param user: as for :meth:`list`
        """
        yield from self._iterate(user, self._host.clock.now())

    def have_same_user(self, session: Session, other: Session) -> bool:
        """Return whether two sessions belong to the same user."""
        return self._get_user_key(session) == self._get_user_key(other)

    def upgrade(self, *, on_batch: Callable[[int, int], None] | None = None) -> dict[str, Any]:
        """Add to the store what an earlier version did not create.

        It may be repeated, and the application may go on meanwhile.

        :param on_batch: called after each batch with the number of sessions in it, and with the
            number of all sessions that are to be read
        :returns: the names of the ``tables``, ``columns`` and ``indexes`` that were added, and the
            number of ``sessions`` that have got a subject key
        """
        return self.store.upgrade(self._make_subject_key, on_batch or (lambda *_: None))

    def get(self, sid: str) -> Session | None:
        """Return a session, even one that has ended, or None if there is no such session."""
        return self.store.get(sid) if is_sid(sid) else None

    def count(self) -> dict[str, int]:
        """Count the active, revoked and expired sessions."""
        return self.store.count(self._host.clock.now())

    def _get_keys(self, user: Any) -> tuple[str, str]:
        """Return the subject key and the subject of a user, of an identity or of a session."""
        if isinstance(user, Session):
            return self._get_user_key(user), user.subject
        is_exact = isinstance(user, ExactIdentity)
        identity = user.value if is_exact else self._host.get_identity(user)
        return subject_key(self._host.namespace, identity), subject_of(identity)

    def _is_users(self, session: Session, key: str, subject: str) -> bool:
        return self._get_user_key(session) in (key, _key_without_identity(subject))

    def _get_user_key(self, session: Session) -> str:
        """Return what is equal for two sessions of one user, and different for those of two."""
        if session.subject_key is not None:
            return session.subject_key
        key = self._make_subject_key(session.payload)
        if key is not None:
            return key
        return _key_without_identity(session.subject, json.loads(session.payload).get("iss"))

    def _make_subject_key(self, payload: str) -> str | None:
        """Return the subject key for the payload of a session that was stored without one.

        :returns: None if the session belongs to another application, or its identity is unknown
        """
        claims = json.loads(payload)
        identity = self._host.get_claimed_identity(claims)
        if identity is None or claims.get("iss") not in (None, self._host.issuer):
            return None
        return subject_key(self._host.namespace, identity)


def _key_without_identity(subject: str, issuer: Any = None) -> str:
    """Return what identifies the user of a session whose payload holds no identity.

    It is not a SHA-256, so no other session has it as its subject key.
    """
    return f"{json.dumps(issuer)} {subject}" if issuer is not None else f"subject {subject}"
