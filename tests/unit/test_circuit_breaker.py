"""``CircuitBreakerStore``: how a store that is down fails fast, is logged once, and recovers."""

from __future__ import annotations

import logging
import time

import pytest

from flask_jwt._clock import Clock as AppClock
from flask_jwt._sessions.circuit_breaker import (
    FAIL_FAST_FOR,
    LOG_AGAIN_AFTER,
    CircuitBreakerStore,
)
from flask_jwt.errors import StoreUnavailable
from flask_jwt.stores._deadline import time_left, time_limit
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock

LOST = StoreUnavailable()
LOST.lost_connection = True


class Store(MemoryStore):
    """A store whose next operations have given results: an error is raised."""

    def __init__(self, *results):
        super().__init__()
        self.results = list(results)
        self.calls = 0
        self.closed = 0

    def get(self, sid):
        self.calls += 1
        result = self.results.pop(0) if self.results else "found"
        if isinstance(result, Exception):
            raise result
        return result

    def close(self):
        self.closed += 1

    def warnings(self):
        return ["The store forgets."]


@pytest.fixture
def passed():
    """The monotonic clock, which stands still."""
    return Clock(1000)


@pytest.fixture
def guard(passed):
    """Put a circuit breaker before a store that gives these results."""

    def guard(*results):
        clock = AppClock()
        clock.monotonic = passed
        return CircuitBreakerStore(Store(*results), clock, name="test store", meanwhile=" at all")

    return guard


def outcomes(breaker, count):
    """Return what *count* operations give: a result, or "down"."""
    results = []
    for _ in range(count):
        try:
            results.append(breaker.get("x"))
        except StoreUnavailable:
            results.append("down")
    return results


DOWN = StoreUnavailable()


@pytest.mark.parametrize(
    ("results", "expected", "calls"),
    [
        ([], ["found", "found"], 2),
        (["a", "b"], ["a", "b"], 2),
        ([DOWN], ["down", "down", "down"], 1),
        ([LOST, "again"], ["again", "found"], 3),
        ([LOST, LOST], ["down", "down"], 2),
        ([LOST, DOWN], ["down", "down"], 2),
    ],
    ids=["up", "results", "down", "reconnected", "lost twice", "lost and down"],
)
def test_how_often_the_store_is_called(guard, results, expected, calls):
    breaker = guard(*results)
    assert outcomes(breaker, len(expected)) == expected
    assert breaker.store.calls == calls


def test_the_circuit_closes_again_after_a_second(guard, passed):
    breaker = guard(DOWN, DOWN, "up")
    assert outcomes(breaker, 2) == ["down", "down"]
    passed.tick(FAIL_FAST_FOR - 0.01)
    assert outcomes(breaker, 1) == ["down"]
    assert breaker.store.calls == 1
    passed.tick(0.01)
    assert outcomes(breaker, 2) == ["down", "down"], "it tries once, and the store is still down"
    assert breaker.store.calls == 2
    passed.tick(FAIL_FAST_FOR)
    assert outcomes(breaker, 2) == ["up", "found"]


def test_a_failure_in_the_future_does_not_count(guard, passed):
    """A test may set the clock back."""
    breaker = guard(DOWN)
    assert outcomes(breaker, 1) == ["down"]
    passed.tick(-500)
    assert outcomes(breaker, 1) == ["found"]


def test_each_outage_and_each_recovery_is_logged_once(guard, passed, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    cause = ConnectionError("refused\nand more that stays out of the log")
    down = StoreUnavailable()
    down.__cause__ = cause
    breaker = guard("up", down, down, "up", down)
    outcomes(breaker, 1)
    caplog.clear()
    for _ in range(3):
        outcomes(breaker, 5)
        passed.tick(FAIL_FAST_FOR)
    messages = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in messages] == ["ERROR", "WARNING", "ERROR"]
    for _, message in messages[0], messages[2]:
        assert "test store" in message
        assert message.endswith("ConnectionError: refused")


