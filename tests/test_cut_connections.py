"""Sessions over connections that break in the middle of an operation, before or after its commit.

No request may end in a 500, no token that was revoked may be accepted, and once the connection
works again, the sessions that are listed are those of which a client has the tokens.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter

import pytest
import redis
from flask import Flask

from flask_jwt import JWT, jwt_required, signals
from flask_jwt._sessions import circuit_breaker
from flask_jwt._sessions.manager import SessionManager
from flask_jwt.stores import open_store
from tests.proxy import Proxy, is_postgres_operation, is_redis_operation
from tests.servers import stores, until
from tests.stopwatch import Stopwatch
from tests.support import PATIENCE, SECRET, heard

ATTEMPTS = {"postgres": 2, "redis": 4}
"""How often an operation is tried: once more by the circuit breaker, and redis-py doubles that."""


pytestmark = pytest.mark.slow


@pytest.fixture(params=stores("postgres", "redis"))
def kind(request):
    return request.param


@pytest.fixture
def proxy(kind, request):
    if kind == "postgres":
        proxy = Proxy(request.getfixturevalue("postgres").port, is_postgres_operation)
        proxy.url = f"postgresql+psycopg://postgres@127.0.0.1:{proxy.port}/postgres"
    else:
        proxy = Proxy(request.getfixturevalue("redis_server").port, is_redis_operation)
        proxy.url = f"redis://127.0.0.1:{proxy.port}/0"
    yield proxy
    proxy.close()


class Shop:
    """An application and its clients. Each round has a user of its own."""

    def __init__(self, proxy, **config):
        self.proxy = proxy
        self.app = Flask("shop")
        self.app.config.update(
            SECRET_KEY=SECRET, JWT_STORAGE_URI=proxy.url, JWT_LOGIN_LIMITS=None,
            JWT_REVOCATION_CHECK="always", JWT_STORE_TIMEOUT=PATIENCE, **config,
        )  # fmt: skip
        self.jwt = JWT(
            self.app,
            lambda username, password: {"id": username},
            lambda payload: {"id": payload["identity"]},
        )
        self.app.add_url_rule("/me", view_func=jwt_required()(lambda: "me"))
        self.statuses = Counter()
        self.events = Counter()
        for name in ("session_started", "session_refreshed", "session_revoked"):
            self.count(name)
        # Not of its address, which a shop of another test may have had, with users on this server.
        self.name = secrets.token_hex(8)
        self.number = 0
        self.send("POST", "/auth", username="warm up")

    def count(self, name):
        def receiver(sender, **_):
            self.events[name] += 1

        self.receivers = [*getattr(self, "receivers", []), receiver]  # signals hold them weakly
        getattr(signals, name).connect(receiver, self.app)

    def send(self, method, path, token=None, **body):
        if path == "/auth":
            body["password"] = "pass"
        response = self.app.test_client().open(
            path,
            method=method,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            json=body or None,
        )
        self.statuses[response.status_code] += 1
        return response

    def log_in(self):
        self.number += 1
        self.user = f"{self.name}.{self.number}"
        response = self.send("POST", "/auth", username=self.user)
        assert response.status_code == 200
        return response.get_json()

    def listed(self):
        with self.app.app_context():
            return [session.sid for session in self.jwt.sessions.list(self.user)]

    def limit(self, seconds):
        """Give operations less time. Only those that are to fail get little, on a busy machine."""
        store = self.app.extensions["flask-jwt"].sessions.store
        store._timeout = seconds
        for name in [
            n for n, v in vars(store).items() if getattr(v, "__name__", "") == "call_store"
        ]:
            delattr(store, name)  # made once, with the timeout

    def heal(self):
        broken = self.proxy.heal()
        self.limit(PATIENCE)
        self.proxy.release()
        return broken

    def close(self):
        self.jwt.close(self.app)


@pytest.fixture
def make_shop(proxy, monkeypatch):
    shops = []

    def make_shop(fail_fast_for=0.0, **config):
        monkeypatch.setattr(circuit_breaker, "FAIL_FAST_FOR", fail_fast_for)
        shops.append(Shop(proxy, **config))
        return shops[-1]

    yield make_shop
    for shop in shops:
        shop.close()


# Each operation is done once with the fault, then the connection heals and the client goes on. It
# returns the status of the first attempt.


def create(shop, break_connection):
    shop.number += 1
    shop.user = f"{shop.name}.{shop.number}"
    started = shop.events["session_started"]
    break_connection()
    response = shop.send("POST", "/auth", username=shop.user)
    shop.heal()
    is_held = response.status_code == 200
    assert shop.events["session_started"] - started == is_held
    shop.listed()  # the first operation that succeeds also finishes what was cut
    assert len(shop.listed()) == is_held
    if is_held:
        token = response.get_json()["refresh_token"]
        assert shop.send("POST", "/auth/refresh", token).status_code == 200
    return response.status_code


def rotate(shop, break_connection):
    token = shop.log_in()["refresh_token"]
    (sid,) = shop.listed()
    break_connection()
    response = shop.send("POST", "/auth/refresh", token)
    shop.heal()
    retried = response
    if response.status_code == 503:
        retried = shop.send("POST", "/auth/refresh", token)
    assert retried.status_code == 200
    tokens = retried.get_json()
    assert shop.listed() == [sid]
    assert shop.send("POST", "/auth/refresh", tokens["refresh_token"]).status_code == 200
    return response.status_code


def revoke(shop, break_connection):
    tokens = shop.log_in()
    revoked = shop.events["session_revoked"]
    break_connection()
    response = shop.send("POST", "/auth/logout", tokens["access_token"])
    shop.heal()
    shop.listed()
    if response.status_code == 200:
        assert response.get_json() == {"revoked": 1}
    # A logout whose first query was cut has not begun.
    if shop.listed():
        assert response.status_code == 503
        assert shop.send("POST", "/auth/logout", tokens["access_token"]).status_code == 200
    assert shop.listed() == []
    assert shop.events["session_revoked"] - revoked == 1, "sent once, whatever was repeated"
    assert shop.send("GET", "/me", tokens["access_token"]).status_code == 401
    assert shop.send("POST", "/auth/refresh", tokens["refresh_token"]).status_code == 401
    return response.status_code


def list_sessions(shop, break_connection):
    token = shop.log_in()["access_token"]
    break_connection()
    response = shop.send("GET", "/auth/sessions", token)
    shop.heal()
    assert len(shop.send("GET", "/auth/sessions", token).get_json()["sessions"]) == 1
    return response.status_code


def get(shop, break_connection):
    token = shop.log_in()["access_token"]
    break_connection()
    response = shop.send("GET", "/me", token)
    shop.heal()
    assert shop.send("GET", "/me", token).status_code == 200
    return response.status_code


def rename(shop, break_connection):
    token = shop.log_in()["access_token"]
    (sid,) = shop.listed()
    break_connection()
    response = shop.send("PATCH", f"/auth/sessions/{sid}", token, label="phone")
    shop.heal()
    if response.status_code == 503:
        assert shop.send("PATCH", f"/auth/sessions/{sid}", token, label="phone").status_code == 204
    (device,) = shop.send("GET", "/auth/sessions", token).get_json()["sessions"]
    assert device["label"] == "phone"
    return response.status_code


OPERATIONS = [create, rotate, revoke, list_sessions, get, rename]


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_a_connection_is_cut(make_shop, proxy, kind, operation, when, rounds):
    shop = make_shop()
    statuses = Counter()
    for number in range(rounds):
        # Each query of the operation in turn, and now and then the repetitions too.
        skip, times = number % 4, 1 if number % 3 else ATTEMPTS[kind]

        def break_connection(skip=skip, times=times):
            proxy.break_next(when, skip=skip, times=times)

        statuses[operation(shop, break_connection)] += 1
    assert set(shop.statuses) <= {200, 204, 401, 503}, shop.statuses
    assert statuses[503] >= rounds // 12, "the repetitions were cut too"
    assert statuses[200] + statuses[204] >= rounds // 2, "a repetition hides a single cut"
    assert not len(shop.app.extensions["flask-jwt"].sessions.unfinished)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_rotation_is_no_reuse_without_a_grace_period(make_shop, proxy, when):
    shop = make_shop(JWT_REFRESH_GRACE=0)
    token = shop.log_in()["refresh_token"]
    refreshed = shop.events["session_refreshed"]
    for _ in range(20):
        proxy.break_next(when)
        response = shop.send("POST", "/auth/refresh", token)
        assert response.status_code == 200, response.text
        assert proxy.heal() == 1
        previous, token = token, response.get_json()["refresh_token"]
    assert shop.events["session_refreshed"] - refreshed == 20
    response = shop.send("POST", "/auth/refresh", previous)
    assert response.get_json()["code"] == "refresh_reused", "another call's rotation is a reuse"


@pytest.mark.parametrize("fault", ["drop", "swallow", "delay"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.__name__)
def test_the_store_does_not_respond(make_shop, proxy, operation, fault):
    shop = make_shop()
    for skip in range(2):

        def break_connection(skip=skip):
            shop.limit(0.4)
            proxy.break_next(fault, skip=skip, times=9)

        status = operation(shop, break_connection)
        assert status in (200, 204, 503)
    assert set(shop.statuses) <= {200, 204, 401, 503}, shop.statuses


def test_a_login_that_is_committed_late_is_revoked(make_shop, proxy, kind):
    """The database has not noticed that the connection is lost."""
    shop = make_shop()
    shop.number += 1
    shop.user = f"{shop.name}.{shop.number}"
    # The query that stores the session is the first one.
    shop.limit(0.2)
    proxy.break_next("delay", times=1 if kind == "postgres" else 2)
    response = shop.send("POST", "/auth", username=shop.user)
    assert response.status_code == 503
    broken = proxy.heal()
    assert broken >= 1
    shop.limit(PATIENCE)
    shop.listed()
    assert shop.listed() == []
    proxy.release()
    until(lambda: proxy.delayed == broken, "the late commit")
    assert shop.listed() == []


def test_with_the_circuit_breaker_s_own_pause_no_session_is_left_after_5_seconds(make_shop, proxy):
    shop = make_shop(fail_fast_for=1.0)
    users = []
    for skip in range(4):
        proxy.break_next("after", skip=skip, times=1000)
        shop.number += 1
        users.append(f"{shop.name}.{shop.number}")
        held = shop.send("POST", "/auth", username=users[-1]).status_code == 200
        assert not held
    proxy.heal()
    with Stopwatch() as watch:
        healed = watch.now()
        while shop.send("POST", "/auth", username="next").status_code != 200:
            time.sleep(0.1)
        with shop.app.app_context():
            assert [user for user in users if shop.jwt.sessions.list(user)] == []
        assert watch.now() - healed < 5


# Redis keeps a revocation at two places: with the session and in the list of all revocations


def test_a_logout_of_redis_is_one_command(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        store = open_store(redis_url, 5)
        store.revoke("0" * 32, time.time())  # from now on Redis knows the script
        client.config_resetstat()
        store.revoke("1" * 32, time.time())
        sent = client.info("commandstats")
        store.close()
    assert sent["cmdstat_evalsha"]["calls"] == 1
    assert set(sent) <= {
        f"cmdstat_{name}"
        for name in (
            "evalsha", "exists", "time", "zscore", "zrevrange", "zadd", "zrangebyscore", "ttl",
            "info", "config",
        )
    }  # fmt: skip


class OtherServer:
    """Stands for a proxy, which a Redis Cluster would need for each of its nodes."""

    def __init__(self, url):
        self.url = url


def test_a_logout_that_a_cluster_has_done_by_half_is_completed(redis_cluster_url):
    shop, other = (Shop(OtherServer(redis_cluster_url)) for _ in range(2))
    other.app.config["JWT_REVOCATION_CHECK"] = 0.01  # it reads the list of all revocations
    tokens = shop.log_in()
    (sid,) = shop.listed()
    client = shop.app.extensions["flask-jwt"].sessions.store.store.client

    evalsha = client.evalsha

    def fail(digest, count, *keys_and_arguments):
        if keys_and_arguments[0].startswith("jwt:feed"):
            raise redis.ConnectionError("the node of the list is gone")
        return evalsha(digest, count, *keys_and_arguments)

    client.evalsha = fail
    assert shop.send("POST", "/auth/logout", tokens["access_token"]).status_code == 503
    assert shop.events["session_revoked"] == 0
    assert other.send("GET", "/me", tokens["access_token"]).status_code == 200, "half done"
    del client.evalsha
    time.sleep(1.1)  # the pause of the circuit breaker
    assert shop.listed() == []
    assert shop.events["session_revoked"] == 1
    time.sleep(0.02)
    for each in (shop, other):
        assert each.send("GET", "/me", tokens["access_token"]).status_code == 401
    page = other.app.extensions["flask-jwt"].sessions.store.read_revocations(0, now=0, lifetime=0)
    assert sid in page.sids
    for each in (shop, other):
        each.close()


# Logins that fail before and after their session is stored


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_login_that_fails_leaves_no_session(make_app, monkeypatch, is_stored):
    app = make_app(JWT_STORAGE_URI="memory://")

    def fail(*args):
        raise ZeroDivisionError

    if is_stored:
        monkeypatch.setattr(SessionManager, "_revoke_surplus", fail)
    else:
        app.jwt.jwt_encode_handler(fail)
    with (
        heard(app, "session_started", "session_revoked") as events,
        pytest.raises(ZeroDivisionError),
        app.app_context(),
    ):
        app.jwt.sessions.start(app.users[0])
    assert events == [], "no one has learned of the session"
    with app.app_context():
        assert app.jwt.sessions.list(1) == []
        expected = {"active": 0, "revoked": int(is_stored), "expired": 0}
        assert app.jwt.sessions.count() == expected
