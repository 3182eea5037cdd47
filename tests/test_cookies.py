"""The cookies that carry tokens: their attributes, and options that would make browsers drop them.

tests/test_csrf.py specifies who may use them.
"""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError
from tests.support import OldBrowser, add_cookie_views


@pytest.fixture
def make_browser(make_app):
    """Make a browser of an application that takes tokens in cookies, with those of a login."""

    def make_browser(**config):
        app = make_app(JWT_TOKEN_LOCATION="cookies", **config)
        add_cookie_views(app)
        browser = OldBrowser(app)
        browser.response = browser.post("/cookies")
        return browser

    return make_browser


def cookies_of(response):
    """Return the value and the attributes of each cookie; attributes are in lower case."""
    cookies = {}
    for line in response.headers.getlist("Set-Cookie"):
        first, *attributes = line.split("; ")
        name, value = first.split("=", 1)
        pairs = (attribute.partition("=") for attribute in attributes)
        cookies[name] = {"value": value, **{k.lower(): v for k, _, v in pairs}}
    return cookies


def test_cookies_are_secure_by_default(make_browser):
    cookies = cookies_of(make_browser().response)
    assert set(cookies) == {
        "access_token_cookie",
        "refresh_token_cookie",
        "csrf_access_token",
        "csrf_refresh_token",
    }
    for name, cookie in cookies.items():
        assert cookie["samesite"] == "Lax"
        assert "secure" in cookie
        assert ("httponly" in cookie) == name.endswith("_cookie")
        assert cookie["path"] == "/"
        assert "expires" not in cookie
        assert "domain" not in cookie


def test_cookies_have_the_configured_names_and_attributes(make_browser):
    browser = make_browser(
        JWT_SESSION_COOKIE=False,
        JWT_COOKIE_DOMAIN="example.com",
        JWT_COOKIE_SAMESITE="Strict",
        JWT_REFRESH_COOKIE_PATH="/auth",
        JWT_ACCESS_COOKIE_NAME="at",
        JWT_CSRF_IN_COOKIES=False,
    )
    cookies = cookies_of(browser.response)
    assert set(cookies) == {"at", "refresh_token_cookie"}
    assert cookies["at"]["domain"] == "example.com"
    assert cookies["at"]["samesite"] == "Strict"
    assert int(cookies["at"]["max-age"]) > 360 * 86400
    assert cookies["refresh_token_cookie"]["path"] == "/auth"


def test_cookies_are_deleted(make_browser):
    browser = make_browser()
    response = browser.post("/no-cookies")
    assert all("1970" in cookie["expires"] for cookie in cookies_of(response).values())
    assert browser.get("/protected").status_code == 401


def test_cookies_without_secure_are_reported_in_production_only(make_browser):
    browser = make_browser(JWT_COOKIE_SECURE=False, TESTING=True)
    browser.application.testing = False
    with pytest.warns(UserWarning, match="JWT_COOKIE_SECURE"):
        browser.post("/cookies")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_ACCESS_COOKIE_NAME": "__Host-a", "JWT_COOKIE_DOMAIN": "x.org"}, "__Secure-"),
        ({"JWT_REFRESH_COOKIE_NAME": "__Host-a", "JWT_REFRESH_COOKIE_PATH": "/x"}, "path"),
        ({"JWT_ACCESS_COOKIE_NAME": "__Secure-a", "JWT_COOKIE_SECURE": False}, "COOKIE_SECURE"),
        ({"JWT_COOKIE_SAMESITE": "None", "JWT_COOKIE_SECURE": False}, "SAMESITE is 'None'"),
        ({"JWT_COOKIE_SAMESITE": "Laxe"}, "'Lax'"),
        ({"JWT_ACCESS_COOKIE_PATH": "x"}, "starts with '/'"),
    ],
)
def test_cookies_that_browsers_would_drop_are_an_error_at_start(make_app, config, message):
    with pytest.raises(ConfigError, match=message):
        make_app(JWT_TOKEN_LOCATION="cookies", **config)


def test_cookies_with_the_prefix_host_work(make_browser):
    browser = make_browser(JWT_ACCESS_COOKIE_NAME="__Host-access")
    assert browser.get("/protected").status_code == 200
