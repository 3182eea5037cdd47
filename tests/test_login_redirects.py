"""Who is redirected to the login page, and what goes with it: browsers, htmx and other scripts."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Blueprint, Flask, request

from flask_jwt import JWT, jwt_required, verify_jwt_in_request
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, HTML, IS_WERKZEUG_3_0, Browser, code, location

LOCATIONS = ["cookies", "query_string", "headers", "json"]
EXPIRED = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqb2UiLCJleHAiOjF9."
    "c2lnbmF0dXJlLW9mLXRoaXJ0eS10d28tYnl0ZXMtLi4"
)


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


@pytest.fixture
def make_site(make_app, extension):
    def make_site(**options):
        defaults = {
            "users": ANYONE, "guards": {"/page": {}}, "JWT_AUTH_URL_RULE": "/auth",
            "JWT_TOKEN_LOCATION": LOCATIONS, "JWT_LOGIN_VIEW": "/sign-in", "JWT_COOKIE_SECURE": True,
        }  # fmt: skip
        app = make_app(extension, **{**defaults, **options})
        app.jwt.exempt("sign_in")
        app.add_url_rule("/sign-in", "sign_in", lambda: "sign in here")
        return app

    return make_site


def next_in(url):
    """Return the next in the URL of a login page."""
    query = parse_qs(urlsplit(url).query)
    return query.get("next", [None])[0]


# A token in the URL


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (f"jwt={EXPIRED}", ""),
        (f"a=1&jwt={EXPIRED}&b=2", "?a=1&b=2"),
        (f"jwt={EXPIRED}&jwt={EXPIRED}&a=%26jwt%3D", "?a=%26jwt%3D"),
        ("jwt=Bearer+x", ""),
        (f"%6awt={EXPIRED}", ""),
        (f"other={EXPIRED}&a=1", "?a=1"),
        (f"other=Bearer%20{EXPIRED}", ""),
        (f"next={quote(f'/x?jwt={EXPIRED}')}", ""),
        (f"next={quote(quote(f'/x?jwt={EXPIRED}'))}&a=1", "?a=1"),
        ("a=1&b=x%20y&a=2&c", "?a=1&b=x%20y&a=2&c"),
        ("mail=joe.doe.smith@example.com&v=1.2.3", "?mail=joe.doe.smith@example.com&v=1.2.3"),
        ("jwtx=1", "?jwtx=1"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("is_htmx", [False, True])
def test_a_token_in_the_query_string_is_not_copied_to_next(make_site, query, kept, is_htmx):
    headers = {"HX-Request": "true", "HX-Current-URL": f"https://localhost/page?{query}"}
    browser = Browser(make_site())
    if is_htmx:
        url = browser.post("/page", headers=headers).headers["HX-Redirect"]
    else:
        url = location(browser.get(f"/page?{query}"))
    assert next_in(url) == f"/page{kept}"
    assert EXPIRED.split(".")[1] not in url


def test_the_name_of_the_parameter_is_the_configured_one(make_site):
    app = make_site(JWT_QUERY_STRING_NAME="ticket", JWT_QUERY_STRING_VALUE_PREFIX="t-")
    browser = Browser(app)
    assert next_in(location(browser.get("/page?ticket=t-opaque&jwt=1"))) == "/page?jwt=1"


def test_a_rejected_login_copies_no_token_either(make_site):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"])
    form = {"username": "joe", "password": "x", "next": f"/page?a=1&jwt={EXPIRED}"}
    assert next_in(location(Browser(app).post("/auth", data=form))) == "/page?a=1"


@pytest.mark.parametrize("way", ["guard", "call", "default", "handler", "locations"])
def test_every_way_to_guard_copies_no_token(make_site, way):
    app = make_site(JWT_REQUIRED_BY_DEFAULT=way == "default")
    view = {
        "guard": jwt_required(),
        "locations": jwt_required(locations="query_string"),
        "handler": jwt_required(),
        "call": lambda view: lambda: verify_jwt_in_request() or view(),
        "default": lambda view: view,
    }[way](lambda: "in")
    if way == "handler":
        app.jwt.request_handler(lambda: request.args.get("key"))
    app.add_url_rule("/download", "download", view)
    for name in "jwt", "key":
        response = Browser(app).get(f"/download?{name}={EXPIRED}&file=1")
        assert next_in(location(response)) == "/download?file=1"


# A guarded login view


def guard_the_view(app, options):
    app.add_url_rule("/log-in", "log_in", jwt_required(**options)(lambda: "log in here"))


def guard_the_blueprint(app, options):
    blueprint = Blueprint("pages", "pages")
    blueprint.before_request(lambda: verify_jwt_in_request(**options))
    blueprint.add_url_rule("/log-in", "log_in", lambda: "log in here")
    app.register_blueprint(blueprint)


def guard_the_application(app, options):
    app.before_request(lambda: verify_jwt_in_request(**options))
    app.add_url_rule("/log-in", "log_in", lambda: "log in here")


@pytest.mark.parametrize("guard", [guard_the_view, guard_the_blueprint, guard_the_application])
@pytest.mark.parametrize("is_path", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_guarded_login_view_says_so(make_site, extension, caplog, guard, is_path, method):
    endpoint = "pages.log_in" if guard is guard_the_blueprint else "log_in"
    app = make_site(JWT_LOGIN_VIEW="/log-in" if is_path else endpoint)
    guard(app, {})
    for _ in range(2):
        response = Browser(app).open("/log-in", method=method)
        assert response.status_code == 401
        if method == "GET" and extension is JWT:
            assert "is guarded" in response.get_json()["hint"]
    found = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert len(found) == 1
    assert "is guarded" in found[0]
    if guard is not guard_the_application:  # another page still leads there
        assert location(Browser(app).get("/page")).startswith("/log-in?next=")


def test_an_optional_guard_on_the_login_view_never_redirects_to_it(make_site, caplog):
    app = make_site(JWT_LOGIN_VIEW="log_in")
    guard_the_view(app, {"optional": True})
    browser = Browser(app)
    assert browser.get("/log-in").text == "log in here"
    assert not [r for r in caplog.records if "is guarded" in r.message]
    # Without sessions an expired cookie isn't known to be the end of a session.
    browser.set_cookie("access_token_cookie", EXPIRED, secure=True)
    assert browser.get("/log-in").status_code in (401, 422)
    assert [r for r in caplog.records if "is guarded" in r.message]


def test_a_guarded_login_view_is_reported_at_the_first_request(make_site, caplog):
    app = make_site(JWT_LOGIN_VIEW="log_in")
    guard_the_view(app, {})
    app.test_client().get("/sign-in")
    assert [r.levelname for r in caplog.records if "is guarded" in r.message] == ["ERROR"]


def test_a_login_that_posts_to_its_own_page_still_leads_back(make_site, caplog):
    app = make_site(JWT_AUTH_URL_RULE="/sign-in", JWT_TOKEN_LOCATION=["cookies"])
    form = {"username": "joe", "password": "x"}
    url = location(Browser(app).post("/sign-in", data=form))
    assert url == "/sign-in?error=invalid_credentials"
    assert "is guarded" not in caplog.text


def test_a_path_is_open_on_its_own_subdomain_only(make_site, caplog):
    app = make_site(
        flask=lambda name: Flask(name, subdomain_matching=True), guards={},
        SERVER_NAME="shop.example", JWT_REQUIRED_BY_DEFAULT=True,
    )  # fmt: skip
    app.add_url_rule("/sign-in", "secret", lambda: "secret", subdomain="admin")
    app.add_url_rule("/sign-in", "tenant", lambda tenant: "secret", subdomain="<tenant>")
    client = app.test_client()
    assert client.get("/sign-in", base_url="https://shop.example").text == "sign in here"
    for subdomain in "admin", "other":
        for headers in {}, {"Accept": HTML}:
            url = f"https://{subdomain}.shop.example"
            assert client.get("/sign-in", base_url=url, headers=headers).status_code == 401
    assert "write the endpoint" in caplog.text


def test_a_path_is_open_on_the_server_s_own_host_only(make_site):
    def host_matching(name):
        return Flask(name, host_matching=True, static_host="shop.example")

    app = make_site(
        flask=host_matching, guards={}, SERVER_NAME="shop.example", JWT_REQUIRED_BY_DEFAULT=True,
        JWT_AUTH_URL_RULE=None, JWT_LOGIN_VIEW="/log-in",
    )  # fmt: skip
    app.add_url_rule("/log-in", "open", lambda: "log in here", host="shop.example")
    app.add_url_rule("/log-in", "secret", lambda: "secret", host="admin.example")
    client = app.test_client()
    assert client.get("/log-in", base_url="https://shop.example").text == "log in here"
    other = client.get("/log-in", base_url="https://admin.example")
    assert "secret" not in other.text
    # Flask 3.0 matches every host as if it were SERVER_NAME.
    assert other.status_code == (200 if IS_WERKZEUG_3_0 else 401)


# Scripts


@pytest.mark.parametrize(
    ("headers", "is_redirected"),
    [
        ({}, True),
        ({"Sec-Fetch-Mode": "navigate"}, True),
        ({"Sec-Fetch-Mode": "cors"}, False),
        ({"Sec-Fetch-Mode": "same-origin"}, False),
        ({"Sec-Fetch-Mode": "no-cors"}, False),
        ({"Sec-Fetch-Mode": "websocket"}, False),
        ({"X-Requested-With": "XMLHttpRequest"}, False),
        ({"X-Requested-With": "xmlhttprequest", "Sec-Fetch-Mode": "cors"}, False),
        # Android's WebView opens pages with this header.
        ({"X-Requested-With": "com.example.app"}, True),
        ({"X-Requested-With": "com.example.app", "Sec-Fetch-Mode": "navigate"}, True),
        ({"HX-Request": "true"}, False),
    ],
)
def test_scripts_get_json(make_site, headers, is_redirected):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"], JWT_STORAGE_URI="memory://")
    browser = Browser(app)
    login = {"username": "joe", "password": "pass"}
    status = browser.get("/page", headers=headers).status_code
    assert status == (303 if is_redirected else 401)
    response = browser.post("/auth", data={**login, "password": "x"}, headers=headers)
    assert response.status_code == (303 if is_redirected else 401)
    status = browser.post("/auth", data=login, headers=headers).status_code
    assert status == (303 if is_redirected else 204)
    status = browser.post("/auth/logout", headers=headers).status_code
    assert status == (303 if is_redirected else 200)


HTMX = {"HX-Request": "true", "HX-Current-URL": "https://localhost/list?page=2"}


@pytest.mark.parametrize(
    ("method", "headers", "target"),
    [
        ("GET", {}, "/list?page=2"),
        ("POST", {}, "/list?page=2"),
        ("DELETE", {"Sec-Fetch-Mode": "cors"}, "/list?page=2"),
        ("GET", {"HX-Boosted": "true"}, "/page?a=1"),
        ("POST", {"HX-Boosted": "true"}, "/list?page=2"),
        ("GET", {"HX-Current-URL": "https://evil.example/x"}, None),
        ("GET", {"HX-Current-URL": "https://[::1"}, None),
        ("GET", {"HX-Current-URL": "https://localhost//evil.example"}, None),
        ("GET", {"HX-Current-URL": ""}, None),
        ("GET", {"HX-Current-URL": "javascript:alert(1)"}, None),
        ("GET", {"Accept": HTML}, "/list?page=2"),
    ],
)
def test_htmx_gets_401_and_is_sent_to_the_login_page(make_site, method, headers, target):
    browser = Browser(make_site())
    response = browser.open("/page?a=1", method=method, accept="*/*", headers={**HTMX, **headers})
    assert response.status_code == 401
    assert response.is_json
    url = response.headers["HX-Redirect"]
    assert urlsplit(url).path == "/sign-in"
    assert next_in(url) == target


def test_htmx_learns_why_a_login_was_rejected(make_site):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"])
    form = {"username": "joe", "password": "x", "next": "/page"}
    response = Browser(app).post("/auth", data=form, headers=HTMX, accept="*/*")
    assert response.status_code == 401
    expected = "/sign-in?error=invalid_credentials&next=%2Fpage"
    assert response.headers["HX-Redirect"] == expected


def test_htmx_is_sent_nowhere_without_a_login_page_or_if_a_login_would_not_help(make_site):
    browser = Browser(make_site(JWT_LOGIN_VIEW=None))
    assert "HX-Redirect" not in browser.get("/page", headers=HTMX).headers
    browser = Browser(make_site(JWT_TOKEN_LOCATION=["cookies"]))
    browser.post("/auth", data={"username": "joe", "password": "pass"})
    response = browser.post("/page", headers=HTMX, site="cross-site")
    assert code(response)[0] in (401, 403)
    if response.status_code == 403:
        assert "HX-Redirect" not in response.headers


def test_a_custom_error_handler_keeps_its_response_for_htmx(make_site, extension):
    app = make_site()
    if extension is JWT:
        app.jwt.jwt_error_handler(lambda error: ("custom", error.status_code))
    else:
        app.jwt.unauthorized_loader(lambda reason: ("custom", 401))
    response = Browser(app).get("/page", headers=HTMX, accept="*/*")
    assert (response.status_code, response.text) == (401, "custom")
    assert response.headers["HX-Redirect"].startswith("/sign-in")


# A view that says where to go next


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/page?a=1", "/page?a=1"),
        (None, "/of-the-request"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("", "/"),
    ],
)
def test_view_says_which_page_to_open_after_the_login(make_site, target, expected):
    app = make_site()

    @app.get("/callback")
    def callback():
        return app.jwt.log_in("joe", next_url=target)

    app.jwt.exempt("callback")
    browser = Browser(app)
    # A redirect of an identity provider comes from another site.
    response = browser.get("/callback?next=/of-the-request", site="cross-site")
    assert location(response) == expected
    assert browser.get("/page").status_code == 200
