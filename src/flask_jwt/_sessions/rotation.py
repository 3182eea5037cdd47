"""Rotate refresh tokens; this happens nowhere else."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from .. import signals
from ..errors import (
    RefreshTokenReused,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    UserNotFound,
)
from ..stores import Session
from .granted import read_granted
from .printable import printable
from .refresh_tokens import RefreshClaims, RefreshTokens
from .revoking import SessionRevoker

logger = logging.getLogger("flask_jwt")


class Tokens(NamedTuple):
    """Hold the tokens of a session that was started or refreshed."""

    access_token: str
    refresh_token: str
    session: Session
    identity: Any
    """The user."""

    # Without the tokens: a repr ends up in logs and error reports.
    def __repr__(self) -> str:
        return f"<Tokens of session {self.session.sid}>"


class PendingRefresh(NamedTuple):
    """Hold a refresh whose token was verified, and whose session is not rotated yet."""

    claims: RefreshClaims
    session: Session
    """The stored session, from the time at which the token was verified."""
    access_token: str
    identity: Any
    """The user."""

    # Without the token: a repr ends up in logs and error reports.
    def __repr__(self) -> str:
        return f"<PendingRefresh of session {self.session.sid}>"


class _Call(NamedTuple):
    """Identify one attempt of a client to refresh a session."""

    id: str
    ip: str | None
    user_agent: str | None

    def is_from_another_client(self, session: Session) -> bool:
        """Return whether another client than this one has rotated *session*; False if unknown."""
        pairs = ((self.ip, session.last_ip), (self.user_agent, session.last_user_agent))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


class SessionRotation(RefreshTokens, SessionRevoker):
    """Exchange refresh tokens for new ones."""

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
        # Without a key to sign with, this raises an error before the token is used up.
        self._host.get_codec().keys.active(now)
        session, identity = self._rotate_or_resolve(claims, identity, now, call)
        return self._issue_tokens(identity, session, claims.payload, claims.remember)

    def _rotate_or_resolve(
        self, claims: RefreshClaims, identity: Any, now: float, call: _Call
    ) -> tuple[Session, Any]:
        """Rotate a session; if another request has done so, return what it has stored.

        :returns: the session, and its user as the session's present grants make it
        """
        for _ in range(2):
            session = self._rotate(claims, now, call)
            if session is not None:
                signals.session_refreshed.send(self._host.sender, session=session)
                return session, identity
            session = self._resolve_stale(claims, self._host.get_policy().grace, now, call)
            if session.grants != claims.grants:
                # They have changed since the token was issued. The user is loaded before the token
                # is used up, so that the client can repeat a refresh that fails here.
                claims = claims._replace(grants=session.grants)
                identity = self._load_user(claims)
            if session.generation != claims.generation:
                return session, identity
        # The session changed between rotate() and get(); ask the client to retry.
        raise StoreUnavailable

    def begin_refresh(self, token: str) -> PendingRefresh:
        """Verify a refresh token as :meth:`refresh` does, and issue an access token.

        The session isn't rotated, so the token may be sent again: :meth:`complete_refresh` does
        that, once the client is sure to get the result. If the token was reused, its session is
        revoked here already.

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
        if session.grants != claims.grants:
            claims = claims._replace(grants=session.grants)
            identity = self._load_user(claims)
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

    def _identify(self, token: str, now: float) -> tuple[RefreshClaims, Any]:
        """Return the claims of a refresh token, and its user."""
        verified, claims = self._verify_refresh_token(token, now)
        # Before anything changes, so that a listed token has no effect.
        self._host.check_blocklist(verified.header, verified.claims)
        return claims, self._load_user(claims)

    def _load_user(self, claims: RefreshClaims) -> Any:
        """Return the user of a refresh token; if there is none, revoke the session."""
        payload = self._host.replace_grants(claims.payload, read_granted(claims.grants))
        # The identity handler finds here what it finds in an access token of the session.
        payload = {
            **payload, "sid": claims.sid, "auth_time": claims.auth_time, "jti": claims.jti,
            "iat": claims.issued_at, "exp": claims.expires_at,
        }  # fmt: skip
        identity = self._host.load_user(payload)
        if identity is None:
            self.revoke(claims.sid)
            raise UserNotFound(ended_sid=claims.sid)
        return identity

    def _rotate(self, claims: RefreshClaims, now: float, call: _Call) -> Session | None:
        """Rotate a session, and return it; None if it has another generation or has ended."""
        policy = self._host.get_policy()
        idle = None if policy.idle is None else now + policy.idle
        generation = claims.generation
        # A custom store may not have this parameter; then there are no grants.
        grants = {} if claims.grants is None else {"grants": claims.grants}
        if not self.store.rotate(
            claims.sid, generation, now=now, idle_expires_at=idle,
            change_id=call.id, ip=call.ip, user_agent=call.user_agent, **grants,
        ):  # fmt: skip
            return None
        # The session is made from the token's claims rather than read from the store. Only the
        # generation and the times have changed, and all are known here. Reading would cost a second
        # query, and another request could have rotated the session again.
        return replace(claims.to_session(generation + 1, now), idle_expires_at=idle)

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

    def _make_call(self) -> _Call:
        return _Call(secrets.token_hex(16), *self._get_client())

    def _get_client(self) -> tuple[str | None, str | None]:
        ip, user_agent = self._host.get_client()
        return printable(ip, 45), printable(user_agent, 255)


def _is_within(grace: float, session: Session, now: float) -> bool:
    """Return whether the token that the last rotation has replaced is still accepted."""
    return grace > 0 and now - session.rotated_at <= grace
