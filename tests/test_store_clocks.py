"""Servers whose clocks differ share a store: its clock counts, and its order of revocations."""

from __future__ import annotations

import secrets
import threading
import time

import pytest
import sqlalchemy as sa

from flask_jwt._clock import Clock
from flask_jwt._sessions.revocations import Revocations
from flask_jwt._sessions.store_time import StoreTime
from flask_jwt.errors import TokenRevoked
from flask_jwt.stores import open_store
from tests.servers import stores, uri_of
from tests.support import ANYONE, bearer, claims_of, login, make_app
from tests.test_stores import listed, new, read_feed

pytestmark = pytest.mark.slow

YEAR = 366 * 86400.0
SKEWS = [5.0, 60.0, 600.0, YEAR, -5.0, -60.0, -600.0, -YEAR]
EACH_STORE = stores(
    "memory", "sqlite", "postgres", "mariadb", "redis", "redis_cluster", "redis_sentinel"
)


@pytest.fixture(params=EACH_STORE)
def store(request, tmp_path):
    store = open_store(uri_of(request.param, request, tmp_path), timeout=5)
    store.setup()
    yield store
    store.close()


class Server:
    """An application on a machine whose clock differs by some seconds."""

    def __init__(self, store, skew=0.0, **config):
        self.skew = skew
        self.passed = 0.0
        self.app = make_app(users=ANYONE, clock=self.time, store=store, **config)
        clock = self.app.extensions["flask-jwt"].clock
        clock.system = self.time
        clock.monotonic = lambda: 1000.0 + self.passed
        self.client = self.app.test_client()

    def time(self):
        return time.time() + self.skew

    @property
    def sessions(self):
        return self.app.extensions["flask-jwt"].sessions

    def log_in(self):
        return login(self.client, "joe" + secrets.token_hex(4)).get_json()

    def status(self, token):
        return self.client.get("/protected", headers=bearer(token)).status_code

    def refresh(self, token):
        return self.client.post("/auth/refresh", headers=bearer(token))

    def poll(self):
        """Let the time pass after which revocations are read again, at the latest."""
        self.passed += 10


# Logouts


@pytest.mark.parametrize("skew", SKEWS)
def test_each_logout_reaches_both_servers(store, skew):
    """Each server has issued the tokens that it gets, so only the revocation can reject them."""
    right, wrong = Server(store), Server(store, skew)
    for there, here in ((right, wrong), (wrong, right)):
        for _ in range(3):
            tokens = here.log_in()["access_token"], there.log_in()["access_token"]
            assert (here.status(tokens[0]), there.status(tokens[1])) == (200, 200)
            with there.app.app_context():
                assert all(there.sessions.revoke(claims_of(token)["sid"]) for token in tokens)
            here.poll()
            there.poll()
            assert (here.status(tokens[0]), there.status(tokens[1])) == (401, 401)
            started = Server(store, here.skew)
            assert started.status(tokens[0]) == 401, "a process that has started since"


@pytest.mark.parametrize("revoked_at", [4.1e9, 1000.0])
def test_a_writer_whose_clock_is_wrong_makes_no_one_deaf(store, revoked_at):
    """A writer of which nothing is known but the time that it passes."""
    reader = Server(store)
    tokens = [reader.log_in()["access_token"] for _ in range(3)]
    for token in tokens:
        assert reader.status(token) == 200
        store.revoke(claims_of(token)["sid"], revoked_at, kept_until=revoked_at + 3600)
        reader.poll()
        assert reader.status(token) == 401
        revoked_at = time.time()


def test_a_feed_that_begins_again_is_read_again(tmp_path):
    """The database was replaced by one that is empty."""
    store = open_store(f"sqlite:///{tmp_path}/s.db", 5)
    clock = Clock()
    clock.monotonic = lambda: 1000.0 + passed
    revocations = Revocations(store, lifetime=300, staleness=10, clock=clock)
    passed, far = 0.0, 4_000_000_000_000_000
    for number in range(3):
        store.create(session := new())
        store.revoke(session.sid, 1500.0)
        with store.engine.connect() as connection:
            if number == 0:
                places = sa.text("UPDATE jwt_sessions SET feed_position = :far")
                connection.execute(places, {"far": far})
        passed += 10
        with pytest.raises(TokenRevoked):
            revocations.check(session.sid)
        with store.engine.connect() as connection:
            if number == 0:
                connection.execute(sa.text("DELETE FROM jwt_sessions"))
    store.close()


# Commits that are late


