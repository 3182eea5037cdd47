"""Sessions: start, refresh (rotation, grace, reuse), revoke, list. The only place that rotates."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .. import signals
from .._clock import Clock
from .._jose.claims import TIME_CLAIMS, subject_of
from .._jose.codec import TokenCodec
from ..errors import (
    ClaimInvalid,
    RefreshTokenReused,
    StoreUnavailable,
    TokenExpired,
    TokenRevoked,
    UserNotFound,
)
from ..stores import Session, SessionStore
from .printable import printable
from .revocations import Revocations

KEPT_AFTER_END = 3600.0
"""Seconds that an ended session is kept at least, so that its user can be told why."""

PRUNE_BATCH = 500
"""Sessions forgotten in one transaction; it is short, so that the table isn't locked for long."""


class SessionPolicy(NamedTuple):
    """How long sessions live, in seconds.

    :param lifetime: the absolute limit, counted from the login; rotation never extends it
    :param idle: the limit between two refreshes, or None
    :param grace: for so long the previous refresh token is answered with the present one; 0: never
    :param maximum: active sessions of one subject, or None; the oldest goes
    :param access_lifetime: the longest life of an access token, leeway included
    """

    lifetime: float
    idle: float | None
    grace: float
    maximum: int | None
    access_lifetime: float


class Tokens(NamedTuple):
    """What a login or a refresh gives."""

    access_token: str
    refresh_token: str
    session: Session
    identity: Any
    """The user."""

    def __repr__(self) -> str:
        return f"<Tokens of session {self.session.sid}>"


class SessionHost(NamedTuple):
    """What sessions need of the application that they belong to."""

    policy: Callable[[], SessionPolicy]
    codec: Callable[[], TokenCodec]
    """Issues and verifies refresh tokens."""
    payload: Callable[[Any, float], Mapping[str, Any]]
    """Returns the claims of an access token for a user who logged in at a time."""
    access_token: Callable[[Any, Session, Mapping[str, Any] | None], str]
    """Returns an access token for a user, in a session, with claims; None: with new ones."""
    subject: Callable[[Any], str]
    """Returns the subject of a user or of a user's id."""
    user: Callable[[Mapping[str, Any]], Any]
    """The user of a payload, or None if there is none any more."""
    sender: Any
    """The sender of signals."""
    clock: Clock


_SID = re.compile(r"[0-9a-f]{32}")

_PRESENTED = ("sid", "gen", "sub", "payload", "auth_time", "exp")
_KINDS = (str, int, str, dict, int, int)


class RefreshClaims(NamedTuple):
    """What a refresh token says."""

    sid: str
    generation: int
    subject: str
    payload: dict[str, Any]
    auth_time: int
    expires_at: int

    def is_ours(self) -> bool:
        """Whether every claim is of the kind we issue."""
        return tuple(map(type, self)) == _KINDS and _SID.fullmatch(self.sid) is not None

    def session(self, generation: int, rotated_at: float) -> Session:
        """The session at *generation*, as far as the token tells it."""
        return Session(
            sid=self.sid,
            subject=self.subject,
            payload=json.dumps(self.payload),
            generation=generation,
            created_at=self.auth_time,
            rotated_at=rotated_at,
            expires_at=self.expires_at,
        )


