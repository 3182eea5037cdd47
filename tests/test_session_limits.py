"""How many sessions a user may have, in what order they end, and how lists are cut into pages."""

from __future__ import annotations

import logging
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_jwt._sessions.manager import MOST_SESSIONS
from tests.servers import stores, uri_of
from tests.support import ANYONE, bearer, login

pytestmark = pytest.mark.slow


@pytest.fixture(params=stores("memory", "sqlite", "postgres", "mariadb", "redis"))
def uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def shop(make_app, uri):
    """Make an application whose users are unknown to other tests, which use the same servers."""

    def shop(**config):
        return make_app(
            users=ANYONE, JWT_STORAGE_URI=uri, JWT_STORAGE_NAMESPACE=secrets.token_hex(4),
            JWT_LOGIN_LIMITS=None, **config,
        )  # fmt: skip

    return shop


def log_in(app, name="joe"):
    response = login(app.test_client(), name)
    assert response.status_code == 200, response.text
    return response.get_json()


def is_logged_in(app, tokens):
    response = app.test_client().post("/auth/refresh", headers=bearer(tokens["refresh_token"]))
    assert response.status_code in (200, 401)
    return response.status_code == 200


@pytest.mark.parametrize("limit", [1, 3])
def test_the_newest_logins_remain(shop, limit):
    app = shop(JWT_MAX_SESSIONS=limit)
    logins = [log_in(app) for _ in range(limit + 2)]
    assert [is_logged_in(app, tokens) for tokens in logins] == [False, False, *[True] * limit]


def test_the_store_and_no_clock_decides_which_login_is_the_newest(shop):
    """The clock of the server of the second login is a minute slow."""
    app = shop(JWT_MAX_SESSIONS=1)
    first = log_in(app)
    app.clock.tick(-60)
    second = log_in(app)
    assert [is_logged_in(app, tokens) for tokens in (first, second)] == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "logins"), [(1, 2), (1, 6), (3, 6)])
def test_simultaneous_logins_leave_as_many_as_are_allowed(shop, limit, logins):
    app = shop(JWT_MAX_SESSIONS=limit)
    log_in(app)
    with ThreadPoolExecutor(logins) as pool:
        for number in range(10):
            name = f"user {number}"
            made = list(pool.map(lambda _, name=name: log_in(app, name), range(logins)))
            remaining = [is_logged_in(app, tokens) for tokens in made]
            assert sum(remaining) == limit, f"all {logins} got a 200 response"
            with app.app_context():
                assert len(app.jwt.sessions.list(name)) == limit


@pytest.fixture
def few_sessions(monkeypatch):
    """Lower the limit that applies if an application has none."""
    monkeypatch.setattr("flask_jwt._sessions.manager.MOST_SESSIONS", 3)


@pytest.mark.usefixtures("few_sessions")
def test_without_a_limit_the_session_unused_longest_ends_and_the_log_says_so(shop, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    app = shop()
    first, *others = [log_in(app) for _ in range(3)]
    app.clock.tick(10)
    assert is_logged_in(app, first)  # which uses it
    app.clock.tick(10)
    caplog.clear()
    others.append(log_in(app))
    assert "The user 'joe' had more than 3 active sessions" in caplog.text
    with app.app_context():
        assert len(app.jwt.sessions.list("joe")) == 3
    assert [is_logged_in(app, tokens) for tokens in others].count(False) == 1
    caplog.clear()
    log_in(app, "someone else")
    assert caplog.text == ""


@pytest.mark.usefixtures("few_sessions")
def test_a_login_without_a_limit_does_not_end_its_own_session(shop):
    """A new session's times are whole seconds, so refreshed ones look as if they were used later."""
    app = shop()
    app.clock.tick(0.5)
    for _ in range(3):
        assert is_logged_in(app, log_in(app))
    assert is_logged_in(app, log_in(app))


def test_the_limit_without_an_option(shop):
    assert MOST_SESSIONS == 100
    app = shop()
    with app.app_context():
        for _ in range(101):
            app.jwt.sessions.start("joe")
        assert len(list(app.jwt.sessions.iterate("joe"))) == 100


def test_a_larger_limit_may_be_set(shop):
    app = shop(JWT_MAX_SESSIONS=105)
    with app.app_context():
        for _ in range(106):
            app.jwt.sessions.start("joe")
        assert len(app.jwt.sessions.list("joe")) == 100, "a page"
        assert len(app.jwt.sessions.list("joe", limit=1000)) == 105
        assert len(list(app.jwt.sessions.iterate("joe"))) == 105
        assert app.jwt.sessions.revoke_all("joe") == 105


# Pages


def sids(app, token, query=""):
    response = app.test_client().get(f"/auth/sessions{query}", headers=bearer(token))
    assert response.status_code == 200, response.text
    return [session["sid"] for session in response.get_json()["sessions"]]


def test_the_view_has_pages(shop):
    app = shop()
    token = [log_in(app)["access_token"] for _ in range(5)][-1]
    everything = sids(app, token)
    assert len(everything) == 5
    assert sids(app, token, "?limit=2") == everything[:2]
    assert sids(app, token, f"?limit=2&after={everything[1]}") == everything[2:4]
    assert sids(app, token, f"?after={everything[3]}") == everything[4:]
    assert sids(app, token, f"?after={everything[4]}") == []
    assert sids(app, token, "?limit=9999") == everything


@pytest.mark.parametrize("uri", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?limit=0", 400, "login_malformed"),
        ("?limit=-1", 400, "login_malformed"),
        ("?limit=", 400, "login_malformed"),
        ("?limit=x", 400, "login_malformed"),
        ("?limit=1_0", 400, "login_malformed"),
        ("?limit=%D9%A1", 400, "login_malformed"),
        ("?limit=10000000000000000000000", 400, "login_malformed"),
        ("?after=", 404, "session_unknown"),
        ("?after=x", 404, "session_unknown"),
        (f"?after={'0' * 32}", 404, "session_unknown"),
        ("?after=another user's", 404, "session_unknown"),
    ],
)
def test_what_a_client_sends_for_a_page_is_checked(shop, query, status, code):
    app = shop()
    token = log_in(app)["access_token"]
    theirs = sids(app, log_in(app, "eve")["access_token"])[0]
    query = query.replace("another user's", theirs)
    response = app.test_client().get(f"/auth/sessions{query}", headers=bearer(token))
    assert (response.status_code, response.get_json()["code"]) == (status, code)
