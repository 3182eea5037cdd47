"""Start, refresh, revoke and list sessions. Refresh tokens are rotated here and nowhere else."""

from __future__ import annotations

import json
import logging
import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from .. import signals
from .._clock import Clock
from .._jose.claims import TIME_CLAIMS, claimed_identity, identity_of, subject_of
from .._jose.codec import TokenCodec, VerifiedToken
from ..errors import (
    ClaimInvalid,
    RefreshTokenReused,
    SessionNotFound,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    UserNotFound,
)
from ..stores import Session, SessionStore
from .printable import printable
from .revocations import Revocations
from .subjects import subject_key
from .unfinished import UnfinishedRevocations

logger = logging.getLogger("flask_jwt")

ENDED_SESSION_RETENTION = 3600.0
"""The minimum number of seconds for which an ended session is kept, so that an error can say that
the session was revoked or has expired, rather than that it is unknown."""

PRUNE_BATCH = 500
"""Sessions deleted in one transaction. The number is small because the transaction locks these
sessions in the database."""


MOST_SESSIONS = 100
"""The active sessions of a user without a limit of the application's own. A client that logs in
again and again, and never out, would otherwise fill the store."""

PAGE = 100
"""The sessions that :meth:`SessionManager.list` returns at most, if it isn't asked for more."""


