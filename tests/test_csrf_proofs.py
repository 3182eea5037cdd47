"""When a CSRF proof is needed, where it is looked for, and that a form is read last.

Every way to guard a view, in both profiles.
"""

from __future__ import annotations

import io

import pytest
from flask import Blueprint, request, session
from flask.views import MethodView

import flask_jwt
from flask_jwt import JWT, ConfigError, jwt_required, verify_jwt_in_request
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, OldBrowser, bearer, claims_of

REJECTED = {JWT: 403, JWTManager: 401}
SPA = "https://app.shop.example"


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


@pytest.fixture
def rejected(extension):
    return REJECTED[extension]


@pytest.fixture
def make_shop(make_app, extension):
    def make_shop(**options):
        defaults = {
            "users": ANYONE,
            "guards": {"/protected": {}},
            "JWT_AUTH_URL_RULE": "/auth",
            "JWT_TOKEN_LOCATION": ["cookies"],
            "JWT_COOKIE_SECURE": True,
            "JWT_CSRF_CHECK_FORM": True,
        }
        return make_app(extension, **{**defaults, **options})

    return make_shop


def sign_in(app):
    browser = OldBrowser(app)
    form = {"username": "joe", "password": "pass"}
    assert browser.post("/auth", data=form, site="same-origin").status_code < 400
    return browser


# The scheme of an origin


@pytest.mark.parametrize(
    ("scheme", "origin", "is_proof"),
    [
        ("https", "https://shop.example", True),
        ("https", "http://shop.example", False),
        ("http", "http://shop.example", True),
        ("http", "https://shop.example", True),  # TLS ends at a proxy
        ("http", "chrome-extension://shop.example", False),
        ("https", "ftp://shop.example", False),
        ("https", "//shop.example", False),
        ("https", "shop.example", False),
        ("https", "https://shop.example:8443", False),
        ("https", "https://shop.example@evil.example", False),
    ],
)
def test_which_origin_proves_something(make_shop, rejected, scheme, origin, is_proof):
    app = make_shop(JWT_COOKIE_SECURE=False, TESTING=True)
    browser = sign_in(app)
    (cookie,) = (c for name, c in browser.cookies.items() if name == "access_token_cookie")
    response = app.test_client(use_cookies=False).post(
        "/protected", base_url=f"{scheme}://shop.example",
        headers={"Origin": origin, "Cookie": f"access_token_cookie={cookie}"},
    )  # fmt: skip
    assert response.status_code == (200 if is_proof else rejected)


@pytest.mark.parametrize("origin", ["http://localhost", "https://evil.example"])
def test_a_login_form_of_a_page_without_tls_is_rejected(make_shop, rejected, origin):
    browser = OldBrowser(make_shop())
    form = {"username": "joe", "password": "pass"}
    response = browser.post("/auth", data=form, headers={"Origin": origin})
    assert response.status_code == rejected
    assert not browser.cookies


# The proof, for the application


SITE = {"Sec-Fetch-Site": "same-origin"}
ORIGIN = {"Origin": "https://shop.example"}


@pytest.mark.parametrize(
    ("method", "headers", "proof"),
    [
        ("POST", SITE, "sec-fetch-site"),
        ("POST", {"Sec-Fetch-Site": "none"}, "sec-fetch-site"),
        ("POST", ORIGIN, "origin"),
        ("POST", {**SITE, "Origin": SPA}, "trusted-origin"),
        ("POST", {"X-CSRF-TOKEN": "of the session"}, "token"),
        ("POST", {"Sec-Fetch-Site": "cross-site", "X-CSRF-TOKEN": "of the session"}, "token"),
        ("GET", SITE, None),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, None),
    ],
)
def test_get_csrf_proof_returns_the_proof_that_the_guard_accepted(
    make_shop, method, headers, proof
):
    app = make_shop(JWT_CSRF_TRUSTED_ORIGINS=[SPA])
    app.add_url_rule("/proof", view_func=show_proof, methods=["GET", "POST"])
    cookies = sign_in(app).cookies
    headers = {**headers, "Cookie": f"access_token_cookie={cookies['access_token_cookie']}"}
    if "X-CSRF-TOKEN" in headers:
        with app.app_context():
            token = cookies["access_token_cookie"]
            headers["X-CSRF-TOKEN"] = flask_jwt.get_csrf_token(token)
    client = app.test_client(use_cookies=False)
    response = client.open(
        "/proof", base_url="https://shop.example", method=method, headers=headers
    )
    assert response.get_json() == {"proof": proof}


