"""Which cookies browsers keep: how long, how large, over plain HTTP, partitioned or not.

The tests run in both profiles. tests/test_browser_origins.py asks Chromium.
"""

from __future__ import annotations

import logging

import pytest
from flask import Flask, make_response

import flask_jwt
from flask_jwt import JWT, ConfigError
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, IS_WERKZEUG_3_0, Browser, claims_of
from tests.test_cookies import cookies_of

LOGIN = {"username": "joe", "password": "pass"}
TOKENS = {"access_token_cookie", "refresh_token_cookie"}


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


@pytest.fixture
def make_site(make_app, extension):
    def make_site(**options):
        defaults = {
            "users": ANYONE, "JWT_AUTH_URL_RULE": "/auth", "JWT_TOKEN_LOCATION": ["cookies"],
            "JWT_STORAGE_URI": "memory://", "JWT_COOKIE_SECURE": True, "TESTING": True,
        }  # fmt: skip
        return make_app(extension, **{**defaults, **options})

    return make_site


def messages(caplog, *words):
    return [r for r in caplog.messages if all(word in r for word in words)]


# How long


@pytest.mark.parametrize(
    ("option", "remember", "is_kept"),
    [
        (True, None, False), (True, True, True), (True, False, False),
        (False, None, True), (False, True, True), (False, False, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("store", ["memory://", None])
def test_a_login_chooses_whether_it_is_remembered(
    make_site, clock, option, remember, is_kept, store
):
    app = make_site(JWT_SESSION_COOKIE=option, JWT_STORAGE_URI=store)

    @app.post("/log-in")
    def log_in():
        return app.jwt.log_in("joe", remember=remember)

    browser = Browser(app)
    responses = [browser.post("/log-in")]
    if store:
        clock.tick(1000)
        responses.append(browser.get("/protected"))
        clock.tick(1000)
        responses.append(browser.get("/protected"))
        responses.append(browser.post("/auth/refresh"))
    for response in responses:
        cookies = cookies_of(response)
        assert len(cookies) == (4 if store else 2), response.text
        for cookie in cookies.values():
            assert ("max-age" in cookie) == is_kept
            assert int(cookie.get("max-age", 1e9)) > 360 * 86400


def test_the_choice_is_of_one_login(make_site):
    app = make_site()

    @app.post("/log-in/<int:remember>")
    def log_in(remember):
        return app.jwt.log_in("joe", remember=bool(remember))

    first, second = Browser(app), Browser(app)
    for browser, remember in (first, 1), (second, 0):
        browser.post(f"/log-in/{remember}")
    for browser, is_kept in (first, True), (second, False):
        cookies = cookies_of(browser.post("/auth/refresh"))
        assert {"max-age" in cookie for cookie in cookies.values()} == {is_kept}


# How large


def set_claims(app, **claims):
    app.jwt.additional_claims_loader(lambda identity: claims)


def token_sizes(response):
    return {n: len(n) + len(c["value"]) for n, c in cookies_of(response).items() if n in TOKENS}


@pytest.mark.filterwarnings("ignore:The .* cookie is too large:UserWarning")
@pytest.mark.parametrize("store", ["memory://", None])
def test_a_login_with_too_large_a_token(make_site, extension, store, caplog):
    app = make_site(JWT_STORAGE_URI=store)
    set_claims(app, roles=["x" * 100] * 30, name="joe")
    browser = Browser(app)
    if store:
        with app.app_context():
            app.config["JWT_MAX_SESSIONS"] = 1
            other = app.jwt.sessions.start("joe")
    if extension is JWT:
        with pytest.raises(ConfigError, match="access_token_cookie|refresh_token_cookie") as error:
            browser.post("/auth", data=LOGIN)
        message = str(error.value)
        if store:
            with app.app_context():
                active = app.jwt.sessions.list("joe")
            assert [session.sid for session in active] == [other.session.sid]
    else:
        for _ in range(3):
            assert max(token_sizes(browser.post("/auth", data=LOGIN)).values()) > 4096
        found = messages(caplog, "4096", "access_token_cookie")
        assert len(found) == 1
        message = found[0]
    assert "'roles', of 3" in message
    assert "x" * 100 not in message


def test_a_custom_view_with_too_large_a_token(make_site, extension, caplog, recwarn):
    app = make_site(JWT_STORAGE_URI=None)

    @app.post("/log-in")
    def log_in():
        response = make_response("hello")
        token = flask_jwt.create_access_token("joe", claims={"photo": "x" * 4000})
        flask_jwt.set_access_cookies(response, token)
        return response

    if extension is JWT:
        with pytest.raises(ConfigError, match="'photo', of 4002 bytes"):
            Browser(app).post("/log-in")
    else:
        Browser(app).post("/log-in")
        Browser(app).post("/log-in")
        assert len(messages(caplog, "'photo', of 4002 bytes")) == 1


@pytest.mark.parametrize("size", [4096, 4097])
def test_the_limit_is_exact(make_site, extension, size, caplog, recwarn):
    app = make_site(JWT_STORAGE_URI=None)

    @app.post("/log-in")
    def log_in():
        def issue(length):
            return flask_jwt.create_access_token("joe", claims={"x": "x" * length})

        # Three bytes become four characters.
        name = "access_token_cookie"
        tokens = (issue(length) for length in range(2000, 3200))
        token = next(token for token in tokens if len(token) >= 4096 - len(name) - 4)
        token = token + "x" * (size - len(token) - len(name))
        response = make_response("hello")
        flask_jwt.set_access_cookies(response, token)
        return response

    browser = Browser(app)
    if size > 4096 and extension is JWT:
        with pytest.raises(ConfigError, match=f"{size} bytes"):
            browser.post("/log-in")
    else:
        browser.post("/log-in")
        assert len(messages(caplog, f"{size} bytes")) == (size > 4096)


@pytest.mark.filterwarnings("ignore:The .* cookie is too large:UserWarning")
def test_a_renewal_with_too_large_a_token_is_logged_once(make_site, clock, caplog):
    app = make_site()
    browser = Browser(app)
    browser.post("/auth", data=LOGIN)
    set_claims(app, roles=["x" * 100] * 30)
    for _ in range(3):
        clock.tick(1000)
        assert browser.get("/protected").status_code == 200
    assert len(messages(caplog, "access_token_cookie", "'roles'")) == 1
    assert not messages(caplog, "Could not update")


# Over plain HTTP


@pytest.mark.parametrize(
    ("url", "is_logged"),
    [
        ("http://shop.example", True),
        ("http://127.0.0.2:5000", True),
        ("http://192.168.0.9", True),
        ("http://localhost.evil.example", True),
        ("http://localhost", False),
        ("http://localhost:5000", False),
        ("http://shop.localhost", False),
        ("http://127.0.0.1:5000", False),
        ("http://[::1]:5000", False),
        ("https://shop.example", False),
    ],
)
def test_a_secure_cookie_over_plain_http_is_logged_once(make_site, url, is_logged, caplog):
    app = make_site()
    for _ in range(2):
        response = app.test_client().post("/auth", data=LOGIN, base_url=url)
        assert response.headers.getlist("Set-Cookie")
    found = messages(caplog, "Secure", "ProxyFix", "JWT_COOKIE_SECURE = False")
    assert len(found) == is_logged
    assert all(r.levelno == logging.WARNING for r in caplog.records if r.message in found)


def test_cookies_without_secure_work_over_plain_http(make_site, caplog):
    app = make_site(JWT_COOKIE_SECURE=False)
    app.test_client().post("/auth", data=LOGIN, base_url="http://shop.example")
    assert not messages(caplog, "ProxyFix")


# Partitioned


@pytest.mark.skipif(IS_WERKZEUG_3_0, reason="Werkzeug 3.0 has no partitioned cookies")
def test_partitioned_cookies_are_set_and_deleted(make_site):
    app = make_site(JWT_COOKIE_PARTITIONED=True, JWT_COOKIE_SAMESITE="None")
    browser = Browser(app)
    responses = [browser.post("/auth", data=LOGIN), browser.post("/auth/logout")]
    for response in responses:
        cookies = cookies_of(response)
        assert len(cookies) == 4
        for cookie in cookies.values():
            assert "partitioned" in cookie
            assert "secure" in cookie


def test_partitioned_cookies_must_be_secure(make_site):
    with pytest.raises(ConfigError, match="JWT_COOKIE_PARTITIONED"):
        make_site(JWT_COOKIE_PARTITIONED=True, JWT_COOKIE_SECURE=False)


def test_partitioned_cookies_need_a_newer_werkzeug(make_site, monkeypatch):
    monkeypatch.setattr("flask_jwt._web.cookies.dump_cookie", lambda key, value: "")
    make_site()
    with pytest.raises(ConfigError, match="Werkzeug 3.1"):
        make_site(JWT_COOKIE_PARTITIONED=True)


# Flask's session cookie


@pytest.mark.parametrize(
    ("options", "is_shared"),
    [
        ({"JWT_ACCESS_COOKIE_NAME": "session"}, True),
        ({"JWT_REFRESH_COOKIE_NAME": "session"}, True),
        ({"JWT_ACCESS_CSRF_COOKIE_NAME": "session"}, True),
        ({"JWT_REFRESH_CSRF_COOKIE_NAME": "session"}, True),
        ({"JWT_ACCESS_COOKIE_NAME": "own", "SESSION_COOKIE_NAME": "own"}, True),
        ({"JWT_ACCESS_COOKIE_NAME": "session", "JWT_ACCESS_COOKIE_PATH": "/api"}, True),
        (
            {
                "JWT_ACCESS_COOKIE_NAME": "session",
                "JWT_ACCESS_COOKIE_PATH": "/api",
                "SESSION_COOKIE_PATH": "/pages",
            },
            False,
        ),
        ({"JWT_ACCESS_COOKIE_NAME": "session", "SESSION_COOKIE_NAME": "own"}, False),
        ({"JWT_ACCESS_COOKIE_NAME": "session", "JWT_TOKEN_LOCATION": ["headers"]}, False),
        ({"JWT_ACCESS_CSRF_COOKIE_NAME": "session", "JWT_CSRF_IN_COOKIES": False}, False),
        ({}, False),
    ],
)
def test_a_cookie_with_the_name_of_the_session_cookie(make_site, extension, options, is_shared):
    if not is_shared:
        make_site(**options)
    elif extension is JWT:
        with pytest.raises(ConfigError, match="SESSION_COOKIE_NAME"):
            make_site(**options)
    else:  # a program of Flask-JWT-Extended's that uses no session works
        with pytest.warns(UserWarning, match="SESSION_COOKIE_NAME"):
            app = make_site(**options)
        assert isinstance(app, Flask)


def test_claims_of_a_remembered_session(make_site):
    app = make_site()
    with app.app_context():
        tokens = app.jwt.sessions.start("joe", remember=True)
        assert claims_of(tokens.refresh_token)["remember"] is True
        assert "remember" not in claims_of(tokens.access_token)
        assert "remember" not in claims_of(app.jwt.sessions.start("joe").refresh_token)
