"""The counters of failed logins, in each store: what they decide, and what they cost."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_jwt import ConfigError
from flask_jwt._clock import Clock as AppClock
from flask_jwt._login.limits import LoginLimits
from flask_jwt._sessions.circuit_breaker import CircuitBreakerStore
from flask_jwt.errors import TooManyLoginAttempts
from flask_jwt.stores import open_store
from flask_jwt.testing import Clock
from tests.servers import stores, uri_of

pytestmark = pytest.mark.slow

ALL = stores("memory", "sqlite", "postgres", "mariadb", "redis", "redis_sentinel", "redis_cluster")
SHARED = ALL[1:]


@pytest.fixture(params=ALL)
def store(request, tmp_path):
    opened = open_store(uri_of(request.param, request, tmp_path), 5)
    opened.setup()
    yield opened
    opened.close()


@pytest.fixture(params=SHARED)
def uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


def limits_of(store, notation="3/minute; 5/hour", clock=None, namespace=None):
    """Return limits that share no counters with another test, unless it passes a namespace."""
    time = clock or Clock()
    clock = AppClock(time)
    clock.monotonic = time
    space = random.randbytes(8).hex() if namespace is None else namespace
    return LoginLimits(notation, CircuitBreakerStore(store, clock), space, clock)


def wait_of(limits, name="joe", address="192.0.2.1", end=None):
    """Return 0, or how long to wait; *end* is "succeed", "forgive" or None, a failure."""
    try:
        attempt = limits.begin(name, address)
    except TooManyLoginAttempts as error:
        return error.retry_after
    if end is not None:
        getattr(attempt, end)()
    return 0


NAMES = ["joe", "Joe", "jo\u00e9", "ann", "ANN", "bob", "cy", "dan", "j\U0001d428e", "jo\U0001f600"]
ADDRESSES = ["192.0.2.1", "192.0.2.2", "2001:db8::1", None]
ENDS = [None, None, None, None, "succeed", "forgive"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("notation", ["3/minute; 5/hour", "2/second", "4/day, 3/30 seconds;1/hour"])
def test_every_store_decides_as_memory_does(store, notation, seed):
    """Redis decides in a script, and SQL adds in an upsert: two more versions of one rule."""
    choose = random.Random(seed)
    clock = Clock()
    model, limits = limits_of(None, notation, clock), limits_of(store, notation, clock)
    for step in range(200):
        who = choose.choice(NAMES), choose.choice(ADDRESSES), choose.choice(ENDS)
        expected, got = wait_of(model, *who), wait_of(limits, *who)
        assert got == expected, (step, who)
        clock.tick(choose.choice([0, 0, 0, 0.3, 1, 7, 20, 61, 700]))


def test_no_window_has_more_failures_than_the_limit(store):
    """Whenever an attacker tries, and wherever a window begins."""
    clock = Clock()
    limits = limits_of(store, "3/minute; 12/hour", clock)
    choose = random.Random(5)
    admitted = []
    for _ in range(600):
        if wait_of(limits) == 0:
            admitted.append(clock.now)
        clock.tick(choose.choice([0.1, 1, 5, 14.9, 15, 30, 59, 61]))
    assert len(admitted) >= 30
    for seconds, amount in ((60, 3), (3600, 12)):
        for begin in admitted:
            assert sum(begin <= time < begin + seconds for time in admitted) <= amount


def test_a_failure_counts_for_a_window_and_a_quarter_of_it_at_most(store):
    clock = Clock(1_800_000_000.0)
    for offset in (0, 7, 14.9, 33, 59.9):
        limits = limits_of(store, "1/minute", clock)
        clock.tick(offset)
        assert wait_of(limits) == 0
        clock.tick(75)
        assert wait_of(limits) == 0


@pytest.mark.parametrize("ends", ["failure", "success"])
def test_attempts_at_the_same_time_do_not_exceed_the_limit(store, ends):
    """All of them read the counters before any of them has changed them."""
    for number in range(3):
        limits = limits_of(store, "10/minute; 100/hour")
        barrier = threading.Barrier(24)

        def run(limits=limits, barrier=barrier, number=number):
            barrier.wait()
            return wait_of(limits, "joe", f"192.0.2.{number}")

        with ThreadPoolExecutor(24) as pool:
            waits = [future.result() for future in [pool.submit(run) for _ in range(24)]]
        assert 1 <= waits.count(0) <= 10
        assert wait_of(limits, "joe", f"192.0.2.{number}") > 0 or waits.count(0) < 10


@pytest.mark.servers
def test_attempts_of_many_at_the_same_time_fail_nothing(mariadb_url, caplog):
    """Upserts of several rows may wait for each other in a circle, which ends one of them."""
    store = open_store(mariadb_url, 5)
    limits = limits_of(store, "1000/minute; 5000/hour")
    with ThreadPoolExecutor(16) as pool:
        tries = [
            pool.submit(
                wait_of, limits, f"user{n % 40}", f"192.0.2.{n % 3}", [None, "succeed"][n % 2]
            )
            for n in range(600)
        ]
        assert {future.result() for future in tries} == {0}
    assert not caplog.records
    store.close()


def test_a_success_takes_back_only_failures_under_exactly_its_own_name(store):
    """An attacker's own account must not reset the counter of another one."""
    limits = limits_of(store, "10/minute; 100/hour")
    for _ in range(9):
        assert wait_of(limits, "joe") == 0
    assert wait_of(limits, "jo\u00e9", end="succeed") == 0
    assert wait_of(limits, "joe") == 0, "the tenth"
    assert wait_of(limits, "joe") == 60


