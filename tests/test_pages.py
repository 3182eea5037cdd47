"""Pages in a browser: cookies, CSRF, transparent renewal, redirects, deny by default."""

from __future__ import annotations

import jwt as pyjwt
import pytest
from flask import Blueprint, Flask, render_template_string, request
from flask.views import MethodView
from flask_cors import cross_origin

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


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
     {"Origin": "https://evil.example"}, {"Origin": "https://[::1"}],
)  # fmt: skip
def test_another_site_logs_nobody_in(client, headers):
    answer = client.post("/auth", data=GOOD, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert not cookies(client)


@pytest.mark.parametrize("path", ["/page", "/auth", "/auth/logout"])
def test_a_query_string_that_is_not_utf_8(make, path):
    client = browser(make(["cookies", "query_string"]))
    sign_in(client)
    raw = {"QUERY_STRING": "jwt=\xff&next=\xff"}
    answer = client.post(path, data=GOOD, headers=OWN, environ_overrides=raw)
    assert answer.status_code in (200, 303)
    answer = browser(client.application).post(path, headers=OWN, environ_overrides=raw)
    assert answer.status_code in (303, 400, 401)


@pytest.mark.parametrize("path", ["/own-sign-in", "/own-sign-up"])
def test_another_site_logs_nobody_in_by_a_view_of_one_s_own(app, client, users, path):
    @app.post("/own-sign-in")
    def own_sign_in():
        app.jwt.authenticate("joe", "pass")
        return "the password was judged"

    @app.route("/own-sign-up", methods=["GET", "POST"])
    def own_sign_up():
        return app.jwt.log_in(users[1])

    answer = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert not cookies(client)
    assert client.post(path, headers=OWN).status_code < 400
    assert client.get("/own-sign-up", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 303


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


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}])
def test_another_site_logs_nobody_in_through_a_view_of_one_s_own(app, client, headers):
    @app.post("/own")
    def own():
        return app.jwt.log_in(app.jwt.authenticate("joe", request.form["password"]))

    @app.post("/sign-up")
    def sign_up():
        return app.jwt.log_in(1)

    for path in ("/own", "/sign-up"):
        assert client.post(path, data=GOOD, headers=headers).status_code == 403
    assert not cookies(client)
    for _ in range(11):  # nor does it use up the tries of a user it knows by name
        assert client.post("/own", data={"password": "no"}, headers=headers).status_code == 403
    assert location(client.post("/own", data=GOOD, headers=OWN)) == "/"


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


