"""Start, refresh, revoke and list sessions. Refresh tokens are rotated here and nowhere else."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .. import signals
from .._clock import Clock
from .._jose.claims import TIME_CLAIMS, identity_of, subject_of
from .._jose.codec import TokenCodec, VerifiedToken
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

ENDED_SESSION_RETENTION = 3600.0
"""Seconds for which an ended session is kept at least, so that a client can be told that its
session was revoked or has expired, rather than that it is unknown."""

PRUNE_BATCH = 500
"""Sessions deleted in one transaction: few, because the transaction locks their rows."""


class SessionPolicy(NamedTuple):
    """The limits of sessions, in seconds.

    :param lifetime: the absolute limit, counted from the login; rotation never extends it
    :param idle: the limit between two refreshes, or None
    :param grace: how long the previous refresh token is still accepted after a rotation; 0: never
    :param maximum: active sessions of one subject, or None; the oldest one is revoked
    :param access_lifetime: the longest lifetime of an access token, leeway included
    """

    lifetime: float
    idle: float | None
    grace: float
    maximum: int | None
    access_lifetime: float


class Tokens(NamedTuple):
    """The tokens of a session that was started or refreshed."""

    access_token: str
    refresh_token: str
    session: Session
    identity: Any
    """The user."""

    # Without the tokens: a repr ends up in logs and error reports.
    def __repr__(self) -> str:
        return f"<Tokens of session {self.session.sid}>"


class SessionHost(NamedTuple):
    """The functions and objects of the application that its sessions need.

    Sessions get them as arguments, so that this module needs no web framework.
    """

    get_policy: Callable[[], SessionPolicy]
    get_codec: Callable[[], TokenCodec]
    """Return the codec that issues and verifies refresh tokens."""
    create_payload: Callable[[Any, float], Mapping[str, Any]]
    """Return the claims of an access token for a user who logged in at a time."""
    issue_access_token: Callable[[Any, Session, Mapping[str, Any] | None], str]
    """Return an access token for a user in a session, with the claims given; None: new claims."""
    load_user: Callable[[Mapping[str, Any]], Any]
    """Return the user of a payload, or None if the user no longer exists."""
    check_blocklist: Callable[[Mapping[str, Any], Mapping[str, Any]], None]
    """Raise TokenRevoked if the application's blocklist has a token with this header and payload.
    """
    sender: Any
    """The sender of signals."""
    clock: Clock


_SID = re.compile(r"[0-9a-f]{32}")

_REFRESH_CLAIM_NAMES = ("sid", "gen", "sub", "payload", "auth_time", "exp")
_REFRESH_CLAIM_TYPES = (str, int, str, dict, int, int)


class RefreshClaims(NamedTuple):
    """The claims of a refresh token that belongs to a session."""

    sid: str
    generation: int
    subject: str
    payload: dict[str, Any]
    auth_time: int
    expires_at: int

    def is_valid(self) -> bool:
        """Return whether every claim has the type that :class:`SessionManager` issues."""
        return tuple(map(type, self)) == _REFRESH_CLAIM_TYPES and is_sid(self.sid)

    def to_session(self, generation: int, rotated_at: float) -> Session:
        """Return the session at *generation*, with the fields that the token states."""
        return Session(
            sid=self.sid,
            subject=self.subject,
            payload=json.dumps(self.payload),
            generation=generation,
            created_at=self.auth_time,
            rotated_at=rotated_at,
            expires_at=self.expires_at,
        )


def is_sid(value: str) -> bool:
    """Return whether *value* has the format of a session's id.

    What a client sends is checked before it reaches the store, which may read it as a pattern, as
    a part of a key, or not at all.
    """
    return _SID.fullmatch(value) is not None


class SessionManager:
    """Start, refresh, list and revoke the sessions of one application.

    :param store: keeps the sessions
    :param host: the application's functions and objects

    :attr:`revocations` holds the sessions that were revoked recently; those revoked here are added
    at once. None if the guard queries the store for each request, or doesn't check sessions.
    """

    def __init__(self, store: SessionStore, host: SessionHost) -> None:
        self.store = store
        self._host = host
        self.revocations: Revocations | None = None

    def follow_revocations(self, staleness: float | None, lifetime: float) -> None:
        """Poll the store's revocations from now on, for :meth:`check_access_token`.

        :param staleness: seconds; 0 or None: nothing is cached, each check queries the store
        :param lifetime: the longest lifetime of an access token in seconds, leeway included
        """
        current = self.revocations
        # Tokens that never expire would need all revocations there ever were, so for them the
        # store is queried.
        if not staleness or not math.isfinite(lifetime):
            self.revocations = None
        elif current is None or (current.lifetime, current.staleness) != (lifetime, staleness):
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
        """Start a session for a user who has just authenticated.

        :param identity: a user object or dict with an ``id``, or the id itself
        :param label: the device's name, for its user to recognize
        :raises StoreUnavailable: if the store can't be reached; no session was started
        """
        policy = self._host.get_policy()
        now = self._host.clock.now()
        # Whole seconds, as in a token's claims, so that the claims and the row are equal.
        started_at = float(int(now))
        payload = self._host.create_payload(identity, started_at)
        kept_claims = {name: payload[name] for name in payload if name not in _PER_TOKEN_CLAIMS}
        session = Session(
            sid=secrets.token_hex(16),
            subject=_get_subject(payload, identity),
            payload=json.dumps(kept_claims),
            generation=0,
            created_at=started_at,
            rotated_at=started_at,
            expires_at=started_at + int(policy.lifetime),
            idle_expires_at=None if policy.idle is None else now + policy.idle,
            user_agent=printable(user_agent, 255),
            ip=printable(ip, 45),
            label=printable(label, 255),
        )
        self.store.create(session)
        if policy.maximum is not None:
            self._revoke_oldest(session, policy.maximum, now)
        signals.session_started.send(self._host.sender, session=session)
        return self._issue_tokens(identity, session, kept_claims, payload)

    def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        A refresh token can be used once. If it is used again within the grace period, the response
        holds the same new refresh token, so that concurrent tabs and retries end up with one. If it
        is used again later, it may have been stolen, so its session is revoked.

        :raises TokenRevoked: if the session was revoked, or the token is on the blocklist
        :raises RefreshTokenReused: if the token was used before, and the grace period has passed
        :raises TokenInvalid: or a subclass, if the token is invalid for another reason
        :raises UserNotFound: if the user no longer exists; the session is revoked
        :raises StoreUnavailable: if the store can't be reached; the same token may be sent again
        """
        now = self._host.clock.now()
        verified, claims = self._verify_refresh_token(token, now)
        # Before anything changes, so that a listed token has no effect.
        self._host.check_blocklist(verified.header, verified.claims)
        own = {"jti": verified.claims.get("jti"), "exp": claims.expires_at}
        identity = self._host.load_user({**claims.payload, **own})
        if identity is None:
            self.revoke(claims.sid)
            raise UserNotFound
        policy = self._host.get_policy()
        idle = None if policy.idle is None else now + policy.idle
        generation = claims.generation
        if self.store.rotate(claims.sid, generation, now=now, idle_expires_at=idle):
            # The row isn't read back: the token states what was in it, and the one caller whose
            # UPDATE matched knows what has changed. A read would cost a second query, and could
            # see a later rotation.
            session = claims.to_session(generation + 1, now)
            signals.session_refreshed.send(self._host.sender, session=session)
        else:
            session = self._resolve_stale(claims, policy.grace, now)
        return self._issue_tokens(identity, session, claims.payload)

    def revoke(self, sid: str) -> bool:
        """Revoke a session.

        Its refresh token is rejected at once, its access tokens at the latest after the seconds of
        ``JWT_REVOCATION_CHECK``.

        :returns: True if the session had not been revoked before
        """
        if not is_sid(sid):
            return False
        now = self._host.clock.now()
        is_first = self.store.revoke(sid, now)
        if self.revocations is not None:
            self.revocations.add(sid, now)
        if is_first:
            signals.session_revoked.send(self._host.sender, sid=sid)
        return is_first

    def revoke_all(self, subject: Any, keep: str | None = None) -> int:
        """Revoke all sessions of a user, except the one whose sid is *keep*.

        For example after a change of the password, to log out everywhere but here::

            jwt.sessions.revoke_all(user.id, keep=get_jwt().get("sid"))

        :param subject: the user, their id, or the ``sub`` of their tokens
        :returns: the number of sessions revoked
        """
        return sum(
            self.revoke(session.sid) for session in self.list(subject) if session.sid != keep
        )

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session, by which its user recognizes the device; None for none.

        :returns: False if there is no such session
        """
        return is_sid(sid) and self.store.rename(sid, printable(label, 255))

    def list(self, subject: Any) -> list[Session]:
        """Return the active sessions of a user, oldest first.

        :param subject: the user, their id, or the ``sub`` of their tokens
        """
        return self.store.list_active(subject_of(identity_of(subject)), self._host.clock.now())

    def get(self, sid: str) -> Session | None:
        """Return a session, even one that has ended, or None if there is no such session."""
        return self.store.get(sid) if is_sid(sid) else None

    def count(self) -> dict[str, int]:
        """Count the active, revoked and expired sessions."""
        return self.store.count(self._host.clock.now())

    def prune(self, *, on_batch: Callable[[int], None] | None = None) -> int:
        """Delete sessions that ended so long ago that no token of theirs can still be valid.

        :param on_batch: called with the number of deleted sessions after each transaction
        :returns: the number of sessions deleted
        """
        retention = max(ENDED_SESSION_RETENTION, self._host.get_policy().access_lifetime)
        before = self._host.clock.now() - retention
        total = 0
        while deleted := self.store.prune(before, PRUNE_BATCH):
            total += deleted
            if on_batch is not None:
                on_batch(deleted)
        return total

    def close(self) -> None:
        """Close the store's connections. The next use opens new ones."""
        self.store.close()

    def verify(self, token: str) -> Session:
        """Return the session of a refresh token, without using the token up.

        The token is the session's current one, or the previous one within the grace period. A
        reused token is rejected, but doesn't revoke the session; :meth:`refresh` does that.

        :raises TokenRevoked: if the session has ended, or the grace period of the token has passed
        :raises TokenInvalid: or a subclass, if the token is invalid for another reason
        """
        now = self._host.clock.now()
        _, claims = self._verify_refresh_token(token, now)
        current = self.store.get(claims.sid)
        if current is None or not current.is_active(now):
            raise TokenRevoked
        age = now - current.rotated_at if current.generation != claims.generation else 0
        is_recent = current.generation - claims.generation in (0, 1)
        if not is_recent or age > self._host.get_policy().grace:
            raise TokenRevoked
        return current

    @staticmethod
    def is_sid(value: str) -> bool:
        """Return whether *value* has the format of a session's id."""
        return is_sid(value)

    def check_access_token(self, sid: Any, issued_at: float) -> None:
        """Reject the access token of a session that has ended.

        :param sid: the token's ``sid``
        :param issued_at: the token's ``iat``
        :raises TokenRevoked: if the session was revoked, or the store was queried and the session
            has ended in another way
        :raises ClaimInvalid: if *sid* can't be the id of a session
        """
        if not isinstance(sid, str) or not is_sid(sid):
            raise ClaimInvalid('Invalid "sid" claim')
        recent = self.revocations
        # The revocations of a token that is older than access tokens get here (its lifetime was
        # set by hand, or has been shortened since) may have been dropped already.
        if recent is not None and self._host.clock.now() - issued_at <= recent.lifetime:
            recent.check(sid)
            return
        session = self.store.get(sid)
        if session is None or not session.is_active(self._host.clock.now()):
            raise TokenRevoked

    def _verify_refresh_token(self, token: str, now: float) -> tuple[VerifiedToken, RefreshClaims]:
        verified = self._host.get_codec().verify(token, now)
        payload = verified.claims
        claims = RefreshClaims(*(payload[name] for name in _REFRESH_CLAIM_NAMES))
        if not claims.is_valid():
            raise ClaimInvalid("Invalid claims in the refresh token")
        return verified, claims

    def _resolve_stale(self, claims: RefreshClaims, grace: float, now: float) -> Session:
        """Return the current session if its previous token was sent within the grace period.

        Otherwise raise the error that says why the rotation matched no row, and revoke the session
        if the token was reused.
        """
        current = self.store.get(claims.sid)
        if current is None or current.revoked_at is not None:
            raise TokenRevoked
        if not current.is_active(now):
            raise TokenExpired("Session has expired")
        ahead = current.generation - claims.generation
        if ahead == 1 and grace > 0 and now - current.rotated_at <= grace:
            return current
        if ahead == 0:
            # The row changed between UPDATE and SELECT; ask the client to retry.
            raise StoreUnavailable
        if ahead < 0:
            # The store was restored from a backup that is older than the token. This is no reuse.
            raise TokenRevoked
        self.revoke(claims.sid)
        signals.refresh_token_reused.send(
            self._host.sender, session=current, generation=claims.generation
        )
        raise RefreshTokenReused

    def _issue_tokens(
        self,
        identity: Any,
        session: Session,
        payload: Mapping[str, Any],
        access_claims: Mapping[str, Any] | None = None,
    ) -> Tokens:
        # The refresh token states what its session's row holds, and nothing random. So the store
        # holds no token and no hash of one, from which whoever reads the database could make a
        # valid token; a refresh needs no query before its UPDATE; and within the grace period the
        # same token can be issued again.
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
        refresh_token = self._host.get_codec().issue(claims, now=self._host.clock.now())
        access_token = self._host.issue_access_token(identity, session, access_claims)
        return Tokens(access_token, refresh_token, session, identity)

    def _revoke_oldest(self, newest: Session, maximum: int, now: float) -> None:
        others = [s for s in self.store.list_active(newest.subject, now) if s.sid != newest.sid]
        for session in others[: max(0, len(others) + 1 - maximum)]:
            self.revoke(session.sid)


_PER_TOKEN_CLAIMS = (*TIME_CLAIMS, "jti", "auth_time", "sid", "type", "fresh")
"""Claims of one access token, which are not kept with its session."""


def _get_subject(payload: Mapping[str, Any], identity: Any) -> str:
    # A payload handler of the application may leave out sub, identity, or both.
    for name in ("sub", "identity"):
        if payload.get(name) is not None:
            return subject_of(payload[name])
    return subject_of(identity_of(identity))