def test_warnings_of_the_store_are_logged_at_the_first_success(guard, passed, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    breaker = guard(DOWN)
    outcomes(breaker, 1)
    assert "forgets" not in caplog.text
    passed.tick(FAIL_FAST_FOR)
    outcomes(breaker, 3)
    assert caplog.text.count("The store forgets.") == 1


def test_other_errors_are_no_outage(guard):
    breaker = guard(KeyError("a bug"))
    with pytest.raises(KeyError):
        breaker.get("x")
    assert outcomes(breaker, 1) == ["found"]


def test_a_store_that_is_down_can_be_closed(guard):
    """Closing is no operation: it does not fail fast, and it shows nothing about the store."""
    breaker = guard(DOWN)
    assert outcomes(breaker, 1) == ["down"]
    breaker.close()
    assert breaker.store.closed == 1
    with pytest.raises(StoreUnavailable):
        breaker.count(0)


def test_an_operation_that_began_before_the_failure_does_not_close_the_circuit(guard, passed):
    breaker = guard(StoreUnavailable())

    def count(now):
        passed.tick(0.1)
        with pytest.raises(StoreUnavailable):
            breaker.get("another thread's")
        return {}

    breaker.store.count = count
    assert breaker.count(0) == {}
    with pytest.raises(StoreUnavailable):
        breaker.get("the store is not asked again so soon")
    assert breaker.store.calls == 1
    passed.tick(FAIL_FAST_FOR)
    assert breaker.get("one that begins later") == "found"


REJECTED = StoreUnavailable.because(ValueError("a lock\nand a row"), reason="lock timeout")
CONFLICT = StoreUnavailable.because(ValueError("a deadlock"), reason="deadlock", is_conflict=True)


def test_a_rejection_is_no_outage(guard, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    breaker = guard("up", REJECTED, REJECTED)
    assert outcomes(breaker, 4) == ["up", "down", "down", "found"]
    assert breaker.store.calls == 4
    assert caplog.messages[1:] == ["The test store has failed (lock timeout): ValueError: a lock"]


def test_a_rejection_is_logged_once_for_as_long_as_it_lasts(guard, passed, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    breaker = guard(*[REJECTED] * 20)
    for _ in range(10):
        outcomes(breaker, 1)
        passed.tick(LOG_AGAIN_AFTER - 1)
    assert len(caplog.messages) == 1
    passed.tick(2)
    outcomes(breaker, 1)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(
    ("results", "expected", "calls"),
    [
        ([CONFLICT, CONFLICT, "done"], ["done"], 3),
        ([CONFLICT] * 4 + ["done"], ["done"], 5),
        ([CONFLICT] * 6, ["down"], 5),
        ([LOST, CONFLICT, "done"], ["done"], 3),
        ([CONFLICT, LOST, LOST], ["down", "down"], 3),
        ([REJECTED, "not repeated"], ["down", "not repeated"], 2),
    ],
)
def test_what_is_repeated(guard, results, expected, calls):
    breaker = guard(*results)
    assert outcomes(breaker, len(expected)) == expected
    assert breaker.store.calls == calls


def test_one_operation_probes_and_the_others_fail_meanwhile(guard, passed):
    breaker = guard(DOWN, "probe")
    assert outcomes(breaker, 1) == ["down"]
    passed.tick(FAIL_FAST_FOR)
    during = []

    def get(sid, original=breaker.store.get):
        if not during:
            during.append("probing")
            during.extend(outcomes(breaker, 3))
        return original(sid)

    breaker.store.get = get
    del breaker.__dict__["get"]
    assert outcomes(breaker, 2) == ["probe", "found"]
    assert during == ["probing", "down", "down", "down"]


def test_a_probe_whose_thread_was_killed_is_replaced(guard, passed):
    breaker = guard(DOWN)
    assert outcomes(breaker, 1) == ["down"]
    passed.tick(FAIL_FAST_FOR)
    original = breaker.store.get

    def get(sid):
        raise SystemExit

    breaker.store.get = get
    del breaker.__dict__["get"]
    with pytest.raises(SystemExit):
        breaker.get("x")
    breaker.store.get, breaker.store.results = original, []
    del breaker.__dict__["get"]
    assert outcomes(breaker, 1) == ["down"]
    passed.tick(10)
    assert outcomes(breaker, 1) == ["found"]


def test_a_rejected_probe_closes_the_circuit(guard, passed):
    breaker = guard(DOWN, REJECTED)
    assert outcomes(breaker, 1) == ["down"]
    passed.tick(FAIL_FAST_FOR)
    assert outcomes(breaker, 2) == ["down", "found"]


def test_warnings_that_fail_are_no_failure(guard, caplog):
    breaker = guard()

    def warnings():
        raise StoreUnavailable

    breaker.store.warnings = warnings
    assert outcomes(breaker, 2) == ["found", "found"]
    assert caplog.text == ""


class Slow:
    """A store that uses up the time of each call; it may respond to a ping all the same."""

    def __init__(self, *, responds):
        self.responds = responds

    def get(self, sid):
        time.sleep(max(0.0, time_left(1.0)))
        raise StoreUnavailable

    def ping(self, timeout):
        if not self.responds:
            raise StoreUnavailable

    def warnings(self):
        return []

    def count(self, now):
        return {}


@pytest.mark.parametrize("responds", [True, False])
def test_a_slow_operation_is_an_outage_if_the_store_does_not_respond_to_a_ping(responds):
    breaker = CircuitBreakerStore(Slow(responds=responds), AppClock(), timeout=0.05)
    assert outcomes(breaker, 1) == ["down"]
    if responds:
        assert breaker.count(0) == {}
    else:
        with pytest.raises(StoreUnavailable):
            breaker.count(0)


def test_a_caller_that_allows_less_time_opens_no_circuit(caplog):
    breaker = CircuitBreakerStore(Slow(responds=False), AppClock(), timeout=5)
    with time_limit(0.02):
        assert outcomes(breaker, 1) == ["down"]
    assert breaker.count(0) == {}
    assert caplog.text == ""
