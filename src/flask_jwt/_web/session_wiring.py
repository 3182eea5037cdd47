"""Connect the sessions, which know no framework, to a Flask application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from flask import has_request_context, request

from .._config.settings import Settings
from .._jose.claims import (
    ForeignSubject,
    InvalidIdentity,
    claimed_identity,
    identity_of,
    plain_id,
    subject_of,
)
from .._jose.codec import as_token
from .._sessions.circuit_breaker import CircuitBreakerStore
from .._sessions.granted import read_granted
from .._sessions.host import SessionHost, SessionPolicy
from .._sessions.manager import SessionManager
from .._sessions.store_time import StoreTime
from ..errors import ConfigError, TokenMalformed, TokenRevoked
from ..stores import Session, SessionStore, open_store
from ..stores._location import describe_location
from .app_state import AppState
from .grants import apply_grants
from .issue import (
    _default_jwt_encode_handler,
    grant_login_claims,
    issuer_and_audience,
    login_context,
    storage_namespace,
)

LONGEST_SESSION = 10 * 366 * 86400
"""Seconds; the absolute limit of sessions if ``JWT_REFRESH_TOKEN_EXPIRES`` is False."""


def bind_sessions(state: AppState, store: SessionStore | None) -> None:
    """Give *state* its sessions, kept in *store* or in the store of ``JWT_STORAGE_URI``."""
    settings = state.settings
    name = "session store"
    if store is None:
        uri = str(settings.storage_uri)
        folder = state.app.instance_path
        store = open_store(uri, settings.store_timeout, folder)
        name += f" {describe_location(uri, folder)}"
    # Both wrappers have the store's operations by __getattr__, which mypy can't see.
    adjusted_store: Any = StoreTime(store, state.clock)
    guarded_store: Any = CircuitBreakerStore(
        adjusted_store, state.clock, name=name, timeout=settings.store_timeout
    )
    state.sessions = SessionManager(guarded_store, _create_host(state))
    guarded_store.after_success = state.sessions.unfinished.finish
    state.config.follow(lambda settings: _follow_revocations(state, settings))


# Handlers and settings are read at each call, because an application may set them after init_app.
def _create_host(state: AppState) -> SessionHost:
    def get_policy() -> SessionPolicy:
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

    def create_payload(identity: Any, auth_time: float) -> Mapping[str, Any]:
        with login_context(auth_time):
            claims: Mapping[str, Any] = state.call(state.handlers.jwt_payload_callback, identity)
        return claims

    def issue_access_token(
        identity: Any, session: Session, claims: Mapping[str, Any] | None
    ) -> str:
        encode = state.handlers.jwt_encode_callback
        granted = read_granted(session.grants)
        with login_context(session.created_at, session, claims, granted):
            try:
                token = str(as_token(state.call(encode, identity)))
            except InvalidIdentity as error:
                # At a refresh, the identity is what the identity handler has returned.
                message = "identity_handler returned {}; return {}"
                raise error.with_message(message) from None
        if encode is not _default_jwt_encode_handler:
            _warn_of_missing_sid(state, token)
        return token

    def get_claimed_identity(claims: Mapping[str, Any]) -> Any:
        return claimed_identity(dict(claims), state.settings.identity_claim)

    def get_identity(user: Any) -> Any:
        return _get_identity(
            user, lambda user: get_claimed_identity(create_payload(user, state.clock.now()))
        )

    def load_user(claims: Mapping[str, Any]) -> Any:
        claimed = claimed_identity(claims, state.config.latest.identity_claim)
        identify = state.handlers.identity_callback
        if identify is None:
            return claimed
        user = state.call(identify, {**state.profile.absent_claims, **claims})
        # In Flask-JWT-Extended's profile tokens are issued for identities, and users are only
        # looked up: the lookup decides whether the user still exists.
        return claimed if user is not None and not state.issues_for_users() else user

    settings = state.settings
    return SessionHost(
        get_policy=get_policy,
        get_codec=state.codecs.refresh,
        create_payload=create_payload,
        issue_access_token=issue_access_token,
        load_user=load_user,
        check_blocklist=partial(_check_blocklist, state),
        sender=state.app,
        clock=state.clock,
        get_parties=lambda: issuer_and_audience(state.settings),
        get_identity=get_identity,
        create_grants=lambda scopes, roles: grant_login_claims(state, scopes, roles),
        replace_grants=partial(apply_grants, state),
        get_claimed_identity=get_claimed_identity,
        get_client=_get_client,
        namespace=storage_namespace(settings),
        issuer=settings.encode_issuer,
    )


def _get_identity(user: Any, get_issued_identity: Callable[[Any], Any]) -> Any:
    """Return the identity that the tokens of a user hold.

    :param user: the user; a string, an integer or a UUID is the identity itself
    :param get_issued_identity: returns the identity in the payload that is issued for a user
    :raises ConfigError: if there is no identity, or it is only known in a request
    """
    # Not split: one list of the values that stand for a user.
    if hasattr(type(user), "_get_current_object"):  # a proxy, such as current_identity
        user = user._get_current_object()
    if isinstance(user, ForeignSubject):
        return user
    is_identity = isinstance(user, (str, int, UUID)) and not isinstance(user, bool)
    if user is None or (is_identity and not hasattr(user, "id")):
        return identity_of(user)
    try:
        identity = get_issued_identity(user)
    except RuntimeError as error:
        if isinstance(error, ConfigError) or has_request_context():
            raise
        raise ConfigError(
            "The payload handler needs a request, so a user's sessions can't be found outside of "
            "one. Pass the identity as it is in the tokens instead of the user."
        ) from error
    # A payload handler of the application may leave out the identity.
    identity = identity_of(user) if identity is None else plain_id(identity)
    _check_identity(identity, user)
    return identity


def _check_identity(identity: Any, user: Any) -> None:
    """Raise a ConfigError if no session can be found by this identity."""
    try:
        subject_of(identity)
    except (TypeError, ValueError):
        raise ConfigError(
            f"The identity in the tokens of a {type(user).__name__} is not known: JSON can't "
            f"represent the {type(identity).__name__} that the payload handler returns. Pass the "
            "identity as it is in the tokens, or set a user_identity_loader."
        ) from None


def _get_client() -> tuple[str | None, str | None]:
    if not has_request_context():
        return None, None
    return request.remote_addr, request.user_agent.string or None


def _check_blocklist(state: AppState, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    is_revoked = state.handlers.blocklist_callback
    if is_revoked is not None and state.call(is_revoked, header, claims):
        raise TokenRevoked


def _warn_of_missing_sid(state: AppState, token: str) -> None:
    try:
        _, claims = state.codecs.decode_unverified(token)
    except TokenMalformed:  # an encode handler may issue any string
        return
    if "sid" not in claims:
        state.notices.warn(
            "The tokens of the jwt_encode_handler have no sid, so no logout can end them before "
            "they expire. Write a jwt_payload_handler in place of the jwt_encode_handler."
        )


def _follow_revocations(state: AppState, settings: Settings) -> None:
    """Apply ``JWT_REVOCATION_CHECK``: how late the guard may notice a revocation."""
    sessions = state.sessions
    if sessions is None:
        return
    is_checked = settings.revocation_check is not None
    state.check_session = sessions.check_access_token if is_checked else None
    # An acknowledged revocation takes at most the timeout from its place in the feed to its commit.
    overlap = 10 + 2 * settings.store_timeout
    sessions.follow_revocations(settings.revocation_check, settings.access_lifetime, overlap)
