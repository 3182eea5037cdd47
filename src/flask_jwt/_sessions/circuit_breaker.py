"""Fail fast while the session store is down, log the outage once, and recover automatically."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any

from .._clock import Clock
from ..errors import StoreUnavailable
from ..stores import SessionStore

logger = logging.getLogger("flask_jwt")

# Without this pause, each request would wait for the connection timeout, and under load the waiting
# requests would occupy every worker of the application. With it, few requests wait, and a recovery
# is still noticed within about a second.
FAIL_FAST_FOR = 1.0
"""Seconds after a failure in which operations fail without calling the store."""


class CircuitBreakerStore:
    """Call another :class:`SessionStore`, unless it failed within the last second.

    An operation that failed because its connection was lost is retried once on a new connection.
    Every operation of a store may be repeated: the caller recognizes its own change.

    :param name: the name of the store in log messages
    :param meanwhile: a description of what happens during an outage, for its log message
    """

    def __init__(
        self,
        store: SessionStore,
        clock: Clock,
        *,
        name: str = "session store",
        meanwhile: str = "",
    ) -> None:
        self.store = store
        self._name = name
        self._meanwhile = meanwhile
        self._clock = clock
        self._failed_at: float | None = None
        self._has_logged_warnings = False
        self._lock = Lock()
        self.after_success: Callable[[], None] | None = None
        """Called after each successful operation: what an outage has left undone can be done."""

    # All operations are wrapped here, so that no operation that is added to SessionStore later can
    # lack the circuit breaker. Python calls __getattr__ only for names that it doesn't find, so
    # each wrapper is made only once.
    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.store, name)

        def call_store(*args: object, **kwargs: object) -> object:
            if self._has_just_failed():
                error = StoreUnavailable()
                error.was_attempted = False
                raise error
            started = self._clock.monotonic()
            try:
                try:
                    result = operation(*args, **kwargs)
                except StoreUnavailable as error:
                    if not error.lost_connection:
                        raise
                    # The store may be available: a restart or a firewall may have closed this
                    # pooled connection while it was idle. Only a second failure is an outage.
                    result = operation(*args, **kwargs)
            except StoreUnavailable as error:
                self._record_failure(error)
                raise
            if self._failed_at is not None:
                self._record_recovery(started)
            # The store's warnings are read after the first success rather than at startup, because
            # the application must be able to start while the store is down.
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

    def _has_just_failed(self) -> bool:
        # The elapsed time is negative if a test has set the clock back since the failure.
        failed_at = self._failed_at
        return failed_at is not None and 0 <= self._clock.monotonic() - failed_at < FAIL_FAST_FOR

    def _record_failure(self, error: StoreUnavailable) -> None:
        with self._lock:
            is_first = self._failed_at is None
            self._failed_at = self._clock.monotonic()
        if is_first:
            cause = error.__cause__
            # The first line only: SQLAlchemy appends the statement and its parameters.
            reason = str(cause).partition("\n")[0] if cause else error.description
            logger.error(
                "The %s is unavailable%s: %s: %s",
                self._name, self._meanwhile, type(cause).__name__, reason,
            )  # fmt: skip

    def _record_recovery(self, started: float) -> None:
        """Record that an operation has succeeded, which began at *started*."""
        now = self._clock.monotonic()
        with self._lock:
            failed_at = self._failed_at
            # An operation that began before the failure may have reached the store while it was
            # still available. The failure is in the future if a test has set the clock back since.
            is_older = failed_at is not None and started < failed_at <= now
            if not is_older:
                self._failed_at = None
        if failed_at is not None and not is_older:
            logger.warning("The %s is available again", self._name)

    def _log_warnings(self) -> None:
        try:
            for message in self.store.warnings():
                logger.warning("%s", message)
        except StoreUnavailable as error:
            self._record_failure(error)
