"""A store that hangs delays no request for longer than it must."""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest

import flask_jwt._sessions.revocations as revocations_module
from tests.servers import stores, until, uri_of
from tests.stopwatch import Stopwatch
from tests.support import claims_of, get
from tests.workers import log_in, new_app

pytestmark = pytest.mark.slow

HANGING = {
    "postgres": "postgres", "pgbouncer": "pgbouncer", "mariadb": "mariadb",
    "mysqlclient": "mariadb", "redis": "redis_server", "redis_sentinel": "redis_primary",
    "redis_cluster": "redis_cluster",
}  # fmt: skip


@pytest.fixture(params=stores(*HANGING))
def kind(request):
    return request.param


@pytest.fixture
def servers(kind, request):
    server = request.getfixturevalue(HANGING[kind])
    servers = getattr(server, "servers", [server])
    yield servers
    for each in servers:
        each.thaw()


def count_polls(sessions):
    """Return a list that gets an element for each poll from now on."""
    store, polls = sessions.store.store.store, []
    original = store.read_revocations

    def read_revocations(*arguments, **options):
        polls.append(time.monotonic())
        return original(*arguments, **options)

    store.read_revocations = read_revocations
    return polls


def test_a_poll_ahead_of_time_delays_a_request_by_100_ms(
    kind, servers, request, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.WARNING, "flask_jwt")
    app = new_app(uri_of(kind, request, tmp_path), JWT_REVOCATION_CHECK=60, JWT_STORE_TIMEOUT=5)
    passed, began = 0, time.monotonic()
    app.extensions["flask-jwt"].clock.monotonic = lambda: began + passed
    token = log_in(app)["access_token"]
    assert get(app, "/protected", token).status_code == 200
    passed += 31  # half of the time has passed, so a request polls
    sessions = app.extensions["flask-jwt"].sessions
    polls = count_polls(sessions)
    for server in servers:
        server.freeze()
    took, real = [], []
    with Stopwatch() as watch:
        for _ in range(20):
            times = watch.now(), time.monotonic()
            assert get(app, "/protected", token).status_code == 200
            took.append(watch.now() - times[0])
            real.append(time.monotonic() - times[1])
    assert max(real) > 0.05, "the request has polled"
    assert max(took) < 2.5, "100 ms on an idle machine, and not the 5 s of the timeout"
    assert len(polls) == 1
    for server in servers:
        server.thaw()
    with app.app_context():  # a server that has just gone on may need more than 100 ms
        until(lambda: sessions.list(1) is not None, "the store responds again")
    monkeypatch.setattr(revocations_module, "EARLY_WAIT", 5.0)  # as may a busy machine
    # mysqlclient needs a second to connect, so it polls when it must.
    passed += 60 if kind == "mysqlclient" else 2
    revocations = sessions.revocations
    before = revocations._polled_at
    assert get(app, "/protected", token).status_code == 200
    assert revocations._polled_at > before
    assert caplog.text == "", "no outage: a login would have waited longer"
    app.extensions["flask-jwt"].sessions.close()


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql+psycopg://postgres@{}/postgres",
        "mysql+pymysql://root@{}/tested",
        "mysql+mysqldb://root@{}/tested",
        "redis://{}/0",
        "redis+sentinel://{}/main",
        "redis+cluster://{}",
    ],
)
def test_all_threads_of_a_new_worker_get_a_response_from_a_store_that_is_silent(uri):
    """The first thread connects and sets up the tables; the others wait for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        app = new_app(
            uri.format(f"127.0.0.1:{listener.getsockname()[1]}"),
            JWT_STORE_TIMEOUT=2, JWT_LOGIN_LIMITS=None, JWT_REVOCATION_CHECK=5,
        )  # fmt: skip
        took, statuses = [], []

        def work(number):
            time.sleep(number * 0.05)
            began = watch.now()
            client = app.test_client()
            json = {"username": f"user {number}", "password": "pass"}
            statuses.append(client.post("/auth", json=json).status_code)
            took.append(watch.now() - began)

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(16)]
        with Stopwatch() as watch:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert statuses == [503] * 16
        assert max(took) < 3.9, "the timeout, a quarter for a probe, and a margin; not twice that"
        app.extensions["flask-jwt"].sessions.close()


def test_waiting_for_another_request_s_poll_is_no_lock(tmp_path):
    """A logout is remembered although a poll is under way."""
    app = new_app(f"sqlite:///{tmp_path}/s.db", JWT_REVOCATION_CHECK=5)
    sessions = app.extensions["flask-jwt"].sessions
    tokens = log_in(app)
    store, began, go_on = sessions.store.store.store, threading.Event(), threading.Event()
    original = store.read_revocations

    def wait(*arguments, **options):
        began.set()
        assert go_on.wait(10)
        return original(*arguments, **options)

    store.read_revocations = wait
    thread = threading.Thread(target=get, args=(app, "/protected", tokens["access_token"]))
    thread.start()
    assert began.wait(10)
    with app.app_context():
        assert sessions.revoke(claims_of(tokens["access_token"])["sid"])
    assert len(sessions.revocations) == 1
    go_on.set()
    thread.join(10)
    sessions.close()