@pytest.mark.parametrize("options", [{}, {"JWT_COOKIE_CSRF_PROTECT": False}])
def test_a_request_that_needs_no_proof_has_none(make_shop, options):
    app = make_shop(JWT_TOKEN_LOCATION=["headers", "cookies"], **options)
    app.add_url_rule("/proof", view_func=show_proof, methods=["GET", "POST"])
    browser = sign_in(app)
    token = browser.cookies["access_token_cookie"]
    assert browser.post("/proof", headers={**bearer(token), **SITE}).json == {"proof": None}
    if options:
        assert browser.post("/proof").json == {"proof": None}


def test_outside_of_a_verified_request_there_is_no_proof(make_shop):
    with make_shop().test_request_context("/", method="POST", headers=SITE):
        assert flask_jwt.get_csrf_proof() is None


@jwt_required()
def show_proof():
    return {"proof": flask_jwt.get_csrf_proof()}


# The form is read last


class Unread(io.RawIOBase):
    """A body that must not be read."""

    def readable(self):
        return True

    def readinto(self, buffer):
        raise AssertionError("the body was read")


UPLOAD = {
    "wsgi.input": Unread(),
    "CONTENT_LENGTH": "200000000",
    "CONTENT_TYPE": "multipart/form-data; boundary=x",
}


def guard_by_decorator(app):
    @app.post("/view", endpoint="view")
    @jwt_required()
    def view():
        return "in"


def guard_optionally(app):
    @app.post("/view", endpoint="view")
    @jwt_required(optional=True)
    def view():
        return "in"


def guard_by_call(app):
    @app.post("/view", endpoint="view")
    def view():
        verify_jwt_in_request()
        return "in"


def guard_blueprint(app):
    blueprint = Blueprint("shop", "shop")
    blueprint.before_request(verify_jwt_in_request)
    blueprint.post("/view", endpoint="view")(lambda: "in")
    app.register_blueprint(blueprint)


def guard_class(app):
    class View(MethodView):
        decorators = (jwt_required(),)

        def post(self):
            return "in"

    app.add_url_rule("/view", view_func=View.as_view("view"))


def guard_by_default(app):
    app.post("/view", endpoint="view")(lambda: "in")


def guard_with_other_locations(app):
    @app.post("/view", endpoint="view")
    @jwt_required(locations=["query_string", "cookies", "headers"])
    def view():
        return "in"


def guard_for_refresh(app):
    @app.post("/view", endpoint="view")
    @jwt_required(refresh=True)
    def view():
        return "in"


def decode_with_a_handler(app):
    guard_by_decorator(app)
    app.jwt.jwt_decode_handler(flask_jwt.decode_token)


def find_with_a_handler(app):
    guard_by_decorator(app)
    name = "access_token_cookie"
    app.jwt.request_handler(lambda: request.cookies.get(name))


def find_and_decode_with_handlers(app):
    find_with_a_handler(app)
    app.jwt.jwt_decode_handler(flask_jwt.decode_token)


def find_in_a_session(app):
    guard_by_decorator(app)

    @app.get("/keep")
    @jwt_required(locations=["cookies"])
    def keep():
        session["token"] = request.cookies["access_token_cookie"]
        return "kept"

    app.jwt.request_handler(
        lambda: session.get("token") or request.cookies.get("access_token_cookie")
    )


GUARDS = [
    guard_by_decorator, guard_optionally, guard_by_call, guard_blueprint, guard_class,
    guard_by_default, guard_with_other_locations, guard_for_refresh, decode_with_a_handler,
    find_with_a_handler, find_and_decode_with_handlers, find_in_a_session,
]  # fmt: skip


@pytest.fixture(params=GUARDS)
def guarded(request, make_shop):
    """An application with a guarded view, at /view."""
    sessions = "memory://" if request.param is not guard_for_refresh else None
    app = make_shop(
        JWT_STORAGE_URI=sessions, JWT_REQUIRED_BY_DEFAULT=request.param is guard_by_default
    )
    app.guard = request.param
    app.guard(app)

    @app.jwt.exempt
    @app.post("/cookies")
    def cookies():
        response = app.make_response("")
        flask_jwt.set_access_cookies(response, flask_jwt.create_access_token("joe"))
        flask_jwt.set_refresh_cookies(response, flask_jwt.create_refresh_token("joe"))
        return response

    return app


def cookies_of(app):
    browser = OldBrowser(app)
    browser.post("/cookies")
    return browser


@pytest.mark.parametrize("token", ["junk", "a.b.c", ""])
def test_a_junk_cookie_makes_no_upload_be_read(guarded, token):
    browser = OldBrowser(guarded)
    for name in "access_token_cookie", "refresh_token_cookie":
        browser.set_cookie(name, token, secure=True)
    status = browser.post("/view", environ_overrides=UPLOAD).status_code
    is_open = guarded.guard is guard_optionally
    assert status in (401, 422) or (is_open and status == 200)


