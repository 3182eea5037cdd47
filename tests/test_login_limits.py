"""How often a login may fail, where failures are counted, and the signals of logins."""

from __future__ import annotations

import logging
import sys
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from flask import abort
from werkzeug import Response
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_jwt import ConfigError, JWTError
from flask_jwt._login.names import normalize_username
from flask_jwt.errors import StoreUnavailable
from flask_jwt.stores import SessionStore
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock
from tests.servers import MariaDbServer, PostgresServer, RedisServer, until
from tests.stopwatch import Stopwatch
from tests.support import User, heard, make_app

USERS = {name: User(number, name) for number, name in enumerate(["joe", "ann", "bob"], 1)}


def build(clock, authenticate=None, **config):
    options = {"JWT_STORAGE_URI": "memory://", **config}
    app = make_app(clock=clock, users=list(USERS.values()), **options)
    if authenticate is not None:
        app.jwt.authentication_handler(authenticate)
    return app


@pytest.fixture
def app(clock):
    return build(clock)


def attempt(app, username="joe", password="wrong", address="203.0.113.7", **headers):
    return app.test_client().post(
        "/auth",
        json={"username": username, "password": password},
        environ_base={"REMOTE_ADDR": address},
        headers=headers,
    )


def statuses(app, count, **arguments):
    return [attempt(app, **arguments).status_code for _ in range(count)]


def wait_of(response):
    assert response.status_code == 429
    return int(response.headers["Retry-After"])


def test_a_thousand_wrong_passwords_are_ten_attempts(app, clock):
    responses = [attempt(app) for _ in range(1000)]
    assert [response.status_code for response in responses] == [401] * 10 + [429] * 990
    limited = responses[-1]
    assert limited.get_json() == {
        "status_code": 429,
        "error": "Too Many Requests",
        "description": "Too many failed logins; try again in 60 s",
        "code": "too_many_attempts",
    }
    assert attempt(app, password="pass").status_code == 429
    assert attempt(app, "ann", "pass").status_code == 200, "another at the same address"
    assert attempt(app, password="pass", address="198.51.100.1").status_code == 200, "elsewhere"
    clock.tick(wait_of(limited) + 1)
    assert attempt(app, password="pass").status_code == 200
    assert statuses(app, 10) == [401] * 10, "a success forgets the failures"


def test_the_wait_grows(app, clock):
    waits = []
    for _ in range(9):
        while (response := attempt(app)).status_code == 401:
            pass
        waits.append(wait_of(response))
        clock.tick(waits[-1] + 1)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert attempt(app, password="pass").status_code == 200
    assert statuses(app, 11) == [401] * 10 + [429]
    assert wait_of(attempt(app)) == 3600, "a success doesn't take back the strikes"
    clock.tick(3600 + 86400)
    assert statuses(app, 11) == [401] * 10 + [429]
    assert wait_of(attempt(app)) == 60, "they count for a day"


def test_retry_after_is_the_rest_of_the_wait(app, clock):
    statuses(app, 11)
    clock.tick(20)
    assert wait_of(attempt(app)) == 40


def test_each_limit_counts(clock):
    app = build(clock, JWT_LOGIN_LIMITS="10/minute; 15/hour")
    clock.now -= clock.now % 3600
    assert statuses(app, 9) == [401] * 9
    clock.tick(75)  # a minute and a quarter of it
    assert statuses(app, 7) == [401] * 6 + [429]
    assert wait_of(attempt(app)) == 3600


def test_an_address_is_limited_too(app):
    names = [f"user{number}" for number in range(12)]
    assert [attempt(app, name).status_code for name in names] == [401] * 10 + [429] * 2
    assert attempt(app, "joe", "pass").status_code == 429
    assert attempt(app, "joe", "pass", address="203.0.113.8").status_code == 200


def test_valid_logins_are_not_counted(app):
    assert statuses(app, 30, password="pass") == [200] * 30
    for name in ("joe", "ann", "bob") * 10:
        assert attempt(app, name, "pass").status_code == 200


@pytest.mark.parametrize(
    "variant",
    [
        "JOE",
        " joe",
        "joe ",
        "\uff4a\uff4f\uff45",
        "jo\u00e9",
        "joe\u0301",
        "j\u00adoe",
        "\u200bjoe",
    ],
)
def test_a_variant_of_a_name_is_the_same_account(app, variant):
    statuses(app, 10)
    assert attempt(app, variant).status_code == 429


