"""OpenAPI documents show the application as it is now, whatever was kept for earlier ones."""

from __future__ import annotations

from functools import update_wrapper

import flask_restful
import flask_restx
import flask_smorest
import pytest
from flask import Blueprint
from flask.views import MethodView
from werkzeug.routing import Rule

from flask_jwt import Issuer, jwt_required
from flask_jwt.openapi import annotate
from tests.openapi_apps import LIBRARIES, TOKEN
from tests.support import make_app
from tests.test_openapi import doc, serve

PATHS = ["/view", "/open", "/object", "/class", "/resource", "/per-method", "/late/view", "/new"]
IDP = Issuer("https://idp.test", audience="api", algorithms="ES256")
OTHER = Issuer("https://other.test", audience="api", algorithms="ES256")
OIDC, OIDC2 = {"openIdConnect": []}, {"openIdConnect2": []}


class Logged:
    """Wrap a view in an object that equals any other of its class."""

    def __init__(self, view):
        update_wrapper(self, view)

    def __call__(self, *args, **kwargs):
        return self.__wrapped__(*args, **kwargs)

    def __eq__(self, other):
        return isinstance(other, Logged)

    def __hash__(self):
        return 1


def make_view():
    # A guard remembers the function that it was put on, so each view is another one.
    return lambda: {"shown": True}


def make_changing_app(**config):
    """Return an application with all kinds of views; only ``/view`` has a guard."""
    app = make_app(guards={"/view": {}}, **config)
    app.get("/open", endpoint="open")(make_view())
    app.add_url_rule("/object", "object", Logged(make_view()))

    class View(MethodView):
        def get(self):
            return {}

    app.add_url_rule("/class", view_func=View.as_view("class"))

    class Resource(flask_restx.Resource):
        method_decorators = []

        def get(self):
            return {}

    flask_restx.Api(app, doc=False).add_resource(Resource, "/resource", endpoint="resource")

    class PerMethod(flask_restful.Resource):
        method_decorators = {"post": [], "get": []}

        def get(self):
            return {}

    flask_restful.Api(app).add_resource(PerMethod, "/per-method", endpoint="per-method")
    return app


def class_of(app, endpoint):
    return app.view_functions[endpoint].view_class


def add_rule(app):
    app.get("/new")(jwt_required()(make_view()))


def replace_view(app):
    app.view_functions["open"] = jwt_required()(make_view())


def replace_view_by_an_equal_object(app):
    app.view_functions["object"] = Logged(jwt_required()(make_view()))


def open_view(app):
    app.view_functions[app.url_map.bind("x").match("/view")[0]] = make_view()


def give_a_view_the_endpoint_of_another(app):
    guarded = app.url_map.bind("x").match("/view")[0]
    swapped = {guarded: "open", "open": guarded}
    views = app.view_functions.items()
    app.view_functions = {swapped.get(name, name): view for name, view in views}


def replace_rules_by_equal_ones(app):
    guarded = app.url_map.bind("x").match("/view")[0]
    swapped = {guarded: "open", "open": guarded}
    rules = [
        Rule(rule.rule, endpoint=swapped.get(rule.endpoint, rule.endpoint), methods=rule.methods)
        for rule in app.url_map.iter_rules()
    ]
    app.url_map = type(app.url_map)(rules)


def register_blueprint(app):
    blueprint = Blueprint("late", "late", url_prefix="/late")
    blueprint.get("/view")(jwt_required()(make_view()))
    app.register_blueprint(blueprint)


def register_blueprint_with_a_guard(app):
    blueprint = Blueprint("late", "late", url_prefix="/late")
    blueprint.before_request(app.jwt.require())
    blueprint.get("/view")(make_view())
    app.register_blueprint(blueprint)


def guard_all(app):
    app.before_request(app.jwt.require())


def guard_a_method_of_a_class(app):
    view_class = class_of(app, "class")
    view_class.get = jwt_required()(view_class.get)


