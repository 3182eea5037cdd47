"""The contract of session stores, which each store keeps; with real servers."""

from __future__ import annotations

import json
import secrets
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
import sqlalchemy as sa

from flask_jwt._jose.claims import subject_of
from flask_jwt._sessions.subjects import subject_key
from flask_jwt.stores import Session, _sql_statements, open_store
from flask_jwt.stores._sql_statements import FEW_SESSIONS
from flask_jwt.stores.memory import MemoryStore
from tests.servers import stores, uri_of


@pytest.fixture(
    params=stores(
        "memory",
        "sqlite",
        "postgres",
        "pgbouncer",
        "mariadb",
        "mysqlclient",
        "redis",
        "redis_cluster",
        "redis_sentinel",
    )
)
def store_uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def store(store_uri):
    store = open_store(store_uri, timeout=5)
    yield store
    store.close()


def new(identity=None, **changes):
    identity = secrets.token_hex(4) if identity is None else identity
    columns = {
        "sid": secrets.token_hex(16), "subject": subject_of(identity), "payload": "{}",
        "generation": 0, "created_at": 1000.0, "rotated_at": 1000.0, "expires_at": 4e9,
        "subject_key": subject_key("", identity),
    }  # fmt: skip
    return Session(**{**columns, **changes})


def kept(store, session):
    """Return the session as the store returns it, without what the store adds."""
    return replace(store.get(session.sid), sequence=None)


def read_feed(store, position=None):
    """Return the sids from *position* on, and the place that was reached."""
    sids = []
    while True:
        page = store.read_revocations(position, now=1e9, lifetime=300.0, limit=1000)
        sids += page.sids
        position = page.position
        if page.is_last:
            return sids, position


def listed(store, identity, now=1450.0, **page):
    return [s.sid for s in store.list_active(subject_key("", identity), now, **page)]


def test_a_session_is_kept_as_it_was_created(store):
    session = new(
        idle_expires_at=3e9,
        user_agent="Agent/1.0 (\u00e4)",
        ip="2001:db8::1",
        label="Joe's \N{GRINNING FACE}",
        last_ip="203.0.113.7",
        last_user_agent="Agent/2",
        csrf="c" * 32,
        grants='{"id": "1", "claims": {"roles": ["a"]}}',
    )
    store.create(session)
    assert kept(store, session) == session
    assert store.get("0" * 32) is None


def test_a_label_may_change(store):
    session = new(label="phone", ip="203.0.113.7")
    store.create(session)
    assert store.rename(session.sid, "Joe's \N{GRINNING FACE}")
    assert kept(store, session) == replace(session, label="Joe's \N{GRINNING FACE}")
    assert store.rename(session.sid, None)
    assert kept(store, session) == replace(session, label=None)
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


def test_a_rotation_requires_the_present_grants(store):
    first, second = '{"id": "1"}', '{"id": "2"}'
    session = new()
    store.create(session)

    def rotate(generation, **grants):
        return store.rotate(
            session.sid, generation, now=1500.0, idle_expires_at=None, change_id="x", **grants
        )

    assert not rotate(0, grants=first)
    assert store.set_grants(session.sid, first, expected=None)
    assert not rotate(0)
    assert not rotate(0, grants=second)
    assert rotate(0, grants=first)
    assert store.get(session.sid).grants == first
    assert store.set_grants(session.sid, second, expected=first)
    assert store.set_grants(session.sid, second, expected=first), "a repetition is no error"
    assert not rotate(1, grants=first)
    assert rotate(1, grants=second)
    assert store.set_grants(session.sid, None, expected=second)
    assert store.set_grants(session.sid, None, expected=second), "a repetition is no error"
    assert not rotate(2, grants=second)
    assert rotate(2)
    moved = kept(store, session)
    assert moved == replace(session, generation=3, rotated_at=1500.0, change_id="x")
    assert not store.set_grants("0" * 32, first, expected=None)
    assert store.get("0" * 32) is None


def test_grants_change_only_from_the_expected_ones(store):
    first, second, third = (json.dumps({"id": str(n)}) for n in range(3))
    session = new()
    store.create(session)
    assert not store.set_grants(session.sid, first, expected=second)
    assert store.get(session.sid).grants is None
    assert store.set_grants(session.sid, first, expected=None)
    for expected in (None, second):
        for grants in (None, second, third):
            if grants != expected:
                assert not store.set_grants(session.sid, grants, expected=expected)
    assert store.get(session.sid).grants == first