@pytest.mark.parametrize("kind", stores("postgres", "mariadb"))
def test_a_revocation_that_is_committed_late_is_not_missed(kind, request, tmp_path):
    store = open_store(uri_of(kind, request, tmp_path), timeout=5)
    late, other = new(), new()
    for session in (late, other):
        store.create(session)
    clock, passed = Clock(), 0.0
    clock.monotonic = lambda: 1000.0 + passed
    revocations = Revocations(store, lifetime=300, staleness=10, clock=clock, overlap=15)
    revocations.check(late.sid)
    from flask_jwt.stores import _sql_statements as statements

    with store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        values = {"sid_": late.sid, "now": 1500.0, "change": None, "kept": None}
        assert connection.execute(statements.REVOKE, values).rowcount == 1
        store.revoke(other.sid, 1500.0)  # has its place after the other one, and doesn't wait
        passed += 5
        with pytest.raises(TokenRevoked):
            revocations.check(other.sid)
        revocations.check(late.sid)
        connection.exec_driver_sql("COMMIT")
    assert store.get(late.sid).feed_position <= store.get(other.sid).feed_position
    passed += 5
    with pytest.raises(TokenRevoked):
        revocations.check(late.sid)
    store.close()


@pytest.mark.parametrize("kind", stores("sqlite", "postgres", "mariadb"))
def test_simultaneous_logins_and_logouts_of_a_user(kind, request, tmp_path):
    """No statement fails because of another one, and readers get all revocations."""
    store = open_store(uri_of(kind, request, tmp_path), timeout=10)
    user = secrets.token_hex(4)
    sids, errors = [], []
    revocations = Revocations(store, lifetime=300, staleness=0.2, clock=Clock())

    def work():
        try:
            for _ in range(40):
                session = new(user)
                store.create(session)
                assert store.revoke(session.sid, 1500.0)
                sids.append(session.sid)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        revocations.check("0" * 32)
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    time.sleep(0.2)
    assert errors == []
    assert len(sids) == len(set(sids)) == 320
    missed = []
    for sid in sids:
        try:
            revocations.check(sid)
            missed.append(sid)
        except TokenRevoked:
            pass
    assert missed == []
    store.close()


@pytest.mark.parametrize("kind", stores("sqlite", "postgres", "mariadb"))
def test_a_revocation_by_a_process_of_an_earlier_version_is_known(kind, request, tmp_path):
    """During an upgrade, its statements don't set the place."""
    store = open_store(uri_of(kind, request, tmp_path), timeout=5)
    store.create(session := new())
    reader = Server(store)
    token = reader.log_in()["access_token"]
    assert reader.status(token) == 200
    update = sa.text("UPDATE jwt_sessions SET revoked_at = :now WHERE sid = :sid")
    with store.engine.connect() as connection:
        for sid in (session.sid, claims_of(token)["sid"]):
            connection.execute(update, {"now": time.time(), "sid": sid})
    reader.poll()
    assert reader.status(token) == 401
    assert Server(store).status(token) == 401
    assert not store.revoke(session.sid, time.time())
    assert store.get(session.sid).feed_position is not None
    store.close()


# Sessions


@pytest.mark.parametrize("skew", SKEWS)
def test_times_are_stored_by_the_clock_of_the_store(store, skew):
    now = time.time()
    clock = Clock()
    clock.system = lambda: time.time() + skew
    wrong = StoreTime(store, clock)
    user = secrets.token_hex(4)
    session = new(
        user, created_at=now + skew, expires_at=now + skew + 100, idle_expires_at=now + skew + 50
    )
    wrong.create(session)
    assert wrong.rotate(session.sid, 0, now=now + skew + 1, idle_expires_at=now + skew + 60)
    right = store.get(session.sid)
    expected = (now, now + 1, now + 100, now + 60)
    times = (right.created_at, right.rotated_at, right.expires_at, right.idle_expires_at)
    assert times == pytest.approx(expected, abs=2.5)
    found = wrong.get(session.sid)
    assert found.expires_at == pytest.approx(session.expires_at, abs=0.001)
    assert found.rotated_at == pytest.approx(now + skew + 1, abs=0.001)
    assert listed(store, user, now) == [session.sid]
    assert listed(wrong, user, now + skew) == [session.sid]
    assert listed(wrong, user, now + skew + 62) == []


@pytest.mark.parametrize("skew", [-45.0, -20.0, 20.0, 45.0])
def test_a_rotation_by_a_server_whose_clock_differs_is_no_reuse(store, skew):
    """The grace period is shorter than the difference."""
    config = {"JWT_REFRESH_GRACE": 10, "JWT_REVOCATION_CHECK": "always"}
    right, wrong = Server(store, **config), Server(store, skew, **config)
    for first, second in ((right, wrong), (wrong, right)):
        issuer = min(first, second, key=lambda server: server.skew)
        token = issuer.log_in()["refresh_token"]
        assert first.refresh(token).status_code == 200
        assert second.refresh(token).status_code == 200, "within the grace period"