# CSRF


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://localhost"}, 403),
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Origin": "https://localhost"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://localhost.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://[::1"}, 403),
        ({"Origin": ""}, 403),
        ({}, 403),
    ],
)
def test_who_may_post(client, headers, status):
    sign_in(client)
    answer = client.post("/page", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.get_json()["code"] == "csrf_failed"


def decoding(app):
    @app.jwt.jwt_decode_handler
    def decode(token):
        unchecked = dict.fromkeys(["verify_exp", "verify_iat", "verify_nbf"], False)
        return pyjwt.decode(token, SECRET, ["HS256"], options=unchecked)


def finding(app):
    @app.jwt.request_handler
    def find():
        return _default_request_handler()


@pytest.mark.parametrize("set_handler", [decoding, finding], ids=lambda f: f.__name__)
def test_handlers_of_one_s_own_need_proof_too(make, set_handler):
    app = make(["cookies", "headers"], JWT_STORAGE_URI=None)
    set_handler(app)
    client = browser(app)
    sign_in(client)
    value, token = (cookies(client)[name] for name in ("csrf_access_token", "access_token_cookie"))
    answer = client.post("/page", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert client.post("/page", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 403
    assert client.post("/page", headers={"X-CSRF-TOKEN": value}).status_code == 200
    assert client.post("/page", headers=OWN).status_code == 200
    assert client.get("/page").status_code == 200
    answer = client.post("/page", headers={**bearer(token), "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200, "nobody is made to send a header"


def test_no_origin_is_not_that_of_a_host_that_can_not_be_read(client):
    sign_in(client)
    host = {"HTTP_HOST": "my_app.example"}
    for origin in ("null", "", "https://evil.example"):
        answer = client.post("/page", headers={"Origin": origin}, environ_overrides=host)
        assert answer.status_code == 403


def value_in(page):
    return page.text.split('value="')[1].split('"')[0]


def test_the_field_of_a_form_is_the_fallback(client):
    sign_in(client)
    value = value_in(client.get("/home"))
    assert client.post("/page", data={"csrf_token": value}).status_code == 200
    assert client.post("/page", data={"csrf_token": value[:-1] + "x"}).status_code == 403
    assert client.post("/page", headers={"X-CSRF-TOKEN": value}).status_code == 200
    other = browser(client.application)
    sign_in(other)
    assert other.post("/page", data={"csrf_token": value}).status_code == 403


def test_a_form_stays_good_while_tokens_are_renewed(client, clock):
    sign_in(client)
    value = value_in(client.get("/home"))
    clock.tick(400)
    assert client.post("/page", data={"csrf_token": "wrong"}).status_code == 403
    assert client.post("/page", data={"csrf_token": value}).status_code == 200
    assert client.post("/page", data={"csrf_token": value}).status_code == 200


def test_the_field_without_a_login_is_empty(client):
    assert 'name="csrf_token" value=""' in client.get("/home").text
    client.set_cookie("access_token_cookie", "rubbish", secure=True)
    assert 'value=""' in client.get("/home").text


# Renewal


def test_renewal_is_transparent(client, clock):
    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    answer = client.get("/page")
    assert answer.text.startswith("joe")
    assert answer.headers["Cache-Control"] == "no-store"
    after = cookies(client)
    assert after["access_token_cookie"] != before["access_token_cookie"]
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    assert "Set-Cookie" not in client.get("/page").headers, "once is enough"


def test_renewal_where_the_access_cookie_is_gone(client):
    sign_in(client)
    client.delete_cookie("access_token_cookie")
    assert client.get("/page").text.startswith("joe")


def test_no_cache_keeps_somebody_s_cookies(app, client, clock):
    @app.get("/cached")
    @jwt_required(optional=True)
    def cached():
        return "page", {"Cache-Control": "public, max-age=600"}

    sign_in(client)
    assert client.get("/cached").headers["Cache-Control"] == "public, max-age=600"
    clock.tick(400)
    answer = client.get("/cached")
    assert len(answer.headers.getlist("Set-Cookie")) == 4
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    with app.app_context():
        app.jwt.sessions.revoke_all(1)
    answer = client.get("/cached")
    assert len(answer.headers.getlist("Set-Cookie")) == 4, "they are taken away"
    assert answer.headers.getlist("Cache-Control") == ["no-store"]


def test_a_view_s_own_access_cookie_outlasts_the_renewal(app, client, clock):
    @app.get("/own")
    @jwt_required()
    def own():
        response = app.make_response("own")
        set_access_cookies(response, create_access_token(current_identity, claims={"own": True}))
        return response

    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    client.get("/own")
    after = cookies(client)
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    with app.app_context():
        assert decode_token(after["access_token_cookie"])["own"] is True


def test_ten_tabs_rotate_once(app, client, clock):
    sign_in(client)
    clock.tick(400)
    tabs = [copy_of(client) for _ in range(10)]
    assert {tab.get("/page").status_code for tab in tabs} == {200}
    assert len({cookies(tab)["refresh_token_cookie"] for tab in tabs}) == 1
    with app.app_context():
        assert [session.generation for session in app.jwt.sessions.list(1)] == [1]


def test_a_guard_within_a_guard_rotates_once(make, clock):
    app = make(JWT_REFRESH_GRACE=0)
    view = app.view_functions["page"]
    app.add_url_rule("/twice", "twice", jwt_required()(view))
    client = browser(app)
    sign_in(client)
    clock.tick(400)
    assert client.get("/twice").status_code == 200


def test_a_stolen_refresh_cookie_ends_the_session(client, clock):
    sign_in(client)
    thief = copy_of(client)
    clock.tick(400)
    assert client.get("/page").status_code == 200
    clock.tick(400)
    answer = thief.get("/page", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "refresh_reused")
    assert not cookies(thief), "they are good for nothing"
    assert location(client.get("/page")) == "/sign-in?error=token_revoked&next=%2Fpage"
    assert not cookies(client)


def test_the_login_page_is_told_that_a_copy_was_used(client, clock):
    sign_in(client)
    thief = copy_of(client)
    clock.tick(400)
    client.get("/page")
    clock.tick(400)
    assert location(thief.get("/page")) == "/sign-in?error=refresh_reused&next=%2Fpage"


def test_an_ended_session_is_nobody_s_where_a_login_is_optional(app, client, clock):
    sign_in(client)
    other = copy_of(client)
    with app.app_context():
        app.jwt.sessions.revoke_all(1)
    answer = client.get("/home")
    assert answer.text.startswith("nobody")
    assert not cookies(client)
    clock.tick(400)
    assert other.get("/home").text.startswith("nobody")
    assert not cookies(other)


def test_a_user_who_is_gone(client, users, clock):
    sign_in(client)
    users.clear()
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"
    assert not cookies(client)


def test_renewal_needs_proof_too(client, clock):
    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    assert client.post("/page", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert cookies(client) == before, "a forged request doesn't even use the session up"
    assert client.post("/page", headers=OWN).status_code == 200


def test_a_store_that_is_down_takes_no_cookies(make, clock):
    class Down(MemoryStore):
        is_down = False

        def rotate(self, *args, **kwargs):
            if self.is_down:
                from flask_jwt.errors import StoreUnavailable

                raise StoreUnavailable
            return super().rotate(*args, **kwargs)

    app = make()
    client = browser(app)
    sign_in(client)
    store = app.extensions["flask-jwt"].sessions.store.store
    store.__class__ = Down
    store.is_down = True
    clock.tick(400)
    assert client.get("/page").status_code == 503
    assert client.get("/home").status_code == 503
    assert len(cookies(client)) == 4


def test_a_header_is_not_renewed_by_a_cookie_s_refusal(make, clock):
    app = make(["headers", "cookies"])
    client = browser(app)
    sign_in(client)
    expired = cookies(client)["access_token_cookie"]
    clock.tick(400)
    assert client.get("/page", headers={**bearer(expired), "Accept": "*/*"}).status_code == 401
    assert len(cookies(client)) == 4


@pytest.mark.parametrize("cookie", ["rubbish", "a.b.c", "x" * 9000, "é", "\x01"])
def test_odd_refresh_cookies(app, cookie):
    answer = app.test_client().get(
        "/page", environ_overrides={"HTTP_COOKIE": f"refresh_token_cookie={cookie}"}
    )
    assert answer.status_code == 401


# Refresh and logout


def test_refresh_with_the_cookie(client):
    sign_in(client)
    before = cookies(client)
    script = {"Accept": "*/*"}
    assert client.post("/auth/refresh", headers=script).status_code == 403
    answer = client.post("/auth/refresh", headers={**script, **OWN})
    assert (answer.status_code, answer.data) == (204, b"")
    assert len(answer.headers.getlist("Set-Cookie")) == 4
    assert cookies(client)["refresh_token_cookie"] != before["refresh_token_cookie"]


def test_refresh_with_the_cookie_beside_another_scheme_s_header(make):
    client = browser(make(["headers", "cookies"]))
    sign_in(client)
    answer = client.post(
        "/auth/refresh", headers={**OWN, "Authorization": "Basic am9lOnBhc3M=", "Accept": "*/*"}
    )
    assert answer.status_code == 204


def test_claims_that_are_refused_end_no_session(app, client):
    app.jwt.token_verification_loader(lambda header, claims: False)
    sign_in(client)
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"
    assert client.get("/home").status_code == 303
    assert len(cookies(client)) == 4


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


# Deny by default


@pytest.fixture
def closed(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    @app.get("/unmarked")
    def unmarked():
        return str(current_identity.username)

    @app.get("/open")
    @app.jwt.exempt
    def open_():
        return "open"

    class Methods(MethodView):
        def get(self):
            return "get"

        @app.jwt.exempt
        def post(self):
            return "post"

    app.add_url_rule("/methods", view_func=Methods.as_view("methods"))

    @app.jwt.exempt
    class Free(MethodView):
        def get(self):
            return "free"

    app.add_url_rule("/free", view_func=Free.as_view("free"))

    class Optional(MethodView):
        @jwt_required(optional=True)
        def get(self):
            return "optional"

    app.add_url_rule("/optional", view_func=Optional.as_view("optional"))
    return app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/unmarked", 401),
        ("HEAD", "/unmarked", 401),
        ("OPTIONS", "/unmarked", 200),
        ("GET", "/page", 401),
        ("GET", "/home", 200),
        ("GET", "/open", 200),
        ("GET", "/methods", 401),
        ("HEAD", "/methods", 401),
        ("POST", "/methods", 200),
        ("GET", "/free", 200),
        ("HEAD", "/free", 200),
        ("GET", "/optional", 200),
        ("GET", "/static/nothing", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/unmarked", 405),
        ("GET", "/sign-in", 200),
        ("POST", "/auth", 400),
        ("POST", "/auth/refresh", 401),
        ("GET", "/auth/sessions", 401),
    ],
)
def test_what_is_open_where_all_is_guarded(closed, method, path, status):
    answer = closed.test_client().open(path, method=method)
    assert answer.status_code == status


def test_what_a_login_opens_where_all_is_guarded(closed):
    client = browser(closed)
    sign_in(client)
    assert client.get("/unmarked").text == "joe"
    assert client.get("/methods").text == "get"


def test_the_login_page_is_open_under_its_path_too(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True, JWT_LOGIN_VIEW="/sign-in")
    assert browser(app).get("/sign-in").status_code == 200


@pytest.mark.parametrize("page", ["/sign-in?from=guard", "/shop/sign-in"])
def test_the_login_page_is_open_under_each_of_its_urls(make, page):
    client = make(JWT_REQUIRED_BY_DEFAULT=True, JWT_LOGIN_VIEW=page).test_client()
    answer = client.get("/page", headers=PAGE, base_url="https://localhost/shop")
    assert location(answer).startswith(page)
    assert (
        client.get("/sign-in", headers=PAGE, base_url="https://localhost/shop").status_code == 200
    )


def test_a_view_that_is_called_static_is_no_static_file(make, tmp_path):
    (tmp_path / "file").write_text("file")
    app = make(JWT_REQUIRED_BY_DEFAULT=True)
    plain = Blueprint("plain", __name__, url_prefix="/plain")
    plain.add_url_rule("/", "static", lambda: "secret")
    app.register_blueprint(plain)
    inner = Blueprint("inner", __name__, static_folder=tmp_path, static_url_path="/static")
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer)
    app.add_url_rule("/dotted", "some.static", lambda: "secret")
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/plain/", "/dotted")] == [401, 401]
    with client.get("/outer/inner/static/file") as answer:
        assert answer.text == "file"


def test_a_view_that_takes_options_itself_is_not_run_for_it(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)
    app.add_url_rule("/both", "both", lambda: "secret", methods=["GET", "OPTIONS"])

    class Preflight(MethodView):
        def get(self):
            return "secret"

        @app.jwt.exempt
        def options(self):
            return "", 204

    app.add_url_rule("/preflight", view_func=Preflight.as_view("preflight"))

    app.add_url_rule("/decorated", "decorated", cross_origin()(lambda: "secret"))
    client = app.test_client()
    answer = client.options("/both")
    assert (answer.status_code, answer.data) == (200, b"")
    assert {"GET", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert client.options("/preflight").status_code == 204
    assert "Access-Control-Allow-Origin" in client.options("/decorated").headers
    for path in ("/both", "/preflight", "/decorated"):
        assert client.get(path).status_code == 401


def test_a_subclass_of_an_open_class_is_guarded(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    @app.jwt.exempt
    class Open(MethodView):
        def get(self):
            return "open"

    class Closed(Open):
        def get(self):
            return "closed"

    app.add_url_rule("/base", view_func=Open.as_view("base"))
    app.add_url_rule("/sub", view_func=Closed.as_view("sub"))
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/base", "/sub")] == [200, 401]


@pytest.mark.parametrize("install", FRAMEWORKS, ids=lambda f: f.__name__)
def test_under_each_framework_all_is_guarded(make, install):
    if install is apiflask:
        from apiflask import APIFlask

        app = make(App=APIFlask, JWT_REQUIRED_BY_DEFAULT=True)
    else:
        app = make(JWT_REQUIRED_BY_DEFAULT=True)
    install(app, lambda: {"it": "runs"})
    client = app.test_client()
    answer = client.get("/protected")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_missing")
    endpoint = next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/protected")
    app.jwt.exempt(app.view_functions[endpoint])
    assert client.get("/protected").get_json() == {"it": "runs"}


def test_a_method_of_a_resource_may_be_open(make):
    from flask_restful import Api, Resource

    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    class Half(Resource):
        def get(self):
            return "guarded"

        @app.jwt.exempt
        def post(self):
            return "free"

    Api(app).add_resource(Half, "/rest")
    client = app.test_client()
    assert client.get("/rest").status_code == 401
    assert client.post("/rest").status_code == 200


def test_in_the_extended_spelling_all_is_guarded():
    from flask_jwt import extended

    app = Flask("extended")
    app.config.update(JWT_SECRET_KEY=SECRET, JWT_REQUIRED_BY_DEFAULT=True)
    jwt = extended.JWTManager(app)
    app.add_url_rule("/closed", "closed", lambda: "closed")
    app.add_url_rule("/open", "open", jwt.exempt(lambda: "open"))
    app.add_url_rule("/own", "own", extended.jwt_required(optional=True)(lambda: "own"))
    client = app.test_client()
    assert client.get("/closed").get_json() == {"msg": "Missing Authorization Header"}
    assert [client.get(path).text for path in ("/open", "/own")] == ["open", "own"]
    with app.app_context():
        headers = bearer(extended.create_access_token("joe"))
    assert client.get("/closed", headers=headers).text == "closed"
