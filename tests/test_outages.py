"""Outages: what clients get while the store is down, and how the application recovers.

The servers are real ones that are stopped, killed and frozen.
"""

from __future__ import annotations

import logging
import socket
import sqlite3
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
import redis
import sqlalchemy as sa

from flask_jwt.errors import StoreUnavailable
from tests.servers import PostgresServer, RedisClusterServers, RedisServer, running, until
from tests.stopwatch import Stopwatch
from tests.support import bearer, code, get
from tests.workers import log_in, new_app, refresh, stateless_token


def close(app):
    app.extensions["flask-jwt"].sessions.close()


class Load:
    """Clients that log in, refresh and read, and the responses that they got."""

    def __init__(self, app):
        self.app = app
        self.responses = []
        self.stopped = threading.Event()
        self.stateless = stateless_token(app)
        self.threads = [threading.Thread(target=self.work) for _ in range(4)]

    def send(self, name, request):
        start = time.monotonic()
        response = request()
        self.responses.append((start, time.monotonic() - start, name, response.status_code))
        return response

    def work(self):
        client = self.app.test_client()
        tokens = None
        # A user of its own: the threads' many logins would end each other's sessions.
        credentials = {"username": f"joe {threading.get_ident()}", "password": "pass"}
        while not self.stopped.is_set():
            response = self.send("login", lambda: client.post("/auth", json=credentials))
            tokens = response.get_json() if response.status_code == 200 else tokens
            self.send("stateless", lambda: client.get("/protected", headers=bearer(self.stateless)))
            if tokens is None:
                continue
            access, renew = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
            self.send("guarded", lambda a=access: client.get("/protected", headers=a))
            response = self.send("refresh", lambda r=renew: client.post("/auth/refresh", headers=r))
            tokens = response.get_json() if response.status_code == 200 else tokens
            if response.status_code == 503:
                assert response.headers["Retry-After"]
                assert response.get_json()["code"] == "store_unavailable"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def wait_for(self, status, *names, since=0.0):
        """Wait until each of these requests, or any, has had ten responses with *status*."""
        for name in names or ("login", "stateless", "guarded", "refresh"):
            until(lambda n=name: self.statuses(since, name=n)[status] >= 10, f"{status}: {name}")

    def statuses(self, since=0.0, until=float("inf"), name=None):
        return Counter(
            status
            for start, took, which, status in self.responses
            if since <= start and start + took < until and name in (None, which)
        )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(server, marks=pytest.mark.servers, id=name)
        for name, server in (("postgres", PostgresServer), ("redis", RedisServer))
    ],
)
def server_to_stop(request):
    with running(request.param()) as server:
        yield server


@pytest.fixture
def own_server(server_to_stop):
    """A server that no other test uses meanwhile. It may be stopped, and runs again afterwards."""
    yield server_to_stop
    if server_to_stop.process is None:
        server_to_stop.start()


