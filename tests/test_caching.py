"""A shared cache never gives one user's page to another: Vary, no-store and what stays cacheable.

The cache is a model by RFC 9111, and as greedy as the RFC allows: it also stores what nobody has
asked it to store.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Blueprint, abort, jsonify, make_response, render_template_string, request
from flask.views import MethodView

import flask_jwt
from flask_jwt import JWT, get_jwt_identity, jwt_required, verify_jwt_in_request
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, HTML, Browser, bearer, private_pem

HEURISTICALLY_CACHEABLE = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}
"""Statuses that a cache may store without being told to (RFC 9110 section 15.1)."""


class SharedCache:
    """A cache between many clients and an application."""

    def __init__(self, app):
        self.client = app.test_client(use_cookies=False)
        self.stored = {}

    def open(self, path, method="GET", headers=None, **options):
        """Return a stored response, or the application's."""
        headers = {name.lower(): value for name, value in (headers or {}).items()}
        entries = self.stored.setdefault(path, [])
        if method in ("GET", "HEAD"):
            for entry in entries:
                if all(headers.get(name) == value for name, value in entry.selecting.items()):
                    return entry.response
        response = self.client.open(path, method=method, headers=headers, **options)
        response.get_data()
        if method == "GET" and self.may_store(headers, response):
            names = {name.lower() for name in response.vary}
            selecting = {name: headers.get(name) for name in names}
            entries.append(SimpleNamespace(selecting=selecting, response=response))
        return response

    @staticmethod
    def may_store(headers, response):
        """Return whether the response may be stored and used again (sections 3 and 4)."""
        control = response.cache_control
        if control.no_store or control.private or control.no_cache or "*" in response.vary:
            return False
        is_shared = control.public or control.must_revalidate or control.s_maxage is not None
        if "authorization" in headers and not is_shared:  # section 3.5
            return False
        lifetime = control.max_age if control.s_maxage is None else control.s_maxage
        if lifetime is not None:
            return lifetime > 0
        return is_shared or response.status_code in HEURISTICALLY_CACHEABLE


def test_the_model_stores_what_a_cache_may_store(make_app):
    app = make_app(guards={})
    app.add_url_rule("/x", "x", lambda: (request.headers.get("A", ""), request.args))
    for arguments, is_stored in [
        ({}, True),
        ({"Cache-Control": "no-store"}, False),
        ({"Cache-Control": "private"}, False),
        ({"Cache-Control": "max-age=0"}, False),
        ({"Vary": "A"}, False),
        ({"Vary": "B"}, True),
        ({"Vary": "*"}, False),
    ]:
        cache = SharedCache(app)
        for value in "1", "2":
            response = cache.open("/x", headers={"A": value}, query_string=arguments)
        assert response.text == ("1" if is_stored else "2"), arguments
    for control, is_stored in (None, False), ("public", True), ("s-maxage=9", True):
        cache = SharedCache(app)
        arguments = {"Cache-Control": control} if control else {}
        for value in "1", "2":
            headers = {"A": value, "Authorization": value}
            response = cache.open("/x", headers=headers, query_string=arguments)
        assert response.text == ("1" if is_stored else "2"), control


# Ways to send a token


def in_cookie(app, token):
    return {"headers": {"Cookie": f"access_token_cookie={token}"}}


def in_refresh_cookie(app, token):
    with app.app_context():
        name = flask_jwt.decode_token(token)["sub"]
    response = app.test_client().post("/auth", data={"username": name, "password": "pass"})
    (line,) = [line for line in response.headers.getlist("Set-Cookie") if "refresh_token_" in line]
    return {"headers": {"Cookie": line.partition(";")[0]}}


def in_header(app, token):
    return {"headers": bearer(token)}


def in_x_header(app, token):
    return {"headers": {"X-Auth": f"Bearer {token}"}}


def in_query_string(app, token):
    return {"query": f"?jwt={token}"}


def in_json(app, token):
    return {"json": {"access_token": token}}


def set_request_handler(app):
    app.jwt.request_handler(lambda: request.cookies.get("access_token_cookie"))


def set_decode_handler(app):
    app.jwt.jwt_decode_handler(flask_jwt.decode_token)


def set_both_handlers(app):
    set_request_handler(app)
    set_decode_handler(app)


WAYS = {
    "cookies": (["cookies"], in_cookie, {}),
    "renewed cookies": (["cookies"], in_refresh_cookie, {"JWT_STORAGE_URI": "memory://"}),
    "header": (["headers"], in_header, {}),
    "X-Auth": (["headers"], in_x_header, {"JWT_HEADER_NAME": "X-Auth"}),
    "query string": (["query_string"], in_query_string, {}),
    "JSON": (["json"], in_json, {}),
    "cookies before headers": (["cookies", "headers"], in_cookie, {}),
    "cookies after headers": (["headers", "cookies"], in_cookie, {}),
    "header before cookies": (["headers", "cookies"], in_header, {}),
    "request handler": (["headers"], in_cookie, {"set_up": set_request_handler}),
    "decode handler": (["cookies"], in_cookie, {"set_up": set_decode_handler}),
    "both handlers": (["headers"], in_cookie, {"set_up": set_both_handlers}),
    "decode handler, JSON": (["json"], in_json, {"set_up": set_decode_handler}),
}
LEFT_TO_THE_VIEW = {"header", "JSON", "decode handler, JSON"}
"""Ways of which caches know nothing: a view that allows caching decides for them."""


