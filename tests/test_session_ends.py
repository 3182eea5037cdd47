"""What ends with a session, and what ends a session: its access tokens, a logout, another login."""

from __future__ import annotations

from datetime import timedelta

import pytest

import flask_jwt
from flask_jwt import JWT
from flask_jwt.errors import StoreUnavailable
from flask_jwt.extended import JWTManager
from flask_jwt.stores.memory import MemoryStore
from tests.support import Browser, bearer, body_of, claims_of, code, heard, login, make_app

PROFILES = {"flask_jwt": JWT, "extended": JWTManager}


@pytest.fixture(params=PROFILES)
def shop(request, clock):
    """An application with sessions, under both extension classes."""
    app = make_app(
        PROFILES[request.param],
        users=False,
        clock=clock,
        guards={"/view": {}},
        JWT_STORAGE_URI="memory://",
        JWT_ACCESS_TOKEN_EXPIRES=300,
        JWT_AUTH_URL_RULE="/auth",
        JWT_HEADER_TYPE="Bearer",
    )
    app.jwt.authentication_handler(lambda name, password: name)
    return app


def log_in(app):
    return login(app.test_client()).get_json()


def log_out(app, token, **body):
    return app.test_client().post("/auth/logout", headers=bearer(token), json=body)


# Access tokens end with the idle limit of their session


@pytest.mark.parametrize(
    ("idle", "lifetime", "expected"),
    [
        (None, 300, 300),
        (1000, 300, 300),
        (120, 300, 120),
        (120, False, 120),
        (timedelta(seconds=60), 300, 60),
        (None, False, 30 * 86400),
    ],
)
@pytest.mark.parametrize("step", ["login", "refresh", "repeated refresh"])
def test_an_access_token_ends_with_its_session(shop, clock, idle, lifetime, expected, step):
    shop.config.update(
        JWT_SESSION_IDLE=idle,
        JWT_ACCESS_TOKEN_EXPIRES=lifetime,
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=30),
    )
    started_at = clock()
    tokens = log_in(shop)
    for _ in ["login", "refresh", "repeated refresh"].index(step) * [0]:
        clock.tick(10)
        headers = bearer(tokens["refresh_token"])
        new = shop.test_client().post("/auth/refresh", headers=headers).get_json()
        tokens["access_token"] = new["access_token"]
    now = clock()
    if step == "repeated refresh" and expected in {60, 120}:
        expected -= 10  # the repetition doesn't extend the idle limit
    if expected == 30 * 86400:
        now = started_at  # the absolute limit
    assert claims_of(tokens["access_token"])["exp"] == int(now) + expected


def test_an_access_token_of_a_renewal_ends_with_its_session(make_pages, clock):
    app = make_pages(JWT_SESSION_IDLE=120)
    browser = Browser(app)
    browser.sign_in()
    clock.tick(100)
    browser.delete_cookie("access_token_cookie")
    browser.get("/page")
    # The renewal has extended the limit.
    assert claims_of(browser.cookies["access_token_cookie"])["exp"] == int(clock()) + 120


# A logout


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("scope", ["local", "others", "global"])
def test_a_logout_takes_either_token(shop, which, scope):
    tokens, other = log_in(shop), log_in(shop)
    expected = {"local": 1, "others": 1, "global": 2}[scope]
    response = log_out(shop, tokens[which], scope=scope)
    assert body_of(response) == (200, {"revoked": expected})
    refresh = shop.test_client().post("/auth/refresh", headers=bearer(other["refresh_token"]))
    assert refresh.status_code == (200 if scope == "local" else 401)


def repeated(app, clock, tokens, which):
    assert log_out(app, tokens[which]).status_code == 200


def revoked_elsewhere(app, clock, tokens, which):
    with app.app_context():
        app.jwt.sessions.revoke(claims_of(tokens["access_token"])["sid"])


def logged_out_everywhere(app, clock, tokens, which):
    assert log_out(app, tokens[which], scope="global").status_code == 200


def expired_by_idleness(app, clock, tokens, which):
    app.config["JWT_SESSION_IDLE"] = 100
    tokens.update(log_in(app))
    clock.tick(200)
    tokens["access_token"] = tokens["refresh_token"]  # the access token has expired


ENDS = [repeated, revoked_elsewhere, logged_out_everywhere, expired_by_idleness]


@pytest.mark.parametrize("check", [0, 60, None])
@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("end", ENDS)
def test_a_token_of_an_ended_session_completes_its_logout(shop, clock, end, which, check):
    shop.config.update(JWT_REVOCATION_CHECK=check, JWT_DECODE_LEEWAY=10)
    tokens = log_in(shop)
    end(shop, clock, tokens, which)
    with heard(shop, "session_revoked") as events:
        assert body_of(log_out(shop, tokens[which])) == (200, {"revoked": 0})
    assert events == [] or end is expired_by_idleness


