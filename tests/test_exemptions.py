"""JWT_REQUIRED_BY_DEFAULT: what jwt.exempt opens, and nothing else."""

from __future__ import annotations

import functools
import logging

import flask_restful
import flask_restx
import flask_smorest
import pytest
import wrapt
from apiflask import APIFlask
from flask import Blueprint, Flask, current_app
from flask.views import MethodView, View

import flask_jwt
from flask_jwt import JWT, create_access_token, current_identity, extended, guarded_by, jwt_required
from flask_jwt.errors import JWTError

SECRET = "a-secret-of-32-bytes-for-testing"


def make_app(cls=Flask, manager=JWT, jwt=None, **config):
    app = cls("closed")
    app.config.update(SECRET_KEY=SECRET, JWT_SECRET_KEY=SECRET, JWT_REQUIRED_BY_DEFAULT=True)
    app.config.update(API_TITLE="a", API_VERSION="1", OPENAPI_VERSION="3.0.3", **config)
    app.jwt = manager() if jwt is None else jwt
    app.jwt.init_app(app)
    return app


def headers_of(app, identity="ann"):
    with app.app_context():
        return {"Authorization": f"Bearer {create_access_token(identity)}"}


def statuses(app, *paths, **kwargs):
    client = app.test_client()
    return [client.get(path, **kwargs).status_code for path in paths]


