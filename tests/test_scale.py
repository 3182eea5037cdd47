"""Scale: what many sessions and many revocations cost.

The tests with a million sessions run by scripts/soak.
"""

from __future__ import annotations

import os
import random
import statistics
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from flask_jwt._clock import Clock as AppClock
from flask_jwt._sessions.revocations import Revocations
from flask_jwt.stores import Session, open_store
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock
from tests.servers import stores, uri_of

ROWS = int(os.environ.get("SOAK_ROWS", "1000000"))
BATCH = 10_000


def session(number, subject="x", **changes):
    columns = {"payload": "{}", "generation": 0, "created_at": 0.0, "rotated_at": 0.0}
    return Session(sid=f"{number:032x}", subject=subject, expires_at=4e9, **{**columns, **changes})


def insert(store, sessions):
    """Create many sessions in one transaction."""
    from flask_jwt.stores.sql import sessions_table

    with store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")  # the store's connections commit each statement
        connection.execute(sessions_table.insert(), [asdict(each) for each in sessions])
        connection.exec_driver_sql("COMMIT")


# Recent revocations


@pytest.mark.slow
def test_a_revocation_takes_at_most_100_bytes():
    clock = Clock()
    revocations = Revocations(MemoryStore(), lifetime=310, staleness=10, clock=AppClock(clock))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(200_000):
            revocations.add(f"{random.getrandbits(128) | 1 << 127:032x}", clock.now - number % 300)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(revocations) == 200_000
    assert used / 200_000 <= 100


def test_revocations_older_than_any_access_token_are_not_read(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/s.db", 2)
    store.setup()
    insert(store, [session(number, revoked_at=1000.0 + number) for number in range(2000)])
    clock = AppClock(Clock(3000.0))
    revocations = Revocations(store, lifetime=310, staleness=10, clock=clock)
    revocations.check(f"{5000:032x}")
    assert len(revocations) == 310
    store.close()


# A million sessions


@pytest.fixture(params=stores("sqlite", "postgres", "redis"))
def store(request, tmp_path):
    store = open_store(uri_of(request.param, request, tmp_path), timeout=10)
    store.setup()
    yield store
    store.close()


def median_ms(operation, arguments):
    """Return the median time of an operation in milliseconds."""
    times = []
    for each in arguments:
        start = time.perf_counter()
        operation(each)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def fill(store, numbers):
    """Create a session for each number. A user has ten of them; one in a hundred is revoked."""
    made = (
        session(number, f"user-{number // 10}", revoked_at=None if number % 100 else 5000.0)
        for number in numbers
    )
    if hasattr(store, "engine"):
        while batch := [each for _, each in zip(range(BATCH), made)]:  # noqa: B905
            insert(store, batch)
        return
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(
            lambda each: (store.create(replace(each, revoked_at=None)), each), made
        ):
            if each[1].revoked_at is not None:
                store.revoke(each[1].sid, 5000.0)


def measure(store, count):
    """Return the median time of each operation on some of *count* sessions."""
    chosen = [number for number in random.sample(range(count), 300) if number % 100]
    sids = [f"{number:032x}" for number in chosen]
    return {
        "get": median_ms(store.get, sids),
        "rotate": median_ms(lambda sid: store.rotate(sid, 0, now=1.0, idle_expires_at=None), sids),
        "list": median_ms(lambda n: store.list_active(f"user-{n // 10}", 1.0), chosen),
        "news": median_ms(lambda n: list(store.revoked_since(6000.0)), range(30)),
        "revoke": median_ms(lambda sid: store.revoke(sid, 5500.0), sids[:100]),
    }


@pytest.mark.soak
def test_operations_on_a_million_sessions_take_as_long_as_on_a_thousand(store):
    fill(store, range(1000))
    few = measure(store, 1000)
    fill(store, range(1000, ROWS))
    many = measure(store, ROWS)
    print({name: f"{few[name]:.2f} -> {many[name]:.2f} ms" for name in few})
    # A disk takes milliseconds to sync, and a scan of a million rows some hundred.
    assert all(many[name] < 3 * few[name] + 20 for name in few), (few, many)


@pytest.mark.soak
@pytest.mark.parametrize("store", stores("sqlite", "postgres"), indirect=True)
def test_a_million_sessions_are_pruned_in_short_transactions(store):
    fill(store, range(ROWS, 2 * ROWS))
    total, longest = 0, 0.0
    while True:
        start = time.perf_counter()
        pruned = store.prune(5e9, 500)
        longest = max(longest, time.perf_counter() - start)
        total += pruned
        if not pruned:
            break
    assert total >= ROWS
    assert longest < 1, "a long transaction would block the logins meanwhile"
