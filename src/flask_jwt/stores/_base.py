"""Define the session, the protocol of the stores, and the errors for invalid URIs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ..errors import ConfigError

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")

DEFAULT_SERVICE = "mymaster"
"""The name of the Redis service if the URI of the Sentinels contains none."""


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device. Times are seconds since the epoch."""

    sid: str
    """The session id: the hour of the login and 108 random bits, in hexadecimal."""
    subject: str
    """The user's id as a string, for people to read. It may be shortened, and two users may have
    the same one; :attr:`subject_key` identifies the user."""
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
    """The browser or client at the login."""
    ip: str | None = None
    """The address of the client at the login."""
    label: str | None = None
    subject_key: str | None = None
    """Identifies the user exactly: see :func:`~flask_jwt._sessions.subjects.subject_key`. None if
    an earlier version stored the session, or if it was made from a token rather than read."""
    sequence: int | None = None
    """The place of the session among those of its user, in the order of the logins. The store
    assigns it, because the clocks of servers differ. None if an earlier version stored it."""
    last_ip: str | None = None
    """The address of the client at the last login or rotation."""
    last_user_agent: str | None = None
    """The browser or client at the last login or rotation."""
    change_id: str | None = None
    """A random id of the call that rotated or revoked the session last, by which a call whose
    response was lost recognizes its own change."""
    csrf: str | None = field(default=None, repr=False)
    """The CSRF value of the session's cookies. None if an earlier version stored the session."""
    revocation_kept_until: float | None = None
    """The time until which a revoked session must not be pruned."""
    feed_position: int | None = None
    """The place of the revocation among all of the store. The store assigns it in the order in
    which it gets the revocations, independently of its clients' clocks. Two revocations at the same
    time may have the same place. It grows by no more than a million per second, unless the
    clock of the store is set."""
    grants: str | None = None
    """The scopes and roles that the application has given to the session itself, as JSON; None: its
    tokens have those of the payload handler. Each change of them is another string, so a store only
    has to compare it exactly."""

    @property
    def position(self) -> tuple[int, float, str]:
        """Return the sort key of the order of logins, which is the same in all stores."""
        return self.sequence or 0, self.created_at, self.sid

    def ends_at(self) -> float:
        """Return the time at which the session expires, by the absolute or by the idle limit."""
        if self.idle_expires_at is None:
            return self.expires_at
        return min(self.expires_at, self.idle_expires_at)

    def is_active(self, now: float) -> bool:
        """Return whether the session is neither revoked nor expired at *now*."""
        return self.revoked_at is None and now < self.ends_at()


class RevocationPage(NamedTuple):
    """A part of the feed: the revocations of all users, in the order of the store."""

    sids: list[str]
    position: int
    """The place at which the next page begins. It is a place of this page, so the next page may
    contain sessions of this one."""
    is_last: bool
    """Whether the store has no revocations after this page at present."""