def test_an_expired_refresh_token_completes_its_logout(shop, clock):
    token = log_in(shop)["refresh_token"]
    clock.tick(31 * 86400)
    assert body_of(log_out(shop, token)) == (200, {"revoked": 0})


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("scope", ["others", "global"])
def test_a_token_of_an_ended_session_ends_no_other(shop, which, scope):
    tokens, other = log_in(shop), log_in(shop)
    log_out(shop, tokens[which])
    assert log_out(shop, tokens[which], scope=scope).status_code == 401
    headers = bearer(other["refresh_token"])
    assert shop.test_client().post("/auth/refresh", headers=headers).status_code == 200


def test_tokens_without_a_session_can_not_log_out(shop):
    with shop.app_context():
        token = flask_jwt.create_access_token("joe")
    assert log_out(shop, token).status_code == 404


@pytest.mark.parametrize("token", ["rubbish", "a.b.c", ""])
def test_a_logout_needs_a_valid_token(shop, token):
    assert log_out(shop, token).status_code in (401, 422)


def test_an_expired_access_token_can_not_log_out(shop, clock):
    """Its session goes on, so the client has to refresh, or send the refresh token."""
    token = log_in(shop)["access_token"]
    clock.tick(400)
    assert log_out(shop, token).status_code == 401


def test_a_user_who_is_gone_can_log_out(make_app):
    app = make_app(JWT_STORAGE_URI="memory://")
    token = log_in(app)["access_token"]
    app.users.clear()
    response = app.test_client().post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert body_of(response) == (200, {"revoked": 1})


@pytest.mark.parametrize("seconds", [0, 400])
@pytest.mark.parametrize("domain", [None, "localhost"])
def test_a_browser_completes_its_logout(pages, browser, clock, seconds, domain):
    browser.sign_in()
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    clock.tick(seconds)
    pages.config["JWT_COOKIE_DOMAIN"] = domain
    response = browser.post("/auth/logout", accept="*/*")
    assert body_of(response) == (200, {"revoked": 0})
    assert not browser.cookies
    lines = response.headers.getlist("Set-Cookie")
    assert len(lines) == (4 if domain is None else 8)


def test_a_forged_logout_of_an_ended_session_is_rejected(pages, browser):
    browser.sign_in()
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    assert browser.post("/auth/logout", accept="*/*", site="cross-site").status_code == 403


# Another login


def sessions_of(app, user=1):
    with app.app_context():
        return len(app.jwt.sessions.list(user))


@pytest.mark.parametrize("cookies", ["both", "access", "refresh"])
def test_a_login_ends_the_session_that_it_replaces(pages, browser, cookies):
    browser.sign_in()
    for name in {"access", "refresh"} - {cookies} if cookies != "both" else ():
        browser.delete_cookie(f"{name}_token_cookie")
    with heard(pages, "session_revoked") as events:
        browser.sign_in()
    assert (len(events), sessions_of(pages)) == (1, 1)
    assert browser.get("/page").status_code == 200


def expired_access_and_no_refresh(browser, clock):
    browser.delete_cookie("refresh_token_cookie")
    clock.tick(400)


def changed_cookies(browser, clock):
    for name in ("access_token_cookie", "refresh_token_cookie"):
        browser.set_cookie(name, browser.cookies[name][:-2] + "AA", secure=True)


@pytest.mark.parametrize("change", [expired_access_and_no_refresh, changed_cookies])
def test_a_login_ends_no_session_whose_cookie_is_invalid(pages, browser, clock, change):
    browser.sign_in()
    change(browser, clock)
    browser.sign_in()
    assert sessions_of(pages) == 2


def test_a_login_that_fails_ends_no_session(pages, browser):
    browser.sign_in()
    assert browser.sign_in(password="wrong").status_code in (303, 401)
    assert sessions_of(pages) == 1


def test_another_users_login_ends_the_session_too(pages, browser):
    """The browser no longer has its cookies, so no one could log out."""
    browser.sign_in()
    pages.users[0].id = 2
    browser.sign_in()
    assert (sessions_of(pages, 1), sessions_of(pages, 2)) == (0, 1)


def test_a_login_with_json_ends_no_session(make_pages):
    """Its tokens replace no cookies."""
    app = make_pages(JWT_TOKEN_LOCATION=["headers", "cookies"])
    browser = Browser(app)
    browser.sign_in()
    assert "access_token" in login(browser).get_json()
    assert sessions_of(app) == 2


@pytest.mark.parametrize("keep", [False, True])
def test_log_in_may_keep_the_session(pages, browser, keep):
    pages.add_url_rule("/as", "as", lambda: pages.jwt.log_in(pages.users[0], keep=keep))
    browser.sign_in()
    browser.get("/as")
    assert sessions_of(pages) == (2 if keep else 1)


class NoRevocations(MemoryStore):
    def revoke(self, *args, **kwargs):
        raise StoreUnavailable


def test_a_login_succeeds_though_the_old_session_can_not_be_ended(make_pages, caplog):
    app = make_pages(store=NoRevocations())
    browser = Browser(app)
    browser.sign_in()
    before = browser.cookies
    assert code(browser.sign_in())[0] == 303
    assert browser.cookies != before
    assert "login replaces" in caplog.text