def test_a_cookie_needs_a_proof_in_every_way_to_guard(guarded, rejected):
    browser = cookies_of(guarded)
    if "keep" in guarded.view_functions:
        assert browser.get("/keep").text == "kept"
        browser.delete_cookie("access_token_cookie")
    is_refresh = guarded.guard is guard_for_refresh
    value = browser.cookies["csrf_refresh_token" if is_refresh else "csrf_access_token"]
    for site in "same-site", "cross-site":
        assert browser.post("/view", site=site).status_code == rejected
    assert browser.post("/view").status_code == rejected
    assert browser.post("/view", data={"csrf_token": "x"}).status_code == rejected
    assert browser.post("/view", headers={"X-CSRF-TOKEN": "x"}).status_code == rejected
    assert browser.post("/view", data={"csrf_token": value}).text == "in"
    assert browser.post("/view", headers={"X-CSRF-TOKEN": value}).text == "in"
    assert browser.post("/view", site="same-origin").text == "in"


@pytest.mark.parametrize("guard", [find_with_a_handler, find_and_decode_with_handlers])
def test_a_token_that_is_also_in_a_header_needs_no_proof(make_shop, guard):
    app = make_shop()
    guard(app)
    browser = sign_in(app)
    token = browser.cookies["access_token_cookie"]
    assert browser.post("/view", headers=bearer(token), site="cross-site").text == "in"
    assert browser.post("/view", headers={"X-Token": token}, site="cross-site").text == "in"
    assert browser.post(f"/view?token={token}", site="cross-site").text == "in"


def test_a_handler_that_reads_no_cookie_needs_no_proof(make_shop):
    app = make_shop()
    guard_by_decorator(app)
    token = sign_in(app).cookies["access_token_cookie"]
    app.jwt.request_handler(lambda: token)  # for example from a store, by an API key
    assert OldBrowser(app).post("/view", site="cross-site").text == "in"


def test_a_refresh_token_that_a_handler_finds_in_a_cookie_needs_the_proof(make_shop, rejected):
    app = make_shop(JWT_STORAGE_URI="memory://", JWT_TOKEN_LOCATION=["headers", "cookies"])
    browser = sign_in(app)
    token, value = (browser.cookies[n] for n in ("refresh_token_cookie", "csrf_refresh_token"))
    app.jwt.request_handler(lambda: request.cookies.get("own"))
    other = OldBrowser(app)
    other.set_cookie("own", token, secure=True)
    assert other.post("/auth/refresh", site="cross-site").status_code == rejected
    assert other.post("/auth/refresh", headers={"X-CSRF-TOKEN": "x"}).status_code == rejected
    with app.app_context():
        sid = claims_of(token)["sid"]
        assert app.jwt.sessions.get(sid).generation == 0, "nothing was rotated"
    response = other.post("/auth/refresh", headers={"X-CSRF-TOKEN": value})
    assert response.status_code == 200


# Trusted origins


