"""Keep the keys of one issuer: when they are fetched, and how long they are used.

=======  ==================  ================================  ================================
State    Age of the keys     Request with a known key          Request with an unknown key
=======  ==================  ================================  ================================
empty    never fetched       waits for the fetch, or gets 503  the same
fresh    < FRESH / 2         nothing is fetched                fetches now, once per COOLDOWN
ageing   < FRESH             one request fetches in passing    as fresh
stale    < KEPT              the same; a failure is harmless   as fresh
dead     KEPT                as empty                          as empty
=======  ==================  ================================  ================================

All work is done by the threads of requests. A background thread would be missing in a forked
process, and in uWSGI without ``--enable-threads``.
"""

from __future__ import annotations

import logging
import math
import os
import random
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, Protocol
from weakref import WeakSet

from .._clock import Clock
from ..errors import IssuerUnavailable
from .fetch import FetchFailed
from .published_keys import PublishedKeys

logger = logging.getLogger("flask_jwt")

LONGEST_PAUSE = 300.0
"""Seconds between attempts while an issuer is unavailable; the first pause is 1 s."""

_SHORTEST_FRESH, _LONGEST_FRESH = 60.0, 86400.0
"""The limits of what an issuer may say about the freshness of its keys, in seconds."""


class Timing(NamedTuple):
    """Hold how long keys are believed, in seconds."""

    timeout: float = 3.0
    fresh: float = 600.0
    kept: float = 86400.0
    cooldown: float = 30.0


class FetchedKeys(NamedTuple):
    """Hold the keys that were fetched."""

    keys: PublishedKeys
    max_age: float | None = None
    """Seconds for which they are fresh, if the issuer says so."""


class Listener(Protocol):
    """Take the news about the keys of an issuer."""

    def keys_changed(
        self, *, added: frozenset[str], removed: frozenset[str], unknown_kids: int
    ) -> None:
        """Take the kids of the keys that the issuer has added and removed."""

    def unavailable(self, *, reason: str, keys_age: float | None, unknown_kids: int) -> None:
        """Take the beginning of an outage."""


class KeySource(Protocol):
    """Provide the keys of one issuer."""

    keys: PublishedKeys | None
    """The keys at hand, however old they are."""
    settled_until: float
    """Until then, by the monotonic clock, a request with a known key has nothing to fetch."""

    def close(self) -> None:
        """End the use of the keys: the issuer isn't trusted any more."""

    def trust_until(self, until: float) -> None:
        """Set the time, by the monotonic clock, until which the issuer is known to be trusted."""

    def get(self, is_known: Callable[[PublishedKeys], bool]) -> PublishedKeys:
        """Return the keys for a token.

        :param is_known: returns whether a key set has a key for the token
        :raises IssuerUnavailable: if the keys can't be fetched
        """
        ...


class FixedKeys:
    """Provide keys that stand in the configuration, and are never fetched."""

    def __init__(self, keys: PublishedKeys) -> None:
        self.keys: PublishedKeys | None = keys
        self._keys = keys
        self.settled_until = math.inf

    def close(self) -> None:
        """End the use of the keys."""
        self.settled_until = -math.inf

    def trust_until(self, until: float) -> None:
        """Set the time until which the issuer is known to be trusted."""
        self.settled_until = until

    def get(self, is_known: Callable[[PublishedKeys], bool]) -> PublishedKeys:  # noqa: ARG002
        """Return the keys."""
        return self._keys


class _State(NamedTuple):
    """What is known about an issuer; replaced as a whole, so that readers need no lock."""

    keys: PublishedKeys | None = None
    fetched_at: float = -math.inf
    fresh: float = 0.0
    """Seconds after *fetched_at* at whose half the keys are fetched again."""
    attempted_at: float = -math.inf
    failures: int = 0
    """How many attempts have failed since the last success."""
    retry_at: float = -math.inf


_instances: WeakSet[RemoteKeys] = WeakSet()


