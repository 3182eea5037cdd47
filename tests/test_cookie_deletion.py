"""Which cookies the guard deletes: those whose session is known to have ended, and no others.

A browser may also send several cookies of one name, which differ in their domain or path; then the
one that is valid counts.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Response

import flask_jwt
from flask_jwt import jwt_required, set_access_cookies, set_refresh_cookies
from flask_jwt.errors import TokenRevoked
from flask_jwt.extended import JWTManager
from tests.support import OTHER_SECRET, Browser, code, heard, issue, make_app

ACCESS_LIFETIME = 400
DAYS_31 = 31 * 86400


def get(app, path, cookies, **headers):
    """Send a request with these cookies, pairs of a name and a value."""
    header = "; ".join(f"{name}={value}" for name, value in cookies)
    headers = {"Cookie": header, "Sec-Fetch-Site": "same-origin", **headers}
    client = app.test_client(use_cookies=False)
    return client.get(path, headers=headers, base_url="https://localhost")


def deleted(response):
    """Return the names of the cookies that a response deletes, and their domains."""
    lines = [line for line in response.headers.getlist("Set-Cookie") if "Expires=Thu, 01" in line]
    return {
        (line.partition("=")[0], line.partition("Domain=")[2].partition(";")[0]) for line in lines
    }


NAMES = ["access_token_cookie", "csrf_access_token", "csrf_refresh_token", "refresh_token_cookie"]


def all_names(*domains):
    return {(name, domain) for name in NAMES for domain in domains}


# Tokens that are rejected while their session goes on


def expired_access(app, browser):
    """As it is sent if the refresh cookie has the path of the refresh endpoint."""
    app.clock.tick(ACCESS_LIFETIME)
    browser.delete_cookie("refresh_token_cookie")


def malformed_access(app, browser):
    browser.set_cookie("access_token_cookie", "rubbish", secure=True)
    browser.delete_cookie("refresh_token_cookie")


def malformed_refresh(app, browser):
    browser.delete_cookie("access_token_cookie")
    browser.set_cookie("refresh_token_cookie", "rubbish", secure=True)


def changed_key(app, browser):
    app.config["SECRET_KEY"] = OTHER_SECRET


def clock_behind(app, browser):
    """Another server, whose clock is behind by more than the leeway, verifies the cookies."""
    app.clock.tick(-70)


def refresh_token_for_access(app, browser):
    token = browser.cookies["refresh_token_cookie"]
    browser.set_cookie("access_token_cookie", token, secure=True)
    browser.delete_cookie("refresh_token_cookie")


def blocklisted(app, browser):
    app.jwt.token_in_blocklist_loader(lambda header, claims: True)


def blocklisted_refresh(app, browser):
    app.jwt.token_in_blocklist_loader(lambda header, claims: True)
    browser.delete_cookie("access_token_cookie")


def rejected_claims(app, browser):
    app.jwt.token_verification_loader(lambda header, claims: False)


def rejected_by_a_handler(app, browser):
    @app.jwt.token_verification_loader
    def reject(header, claims):
        raise TokenRevoked


def stale_login(app, browser):
    app.clock.tick(120)


REJECTIONS = [
    expired_access, malformed_access, malformed_refresh, changed_key, clock_behind,
    refresh_token_for_access, blocklisted, blocklisted_refresh, rejected_claims,
    rejected_by_a_handler, stale_login,
]  # fmt: skip


@pytest.mark.parametrize("reject", REJECTIONS)
@pytest.mark.parametrize("path", ["/view", "/home"])
def test_the_rejection_of_a_token_costs_no_cookie(pages, browser, reject, path):
    pages.add_url_rule("/view", "view", jwt_required(fresh=timedelta(minutes=1))(lambda: "view"))
    browser.sign_in()
    reject(pages, browser)
    before = browser.cookies
    response = browser.get(path, accept="*/*")
    if path == "/view":
        assert response.status_code == 401
    assert deleted(response) == set()
    assert browser.cookies == before


@pytest.mark.parametrize("seconds", [2, 59])
def test_a_slow_clock_costs_no_cookie_under_extended(clock, seconds):
    """Without a leeway, "not yet valid" is all that it takes."""
    app = make_app(
        JWTManager,
        users=False,
        clock=clock,
        guards={},
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_STORAGE_URI="memory://",
        JWT_COOKIE_SECURE=True,
    )
    app.add_url_rule("/log-in", "log_in", lambda: app.jwt.log_in("1"))
    app.add_url_rule("/view", "view", jwt_required()(lambda: "view"))
    browser = Browser(app)
    browser.get("/log-in")
    clock.tick(-seconds)
    response = browser.get("/view")
    assert deleted(response) == set()
    clock.tick(seconds)
    assert browser.get("/view").status_code == 200


# Sessions that have ended


def revoked(app, browser):
    with app.app_context():
        app.jwt.sessions.revoke_all(1)


def revoked_later(app, browser):
    revoked(app, browser)
    app.clock.tick(ACCESS_LIFETIME)


def expired_session(app, browser):
    app.clock.tick(DAYS_31)


def idle_session(app, browser):
    app.clock.tick(86400 + 1)


def reused(app, browser):
    app.clock.tick(ACCESS_LIFETIME)
    browser.copy().get("/page")
    app.clock.tick(ACCESS_LIFETIME)


def user_gone(app, browser):
    app.users.clear()


def user_gone_later(app, browser):
    app.users.clear()
    app.clock.tick(ACCESS_LIFETIME)


ENDS = [revoked, revoked_later, expired_session, idle_session, reused, user_gone, user_gone_later]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("path", ["/page", "/home"])
def test_the_end_of_the_session_deletes_the_cookies(make_pages, end, path):
    app = make_pages(JWT_SESSION_IDLE=86400)
    browser = Browser(app)
    browser.sign_in()
    end(app, browser)
    response = browser.get(path, accept="*/*")
    assert response.status_code == (401 if path == "/page" else 200)
    assert deleted(response) == all_names("")
    assert not browser.cookies


@pytest.mark.parametrize("end", ENDS)
def test_with_a_domain_the_host_only_cookies_go_too(make_pages, end):
    """They are from before the option was set."""
    app = make_pages(JWT_SESSION_IDLE=86400)
    browser = Browser(app)
    browser.sign_in()
    end(app, browser)
    app.config["JWT_COOKIE_DOMAIN"] = "localhost"
    assert deleted(browser.get("/page")) == all_names("", "localhost")


@pytest.mark.parametrize(
    ("option", "argument", "warns"),
    [(None, None, False), (None, "example.com", True), ("example.com", None, False),
     ("example.com", ".example.com", False), ("example.com", "shop.example.com", True)],
)  # fmt: skip
def test_a_domain_that_the_guard_does_not_know_is_a_warning(option, argument, warns, recwarn):
    """It would renew and delete other cookies than those that a view has set."""
    app = make_app(JWT_COOKIE_DOMAIN=option, JWT_STORAGE_URI="memory://")
    with app.app_context():
        tokens = app.jwt.sessions.start(1)
        for _ in range(2):
            set_access_cookies(Response(), tokens.access_token, domain=argument)
            set_refresh_cookies(Response(), tokens.refresh_token, domain=argument)
    texts = [str(warning.message) for warning in recwarn]
    assert len(texts) == warns
    assert not warns or f"Set JWT_COOKIE_DOMAIN = '{argument}'" in texts[0]


def test_a_domain_is_no_mistake_without_sessions(recwarn):
    app = make_app()
    with app.app_context():
        set_access_cookies(Response(), issue(app), domain="example.com")
    assert not recwarn.list


# Several cookies of one name


@pytest.fixture
def twins(pages, clock):
    """Return the cookies of an old session and of a new one, as a browser sends them."""

    def log_in():
        browser = Browser(pages)
        browser.sign_in()
        # Later, another login from this browser would end the session.
        return [(name, browser.cookies[name]) for name in sorted(browser.cookies)]

    old = log_in()
    with pages.app_context():
        (session,) = pages.jwt.sessions.list(1)
    new = log_in()
    pages.old_sid = session.sid
    return old, new


def revoke_old(app):
    with app.app_context():
        app.jwt.sessions.revoke(app.old_sid)


def only(cookies, *names):
    return [(name, value) for name, value in cookies if name in names]


ACCESS, REFRESH = "access_token_cookie", "refresh_token_cookie"


@pytest.mark.parametrize("domain", [None, "localhost"])
@pytest.mark.parametrize("is_expired", [False, True])
@pytest.mark.parametrize("order", ["old first", "new first"])
def test_the_cookie_of_the_session_that_goes_on_counts(
    pages, clock, twins, domain, is_expired, order
):
    old, new = twins
    revoke_old(pages)
    pages.config["JWT_COOKIE_DOMAIN"] = domain
    if is_expired:
        clock.tick(ACCESS_LIFETIME)
    cookies = old + new if order == "old first" else new + old
    response = get(pages, "/page", cookies)
    assert response.status_code == 200
    # The old one is only noticed where it comes first.
    is_noticed = domain is not None and order == "old first"
    assert deleted(response) == (all_names("") if is_noticed else set())


@pytest.mark.parametrize("rubbish", ["rubbish", "a.b.c", "\x01", "x" * 3000])
@pytest.mark.parametrize("name", [ACCESS, REFRESH])
@pytest.mark.parametrize("domain", [None, "localhost"])
def test_a_cookie_of_someone_else_is_ignored(pages, clock, twins, rubbish, name, domain):
    """Another application on the host may use the name; what can't be verified isn't deleted."""
    pages.config["JWT_COOKIE_DOMAIN"] = domain
    _, new = twins
    if name == REFRESH:
        new = only(new, REFRESH)
    response = get(pages, "/page", [(name, rubbish), *new])
    assert response.status_code == 200
    assert deleted(response) == set()


@pytest.mark.parametrize("twin", ["user gone", "blocklisted", "stale login", "rejected claims"])
def test_what_is_rejected_after_its_verification_does_not_hide_the_other(make_pages, clock, twin):
    app = make_pages()
    app.add_url_rule("/view", "view", jwt_required(fresh=True)(lambda: "view"))
    old = Browser(app)
    old.sign_in()
    first = old.cookies[ACCESS]
    if twin == "stale login":
        clock.tick(ACCESS_LIFETIME)
        old.get("/page")
        first = old.cookies[ACCESS]
    new = Browser(app)
    new.sign_in()
    second = new.cookies[ACCESS]
    with app.app_context():
        jti = flask_jwt.decode_token(first)["jti"]
    if twin == "user gone":
        seen = []

        @app.jwt.identity_handler
        def identity(claims):
            seen.append(claims["jti"])
            return None if claims["jti"] == jti else app.users[0]

    if twin == "blocklisted":
        app.jwt.token_in_blocklist_loader(lambda header, claims: claims["jti"] == jti)
    if twin == "rejected claims":
        app.jwt.token_verification_loader(lambda header, claims: claims["jti"] != jti)
    response = get(app, "/view", [(ACCESS, first), (ACCESS, second)])
    assert response.status_code == 200
    assert deleted(response) == set()


def test_if_all_sessions_have_ended_all_cookies_go(pages, twins):
    old, new = twins
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    response = get(pages, "/page", old + new)
    assert code(response) == (401, "token_revoked")
    assert deleted(response) == all_names("")


@pytest.mark.parametrize("order", ["old first", "new first"])
@pytest.mark.parametrize("path", ["/page", "/auth/refresh"])
def test_an_old_token_beside_the_current_one_is_no_reuse(pages, clock, order, path):
    """As when JWT_COOKIE_DOMAIN was set while the session went on."""
    browser = Browser(pages)
    browser.sign_in()
    old = browser.cookies[REFRESH]
    clock.tick(ACCESS_LIFETIME)
    browser.get("/page")
    new = browser.cookies[REFRESH]
    clock.tick(ACCESS_LIFETIME)
    pair = [(REFRESH, old), (REFRESH, new)]
    cookies = "; ".join(f"{n}={v}" for n, v in (pair if order == "old first" else pair[::-1]))
    method = "POST" if path == "/auth/refresh" else "GET"
    with heard(pages, "refresh_token_reused", "session_refreshed") as events:
        response = pages.test_client(use_cookies=False).open(
            path,
            method=method,
            headers={"Cookie": cookies, "Sec-Fetch-Site": "same-origin"},
            base_url="https://localhost",
        )
    assert response.status_code < 400, response.text
    assert [name for name, _ in events] == ["session_refreshed"]


@pytest.mark.parametrize("order", ["old first", "new first"])
def test_a_guard_for_refresh_tokens_takes_the_one_that_is_valid(pages, twins, order):
    pages.config["PROPAGATE_EXCEPTIONS"] = None
    old, new = (only(cookies, REFRESH) for cookies in twins)
    revoke_old(pages)
    cookies = old + new if order == "old first" else new + old
    header = "; ".join(f"{name}={value}" for name, value in cookies)
    with pages.test_request_context("/", headers={"Cookie": header}):
        flask_jwt.verify_jwt_in_request(refresh=True)
        assert flask_jwt.get_jwt()["sid"] != pages.old_sid


def test_the_csrf_value_of_a_form_is_the_valid_cookies(pages, twins):
    old, new = twins
    revoke_old(pages)
    response = get(pages, "/page", only(old, ACCESS) + only(new, ACCESS))
    value = dict(new)["csrf_access_token"]
    assert f'value="{value}"' in response.text


def test_any_of_the_cookies_may_belong_to_the_csrf_value(pages, twins):
    old, new = twins
    cookies = only(old, ACCESS) + only(new, ACCESS)
    header = "; ".join(f"{name}={value}" for name, value in cookies)
    response = pages.test_client(use_cookies=False).post(
        "/page", headers={"Cookie": header, "X-CSRF-TOKEN": dict(new)["csrf_access_token"]}
    )
    assert response.status_code == 200


def test_the_number_of_cookies_that_are_verified_is_limited(pages, twins):
    _, new = twins
    cookies = [(ACCESS, f"a.b.{number}") for number in range(50)]
    assert get(pages, "/page", cookies + only(new, ACCESS)).status_code == 401