# Ways to guard a view


def show(control=None):
    response = make_response(f"page of {get_jwt_identity()}")
    if control:
        response.headers["Cache-Control"] = control
    return response


def by_decorator(app, control):
    app.add_url_rule("/page", "page", jwt_required()(lambda: show(control)))


def by_optional_decorator(app, control):
    app.add_url_rule("/page", "page", jwt_required(optional=True)(lambda: show(control)))


def with_locations(app, control):
    guard = jwt_required(optional=True, locations=["cookies", "query_string", "headers", "json"])
    app.add_url_rule("/page", "page", guard(lambda: show(control)))


def by_call(app, control):
    @app.get("/page")
    def page():
        verify_jwt_in_request(optional=True)
        return show(control)


def by_application(app, control):
    app.before_request(lambda: verify_jwt_in_request(optional=True))
    app.add_url_rule("/page", "page", lambda: show(control))


def by_blueprint(app, control):
    blueprint = Blueprint("pages", "pages")
    blueprint.before_request(lambda: verify_jwt_in_request(optional=True))
    blueprint.add_url_rule("/page", "page", lambda: show(control))
    app.register_blueprint(blueprint)


def by_exempt_blueprint(app, control):
    blueprint = Blueprint("pages", "pages")
    by_call(blueprint, control)
    app.jwt.exempt(blueprint)
    app.register_blueprint(blueprint)


def by_class(app, control):
    class Page(MethodView):
        decorators = (jwt_required(optional=True),)

        def get(self):
            return show(control)

    app.add_url_rule("/page", view_func=Page.as_view("page"))


def by_default(app, control):
    app.add_url_rule("/page", "page", lambda: show(control))


def streamed(app, control):
    @app.get("/page")
    @jwt_required(optional=True)
    def page():
        page = show(control)
        return app.response_class(iter([page.get_data(as_text=True)]), headers=page.headers)


def as_an_error(app, control):
    @app.get("/page")
    @jwt_required(optional=True)
    def page():
        page = show(control)
        page.status_code = 404
        abort(page)


def by_an_error_handler(app, control):
    by_decorator(app, control)

    @app.errorhandler(flask_jwt.JWTError)
    def handle(error):
        response = show(control) if request.headers.get("X") else make_response("nobody")
        return response, 404

    @app.errorhandler(404)
    def not_found(error):
        return show(control), 404


def after_another_hook(app, control):
    by_decorator(app, control)

    @app.after_request
    def replace(response):
        return make_response(response.get_data()) if request.path == "/page" else response


GUARDS = [
    by_decorator, by_optional_decorator, with_locations, by_call, by_application, by_blueprint,
    by_exempt_blueprint, by_class, by_default, streamed, as_an_error, by_an_error_handler,
    after_another_hook,
]  # fmt: skip


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


@pytest.fixture
def make_site(make_app, extension):
    def make_site(**options):
        defaults = {
            "users": ANYONE, "guards": {}, "JWT_AUTH_URL_RULE": "/auth", "JWT_COOKIE_SECURE": False,
            "TESTING": True,
        }  # fmt: skip
        set_up = options.pop("set_up", lambda app: None)
        app = make_app(extension, **{**defaults, **options})
        set_up(app)
        return app

    return make_site


@pytest.mark.slow
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize(
    ("way", "control"),
    [
        (way, control)
        for control in (None, "public, max-age=60", "max-age=60")
        for way in WAYS
        if control is None or way not in LEFT_TO_THE_VIEW
    ],
)
def test_a_shared_cache_gives_no_page_to_another(make_site, guard, way, control):
    locations, send, options = WAYS[way]
    app = make_site(
        JWT_TOKEN_LOCATION=locations, JWT_REQUIRED_BY_DEFAULT=guard is by_default, **options
    )
    guard(app, control)
    with app.app_context():
        tokens = {name: flask_jwt.create_access_token(name) for name in ("ann", "bob")}
    sent = {name: send(app, token) for name, token in tokens.items()}
    sent["nobody"] = {}
    for first in sent:
        cache = SharedCache(app)
        for name in [first, *sent]:
            options = {**sent[name]}
            path = "/page" + options.pop("query", "")
            others = {"ann", "bob"} - {name}
            for method in "GET", "HEAD", "OPTIONS":
                response = cache.open(path, method, **options)
                assert not [other for other in others if f"page of {other}" in response.text]
            if name != "nobody" and send is not in_json:
                assert f"page of {name}" in cache.open(path, **options).text