class SessionStore(Protocol):
    """Define the interface of the stores.

    Times that are passed to a store, and those in its sessions, are times of the store's clock.
    The caller converts them.

    Each method raises :class:`~flask_jwt.errors.StoreUnavailable` if the store can't be reached. A
    caller may repeat any call whose response was lost, so a repetition must not fail.
    """

    def setup(self) -> None:
        """Create what the store needs, such as tables, if it doesn't exist yet.

        :raises ConfigError: if an earlier version created it, and it must be upgraded first
        """
        ...

    def upgrade(
        self, key_of: Callable[[str], str | None], on_batch: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Add what earlier versions did not create, and return what was added.

        :param key_of: returns the subject key for the payload of a session, or None if there is
            none, for example because the session belongs to another application
        :param on_batch: called after each batch with the number of sessions in it, and with the
            number of all sessions that are to be read
        """
        ...

    def close(self) -> None:
        """Close the connections. A store that is used afterwards reconnects."""
        ...

    def create(self, session: Session) -> int | None:
        """Store a new session, and give it the next :attr:`~Session.sequence` of its user.

        The caller finds out with :meth:`list_surplus` whether the user has too many sessions. A
        store that can say without a query that the user has at most a number of active sessions
        may return this number, to spare the caller that query.

        It is no error if the store has a session with this sid already: sids are random, so it is
        the same session, and the response to an earlier attempt was lost.
        """
        ...

    def get(self, sid: str) -> Session | None:
        """Return the session, even if it has ended; None if it is unknown or was pruned."""
        ...

    def rotate(
        self,
        sid: str,
        generation: int,
        *,
        now: float,
        idle_expires_at: float | None,
        change_id: str | None = None,
        ip: str | None = None,
        user_agent: str | None = None,
        grants: str | None = None,
    ) -> bool:
        """Move an active session from *generation* to the next one atomically.

        :param change_id: stored as :attr:`Session.change_id`
        :param ip: stored as :attr:`Session.last_ip`
        :param user_agent: stored as :attr:`Session.last_user_agent`
        :param grants: the session's present :attr:`Session.grants`. A store without
            :meth:`set_grants` doesn't need this parameter
        :returns: True for the one caller that moved the session; False if the session has another
            generation or other grants, is revoked, has expired or is unknown
        """
        ...

    def revoke(
        self,
        sid: str,
        now: float,
        *,
        change_id: str | None = None,
        kept_until: float | None = None,
    ) -> bool:
        """Revoke a session, and return whether this call revoked it.

        The same atomic change gives the session its place in the feed. A call for a session that is
        already revoked completes what an interrupted call left undone.

        :param change_id: stored as :attr:`Session.change_id` if this call revokes the session
        :param kept_until: stored as :attr:`Session.revocation_kept_until`
        """
        ...

    def rename(self, sid: str, label: str | None) -> bool:
        """Set the label of a session; return False if the session is unknown."""
        ...

    def set_grants(self, sid: str, grants: str | None, *, expected: str | None) -> bool:
        """Set :attr:`Session.grants` atomically, if it is *expected*.

        It is no error if it is *grants* already: the response to an earlier attempt was lost.

        :param expected: the value that the caller has read and changed, compared as
            :meth:`rotate` compares it
        :returns: False if the session has other grants or is unknown

        A custom store may leave this method out. Sessions then can't have scopes and roles of
        their own, which is an error where they are given.
        """
        ...

    def list_active(
        self,
        subject_key: str,
        now: float,
        *,
        subject: str | None = None,
        limit: int = 100,
        after: Session | None = None,
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user, in the order of their logins.

        :param subject: also return sessions without a subject key that have this subject. A
            database may compare it inexactly, so the caller compares the payloads
        :param after: return only sessions that come after this one
        """
        ...

    def list_surplus(
        self, subject_key: str, now: float, *, keep: int, by_use: bool, limit: int = 100
    ) -> list[Session]:
        """Return up to *limit* active sessions of a user beyond the first *keep*.

        :param by_use: keep the sessions that were used most recently, rather than the newest ones
        """
        ...

    def read_revocations(
        self, position: int | None, *, now: float, lifetime: float, limit: int = 1000
    ) -> RevocationPage:
        """Return about *limit* revocations, in the order in which the store got them.

        :param position: where to begin. None: *lifetime* seconds before the last revocation, by the
            clock of the store, or earlier
        :param now: for stores that may have revocations without a place, from an earlier version:
            those of the last *lifetime* seconds are always returned
        """
        ...

    def now(self) -> float:
        """Return the time by the clock of the store."""
        ...

    def prune(self, before: float, limit: int, *, now: float | None = None) -> int:
        """Delete up to *limit* sessions that ended before *before*, and return their number.

        A caller calls it with the same arguments until it returns 0.

        :param now: don't delete sessions whose revocation is kept until a later time; default
            *before*
        """
        ...

    def count(self, now: float) -> dict[str, int]:
        """Return the numbers of ``active``, ``revoked`` and ``expired`` sessions."""
        ...

    def warnings(self) -> list[str]:
        """Return a sentence about each server setting that may lose sessions or revocations."""
        ...


def find_surplus(sessions: list[Session], keep: int, limit: int, *, by_use: bool) -> list[Session]:
    """Return up to *limit* of *sessions* beyond the first *keep*, as stores without SQL find them.

    :param by_use: keep the sessions that were used most recently, rather than the newest ones
    """
    newest_first = sorted(
        sessions,
        key=lambda session: (session.rotated_at if by_use else 0.0, session.position),
        reverse=True,
    )
    return newest_first[keep : keep + limit]


def legacy_subject(subject: str) -> str:
    """Return *subject* as a database can compare it: without NUL and lone surrogates."""
    return subject.encode("utf-8", "ignore").decode("utf-8").replace("\0", "")


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