def guard_the_dispatch_of_a_class(app):
    view_class = class_of(app, "class")
    dispatch = view_class.dispatch_request

    # Not that of Flask's class itself, which other tests use without a guard.
    def dispatch_request(self, **arguments):
        return dispatch(self, **arguments)

    view_class.dispatch_request = jwt_required()(dispatch_request)


def add_a_decorator(app):
    class_of(app, "resource").method_decorators.append(jwt_required())


def add_a_decorator_of_a_method(app):
    class_of(app, "per-method").method_decorators["get"].append(jwt_required())


def replace_decorators(app):
    class_of(app, "resource").method_decorators = [jwt_required()]


ALL = dict.fromkeys(PATHS[:6], TOKEN)
CHANGES = [
    (add_rule, {"/new": TOKEN}),
    (replace_view, {"/open": TOKEN}),
    (replace_view_by_an_equal_object, {"/object": TOKEN}),
    (open_view, {"/view": None}),
    (give_a_view_the_endpoint_of_another, {"/view": None, "/open": TOKEN}),
    (replace_rules_by_equal_ones, {"/view": None, "/open": TOKEN}),
    (register_blueprint, {"/late/view": TOKEN}),
    (register_blueprint_with_a_guard, {"/late/view": TOKEN}),
    (guard_all, ALL),
    (guard_a_method_of_a_class, {"/class": TOKEN}),
    (guard_the_dispatch_of_a_class, {"/class": TOKEN}),
    (add_a_decorator, {"/resource": TOKEN}),
    (add_a_decorator_of_a_method, {"/per-method": TOKEN}),
    (replace_decorators, {"/resource": TOKEN}),
]


def check_change(app, change, expected):
    """Annotate a document before and after a change, and compare it with what happens."""
    document = doc({path: ["get"] for path in PATHS})
    before = annotate(document, app)
    assert annotate(document, app) == before
    change(app)
    after = annotate(document, app)
    found = {path: after["paths"][path]["get"].get("security") for path in PATHS}
    assert found == {**list_security(before), **expected}
    assert after != before
    app.extensions["flask-jwt"].routes = None
    assert annotate(document, app) == after, "as if there had been no earlier document"
    return found


def list_security(document):
    return {path: document["paths"][path]["get"].get("security") for path in PATHS}


