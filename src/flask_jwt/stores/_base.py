"""What every store shares: the session, the protocol, and errors for URIs that can't be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ..errors import ConfigError

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")

DEFAULT_SERVICE = "mymaster"
"""The service that Redis Sentinels are asked for, where the URI names none."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device. Moments are seconds since the epoch."""

    sid: str
    """128 random bits, in hexadecimal."""
    subject: str
    """Whose it is: the ``sub`` of its tokens."""
    payload: str
    """What the identity handler gets at a refresh: the payload handler's claims, without times, as
    JSON text."""
    generation: int
    """How often its refresh token was rotated."""
    created_at: float
    rotated_at: float
    expires_at: float
    idle_expires_at: float | None = None
    revoked_at: float | None = None
    user_agent: str | None = None
    ip: str | None = None
    label: str | None = None

    def ends_at(self) -> float:
        """When it ends by itself: the absolute limit or the idle one, whichever is first."""
        if self.idle_expires_at is None:
            return self.expires_at
        return min(self.expires_at, self.idle_expires_at)

    def is_active(self, now: float) -> bool:
        """Whether it is neither revoked nor over at *now*."""
        return self.revoked_at is None and now < self.ends_at()


class SessionStore(Protocol):
    """What every store does. Each method raises StoreUnavailable if the store can't be reached."""

    def setup(self) -> None:
        """Make what the store needs (tables), if it isn't there."""
        ...

    def close(self) -> None:
        """Close the connections; may be repeated. A store that is used again opens new ones."""
        ...

    def create(self, session: Session) -> None:
        """Keep a new session."""
        ...

    def get(self, sid: str) -> Session | None:
        """The session, revoked or over though it may be; None if it is unknown or pruned."""
        ...

    def rotate(
        self, sid: str, generation: int, *, now: float, idle_expires_at: float | None
    ) -> bool:
        """Move an active session from *generation* to the next, in one atomic step.

        :returns: True to the one caller that moved it; False if it is at another generation,
            revoked, over or unknown
        """
        ...

    def revoke(self, sid: str, now: float) -> bool:
        """End a session for good; True if nobody had before."""
        ...

    def rename(self, sid: str, label: str | None) -> bool:
        """Give a session another label; False if it is unknown."""
        ...

    def list_active(self, subject: str, now: float) -> list[Session]:
        """The subject's active sessions, oldest first."""
        ...

    def revoked_since(self, moment: float) -> Iterable[tuple[str, float]]:
        """Sid and moment of each revocation from *moment* on."""
        ...

    def prune(self, before: float, limit: int) -> int:
        """Forget up to *limit* sessions that ended before *before*; the number forgotten."""
        ...

    def count(self, now: float) -> dict[str, int]:
        """How many sessions are active, revoked and expired."""
        ...

    def warnings(self) -> list[str]:
        """What about the server's set-up endangers sessions, a sentence each."""
        ...


def bad_uri() -> ConfigError:
    """The error for a URI that can't be taken apart: the parsers' own would quote passwords."""
    return ConfigError(
        "JWT_STORAGE_URI can't be used: write it like scheme://user:password@host:port/name, with "
        "a port of digits (redis+cluster and redis+sentinel need one for each host), and in the "
        "password %2F for /, %40 for @, %23 for #"
    )


def missing_driver(package: str, extra: str) -> ConfigError:
    """The error that tells which ``pip install`` is missing."""
    return ConfigError(
        f"This JWT_STORAGE_URI needs {package}: pip install 'Flask-JWT-Too[{extra}]'"
    )
