"""The contract of session stores, which each store keeps; with real servers."""

from __future__ import annotations

import secrets
import sys
import threading
from dataclasses import replace

import psutil
import pytest

from flask_jwt.stores import Session, open_store
from tests.servers import stores, uri_of


@pytest.fixture(
    params=stores("memory", "sqlite", "postgres", "redis", "redis_cluster", "redis_sentinel")
)
def store_uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def store(store_uri):
    store = open_store(store_uri, timeout=5)
    yield store
    store.close()


def new(subject=None, **changes):
    columns = {
        "sid": secrets.token_hex(16), "subject": subject or secrets.token_hex(4), "payload": '{"identity": 1}',
        "generation": 0, "created_at": 1000.0, "rotated_at": 1000.0, "expires_at": 4e9,
    }  # fmt: skip
    return Session(**{**columns, **changes})


def test_a_session_is_kept_as_it_was_created(store):
    session = new(
        idle_expires_at=3e9,
        user_agent="Agent/1.0 (\u00e4)",
        ip="2001:db8::1",
        label="Joe's \N{GRINNING FACE}",
    )
    store.create(session)
    assert store.get(session.sid) == session
    assert store.get("0" * 32) is None


def test_a_label_may_change(store):
    session = new(label="phone", ip="203.0.113.7")
    store.create(session)
    assert store.rename(session.sid, "Joe's \N{GRINNING FACE}")
    assert store.get(session.sid) == replace(session, label="Joe's \N{GRINNING FACE}")
    assert store.rename(session.sid, None)
    assert store.get(session.sid) == replace(session, label=None)
    assert not store.rename("0" * 32, "x")
    assert store.get("0" * 32) is None


def test_a_rotation_moves_from_the_present_generation_to_the_next(store):
    session = new()
    store.create(session)
    assert store.rotate(session.sid, 0, now=1500.25, idle_expires_at=2000.5)
    moved = store.get(session.sid)
    assert (moved.generation, moved.rotated_at, moved.idle_expires_at) == (1, 1500.25, 2000.5)
    assert not store.rotate(session.sid, 0, now=1501, idle_expires_at=None)
    assert not store.rotate(session.sid, 2, now=1501, idle_expires_at=None)
    assert store.get(session.sid) == moved
    assert store.rotate(session.sid, 1, now=1502.0, idle_expires_at=None)
    assert store.get(session.sid).idle_expires_at is None


@pytest.mark.parametrize("end", ["expired", "idle", "revoked", "unknown"])
def test_a_session_that_has_ended_does_not_rotate(store, end):
    session = new(idle_expires_at=2e9 if end == "idle" else None)
    if end != "unknown":
        store.create(session)
    if end == "revoked":
        store.revoke(session.sid, 1500)
    now = {"expired": 4e9, "idle": 2e9}.get(end, 1600)
    assert not store.rotate(session.sid, 0, now=now, idle_expires_at=None)


def test_exactly_one_of_many_callers_rotates(store):
    session = new()
    store.create(session)
    barrier = threading.Barrier(16)
    won = []

    def work():
        barrier.wait()
        if store.rotate(session.sid, 0, now=1001.0, idle_expires_at=None):
            won.append(1)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), store.get(session.sid).generation) == (1, 1)


def test_a_revocation_is_permanent_and_reported_once(store):
    session = new()
    store.create(session)
    assert store.revoke(session.sid, 1500.5)
    assert not store.revoke(session.sid, 1600.0)
    assert store.get(session.sid).revoked_at == 1500.5
    assert not store.revoke("0" * 32, 1500.0)


def test_active_sessions_are_listed_oldest_first(store):
    subject = secrets.token_hex(4)
    old, young, gone = new(subject), new(subject, created_at=1200.0), new(subject)
    idle = new(subject, idle_expires_at=1400.0)
    for session in (young, old, gone, idle, new()):
        store.create(session)
    store.revoke(gone.sid, 1300.0)
    assert [s.sid for s in store.list_active(subject, 1450.0)] == [old.sid, young.sid]
    assert store.list_active("nobody", 1450.0) == []


@pytest.mark.parametrize(
    "subject", ["", "a b", "\u00e4\N{GRINNING FACE}", "x" * 255, "' OR 1=1 --", "{}*"]
)
def test_a_subject_may_be_any_string(store, subject):
    session = new(subject) if subject else new(subject="-")
    store.create(session)
    assert session.sid in [s.sid for s in store.list_active(session.subject, 1450.0)]


def test_revocations_since_a_time_are_listed(store):
    first, second = new(), new()
    for time, session in ((10_000.0, first), (20_000.0, second)):
        store.create(session)
        store.revoke(session.sid, time)
    revoked = dict(store.revoked_since(15_000.0))
    assert second.sid in revoked
    assert first.sid not in revoked
    assert revoked[second.sid] == 20_000.0


def test_ended_sessions_are_pruned_in_batches(store_uri, store):
    if store_uri.startswith("redis"):
        assert store.prune(1200.0, 2) == 0, "Redis forgets by itself"
        return
    ended = [new(expires_at=1100.0), new(idle_expires_at=1100.0), new()]
    for session in (*ended, active := new()):
        store.create(session)
    store.revoke(ended[2].sid, 1050.0)
    forgotten = [store.prune(1200.0, 2) for _ in range(3)]
    assert forgotten[0] == 2
    assert forgotten[2] == 0
    assert [store.get(s.sid) for s in ended] == [None] * 3
    assert store.get(active.sid) == active


def test_a_closed_store_opens_connections_again_if_it_is_used(store_uri, store):
    """A store may be closed before it is used, and twice."""
    store.close()
    session = new()
    store.create(session)
    assert store.rotate(session.sid, 0, now=1500.0, idle_expires_at=None)
    store.close()
    store.close()
    assert store.get(session.sid).generation == 1
    assert store.revoke(session.sid, 1600.0)


def test_a_closed_sqlite_database_in_memory_is_created_again():
    store = open_store("sqlite://", timeout=5)
    store.create(session := new())
    store.close()
    assert store.get(session.sid) is None
    store.close()


def test_close_leaves_no_connection(postgres_url, redis_url, redis_cluster_url, redis_sentinel_url):
    """The system lists the connections of this process."""
    for uri in (postgres_url, redis_url, redis_cluster_url, redis_sentinel_url):
        before = connections()
        store = open_store(uri, timeout=5)
        store.create(new())
        assert connections() > before, uri
        store.close()
        assert connections() <= before, uri


def connections():
    return {
        connection.laddr
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
    }


def test_setup_may_be_repeated_and_raced(store_uri):
    race_to_set_up(store_uri)


def test_workers_may_create_a_sqlite_file_together(tmp_path):
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for number in range(100):
            race_to_set_up(f"sqlite:///{tmp_path}/{number}.db")
    finally:
        sys.setswitchinterval(switching)


def race_to_set_up(store_uri):
    stores = [open_store(store_uri, timeout=5) for _ in range(8)]
    failures = []

    def work(store):
        try:
            store.setup()
            store.setup()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert failures == []


def test_sessions_are_counted_by_state(store):
    before = store.count(1500.0)
    active, revoked = new(), new()
    for session in (active, revoked):
        store.create(session)
    store.revoke(revoked.sid, 1400.0)
    after = store.count(1500.0)
    assert after["active"] - before["active"] == 1
    assert after["revoked"] - before["revoked"] == 1