class RemoteKeys:
    """Fetch and keep the keys of one issuer, as the table of this module says.

    :param fetch: takes the seconds that it may take
    :param name: the issuer, for log messages
    :param first: keys from the configuration, which count until the first fetch
    :param jitter: returns the factor of each pause after a failure, so that the processes of an
        application don't all ask at the same time
    """

    def __init__(
        self,
        fetch: Callable[[float], FetchedKeys],
        clock: Clock,
        timing: Callable[[], Timing],
        listener: Listener,
        *,
        name: str,
        first: PublishedKeys | None = None,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),  # noqa: S311  no secret
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._timing = timing
        self._listener = listener
        self._name = name
        self._jitter = jitter
        self._state = _State()
        if first is not None:
            # Ageing from the start: the first request fetches, and a failure is harmless.
            self._state = _State(first, clock.monotonic())
        self.keys = first
        self.settled_until = -math.inf
        self._fresh_until = -math.inf
        self._trusted_until = math.inf
        self._is_closed = False
        self._in_flight = False
        self.unknown_kids = 0
        """How many tokens named an unknown key since the last signal."""
        self._lock = Lock()
        _instances.add(self)

    def renew_lock(self) -> None:
        """Replace the lock, which a thread of the parent process may hold, after a fork."""
        self._lock, self._in_flight = Lock(), False

    @property
    def keys_age(self) -> float | None:
        """Return the seconds since the keys were fetched, or None if they never were."""
        state = self._state
        return None if state.keys is None else self._clock.monotonic() - state.fetched_at

    def close(self) -> None:
        """End the use of the keys, although a fetch of another thread may still succeed."""
        self._is_closed = True
        self.settled_until = -math.inf

    def trust_until(self, until: float) -> None:
        """Set the time until which the issuer is known to be trusted."""
        self._trusted_until = until
        self._settle(self._fresh_until)

    def _settle(self, until: float) -> None:
        self._fresh_until = until
        self.settled_until = min(until, self._trusted_until)
        if self._is_closed:  # set by another thread before or after the line above
            self.settled_until = -math.inf

    def get(self, is_known: Callable[[PublishedKeys], bool]) -> PublishedKeys:
        """Return the keys for a token, which are fetched first if need be.

        :param is_known: returns whether a key set has a key for the token
        :raises IssuerUnavailable: if the keys can't be fetched, or the key of this token can't
        """
        timing, state = self._timing(), self._state
        if (must_wait := self._find_need(state, timing, is_known)) is not None:
            timeout = timing.timeout if must_wait else -1
            if self._lock.acquire(must_wait, timeout):
                try:
                    # Not if another thread has just tried: its result counts for this one too.
                    if (
                        self._state is state
                        and self._find_need(state, timing, is_known) is not None
                    ):
                        self._attempt(timing)
                finally:
                    self._lock.release()
            state = self._state
        keys = self._believed(state, timing)
        if keys is None:
            raise self._unavailable(state)
        if not is_known(keys):
            self.unknown_kids += 1
            # Whether there is such a key can't be known now, so the token isn't invalid.
            if state.failures:
                raise self._unavailable(state)
        return keys

    def _find_need(
        self, state: _State, timing: Timing, is_known: Callable[[PublishedKeys], bool]
    ) -> bool | None:
        """Return None if nothing is to be fetched, or else whether this request must wait for it.

        A request that need not wait fetches only if no other request does.
        """
        now = self._clock.monotonic()
        if 0 < state.retry_at - now <= LONGEST_PAUSE * 2:
            return None
        keys = self._believed(state, timing)
        if keys is None:
            return True
        is_cool = not 0 <= now - state.attempted_at < timing.cooldown
        if (is_cool or self._in_flight) and not is_known(keys):
            return True
        # The age is negative if a test has replaced the clock; then the keys are fetched.
        is_due = not 0 <= now - state.fetched_at < state.fresh / 2
        return False if is_due else None

    def _believed(self, state: _State, timing: Timing) -> PublishedKeys | None:
        """Return the keys if they are young enough to be believed."""
        age = self._clock.monotonic() - state.fetched_at
        return state.keys if 0 <= age < timing.kept else None

    def _unavailable(self, state: _State) -> IssuerUnavailable:
        pause = state.retry_at - self._clock.monotonic()
        return IssuerUnavailable(retry_after=math.ceil(min(max(pause, 1), LONGEST_PAUSE * 2)))

    def _attempt(self, timing: Timing) -> None:
        """Fetch the keys. Only the thread with the lock calls this."""
        self._in_flight = True
        try:
            try:
                fetched = self._fetch(timing.timeout)
            except FetchFailed as error:
                self._record_failure(str(error), timing)
            # A transport of the application, or an SSL context, may raise anything. Whatever it
            # is, the keys can't be fetched.
            except Exception as error:  # noqa: BLE001
                self._record_failure(type(error).__name__, timing)
            else:
                self._record_success(fetched, timing)
        finally:
            self._in_flight = False

    def _record_success(self, fetched: FetchedKeys, timing: Timing) -> None:
        before, keys, now = self._state, fetched.keys, self._clock.monotonic()
        old = before.keys
        # The same object as long as nothing has changed: verified tokens stay valid with it.
        if old is not None and old.fingerprints == keys.fingerprints:
            keys = old
        fresh = timing.fresh
        if fetched.max_age is not None:
            fresh = min(max(fetched.max_age, _SHORTEST_FRESH), _LONGEST_FRESH)
        self.keys = keys
        self._state = _State(keys, now, fresh, attempted_at=now)
        self._settle(now + min(fresh / 2, timing.kept))
        if before.failures:
            logger.info("The keys of issuer %s can be fetched again", self._name)
        if fetched.keys.ignored:
            logger.debug(
                "Issuer %s publishes %d keys that are for something else",
                self._name, fetched.keys.ignored,
            )  # fmt: skip
        if old is not None and keys is not old:
            count, self.unknown_kids = self.unknown_kids, 0
            self._listener.keys_changed(
                added=keys.kids() - old.kids(),
                removed=old.kids() - keys.kids(),
                unknown_kids=count,
            )

    def _record_failure(self, reason: str, timing: Timing) -> None:
        state, now = self._state, self._clock.monotonic()
        pause = min(2.0 ** min(state.failures, 9), LONGEST_PAUSE) * self._jitter()
        self._state = state._replace(
            attempted_at=now, failures=state.failures + 1, retry_at=now + pause
        )
        self._settle(min(now + pause, state.fetched_at + timing.kept))
        if state.failures:
            return
        if (age := self.keys_age) is None or age >= timing.kept:
            meanwhile = "Its tokens get the response 503 meanwhile."
        else:
            meanwhile = f"Its keys of {age:.0f} s ago are used for up to {timing.kept:.0f} s."
        logger.warning(
            "The keys of issuer %s can't be fetched: %s. %s", self._name, reason, meanwhile
        )
        count, self.unknown_kids = self.unknown_kids, 0
        self._listener.unavailable(reason=reason, keys_age=age, unknown_kids=count)


def _renew_locks() -> None:
    for keys in list(_instances):
        keys.renew_lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_locks)
