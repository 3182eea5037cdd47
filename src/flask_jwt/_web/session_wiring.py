"""Binds the sessions, which know no framework, to a Flask application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._config.settings import Settings
from .._jose.claims import InvalidIdentity, claimed_identity, identity_of, subject_of
from .._jose.codec import Token, as_token
from .._sessions.circuit_breaker import CircuitBreakerStore
from .._sessions.manager import SessionHost, SessionManager, SessionPolicy
from ..stores import Session, SessionStore, open_store
from .app_state import AppState
from .issue import issuing

LONGEST_SESSION = 10 * 366 * 86400
"""Seconds; the absolute limit of sessions where ``JWT_REFRESH_TOKEN_EXPIRES`` is False."""


def bind_sessions(state: AppState, store: SessionStore | None) -> None:
    """Give *state* its sessions, in *store* or in what ``JWT_STORAGE_URI`` names."""
    settings = state.settings
    if store is None:
        store = open_store(str(settings.storage_uri), settings.store_timeout)
    watched: Any = CircuitBreakerStore(store, state.clock)
    state.sessions = SessionManager(watched, _host(state))
    state.config.follow(lambda settings: _watch_revocations(state, settings))


def _host(state: AppState) -> SessionHost:
    def policy() -> SessionPolicy:
        settings = state.settings
        return SessionPolicy(
            lifetime=min(settings.refresh_lifetime, LONGEST_SESSION),
            idle=settings.session_idle,
            grace=settings.refresh_grace,
            maximum=settings.max_sessions,
            # Access tokens that never expire end with their session.
            access_lifetime=min(
                settings.access_lifetime, settings.refresh_lifetime, LONGEST_SESSION
            ),
        )

    def subject(user: Any) -> str:
        load = state.handlers.user_identity_callback
        is_user = hasattr(user, "id") or (isinstance(user, Mapping) and "id" in user)
        if not state.issues_for_users():
            # JWTManager's tokens contain whatever they are issued for, which is rarely a user.
            return subject_of(user.id if hasattr(user, "id") else user)
        # A user_identity_loader takes users, not the ids that it returns.
        return subject_of(state.call(load, user) if is_user or load is identity_of else user)

    def payload(identity: Any, auth_time: float) -> Mapping[str, Any]:
        with issuing(auth_time):
            claims: Mapping[str, Any] = state.call(state.handlers.jwt_payload_callback, identity)
        return claims

    def access_token(identity: Any, session: Session, claims: Mapping[str, Any] | None) -> Token:
        with issuing(session.created_at, session, claims):
            try:
                return as_token(state.call(state.handlers.jwt_encode_callback, identity))
            except InvalidIdentity as error:
                # At a refresh, the identity is what the identity handler has returned.
                message = "identity_handler returned {}; return {}"
                raise InvalidIdentity(error.description, message) from None

    def user(claims: Mapping[str, Any]) -> Any:
        claimed = claimed_identity(claims, state.settings.identity_claim)
        identify = state.handlers.identity_callback
        if identify is None:
            return claimed
        found = state.call(identify, {**state.profile.absent_claims, **claims})
        return claimed if found is not None and not state.issues_for_users() else found

    return SessionHost(
        policy=policy,
        codec=state.codecs.refresh,
        payload=payload,
        access_token=access_token,
        subject=subject,
        user=user,
        sender=state.app,
        clock=state.clock,
    )


def _watch_revocations(state: AppState, settings: Settings) -> None:
    """Follow the options that say how late a revocation may be noticed."""
    sessions = state.sessions
    if sessions is None:
        return
    state.check_session = None if settings.revocation_check is None else sessions.check_access
    sessions.watch(settings.revocation_check, settings.access_lifetime)