def test_a_name_takes_time_as_its_length():
    """Combining marks of a whole name would be sorted, which takes the square of its length."""
    names = ["\u0301\u0327" * length for length in (20_000, 200_000)]
    normalize_username(names[0])
    # The time of the processor, and the shortest of some, because the machine may be busy.
    times = [
        min(
            timeit.repeat(
                partial(normalize_username, name), timer=time.process_time, number=1, repeat=3
            )
        )
        for name in names
    ]
    assert times[1] < 40 * times[0], "ten times the length"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("203.0.113.7:1024", "203.0.113.7:1025", True),
        ("203.0.113.7", "203.0.113.8:1024", False),
        ("[2001:db8::1]:1024", "2001:db8::2", True),
        ("[2001:db8::1", "2001:db8::2", True),
        ("not an address", "not an address", True),
    ],
)
def test_which_addresses_are_the_same(app, one, other, is_same):
    statuses(app, 10, address=one)
    assert (attempt(app, address=other).status_code == 429) is is_same


PROXIES = [
    ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
    ("192.168.1.1", {"X-Real-IP": "203.0.113.9"}),
    ("fd00::1", {"Forwarded": "for=203.0.113.9"}),
    ("172.16.0.1", {"Via": "1.1 proxy"}),
    ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
    ("127.0.0.1", {}),
    ("::1", {}),
    ("", {}),
]


@pytest.mark.parametrize(("address", "headers"), PROXIES)
def test_an_address_that_may_be_an_unknown_proxy_is_not_locked_out(clock, address, headers):
    app = build(clock)
    names = [f"user{number}" for number in range(30)]
    assert {attempt(app, name, address=address, **headers).status_code for name in names} == {401}
    assert attempt(app, "joe", "pass", address=address, **headers).status_code == 200


@pytest.mark.parametrize(("address", "headers"), PROXIES)
def test_an_account_is_limited_behind_an_unknown_proxy(clock, address, headers):
    app = build(clock)
    assert statuses(app, 11, username="ann", address=address, **headers) == [401] * 10 + [429]
    other = "10.0.0.2" if headers else address
    assert attempt(app, "ann", address=other, **headers).status_code == 429, "whichever proxy it is"


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("8.8.4.4", {"X-Forwarded-For": "198.51.100.1"}),
        ("10.0.0.1", {}),
        ("10.0.0.1", {"X": "1"}),
    ],
)
def test_any_other_address_is_locked_out(clock, address, headers):
    """Any client can send the headers of a proxy."""
    app = build(clock)
    names = [f"user{number}" for number in range(11)]
    codes = [attempt(app, name, address=address, **headers).status_code for name in names]
    assert codes == [401] * 10 + [429]


def test_an_unknown_proxy_is_reported_once_per_application(clock, caplog):
    apps = [build(clock), build(clock)]
    for app in apps:
        for number in range(3):
            headers = {"X-Forwarded-For": "203.0.113.9"}
            assert attempt(app, address=f"10.0.0.{number}", **headers).status_code == 401
    logged = [record.getMessage() for record in caplog.records if "ProxyFix" in record.getMessage()]
    assert len(logged) == 2, "not once for each address of the proxies"
    assert "10.0.0.0" in logged[0]


def test_addresses_behind_a_known_proxy_are_told_apart(clock, caplog):
    app = build(clock)
    app.wsgi_app = ProxyFix(app.wsgi_app)

    def code(name, forwarded):
        headers = {"X-Forwarded-For": forwarded}
        return attempt(app, name, address="10.0.0.1", **headers).status_code

    assert [code(f"user{n}", "203.0.113.1") for n in range(11)] == [401] * 10 + [429]
    assert code("joe", "203.0.113.2") == 401
    assert "ProxyFix" not in caplog.text


def test_a_proxy_that_sends_too_few_addresses_is_unknown(clock, caplog):
    """ProxyFix keeps the proxy's address if the header has fewer entries than it trusts."""
    app = build(clock)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=2)
    headers = {"X-Forwarded-For": "203.0.113.1"}
    names = [f"user{number}" for number in range(30)]
    codes = {attempt(app, name, address="10.0.0.1", **headers).status_code for name in names}
    assert codes == {401}
    assert "ProxyFix" in caplog.text


