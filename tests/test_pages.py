"""Pages in a browser: cookies, CSRF, transparent renewal, redirects, deny by default."""

from __future__ import annotations

import jwt as pyjwt
import pytest
from flask import Blueprint, Flask, render_template_string, request
from flask.views import MethodView

from flask_jwt import (
    JWT,
    ConfigError,
    _default_request_handler,
    create_access_token,
    current_identity,
    decode_token,
    jwt_required,
    set_access_cookies,
    verify_jwt_in_request,
)
from flask_jwt.stores.memory import MemoryStore
from tests.conftest import SECRET, User, bearer
from tests.test_answers import FRAMEWORKS, apiflask

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OWN = {"Sec-Fetch-Site": "same-origin"}
GOOD = {"username": "joe", "password": "pass"}

TEMPLATE = """{{ current_identity.username if current_identity is not none else "nobody" }}
{{ jwt_csrf_field() }}"""


@pytest.fixture
def users():
    return {1: User(1)}


@pytest.fixture
def make(clock, users):
    def make(locations=("cookies",), App=Flask, **config):
        app = App("pages")
        options = {"JWT_LOGIN_VIEW": "sign_in", "JWT_STORAGE_URI": "memory://"}
        config = {"JWT_TOKEN_LOCATION": list(locations), **options, **config}
        app.config.update(SECRET_KEY=SECRET, **config)

        def authenticate(username, password):
            found = (user for user in users.values() if user.username == username)
            return next((user for user in found if user.password == password), None)

        app.jwt = JWT(app, authenticate, lambda p: users.get(p["identity"]), clock=clock)

        @app.get("/sign-in")
        def sign_in():
            return "sign in here"

        @app.get("/home")
        @jwt_required(optional=True)
        def home():
            return render_template_string(TEMPLATE)

        @app.route("/page", methods=["GET", "POST"])
        @jwt_required()
        def page():
            return render_template_string(TEMPLATE)

        return app

    return make


@pytest.fixture
def app(make):
    return make()


@pytest.fixture
def client(app):
    """A browser on https, which is where Secure cookies are sent."""
    return browser(app)


def browser(app):
    client = app.test_client()
    client.environ_base = {"wsgi.url_scheme": "https", "HTTP_ACCEPT": PAGE["Accept"]}
    return client


def sign_in(client, **form):
    return client.post("/auth", data={**GOOD, **form}, headers=OWN)


def cookies(client):
    names = (
        "access_token_cookie",
        "refresh_token_cookie",
        "csrf_access_token",
        "csrf_refresh_token",
    )
    found = {name: client.get_cookie(name) for name in names}
    return {name: cookie.value for name, cookie in found.items() if cookie is not None}


def copy_of(client):
    other = browser(client.application)
    for name, value in cookies(client).items():
        other.set_cookie(name, value, secure=True)
    return other


def location(response):
    assert response.status_code == 303, response.text
    return response.headers["Location"]


# Logging in


def test_a_script_s_login_sets_cookies_and_has_no_body(client):
    answer = client.post("/auth", json=GOOD, headers={"Accept": "*/*"})
    assert (answer.status_code, answer.data) == (204, b"")
    lines = answer.headers.getlist("Set-Cookie")
    assert len(lines) == 4
    for line in lines:
        assert "Secure" in line
        assert "SameSite=Lax" in line
        assert ("HttpOnly" in line) is line.split("=")[0].endswith("_cookie")
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/page").text.startswith("joe")


def test_a_form_s_login_goes_to_a_page(client):
    assert location(sign_in(client)) == "/"
    assert location(sign_in(client, next="/page?x=1")) == "/page?x=1"
    assert location(client.post("/auth?next=/page", data=GOOD, headers=OWN)) == "/page"


FOREIGN = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\n//evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "///evil.example",
    "/x\r\nSet-Cookie: a=b",
    "",
]


@pytest.mark.parametrize("target", FOREIGN)
def test_no_login_leads_away(client, target):
    assert location(sign_in(client, next=target)) == "/"


def test_a_refused_login_goes_back_to_its_page(client):
    answer = client.post(
        "/auth", data={**GOOD, "password": "no", "next": "/page"}, headers={**OWN, **PAGE}
    )
    assert location(answer) == "/sign-in?error=invalid_credentials&next=%2Fpage"
    for _ in range(10):
        answer = client.post("/auth", data={**GOOD, "password": "no"}, headers=OWN)
    assert location(answer) == "/sign-in?error=too_many_attempts"
    assert not cookies(client)


