"""Define what sessions need from the application, so that they don't depend on Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .._clock import Clock
from .._jose.claims import claimed_identity, identity_of
from .._jose.codec import TokenCodec
from .._jose.grants import RequiredNames, replace_grants
from ..stores import Session


class SessionPolicy(NamedTuple):
    """Hold the limits of sessions, in seconds.

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
    create_grants: Callable[[RequiredNames | None, RequiredNames | None], Mapping[str, Any]] = (
        lambda _scopes, _roles: {}
    )
    """Return the claims that grant scopes and roles."""
    replace_grants: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]] = (
        replace_grants
    )
    """Return claims with others, which grant scopes and roles, in place of those that did so."""
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