def test_a_reused_token_is_recognized_by_a_server_whose_clock_differs(store):
    config = {"JWT_REFRESH_GRACE": 0.5, "JWT_REVOCATION_CHECK": "always"}
    right, *wrong = (Server(store, skew, **config) for skew in (0.0, -20.0, 20.0))
    pairs = [pair for server in wrong for pair in ((right, server), (server, right))]
    used = []
    for first, second in pairs:
        issuer = min(first, second, key=lambda server: server.skew)
        token = issuer.log_in()["refresh_token"]
        assert first.refresh(token).status_code == 200
        used.append(token)
    time.sleep(2.5)  # the store's clock is a real one, and this is more than the tolerance
    for (first, second), token in zip(pairs, used, strict=True):
        response = second.refresh(token)
        assert response.status_code == 401, (first.skew, second.skew)
        assert response.get_json()["code"] == "refresh_reused"


@pytest.mark.parametrize("to", [4.1e9, 1e9])
def test_a_clock_that_jumps_and_returns_forgets_nothing(store, to):
    server = Server(store)
    tokens = server.log_in()
    sid = claims_of(tokens["access_token"])["sid"]
    gone = server.log_in()["access_token"]
    other = Server(store)
    user = store.get(sid).subject
    with server.app.app_context():
        server.sessions.revoke(claims_of(gone)["sid"])
    server.skew = to - time.time()
    with server.app.app_context():
        server.sessions.list(user)
        server.sessions.count()
        server.sessions.prune()
    server.status(gone)
    server.poll()
    server.status(gone)
    during = server.log_in()["access_token"]
    assert server.status(during) == 200
    server.skew = 0.0
    for each in (server, other):
        each.poll()
        assert each.status(gone) == 401
        assert each.status(tokens["access_token"]) == 200
    with server.app.app_context():
        assert [session.sid for session in server.sessions.list(user)] == [sid]
    assert server.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("skew", [YEAR, -YEAR])
def test_a_server_whose_clock_is_wrong_prunes_nothing_that_others_need(store, skew):
    right, wrong = Server(store), Server(store, skew)
    kept = right.log_in()
    gone = right.log_in()["access_token"]
    for token in (gone,):
        with right.app.app_context():
            right.sessions.revoke(claims_of(token)["sid"])
    with wrong.app.app_context():
        wrong.sessions.prune()
    assert store.get(claims_of(kept["access_token"])["sid"]) is not None
    assert store.get(claims_of(gone)["sid"]) is not None
    assert right.refresh(kept["refresh_token"]).status_code == 200


@pytest.mark.parametrize("skew", [29.0, 31.0, -31.0, -YEAR])
def test_a_skew_is_logged_once(caplog, tmp_path, skew):
    server = Server(open_store(f"sqlite:///{tmp_path}/s.db", 5), skew)
    for _ in range(3):
        server.log_in()
    messages = [m for m in caplog.messages if "clock" in m]
    assert len(messages) == (abs(skew) > 30)
    if messages:
        assert ("behind" if skew < 0 else "ahead of") in messages[0]
        assert f"{abs(skew):.0f} seconds" in messages[0]
    assert server.sessions.store.store.store.now() == pytest.approx(time.time(), abs=2)
    server.sessions.close()


def test_an_injected_clock_is_not_corrected(store):
    """Only the clock of the machine is compared with that of the store."""
    app = make_app(users=ANYONE, store=store, JWT_SESSION_IDLE=600, JWT_REVOCATION_CHECK="always")
    client = app.test_client()
    for seconds, status in ((500, 200), (500, 200), (700, 401)):
        if seconds != 700:
            tokens = login(client, "joe" + secrets.token_hex(4)).get_json()
        app.clock.tick(seconds)
        response = client.post("/auth/refresh", headers=bearer(tokens["refresh_token"]))
        assert response.status_code == status


def test_the_store_s_clock_is_right(store):
    before = time.time()
    now = store.now()
    assert before - 1.5 < now < time.time() + 1.5


@pytest.mark.parametrize("now", [4.1e9, 1e9])
def test_no_session_is_listed_away_by_a_wrong_clock(store, now):
    user = secrets.token_hex(4)
    right = time.time()
    session = new(user, created_at=right, expires_at=right + 600, idle_expires_at=right + 300)
    store.create(session)
    store.list_active(session.subject_key, now)
    store.list_surplus(session.subject_key, now, keep=0, by_use=True)
    assert listed(store, user, right) == [session.sid]


def test_places_are_not_given_twice_after_all_revocations_were_pruned(store):
    sessions = [new() for _ in range(2)]
    for session in sessions:
        store.create(session)
    store.revoke(sessions[0].sid, 1500.0, kept_until=1600.0)
    _, position = read_feed(store)
    while store.prune(1e10, 500, now=1e10):
        pass
    store.create(sessions[1])
    store.revoke(sessions[1].sid, 1500.0)
    assert sessions[1].sid in read_feed(store, position)[0]
