"""The states of an issuer's keys: when they are fetched, and what an outage does."""

from __future__ import annotations

import logging
import math
import os
import threading
import time

import pytest

from flask_jwt import testing
from flask_jwt._clock import Clock
from flask_jwt._issuers.fetch import FetchFailed
from flask_jwt._issuers.published_keys import PublishedKeys
from flask_jwt._issuers.remote_keys import FetchedKeys, RemoteKeys, Timing
from flask_jwt._jose.keys import Key
from flask_jwt.errors import IssuerUnavailable

KEYS = {kid: Key.generate("EdDSA", kid=kid).public_jwk() for kid in ("a", "b")}


def key_set(*kids):
    return PublishedKeys.parse({"keys": [KEYS[kid] for kid in kids]}, ("EdDSA",))


class Provider:
    """An issuer in this process, and the keys of it that an application holds."""

    def __init__(self, **timing):
        self.time = testing.Clock(1000.0)
        clock = Clock(self.time)
        clock.monotonic = self.time
        self.timing = Timing(**timing)
        self.kids = ("a",)
        self.error = None
        self.max_age = None
        self.fetches = 0
        self.events = []
        self.before = lambda: None
        self.remote = RemoteKeys(
            self.fetch, clock, lambda: self.timing, self, name="https://idp", jitter=lambda: 1.0
        )

    def fetch(self, timeout):
        assert timeout == self.timing.timeout
        self.fetches += 1
        self.before()
        if self.error is not None:
            raise self.error
        return FetchedKeys(key_set(*self.kids), self.max_age)

    def keys_changed(self, **details):
        self.events.append(("changed", details))

    def unavailable(self, **details):
        self.events.append(("unavailable", details))

    def down(self, error=None):
        self.error = error or FetchFailed("refused")

    def get(self, kid="a"):
        return self.remote.get(lambda keys: bool(keys.candidates("EdDSA", kid)))

    def is_settled(self):
        return self.remote.settled_until > self.time()

    def knows(self, kid="a"):
        """Return whether there is a key for a token, and how many fetches that took."""
        before = self.fetches
        try:
            result = bool(self.get(kid).candidates("EdDSA", kid))
        except IssuerUnavailable as error:
            result = error.headers["Retry-After"]
        return result, self.fetches - before


@pytest.fixture
def provider():
    return Provider()


def test_nothing_is_fetched_before_it_is_needed(provider):
    assert provider.remote.keys is None
    assert not provider.is_settled()
    assert provider.fetches == 0


def test_empty(provider):
    assert provider.knows() == (True, 1)
    assert provider.knows() == (True, 0)
    assert provider.is_settled()


def test_empty_with_an_unknown_key(provider):
    """One fetch decides: the keys are of this moment."""
    assert provider.knows("b") == (False, 1)
    assert provider.knows("b") == (False, 0)


def test_empty_and_down(provider):
    provider.down()
    assert provider.knows() == ("1", 1)
    assert provider.knows() == ("1", 0), "nobody tries within the pause"
    provider.time.tick(1.01)
    assert provider.knows() == ("2", 1)
    assert provider.events == [
        ("unavailable", {"reason": "refused", "keys_age": None, "unknown_kids": 0})
    ]


@pytest.mark.parametrize("error", [RuntimeError("secret-1"), OSError("x"), KeyError("x")])
def test_a_transport_that_fails(provider, error, caplog):
    provider.down(error)
    assert provider.knows() == ("1", 1)
    assert "secret-1" not in caplog.text
    assert type(error).__name__ in caplog.text


