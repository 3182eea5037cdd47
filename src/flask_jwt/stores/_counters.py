"""Count failed logins: the counters of an attempt, and the decision whether it is allowed.

A counter divides its window into four slots. It adds the failures of the present slot and of the
four before, so it never misses a failure of the last window, and none counts for longer than one
and a quarter windows. A limit can therefore not be exceeded within any window, wherever it begins.

The memory and the SQL stores decide with :func:`decide`. Redis decides in a script, because an
attempt has one round trip; a test compares their decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple, Protocol

SLOTS = 5
"""The slots of a counter: four for its window, and one because the window begins within a slot."""

DAY = 86400
"""Seconds for which a strike counts. A strike is a failure that exceeds the limit; each further one
doubles the wait."""

MOST_SKEW = 3600
"""Seconds by which the clocks of two servers may differ."""

SLOTS_AHEAD = 240
"""The most slots by which a counter may be ahead, because a server with a faster clock has changed
it; the counter's slot then counts. A counter that is further ahead is reset, because a wrong clock
has changed it."""

KNOWN_FOR = 30 * DAY
"""Seconds for which an account is known at an address after a login there."""

MOST_COUNTERS = 50_000
"""The most counters in memory; beyond that the least recently changed ones are dropped."""


class Window(NamedTuple):
    """A number of failures allowed in a number of seconds."""

    amount: int
    seconds: int

    def slot_at(self, now: float) -> int:
        """Return the number of the slot at *now*."""
        return int(now * (SLOTS - 1) // self.seconds)


class WindowKeys(NamedTuple):
    """Hold the keys of the counters that an attempt has in one window."""

    window: Window
    exact: str
    """Counts failures under exactly this name."""
    account: str
    """Counts failures under all names that a database may take for this one."""
    address: str | None
    """Counts the accounts with failures from this address; None if the address isn't counted."""

    def all(self) -> list[str]:
        """Return the keys."""
        keys = [self.exact, self.account]
        return keys if self.address is None else [*keys, self.address]


class AttemptKeys(NamedTuple):
    """Hold the keys of all counters of an attempt."""

    known: str
    """Marks an exact name that has logged in from this address."""
    windows: tuple[WindowKeys, ...]

    @property
    def longest(self) -> int:
        """Return the length of the longest window, which is the longest wait."""
        return max(keys.window.seconds for keys in self.windows)

    def all(self) -> list[str]:
        """Return the keys in the order in which the script of Redis expects them."""
        return [self.known, *(key for keys in self.windows for key in keys.all())]


@dataclass(frozen=True)
class Counter:
    """Hold the state of a counter."""

    slot: int
    failures: tuple[int, ...] = (0,) * SLOTS
    """The failures of each slot, the newest first."""
    strikes: int = 0
    blocked_until: float = 0.0
    counted_in: int = 0
    """The slot in which the counter of the address counted this account last; only for accounts."""
    expires_at: float = 0.0

    def at_slot(self, slot: int) -> Counter:
        """Return the counter at a later slot."""
        if self.slot > slot + SLOTS_AHEAD:
            return Counter(slot)
        passed = slot - self.slot
        if passed <= 0:
            return self
        return replace(
            self, slot=slot, failures=((0,) * min(passed, SLOTS) + self.failures)[:SLOTS]
        )

    def count(self) -> int:
        """Return the number of failures within the window."""
        return sum(self.failures)

    def wait_at(self, now: float, longest: float) -> float:
        """Return for how many seconds logins are still rejected."""
        remaining = self.blocked_until - now
        # No wait is longer than the longest window; a longer one was set by a wrong clock.
        return min(remaining, longest) if 0 < remaining <= longest + MOST_SKEW else 0.0


class Change(NamedTuple):
    """Describe a change of a counter, which adds to its failures."""

    key: str
    slot: int
    expires_at: float
    failures: tuple[int, ...] = (0,) * SLOTS
    """Added to the slots, the newest first; negative numbers take failures back."""
    allowed: int | None = None
    """The number of failures that the change must not exceed."""
    strikes: int = 0
    blocked_until: float = 0.0
    """0 keeps the time and the strikes as they are."""
    counted_in: int | None = None
    """None keeps it as it is."""
    last_block: float = 0.0
    """The ``blocked_until`` on which a decision is based. A database checks that it is still the
    same when it counts a failure."""


class Decision(NamedTuple):
    """Hold the decision about an attempt, and the state of its counters afterwards."""

    wait: float
    """0 if the attempt is allowed; else the number of seconds to wait."""
    known_until: float | None
    """None if the account has not logged in from this address before."""
    counters: dict[str, Counter]


