"""Finish what an outage of the store has cut off: logouts, and logins that got no response."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from threading import Lock

from ..errors import StoreUnavailable
from ..stores import Session
from ..stores._deadline import time_left, time_limit

logger = logging.getLogger("flask_jwt")

MOST_UNFINISHED = 1000
"""The sessions that are remembered at most."""


LONGEST_DELAY = 1.0
"""Seconds for which a request may be delayed, because it revokes the sessions of others."""


class UnfinishedRevocations:
    """Remember the sessions that have to be revoked as soon as the store is available again.

    A login that was answered with an error may have stored its session all the same, and no one
    has its tokens. A logout that was answered with an error may be half done.

    :param finish: revokes a session, given its sid and the random id of the call that was to
        revoke it, or the session of a login that failed
    """

    def __init__(self, finish: Callable[[str, str | Session], None]) -> None:
        self._finish = finish
        self._sessions: dict[str, str | Session] = {}
        self._lock = Lock()
        self._finisher: int | None = None
        """The process in which a thread revokes the sessions, or None."""

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, sid: str, revocation: str | Session) -> None:
        """Remember a session; it is forgotten if there are too many."""
        # Those that come first are kept: at the beginning of an outage, connections are cut in the
        # middle of an operation. Later there are no connections.
        if len(self._sessions) < MOST_UNFINISHED:
            self._sessions[sid] = revocation

    def finish(self) -> None:
        """Revoke the sessions, until the store fails again or it takes too long."""
        # One thread does so, and the others go on. The store's operations call this function
        # again, and it then returns as well.
        process = os.getpid()
        with self._lock:
            if not self._sessions or self._finisher == process:
                return
            self._finisher = process
        try:
            with time_limit(LONGEST_DELAY):
                self._finish_each()
        finally:
            self._finisher = None

    def _finish_each(self) -> None:
        # Only add() changes the dict meanwhile.
        for sid in list(self._sessions):
            if time_left(LONGEST_DELAY) <= 0:
                return
            revocation = self._sessions[sid]
            try:
                self._finish(sid, revocation)
            except StoreUnavailable:
                return
            except Exception:
                # The request that happens to come next must not fail because of this session.
                logger.exception("Could not revoke the session %s", sid)
            if self._sessions.get(sid) is revocation:
                del self._sessions[sid]
