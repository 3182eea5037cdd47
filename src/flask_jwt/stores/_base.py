"""Define the session, the protocol of the stores, and the errors for invalid URIs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ..errors import ConfigError

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")

DEFAULT_SERVICE = "mymaster"
"""The name of the Redis service if the URI of the Sentinels contains none."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device. Times are seconds since the epoch."""

    sid: str
    """The session id, 128 random bits in hexadecimal."""
    subject: str
    """The ``sub`` of the session's tokens, which identifies the user."""
    payload: str
    """The claims that the payload handler returned at the login, without the time claims, as JSON.
    The identity handler gets them at a refresh."""
    generation: int
    """The number of times that the refresh token has been rotated."""
    created_at: float
    rotated_at: float
    expires_at: float
    idle_expires_at: float | None = None
    revoked_at: float | None = None
    user_agent: str | None = None
    ip: str | None = None
    label: str | None = None

    def ends_at(self) -> float:
        """Return the time at which the session expires, by the absolute or by the idle limit."""
        if self.idle_expires_at is None:
            return self.expires_at
        return min(self.expires_at, self.idle_expires_at)

    def is_active(self, now: float) -> bool:
        """Return whether the session is neither revoked nor expired at *now*."""
        return self.revoked_at is None and now < self.ends_at()


class SessionStore(Protocol):
    """The interface of the stores.

    Each method raises :class:`~flask_jwt.errors.StoreUnavailable` if the store can't be reached.
    """

    def setup(self) -> None:
        """Create what the store needs, such as tables, if it doesn't exist yet."""
        ...

    def close(self) -> None:
        """Close the connections. A store that is used afterwards reconnects."""
        ...

    def create(self, session: Session) -> None:
        """Store a new session."""
        ...

    def get(self, sid: str) -> Session | None:
        """Return the session, even if it has ended; None if it is unknown or was pruned."""
        ...

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next one atomically.

        :returns: True for the one caller that moved the session; False if the session has another
            generation, is revoked, has expired or is unknown
        """
        ...

    def revoke(self, sid: str, now: float) -> bool:
        """Revoke a session, and return whether this call revoked it."""
        ...

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session; return False if the session is unknown."""
        ...

    def list_active(self, subject: str, now: float) -> list[Session]:
        """Return the active sessions of *subject*, oldest first."""
        ...

    def revoked_since(self, since: float) -> Iterable[tuple[str, float]]:
        """Return the sid and the time of each revocation from *since* on."""
        ...

    def prune(self, before: float, limit: int) -> int:
        """Delete up to *limit* sessions that ended before *before*, and return their number."""
        ...

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of ``active``, ``revoked`` and ``expired`` sessions."""
        ...

    def warnings(self) -> list[str]:
        """Return a sentence about each server setting that may lose sessions or revocations."""
        ...


def invalid_uri() -> ConfigError:
    """Return the error for a malformed URI."""
    # The exceptions of the URI parsers are not shown, because they may quote the password.
    return ConfigError(
        "JWT_STORAGE_URI is invalid: write it as scheme://user:password@host:port/name, with a "
        "numeric port (redis+cluster and redis+sentinel need one for each host). In the password, "
        "write %2F for /, %40 for @ and %23 for #"
    )


def missing_driver(package: str, extra: str) -> ConfigError:
    """Return the error for a missing driver, with the ``pip install`` that installs it."""
    return ConfigError(
        f"This JWT_STORAGE_URI needs {package}: pip install 'Flask-JWT-Too[{extra}]'"
    )
