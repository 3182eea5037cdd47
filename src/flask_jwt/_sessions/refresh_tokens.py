"""Issue and verify the refresh tokens of sessions."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._jose.codec import VerifiedToken
from ..errors import ClaimInvalid, TokenExpired
from ..stores import Session
from .host import SessionHost

_SID = re.compile(r"[0-9a-f]{32}")

_REFRESH_CLAIM_NAMES = ("sid", "gen", "sub", "payload", "auth_time", "exp", "iat")
_REFRESH_CLAIM_TYPES = (str, int, str, dict, int, int, int)
_OPTIONAL_CLAIM_NAMES = ("csrf", "remember", "grants")


def make_jti(sid: str, generation: int) -> str:
    """Return the id of a session's refresh token."""
    return f"{sid}.{generation}"


class RefreshClaims(NamedTuple):
    """Hold the claims of a session's refresh token.

    ``generation`` is the number of times that the session's refresh token has been rotated.
    """

    sid: str
    generation: int
    subject: str
    payload: dict[str, Any]
    auth_time: int
    expires_at: int
    issued_at: int
    csrf: str | None = None
    """The CSRF value of the session; None if an earlier version started it."""
    remember: bool | None = None
    """Whether its cookies outlast the browser; None: as ``JWT_SESSION_COOKIE`` says."""
    grants: str | None = None
    """The session's :attr:`~flask_jwt.stores.Session.grants` when the token was issued."""

    @property
    def jti(self) -> str:
        """Return the id of the token."""
        return make_jti(self.sid, self.generation)

    def is_valid(self) -> bool:
        """Return whether every claim has the type with which :class:`SessionManager` issues it."""
        required = tuple(map(type, self[: len(_REFRESH_CLAIM_TYPES)]))
        optional = (self.csrf, str), (self.remember, bool), (self.grants, str)
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
            grants=self.grants,
        )


def create_sid(now: float) -> str:
    """Return the id of a session that starts now: the hour, and 108 random bits.

    Sessions that end together are deleted together. As their ids begin with the hour, they are
    neighbours in the index of the ids, so a batch of :meth:`SessionRevoker.prune` writes some pages
    of it rather than all.
    """
    hour = int(now // 3600) & 0xFFFFF  # until 2089; then it begins again, which does no harm
    return f"{hour << 108 | secrets.randbits(108):032x}"


def is_sid(value: str) -> bool:
    """Return whether *value* has the format of a session's id.

    An id that a client sent is checked before it is passed to the store, where special characters
    could match other keys or cause an error.
    """
    return _SID.fullmatch(value) is not None


class RefreshTokens:
    """Issue and verify refresh tokens, each of which is a signed copy of its session's row."""

    _host: SessionHost

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

    def _issue_refresh_token(
        self, session: Session, payload: Mapping[str, Any], remember: bool | None
    ) -> str:
        # All claims of the refresh token are derived from the session, and none is random. This has
        # three advantages. The same token can be issued again within the grace period. The store
        # holds neither tokens nor their hashes, so reading the database gives an attacker no token.
        # And a refresh needs no query before the rotation.
        optional = {"csrf": session.csrf, "remember": remember, "grants": session.grants}
        claims = {
            "type": "refresh",
            "sid": session.sid,
            "gen": session.generation,
            "sub": session.subject,
            "payload": payload,
            "auth_time": int(session.created_at),
            "iat": int(session.rotated_at),
            "exp": int(session.expires_at),
            "jti": make_jti(session.sid, session.generation),
            **{name: value for name, value in optional.items() if value is not None},
            **self._host.get_parties(),
        }
        return self._host.get_codec().issue(claims, now=self._host.clock.now())