def test_a_success_takes_back_its_own_failures(store):
    limits = limits_of(store, "3/minute")
    assert [wait_of(limits), wait_of(limits), wait_of(limits, end="succeed")] == [0, 0, 0]
    assert [wait_of(limits, "Joe") for _ in range(4)] == [0, 0, 0, 60]


def test_a_success_never_takes_back_strikes(store):
    clock = Clock()
    limits = limits_of(store, "2/minute; 1000/hour", clock)
    for wait in (60, 120, 240):
        while not (got := wait_of(limits)):
            pass
        assert got == wait
        clock.tick(wait + 1)
        assert wait_of(limits, end="succeed") == 0
    while not (got := wait_of(limits)):
        pass
    assert got == 480


def test_an_account_that_has_logged_in_from_an_address_is_not_locked_out_there(store):
    limits = limits_of(store, "3/minute; 10/hour")
    assert wait_of(limits, "joe", end="succeed") == 0
    for name in ("JOE", "jo\u00e9", "ann", "bob", "cy", "dan"):
        for _ in range(4):
            wait_of(limits, name)
    assert wait_of(limits, "ann") > 0
    assert wait_of(limits, "JOE") > 0
    assert wait_of(limits, "joe", end="succeed") == 0
    assert wait_of(limits, "joe", "192.0.2.9") == 0
    assert [wait_of(limits, "joe") for _ in range(4)] == [0, 0, 0, 60], "its own failures count"


def test_who_logs_in_is_not_counted_at_the_address(store):
    """The first logins in an office in the morning."""
    limits = limits_of(store, "3/minute")
    for number in range(20):
        assert wait_of(limits, f"user {number}") in (0, 60)
        if number % 3 == 2:
            break
    limits = limits_of(store, "3/minute")
    for number in range(20):
        assert wait_of(limits, f"user {number}", end=None) == 0, "mistyped"
        assert wait_of(limits, f"user {number}", end="succeed") == 0


def test_namespaces_have_their_own_counters(store):
    one, other = limits_of(store, "1/minute"), limits_of(store, "1/minute")
    assert [wait_of(one), wait_of(one), wait_of(other)] == [0, 60, 0]


def test_applications_of_one_namespace_share_their_counters(uri):
    space = random.randbytes(8).hex()
    stores = [open_store(uri, 5) for _ in range(2)]
    clock = Clock()
    one, other = (limits_of(s, "3/minute", clock, space) for s in stores)
    assert [wait_of(one), wait_of(other), wait_of(one), wait_of(other)] == [0, 0, 0, 60]
    for opened in stores:
        opened.close()


@pytest.mark.parametrize(
    "limits",
    ["99999999999999999999/minute", "10/99999999999year", "0/minute", "3/second; 1/99999999 years"],
)
def test_extreme_limits_fit_into_each_store(store, limits):
    login_limits = limits_of(store, limits)
    waits = [wait_of(login_limits, end=end) for end in (None, "succeed", "forgive", None)]
    assert (waits == [60] * 4) is (limits == "0/minute")


@pytest.mark.parametrize("name", ["a" * 300_000, "\ud800", "joe\x07", "'; --", "%s", "\U0010ffff"])
def test_any_name_is_counted(store, name):
    limits = limits_of(store, "2/minute")
    assert [wait_of(limits, name) for _ in range(3)] == [0, 0, 60]


def test_a_clock_that_was_wrong_locks_nobody_out(store):
    clock = Clock()
    limits = limits_of(store, "2/minute", clock)
    clock.tick(400 * 86400)
    assert [wait_of(limits) for _ in range(3)] == [0, 0, 60]
    clock.tick(-400 * 86400)
    assert [wait_of(limits) for _ in range(3)] == [0, 0, 60]


@pytest.mark.slow
@pytest.mark.parametrize("skew", [1, 5, 60, 600, 3500])
def test_servers_whose_clocks_differ_count_together(store, skew):
    """An attacker who alternates between two servers gets at most one more set of attempts.

    The wait that the slower server has set is over for the faster one.
    """
    space = random.randbytes(8).hex()
    clocks = Clock(), Clock(1_800_000_000.0 + skew)
    servers = [limits_of(store, "10/minute; 100/hour", clock, space) for clock in clocks]
    admitted = []
    for step in range(400):
        if wait_of(servers[step % 2]) == 0:
            admitted.append(clocks[0]())
        for clock in clocks:
            clock.tick(1.5)
    assert len(admitted) >= 10
    for begin in admitted:
        assert sum(begin <= time < begin + 60 for time in admitted) <= 20
    assert len(admitted) <= 50, "in twenty minutes"