TIMEOUT = 4
"""More than a machine of tests stands still: a store that works is never late by this."""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
def test_a_store_goes_away_under_load_and_comes_back(own_server, how, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    app = new_app(own_server.url, JWT_REVOCATION_CHECK=1, JWT_STORE_TIMEOUT=TIMEOUT)
    with Load(app) as load:
        load.wait_for(200)
        away = time.monotonic()
        getattr(own_server, how)()
        gone = time.monotonic()
        load.wait_for(503, "login", "guarded", "refresh", since=gone)
        unknown = time.monotonic()
        load.wait_for(503, "login", "guarded", "refresh", since=unknown)
        coming = time.monotonic()
        own_server.thaw() if how == "freeze" else own_server.start()
        # What has begun before may still fail, after a probe, and others fail fast for a second then.
        back = time.monotonic() + 1.25 * TIMEOUT + 2
        until(lambda: time.monotonic() > back, "the last failure")
        load.wait_for(200, since=back)
    close(app)
    assert set(load.statuses()) == {200, 503}
    assert set(load.statuses(until=away)) == {200}
    assert set(load.statuses(name="stateless")) == {200}
    assert load.statuses(gone, coming, "login")[200] == 0
    assert load.statuses(unknown, coming, "guarded")[200] == 0, (
        "revocations are unknown for too long"
    )
    assert set(load.statuses(since=back)) == {200}
    messages = [record.message for record in caplog.records]
    assert sum("is unavailable" in message for message in messages) <= 3, messages
    assert any("is available again" in message for message in messages)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_acknowledged_logout_outlives_the_store(own_server, how):
    app = new_app(own_server.url, JWT_REVOCATION_CHECK="always")
    tokens = [log_in(app) for _ in range(20)]
    for pair in tokens:
        response = app.test_client().post("/auth/logout", headers=bearer(pair["access_token"]))
        assert response.status_code == 200
    getattr(own_server, how)()
    own_server.start()
    for pair in tokens:
        until(lambda p=pair: refresh(app, p["refresh_token"])[0] != 503, "the store")
        assert refresh(app, pair["refresh_token"])[1]["code"] == "token_revoked"
        assert code(get(app, "/protected", pair["access_token"])) == (401, "token_revoked")
    close(app)


def test_a_restart_of_an_idle_store_is_not_noticed(own_server):
    app = new_app(own_server.url)
    token = log_in(app)["refresh_token"]
    own_server.stop()
    own_server.start()
    assert refresh(app, token)[0] == 200
    close(app)


@pytest.mark.servers
@pytest.mark.parametrize("server_to_stop", [PostgresServer], indirect=True, ids=["postgres"])
def test_a_restart_is_not_noticed_though_several_connections_were_idle(own_server):
    app = new_app(own_server.url)
    token = log_in(app)["refresh_token"]
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(engine.connect())
    own_server.stop()
    own_server.start()
    assert refresh(app, token)[0] == 200
    close(app)


@pytest.mark.servers
def test_a_read_only_postgresql_is_an_outage(postgres):
    app = new_app(postgres.url)
    token = log_in(app)["refresh_token"]
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    with engine.connect() as connection:
        connection.execute(sa.text("ALTER SYSTEM SET default_transaction_read_only = on"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    try:
        until(lambda: refresh(app, token)[0] == 503, "read-only")
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.execute(sa.text("ALTER SYSTEM RESET default_transaction_read_only"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
    until(lambda: refresh(app, token)[0] == 200, "writable again")
    close(app)


@pytest.mark.servers
def test_a_redis_that_takes_no_writes_is_an_outage(redis_server):
    app = new_app(redis_server.url)
    token = log_in(app)["refresh_token"]
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("min-replicas-to-write", 1)
        assert refresh(app, token)[0] == 503
        client.config_set("min-replicas-to-write", 0)
    until(lambda: refresh(app, token)[0] == 200, "writable again")


@pytest.mark.slow
def test_a_locked_sqlite_is_an_outage(tmp_path):
    other = new_app(f"sqlite:///{tmp_path}/s.db")  # it gets the time that it needs
    token = log_in(other)["refresh_token"]
    close(other)
    app = new_app(f"sqlite:///{tmp_path}/s.db", JWT_STORE_TIMEOUT=0.2)
    connection = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    with Stopwatch() as watch:
        start = watch.now()
        assert refresh(app, token)[0] == 503
        assert watch.now() - start < 5, "it waits for the timeout, not forever"
    connection.execute("ROLLBACK")
    connection.close()
    until(lambda: refresh(app, token)[0] == 200, "unlocked")
    close(app)


def test_an_application_starts_without_its_store(tmp_path):
    for uri in (
        "redis://127.0.0.1:1/0",
        "redis+cluster://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1/main",
        "postgresql+psycopg://postgres@127.0.0.1:1/postgres",
    ):
        app = new_app(uri, JWT_STORE_TIMEOUT=0.5)
        response = app.test_client().post("/auth", json={"username": "a", "password": "pass"})
        assert response.status_code == 503, uri
        stateless = bearer(stateless_token(app))
        assert app.test_client().get("/protected", headers=stateless).status_code == 200
        close(app)


@pytest.mark.parametrize("path", ["", "/main"])
def test_sentinels_that_hang_are_not_tried_again_and_again(path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        port = listener.getsockname()[1]
        app = new_app(f"redis+sentinel://:secret@127.0.0.1:{port}{path}", JWT_STORE_TIMEOUT=0.1)
        state = app.extensions["flask-jwt"]
        with pytest.raises(StoreUnavailable):
            state.sessions.store.get("0" * 32)
        connections = 0
        with suppress(TimeoutError):
            while True:
                listener.accept()[0].close()
                connections += 1
        assert 1 <= connections <= 4, "once, and once on a new connection, by each of two layers"
        close(app)


def is_replicated(primary):
    with redis.Redis(port=primary.port) as client:
        state = client.info("replication")
    return state["slave0"]["offset"] == state["master_repl_offset"]


@pytest.mark.slow
@pytest.mark.servers
def test_a_cluster_may_lose_a_primary():
    servers = RedisClusterServers(replicas=1)
    try:
        app = new_app(servers.start().url, JWT_REVOCATION_CHECK="always", JWT_STORE_TIMEOUT=5)
        tokens = [log_in(app) for _ in range(30)]
        ended, kept = tokens[:15], tokens[15:]
        for pair in ended:
            response = app.test_client().post("/auth/logout", headers=bearer(pair["access_token"]))
            assert response.status_code == 200
        # Replication is not acknowledged to the client.
        until(lambda: is_replicated(servers.servers[0]), "replication")
        servers.servers[0].kill()
        deadline = time.monotonic() + 40
        statuses = Counter()
        while time.monotonic() < deadline:
            before = sum(statuses.values())
            round_ = Counter()
            for pair in kept:
                round_[get(app, "/protected", pair["access_token"]).status_code] += 1
            for pair in ended:
                status = get(app, "/protected", pair["access_token"]).status_code
                assert status in (401, 503), "a revoked session is never accepted"
                round_[status] += 1
            statuses += round_
            assert before < sum(statuses.values())
            if before and round_ == {200: 15, 401: 15}:
                break
        assert round_ == {200: 15, 401: 15}, statuses
        assert set(statuses) <= {200, 401, 503}
        servers.wait_until_ok()
        for pair in kept:
            assert refresh(app, pair["refresh_token"])[0] == 200
    finally:
        servers.remove()