def test_a_refused_login_of_a_script_is_json(client):
    answer = client.post("/auth", json={**GOOD, "password": "no"}, headers={"Accept": "*/*"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("path", ["/page", "/auth", "/auth/logout"])
def test_a_query_string_that_is_not_utf_8(make, path):
    client = browser(make(["cookies", "query_string"]))
    sign_in(client)
    raw = {"QUERY_STRING": "jwt=\xff&next=\xff"}
    answer = client.post(path, data=GOOD, headers=OWN, environ_overrides=raw)
    assert answer.status_code in (200, 303)
    answer = browser(client.application).post(path, headers=OWN, environ_overrides=raw)
    assert answer.status_code in (303, 400, 401)


def test_where_headers_carry_tokens_too_a_form_gets_cookies_and_json_gets_tokens(make):
    client = browser(make(["headers", "cookies"]))
    body = client.post("/auth", json=GOOD, headers=PAGE).get_json()
    assert {"access_token", "refresh_token"} <= set(body)
    assert not cookies(client)
    answer = client.post("/auth/refresh", headers=bearer(body["refresh_token"]))
    assert "access_token" in answer.get_json()
    assert location(sign_in(client)) == "/"
    assert len(cookies(client)) == 4


def test_forms_are_for_cookies_only(make):
    assert browser(make(["headers"])).post("/auth", data=GOOD).status_code == 400


def test_cookies_without_sessions(make, clock):
    client = browser(make(JWT_STORAGE_URI=None))
    sign_in(client)
    assert set(cookies(client)) == {"access_token_cookie", "csrf_access_token"}
    assert client.get("/page").text.startswith("joe")
    clock.tick(311)
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"


def test_logging_in_from_a_view_of_one_s_own(app, client, users):
    @app.post("/sign-up")
    def sign_up():
        users[2] = User(2, "ann")
        return app.jwt.log_in(users[2], label="ann's phone")

    assert location(client.post("/sign-up", data={"next": "/page"})) == "/page"
    assert client.get("/page").text.startswith("ann")


# Guarded pages


def test_a_page_leads_to_the_login_and_a_script_gets_json(client):
    assert location(client.get("/page?a=1&b=é")) == "/sign-in?next=%2Fpage%3Fa%3D1%26b%3D%C3%A9"
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.9", ""):
        answer = client.get("/page", headers={"Accept": accept})
        assert (answer.status_code, answer.get_json()["code"]) == (401, "token_missing")
        assert "WWW-Authenticate" in answer.headers
    answer = client.post("/page", headers=PAGE)
    assert location(answer) == "/sign-in", "what was posted can't be asked for again"


def test_a_path_like_another_host_leads_there_never(app, client):
    app.before_request(verify_jwt_in_request)
    answer = client.get("/", environ_overrides={"PATH_INFO": "//evil.example"}, headers=PAGE)
    assert location(answer) == "/sign-in?next=%2Fevil.example", "and so is of this host"


def test_the_login_view_may_be_a_path(make):
    client = browser(make(JWT_LOGIN_VIEW="/login?from=guard"))
    assert location(client.get("/page")) == "/login?from=guard&next=%2Fpage"


def test_a_login_view_that_is_not_there(make):
    app = make(JWT_LOGIN_VIEW="signin")
    app.testing = True
    with pytest.raises(ConfigError, match="write the endpoint"):
        browser(app).get("/page")


def test_below_a_prefix(app):
    client = app.test_client()
    answer = client.get("/page", headers=PAGE, base_url="https://localhost/shop")
    assert location(answer) == "/shop/sign-in?next=%2Fshop%2Fpage"


def test_current_identity_in_templates(client):
    assert client.get("/home").text.startswith("nobody")
    sign_in(client)
    assert client.get("/home").text.startswith("joe")


def test_logout_of_a_page(client):
    sign_in(client)
    answer = client.post("/auth/logout", headers=OWN)
    assert location(answer) == "/sign-in"
    assert not cookies(client)
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"


def test_logout_leads_to_a_local_next(client):
    sign_in(client)
    assert location(client.post("/auth/logout", data={"next": "/home"}, headers=OWN)) == "/home"
    sign_in(client)
    answer = client.post("/auth/logout", data={"next": "//evil.example"}, headers=OWN)
    assert location(answer) == "/sign-in"


def test_logout_when_the_access_cookie_is_over(client, clock):
    sign_in(client)
    clock.tick(400)
    client.post("/auth/logout", headers=OWN)
    assert not cookies(client)


@pytest.mark.parametrize(("scope", "stays"), [("others", True), ("global", False)])
def test_scopes_of_a_page_s_logout(client, scope, stays):
    sign_in(client)
    other = browser(client.application)
    sign_in(other)
    client.post("/auth/logout", data={"scope": scope}, headers=OWN)
    assert (client.get("/page").status_code == 200) is stays
    assert bool(cookies(client)) is stays
    assert other.get("/page").status_code == 303


def test_logout_of_a_script(client):
    sign_in(client)
    answer = client.post("/auth/logout", headers={**OWN, "Accept": "*/*"})
    assert answer.get_json() == {"revoked": 1}
    assert not cookies(client)


def test_logout_of_a_client_without_cookies_is_json_whatever_it_accepts(make):
    client = browser(make(["headers"]))
    tokens = client.post("/auth", json=GOOD).get_json()
    answer = client.post("/auth/logout", headers=bearer(tokens["access_token"]))
    assert answer.get_json() == {"revoked": 1}


def test_a_forged_logout_is_refused(client):
    sign_in(client)
    assert client.post("/auth/logout", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert client.get("/page").status_code == 200