def test_an_interrupt_is_no_failure(provider):
    provider.down(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        provider.get()
    provider.error = None
    assert provider.knows() == (True, 1)


@pytest.mark.parametrize(
    ("max_age", "due"),
    [(None, 300), (0, 30), (10, 30), (60, 30), (3600, 1800), (86400, 43200), (10**9, 43200)],
)
def test_fresh_and_ageing(provider, max_age, due):
    """The issuer's max-age counts between a minute and a day."""
    provider.max_age = max_age
    provider.get()
    provider.time.tick(due - 1)
    assert provider.is_settled()
    assert provider.knows() == (True, 0)
    provider.time.tick(1)
    assert not provider.is_settled()
    assert provider.knows() == (True, 1)
    assert provider.knows() == (True, 0)


def test_equal_keys_stay_the_same_object(provider):
    first = provider.get()
    provider.time.tick(300)
    assert provider.get() is first
    assert provider.fetches == 2
    assert provider.events == []


def test_rotation_is_noticed_in_the_same_request(provider):
    provider.get()
    provider.kids = ("b",)
    provider.time.tick(30)
    assert provider.knows("b") == (True, 1)
    assert provider.knows("a") == (False, 0)
    assert provider.events == [("changed", {"added": {"b"}, "removed": {"a"}, "unknown_kids": 0})]


def test_an_unknown_key_fetches_once_per_cooldown(provider):
    provider.get()
    for _ in range(100):
        assert provider.knows("b") == (False, 0), "it is 401 at once"
    provider.time.tick(29.9)
    assert provider.knows("b") == (False, 0)
    provider.time.tick(0.1)
    assert provider.knows("b") == (False, 1)
    for _ in range(100):
        assert provider.knows("b") == (False, 0)


def test_unknown_keys_are_counted(provider):
    provider.get()
    for _ in range(5):
        provider.get("b")
    provider.kids = ("b",)
    provider.time.tick(30)
    provider.get("b")
    assert provider.events[-1][1]["unknown_kids"] == 5


def test_ageing_while_the_provider_is_down(provider, caplog):
    caplog.set_level(logging.INFO, "flask_jwt")
    keys = provider.get()
    provider.down()
    provider.time.tick(300)
    assert provider.knows() == (True, 1), "a failure is harmless"
    assert provider.is_settled(), "nothing to do until the next attempt"
    assert provider.knows() == (True, 0)
    provider.time.tick(1)
    assert not provider.is_settled()
    assert provider.knows() == (True, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "https://idp can't be fetched: refused. Its keys of 300 s ago are used" in caplog.text
    provider.error = None
    provider.time.tick(2)
    assert provider.get() is keys
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert provider.knows("b") == (False, 0)


def test_an_unknown_key_while_the_provider_is_down(provider):
    """Whether there is such a key can't be known, so it is 503 and not 401."""
    provider.get()
    provider.down()
    provider.time.tick(30)
    assert provider.knows("b") == ("1", 1)
    assert provider.knows("b") == ("1", 0)
    assert provider.knows("a") == (True, 0)
    provider.time.tick(2)
    assert provider.knows("b") == ("1", 0), "an unknown key waits for the cooldown, too"
    provider.time.tick(28)
    provider.error = None
    assert provider.knows("b") == (False, 1)


def test_pauses_grow_to_five_minutes(provider):
    provider.down()
    pauses = []
    for _ in range(12):
        pauses.append(int(provider.knows()[0]))
        provider.time.tick(pauses[-1] + 0.01)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_pauses_differ_between_processes():
    remote = RemoteKeys(None, Clock(), Timing, None, name="x")
    factors = {remote._jitter() for _ in range(1000)}
    assert 0.8 <= min(factors) < 0.85
    assert 1.15 < max(factors) <= 1.2
    assert len(factors) > 900


def test_down_for_23_hours_then_for_24(provider):
    """Acceptance point 3, with a request each second."""
    provider.get()
    provider.remote._jitter = RemoteKeys(None, Clock(), Timing, None, name="x")._jitter
    provider.down()
    started, attempts = provider.time.now, provider.fetches
    while provider.time.now - started < 23 * 3600:
        provider.time.tick(1)
        assert provider.get()
    assert provider.fetches - attempts <= 300
    provider.time.tick(3600 - 1)
    assert provider.get()
    provider.time.tick(1)
    retry_after, _ = provider.knows()
    assert 1 <= int(retry_after) <= 360
    provider.error = None
    provider.time.tick(int(retry_after))
    assert provider.knows() == (True, 1)


def test_keys_are_not_believed_for_ever(provider):
    provider.get()
    provider.down()
    provider.time.tick(86399.5)
    assert provider.knows() == (True, 1)
    provider.time.tick(0.4)
    assert provider.is_settled()
    provider.time.tick(0.1)
    assert not provider.is_settled(), "although the next attempt is later"
    assert provider.knows() == ("1", 0)
    assert provider.remote.keys_age == 86400


def test_timing_is_live(provider):
    provider.get()
    provider.timing = Timing(kept=60)
    provider.down()
    provider.time.tick(61)
    assert provider.knows() == ("1", 1)
    provider.timing = Timing(kept=62)
    assert provider.knows() == (True, 0)


def test_a_clock_that_is_set_back(provider):
    """A test may replace the clock of an application."""
    provider.get()
    provider.time.now = 10.0
    assert provider.knows() == (True, 1)
    provider.down()
    provider.time.tick(300)
    provider.get()
    provider.time.now = -1000.0
    assert provider.knows()[1] == 1, "the end of the pause is too far away to be one"
    provider.error = None
    provider.time.now = 1e9
    assert provider.knows() == (True, 1)


def test_first_keys():
    provider = Provider()
    clock = provider.remote._clock
    provider.remote = RemoteKeys(
        provider.fetch, clock, lambda: provider.timing, provider,
        name="x", first=key_set("a", "b"), jitter=lambda: 1.0,
    )  # fmt: skip
    provider.down()
    assert provider.knows("b") == (True, 1), "a failure is harmless"
    provider.time.tick(86400)
    assert provider.knows("b")[0] != True  # noqa: E712
    provider.error = None
    provider.time.tick(10)
    assert provider.knows("b") == (False, 1)


# Threads; the time of the clock stands still, that of the threads does not


class Gate:
    """Hold a fetch until it is opened."""

    def __init__(self, provider):
        self.entered, self.opened = threading.Event(), threading.Event()
        provider.before = self.wait

    def wait(self):
        self.entered.set()
        assert self.opened.wait(10)


def in_threads(count, function):
    results = []
    threads = [threading.Thread(target=lambda: results.append(function())) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def join(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_one_thread_fetches_and_the_others_wait(provider):
    gate = Gate(provider)
    threads, results = in_threads(8, lambda: provider.get().kids())
    assert gate.entered.wait(10)
    gate.opened.set()
    join(threads)
    assert results == [{"a"}] * 8
    assert provider.fetches == 1


def test_a_failure_counts_for_those_who_waited(provider):
    gate = Gate(provider)
    provider.down()
    threads, results = in_threads(8, lambda: provider.knows()[0])
    assert gate.entered.wait(10)
    time.sleep(0.1)
    gate.opened.set()
    join(threads)
    assert results == ["1"] * 8
    assert provider.fetches == 1


def test_waiting_has_an_end():
    provider = Provider(timeout=0.2)
    gate = Gate(provider)
    threads, _ = in_threads(1, provider.get)
    assert gate.entered.wait(10)
    started = time.monotonic()
    assert provider.knows()[0] == "1"
    assert 0.15 < time.monotonic() - started < 5
    gate.opened.set()
    join(threads)


def test_while_one_request_renews_the_others_go_on(provider):
    provider.get()
    provider.time.tick(300)
    gate = Gate(provider)
    threads, _ = in_threads(1, provider.get)
    assert gate.entered.wait(10)
    assert provider.knows() == (True, 0)
    gate.opened.set()
    join(threads)
    assert provider.fetches == 2


def test_unknown_keys_share_one_fetch(provider):
    provider.get()
    provider.time.tick(30)
    provider.kids = ("a", "b")
    gate = Gate(provider)
    threads, results = in_threads(1, lambda: provider.knows("b")[0])
    assert gate.entered.wait(10)
    more, others = in_threads(7, lambda: "b" in provider.get("b").kids())
    assert provider.knows("a")[0] is True, "a known key doesn't wait"
    gate.opened.set()
    join(threads + more)
    assert results + others == [True] * 8
    assert provider.fetches == 2


def test_unknown_keys_share_a_renewal_within_the_cooldown():
    provider = Provider(fresh=40)
    provider.get()
    provider.time.tick(20)
    provider.kids = ("a", "b")
    gate = Gate(provider)
    threads, _ = in_threads(1, provider.get)
    assert gate.entered.wait(10)
    more, results = in_threads(4, lambda: "b" in provider.get("b").kids())
    time.sleep(0.1)
    gate.opened.set()
    join(threads + more)
    assert results == [True] * 4
    assert provider.fetches == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_fork_during_a_fetch(provider):
    """The child has a lock of its own: no thread of it would release the one it inherited."""
    gate = Gate(provider)
    threads, _ = in_threads(1, provider.get)
    assert gate.entered.wait(10)
    child = os.fork()
    if child == 0:
        provider.before = lambda: None
        os._exit(0 if provider.get().kids() == {"a"} else 1)
    deadline = time.monotonic() + 10
    while (status := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    gate.opened.set()
    join(threads)
    assert status == (child, 0)


def test_never_settled_without_keys():
    remote = RemoteKeys(None, Clock(), Timing, None, name="x")
    assert remote.keys_age is None
    assert remote.settled_until == -math.inf


def test_closed_although_a_fetch_is_in_flight(provider):
    provider.before = provider.remote.close
    assert provider.knows() == (True, 1)
    assert not provider.is_settled()