class SessionManager:
    """The sessions of one application.

    :param store: where they are kept
    :param host: the application that they belong to

    :attr:`revocations` is what the guard knows of revoked sessions, and is told at once of those
    revoked here; None where the guard asks the store itself, or nobody.
    """

    def __init__(self, store: SessionStore, host: SessionHost) -> None:
        self.store = store
        self._host = host
        self.revocations: Revocations | None = None

    def watch(self, staleness: float | None, lifetime: float) -> None:
        """Follow the store's revocations, for :meth:`check_access`.

        :param staleness: seconds; 0 or None: nothing is kept here, and the store is asked each time
        :param lifetime: seconds that an access token may live, leeway included
        """
        known = self.revocations
        if not staleness or not math.isfinite(lifetime):
            self.revocations = None
        elif known is None or (known.lifetime, known.staleness) != (lifetime, staleness):
            self.revocations = Revocations(
                self.store, lifetime=lifetime, staleness=staleness, clock=self._host.clock
            )

    def start(
        self,
        identity: Any,
        *,
        label: str | None = None,
        user_agent: str | None = None,
        ip: str | None = None,
    ) -> Tokens:
        """Begin a session for a user who has just proved who they are.

        :param identity: a user object or dict with an ``id``, or the id itself
        :param label: the device's name, for its user to recognize
        :raises StoreUnavailable: if it can't be kept
        """
        policy = self._host.policy()
        moment = self._host.clock.now()
        # Whole seconds, so that the claims of its tokens say exactly what its row says.
        now = float(int(moment))
        payload = self._host.payload(identity, now)
        kept = {name: payload[name] for name in payload if name not in _FLEETING}
        session = Session(
            sid=secrets.token_hex(16),
            subject=self._subject(payload, identity),
            payload=json.dumps(kept),
            generation=0,
            created_at=now,
            rotated_at=now,
            expires_at=now + int(policy.lifetime),
            idle_expires_at=None if policy.idle is None else moment + policy.idle,
            user_agent=printable(user_agent, 255),
            ip=printable(ip, 45),
            label=printable(label, 255),
        )
        self.store.create(session)
        if policy.maximum is not None:
            self._end_oldest(session, policy.maximum, moment)
        signals.session_started.send(self._host.sender, session=session)
        return self._tokens(identity, session, kept, payload)

    def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        The refresh token given is then used up. Given once more within the grace it is answered
        with the same new one, so that tabs and retries converge; given later it is taken for
        stolen, and its session ends.

        :raises RefreshTokenReused: if so
        :raises TokenInvalid: or the subclass that says what else is wrong
        :raises UserNotFound: if there is no such user any more; the session ends
        :raises StoreUnavailable: if the store can't be asked; nothing has changed for the caller
        """
        now = self._host.clock.now()
        presented = self._read(token, now)
        identity = self._host.user(presented.payload)
        if identity is None:
            self.revoke(presented.sid)
            raise UserNotFound
        policy = self._host.policy()
        idle = None if policy.idle is None else now + policy.idle
        generation = presented.generation
        if self.store.rotate(presented.sid, generation, now=now, idle_expires_at=idle):
            session = presented.session(generation + 1, now)
            signals.session_refreshed.send(self._host.sender, session=session)
        else:
            session = self._resolve_stale(presented, policy.grace, now)
        return self._tokens(identity, session, presented.payload)

    def revoke(self, sid: str) -> bool:
        """End a session: its refresh token at once, its access tokens within the staleness that
        ``JWT_REVOCATION_CHECK`` tolerates.

        :returns: True if nobody had ended it before
        """
        if not _SID.fullmatch(sid):
            return False
        now = self._host.clock.now()
        is_first = self.store.revoke(sid, now)
        if self.revocations is not None:
            self.revocations.add(sid, now)
        if is_first:
            signals.session_revoked.send(self._host.sender, sid=sid)
        return is_first

    def revoke_all(self, subject: Any, keep: str | None = None) -> int:
        """End all sessions of a user, but for that of the sid *keep*.

        :param subject: the user, their id, or the ``sub`` of their tokens
        :returns: how many were ended
        """
        return sum(
            self.revoke(session.sid) for session in self.list(subject) if session.sid != keep
        )

    def rename(self, sid: str, label: str | None) -> bool:
        """Give a session another label, by which its user knows the device; None for none.

        :returns: False if it is unknown
        """
        return _SID.fullmatch(sid) is not None and self.store.rename(sid, printable(label, 255))

    def list(self, subject: Any) -> list[Session]:
        """A user's active sessions, oldest first.

        :param subject: the user, their id, or the ``sub`` of their tokens
        """
        return self.store.list_active(self._host.subject(subject), self._host.clock.now())

    def get(self, sid: str) -> Session | None:
        """A session, over though it may be; None if it is unknown.

        Only what can be a sid is looked for: a client's text never reaches the store.
        """
        return self.store.get(sid) if _SID.fullmatch(sid) else None

    def count(self) -> dict[str, int]:
        """How many sessions are active, revoked and expired."""
        return self.store.count(self._host.clock.now())

    def prune(self, *, on_batch: Callable[[int], None] | None = None) -> int:
        """Forget the sessions that ended longer ago than any token of theirs can be shown.

        :param on_batch: called with the number forgotten after each short transaction
        :returns: how many were forgotten
        """
        before = self._host.clock.now() - max(KEPT_AFTER_END, self._host.policy().access_lifetime)
        total = 0
        while forgotten := self.store.prune(before, PRUNE_BATCH):
            total += forgotten
            if on_batch is not None:
                on_batch(forgotten)
        return total

    def close(self) -> None:
        """Close the store's connections. The next use opens new ones."""
        self.store.close()

    def verify(self, token: str) -> Session:
        """The session whose present refresh token this is, or was within the grace.

        It uses nothing up and ends nothing; :meth:`refresh` does.

        :raises TokenRevoked: if the session is over, or the token was rotated longer ago
        :raises TokenInvalid: or the subclass that says what else is wrong
        """
        now = self._host.clock.now()
        presented = self._read(token, now)
        current = self.store.get(presented.sid)
        if current is None or not current.is_active(now):
            raise TokenRevoked
        age = now - current.rotated_at if current.generation != presented.generation else 0
        if (
            current.generation - presented.generation not in (0, 1)
            or age > self._host.policy().grace
        ):
            raise TokenRevoked
        return current

    def check_access(self, sid: Any, issued_at: float) -> None:
        """Refuse an access token whose session is known to be over.

        A token older than access tokens of this application get may belong to a session whose
        revocation is forgotten here, so for it the store itself is asked.

        :param issued_at: the token's ``iat``
        :raises TokenRevoked: if its session is over
        """
        if not isinstance(sid, str) or not _SID.fullmatch(sid):
            raise ClaimInvalid("The token's sid is none of ours")
        recent = self.revocations
        if recent is not None and self._host.clock.now() - issued_at <= recent.lifetime:
            recent.check(sid)
            return
        session = self.store.get(sid)
        if session is None or not session.is_active(self._host.clock.now()):
            raise TokenRevoked

    def _read(self, token: str, now: float) -> RefreshClaims:
        claims = self._host.codec().verify(token, now).claims
        presented = RefreshClaims(*(claims[name] for name in _PRESENTED))
        if not presented.is_ours():
            raise ClaimInvalid("The refresh token is none of ours")
        return presented

    def _resolve_stale(self, presented: RefreshClaims, grace: float, now: float) -> Session:
        """The session as it is, if *presented* is just what it was; otherwise its end."""
        current = self.store.get(presented.sid)
        if current is None or current.revoked_at is not None:
            raise TokenRevoked
        if not current.is_active(now):
            raise TokenExpired("Session has expired")
        ahead = current.generation - presented.generation
        if ahead == 1 and grace > 0 and now - current.rotated_at <= grace:
            return current
        if ahead == 0:
            raise StoreUnavailable  # it has become what it was between our two looks: try again
        if ahead < 0:
            raise TokenRevoked  # the store has forgotten: it was restored from an older state
        self.revoke(presented.sid)
        signals.refresh_token_reused.send(
            self._host.sender, session=current, generation=presented.generation
        )
        raise RefreshTokenReused

    def _tokens(
        self,
        identity: Any,
        session: Session,
        payload: Mapping[str, Any],
        access_claims: Mapping[str, Any] | None = None,
    ) -> Tokens:
        claims = {
            "type": "refresh",
            "sid": session.sid,
            "gen": session.generation,
            "sub": session.subject,
            "payload": payload,
            "auth_time": int(session.created_at),
            "iat": int(session.rotated_at),
            "exp": int(session.expires_at),
            "jti": f"{session.sid}.{session.generation}",
        }
        refresh_token = self._host.codec().issue(claims, now=self._host.clock.now())
        access_token = self._host.access_token(identity, session, access_claims)
        return Tokens(access_token, refresh_token, session, identity)

    def _subject(self, payload: Mapping[str, Any], identity: Any) -> str:
        for name in ("sub", "identity"):
            if payload.get(name) is not None:
                return subject_of(payload[name])
        return self._host.subject(identity)

    def _end_oldest(self, newest: Session, maximum: int, now: float) -> None:
        others = [s for s in self.store.list_active(newest.subject, now) if s.sid != newest.sid]
        for session in others[: max(0, len(others) + 1 - maximum)]:
            self.revoke(session.sid)


_FLEETING = (*TIME_CLAIMS, "jti", "auth_time", "sid", "type", "fresh")
"""Claims of one access token, which are not kept with its session."""