@pytest.mark.parametrize(
    ("headers", "is_trusted"),
    [
        ({"Origin": SPA, "Sec-Fetch-Site": "same-site"}, True),
        ({"Origin": SPA, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": SPA}, True),
        ({"Origin": "http://app.shop.example"}, False),
        ({"Origin": f"{SPA}:8443", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://other.shop.example", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://app.shop.example.evil.example"}, False),
        ({"Origin": f"{SPA}, https://evil.example"}, False),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_a_trusted_origin_may_post_and_log_in(make_shop, rejected, headers, is_trusted):
    app = make_shop(JWT_CSRF_TRUSTED_ORIGINS=[SPA])
    browser = sign_in(app)
    status = browser.post("/protected", headers=headers).status_code
    assert status == (200 if is_trusted else rejected)
    form = {"username": "joe", "password": "pass"}
    response = OldBrowser(app).post("/auth", data=form, headers=headers, accept="*/*")
    if "Sec-Fetch-Site" in headers or "Origin" in headers:
        assert response.status_code == (200 if is_trusted else rejected)


@pytest.mark.parametrize("store", [None, "memory://"])
def test_a_login_from_a_trusted_origin_gives_the_value_as_json(make_shop, store):
    app = make_shop(
        JWT_CSRF_TRUSTED_ORIGINS=[SPA], JWT_STORAGE_URI=store, JWT_CSRF_IN_COOKIES=False
    )
    browser = OldBrowser(app)
    user, headers = {"username": "joe", "password": "pass"}, {"Origin": SPA}
    response = browser.post("/auth", json=user, headers=headers, accept="*/*")
    value = response.get_json()["csrf_token"]
    assert set(response.get_json()) == {"csrf_token"}, "the tokens are in cookies only"
    assert response.headers["Cache-Control"] == "no-store"
    assert browser.post("/protected", headers={"X-CSRF-TOKEN": value}).status_code == 200
    # Scripts of this origin read the cookie, and get what they got before.
    assert browser.post("/auth", json=user, accept="*/*").status_code == 204
    if store:
        response = browser.post("/auth/refresh", headers=headers, accept="*/*")
        with app.app_context():
            current = flask_jwt.get_csrf_token(browser.cookies["access_token_cookie"])
        assert response.get_json() == {"csrf_token": current}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["*"], "without \\*"),
        (["https://*.shop.example"], "without \\*"),
        (["https://app.shop.example/"], "without a path"),
        (["app.shop.example"], "scheme"),
        (["null"], "scheme"),
        ([""], "list of origins"),
        ([1], "list of origins"),
        (["https://app.shop.example\n"], "scheme"),
        (["https://ä.example"], "scheme"),
        (["https://user@app.shop.example"], "scheme"),
    ],
)
def test_an_origin_that_no_browser_sends_is_an_error_at_start(make_shop, value, message):
    with pytest.raises(ConfigError, match=f"JWT_CSRF_TRUSTED_ORIGINS.*{message}"):
        make_shop(JWT_CSRF_TRUSTED_ORIGINS=value)


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        ("HTTPS://App.Shop.Example:443", SPA),
        ("http://app.shop.example:80", "http://app.shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_may_be_written_in_other_ways(make_shop, configured, sent):
    browser = sign_in(make_shop(JWT_CSRF_TRUSTED_ORIGINS=[configured]))
    assert browser.post("/protected", headers={"Origin": sent}).status_code == 200


# Websockets


HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x"}


def add_socket(app, **options):
    @app.route("/socket", websocket=True)
    @jwt_required(**options)
    def socket():
        return str(flask_jwt.get_jwt_identity())


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"Origin": "https://localhost"}, True),
        ({"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": SPA}, True),
        ({}, True),
        ({"Origin": "http://localhost"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Origin": "https://app.localhost", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
    ],
)
@pytest.mark.parametrize("optional", [False, True])
def test_a_websocket_by_cookie_needs_our_origin(make_shop, rejected, headers, is_own, optional):
    app = make_shop(JWT_CSRF_TRUSTED_ORIGINS=[SPA], JWT_STORAGE_URI="memory://")
    add_socket(app, optional=optional)
    browser = sign_in(app)
    response = browser.get("/socket", headers={**HANDSHAKE, **headers})
    assert response.status_code == (200 if is_own else rejected)
    if is_own:
        assert response.text == "joe"


def test_a_websocket_by_refresh_cookie_needs_our_origin(make_shop, rejected, clock):
    app = make_shop(JWT_STORAGE_URI="memory://")
    add_socket(app)
    browser = sign_in(app)
    clock.tick(1000)
    for origin, status in ("https://evil.example", rejected), ("https://localhost", 200):
        response = browser.get("/socket", headers={**HANDSHAKE, "Origin": origin})
        assert response.status_code == status


@pytest.mark.parametrize("guard", [find_with_a_handler, decode_with_a_handler])
def test_a_websocket_by_a_handler_needs_our_origin(make_shop, rejected, guard):
    app = make_shop()
    guard(app)
    add_socket(app)
    browser = sign_in(app)
    for origin, status in ("https://evil.example", rejected), ("https://localhost", 200):
        response = browser.get("/socket", headers={**HANDSHAKE, "Origin": origin})
        assert response.status_code == status


def test_a_websocket_by_another_location_needs_no_origin(make_shop):
    app = make_shop(JWT_TOKEN_LOCATION=["cookies", "query_string", "headers"])
    add_socket(app)
    browser = sign_in(app)
    headers = {**HANDSHAKE, "Origin": "https://evil.example"}
    token = browser.cookies["access_token_cookie"]
    assert browser.get(f"/socket?jwt={token}", headers=headers).text == "joe"
    client = app.test_client()
    assert client.get("/socket", headers={**headers, **bearer(token)}).text == "joe"


def test_the_check_of_websockets_can_be_turned_off(make_shop):
    app = make_shop(JWT_COOKIE_CSRF_PROTECT=False)
    add_socket(app)
    headers = {**HANDSHAKE, "Origin": "https://evil.example"}
    assert sign_in(app).get("/socket", headers=headers).text == "joe"
