"""``flask jwt routes`` shows what guards each route, and that is what happens."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from functools import partial, wraps

import apiflask
import flask_restful
import flask_restx
import pytest
from flask import Blueprint
from flask.views import MethodView, View

from flask_jwt import (
    any_of,
    create_access_token,
    guarded_by,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt._cli import jwt_cli
from flask_jwt._cli.diagnosis.live import examine_program
from tests.support import bearer

READ = {"scopes": "orders:read"}


def show(**arguments):
    return "shown"


RECIPE = "scope_required.<locals>.decorator"


def verify_staff():
    verify_jwt_in_request(roles="staff")


def scope_required(view):
    """Guard a view as Flask-JWT-Extended's recipe for custom decorators does."""

    @wraps(view)
    def decorator(*args, **kwargs):
        verify_jwt_in_request(scopes="orders:read")
        return view(*args, **kwargs)

    return decorator


def add_views(app):  # noqa: C901  one list of views
    """Register views in every way there is, as far as the table tells them apart."""
    jwt = app.jwt
    app.add_url_rule("/open", "open", show)
    app.add_url_rule("/guarded", "guarded", jwt_required()(show))
    app.add_url_rule("/optional", "optional", jwt_required(optional=True)(show))
    app.add_url_rule("/scoped/<int:id>", "scoped", jwt_required(**READ)(show))
    app.add_url_rule("/roles", "roles", jwt_required(roles=any_of("admin", "staff"))(show))
    app.add_url_rule("/fresh", "fresh", jwt_required(fresh=timedelta(minutes=5))(show))
    app.add_url_rule("/custom", "custom", guarded_by(verify_staff)(show))
    app.add_url_rule("/wrapped", "wrapped", wraps(show)(jwt_required(**READ)(show)))
    app.add_url_rule("/partial", "partial", partial(jwt_required(**READ)(show), x=1))
    app.add_url_rule("/exempt", "exempt", jwt.exempt(lambda: "shown"))
    app.add_url_rule("/login", "login", lambda: "shown")

    @app.get("/inside")
    def inside():
        verify_jwt_in_request(scopes="orders:read")
        return "shown"

    app.add_url_rule("/recipe", "recipe", scope_required(show))

    class Recipe(MethodView):
        @scope_required
        def get(self):
            return "shown"

        def post(self):
            verify_jwt_in_request(scopes="orders:read")
            return "shown"

        def delete(self):
            return "shown"

    app.add_url_rule("/recipes", view_func=Recipe.as_view("recipes"))

    class RecipePage(View):
        decorators = [scope_required]

        def dispatch_request(self):
            return "shown"

    app.add_url_rule("/recipe-page", view_func=RecipePage.as_view("recipe_page"))

    @jwt_required()  # above the route decorator, where it guards nothing
    @app.get("/above")
    def above():
        return "shown"

    class Orders(MethodView):
        def get(self):
            return "shown"

        @jwt_required(**READ)
        def post(self):
            return "shown"

    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))

    class Page(View):
        decorators = [jwt_required()]

        def dispatch_request(self):
            return "shown"

    app.add_url_rule("/page", view_func=Page.as_view("page"))

    class Item(flask_restful.Resource):
        method_decorators = {"post": [jwt_required(**READ)]}

        def get(self):
            return "shown"

        def post(self):
            return "shown"

    flask_restful.Api(app).add_resource(Item, "/restful")

    outer, inner = Blueprint("outer", "outer"), Blueprint("inner", "inner")
    outer.before_request(jwt.require(roles="staff"))
    inner.add_url_rule("/deep", "deep", show)
    outer.register_blueprint(inner, url_prefix="/inner")
    outer.add_url_rule("/flat", "flat", show)
    app.register_blueprint(outer, url_prefix="/outer")

    checked = Blueprint("checked", "checked")
    checked.before_request(lambda: verify_jwt_in_request())  # noqa: PLW0108
    checked.add_url_rule("/checked", "view", show)
    app.register_blueprint(checked)

    public = Blueprint("public", "public")
    public.add_url_rule("/public", "view", show)
    app.register_blueprint(jwt.exempt(public))

    api = flask_restx.Api(Blueprint("restx", "restx"), doc="/doc")

    @api.route("/thing")
    class Thing(flask_restx.Resource):
        @jwt_required(**READ)
        def get(self):
            return "shown"

        @scope_required
        def post(self):
            return "shown"

    app.register_blueprint(api.blueprint, url_prefix="/restx")


