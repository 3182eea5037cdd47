"""``CircuitBreakerStore``: how a store that is down fails fast, is logged once, and recovers."""

from __future__ import annotations

import logging

import pytest

from flask_jwt._clock import Clock as AppClock
from flask_jwt._sessions.circuit_breaker import FAIL_FAST_FOR, CircuitBreakerStore
from flask_jwt.errors import StoreUnavailable
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