def wrapping(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def only_wrapped(view):
    """A decorator that sets ``__wrapped__`` and copies no attributes."""

    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    wrapper.__wrapped__ = view
    return wrapper


@wrapt.decorator
def by_wrapt(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


class Site:
    def page(self):
        return "page"

    def __call__(self):
        return "page"


class Page(View):
    def dispatch_request(self):
        return "page"


class Methods(MethodView):
    def get(self):
        return "page"

    def post(self):
        return "page"


# What can be exempt


def function(app):
    @app.get("/open")
    @app.jwt.exempt
    def view():
        return "page"


def above_the_route(app):
    @app.jwt.exempt
    @app.get("/open")
    def view():
        return "page"


def under_decorators(app):
    view = app.jwt.exempt(lambda: "page")
    for decorator in (wrapping, only_wrapped, by_wrapt, functools.lru_cache, functools.partial):
        view = decorator(view)
    app.add_url_rule("/open", "open", view)


def over_decorators(app):
    view = app.jwt.exempt(wrapping(only_wrapped(lambda: "page")))
    app.add_url_rule("/open", "open", view)


def bound_method(app):
    site = Site()
    app.jwt.exempt(site.page)
    app.add_url_rule("/open", "open", site.page)
    app.add_url_rule("/closed", "closed", Site().page)


def function_of_a_method(app):
    app.jwt.exempt(Site.page)
    app.add_url_rule("/open", "open", Site().page)


def callable_object(app):
    app.add_url_rule("/open", "open", app.jwt.exempt(Site()))
    app.add_url_rule("/closed", "closed", Site())


def view_class(app):
    @app.jwt.exempt
    class Open(Page):
        pass

    class Closed(Open):
        pass

    app.add_url_rule("/open", view_func=Open.as_view("open"))
    app.add_url_rule("/closed", view_func=Closed.as_view("closed"))


def decorated_class(app):
    class Open(Methods):
        decorators = [wrapping, only_wrapped]

    app.jwt.exempt(Open)
    app.add_url_rule("/open", view_func=Open.as_view("open"))
    app.add_url_rule("/closed", view_func=Methods.as_view("closed"))


def method_of_a_class(app):
    class Half(Methods):
        @wrapping
        @app.jwt.exempt
        def get(self):
            return "page"

    app.add_url_rule("/open", view_func=Half.as_view("open"))


def endpoint(app):
    app.jwt.exempt("open")
    app.add_url_rule("/open", "open", lambda: "page")
    app.add_url_rule("/closed", "open2", lambda: "page")


def endpoint_of_a_blueprint(app):
    app.jwt.exempt("blueprint.open")
    blueprint = Blueprint("blueprint", __name__)
    blueprint.add_url_rule("/open", "open", lambda: "page")
    app.register_blueprint(blueprint)
    app.add_url_rule("/closed", "open", lambda: "page")


def blueprint(app):
    blueprint = app.jwt.exempt(Blueprint("blueprint", __name__))
    blueprint.add_url_rule("/open", "open", lambda: "page")
    app.register_blueprint(blueprint)
    other = Blueprint("blueprint2", __name__)
    other.add_url_rule("/closed", "open", lambda: "page")
    app.register_blueprint(other)


def renamed_blueprint(app):
    blueprint = app.jwt.exempt(Blueprint("blueprint", __name__))
    blueprint.add_url_rule("/open", "open", lambda: "page")
    app.register_blueprint(blueprint, name="other")
    other = Blueprint("blueprint", __name__)
    other.add_url_rule("/closed", "open", lambda: "page")
    app.register_blueprint(other)


def outer_blueprint(app):
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    app.jwt.exempt(outer)
    inner.add_url_rule("/open", "open", lambda: "page")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(Blueprint("inner", __name__, url_prefix="/x"))
    app.blueprints["inner"].name  # noqa: B018  another one of this name
    app.add_url_rule("/closed", "inner.open", lambda: "page")


def inner_blueprint(app):
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    app.jwt.exempt(inner)
    inner.add_url_rule("/open", "open", lambda: "page")
    outer.register_blueprint(inner)
    outer.add_url_rule("/closed", "closed", lambda: "page")
    app.register_blueprint(outer)


REGISTER = [
    function, above_the_route, under_decorators, over_decorators, bound_method,
    function_of_a_method, callable_object, view_class, decorated_class, method_of_a_class,
    endpoint, endpoint_of_a_blueprint, blueprint, renamed_blueprint, outer_blueprint,
    inner_blueprint,
]  # fmt: skip


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
@pytest.mark.parametrize("register", REGISTER, ids=lambda f: f.__name__)
def test_what_is_exempt_is_open_and_its_neighbour_is_not(register, manager, caplog):
    app = make_app(manager=manager)
    register(app)
    if not any(rule.rule == "/closed" for rule in app.url_map.iter_rules()):
        app.add_url_rule("/closed", "neighbour", lambda: "page")
    assert statuses(app, "/open", "/closed") == [200, 401]
    assert statuses(app, "/closed", headers=headers_of(app)) == [200]
    assert not [record for record in caplog.records if record.levelno == logging.ERROR]


def test_a_method_that_is_exempt_opens_no_other_method():
    app = make_app()
    method_of_a_class(app)
    client = app.test_client()
    assert client.head("/open").status_code == 200
    assert client.post("/open").status_code == 401


def test_exempting_a_wrapper_does_not_open_what_it_wraps():
    app = make_app()

    def view():
        return "page"

    app.add_url_rule("/open", "open", app.jwt.exempt(wrapping(view)))
    app.add_url_rule("/closed", "closed", view)
    assert statuses(app, "/open", "/closed") == [200, 401]


@pytest.mark.parametrize(
    "target",
    [None, 5, b"open", ["open"], {}, object(), Site, dict, Flask("app")],
    ids=lambda target: type(target).__name__,
)
def test_anything_else_is_a_type_error(target):
    with pytest.raises(TypeError, match="takes a view function, a bound method, a view class"):
        JWT().exempt(target)


@pytest.mark.parametrize("target", ["endpoint", Blueprint("b", __name__), Page, print, Site().page])
def test_exempt_returns_its_argument(target):
    assert JWT().exempt(target) is target


def test_exemptions_belong_to_one_object_and_serve_its_applications():
    def view():
        return "page"

    jwt = JWT()
    jwt.exempt(view)
    apps = [make_app(jwt=jwt), make_app(jwt=jwt), make_app()]
    for app in apps:
        app.add_url_rule("/open", "open", view)
    assert [statuses(app, "/open")[0] for app in apps] == [200, 200, 401]
    assert vars(view) == {}


def test_a_view_may_become_exempt_later():
    app = make_app()
    app.add_url_rule("/open", "open", lambda: "page")
    assert statuses(app, "/open") == [401]
    app.jwt.exempt("open")
    assert statuses(app, "/open") == [200]


def test_an_exempt_guard_still_guards():
    app = make_app()
    app.add_url_rule("/view", "view", app.jwt.exempt(jwt_required()(lambda: "in")))
    assert statuses(app, "/view") == [401]


@pytest.mark.parametrize("target", ["no.endpoint", Blueprint("nowhere", __name__)], ids=repr)
@pytest.mark.parametrize("is_required", [True, False])
def test_what_never_appears_is_one_error(target, is_required, caplog):
    app = make_app(JWT_REQUIRED_BY_DEFAULT=is_required)
    app.jwt.exempt(target)
    app.add_url_rule("/view", "view", lambda: "in")
    for _ in range(3):
        app.test_client().get("/view")
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(messages) == int(is_required)
    if is_required:
        assert getattr(target, "name", target) in messages[0]


# Documentation of REST extensions


def test_restx_documentation_can_be_opened_for_one_api():
    app = make_app()
    api = flask_restx.Api(app, doc="/docs")
    blueprint = Blueprint("second", __name__, url_prefix="/second")
    flask_restx.Api(blueprint, doc="/docs")
    app.register_blueprint(blueprint)
    paths = ("/docs", "/swagger.json", "/second/docs", "/second/swagger.json")
    assert statuses(app, *paths) == [401, 401, 401, 401]
    app.jwt.exempt(app.view_functions["doc"])
    assert statuses(app, *paths) == [200, 401, 401, 401]
    app.jwt.exempt(app.view_functions["specs"])
    assert statuses(app, *paths)[:3] == [200, 200, 401]
    app.jwt.exempt(blueprint)
    assert statuses(app, *paths) == [200, 200, 200, 200]
    assert api.doc


@pytest.mark.parametrize("target", ["method", "endpoint", "blueprint"])
def test_smorest_documentation_can_be_opened(target):
    app = make_app(
        OPENAPI_URL_PREFIX="/", OPENAPI_SWAGGER_UI_PATH="/ui", OPENAPI_SWAGGER_UI_URL="https://cdn/"
    )
    flask_smorest.Api(app)
    assert statuses(app, "/openapi.json", "/ui") == [401, 401]
    for name in ("openapi_json", "openapi_swagger_ui"):
        app.jwt.exempt(
            {
                "method": app.view_functions[f"api-docs.{name}"],
                "endpoint": f"api-docs.{name}",
                "blueprint": app.blueprints["api-docs"],
            }[target]
        )
    assert statuses(app, "/openapi.json", "/ui") == [200, 200]


@pytest.mark.parametrize("target", ["endpoint", "blueprint"])
def test_apiflask_documentation_can_be_opened(target):
    app = make_app(APIFlask)
    assert statuses(app, "/openapi.json", "/docs") == [401, 401]
    for name in ("openapi.spec", "openapi.docs"):
        app.jwt.exempt(name if target == "endpoint" else app.blueprints["openapi"])
    assert statuses(app, "/openapi.json", "/docs") == [200, 200]


def test_a_method_and_a_class_of_restful_can_be_opened():
    app = make_app()

    @app.jwt.exempt
    class Open(flask_restful.Resource):
        def get(self):
            return "open"

    class Half(flask_restful.Resource):
        get = app.jwt.exempt(lambda self: "open")

        def post(self):
            return "closed"

    api = flask_restful.Api(app)
    api.add_resource(Open, "/open")
    api.add_resource(Half, "/half")
    client = app.test_client()
    assert statuses(app, "/open", "/half") == [200, 200]
    assert client.post("/half").status_code == 401


# A guard that isn't outermost


def caching(view):
    """Respond from a cache, as a caching decorator above a guard does."""
    responses = []

    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        if not responses:
            responses.append(view(*args, **kwargs))
        return responses[0]

    return wrapper


def caching_without_wraps(view):
    wrapper = caching(view)
    del wrapper.__wrapped__  # but the copied attributes are there
    return wrapper


def cached_function(app, guard, cache):
    app.add_url_rule("/view", "view", cache(guard(lambda: "in")))


def cached_method(app, guard, cache):
    class Resource(MethodView):
        @cache
        @guard
        def get(self):
            return "in"

    app.add_url_rule("/view", view_func=Resource.as_view("view"))


def cached_class(app, guard, cache):
    class Resource(Methods):
        decorators = [guard, cache]

    app.add_url_rule("/view", view_func=Resource.as_view("view"))


def cached_restful(app, guard, cache):
    class Resource(flask_restful.Resource):
        method_decorators = [guard]

        def get(self):
            return "in"

    flask_restful.Api(app, decorators=[cache]).add_resource(Resource, "/view")


def verify_ann():
    flask_jwt.verify_jwt_in_request()
    if current_identity != "ann":
        raise JWTError("Forbidden", "for ann only", 403)


GUARDS = {
    "default": (jwt_required(), "access"),
    "refresh": (jwt_required(refresh=True), "refresh"),
    "fresh": (jwt_required(fresh=True), "fresh"),
    "custom": (guarded_by(verify_ann), "access"),
    "extended": (extended.jwt_required(refresh=True), "refresh"),
}


@pytest.mark.parametrize("cache", [caching, caching_without_wraps])
@pytest.mark.parametrize("register", [cached_function, cached_method, cached_class, cached_restful])
@pytest.mark.parametrize(("guard", "token_type"), GUARDS.values(), ids=GUARDS)
def test_a_cache_above_the_guard_serves_nobody_without_the_token(
    register, guard, token_type, cache
):
    app = make_app()
    lookups = []
    app.jwt.identity_handler(lambda claims: lookups.append(1) or claims["identity"])
    register(app, guard, cache)
    with app.app_context():
        tokens = {
            "access": create_access_token("ann"),
            "fresh": create_access_token("ann", fresh=True),
            "refresh": flask_jwt.create_refresh_token("ann"),
            "other": create_access_token("bob"),
        }
    client = app.test_client()

    def get(name):
        return client.get("/view", headers={"Authorization": f"Bearer {tokens[name]}"})

    assert get(token_type).status_code == 200
    assert client.get("/view").status_code == 401
    assert get("access").status_code == (200 if token_type == "access" else 401)
    if guard is GUARDS["custom"][0]:
        assert get("other").status_code == 403
    elif register is not cached_class:
        lookups.clear()
        other = make_app()
        other.jwt.identity_handler(lambda claims: lookups.append(1) or claims["identity"])
        register(other, guard, wrapping)
        answer = other.test_client().get(
            "/view", headers={"Authorization": f"Bearer {tokens[token_type]}"}
        )
        assert (answer.status_code, len(lookups)) == (200, 1), "verified once, not twice"


def test_without_deny_by_default_nothing_is_verified_ahead():
    app = make_app(JWT_REQUIRED_BY_DEFAULT=False)
    cached_function(app, jwt_required(), caching)
    assert statuses(app, "/view", headers=headers_of(app)) == [200]
    assert statuses(app, "/view") == [200]


def test_a_guard_with_other_options_verifies_again():
    """What was verified ahead of the view counts for that guard, and for it once."""
    app = make_app()

    @app.get("/view")
    @wrapping
    @jwt_required()
    def view():
        flask_jwt.verify_jwt_in_request(optional=True)
        with pytest.raises(JWTError):
            flask_jwt.verify_jwt_in_request(fresh=True)
        return current_app.name

    assert statuses(app, "/view", headers=headers_of(app)) == [200]