def test_an_error_of_the_handler_with_401_or_403_counts(clock):
    def reject(username, password):
        abort(401) if username == "joe" else None
        abort(Response(status=403)) if username == "bob" else None
        raise JWTError("Bad Request", "Your account is locked", 403)

    app = build(clock, reject)
    assert statuses(app, 11) == [401] * 10 + [429]
    assert statuses(app, 11, username="ann") == [403] * 10 + [429]
    assert statuses(app, 11, username="bob") == [403] * 10 + [429]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError("the database is down"), 500),
        (ServiceUnavailable(), 503),
        (HTTPException(response=Response(status=502)), 502),
        (JWTError("Down", "The database is down", 503), 503),
    ],
)
def test_a_handler_that_crashes_does_not_count(clock, error, status):
    def crash(username, password):
        raise error

    app = build(clock, crash)
    with heard(app, "authentication_failed") as events:
        assert statuses(app, 30) == [status] * 30
    assert not events
    app.jwt.authentication_handler(lambda username, password: None)
    assert statuses(app, 11) == [401] * 10 + [429]


def test_counters_in_memory_are_bounded(clock, monkeypatch):
    monkeypatch.setattr("flask_jwt.stores._counters.MOST_COUNTERS", 100)
    app = build(clock)
    counters = app.extensions["flask-jwt"].sessions.store.store._counters
    statuses(app, 11, username="ann", address="192.0.2.1")
    for number in range(200):
        attempt(app, f"user{number}", address=f"198.51.100.{number}")
    assert len(counters) <= 100
    assert statuses(app, 11) == [401] * 10 + [429]
    clock.tick(3 * 86400)
    for number in range(200):
        attempt(app, f"user{number}", address=f"198.51.100.{number}")
    assert len(app.extensions["flask-jwt"].sessions.store.store._counters) <= 100


def test_attempts_count_while_others_are_still_being_checked(clock):
    inside = []

    def slow(username, password):
        inside.append(username)
        if len(inside) < 30:
            attempt(app)  # while this one is being checked
        return

    app = build(clock, slow)
    attempt(app)
    assert len(inside) == 10


def test_threads_get_ten_attempts_together(app):
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(50):
            with ThreadPoolExecutor(16) as pool:
                tries = [
                    pool.submit(attempt, app, f"user{number}", address=f"192.0.2.{number}")
                    for _ in range(16)
                ]
                codes = [future.result().status_code for future in tries]
            assert sorted(codes) == [401] * 10 + [429] * 6
    finally:
        sys.setswitchinterval(switching)


@pytest.mark.parametrize("limits", [None, "1/second"])
def test_limits_are_live(app, limits):
    app.config["JWT_LOGIN_LIMITS"] = limits
    assert statuses(app, 20) == ([401] * 20 if limits is None else [401] + [429] * 19)


@pytest.mark.parametrize("address", ["", None])
def test_a_proxy_on_a_local_socket_is_reported(app, caplog, address):
    attempt(app, address=address, X_Forwarded_For="203.0.113.7")
    assert "ProxyFix" in caplog.text
    assert "on a local socket" in caplog.text


def test_limits_that_can_not_be_parsed_are_an_error_at_start(clock):
    with pytest.raises(ConfigError, match="10/minute; 100/hour"):
        build(clock, JWT_LOGIN_LIMITS="often")


def test_limits_are_parsed_at_start_without_a_login_endpoint_too(clock):
    with pytest.raises(ConfigError, match="10/minute; 100/hour"):
        build(clock, JWT_AUTH_URL_RULE=None, JWT_LOGIN_LIMITS="often")


def test_a_custom_view_is_limited(app):
    @app.post("/sign-in")
    def sign_in():
        user = app.jwt.authenticate("joe", "wrong")
        return app.jwt.log_in(user, label="phone")

    client = app.test_client()
    assert [client.post("/sign-in").status_code for _ in range(12)] == [401] * 10 + [429] * 2


# Where it is counted


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def shared_uri(request):
    return request.getfixturevalue(request.param)