@pytest.mark.parametrize(
    ("change", "expected"), CHANGES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_change_of_a_view_or_a_guard(change, expected):
    app = make_changing_app()
    found = check_change(app, change, expected)
    for path in ALL.keys() | expected:
        status = app.test_client().get(path).status_code
        assert status == (200 if found[path] is None else 401), path


def register_the_exempt_blueprint(app):
    blueprint = Blueprint("late", "late")
    app.jwt.exempt(blueprint)
    assert is_guarded(app, "/late"), "an exemption of what isn't registered"
    app.register_blueprint(blueprint)


OPEN = [
    (lambda app: app.jwt.exempt("open"), "/open"),
    (lambda app: app.config.update(JWT_LOGIN_VIEW="/open"), "/open"),
    (lambda app: app.config.update(APPLICATION_ROOT="/api"), "/view"),
    (register_the_exempt_blueprint, "/late"),
]


def is_guarded(app, path):
    operation = annotate(doc({path: ["get"]}), app)["paths"][path]["get"]
    return operation.get("security") == TOKEN


def make_guarded_app(**config):
    app = make_app(guards={}, JWT_REQUIRED_BY_DEFAULT=True, JWT_LOGIN_VIEW="/api/view", **config)
    for path, endpoint in ("/open", "open"), ("/view", "view"), ("/late", "late.view"):
        app.add_url_rule(path, endpoint, make_view())
    return app


@pytest.mark.parametrize(
    ("change", "path"), OPEN, ids=["exempt", "login page", "its root", "blueprint"]
)
def test_a_change_of_what_is_open(change, path):
    app = make_guarded_app()
    assert is_guarded(app, path)
    change(app)
    assert not is_guarded(app, path)


@pytest.mark.parametrize("is_blueprint", [False, True])
def test_a_change_of_the_static_folder(is_blueprint):
    app = make_guarded_app()
    owner = app
    if is_blueprint:
        owner = Blueprint("files", "files", static_folder="x", static_url_path="/files")
        app.register_blueprint(owner)
    path = f"{owner.static_url_path}/{{filename}}"
    assert not is_guarded(app, path)
    owner.static_folder = None
    assert is_guarded(app, path), "only a view of the application's has this name now"


OPTIONS = [
    ({}, lambda config: config.update(JWT_HEADER_NAME="X-Token"), [{"tokenHeader": []}]),
    ({"JWT_TOKEN_LOCATION": ["headers"]},
     lambda config: config["JWT_TOKEN_LOCATION"].append("query_string"),
     [*TOKEN, {"tokenInQuery": []}]),
    ({}, lambda config: config.update(JWT_ISSUERS=[IDP]), [*TOKEN, OIDC]),
    ({"JWT_ISSUERS": [IDP]}, lambda config: config["JWT_ISSUERS"].append(OTHER),
     [*TOKEN, OIDC, OIDC2]),
    ({"JWT_ISSUERS": [IDP, OTHER]}, lambda config: config["JWT_ISSUERS"].pop(), [*TOKEN, OIDC]),
    ({"JWT_ISSUERS": [IDP]}, lambda config: config.update(JWT_ISSUERS={IDP.issuer: IDP}.get), TOKEN),
    ({"JWT_ISSUERS": {IDP.issuer: IDP}.get}, lambda config: config.update(JWT_ISSUERS=[IDP]),
     [*TOKEN, OIDC]),
]  # fmt: skip


@pytest.mark.parametrize(("config", "change", "security"), OPTIONS)
def test_a_change_of_options(config, change, security):
    app = make_changing_app(**config)
    check_change(app, lambda app: change(app.config), {"/view": security})


def test_a_function_for_issuers_in_place_of_none():
    """It adds no scheme, but a request may fail because of it."""
    app = make_changing_app()
    document = doc({"/view": ["get"]})
    assert "503" not in annotate(document, app)["paths"]["/view"]["get"]["responses"]
    app.config["JWT_ISSUERS"] = lambda iss: None
    assert "503" in annotate(document, app)["paths"]["/view"]["get"]["responses"]
    app.config["JWT_ISSUERS"] = ()
    assert "503" not in annotate(document, app)["paths"]["/view"]["get"]["responses"]


def test_a_document_that_a_library_serves_again():
    """flask-smorest generates its document for each request; the others keep the first one."""
    app = LIBRARIES["flask-smorest"]()

    def find(path):
        return serve(app)["paths"][path]["get"].get("security")

    assert find("/guarded/{id}") == TOKEN
    app.config["JWT_ISSUERS"] = [IDP]
    assert find("/guarded/{id}") == [*TOKEN, OIDC]
    app.config["JWT_ISSUERS"] = {IDP.issuer: IDP}.get
    assert find("/guarded/{id}") == TOKEN
    assert find("/default") is None
    app.view_functions["views.default"] = jwt_required()(app.view_functions["views.default"])
    assert find("/default") == TOKEN


def test_a_blueprint_that_a_library_registers_later():
    app = LIBRARIES["flask-smorest"]()
    assert "/late" not in app.document()["paths"]
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    blueprint = flask_smorest.Blueprint("late", "late")
    blueprint.route("/late")(blueprint.response(200)(jwt_required()(make_view())))
    api.register_blueprint(blueprint)
    assert app.document()["paths"]["/late"]["get"]["security"] == TOKEN


def test_nothing_is_found_again_without_a_change():
    """The class-based views, whose members are compared, and more exemptions than small integers."""
    app = make_changing_app(JWT_REQUIRED_BY_DEFAULT=True)
    for number in range(300):
        app.jwt.exempt(f"other{number}")
    document = doc({path: ["get"] for path in PATHS})
    annotate(document, app)
    routes = app.extensions["flask-jwt"].routes[1]
    annotate(document, app)
    assert app.extensions["flask-jwt"].routes[1] is routes
