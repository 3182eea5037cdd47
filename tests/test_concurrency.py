"""Many threads and processes at once: one rotation for each refresh token, in one statement."""

from __future__ import annotations

import multiprocessing
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa

from tests.servers import stores, uri_of
from tests.support import bearer, claims_of, issue, make_app
from tests.workers import log_in, new_app, refresh, refresh_on_command, refresh_until_killed


@pytest.fixture(params=stores("sqlite", "postgres", "redis"))
def uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def app(uri):
    app = new_app(uri)
    yield app
    close(app)


def close(app):
    app.extensions["flask-jwt"].sessions.close()


def session_of(app, token):
    """Return the session of a token. Other tests have left sessions of the same user."""
    with app.app_context():
        return app.extensions["flask-jwt"].sessions.get(claims_of(token)["sid"])


def check_round(app, responses, sid, generation):
    """Assert that all callers hold the same token, and that there was one rotation."""
    assert {status for status, _ in responses} == {200}, responses
    (token,) = {token for _, token in responses}
    with app.app_context():
        assert app.extensions["flask-jwt"].sessions.get(sid).generation == generation
    return token


# Refreshes


@pytest.mark.parametrize(
    "rounds",
    [
        5,
        pytest.param(50, marks=pytest.mark.slow),
        pytest.param(500, marks=[pytest.mark.slow, pytest.mark.soak]),
    ],
)
def test_32_threads_refresh_one_token(app, rounds):
    token = log_in(app)["refresh_token"]
    sid = session_of(app, token).sid
    with ThreadPoolExecutor(32) as pool:
        for number in range(rounds):
            responses = list(pool.map(refresh, [app] * 32, [token] * 32))
            token = check_round(app, responses, sid, number + 1)


FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.workers"])


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [50, pytest.param(500, marks=pytest.mark.soak)])
def test_4_processes_refresh_one_token(app, uri, rounds):
    token = log_in(app)["refresh_token"]
    sid = session_of(app, token).sid
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
        for number in range(rounds):
            for pipe in pipes:
                pipe.send(token)
            responses = [response for pipe in pipes for response in pipe.recv()]
            assert len(responses) == 32
            token = check_round(app, responses, sid, number + 1)
    finally:
        for pipe in pipes:
            pipe.send(None)
            pipe.close()
        for process in processes:
            process.join(10)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [30, pytest.param(300, marks=pytest.mark.soak)])
def test_a_worker_killed_in_mid_rotation_loses_no_session(app, uri, kills):
    token = log_in(app)["refresh_token"]
    sid = session_of(app, token).sid
    for _ in range(kills):
        ours, theirs = FORK.Pipe(duplex=False)
        process = FORK.Process(target=refresh_until_killed, args=(uri, theirs, token), daemon=True)
        process.start()
        theirs.close()
        status, token = ours.recv()  # the worker refreshes from now on
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
    session = session_of(app, token)
    assert session.sid == sid
    assert refresh(app, token)[0] == 200


def test_after_the_grace_period_reuse_ends_the_session_for_every_process(app, uri):
    app.config["JWT_REFRESH_GRACE"] = 0.2
    old = log_in(app)["refresh_token"]
    sid = session_of(app, old).sid
    new = refresh(app, old)[1]
    time.sleep(0.3)
    assert refresh(app, old)[1]["code"] == "refresh_reused"
    other = new_app(uri)
    assert refresh(other, new)[1]["code"] == "token_revoked"
    with other.app_context():
        assert other.extensions["flask-jwt"].sessions.get(sid).revoked_at is not None
    close(other)


def only_statement(statements):
    (statement,) = statements
    assert statement.startswith("UPDATE jwt_sessions"), statement


def test_a_rotation_is_one_statement_on_sqlite(tmp_path):
    app = new_app(f"sqlite:///{tmp_path}/s.db")
    token = log_in(app)["refresh_token"]
    statements = []
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    sa.event.listen(engine, "checkout", lambda raw, *_: raw.set_trace_callback(statements.append))
    assert refresh(app, token)[0] == 200
    close(app)
    only_statement(statements)


def test_a_rotation_is_one_statement_on_postgresql(postgres):
    """The server counts, which sees transactions begin and end too."""
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
    """Return how often each command ran on Redis during *action*."""
    client.config_resetstat()
    action()
    stats = client.info("commandstats").items()
    return {
        name.removeprefix("cmdstat_"): entry["calls"]
        for name, entry in stats
        if name not in ("cmdstat_info", "cmdstat_config")
    }


def test_a_rotation_is_one_script_on_redis(redis_url):
    app = new_app(redis_url)
    _, token = refresh(app, log_in(app)["refresh_token"])  # from now on Redis has the script
    with redis.Redis.from_url(redis_url) as client:
        ran = commands(client, lambda: refresh(app, token))
    assert ran["evalsha"] == 1
    assert set(ran) <= {"evalsha", "hmget", "hset", "hdel"}, "the script's own"
    assert session_of(app, token).generation == 2


def test_a_redis_that_lost_its_scripts_gets_them_again(redis_url):
    app = new_app(redis_url)
    _, token = refresh(app, log_in(app)["refresh_token"])
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
        ran = commands(client, lambda: refresh(app, token))
    assert ran["evalsha"] == 2
    assert sum(calls for name, calls in ran.items() if name.startswith("script")) == 1, ran
    assert session_of(app, token).generation == 2


# The cache of verified tokens


def test_many_threads_share_one_small_cache(clock):
    app = make_app(clock=clock, JWT_CACHE_SIZE=5)
    tokens = [issue(app) for _ in range(20)]
    failures = []

    def work():
        client = app.test_client()
        for token in tokens * 5:
            if client.get("/protected", headers=bearer(token)).status_code != 200:
                failures.append(token)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(app.extensions["flask-jwt"].codecs.cache) <= 5
