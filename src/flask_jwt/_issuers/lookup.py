"""Ask the application for the issuer of a token, and keep its answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from weakref import WeakSet

from .._clock import Clock
from ..errors import ConfigError, IssuerUnavailable
from .discovery import find_url_problem
from .issuer import Issuer
from .remote_keys import KeySource

logger = logging.getLogger("flask_jwt")

KNOWN_FOR, UNKNOWN_FOR = 600.0, 60.0
"""Seconds for which an answer is kept: an issuer, and that there is none."""

MOST_ANSWERS = 1024
"""The most answers of each kind that are kept. So a flood of tokens with invented issuers can't
replace the known ones."""


@dataclass(frozen=True)
class IssuerLookup:
    """Hold the function that is the value of ``JWT_ISSUERS``.

    In place of a tuple of issuers, it is an iterable without any.
    """

    function: Callable[[str], Issuer | None]

    def __iter__(self) -> Iterator[Issuer]:
        return iter(())

    @property
    def name(self) -> str:
        """Return the name of the function, for developers."""
        function = self.function
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"


class Trusted(Protocol):
    """Hold the keys of an issuer."""

    issuer: Issuer
    source: KeySource


T = TypeVar("T", bound=Trusted)
R = TypeVar("R")


@dataclass(frozen=True)
class _Answer(Generic[T]):
    """Hold what the application has answered.

    :param asked_at: by the monotonic clock
    :param trusted: the issuer, or None if there is none
    """

    asked_at: float
    trusted: T | None


_instances: WeakSet[Answers[Any]] = WeakSet()


class Answers(Generic[T]):
    """Find issuers with the function of the application, and keep them.

    The function is called without a lock, so a slow database delays only the requests that need its
    answer. Two of them may ask at the same time.

    :param own: the ``iss`` of the application's own tokens, for which the function is never asked
    :param trust: makes the object that holds the keys of an issuer
    """

    def __init__(
        self,
        lookup: IssuerLookup,
        own: str | None,
        clock: Clock,
        trust: Callable[[Issuer], T],
    ) -> None:
        self.lookup = lookup
        self.own = own
        self._clock = clock
        self._trust = trust
        self._known: dict[str, _Answer[T]] = {}
        self._unknown: dict[str, _Answer[T]] = {}
        self._is_failing = False
        self._unconfirmed: set[str] = set()
        """The aliases about which a line was logged."""
        self._lock = Lock()
        """Held only while an answer is stored."""
        _instances.add(self)

    def renew_lock(self) -> None:
        """Replace the lock, which a thread of the parent process may hold, after a fork."""
        self._lock = Lock()

    def find(self, iss: str) -> T | None:
        """Return the issuer that the application trusts as *iss*, or None.

        :raises IssuerUnavailable: if the function, or accept_tenant of its issuer, raises an
            exception
        :raises ConfigError: if it returns something else than an issuer or None
        """
        now = self._clock.monotonic()
        known = self._known.get(iss)
        # The age is negative if a test has replaced the clock.
        if known is not None and 0 <= now - known.asked_at < KNOWN_FOR:
            return known.trusted
        unknown = self._unknown.get(iss)
        if unknown is not None and 0 <= now - unknown.asked_at < UNKNOWN_FOR:
            return None
        if iss == self.own or not is_askable(iss):
            return None
        return self._store(iss, self._ask(iss), now)

    def close(self) -> None:
        """End the use of all issuers."""
        with self._lock:
            for answer in self._known.values():
                _close(answer)
            self._known, self._unknown = {}, {}

    def _ask(self, iss: str) -> Issuer | None:
        issuer = self._call(self.lookup.function, iss)
        if issuer is not None and not isinstance(issuer, Issuer):
            raise ConfigError(
                f"JWT_ISSUERS: the function {self.lookup.name} returned a "
                f"{type(issuer).__name__}; return an Issuer, or None if there is none"
            )
        is_usable = issuer is not None and self._is_usable(issuer, iss)
        # Only now, because accept_tenant or the second call may have failed.
        self._is_failing = False
        return issuer if is_usable else None

    def _call(self, function: Callable[[str], R], argument: str) -> R:
        try:
            return function(argument)
        except Exception as error:
            if not self._is_failing:
                logger.exception(
                    "The function %s of JWT_ISSUERS failed; until it succeeds, tokens of issuers "
                    "that are not known yet get the response 503", self.lookup.name,
                )  # fmt: skip
            self._is_failing = True
            raise IssuerUnavailable(retry_after=1) from error

    def _is_usable(self, issuer: Issuer, iss: str) -> bool:
        """Return whether *issuer*, which the function returned, is that of *iss*."""
        if iss not in issuer.names:
            if issuer.matches(iss):
                # Anyone can invent tenants, and each would get its own keys.
                return self._call(issuer.accepts_tenant_of, iss)
            # A database may compare strings without regard to case.
            logger.warning(
                "JWT_ISSUERS: asked for %r, %s returned %r", iss, self.lookup.name, issuer
            )
            return False
        return self._is_name_confirmed(issuer, iss)

    def _is_name_confirmed(self, issuer: Issuer, iss: str) -> bool:
        """Return whether the issuer by whose name the users of *iss* are identified is *issuer*.

        Otherwise, a tenant whose row names another tenant could issue tokens for its users.
        """
        name = issuer.name_of(iss)
        # Not from the answers that are kept: an older one differs if the issuer was changed.
        if name == iss or (name != self.own and self._call(self.lookup.function, name) == issuer):
            self._unconfirmed.discard(iss)
            return True
        if iss not in self._unconfirmed and len(self._unconfirmed) < MOST_ANSWERS:
            self._unconfirmed.add(iss)
            logger.warning(
                "JWT_ISSUERS: asked for %r, %s returned %r with this alias, but doesn't return an "
                "equal issuer for its name; tokens with the alias are rejected",
                iss, self.lookup.name, issuer,
            )  # fmt: skip
        return False

    def _store(self, iss: str, issuer: Issuer | None, now: float) -> T | None:
        with self._lock:
            before = self._known.pop(iss, None)
            self._unknown.pop(iss, None)
            if issuer is None:
                if before is not None:
                    _close(before)
                self._unknown[iss] = _Answer(now, None)
                _drop_oldest(self._unknown)
                return None
            trusted = None if before is None else before.trusted
            # An issuer that has not changed keeps its keys.
            if before is None or trusted is None or trusted.issuer != issuer:
                if before is not None:
                    _close(before)
                trusted = self._trust(issuer)
                if issuer.accepts_strangers:
                    logger.warning("JWT_ISSUERS: ANY_AUDIENCE accepts each token of %r", issuer)
            # Verified tokens are not looked up again before that.
            trusted.source.trust_until(now + KNOWN_FOR)
            self._known[iss] = _Answer(now, trusted)
            _drop_oldest(self._known)
            return trusted


def is_askable(iss: str) -> bool:
    """Return whether *iss* can be that of an issuer: an ``https`` URL without a query."""
    return iss.startswith("https://") and find_url_problem(iss) is None and not urlsplit(iss).query


def _close(answer: _Answer[T]) -> None:
    if answer.trusted is not None:
        answer.trusted.source.close()


def _drop_oldest(answers: dict[str, _Answer[T]]) -> None:
    # A dict keeps the order in which the answers were stored.
    if len(answers) > MOST_ANSWERS:
        _close(answers.pop(next(iter(answers))))


def _renew_locks() -> None:
    for answers in list(_instances):
        answers.renew_lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_locks)