class LoginCounters(Protocol):
    """Count failed logins in a store. For a store object without counters, they are in memory."""

    def begin_login(self, keys: AttemptKeys, now: float) -> Decision:
        """Decide about an attempt, and count it as failed if it is allowed."""
        ...

    def change_counters(self, changes: list[Change], now: float) -> None:
        """Make changes, which take failures back or mark an account as known."""
        ...

    def prune_counters(self, now: float) -> bool:
        """Delete counters that have expired, but not more than can be deleted quickly.

        :returns: whether there may be more
        """
        ...


_ONE = (1,) + (0,) * (SLOTS - 1)


def decide(
    keys: AttemptKeys, counters: dict[str, Counter], now: float
) -> tuple[Decision, list[Change]]:
    """Decide about an attempt.

    :param counters: the stored counters, by their keys
    :returns: the decision, and the changes to be stored
    """
    known_until = _get_known_until(counters.get(keys.known), now)
    is_known = known_until is not None
    state = _get_state(keys, counters, now)
    wait = _get_wait(keys, state, now, is_known=is_known)
    if wait > 0:
        return Decision(wait, known_until, state), []
    failures = [
        (window_keys, change)
        for window_keys in keys.windows
        for change in _failures(window_keys, state, counters, now, is_known=is_known)
    ]
    strikes = [
        strike
        for window_keys, change in failures
        for strike in _strikes(window_keys, change, state, keys.longest, now)
    ]
    if strikes:
        waits, changes = zip(*strikes, strict=True)
        return Decision(max(waits), known_until, state), list(changes)
    for _, change in failures:
        state[change.key] = apply(state[change.key], change)
    return Decision(0.0, known_until, state), [change for _, change in failures]


def _get_known_until(marker: Counter | None, now: float) -> float | None:
    return None if marker is None or marker.expires_at <= now else marker.expires_at


def _get_state(keys: AttemptKeys, counters: dict[str, Counter], now: float) -> dict[str, Counter]:
    """Return the counters of an attempt as they are at the time *now*."""
    return {
        key: counters.get(key, Counter(slot)).at_slot(slot)
        for window_keys in keys.windows
        for slot in [window_keys.window.slot_at(now)]
        for key in window_keys.all()
    }


def _get_wait(keys: AttemptKeys, state: dict[str, Counter], now: float, *, is_known: bool) -> float:
    return max(
        state[key].wait_at(now, keys.longest)
        for window_keys in keys.windows
        for key in _limiting(window_keys, is_known=is_known)
    )


def _limiting(keys: WindowKeys, *, is_known: bool) -> list[str]:
    """Return the keys of the counters that limit an attempt.

    At an address where an account has logged in before, failures under other names don't lock it
    out.
    """
    if is_known:
        return [keys.exact]
    return [keys.account] if keys.address is None else [keys.account, keys.address]


def _failures(
    keys: WindowKeys,
    state: dict[str, Counter],
    stored: dict[str, Counter],
    now: float,
    *,
    is_known: bool,
) -> list[Change]:
    """Return the changes that count an attempt as failed."""
    amount, seconds = keys.window
    slot = keys.window.slot_at(now)
    expires_at = now + 2 * seconds
    changes = [Change(keys.exact, slot, expires_at, _ONE, amount if is_known else None)]
    if not is_known:
        # The counter of the address counts accounts, so that a user who mistypes a password
        # repeatedly doesn't lock out colleagues behind the same address.
        is_new = keys.address is not None and slot - state[keys.account].counted_in >= SLOTS
        counted_in = slot if is_new else None
        changes.append(Change(keys.account, slot, expires_at, _ONE, amount, counted_in=counted_in))
        if keys.address is not None and is_new:
            changes.append(Change(keys.address, slot, expires_at, _ONE, amount))
    return [
        change._replace(last_block=stored[change.key].blocked_until)
        if change.key in stored
        else change
        for change in changes
    ]


def _strikes(
    keys: WindowKeys, change: Change, state: dict[str, Counter], longest: int, now: float
) -> Iterator[tuple[float, Change]]:
    """Yield the waits and the changes that follow if a failure exceeds the limit."""
    counter = state[change.key]
    if change.allowed is None or counter.count() < change.allowed:
        return
    number, wait = _next_wait(counter, keys.window, longest, now)
    yield wait, _strike(change, counter, number, now + wait)
    if change.key == keys.account:
        # It is also a strike of exactly this name, which a success doesn't take back.
        exact = state[keys.exact]
        number, _ = _next_wait(exact, keys.window, longest, now)
        change = change._replace(key=keys.exact, allowed=None)
        yield wait, _strike(change, exact, number, now + wait)


def _next_wait(counter: Counter, window: Window, longest: int, now: float) -> tuple[int, float]:
    """Return the number of strikes with the next one, and the seconds to wait for it."""
    strikes = counter.strikes + 1 if now - counter.blocked_until < DAY else 1
    return strikes, min(window.seconds * 2.0 ** min(strikes - 1, 32), longest)


