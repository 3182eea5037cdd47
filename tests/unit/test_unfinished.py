"""``UnfinishedRevocations``: what an outage has cut off is finished once, and bounded."""

from __future__ import annotations

import logging
import threading

import pytest

from flask_jwt._sessions.unfinished import MOST_UNFINISHED, UnfinishedRevocations
from flask_jwt.errors import StoreUnavailable


@pytest.fixture
def finished():
    return []


def make(finished, *errors):
    errors = list(errors)

    def finish(sid, revocation):
        error = errors.pop(0) if errors else None
        if error is not None:
            raise error
        finished.append((sid, revocation))

    return UnfinishedRevocations(finish)


def test_each_is_finished_once(finished):
    unfinished = make(finished)
    unfinished.add("a", "call 1")
    unfinished.add("b", "call 2")
    unfinished.finish()
    unfinished.finish()
    assert finished == [("a", "call 1"), ("b", "call 2")]
    assert len(unfinished) == 0


def test_the_rest_waits_until_the_store_is_available_again(finished):
    unfinished = make(finished, None, StoreUnavailable())
    for sid in "abc":
        unfinished.add(sid, "call")
    unfinished.finish()
    assert len(unfinished) == 2
    unfinished.finish()
    assert [sid for sid, _ in finished] == ["a", "b", "c"]


def test_one_that_can_not_be_finished_holds_up_neither_the_others_nor_the_request(finished, caplog):
    caplog.set_level(logging.ERROR, "flask_jwt")
    unfinished = make(finished, RuntimeError("a receiver of a signal"))
    unfinished.add("a", "call")
    unfinished.add("b", "call")
    unfinished.finish()
    assert finished == [("b", "call")]
    assert len(unfinished) == 0
    assert "Could not revoke the session a" in caplog.text


def test_one_request_is_not_delayed_by_all_of_them(finished, monkeypatch):
    left = iter([0.5, -0.1, 1.0, 0.5])
    monkeypatch.setattr("flask_jwt._sessions.unfinished.time_left", lambda default: next(left))
    unfinished = make(finished)
    for sid in "abc":
        unfinished.add(sid, "call")
    unfinished.finish()
    assert [sid for sid, _ in finished] == ["a"]
    unfinished.finish()
    assert [sid for sid, _ in finished] == ["a", "b", "c"]


def test_there_is_a_bound_and_the_first_ones_count(finished):
    unfinished = make(finished)
    for number in range(MOST_UNFINISHED + 10):
        unfinished.add(str(number), "call")
    assert len(unfinished) == MOST_UNFINISHED
    unfinished.finish()
    assert finished[0][0] == "0"


def test_an_operation_of_the_store_may_call_it_again(finished):
    def finish(sid, revocation):
        unfinished.finish()  # as the circuit breaker does after each operation
        finished.append(sid)

    unfinished = UnfinishedRevocations(finish)
    unfinished.add("a", "call")
    unfinished.finish()
    assert finished == ["a"]


def test_other_threads_do_not_wait(finished):
    entered, leave = threading.Event(), threading.Event()

    def finish(sid, revocation):
        finished.append(sid)
        entered.set()
        assert leave.wait(10)

    unfinished = UnfinishedRevocations(finish)
    unfinished.add("a", "call")
    thread = threading.Thread(target=unfinished.finish)
    thread.start()
    assert entered.wait(10)
    unfinished.finish()
    leave.set()
    thread.join()
    assert finished == ["a"]