def test_one_of_several_changes_of_the_grants_succeeds(store):
    session = new()
    store.create(session)
    values = [json.dumps({"id": str(n)}) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        changed = list(pool.map(lambda v: store.set_grants(session.sid, v, expected=None), values))
    assert changed.count(True) == 1
    assert store.get(session.sid).grants == values[changed.index(True)]


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


def test_active_sessions_of_a_user_in_the_order_of_the_logins(store):
    """The clocks of the servers that stored them differ."""
    user = secrets.token_hex(4)
    first, second, gone = new(user, created_at=1200.0), new(user), new(user)
    idle = new(user, idle_expires_at=1400.0)
    for session in (first, second, gone, idle, new()):
        store.create(session)
    store.revoke(gone.sid, 1300.0)
    assert listed(store, user) == [first.sid, second.sid]
    assert listed(store, "nobody") == []


KINDS_OF_IDENTITIES = {
    "types": [1, "1", True, [1], {"id": 1}],
    "case": ["joe", "JOE", "Joe"],
    "accents": ["joe", "j\u00f6e", "jo\u00e9", "jo\u0065\u0301"],
    "spaces": ["joe", "joe ", " joe", "joe\t", "joe\n"],
    "invisible characters": ["joe", "joe\0", "joe\u200b", "joe\ud800"],
    "wide characters": ["\u00e4\N{GRINNING FACE}", "\u00e4\N{GRINNING FACE WITH SMILING EYES}"],
    "long": ["x" * 255, "x" * 256, "x" * 5000, {"tenant": "t" * 200, "user": "u" * 60}],
    "other alphabets": ["stra\u00dfe", "strasse", "\u0130", "i", "\u0131"],
    "syntax": ["' OR 1=1 --", "{}*", "a:b", "%", "_", "\\", ""],
}


@pytest.mark.parametrize("kind", KINDS_OF_IDENTITIES)
def test_no_user_gets_the_sessions_of_another(store, kind):
    tail = secrets.token_hex(4)  # the servers keep what other tests have stored
    sessions = []
    for value in KINDS_OF_IDENTITIES[kind]:
        identity = [tail, value]
        sessions.append((identity, new(identity, subject=subject_of(value))))
    for _, session in sessions:
        store.create(session)
    for identity, session in sessions:
        assert listed(store, identity) == [session.sid]


def test_the_namespace_keeps_users_of_applications_apart(store):
    user = secrets.token_hex(4)
    keys = [subject_key(namespace, user) for namespace in ("shop", "admin", "")]
    for key in keys:
        store.create(new(user, subject_key=key))
    assert [len(store.list_active(key, 1450.0)) for key in keys] == [1, 1, 1]


def test_pages(store):
    user = secrets.token_hex(4)
    sessions = [new(user, created_at=1000.0 - number) for number in range(7)]
    for session in sessions:
        store.create(session)
    sids = [session.sid for session in sessions]
    assert listed(store, user, limit=3) == sids[:3]
    after = store.get(sids[2])
    store.revoke(sids[2], 1300.0)  # the next page begins after it all the same
    assert listed(store, user, limit=3, after=after) == sids[3:6]
    assert listed(store, user, limit=3, after=store.get(sids[5])) == sids[6:]
    assert listed(store, user, limit=3, after=store.get(sids[6])) == []


@pytest.mark.parametrize(
    ("by_use", "surplus"), [(False, [2, 1, 0]), (True, [3, 1, 0])], ids=["by age", "by use"]
)
def test_surplus(store, by_use, surplus):
    user = secrets.token_hex(4)
    sessions = [new(user) for _ in range(6)]
    for session in sessions:
        store.create(session)
    store.rotate(sessions[2].sid, 0, now=1100.0, idle_expires_at=None)
    key = subject_key("", user)
    store.revoke(sessions[4].sid, 1200.0)
    keep = {False: 2, True: 2}[by_use]
    found = store.list_surplus(key, 1450.0, keep=keep, by_use=by_use)
    assert [s.sid for s in found] == [sessions[n].sid for n in surplus]
    limited = store.list_surplus(key, 1450.0, keep=keep, by_use=by_use, limit=1)
    assert [s.sid for s in limited] == [sessions[surplus[0]].sid]
    assert store.list_surplus(key, 1450.0, keep=5, by_use=by_use) == []


def test_a_bound_of_a_users_sessions_is_none_that_they_exceed(store):
    """The number that create() may return spares a query for sessions beyond a limit."""
    user = secrets.token_hex(4)
    before = FEW_SESSIONS - 5
    bounds = [store.create(new(user, created_at=1e3 + n)) for n in range(before)]
    with ThreadPoolExecutor(10) as pool:
        made = pool.map(lambda n: store.create(new(user, created_at=2e3 + n)), range(10))
        # One of the logins at the same time has to see them all.
        bounds += [None] * 9 + [max((bound or 1000) for bound in made)]
    bounds += [store.create(new(user, created_at=3e3 + n)) for n in range(60)]
    for number, bound in enumerate(bounds, start=1):
        assert bound is None or number <= bound
    listed = store.list_active(subject_key("", user), 1500.0, limit=200)
    assert len(listed) == FEW_SESSIONS + 65
    times = [session.created_at for session in listed]
    assert times[:before] == [1e3 + n for n in range(before)]
    assert times[-60:] == [3e3 + n for n in range(60)], "the order of the logins"


def test_a_session_may_be_created_again(store):
    """The response to the first attempt was lost."""
    session = new("joe" + secrets.token_hex(4))
    store.create(session)
    store.create(session)
    assert kept(store, session) == session
    assert [s.sid for s in store.list_active(session.subject_key, 1450.0)] == [session.sid]


def test_a_call_recognizes_its_change(store):
    session = new()
    store.create(session)
    store.rotate(
        session.sid, 0, now=1100.0, idle_expires_at=None, change_id="a" * 32, ip="203.0.113.9",
        user_agent="Agent/3",
    )  # fmt: skip
    rotated = store.get(session.sid)
    assert (rotated.change_id, rotated.last_ip) == ("a" * 32, "203.0.113.9")
    assert rotated.last_user_agent == "Agent/3"
    store.rotate(session.sid, 1, now=1101.0, idle_expires_at=None)
    rotated = store.get(session.sid)
    assert (rotated.change_id, rotated.last_ip, rotated.last_user_agent) == (None, None, None)
    assert store.revoke(session.sid, 1200.0, change_id="b" * 32, kept_until=5000.0)
    assert not store.revoke(session.sid, 1300.0, change_id="c" * 32, kept_until=6000.0)
    revoked = store.get(session.sid)
    assert (revoked.change_id, revoked.revocation_kept_until) == ("b" * 32, 5000.0)


@pytest.mark.parametrize("revoked_at", [0.0, 1e9, 1.76e9, 1.8e9, 4.1e9])
def test_the_feed_has_the_order_of_the_store(store, revoked_at):
    """Whatever the clocks of those show that revoke sessions."""
    sessions = [new() for _ in range(3)]
    for session in sessions:
        store.create(session)
    store.revoke(sessions[0].sid, 4.2e9)
    _, position = read_feed(store)
    store.revoke(sessions[1].sid, revoked_at)
    store.revoke(sessions[2].sid, 1500.0)
    assert not store.revoke(sessions[2].sid, 1600.0)
    sids, end = read_feed(store, position)
    assert sids[-2:] == [sessions[1].sid, sessions[2].sid]
    assert end > position
    assert store.get(sessions[2].sid).feed_position in (end, None)  # None in a Redis Cluster
    assert read_feed(store, end)[0] == [sessions[2].sid]
    if not isinstance(store, MemoryStore):
        assert set(read_feed(store)[0]) >= {session.sid for session in sessions}


def test_the_feed_has_pages(store):
    _, position = read_feed(store)
    sessions = [new() for _ in range(7)]
    for session in sessions:
        store.create(session)
        store.revoke(session.sid, 1500.0)
    sids = []
    is_last = False
    while not is_last:
        page = store.read_revocations(position, now=1e9, lifetime=300.0, limit=3)
        sids += page.sids
        position, is_last = page.position, page.is_last
    assert set(sids) >= {session.sid for session in sessions}


def test_a_session_that_is_stored_as_revoked_gets_its_place(store):
    """A login that failed is stored once more so; see UnfinishedRevocations."""
    _, position = read_feed(store)
    session = new(revoked_at=1400.0)
    store.create(session)
    assert not store.revoke(session.sid, 1500.0)
    assert session.sid in read_feed(store, position)[0]
    assert store.get(session.sid).revoked_at == 1400.0


def test_ended_sessions_are_pruned_in_batches(store_uri, store):
    if store_uri.startswith("redis"):
        assert store.prune(1200.0, 2) == 0, "Redis forgets by itself"
        return
    ended = [new(expires_at=1100.0), new(idle_expires_at=1100.0), new()]
    for session in (*ended, active := new()):
        store.create(session)
    store.revoke(ended[2].sid, 1050.0)
    while deleted := store.prune(1200.0, 2):
        assert deleted <= 2
    assert [store.get(s.sid) for s in ended] == [None] * 3
    assert kept(store, active) == active


@pytest.mark.parametrize("end", ["expires_at", "idle_expires_at", "rotated_at"])
def test_a_revocation_is_pruned_no_earlier_than_it_may_be(store_uri, store, end):
    """Its access tokens may live longer than those that are issued today."""
    if store_uri.startswith("redis"):
        return
    session = new(**{end: 1100.0})
    store.create(session)
    store.revoke(session.sid, 1050.0, kept_until=9000.0)
    while store.prune(2000.0, 100, now=8999.0):
        pass
    assert store.get(session.sid) is not None
    while store.prune(2000.0, 100, now=9000.0):
        pass
    assert store.get(session.sid) is None


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
        # Of stores that other tests have left, some may be collected meanwhile.
        assert connections() - before, uri
        store.close()
        assert not connections() - before, uri


def connections():
    return {
        connection.laddr
        for connection in psutil.Process().net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
    }


def test_setup_may_be_repeated_and_raced(store_uri):
    race_to_set_up(store_uri)


@pytest.mark.slow
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


STATEMENTS = {
    f"{name} {number}": statement
    for name, value in vars(_sql_statements).items()
    for number, statement in enumerate(value if isinstance(value, list) else [value])
    if isinstance(statement, sa.sql.expression.Executable)
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_sqlalchemy_caches_each_statement(name):
    # Otherwise it compiles the statement at each execution, which takes longer than a database
    # does for it.
    assert STATEMENTS[name]._generate_cache_key() is not None