@pytest.fixture(params=[False, True], ids=["", "by default"])
def app(request, make_app, tmp_path):
    app = make_app(
        guards={}, JWT_REQUIRED_BY_DEFAULT=request.param, JWT_LOGIN_VIEW="/login",
        JWT_STORAGE_URI="memory://",
    )  # fmt: skip
    add_views(app)
    return app


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, ["routes", *arguments])


def table(app):
    result = run(app, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def status_of(app, method, path, grants):
    """Return the status without a token (None), or with one that grants something."""
    headers = {}
    if grants is not None:
        with app.app_context():
            headers = bearer(create_access_token(1, **grants))
    return app.test_client().open(path, method=method, headers=headers).status_code


ALL = {"scopes": "orders:read", "roles": ["staff", "admin"]}


def test_the_table_is_what_happens(app):
    """Call each route without a token, with one that grants nothing, and with one for all."""
    checked = 0
    for route in table(app):
        if route["access"] in ("built in", "static"):
            continue
        is_open = route["access"] in ("open", "optional", "exempt")
        names_grants = any(word in str(route["requirements"]) for word in ("scope", "role"))
        for method in route["methods"]:
            path = route["rule"].replace("<int:id>", "1")
            nothing, bare, full = (status_of(app, method, path, g) for g in (None, {}, ALL))
            assert (nothing == 401) is not is_open, route
            if names_grants:
                assert bare == 403, route
            if "login at most" in str(route["requirements"]):
                assert full == 401, route  # the token is from no login
            else:
                assert full in (200, 404), route  # RESTX has a page that is not found
            checked += 1
    assert checked >= 30


# Before Python 3.11, a code object has no qualified name.
@pytest.mark.skipif(sys.version_info < (3, 11), reason="co_qualname")
def test_each_kind_of_guard(app):
    by_rule = {(r["rule"], m): r for r in table(app) for m in r["methods"]}
    rest = "by default" if app.config["JWT_REQUIRED_BY_DEFAULT"] else "open"
    exempt = "exempt" if app.config["JWT_REQUIRED_BY_DEFAULT"] else "open"
    expected = {
        ("/open", "GET"): (rest, []),
        ("/guarded", "GET"): ("guarded", []),
        ("/optional", "GET"): ("optional", []),
        ("/scoped/<int:id>", "GET"): ("guarded", ['scope "orders:read"']),
        ("/roles", "GET"): ("guarded", ['one of the roles "admin", "staff"']),
        ("/fresh", "GET"): ("guarded", ["login at most 0:05:00 ago"]),
        ("/custom", "GET"): ("guarded", ["by verify_staff()"]),
        ("/wrapped", "GET"): ("guarded", ['scope "orders:read"']),
        ("/partial", "GET"): ("guarded", ['scope "orders:read"']),
        ("/exempt", "GET"): (exempt, []),
        ("/login", "GET"): (exempt, []),
        ("/inside", "GET"): ("guarded", ["by add_views.<locals>.inside()"]),
        ("/recipe", "GET"): ("guarded", [f"by {RECIPE}()"]),
        ("/recipes", "GET"): ("guarded", [f"by {RECIPE}()"]),
        ("/recipes", "POST"): ("guarded", ["by add_views.<locals>.Recipe.post()"]),
        ("/recipes", "DELETE"): (rest, []),
        ("/recipe-page", "GET"): ("guarded", [f"by {RECIPE}()"]),
        ("/above", "GET"): (rest, []),
        ("/orders", "GET"): (rest, []),
        ("/orders", "POST"): ("guarded", ['scope "orders:read"']),
        ("/page", "GET"): ("guarded", []),
        ("/restful", "GET"): (rest, []),
        ("/restful", "POST"): ("guarded", ['scope "orders:read"']),
        ("/outer/inner/deep", "GET"): ("guarded", ['role "staff"']),
        ("/outer/flat", "GET"): ("guarded", ['role "staff"']),
        ("/checked", "GET"): ("guarded", ["by add_views.<locals>.<lambda>()"]),
        ("/public", "GET"): (exempt, []),
        ("/restx/thing", "GET"): ("guarded", ['scope "orders:read"']),
        ("/restx/thing", "POST"): ("guarded", [f"by {RECIPE}()"]),
        ("/static/<path:filename>", "GET"): ("static", []),
        ("/auth", "POST"): ("built in", []),
        ("/auth/refresh", "POST"): ("built in", []),
        ("/auth/logout", "POST"): ("built in", []),
        ("/auth/sessions", "GET"): ("built in", []),
    }
    seen = {k: (v["access"], v["requirements"]) for k, v in by_rule.items() if k in expected}
    assert seen == expected


def test_a_guard_above_the_route_decorator_is_shown_in_red(app):
    result = app.test_cli_runner().invoke(jwt_cli, ["routes"], color=True)
    line = next(line for line in result.stdout.splitlines() if line.startswith("/above"))
    assert "OPEN" in line
    assert "\x1b[31m/above is open" in result.stderr


def test_open_routes_fail_the_build(app):
    result = run(app, "--fail-on-open")
    assert result.exit_code == 1
    message = result.stderr.rsplit("Error: ", 1)[1]
    assert "above" in message
    is_closed = app.config["JWT_REQUIRED_BY_DEFAULT"]
    assert ("open," in message.split()) is not is_closed
    assert "static" not in message
    assert "optional" not in message


def test_open_routes_may_be_allowed(make_app):
    app = make_app(guards={})
    app.add_url_rule("/open", "pages.open", lambda: "shown")
    assert run(app, "--fail-on-open").exit_code == 1
    assert run(app, "--fail-on-open", "--allow", "pages.open").exit_code == 0
    assert run(app, "--fail-on-open", "--allow", "other").exit_code == 1


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("DOCS_DECORATORS", "/docs"),
        ("SPEC_DECORATORS", "/openapi.json"),
        ("SWAGGER_UI_OAUTH_REDIRECT_DECORATORS", "/docs/oauth2-redirect"),
    ],
)
def test_decorators_of_the_pages_of_apiflask(make_app, option, path):
    """APIFlask applies them at each request, so the view itself has no guard."""
    app = make_app(flask=apiflask.APIFlask, guards={})
    before = {row["rule"]: row["access"] for row in table(app)}
    assert before[path] == "open"
    app.config[option] = [jwt_required(roles="staff")]
    rows = {row["rule"]: (row["access"], row["requirements"]) for row in table(app)}
    assert rows.pop(path) == ("guarded", ['role "staff"'])
    assert {rows[rule][0] for rule in before if rule.startswith(("/docs", "/openapi"))
            and rule != path} == {"open"}  # fmt: skip
    assert [status_of(app, "GET", path, grants) for grants in (None, {}, ALL)] == [401, 403, 200]
    assert (path, True) not in [(row["rule"], row["guard_above_route"]) for row in table(app)]
    assert "jwt_required" in {r.guard for r in examine_program(app)[2] if r.rule == path}


def test_decorators_of_apiflask_count_before_the_guard_by_default(make_app):
    guard = jwt_required(locations=["query_string"])
    app = make_app(flask=apiflask.APIFlask, guards={}, JWT_REQUIRED_BY_DEFAULT=True)
    app.config["DOCS_DECORATORS"] = [guard]
    assert app.test_client().get("/docs").status_code == 401
    with app.app_context():
        token = create_access_token(1)
    assert app.test_client().get(f"/docs?jwt={token}").status_code == 200


def test_csrf(make_app):
    app = make_app(guards={}, JWT_TOKEN_LOCATION=["headers", "cookies"])
    app.add_url_rule("/orders", "orders", jwt_required()(show), methods=["GET", "POST"])
    rows = {row["methods"][0]: row for row in table(app) if row["rule"] == "/orders"}
    assert rows["GET"]["requirements"] == []
    assert rows["POST"]["requirements"] == ["CSRF"]


def test_the_table_fits_a_terminal(app):
    assert max(map(len, run(app).stdout.splitlines())) <= 80
