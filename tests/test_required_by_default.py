"""``JWT_REQUIRED_BY_DEFAULT``: every view is guarded but those that are exempt."""

from __future__ import annotations

import pytest
from flask import Blueprint
from flask.views import MethodView
from flask_cors import cross_origin

from flask_jwt import current_identity, extended, jwt_required
from tests.support import Browser, bearer, location
from tests.test_errors import FRAMEWORKS, class_of


@pytest.fixture
def make_guarded(make_pages):
    """Make applications whose views are guarded by default."""

    def make_guarded(**options):
        return make_pages(JWT_REQUIRED_BY_DEFAULT=True, **options)

    return make_guarded


@pytest.fixture
def guarded(make_guarded):
    """An application with views of each kind."""
    app = make_guarded()

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
def test_which_views_are_guarded(guarded, method, path, status):
    response = guarded.test_client().open(path, method=method)
    assert response.status_code == status


def test_a_login_opens_guarded_views(guarded):
    browser = Browser(guarded)
    browser.sign_in()
    assert browser.get("/unmarked").text == "joe"
    assert browser.get("/methods").text == "get"


def test_the_login_page_is_exempt_if_the_option_has_its_path(make_guarded):
    app = make_guarded(JWT_LOGIN_VIEW="/sign-in")
    assert Browser(app).get("/sign-in").status_code == 200


@pytest.mark.parametrize("page", ["/sign-in?from=guard", "/shop/sign-in"])
def test_the_login_page_is_exempt_under_each_of_its_urls(make_guarded, page):
    browser = Browser(make_guarded(JWT_LOGIN_VIEW=page))
    shop = "https://localhost/shop"
    assert location(browser.get("/page", base_url=shop)).startswith(page)
    assert browser.get("/sign-in", base_url=shop).status_code == 200


def test_a_view_whose_endpoint_is_called_static_is_guarded(make_guarded, tmp_path):
    (tmp_path / "file").write_text("file")
    app = make_guarded()
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
    with client.get("/outer/inner/static/file") as response:
        assert response.text == "file"


def test_a_guarded_view_is_not_run_for_options(make_guarded):
    app = make_guarded()
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
    response = client.options("/both")
    assert (response.status_code, response.data) == (200, b"")
    assert {"GET", "OPTIONS"} <= set(response.headers["Allow"].split(", "))
    assert client.options("/preflight").status_code == 204
    assert "Access-Control-Allow-Origin" in client.options("/decorated").headers
    for path in ("/both", "/preflight", "/decorated"):
        assert client.get(path).status_code == 401


def test_a_subclass_of_an_exempt_class_is_guarded(make_guarded):
    app = make_guarded()

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
def test_views_of_each_framework_are_guarded(make_guarded, install):
    app = make_guarded(flask=class_of(install))
    install(app, lambda: {"it": "runs"})
    client = app.test_client()
    response = client.get("/protected")
    assert (response.status_code, response.get_json()["code"]) == (401, "token_missing")
    endpoint = next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/protected")
    app.jwt.exempt(app.view_functions[endpoint])
    assert client.get("/protected").get_json() == {"it": "runs"}


def test_a_method_of_a_resource_may_be_exempt(make_guarded):
    from flask_restful import Api, Resource

    app = make_guarded()

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


def test_views_are_guarded_under_jwtmanager_too(make_app):
    app = make_app(
        extended.JWTManager, users=False, guards={"/own": {"optional": True}}, show=lambda: "own",
        api=extended, JWT_REQUIRED_BY_DEFAULT=True,
    )  # fmt: skip
    app.add_url_rule("/closed", "closed", lambda: "closed")
    app.add_url_rule("/open", "open", app.jwt.exempt(lambda: "open"))
    client = app.test_client()
    assert client.get("/closed").get_json() == {"msg": "Missing Authorization Header"}
    assert [client.get(path).text for path in ("/open", "/own")] == ["open", "own"]
    with app.app_context():
        headers = bearer(extended.create_access_token("joe"))
    assert client.get("/closed", headers=headers).text == "closed"