def _strike(change: Change, counter: Counter, strikes: int, until: float) -> Change:
    return change._replace(
        # The wait is at least as long as the window, so the failures before it no longer count.
        failures=tuple(-number for number in counter.failures),
        strikes=strikes,
        blocked_until=until,
        counted_in=None,
        expires_at=until + DAY,
    )


def apply(counter: Counter, change: Change) -> Counter:
    """Return *counter* with *change*."""
    counter = counter.at_slot(change.slot)
    is_strike = change.blocked_until > 0
    return Counter(
        slot=counter.slot,
        failures=tuple(
            max(0, old + new) for old, new in zip(counter.failures, change.failures, strict=True)
        ),
        strikes=change.strikes if is_strike else counter.strikes,
        blocked_until=change.blocked_until if is_strike else counter.blocked_until,
        counted_in=counter.counted_in if change.counted_in is None else change.counted_in,
        expires_at=max(counter.expires_at, change.expires_at),
    )


def changes_after_success(keys: AttemptKeys, decision: Decision, now: float) -> list[Change]:
    """Return the changes after a login: take back the failures under exactly its name."""
    changes: list[Change] = []
    for window_keys in keys.windows:
        exact = decision.counters[window_keys.exact]
        changes += _taken_back(window_keys, decision, exact.failures, exact.slot, now)
    until = now + KNOWN_FOR
    if decision.known_until is None or decision.known_until < until - DAY:
        changes.append(Change(keys.known, 0, until))
    return changes


def changes_after_error(keys: AttemptKeys, decision: Decision, now: float) -> list[Change]:
    """Return the changes after an attempt whose credentials could not be checked."""
    changes: list[Change] = []
    for window_keys in keys.windows:
        slot = decision.counters[window_keys.exact].slot
        changes += _taken_back(window_keys, decision, _ONE, slot, now)
    return changes


def _taken_back(
    keys: WindowKeys, decision: Decision, failures: tuple[int, ...], slot: int, now: float
) -> Iterator[Change]:
    """Yield the changes that take back failures, which are counted from *slot* backwards."""
    seconds = keys.window.seconds
    present = max(keys.window.slot_at(now), slot)
    expires_at = now + 2 * seconds
    # The login may have taken so long that its failures belong to an earlier slot by now.
    shifted = Counter(slot, failures).at_slot(present).failures
    if not any(shifted):
        return
    taken = tuple(-number for number in shifted)
    allowed = keys.window.amount
    if decision.known_until is not None:
        yield Change(keys.exact, present, expires_at, taken, allowed)
        return
    yield Change(keys.exact, present, expires_at, taken)
    of_account = Change(keys.account, present, expires_at, taken, allowed)
    account = decision.counters[keys.account]
    counted = present - account.counted_in
    # The address no longer counts an account that has no failures left.
    if keys.address is None or counted >= SLOTS or apply(account, of_account).count() > 0:
        yield of_account
        return
    yield of_account._replace(counted_in=0)
    one = tuple(-1 if number == counted else 0 for number in range(SLOTS))
    yield Change(keys.address, present, expires_at, one, allowed)


class MemoryCounters:
    """Count failed logins in memory, with a limited number of counters."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        """The most recently changed counters are last."""
        self._counters_lock = Lock()

    def begin_login(self, keys: AttemptKeys, now: float) -> Decision:
        """Decide about an attempt, and count it as failed if it is allowed."""
        with self._counters_lock:
            decision, changes = decide(keys, self._read(keys.all()), now)
            self._change(changes, now)
        return decision

    def change_counters(self, changes: list[Change], now: float) -> None:
        """Make changes, which take failures back or mark an account as known."""
        with self._counters_lock:
            self._change(changes, now)

    def prune_counters(self, now: float) -> bool:  # noqa: ARG002
        """Return False; the least recently changed counters are dropped when they are too many."""
        return False

    def clear(self) -> None:
        """Delete all counters."""
        with self._counters_lock:
            self._counters.clear()

    def _read(self, keys: Iterable[str]) -> dict[str, Counter]:
        return {key: self._counters[key] for key in keys if key in self._counters}

    def _change(self, changes: list[Change], now: float) -> None:
        for change in changes:
            counter = self._counters.pop(change.key, None) or Counter(change.slot)
            if len(self._counters) >= MOST_COUNTERS:
                self._make_room(now)
            self._counters[change.key] = apply(counter, change)

    def _make_room(self, now: float) -> None:
        # This iterates over all counters, so a quarter of them is dropped at once. Otherwise each
        # new counter would have to make room again.
        kept = [entry for entry in self._counters.items() if entry[1].expires_at > now]
        self._counters = dict(kept[-3 * MOST_COUNTERS // 4 :])
