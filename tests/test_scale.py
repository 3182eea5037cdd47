"""Scale: what many sessions and many revocations cost.

The tests with a million sessions run by scripts/soak.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import pairwise
from multiprocessing import get_context

import pytest
import redis

from flask_jwt._clock import Clock as AppClock
from flask_jwt._sessions.refresh_tokens import create_sid
from flask_jwt._sessions.revocations import Revocations
from flask_jwt._sessions.subjects import subject_key
from flask_jwt.stores import Session, open_store
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock
from tests.servers import stores, uri_of
from tests.support import bearer, make_app
from tests.workers import log_in, new_app

ROWS = int(os.environ.get("SOAK_ROWS", "1000000"))
BATCH = 10_000
REVOCATIONS = ROWS // 10
REVOCATION_SECONDS = 60 * ROWS / 1_000_000


def session(number, subject="x", **changes):
    columns = {"payload": "{}", "generation": 0, "created_at": 0.0, "rotated_at": 0.0}
    columns = {**columns, "expires_at": 4e9, **changes}
    return Session(sid=f"{number:032x}", subject=subject, **columns)


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
        for _ in range(200_000):
            revocations.add(f"{random.getrandbits(128) | 1 << 127:032x}")
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
        "news": median_ms(
            lambda n: store.read_revocations(9e15, now=1e9, lifetime=300.0), range(30)
        ),
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


def make_ended(number):
    """Return a session as a login stores it, of a random user, two seconds after the one before."""
    started = 1.7e9 + 2.0 * number
    user = random.randrange(ROWS // 10)
    return replace(
        session(0, str(user), revoked_at=None if number % 100 else started + 60.0),
        sid=create_sid(started), subject_key=subject_key("", user), user_agent=200 * "x",
        created_at=started, rotated_at=started, expires_at=started + 30 * 86_400, csrf=22 * "x",
    )  # fmt: skip


def fill_with_ended(store, rows):
    for first in range(0, rows, BATCH):
        batch = [make_ended(number) for number in range(first, min(rows, first + BATCH))]
        if hasattr(store, "engine"):
            insert(store, batch)
        else:
            for each in batch:
                store.create(each)


def log_in_until(store, is_done):
    """Start sessions until the event; return how long the longest wait was."""
    longest = 0.0
    while not is_done.wait(0.02):
        started = time.perf_counter()
        store.create(session(random.getrandbits(128), expires_at=9e9))
        longest = max(longest, time.perf_counter() - started)
    return longest


@pytest.mark.soak
@pytest.mark.parametrize("store", stores("memory", "sqlite", "postgres", "mariadb"), indirect=True)
def test_a_million_sessions_are_pruned_in_short_transactions_beside_logins(store):
    times = []
    for rows in (ROWS // 4, ROWS):
        fill_with_ended(store, rows)
        app = make_app(store=store, clock=Clock(5e9))
        batches = [time.perf_counter()]
        note = batches.append
        is_done = threading.Event()
        with ThreadPoolExecutor(1) as pool, app.app_context():
            logins = pool.submit(log_in_until, store, is_done)
            total = app.jwt.sessions.prune(on_batch=lambda _, n=note: n(time.perf_counter()))
            is_done.set()
            waited = logins.result()
        assert total >= rows
        times.append(batches[-1] - batches[0])
    longest = max(second - first for first, second in pairwise(batches))
    print(
        f"{ROWS // 4} in {times[0]:.1f} s, {ROWS} in {times[1]:.1f} s; longest {longest:.2f} s;"
        f" a login waited {waited:.2f} s at most"
    )
    assert times[1] < 4 * (2 * times[0] + 5), "the time is linear"
    assert longest < 2, "a long transaction would block the logins meanwhile"


@pytest.mark.soak
@pytest.mark.servers
def test_a_million_sessions_in_redis_are_counted(redis_url):
    store = open_store(redis_url, timeout=10)
    with redis.Redis.from_url(redis_url) as client:
        for start in range(0, ROWS, BATCH):
            with client.pipeline(transaction=False) as pipe:
                for number in range(start, min(ROWS, start + BATCH)):
                    values = asdict(session(number, expires_at=4e9))
                    kept = {name: value for name, value in values.items() if value is not None}
                    pipe.hset(f"jwt:{{{number:032x}}}", mapping=kept)
                    pipe.expire(f"jwt:{{{number:032x}}}", 10_000)
                pipe.execute()
        started = time.perf_counter()
        counts = store.count(1e9)
        took = time.perf_counter() - started
        client.flushdb()
    store.close()
    print(f"{ROWS} counted in {took:.1f} s")
    assert counts["active"] >= ROWS
    assert took < 20 + 20 * ROWS / 1_000_000


# 100,000 revocations in a minute


def revoke_many(uri, number, seconds):
    """Store revocations evenly, many in one transaction, as all other workers together do."""
    store = open_store(uri, timeout=10)
    started = time.monotonic()
    for done in range(0, number, 100):
        now = time.time()
        sids = [random.getrandbits(128) for _ in range(100)]
        if hasattr(store, "engine"):
            changes = {
                "created_at": now, "revoked_at": now, "revocation_kept_until": now + 3600,
                "feed_position": int(now * 1e6),
            }  # fmt: skip
            insert(store, [session(sid, **changes) for sid in sids])
        else:
            from flask_jwt.stores import _redis_scripts as scripts
            from flask_jwt.stores.redis import _FEED, _FEED_ENDS

            with store.client.pipeline(transaction=False) as pipe:
                for sid in sids:
                    scripts.ANNOUNCE([_FEED, _FEED_ENDS], [f"{sid:032x}", 3600], client=pipe)
                pipe.execute()
        time.sleep(max(0.0, started + seconds * done / number - time.monotonic()))
    store.close()
    return time.monotonic() - started


@pytest.mark.soak
@pytest.mark.parametrize("kind", stores("sqlite", "postgres", "redis"))
def test_guarded_views_while_very_many_sessions_are_revoked(kind, request, tmp_path):
    """Four threads read a guarded view, and other processes revoke sessions."""
    uri = uri_of(kind, request, tmp_path)
    app = new_app(uri)
    token = log_in(app)["access_token"]
    times, statuses = [], Counter()
    is_over = threading.Event()

    def read():
        client = app.test_client()
        while not is_over.is_set():
            started = time.perf_counter()
            statuses[client.get("/protected", headers=bearer(token)).status_code] += 1
            times.append(time.perf_counter() - started)
            time.sleep(0.01)

    threads = [threading.Thread(target=read) for _ in range(4)]
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        jobs = [pool.submit(revoke_many, uri, REVOCATIONS // 2, REVOCATION_SECONDS) for _ in "12"]
        for thread in threads:
            thread.start()
        took = max(job.result() for job in jobs)
    is_over.set()
    for thread in threads:
        thread.join()
    times.sort()
    p50, p99 = (1000 * times[int(len(times) * part)] for part in (0.5, 0.99))
    known = len(app.extensions["flask-jwt"].sessions.revocations)
    print(f"{REVOCATIONS} revocations in {took:.0f} s, {known} known; {len(times)} views: "
          f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {1000 * times[-1]:.0f} ms")  # fmt: skip
    app.jwt.close(app)
    assert set(statuses) == {200}
    assert p99 < 500, "it is 100 ms if the machine is quiet"