def test_a_counter_of_a_fast_clock_does_not_lock_out_indefinitely(store):
    space = random.randbytes(8).hex()
    clocks = Clock(), Clock(1_800_000_000.0 + 3000)
    slow, fast = (limits_of(store, "2/minute", clock, space) for clock in clocks)
    assert [wait_of(fast) for _ in range(2)] == [0, 0]
    assert wait_of(slow) == 60
    clocks[0].tick(3000 + 75)
    assert wait_of(slow) == 0


# What is kept


def test_counters_in_sql_expire_and_are_bounded(request, tmp_path):
    store = open_store(uri_of("sqlite", request, tmp_path), 5)
    clock = Clock()
    limits = limits_of(store, "10/minute; 100/hour", clock)
    for number in range(2000):
        wait_of(limits, f"name {number}")
    assert count_rows(store) <= 10 * 4 + 2 + 4, "names beyond the limit of an address leave no rows"
    clock.tick(86400 + 2 * 3600)
    assert wait_of(limits, "joe", "192.0.2.9") == 0
    assert count_rows(store) <= 6
    store.close()


@pytest.mark.servers
@pytest.mark.parametrize("name", ["postgres", "mariadb"])
def test_expired_counters_are_deleted_in_batches(name, request, tmp_path):
    store = open_store(uri_of(name, request, tmp_path), 5)
    clock = Clock()
    limits = limits_of(store, "1/minute", clock)
    before = count_rows(store)
    assert [wait_of(limits, f"name {n}", f"10.0.{n % 256}.{n // 256}") for n in range(500)] == [
        0
    ] * 500
    assert count_rows(store) == before + 1500
    clock.tick(30 * 366 * 86400)
    store.prune_counters(clock())
    assert count_rows(store) == before + 500
    for _ in range(9):
        store.prune_counters(clock())
    assert count_rows(store) == 0
    store.close()


def count_rows(store):
    with store.engine.connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM jwt_login_counters")).scalar_one()


def test_a_flood_of_names_is_deleted_faster_than_it_came(request, tmp_path, monkeypatch):
    """Behind an unknown proxy no address is limited, so an attacker may use any number of names."""
    monkeypatch.setattr("flask_jwt.stores._sql_counters.MOST_ROWS", 4000)
    store = open_store(uri_of("sqlite", request, tmp_path), 5)
    clock = Clock()
    limits = limits_of(store, "10/minute; 100/hour", clock)
    assert wait_of(limits, "joe", None, "succeed") == 0
    for number in range(1500):
        assert wait_of(limits, f"name {number}", None) == 0
    assert count_rows(store) == 5 + 6000
    clock.tick(301)
    for number in range(3):
        wait_of(limits, f"more {number}", None)
    assert count_rows(store) <= 4000 + 12, "those that expire soonest go"
    clock.tick(3 * 3600)
    for number in range(6):
        wait_of(limits, f"still more {number}", None)
    assert count_rows(store) <= 1 + 24
    with store.engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM jwt_login_counters WHERE counter_key LIKE '%known'")
        assert connection.execute(query).scalar_one() == 1, "joe has logged in from here"
    store.close()


@pytest.mark.servers
def test_counters_in_redis_expire_and_are_bounded(redis_url):
    store = open_store(redis_url, 5)
    before = set(store.client.keys("jwt:{logins}:*"))
    limits = limits_of(store, "10/minute; 100/hour")
    for number in range(500):
        wait_of(limits, f"name {number}")
    keys = set(store.client.keys("jwt:{logins}:*")) - before
    assert 40 <= len(keys) <= 46, "names beyond the limit of an address leave no keys"
    for key in keys:
        assert 0 < store.client.ttl(key) <= 86400 + 3600
    assert wait_of(limits, "joe", "192.0.2.9", "succeed") == 0
    keys = set(store.client.keys("jwt:{logins}:*")) - before
    assert max(store.client.ttl(key) for key in keys) <= 30 * 86400 + 1
    store.close()


def test_an_upgrade_replaces_the_table_of_an_earlier_snapshot(request, tmp_path):
    uri = uri_of("sqlite", request, tmp_path)
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE jwt_login_counters (counter_key VARCHAR(64) PRIMARY KEY, "
            "failures INTEGER NOT NULL, expires_at FLOAT NOT NULL)"
        )
    engine.dispose()
    store = open_store(uri, 5)
    with pytest.raises(ConfigError, match="flask jwt sessions upgrade"):
        store.setup()
    store.upgrade(lambda payload: None, lambda done, total: None)
    assert [wait_of(limits_of(store, "1/minute"))] == [0]
    store.close()