# The package's own responses


@pytest.fixture
def signed_in(make_site):
    app = make_site(JWT_TOKEN_LOCATION=["cookies", "headers"], JWT_STORAGE_URI="memory://")
    app.add_url_rule("/form", "form", lambda: render_template_string("{{ jwt_csrf_field() }}"))
    by_decorator(app, "private, max-age=60")
    browser = Browser(app)
    browser.site = "same-origin"
    browser.post("/auth", data={"username": "ann", "password": "pass"})
    return browser


def is_private(response):
    return response.cache_control.no_store and "Cookie" in response.vary


def test_the_endpoints_are_not_stored(signed_in):
    listed = signed_in.get("/auth/sessions", accept="*/*")
    sid = listed.get_json()["sessions"][0]["sid"]
    assert is_private(listed)
    token = signed_in.cookies["access_token_cookie"]
    listed = signed_in.application.test_client().get("/auth/sessions", headers=bearer(token))
    assert listed.cache_control.no_store
    assert sid in listed.text
    for method, path, json in [
        ("PATCH", f"/auth/sessions/{sid}", {"label": "x"}),
        ("POST", "/auth/refresh", None),
        ("POST", "/auth", {"username": "ann", "password": "pass"}),
        ("POST", "/auth", {"username": "ann", "password": "wrong"}),
        ("DELETE", "/auth/sessions/" + "0" * 32, None),
        ("POST", "/auth/logout", None),
        ("POST", "/auth/logout", None),
        ("GET", "/auth/sessions", None),
    ]:
        response = signed_in.open(path, method=method, json=json, accept="*/*")
        assert response.cache_control.no_store, (method, path)


def test_public_keys_stay_cacheable(make_site):
    app = make_site(
        JWT_TOKEN_LOCATION=["cookies"], JWT_REQUIRED_BY_DEFAULT=True,
        JWT_PRIVATE_KEY=private_pem(ed25519.Ed25519PrivateKey.generate()), JWT_ALGORITHM="EdDSA",
    )  # fmt: skip
    cache = SharedCache(app)
    first = cache.open("/.well-known/jwks.json")
    assert first.status_code == 200
    assert cache.open("/.well-known/jwks.json") is first
    assert "Vary" not in first.headers


def test_what_no_guard_looks_at_is_left_alone(make_site):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"])
    app.add_url_rule("/open", "open", lambda: "open")
    response = app.test_client().get("/open")
    assert {"Vary", "Cache-Control"}.isdisjoint(response.headers.keys())


def test_an_api_with_tokens_in_the_authorization_header_is_left_alone(make_site):
    app = make_site()
    by_optional_decorator(app, None)
    with app.app_context():
        token = flask_jwt.create_access_token("ann")
    response = app.test_client().get("/page", headers=bearer(token))
    assert {"Vary", "Cache-Control"}.isdisjoint(response.headers.keys())
    assert list(app.test_client().get("/page").vary) == ["Authorization"]


def test_a_page_for_everybody_varies_and_stays_cacheable(make_site):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"])
    by_optional_decorator(app, None)
    response = app.test_client().get("/page")
    assert list(response.vary) == ["Cookie"]
    assert "Cache-Control" not in response.headers


def test_a_view_may_allow_its_browser_to_keep_a_page(signed_in):
    response = signed_in.get("/page")
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert "Cookie" in response.vary


def test_an_unguarded_form_with_a_value_is_not_stored(signed_in):
    assert is_private(signed_in.get("/form"))
    response = signed_in.application.test_client().get("/form")
    assert "Cookie" in response.vary
    assert "Cache-Control" not in response.headers


@pytest.mark.parametrize("control", [None, "public, max-age=60"])
def test_a_response_with_new_tokens_is_not_stored(make_site, control):
    app = make_site(JWT_TOKEN_LOCATION=["cookies", "headers"])

    @app.get("/cookies")
    def cookies():
        response = make_response("welcome")
        if control:
            response.headers["Cache-Control"] = control
        flask_jwt.set_access_cookies(response, flask_jwt.create_access_token("ann"))
        return response

    @app.get("/token")
    def token():
        return jsonify(token=flask_jwt.create_access_token("ann"))

    @app.get("/log-in")
    def log_in():
        return app.jwt.log_in("ann")

    for path in "/cookies", "/token", "/log-in":
        response = app.test_client().get(path)
        assert response.headers["Cache-Control"] == "no-store", path


@pytest.mark.parametrize("accept", [HTML, "*/*"])
def test_rejections_are_not_stored(make_site, accept):
    app = make_site(JWT_TOKEN_LOCATION=["cookies"], JWT_LOGIN_VIEW="/sign-in")
    by_decorator(app, None)
    for headers in {}, {"Cookie": "access_token_cookie=junk"}:
        response = app.test_client().get("/page", headers={"Accept": accept, **headers})
        assert response.status_code in (303, 401, 422)
        assert is_private(response)
