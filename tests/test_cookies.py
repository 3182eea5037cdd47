"""TODO"""

from __future__ import annotations


def cookies_of(response):
    """Attributes by cookie name, lower case."""
    found = {}
    for line in response.headers.getlist("Set-Cookie"):
        first, *attributes = line.split("; ")
        name, value = first.split("=", 1)
        pairs = (attribute.partition("=") for attribute in attributes)
        found[name] = {"value": value, **{k.lower(): v for k, _, v in pairs}}
    return found


def test_cookies_are_safe_by_default(make):
    app = make(JWT_TOKEN_LOCATION="cookies")
    cookies = cookies_of(app.test_client().post("/cookies"))
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


def test_cookie_options(make):
    app = make(
        JWT_TOKEN_LOCATION="cookies",
        JWT_SESSION_COOKIE=False,
        JWT_COOKIE_DOMAIN="example.com",
        JWT_COOKIE_SAMESITE="Strict",
        JWT_REFRESH_COOKIE_PATH="/auth",
        JWT_ACCESS_COOKIE_NAME="at",
        JWT_CSRF_IN_COOKIES=False,
    )
    cookies = cookies_of(app.test_client().post("/cookies"))
    assert set(cookies) == {"at", "refresh_token_cookie"}
    assert cookies["at"]["domain"] == "example.com"
    assert cookies["at"]["samesite"] == "Strict"
    assert int(cookies["at"]["max-age"]) > 360 * 86400
    assert cookies["refresh_token_cookie"]["path"] == "/auth"


def test_unset_cookies(browser):
    response = https(browser, "POST", "/no-cookies")
    assert all("1970" in cookie["expires"] for cookie in cookies_of(response).values())
    assert https(browser, "GET", "/any").status_code == 401


def test_insecure_cookies_warn_in_production_only(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_COOKIE_SECURE=False)
    app.testing = False
    with pytest.warns(UserWarning, match="JWT_COOKIE_SECURE"):
        app.test_client().post("/cookies")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_ACCESS_COOKIE_NAME": "__Host-a", "JWT_COOKIE_DOMAIN": "x.org"}, "__Secure-"),
        ({"JWT_REFRESH_COOKIE_NAME": "__Host-a", "JWT_REFRESH_COOKIE_PATH": "/x"}, "path"),
        ({"JWT_ACCESS_COOKIE_NAME": "__Secure-a", "JWT_COOKIE_SECURE": False}, "COOKIE_SECURE"),
        ({"JWT_COOKIE_SAMESITE": "None", "JWT_COOKIE_SECURE": False}, "SameSite=None"),
        ({"JWT_COOKIE_SAMESITE": "lax"}, "'Lax'"),
        ({"JWT_ACCESS_COOKIE_PATH": "x"}, "starts with '/'"),
    ],
)
def test_cookies_that_browsers_would_drop_are_found_at_start(make, config, message):
    with pytest.raises(ConfigError, match=message):
        make(JWT_TOKEN_LOCATION="cookies", **config)


def test_host_cookies_work(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_ACCESS_COOKIE_NAME="__Host-access")
    client = app.test_client()
    https(client, "POST", "/cookies")
    assert https(client, "GET", "/any").status_code == 200