class SessionPolicy(NamedTuple):
    """The limits of sessions, in seconds.

    :param lifetime: the absolute limit, counted from the login; rotation never extends it
    :param idle: the limit between two refreshes, or None
    :param grace: how long the previous refresh token is still accepted after a rotation; 0: never
    :param maximum: the limit of active sessions per user; a login that exceeds it revokes the
        oldest one. None: :data:`MOST_SESSIONS`, and the one that was unused longest is revoked
    :param access_lifetime: the longest time for which an access token is accepted after it was
        issued
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


class PendingRefresh(NamedTuple):
    """A refresh whose token was verified, and whose session is not rotated yet."""

    claims: RefreshClaims
    session: Session
    """The session as it was stored when the token was verified."""
    access_token: str
    identity: Any
    """The user."""

    # Without the token: a repr ends up in logs and error reports.
    def __repr__(self) -> str:
        return f"<PendingRefresh of session {self.session.sid}>"


class SessionHost(NamedTuple):
    """Hold the functions and objects that sessions need from the application.

    They are arguments of :class:`SessionManager`, so that this module doesn't depend on Flask.
    """

    get_policy: Callable[[], SessionPolicy]
    get_codec: Callable[[], TokenCodec]
    """Return the codec that issues and verifies refresh tokens."""
    create_payload: Callable[[Any, float], Mapping[str, Any]]
    """Return the claims of an access token, given the user and the time of the login."""
    issue_access_token: Callable[[Any, Session, Mapping[str, Any] | None], str]
    """Return an access token, given the user, the session, and the claims of the token. If the
    claims are None, they are created as at a login."""
    load_user: Callable[[Mapping[str, Any]], Any]
    """Return the user of a payload, or None if the user no longer exists."""
    check_blocklist: Callable[[Mapping[str, Any], Mapping[str, Any]], None]
    """Raise TokenRevoked if the application's blocklist has a token with this header and payload.
    """
    sender: Any
    """The sender of signals: the Flask application."""
    clock: Clock
    get_parties: Callable[[], Mapping[str, Any]]
    """Return the ``iss`` and ``aud`` of refresh tokens, as far as they are configured."""
    get_identity: Callable[[Any], Any] = identity_of
    """Return the identity that the tokens of a user hold, given the user or the identity."""
    get_claimed_identity: Callable[[Mapping[str, Any]], Any] = lambda claims: claimed_identity(
        dict(claims), None
    )
    """Return the identity in the claims of an access token, or None."""
    get_client: Callable[[], tuple[str | None, str | None]] = lambda: (None, None)
    """Return the address and the user agent of the current request; None outside of one."""
    namespace: str = ""
    """Distinguishes the users of applications that share a store."""
    issuer: str | None = None
    """The issuer of the application's tokens. Sessions of an earlier version whose payload names
    another one belong to another application."""


class ExactIdentity(NamedTuple):
    """An identity as it is in the tokens, of any type that JSON has.

    Without it, :meth:`SessionManager.list` takes a dict for a user.
    """

    value: Any


class _Call(NamedTuple):
    """One attempt of a client to refresh a session."""

    id: str
    ip: str | None
    user_agent: str | None

    def is_from_another_client(self, session: Session) -> bool:
        """Return whether another client than this one has rotated *session*; False if unknown."""
        pairs = ((self.ip, session.last_ip), (self.user_agent, session.last_user_agent))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


_SID = re.compile(r"[0-9a-f]{32}")

_REFRESH_CLAIM_NAMES = ("sid", "gen", "sub", "payload", "auth_time", "exp")
_REFRESH_CLAIM_TYPES = (str, int, str, dict, int, int)
_OPTIONAL_CLAIM_NAMES = ("csrf", "remember")


class RefreshClaims(NamedTuple):
    """The claims of a session's refresh token.

    ``generation`` is the number of times that the session's refresh token has been rotated.
    """

    sid: str
    generation: int
    subject: str
    payload: dict[str, Any]
    auth_time: int
    expires_at: int
    csrf: str | None = None
    """The CSRF value of the session; None if an earlier version started it."""
    remember: bool | None = None
    """Whether its cookies outlast the browser; None: as ``JWT_SESSION_COOKIE`` says."""

    def is_valid(self) -> bool:
        """Return whether every claim has the type with which :class:`SessionManager` issues it."""
        required = tuple(map(type, self[: len(_REFRESH_CLAIM_TYPES)]))
        optional = (self.csrf, str), (self.remember, bool)
        return (
            required == _REFRESH_CLAIM_TYPES
            and all(value is None or type(value) is expected for value, expected in optional)
            and is_sid(self.sid)
        )

    def to_session(self, generation: int, rotated_at: float) -> Session:
        """Return the session at *generation*.

        Fields that have no claim, such as the label, are None.
        """
        return Session(
            sid=self.sid,
            subject=self.subject,
            payload=json.dumps(self.payload),
            generation=generation,
            created_at=self.auth_time,
            rotated_at=rotated_at,
            expires_at=self.expires_at,
            csrf=self.csrf,
        )


def is_sid(value: str) -> bool:
    """Return whether *value* has the format of a session's id.

    An id that a client sent is checked before it is passed to the store, where special characters
    could match other keys or cause an error.
    """
    return _SID.fullmatch(value) is not None


class SessionManager:
    """Start, refresh, list and revoke the sessions of one application.

    :param store: keeps the sessions
    :param host: the application's functions and objects

    :attr:`revocations` is this process's list of recently revoked sessions. It is None if the guard
    queries the store for each request instead, or doesn't check sessions.
    """

    def __init__(self, store: SessionStore, host: SessionHost) -> None:
        self.store = store
        self._host = host
        self.revocations: Revocations | None = None
        self.unfinished = UnfinishedRevocations(self._finish_revocation)
        """The revocations that the store has not confirmed; to be finished when it is available."""

    def follow_revocations(self, staleness: float | None, lifetime: float) -> None:
        """Set how :meth:`check_access_token` finds out which sessions were revoked.

        :param staleness: how many seconds old the cached revocations may be. With 0 or None nothing
            is cached, and each check queries the store
        :param lifetime: the longest time in seconds for which an access token is accepted
        """
        current = self.revocations
        # If access tokens never expire, no revocation could ever be dropped from the cache, so the
        # store is queried instead.
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
        remember: bool | None = None,
        check: Callable[[Tokens], object] | None = None,
    ) -> Tokens:
        """Start a session for a user who has just authenticated.

        :param identity: a user object or dict with an ``id``, or the id itself
        :param label: the device's name, for its user to recognize
        :param remember: whether the session's cookies outlast the browser; default: as
            ``JWT_SESSION_COOKIE`` says
        :param check: called with the tokens before the session is stored; an error that it raises
            ends the login
        :raises StoreUnavailable: if the store can't be reached; no session was started
        """
        policy = self._host.get_policy()
        now = self._host.clock.now()
        # The claims of a token hold whole seconds, so the stored session does too. Otherwise the
        # session that to_session() makes from the claims would differ from the stored one.
        started_at = float(int(now))
        payload = self._host.create_payload(identity, started_at)
        kept_claims = {name: payload[name] for name in payload if name not in _PER_TOKEN_CLAIMS}
        user_id = self._host.get_claimed_identity(payload)
        if user_id is None:  # a payload handler of the application may leave it out
            user_id = self._host.get_identity(identity)
        user_agent, ip = printable(user_agent, 255), printable(ip, 45)
        session = Session(
            sid=secrets.token_hex(16),
            subject=subject_of(user_id),
            payload=json.dumps(kept_claims),
            generation=0,
            created_at=started_at,
            rotated_at=started_at,
            expires_at=started_at + int(policy.lifetime),
            idle_expires_at=None if policy.idle is None else now + policy.idle,
            user_agent=user_agent,
            ip=ip,
            label=printable(label, 255),
            subject_key=subject_key(self._host.namespace, user_id),
            last_ip=ip,
            last_user_agent=user_agent,
            csrf=secrets.token_urlsafe(16),
        )
        # Before anything is stored: a login whose tokens can't be issued must not end the session
        # of another device.
        tokens = self._issue_tokens(identity, session, kept_claims, remember, payload)
        if check is not None:
            check(tokens)
        try:
            self.store.create(session)
        except StoreUnavailable as error:
            if error.was_attempted:
                self.unfinished.add(session.sid, session)
            raise
        with self._abandoning(session):
            self._revoke_surplus(session, policy.maximum, now)
        signals.session_started.send(self._host.sender, session=session)
        return tokens

    def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        The refresh token is replaced by a new one. If the old one is used again within the grace
        period, the same new one is returned, so that concurrent tabs and retries end up with the
        same token. If it is used again later, it may have been stolen, so its session is revoked.

        :raises TokenRevoked: if the session was revoked, or the token is on the blocklist
        :raises RefreshTokenReused: if the token was used before, and the grace period has passed
        :raises TokenInvalid: or a subclass, if the token is invalid for another reason
        :raises UserNotFound: if the user no longer exists; the session is revoked
        :raises StoreUnavailable: if the store can't be reached; the same token may be sent again
        """
        now = self._host.clock.now()
        call = self._make_call()
        claims, identity = self._identify(token, now)
        session = self._rotate(claims, now, call)
        if session is not None:
            signals.session_refreshed.send(self._host.sender, session=session)
        else:
            session = self._resolve_stale(claims, self._host.get_policy().grace, now, call)
            if session.generation == claims.generation:
                # The session changed between rotate() and get(); ask the client to retry.
                raise StoreUnavailable
        return self._issue_tokens(identity, session, claims.payload, claims.remember)

    def begin_refresh(self, token: str) -> PendingRefresh:
        """Verify a refresh token as :meth:`refresh` does, and issue an access token.

        The session isn't rotated, so the token may be sent again: :meth:`complete_refresh` does
        that, if the client is sure to get the result. But a token that was reused revokes its
        session here.

        :raises JWTError: as :meth:`refresh` does
        """
        now = self._host.clock.now()
        claims, identity = self._identify(token, now)
        policy = self._host.get_policy()
        session = self._resolve_stale(claims, policy.grace, now, self._make_call())
        renewed = session
        if session.generation == claims.generation and policy.idle is not None:
            # The access token is sent to the client only if the rotation extends the idle limit.
            renewed = replace(session, idle_expires_at=now + policy.idle)
        access_token = self._host.issue_access_token(identity, renewed, None)
        # A process of an earlier version may have rotated the session, and left out the value.
        claims = claims._replace(csrf=session.csrf)
        return PendingRefresh(claims, session, access_token, identity)

    def complete_refresh(self, pending: PendingRefresh) -> Tokens | None:
        """Rotate the session of a pending refresh, and return its tokens.

        If another request has rotated the session meanwhile, the tokens are the present ones,
        within the grace period. This request has taken long, but it has not reused its token.

        :returns: None if the grace period has passed; the other request has sent the new tokens
        :raises TokenInvalid: if the session has ended meanwhile
        :raises StoreUnavailable: if the store can't be reached
        """
        now = self._host.clock.now()
        claims = pending.claims
        call = self._make_call()
        session = None
        if pending.session.generation == claims.generation:
            session = self._rotate(claims, now, call)
        is_rotated = session is not None
        if session is None:
            session = self._get_active(claims.sid, now)
            # The store may have repeated this call's own rotation, whose response was lost.
            is_rotated = session.change_id == call.id
            is_next = session.generation == claims.generation + 1
            grace = self._host.get_policy().grace
            if not is_next or not (is_rotated or _is_within(grace, session, now)):
                return None
        refresh_token = self._issue_refresh_token(session, claims.payload, claims.remember)
        if is_rotated:
            try:
                signals.session_refreshed.send(self._host.sender, session=session)
            except Exception:  # the client must get the tokens, because its own are used up
                logger.exception("A receiver of session_refreshed has failed")
        return Tokens(pending.access_token, refresh_token, session, pending.identity)

    def drop_superseded(self, tokens: Sequence[str]) -> list[str]:
        """Return refresh tokens of one client without those that others of them have replaced.

        A browser sends two cookies of one name, an old one beside the current one, if the cookie's
        domain or path was changed. The old one is then not a sign that the token was stolen.
        """
        newest: dict[str, tuple[int, str]] = {}
        for token in tokens:
            try:
                _, claims = self._verify_refresh_token(token, self._host.clock.now())
            except TokenInvalid:
                newest[token] = 0, token  # to be rejected with its error
            else:
                newest[claims.sid] = max(
                    newest.get(claims.sid, (-1, "")), (claims.generation, token)
                )
        return [token for _, token in newest.values()]

    def revoke(self, sid: str) -> bool:
        """Revoke a session.

        Its refresh token is rejected at once. Its access tokens are rejected within
        ``JWT_REVOCATION_CHECK`` seconds.

        :returns: True if the session had not been revoked before
        :raises StoreUnavailable: if the store can't be reached. The session is then revoked as soon
            as this process reaches the store again
        """
        return is_sid(sid) and self._revoke(sid, secrets.token_hex(16))

    def revoke_all(self, user: Any, keep: str | None = None) -> int:
        """Revoke all sessions of a user, except the one whose sid is *keep*.

        For example after a change of the password, to log out everywhere but here::

            jwt.sessions.revoke_all(user, keep=get_jwt().get("sid"))

        :param user: the user, the identity in their tokens, or one of their sessions
        :returns: the number of active sessions revoked
        :raises ConfigError: if *user* is neither a user nor an identity
        """
        now = self._host.clock.now()
        # A session that has reached its idle limit may have access tokens that are still valid.
        # They are rejected only if the session is revoked too.
        since = now - self._host.get_policy().access_lifetime
        revoked = 0
        for session in self._iterate(user, since):
            if session.sid != keep and self.revoke(session.sid):
                revoked += session.is_active(now)
        return revoked

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

    def prune(self, *, on_batch: Callable[[int], None] | None = None) -> int:
        """Delete sessions that ended so long ago that no token of theirs can still be valid.

        :param on_batch: called with the number of deleted sessions after each transaction
        :returns: the number of sessions deleted
        """
        retention = self._get_retention()
        now = self._host.clock.now()
        total = 0
        while deleted := self.store.prune(now - retention, PRUNE_BATCH, now=now):
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
            raise TokenRevoked(ended_sid=claims.sid)
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
        # Compared, not subtracted: an integer of many digits can't be converted to a float.
        if recent is not None and issued_at >= self._host.clock.now() - recent.lifetime:
            recent.check(sid)
            return
        session = self.store.get(sid)
        if session is None or not session.is_active(self._host.clock.now()):
            raise TokenRevoked(ended_sid=sid)

    def _identify(self, token: str, now: float) -> tuple[RefreshClaims, Any]:
        """Return the claims of a refresh token, and its user."""
        verified, claims = self._verify_refresh_token(token, now)
        # Before anything changes, so that a listed token has no effect.
        self._host.check_blocklist(verified.header, verified.claims)
        own = {"jti": verified.claims.get("jti"), "exp": claims.expires_at}
        identity = self._host.load_user({**claims.payload, **own})
        if identity is None:
            self.revoke(claims.sid)
            raise UserNotFound(ended_sid=claims.sid)
        return claims, identity

    def _rotate(self, claims: RefreshClaims, now: float, call: _Call) -> Session | None:
        """Rotate a session, and return it; None if it has another generation or has ended."""
        policy = self._host.get_policy()
        idle = None if policy.idle is None else now + policy.idle
        generation = claims.generation
        if not self.store.rotate(
            claims.sid, generation, now=now, idle_expires_at=idle,
            change_id=call.id, ip=call.ip, user_agent=call.user_agent,
        ):  # fmt: skip
            return None
        # The session is made from the token's claims rather than read from the store. Only the
        # generation and the times have changed, and all are known here. Reading would cost a second
        # query, and another request could have rotated the session again.
        return replace(claims.to_session(generation + 1, now), idle_expires_at=idle)

    def _verify_refresh_token(self, token: str, now: float) -> tuple[VerifiedToken, RefreshClaims]:
        # The codec for refresh tokens rejects a token that lacks one of these claims.
        try:
            verified = self._host.get_codec().verify(token, now)
        except TokenExpired as error:
            # The token expires with its session. Expiry is checked last, so it is valid otherwise.
            sid = error.jwt_data.get("sid")
            error.ended_sid = sid if isinstance(sid, str) and is_sid(sid) else None
            raise
        payload = verified.claims
        required = (payload[name] for name in _REFRESH_CLAIM_NAMES)
        claims = RefreshClaims(*required, *(payload.get(name) for name in _OPTIONAL_CLAIM_NAMES))
        if not claims.is_valid():
            raise ClaimInvalid("Invalid claims in the refresh token")
        return verified, claims

    def _resolve_stale(
        self, claims: RefreshClaims, grace: float, now: float, call: _Call
    ) -> Session:
        """Return the stored session of a refresh token.

        The token is the session's current one, or the previous one and the grace period has not
        passed. Otherwise raise the error that gives the reason. If the token was reused, revoke the
        session first.
        """
        current = self._get_active(claims.sid, now)
        ahead = current.generation - claims.generation
        if ahead == 0:
            return current
        if ahead == 1 and current.change_id == call.id:
            # The store has repeated this call's own rotation, whose response was lost. That is no
            # reuse, even without a grace period.
            signals.session_refreshed.send(self._host.sender, session=current)
            return current
        if ahead == 1 and _is_within(grace, current, now):
            if call.is_from_another_client(current):
                signals.refresh_token_repeated.send(
                    self._host.sender, session=current, ip=call.ip, user_agent=call.user_agent
                )
            return current
        if ahead < 0:
            # The store was restored from a backup that is older than the token, so the token was
            # not reused.
            raise TokenRevoked
        self.revoke(claims.sid)
        signals.refresh_token_reused.send(
            self._host.sender, session=current, generation=claims.generation
        )
        raise RefreshTokenReused(ended_sid=claims.sid)

    def _get_active(self, sid: str, now: float) -> Session:
        session = self.store.get(sid)
        if session is None or session.revoked_at is not None:
            raise TokenRevoked(ended_sid=sid)
        if not session.is_active(now):
            raise TokenExpired("Session has expired", ended_sid=sid)
        return session

    def _issue_tokens(
        self,
        identity: Any,
        session: Session,
        payload: Mapping[str, Any],
        remember: bool | None,
        access_claims: Mapping[str, Any] | None = None,
    ) -> Tokens:
        refresh_token = self._issue_refresh_token(session, payload, remember)
        access_token = self._host.issue_access_token(identity, session, access_claims)
        return Tokens(access_token, refresh_token, session, identity)

    def _issue_refresh_token(
        self, session: Session, payload: Mapping[str, Any], remember: bool | None
    ) -> str:
        # All claims of the refresh token are derived from the session, and none is random. This has
        # three advantages. The same token can be issued again within the grace period. The store
        # holds neither tokens nor their hashes, so reading the database gives an attacker no token.
        # And a refresh needs no query before the rotation.
        optional = {"csrf": session.csrf, "remember": remember}
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
            **{name: value for name, value in optional.items() if value is not None},
            **self._host.get_parties(),
        }
        return self._host.get_codec().issue(claims, now=self._host.clock.now())

    def _make_call(self) -> _Call:
        return _Call(secrets.token_hex(16), *self._get_client())

    def _get_client(self) -> tuple[str | None, str | None]:
        ip, user_agent = self._host.get_client()
        return printable(ip, 45), printable(user_agent, 255)

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

    def _get_retention(self) -> float:
        return max(ENDED_SESSION_RETENTION, self._host.get_policy().access_lifetime)

    def _revoke_surplus(self, newest: Session, maximum: int | None, now: float) -> None:
        """Revoke the sessions of a user beyond the limit, after a login.

        Each of several simultaneous logins does so after its session was stored, so the last one
        sees them all. The store orders them, so all agree on which ones remain. The session of this
        login may be among those that are revoked.
        """
        keep = MOST_SESSIONS if maximum is None else maximum
        key = self._get_user_key(newest)
        surplus = self.store.list_surplus(key, now, keep=keep, by_use=maximum is None)
        for session in surplus:
            if maximum is None and session.sid == newest.sid:
                # It was used just now. Its times are whole seconds, so it looks older than sessions
                # that were refreshed within this second.
                continue
            if maximum is None:
                logger.warning(
                    "The user %r had more than %d active sessions; the one that was unused longest "
                    "was ended. Set JWT_MAX_SESSIONS to choose the limit",
                    newest.subject, MOST_SESSIONS,
                )  # fmt: skip
            self.revoke(session.sid)

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
            self.revocations.add(sid, now)
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
            self.revocations.add(sid, now)


def _is_within(grace: float, session: Session, now: float) -> bool:
    """Return whether the token that the last rotation has replaced is still accepted."""
    return grace > 0 and now - session.rotated_at <= grace


_PER_TOKEN_CLAIMS = (*TIME_CLAIMS, "jti", "auth_time", "sid", "type", "fresh", "csrf")
"""Claims that differ in each access token, or that the session itself has, so they are not stored
in the session's payload."""


def _key_without_identity(subject: str, issuer: Any = None) -> str:
    """Return what identifies the user of a session whose payload holds no identity.

    It is not a SHA-256, so no other session has it as its subject key.
    """
    return f"{json.dumps(issuer)} {subject}" if issuer is not None else f"subject {subject}"
