"""Fail fast while the session store is down, log the outage once, and recover automatically."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from threading import Lock
from typing import Any

from .._clock import Clock
from ..errors import StoreUnavailable
from ..stores import SessionStore
from ..stores._deadline import time_left, time_limit

logger = logging.getLogger("flask_jwt")

# Without this pause, each request would wait for the connection timeout, and under load the waiting
# requests would occupy every worker of the application. With it, few requests wait, and a recovery
# is still noticed within about a second.
FAIL_FAST_FOR = 1.0
"""Seconds after a failure in which operations fail without calling the store."""

MOST_ATTEMPTS = 5
"""How often an operation is attempted that the database undoes in favor of another one."""

PROBE_SHARE = 0.25
"""The share of the timeout in which a store must respond that has left an operation unanswered."""

LOG_AGAIN_AFTER = 60.0
"""Seconds without an error of a kind after which the next one is logged again."""

MOST_OF_A_CAUSE = 300
"""The characters of a driver's message that are logged; redis-py describes its whole client."""

UNLIMITED = frozenset({"upgrade", "count"})
"""Operations on the whole store, which may take minutes; each of their steps is limited."""


class CircuitBreakerStore:
    """Call another :class:`SessionStore`, unless it could not be reached within the last second.

    After that second, the next operation is a probe, and the others go on failing until it has
    succeeded. A server that rejects an operation can be reached: only this operation fails then.

    An operation is repeated if its connection was lost, once and on a new connection, or if the
    database has undone it in favor of another one. Every operation of a store may be repeated: the
    caller recognizes its own change.

    :param name: the name of the store in log messages
    :param meanwhile: a description of what happens during an outage, for its log message
    :param timeout: the seconds that an operation may take, with all that it consists of
    """

    def __init__(
        self,
        store: SessionStore,
        clock: Clock,
        *,
        name: str = "session store",
        meanwhile: str = "",
        timeout: float | None = None,
    ) -> None:
        self.store = store
        self._name = name
        self._meanwhile = meanwhile
        self._timeout = timeout
        self._clock = clock
        self._failed_at: float | None = None
        self._probe_began_at: float | None = None
        self._responded_since = float("-inf")
        """When the latest operation began that the store has responded to."""
        self._logged: dict[str, float] = {}
        """When each kind of rejection has occurred last."""
        self._has_logged_warnings = False
        self._lock = Lock()
        self.after_success: Callable[[], None] | None = None
        """Called after each successful operation: what an outage has left undone can be done."""

    # All operations are wrapped here, so that no operation that is added to SessionStore later can
    # lack the circuit breaker. Python calls __getattr__ only for names that it doesn't find, so
    # each wrapper is made only once.
    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.store, name)
        timeout = None if name in UNLIMITED else self._timeout

        def call_store(*args: object, **kwargs: object) -> object:
            if self._must_fail():
                error = StoreUnavailable()
                error.was_attempted = False
                raise error
            started = self._clock.monotonic()
            # A caller may allow less time than the store's timeout. That it is used up then means
            # nothing.
            is_hurried = timeout is not None and time_left(timeout) < timeout
            with nullcontext() if timeout is None else time_limit(timeout):
                try:
                    result = _attempt(lambda: operation(*args, **kwargs))
                except StoreUnavailable as error:
                    self._record_failure(error, started, timeout, is_hurried=is_hurried)
                    raise
                except Exception:
                    self._record_response(started)  # an error of the statement or of its values
                    raise
                self._record_response(started)
                # The store's warnings are read after the first success rather than at startup,
                # because the application must be able to start while the store is down.
                if not self._has_logged_warnings:
                    self._has_logged_warnings = True
                    self._log_warnings()
                if self.after_success is not None:
                    self.after_success()
                return result

        self.__dict__[name] = call_store
        return call_store

    def close(self) -> None:
        """Close the store's connections, also while the store is down."""
        self.store.close()

    def _must_fail(self) -> bool:
        """Return whether an operation fails without calling the store."""
        if self._failed_at is None:
            return False
        with self._lock:
            now = self._clock.monotonic()
            if self._is_recent(self._failed_at, now, FAIL_FAST_FOR):
                return True
            # A probe whose thread was killed has no result.
            longest = FAIL_FAST_FOR + 2 * (self._timeout or FAIL_FAST_FOR)
            if self._is_recent(self._probe_began_at, now, longest):
                return True
            if self._failed_at is not None:
                self._probe_began_at = now  # the caller's operation is the probe
            return False

    @staticmethod
    def _is_recent(then: float | None, now: float, seconds: float) -> bool:
        # The elapsed time is negative if a test has set the clock back.
        return then is not None and 0 <= now - then < seconds

    def _record_failure(
        self,
        error: StoreUnavailable,
        started: float,
        timeout: float | None,
        *,
        is_hurried: bool,
    ) -> None:
        if not error.is_outage:
            self._record_response(started)
            self._log_rejection(error)
            return
        is_late = timeout is not None and time_left(timeout) < timeout / 10
        if is_late and is_hurried and self._failed_at is None:
            return
        # A single operation may take long, because of a lock or of its own work. Then it is no sign
        # of an outage, and operations of others must not fail.
        if is_late and self._failed_at is None and self._responds(started, timeout):
            error.is_outage = False
            error.reason = "no response in time"
            self._log_rejection(error)
            return
        with self._lock:
            is_first = self._failed_at is None
            self._failed_at = self._clock.monotonic()
            self._probe_began_at = None
        if is_first:
            logger.error("The %s is unavailable%s: %s", self._name, self._meanwhile, _cause(error))

    def _responds(self, started: float, timeout: float | None) -> bool:
        """Return whether the store responds to others, though not to an operation of *started*."""
        if self._responded_since > started:
            return True
        ping = getattr(self.store, "ping", None)
        if ping is None or timeout is None:
            return False
        try:
            ping(timeout * PROBE_SHARE)
        except StoreUnavailable as error:
            return not error.is_outage
        return True

    def _record_response(self, started: float) -> None:
        """Record that the store has responded to an operation that began at *started*."""
        self._responded_since = max(self._responded_since, started)
        if self._failed_at is None:
            return
        with self._lock:
            failed_at, now = self._failed_at, self._clock.monotonic()
            # An operation that began before the failure may have reached the store while it was
            # still available. The failure is in the future if a test has set the clock back since.
            is_older = failed_at is not None and started < failed_at <= now
            if not is_older:
                self._failed_at = self._probe_began_at = None
        if failed_at is not None and not is_older:
            logger.warning("The %s is available again", self._name)

    def _log_rejection(self, error: StoreUnavailable) -> None:
        # One line for as long as the reason lasts, such as a database that is read-only.
        reason = error.reason or "rejected"
        with self._lock:
            now = self._clock.monotonic()
            is_known = self._is_recent(self._logged.get(reason), now, LOG_AGAIN_AFTER)
            self._logged[reason] = now
        if not is_known:
            logger.error("The %s has failed (%s): %s", self._name, reason, _cause(error))

    def _log_warnings(self) -> None:
        # A user of the database may lack the right to read its settings.
        with suppress(StoreUnavailable):
            for message in self.store.warnings():
                logger.warning("%s", message)


def _attempt(operation: Callable[[], object]) -> object:
    """Call *operation*, and repeat it if that may help."""
    has_lost_connection = False
    for _ in range(MOST_ATTEMPTS - 1):
        try:
            return operation()
        except StoreUnavailable as error:
            # The store may be available: a restart or a firewall may have closed this pooled
            # connection while it was idle. Only a second failure is an outage.
            may_help = error.is_conflict or (error.lost_connection and not has_lost_connection)
            if not may_help or time_left(1.0) <= 0:
                raise
            has_lost_connection = has_lost_connection or error.lost_connection
    return operation()


def _cause(error: StoreUnavailable) -> str:
    cause = error.__cause__
    # The first line only: SQLAlchemy and the databases append the statement and parts of the row.
    reason = str(cause).partition("\n")[0] if cause else str(error.description)
    return f"{type(cause).__name__}: {reason[:MOST_OF_A_CAUSE]}"
