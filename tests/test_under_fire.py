"""Sessions with many callers, killed workers and stores that go away; real servers, real time."""

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

ROUNDS = 200
KILLS = 100


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def app(uri):
    app = new_app(uri)
    yield app
    close(app)


def close(app):
    app.extensions["flask-jwt"].sessions.close()


def only_session(app, subject="joe"):
    with app.app_context():
        return app.extensions["flask-jwt"].sessions.list(subject)[-1]


def check_round(app, answers, sid, generation):
    """All callers hold the same token, and there was one rotation."""
    assert {status for status, _ in answers} == {200}, answers
    (token,) = {token for _, token in answers}
    with app.app_context():
        assert app.extensions["flask-jwt"].sessions.get(sid).generation == generation
    return token


def test_32_threads_refresh_one_token(app):
    token = log_in(app)["refresh_token"]
    sid = only_session(app).sid
    with ThreadPoolExecutor(32) as pool:
        for number in range(ROUNDS):
            answers = list(pool.map(refresh, [app] * 32, [token] * 32))
            token = check_round(app, answers, sid, number + 1)


FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.workers"])


def test_4_processes_refresh_one_token(app, uri):
    token = log_in(app)["refresh_token"]
    sid = only_session(app).sid
    pipes, processes = [], []
    for _ in range(4):
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=refresh_on_command, args=(uri, theirs, 8), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        for pipe in pipes:
            assert pipe.recv() == "ready"
        for number in range(ROUNDS):
            for pipe in pipes:
                pipe.send(token)
            answers = [answer for pipe in pipes for answer in pipe.recv()]
            assert len(answers) == 32
            token = check_round(app, answers, sid, number + 1)
    finally:
        for pipe in pipes:
            pipe.send(None)
            pipe.close()
        for process in processes:
            process.join(10)


def test_a_worker_killed_in_mid_rotation_loses_no_session(app, uri):
    token = log_in(app)["refresh_token"]
    sid = only_session(app).sid
    for _ in range(KILLS):
        ours, theirs = FORK.Pipe(duplex=False)
        process = FORK.Process(target=refresh_until_killed, args=(uri, theirs, token), daemon=True)
        process.start()
        theirs.close()
        status, token = ours.recv()  # it is at work
        time.sleep(random.random() / 50)
        process.kill()
        process.join()
        try:
            while True:
                status, token = ours.recv()
                assert status == 200
        except EOFError:
            ours.close()
        status, token = refresh(app, token)  # the client's retry
        assert status == 200, token
    session = only_session(app)
    assert session.sid == sid
    assert refresh(app, token)[0] == 200


def test_after_the_grace_an_old_token_ends_the_session_for_good(app, uri):
    app.config["JWT_REFRESH_GRACE"] = 0.2
    old = log_in(app)["refresh_token"]
    sid = only_session(app).sid
    new = refresh(app, old)[1]
    time.sleep(0.3)
    assert refresh(app, old)[1]["code"] == "refresh_reused"
    other = new_app(uri)
    assert refresh(other, new)[1]["code"] == "token_revoked"
    with other.app_context():
        assert other.extensions["flask-jwt"].sessions.get(sid).revoked_at is not None
    close(other)


# one rotation is one statement


def only_statement(statements):
    (statement,) = statements
    assert statement.startswith("UPDATE jwt_sessions"), statement


def test_one_rotation_is_one_statement_on_sqlite(tmp_path):
    app = new_app(f"sqlite:///{tmp_path}/s.db")
    token = log_in(app)["refresh_token"]
    statements = []
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    sa.event.listen(engine, "checkout", lambda raw, *_: raw.set_trace_callback(statements.append))
    assert refresh(app, token)[0] == 200
    close(app)
    only_statement(statements)


def test_one_rotation_is_one_statement_on_postgresql(postgres):
    """Counted by the server, which sees transactions begin and end too."""
    app = new_app(postgres.url)
    token = log_in(app)["refresh_token"]
    log = postgres.folder / "log"
    with app.extensions["flask-jwt"].sessions.store.store.engine.connect() as connection:
        connection.execute(sa.text("SET log_statement = 'all'"))
    before = log.stat().st_size
    assert refresh(app, token)[0] == 200
    close(app)
    lines = log.read_bytes()[before:].decode().splitlines()
    only_statement(re.findall(r"LOG: +(?:statement|execute [^:]*): (.*)", "\n".join(lines)))


def commands(client, action):
    """How often each command ran on Redis during *action*."""
    client.config_resetstat()
    action()
    stats = client.info("commandstats").items()
    return {
        name.removeprefix("cmdstat_"): facts["calls"]
        for name, facts in stats
        if name not in ("cmdstat_info", "cmdstat_config")
    }


def test_one_rotation_is_one_script_on_redis(redis_url):
    app = new_app(redis_url)
    _, token = refresh(app, log_in(app)["refresh_token"])  # from now on Redis knows the script
    with redis.Redis.from_url(redis_url) as client:
        ran = commands(client, lambda: refresh(app, token))
    assert ran["evalsha"] == 1
    assert set(ran) <= {"evalsha", "hmget", "hset", "hdel"}, "the script's own"
    assert only_session(app).generation == 2


def test_a_redis_that_has_forgotten_its_scripts_is_sent_them_again(redis_url):
    app = new_app(redis_url)
    _, token = refresh(app, log_in(app)["refresh_token"])
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
        ran = commands(client, lambda: refresh(app, token))
    assert ran["evalsha"] == 2
    assert sum(calls for name, calls in ran.items() if name.startswith("script")) == 1, ran
    assert only_session(app).generation == 2


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
    assert sum("is unavailable" in message for message in messages) <= 3, messages
    assert any("is available again" in message for message in messages)


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


# what a million revoked sessions cost


def test_memory_of_revocations_that_matter():
    """At most 100 bytes for each."""
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


def test_old_revocations_are_not_read(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/s.db", 2)
    store.setup()
    with store.engine.connect() as connection:
        rows = [
            {"sid": f"{n:032x}", "subject": "x", "payload": "{}", "generation": 0, "created_at": 0.0,
             "rotated_at": 0.0, "expires_at": 9e9, "revoked_at": 1000.0 + n}
            for n in range(2000)
        ]  # fmt: skip
        connection.execute(sa.text(
            "INSERT INTO jwt_sessions (sid, subject, payload, generation, created_at, rotated_at, "
            "expires_at, revoked_at) VALUES (:sid, :subject, :payload, :generation, :created_at, "
            ":rotated_at, :expires_at, :revoked_at)"), rows)  # fmt: skip
    clock = AppClock(Clock(3000.0))
    revocations = Revocations(store, lifetime=310, staleness=10, clock=clock)
    revocations.check(f"{5000:032x}")
    assert len(revocations) == 310
    store.close()
