"""Start, refresh, revoke and list sessions."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from .. import signals
from .._jose.claims import TIME_CLAIMS, subject_of
from .._jose.grants import RequiredNames
from ..errors import StoreUnavailable
from ..stores import Session
from .granted import read_granted, require_grants, write_grants
from .printable import printable
from .refresh_tokens import create_sid, is_sid
from .rotation import SessionRotation, Tokens
from .subjects import subject_key
from .users import UserSessions

logger = logging.getLogger("flask_jwt")

MOST_SESSIONS = 100
"""The most active sessions of a user if the application sets no limit. A client that logs in
again and again, and never out, would otherwise fill the store."""

MOST_UPDATES = 5
"""The most attempts to change the grants of a session that others change at the same time."""


class SessionManager(SessionRotation, UserSessions):
    """Start, refresh, list and revoke the sessions of one application.

    :param store: keeps the sessions
    :param host: the application's functions and objects
    """

    def start(
        self,
        identity: Any,
        *,
        label: str | None = None,
        user_agent: str | None = None,
        ip: str | None = None,
        remember: bool | None = None,
        scopes: RequiredNames | None = None,
        roles: RequiredNames | None = None,
        check: Callable[[Tokens], object] | None = None,
    ) -> Tokens:
        """Start a session for a user who has just authenticated.

        :param identity: a user object or dict with an ``id``, or the id itself
        :param label: the device's name, for its user to recognize
        :param remember: whether the session's cookies outlast the browser; default: as
            ``JWT_SESSION_COOKIE`` says
        :param scopes: the scopes of all access tokens of the session, until :meth:`update_grants`
            changes them; default: those of the payload handler, which each refresh calls anew
        :param roles: likewise, the roles
        :param check: called with the tokens before the session is stored; an error that it raises
            ends the login
        :raises StoreUnavailable: if the store can't be reached; no session was started
        :raises ConfigError: if a custom store can't keep *scopes* and *roles*, or the application
            has a ``grants_loader`` or a ``jwt_encode_handler``, which would ignore them
        """
        policy = self._host.get_policy()
        now = self._host.clock.now()
        grants = write_grants(self._host.create_grants(scopes, roles))
        if grants is not None:
            require_grants(self.store)
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
            sid=create_sid(now),
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
            grants=grants,
        )
        # Before anything is stored: a login whose tokens can't be issued must not end the session
        # of another device.
        tokens = self._issue_tokens(identity, session, kept_claims, remember, payload)
        if check is not None:
            check(tokens)
        at_most = self._store_session(session)
        with self._abandoning(session):
            keep = MOST_SESSIONS if policy.maximum is None else policy.maximum
            if at_most is None or at_most > keep:
                self._revoke_surplus(session, policy.maximum, now)
        signals.session_started.send(self._host.sender, session=session)
        return tokens

    def _store_session(self, session: Session) -> int | None:
        try:
            return self.store.create(session)
        except StoreUnavailable as error:
            if error.was_attempted:
                self.unfinished.add(session.sid, session)
            raise

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

    def update_grants(
        self,
        user: Any,
        *,
        scopes: RequiredNames | None = None,
        roles: RequiredNames | None = None,
    ) -> int:
        """Change the scopes and roles of all sessions of a user, without ending the sessions.

        Access tokens get them with the next refresh of their session, so an access token that was
        issued before keeps the earlier ones until it expires. :meth:`revoke_all` ends them at
        once::

            user.roles.remove("admin")
            db.session.commit()
            jwt.sessions.update_grants(user, roles=user.roles)

        Without *scopes* and *roles*, the sessions lose those that :meth:`start` or this method has
        given them, and their tokens have those of the payload handler.

        :param user: the user, the identity in their tokens, or one of their sessions
        :param scopes: the new scopes; default: those of each session don't change
        :param roles: likewise, the new roles
        :returns: the number of active sessions
        :raises ConfigError: if *user* is neither a user nor an identity, or for the reasons of
            :meth:`start`
        :raises StoreUnavailable: if the store can't be reached, or others go on changing the same
            session; some sessions may have changed, so call this method again
        """
        require_grants(self.store)
        given = self._host.create_grants(scopes, roles)
        updated = 0
        for session in self.iterate(user):
            updated += self._update_grants(session, given)
        return updated

    def _update_grants(self, session: Session, given: Mapping[str, Any]) -> bool:
        """Change the grants of a session; return False if it has ended."""
        sid, present = session.sid, session
        for _ in range(MOST_UPDATES):
            kept = read_granted(present.grants) if given else {}
            changed = write_grants({**kept, **given})
            if self.store.set_grants(sid, changed, expected=present.grants):
                return True
            # Another call has changed the scopes and this one changes the roles, for example.
            stored = self.store.get(sid)
            if stored is None or stored.revoked_at is not None:
                return False
            present = stored
        raise StoreUnavailable

    def close(self) -> None:
        """Close the store's connections. The next use opens new ones."""
        self.store.close()

    @staticmethod
    def is_sid(value: str) -> bool:
        """Return whether *value* has the format of a session's id."""
        return is_sid(value)

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


_PER_TOKEN_CLAIMS = (*TIME_CLAIMS, "jti", "auth_time", "sid", "type", "fresh", "csrf")
"""Claims that differ in each access token, or that the session itself has, so they are not stored
in the session's payload."""
