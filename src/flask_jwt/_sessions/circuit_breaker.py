"""What happens while the session store is down: fail fast, say so once, recover by itself."""

from __future__ import annotations

import logging
from threading import Lock
from typing import Any

from .._clock import Clock
from ..errors import StoreUnavailable
from ..stores import SessionStore

logger = logging.getLogger("flask_jwt")

FAIL_FAST_FOR = 1.0
"""Seconds after a failure in which the store isn't asked again, so that no request waits for it."""


class CircuitBreakerStore:
    """A :class:`SessionStore` that asks another one, unless it has just failed to answer.

    An operation whose connection turned out to be lost is tried once more on a new one: every
    operation may be repeated, a rotation because of the grace.

    :param name: what the log calls it
    :param meanwhile: what the log says of the time in which it does not answer
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
        self._is_known = False
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.store, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self._has_just_failed():
                raise StoreUnavailable
            try:
                try:
                    answer = operation(*args, **kwargs)
                except StoreUnavailable as error:
                    if not error.lost_connection:
                        raise
                    answer = operation(*args, **kwargs)
            except StoreUnavailable as error:
                self._fail(error)
                raise
            if self._failed_at is not None:
                self._recover()
            if not self._is_known:
                self._is_known = True
                self._advise()
            return answer

        self.__dict__[name] = watched
        return watched

    def close(self) -> None:
        """Close the store's connections. This is no operation: it works while the store is down."""
        self.store.close()

    def _has_just_failed(self) -> bool:
        # It is in the future where a test has put the clock back since.
        failed_at = self._failed_at
        return failed_at is not None and 0 <= self._clock.monotonic() - failed_at < FAIL_FAST_FOR

    def _fail(self, error: StoreUnavailable) -> None:
        with self._lock:
            is_news = self._failed_at is None
            self._failed_at = self._clock.monotonic()
        if is_news:
            cause = error.__cause__
            reason = str(cause).partition("\n")[0] if cause else error.description
            logger.error(
                "The %s does not answer%s: %s: %s",
                self._name, self._meanwhile, type(cause).__name__, reason,
            )  # fmt: skip

    def _recover(self) -> None:
        with self._lock:
            is_news = self._failed_at is not None
            self._failed_at = None
        if is_news:
            logger.warning("The %s answers again", self._name)

    def _advise(self) -> None:
        try:
            for sentence in self.store.warnings():
                logger.warning("%s", sentence)
        except StoreUnavailable as error:
            self._fail(error)
