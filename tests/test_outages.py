from __future__ import annotations

import logging
import multiprocessing
import random
import re
import socket
import sqlite3
import threading
import time
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import redis
import sqlalchemy as sa

from flask_jwt._clock import Clock as AppClock
from flask_jwt._sessions.revocations import Revocations
from flask_jwt.errors import StoreUnavailable
from flask_jwt.stores import open_store
from flask_jwt.stores.memory import MemoryStore
from tests.conftest import Clock, bearer
from tests.servers import PostgresServer, RedisClusterServers, RedisServer, until
from tests.test_stores import uri_of
from tests.workers import (
    log_in,
    new_app,
    refresh,
    refresh_on_command,
    refresh_until_killed,
    stateless_token,
)


# the store goes away


class Load:
    """Clients that log in, refresh and read, and what they were answered."""

    def __init__(self, app):
        self.app = app
        self.answers = []
        self.stopped = threading.Event()
        self.stateless = stateless_token(app)
        self.threads = [threading.Thread(target=self.work) for _ in range(4)]

    def ask(self, name, request):
        start = time.monotonic()
        response = request()
        self.answers.append((start, time.monotonic() - start, name, response.status_code))
        return response

    def work(self):
        client = self.app.test_client()
        tokens = None
        credentials = {"username": "joe", "password": "pass"}
        while not self.stopped.is_set():
            response = self.ask("login", lambda: client.post("/auth", json=credentials))
            tokens = response.get_json() if response.status_code == 200 else tokens
            self.ask("stateless", lambda: client.get("/protected", headers=bearer(self.stateless)))
            if tokens is None:
                continue
            access, renew = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
            self.ask("guarded", lambda a=access: client.get("/protected", headers=a))
            response = self.ask("refresh", lambda r=renew: client.post("/auth/refresh", headers=r))
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

    def statuses(self, since=0.0, until=float("inf"), name=None):
        return Counter(
            status
            for start, took, which, status in self.answers
            if since <= start and start + took < until and name in (None, which)
        )


