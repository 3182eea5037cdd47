"""Binds the sessions, which know no framework, to a Flask application."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from . import signals
from ._app_state import AppState
from ._availability import WatchedStore
from ._issue import issuing
from ._sessions import Application, SessionManager, SessionPolicy
from ._tokens import Token, as_token
from .stores import Session, SessionStore, open_store

LONGEST_SESSION = 10 * 366 * 86400
"""Seconds; the absolute limit of sessions where ``JWT_REFRESH_TOKEN_EXPIRES`` is False."""


def bind_sessions(state: AppState, store: SessionStore | None) -> None:
    """Give *state* its sessions, if a store is passed or configured."""
    settings = state.settings
    if store is None:
        if settings.storage_uri is None:
            return
        store = open_store(settings.storage_uri, settings.store_timeout)

    def policy() -> SessionPolicy:
        now = state.settings
        return SessionPolicy(
            lifetime=min(now.refresh_lifetime, LONGEST_SESSION),
            idle=now.session_idle,
            grace=now.refresh_grace,
            maximum=now.max_sessions,
            access_lifetime=now.access_lifetime,
        )

    def payload(identity: Any) -> Mapping[str, Any]:
        claims: Mapping[str, Any] = state.call("jwt_payload_callback", identity)
        return claims

    def access_token(identity: Any, session: Session) -> Token:
        with issuing(session.created_at, session):
            return as_token(state.call("jwt_encode_callback", identity))

    def user(claims: Mapping[str, Any]) -> Any:
        claimed = state.claimed_identity(claims)
        if state.handlers.identity_callback is None:
            return claimed
        found = state.call("identity_callback", claims)
        return claimed if found is not None and not state.handlers.issues_for_users else found

    def notify(name: str, **facts: Any) -> None:
        getattr(signals, name).send(state.app, **facts)

    application = Application(
        policy=policy,
        codec=state.refresh_codec,
        payload=payload,
        access_token=access_token,
        user=user,
        notify=notify,
        clock=partial(_now, state),
    )
    watched: Any = WatchedStore(store, partial(_monotonic, state))
    state.sessions = SessionManager(watched, application)


def _now(state: AppState) -> float:
    return state.clock()  # the one of this moment: a test may have stopped it


def _monotonic(state: AppState) -> float:
    return state.monotonic()