@pytest.mark.servers
def test_processes_share_their_counters_in_redis(shared_uri):
    clock = Clock()
    one, other = (build(clock, JWT_STORAGE_URI=shared_uri) for _ in range(2))
    codes = [attempt(app, "shared").status_code for app in [one, other] * 6]
    assert codes == [401] * 10 + [429] * 2
    clock.tick(61)
    assert attempt(other, "shared").status_code == 401


@pytest.mark.servers
def test_redis_may_be_on_a_local_socket(tmp_path):
    path = tmp_path / "redis.sock"
    server = RedisServer("--unixsocket", str(path))
    try:
        server.start()
        one, other = (build(Clock(), JWT_STORAGE_URI=f"unix://{path}?db=1") for _ in range(2))
        codes = [attempt(app, "shared").status_code for app in [one, other] * 6]
        assert codes == [401] * 10 + [429] * 2
    finally:
        server.remove()


@pytest.mark.servers
def test_failures_are_counted_in_memory_while_redis_is_down(caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    server = RedisServer()
    try:
        app = build(Clock(), JWT_STORAGE_URI=server.start().url)
        app.jwt.authentication_handler(lambda username, password: USERS.get(password))
        assert statuses(app, 3) == [401] * 3
        server.kill()
        results = [attempt(app, address="203.0.113.99").status_code for _ in range(12)]
        assert results == [401] * 10 + [429] * 2, "they are counted in memory"
        logged = [r for r in caplog.records if "counts failed logins" in r.getMessage()]
        assert len(logged) == 1
        with app.test_request_context():
            assert app.jwt.authenticate("joe", "joe") is USERS["joe"]
    finally:
        server.remove()


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("name", ["postgres", "mariadb", "redis"])
def test_a_store_that_hangs_holds_up_no_login_for_longer_than_the_timeout(name):
    """Counters and sessions have one circuit breaker, so only one of them waits."""
    server = {"postgres": PostgresServer, "mariadb": MariaDbServer, "redis": RedisServer}[name]()
    try:
        app = build(time.time, JWT_STORAGE_URI=server.start().url, JWT_STORE_TIMEOUT=2)
        until(lambda: attempt(app, password="pass").status_code == 200, "the store")
        sessions = app.extensions["flask-jwt"].sessions
        server.freeze()
        # The timeout, a quarter of it for a probe, and less than a second call takes.
        longest = 2 + 0.5 + 1
        with Stopwatch() as watch:
            with pytest.raises(StoreUnavailable):
                sessions.store.get("a")
            time.sleep(1.1)  # until the circuit breaker lets a call through again
            start = watch.now()
            assert attempt(app, password="pass").status_code == 503, "its session can't be stored"
            assert watch.now() - start < longest
            start = watch.now()
            codes = [attempt(app, "ann").status_code for _ in range(11)]
            assert codes == [401] * 10 + [429]
            assert watch.now() - start < longest
        server.thaw()
        until(lambda: attempt(app, password="pass").status_code == 200, "the store", 20)
        sessions.close()
    finally:
        server.thaw()
        server.remove()


class Uncounted:
    """A store object of an application, which has only the methods of SessionStore."""

    def __init__(self):
        self._store = MemoryStore()

    def __getattr__(self, name):
        if name not in dir(SessionStore):
            raise AttributeError(name)
        return getattr(self._store, name)


def test_failures_are_counted_in_memory_for_a_store_without_counters(clock):
    app = make_app(clock=clock, users=list(USERS.values()), store=Uncounted())
    assert statuses(app, 11) == [401] * 10 + [429]
    assert attempt(app, "ann", "pass").status_code == 200


def test_limits_need_no_library(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "limits", None)
    app = build(clock, JWT_LOGIN_LIMITS="2/minute")
    assert statuses(app, 3) == [401] * 2 + [429]


# Signals


def test_logins_send_signals_without_passwords(app):
    names = ("authenticated", "authentication_failed", "login_limited")
    ip = "203.0.113.7"
    with heard(app, *names) as events:
        attempt(app, password="pass")
        statuses(app, 11, username="joe\n", password="se-cret")
    assert events[0] == ("authenticated", {"username": "joe", "ip": ip})
    assert events[1:11] == [("authentication_failed", {"username": "joe", "ip": ip})] * 10
    limited = {"username": "joe", "ip": ip, "retry_after": 60}
    assert events[11:] == [("login_limited", limited)]
    assert "pass" not in str(events)
    assert "se-cret" not in str(events)