@pytest.fixture(params=[PostgresServer, RedisServer], ids=["postgres", "redis"])
def own_server(request):
    server = request.param()
    yield server.start()
    server.remove()


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
def test_store_away_under_load_and_back(own_server, how, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    app = new_app(own_server.url, JWT_REVOCATION_CHECK=1, JWT_STORE_TIMEOUT=1)
    with Load(app) as load:
        time.sleep(1)
        away = time.monotonic()
        getattr(own_server, how)()
        time.sleep(4)
        coming = time.monotonic()
        own_server.thaw() if how == "freeze" else own_server.start()
        back = time.monotonic()
        time.sleep(6)
    close(app)
    assert set(load.statuses()) == {200, 503}
    assert set(load.statuses(until=away - 0.5)) == {200}
    assert set(load.statuses(name="stateless")) == {200}
    assert load.statuses(away + 1, coming, "login")[200] == 0
    assert load.statuses(away + 2.5, coming, "guarded")[200] == 0, "too stale to know"
    assert set(load.statuses(since=back + 5)) == {200}
    assert {"login", "guarded", "refresh"} <= {a[2] for a in load.answers if a[0] > back + 5}
    messages = [record.message for record in caplog.records]
    assert sum("does not answer" in message for message in messages) <= 3, messages
    assert any("answers again" in message for message in messages)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_acknowledged_logout_outlives_the_server(own_server, how):
    app = new_app(own_server.url, JWT_REVOCATION_CHECK="always")
    tokens = [log_in(app) for _ in range(20)]
    for pair in tokens:
        response = app.test_client().post("/auth/logout", headers=bearer(pair["access_token"]))
        assert response.status_code == 200
    getattr(own_server, how)()
    own_server.start()
    for pair in tokens:
        until(lambda p=pair: refresh(app, p["refresh_token"])[0] != 503, "the store", 10)
        assert refresh(app, pair["refresh_token"])[1]["code"] == "token_revoked"
        answer = app.test_client().get("/protected", headers=bearer(pair["access_token"]))
        assert answer.get_json()["code"] == "token_revoked"
    close(app)


def test_a_restart_of_an_idle_store_is_not_noticed(own_server):
    app = new_app(own_server.url)
    token = log_in(app)["refresh_token"]
    own_server.stop()
    own_server.start()
    assert refresh(app, token)[0] == 200
    close(app)


def test_a_restart_is_not_noticed_though_several_connections_were_idle():
    server = PostgresServer()
    try:
        app = new_app(server.start().url)
        token = log_in(app)["refresh_token"]
        engine = app.extensions["flask-jwt"].sessions.store.store.engine
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(engine.connect())
        server.stop()
        server.start()
        assert refresh(app, token)[0] == 200
        close(app)
    finally:
        server.remove()


def test_a_read_only_postgresql(postgres):
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


def test_a_redis_that_takes_no_writes(redis_server):
    app = new_app(redis_server.url)
    token = log_in(app)["refresh_token"]
    with redis.Redis(port=redis_server.port) as client:
        client.config_set("min-replicas-to-write", 1)
        assert refresh(app, token)[0] == 503
        client.config_set("min-replicas-to-write", 0)
    until(lambda: refresh(app, token)[0] == 200, "writable again")


def test_a_locked_sqlite(tmp_path):
    app = new_app(f"sqlite:///{tmp_path}/s.db", JWT_STORE_TIMEOUT=0.2)
    token = log_in(app)["refresh_token"]
    connection = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    assert refresh(app, token)[0] == 503
    assert time.monotonic() - start < 5, "it waits for the timeout, not forever"
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
        response = app.test_client().post("/auth", json={"username": "a", "password": "b"})
        assert response.status_code == 503, uri
        stateless = bearer(stateless_token(app))
        assert app.test_client().get("/protected", headers=stateless).status_code == 200
        close(app)


@pytest.mark.parametrize("path", ["", "/main"])
def test_sentinels_that_hang_are_not_asked_again_and_again(path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        port = listener.getsockname()[1]
        app = new_app(f"redis+sentinel://:secret@127.0.0.1:{port}{path}", JWT_STORE_TIMEOUT=0.1)
        state = app.extensions["flask-jwt"]
        for ask in (
            lambda: state.sessions.store.get("0" * 32),
            lambda: state.limits[1]._shared.get("key"),
        ):
            with pytest.raises(StoreUnavailable):
                ask()
            asked = 0
            with suppress(TimeoutError):
                while True:
                    listener.accept()[0].close()
                    asked += 1
            assert 1 <= asked <= 4, "once, and once on a new connection, by each of two layers"
        close(app)


def test_a_cluster_that_loses_a_primary():
    servers = RedisClusterServers(replicas=1)
    try:
        app = new_app(servers.start().url, JWT_REVOCATION_CHECK="always", JWT_STORE_TIMEOUT=1)
        tokens = [log_in(app) for _ in range(30)]
        ended, kept = tokens[:15], tokens[15:]
        for pair in ended:
            app.test_client().post("/auth/logout", headers=bearer(pair["access_token"]))
        time.sleep(0.5)  # replication is not acknowledged to the client
        servers.servers[0].kill()
        deadline = time.monotonic() + 20
        statuses = Counter()
        while time.monotonic() < deadline:
            before = sum(statuses.values())
            round_ = Counter()
            for pair in kept:
                round_[
                    app.test_client()
                    .get("/protected", headers=bearer(pair["access_token"]))
                    .status_code
                ] += 1
            for pair in ended:
                answer = app.test_client().get("/protected", headers=bearer(pair["access_token"]))
                assert answer.status_code in (401, 503), "nothing is wrongly allowed"
                round_[answer.status_code] += 1
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
