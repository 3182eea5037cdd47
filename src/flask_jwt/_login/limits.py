"""Limit failed logins.

There are two types of counters. One counts the failed logins to one account from one address, the
other counts the accounts with failed logins from one address. So an attack on one account locks out
neither the account's owner, who has another address, nor other users behind the attacker's address.
If the client's address is unknown, the first one counts the failures of all addresses together, and
there is no second one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from contextlib import suppress
from typing import Any

from .._clock import Clock
from ..errors import StoreUnavailable, TooManyLoginAttempts
from ..stores._counters import (
    AttemptKeys,
    Change,
    Decision,
    LoginCounters,
    MemoryCounters,
    Window,
    WindowKeys,
    changes_after_error,
    changes_after_success,
)
from .names import normalize_address, normalize_astral, normalize_username
from .notation import parse_limits

logger = logging.getLogger("flask_jwt")

_LONGEST_WINDOW = 10 * 366 * 86400
"""Seconds. A longer window is shortened to this; the databases can't store later times."""

_PRUNE_INTERVAL = 300.0
"""Seconds between two calls that delete expired counters from the store."""


class Attempt:
    """Count a login attempt as failed until its result is known."""

    def __init__(self, limits: LoginLimits) -> None:
        self._limits = limits
        self._counted: list[tuple[LoginCounters, AttemptKeys, Decision]] = []
        """Where the attempt was counted: usually once."""

    def count(self, keys: AttemptKeys) -> None:
        """Count the attempt as failed.

        :raises TooManyLoginAttempts: if logins are rejected at present
        """
        counters, decision = self._limits.decide(keys)
        if decision.wait > 0:
            self.forgive()
            raise TooManyLoginAttempts(min(math.ceil(round(decision.wait, 3)), keys.longest))
        self._counted.append((counters, keys, decision))

    def succeed(self) -> None:
        """Take back the failures under exactly this name, and remember that it logged in here."""
        for counters, keys, decision in self._counted:
            now = self._limits.clock.now()
            self._limits.change(counters, changes_after_success(keys, decision, now), now)

    def forgive(self) -> None:
        """Take back this failure, as if the login had not been attempted."""
        for counters, keys, decision in self._counted:
            now = self._limits.clock.now()
            self._limits.change(counters, changes_after_error(keys, decision, now), now)


class LoginLimits:
    """Reject logins after too many failed ones, for longer each time.

    When a limit such as ``10/minute`` is exceeded, logins are rejected for the length of its
    window, one minute. If the limit is exceeded again within a day, this wait is doubled each time,
    up to the length of the longest window.

    :param limits: for example ``"10/minute; 100/hour"``
    :param store: the circuit breaker around the session store, or None. If the store has no
        counters, and while it is down, each process counts in its memory
    :param namespace: keeps applications apart that share a store
    :param clock: the application's clock
    :raises ConfigError: if *limits* is invalid
    """

    def __init__(self, limits: str, store: Any, namespace: str, clock: Clock) -> None:
        windows = [
            Window(amount, min(seconds, _LONGEST_WINDOW))
            for amount, seconds in parse_limits(limits)
        ]
        self._windows = [(window, f"/{window.seconds}") for window in windows]
        self._namespace = namespace
        self.clock = clock
        self._memory = MemoryCounters()
        self._inner = getattr(store, "store", None)
        has_counters = hasattr(self._inner, "begin_login")
        self._store: LoginCounters | None = store if has_counters else None
        self._prune = store.prune_counters if has_counters else None
        self._pruned_at = clock.monotonic()
        self._is_logged = False

    def begin(self, account: str, address: str | None) -> Attempt:
        """Count a login as failed before its password is checked.

        The caller then calls :meth:`Attempt.succeed` or :meth:`Attempt.forgive`, or neither if the
        login has failed.

        :param account: the user name as the client sent it
        :param address: the client's address, or None if it isn't known
        :raises TooManyLoginAttempts: if logins are rejected at present
        """
        # If failures were counted only after the password was checked, an attacker could exceed the
        # limit with many attempts at the same time.
        client = None if address is None else normalize_address(address)
        attempt = Attempt(self)
        astral = normalize_astral(account)
        if astral is not None:
            attempt.count(self._keys(account, astral, client, counts_address=False))
        attempt.count(self._keys(account, normalize_username(account), client))
        self._prune_if_due()
        return attempt

    def decide(self, keys: AttemptKeys) -> tuple[LoginCounters, Decision]:
        """Decide about an attempt, and return where it is counted."""
        now = self.clock.now()
        if self._store is not None:
            try:
                decision = self._store.begin_login(keys, now)
            except StoreUnavailable:
                # Counting in memory is better than not at all, and better than no logins.
                if not self._is_logged:
                    self._is_logged = True
                    logger.warning(
                        "Until the store is available again, each process counts failed logins in "
                        "its memory"
                    )
            else:
                self._is_logged = False
                return self._store, decision
        return self._memory, self._memory.begin_login(keys, now)

    def change(self, counters: LoginCounters, changes: list[Change], now: float) -> None:
        """Make changes; if the store has failed meanwhile, the failures remain counted."""
        if changes:
            with suppress(StoreUnavailable):  # logged by the circuit breaker
                counters.change_counters(changes, now)

    def forget(self) -> None:
        """Delete the counters in memory."""
        self._memory.clear()
        if isinstance(self._inner, MemoryCounters):
            self._inner.clear()

    def _prune_if_due(self) -> None:
        elapsed = self.clock.monotonic() - self._pruned_at
        # The elapsed time is negative if a test has set the clock back.
        if self._prune is None or 0 <= elapsed < _PRUNE_INTERVAL:
            return
        self._pruned_at = self.clock.monotonic()
        with suppress(StoreUnavailable):  # logged by the circuit breaker
            if self._prune(self.clock.now()):
                # More than one attempt adds. So the next one deletes some, too.
                self._pruned_at -= _PRUNE_INTERVAL

    def _keys(
        self, exact: str, account: str, client: str | None, *, counts_address: bool = True
    ) -> AttemptKeys:
        own = self._digest("exact", exact, account, client)
        shared = self._digest("account" if client is None else "account+address", account, client)
        address = None
        if client is not None and counts_address:
            address = self._digest("address", client)
        windows = tuple(
            WindowKeys(
                window,
                own + window_name,
                shared + window_name,
                None if address is None else address + window_name,
            )
            for window, window_name in self._windows
        )
        return AttemptKeys(f"{own}/known", windows)

    def _digest(self, *parts: str | None) -> str:
        # The store holds neither names nor addresses, and all keys are short and exact in any
        # database. JSON, because no two lists have the same.
        text = json.dumps([self._namespace, *parts])
        return hashlib.sha256(text.encode("ascii")).hexdigest()
