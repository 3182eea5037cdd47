"""What a guard does to a view: async ones, OPTIONS, and the options that are found on the view."""

from __future__ import annotations

import functools
import gc
import logging
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import flask_restful
import flask_restx
import flask_smorest
import pytest
import wrapt
from flask import Blueprint, Flask, request
from flask.views import MethodView, View
from flask_cors import CORS, cross_origin

import flask_jwt
from flask_jwt import JWT, create_access_token, extended, guarded_by, jwt_required
from flask_jwt._web.guarded_views import GuardOptions, guards_of
from flask_jwt.errors import JWTError

SECRET = "a-secret-of-32-bytes-for-testing"
MANAGERS = pytest.mark.parametrize(
    "manager", [JWT, extended.JWTManager], ids=["native", "extended"]
)


def make_app(manager=JWT, **config):
    app = Flask("guarded")
    app.config.update(SECRET_KEY=SECRET, JWT_SECRET_KEY=SECRET, **config)
    app.jwt = manager(app)
    return app


def headers_of(app, identity="ann"):
    with app.app_context():
        return {"Authorization": f"Bearer {create_access_token(identity)}"}


# Async views, guards and handlers


async def async_function():
    return "in"


class AsyncObject:
    async def __call__(self):
        return "in"

    async def method(self):
        return "in"

    @staticmethod
    async def static():
        return "in"


class AsyncView(MethodView):
    decorators = [jwt_required()]

    async def get(self):
        return "in"


ASYNC_VIEWS = {
    "function": async_function,
    "object": AsyncObject(),
    "method": AsyncObject().method,
    "static": AsyncObject.static,
    "partial": functools.partial(async_function),
    "partial of an object": functools.partial(AsyncObject()),
    "partial of a partial": functools.partial(functools.partial(AsyncObject().method)),
}


@pytest.mark.parametrize("view", ASYNC_VIEWS.values(), ids=ASYNC_VIEWS)
@pytest.mark.parametrize("decorator", [jwt_required(), extended.jwt_required()])
def test_async_views_are_awaited(view, decorator):
    app = make_app()
    app.add_url_rule("/view", "view", decorator(view))
    client = app.test_client()
    assert client.get("/view", headers=headers_of(app)).text == "in"
    assert client.get("/view").status_code == 401


def test_an_async_method_view_is_awaited():
    app = make_app()
    app.add_url_rule("/view", view_func=AsyncView.as_view("view"))
    assert app.test_client().get("/view", headers=headers_of(app)).text == "in"


async def reject(*args):
    raise JWTError("Forbidden", "by an async guard", 403)


def plain_function():
    return reject()


class Rejecting:
    async def __call__(self):
        await reject()

    async def method(self):
        await reject()


ASYNC_GUARDS = {
    "function": reject,
    "object": Rejecting(),
    "method": Rejecting().method,
    "partial": functools.partial(reject, 1),
    "plain function of a coroutine": plain_function,
}


@pytest.mark.parametrize("admit", ASYNC_GUARDS.values(), ids=ASYNC_GUARDS)
def test_async_guards_are_awaited(admit):
    """A coroutine that isn't awaited would let every request in."""
    app = make_app()
    app.add_url_rule("/view", "view", guarded_by(admit)(lambda: "in"))
    answer = app.test_client().get("/view", headers=headers_of(app))
    assert (answer.status_code, answer.get_json()["error"]) == (403, "Forbidden")


def as_object(result):
    class Handler:
        async def __call__(self, *args):
            return result

    return Handler()


def as_method(result):
    class Handler:
        async def handle(self, *args):
            return result

    return Handler().handle


def as_partial(result):
    async def handler(result, *args):
        return result

    return functools.partial(handler, result)


@pytest.mark.parametrize("make", [as_object, as_method, as_partial])
@pytest.mark.parametrize(
    ("handler", "result", "status"),
    [
        ("token_in_blocklist_loader", False, 200),
        ("token_in_blocklist_loader", True, 401),
        ("token_verification_loader", True, 200),
        ("token_verification_loader", False, 401),
        ("identity_handler", None, 401),
        ("identity_handler", "ann", 200),
        ("decode_key_loader", SECRET, 200),
    ],
)
def test_async_handlers_are_awaited(make, handler, result, status):
    app = make_app()
    getattr(app.jwt, handler)(make(result))
    app.add_url_rule("/view", "view", jwt_required()(lambda: "in"))
    answer = app.test_client().get("/view", headers=headers_of(app))
    assert answer.status_code == status


# OPTIONS


def options_app(register, manager=JWT, **config):
    app = make_app(manager, **config)
    app.ran = []

    def view():
        app.ran.append(request.method)
        return "of the view"

    register(app, view)
    return app


def listed(app, view):
    app.add_url_rule("/view", "view", jwt_required()(view), methods=["GET", "OPTIONS"])


def not_automatic(app, view):
    app.add_url_rule(
        "/view", "view", jwt_required()(view), methods=["GET", "OPTIONS"],
        provide_automatic_options=False,
    )  # fmt: skip


def of_a_class(app, view):
    class Methods(MethodView):
        decorators = [jwt_required()]

        def get(self):
            return view()

        def options(self):
            return view()

    app.add_url_rule("/view", view_func=Methods.as_view("view"))


def of_a_method(app, view):
    class Methods(MethodView):
        @jwt_required()
        def get(self):
            return view()

        @jwt_required()
        def options(self):
            return view()

    app.add_url_rule("/view", view_func=Methods.as_view("view"))


def of_a_custom_guard(app, view):
    guard = guarded_by(flask_jwt.verify_jwt_in_request)
    app.add_url_rule("/view", "view", guard(view), methods=["GET", "OPTIONS"])


def of_restful(app, view):
    class Methods(flask_restful.Resource):
        method_decorators = [jwt_required()]

        def get(self):
            return view()

        def options(self):
            return view()

    flask_restful.Api(app).add_resource(Methods, "/view")


def of_restx(app, view):
    api = flask_restx.Api(app, doc=False)

    @api.route("/view")
    class Methods(flask_restx.Resource):
        @jwt_required()
        def get(self):
            return view()

        @jwt_required()
        def options(self):
            return view()


def by_default(app, view):
    app.add_url_rule("/view", "view", view, methods=["GET", "OPTIONS"])


def by_default_of_a_class(app, view):
    class Methods(MethodView):
        provide_automatic_options = False

        def get(self):
            return view()

        def options(self):
            return view()

    app.add_url_rule("/view", view_func=Methods.as_view("view"))


LISTS_OPTIONS = [
    listed,
    not_automatic,
    of_a_class,
    of_a_method,
    of_a_custom_guard,
    of_restful,
    of_restx,
]
BY_DEFAULT = [by_default, by_default_of_a_class, *LISTS_OPTIONS]
CASES = [
    *(pytest.param(case, {}, id=case.__name__) for case in LISTS_OPTIONS),
    *(
        pytest.param(case, {"JWT_REQUIRED_BY_DEFAULT": True}, id=f"default-{case.__name__}")
        for case in BY_DEFAULT
    ),
]


@pytest.mark.parametrize(("register", "config"), CASES)
@pytest.mark.parametrize(
    ("authorization", "status", "ran"),
    [
        (None, 200, []),
        ("Basic YTpi", 200, []),
        ("Bearer x", 401, []),
        ("Bearer", 401, []),
        ("valid", 200, ["OPTIONS"]),
    ],
)
def test_options_of_a_view_that_lists_it(register, config, authorization, status, ran):
    app = options_app(register, **config)
    headers = {} if authorization is None else {"Authorization": authorization}
    if authorization == "valid":
        headers = headers_of(app)
    answer = app.test_client().options("/view", headers=headers)
    assert (answer.status_code, app.ran) == (status, ran)
    if status == 200 and not ran:
        assert {"GET", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
        assert answer.data == b""
    assert app.test_client().get("/view").status_code == 401


@pytest.mark.parametrize("register", [listed, of_a_class, of_restful])
def test_under_extended_the_view_runs_for_options(register):
    app = options_app(register, extended.JWTManager)
    app.test_client().options("/view")
    assert app.ran == ["OPTIONS"]


def test_under_extended_deny_by_default_runs_no_view_for_options():
    app = options_app(by_default, extended.JWTManager, JWT_REQUIRED_BY_DEFAULT=True)
    assert app.test_client().options("/view").status_code == 200
    assert app.ran == []


def cors_for_all(app, view):
    CORS(app)
    app.add_url_rule("/view", "view", jwt_required()(view))


def cors_for_all_listed(app, view):
    CORS(app)
    listed(app, view)


def cors_above(app, view):
    app.add_url_rule("/view", "view", cross_origin()(jwt_required()(view)))


def cors_above_unguarded(app, view):
    app.add_url_rule("/view", "view", cross_origin()(view))


def cors_of_a_blueprint(app, view):
    blueprint = Blueprint("blueprint", __name__)
    CORS(blueprint)
    blueprint.add_url_rule("/view", "view", jwt_required()(view), methods=["GET", "OPTIONS"])
    app.register_blueprint(blueprint)


@pytest.mark.parametrize("is_default", [False, True], ids=["", "default"])
@pytest.mark.parametrize(
    "register",
    [cors_for_all, cors_for_all_listed, cors_above, cors_above_unguarded, cors_of_a_blueprint],
)
def test_preflights_with_flask_cors(register, is_default):
    app = options_app(register, JWT_REQUIRED_BY_DEFAULT=is_default)
    preflight = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "Authorization",
    }
    client = app.test_client()
    answer = client.options("/view", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"]
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization"
    assert app.ran == []
    is_guarded = is_default or register is not cors_above_unguarded
    assert client.get("/view").status_code == (401 if is_guarded else 200)


# The options of a guard, found on the view


OPTIONS = GuardOptions("realm", True, timedelta(seconds=5), False, ("cookies",), False, True)
guard = jwt_required(
    "realm", optional=True, fresh=timedelta(seconds=5), locations=["cookies"], verify_type=False,
    skip_revocation_check=True,
)  # fmt: skip


def plain():
    return "plain"


def cached(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


def copying(view):
    """A decorator of old, which copies the attributes but sets no ``__wrapped__``."""

    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    wrapper.__dict__.update({k: v for k, v in vars(view).items() if k != "__wrapped__"})
    return wrapper


@wrapt.decorator
def by_wrapt(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)


class GuardedCall:
    @guard
    def __call__(self):
        return "in"

    @guard
    def method(self):
        return "in"


class Decorated(View):
    decorators = [cached, guard]

    def dispatch_request(self):
        return "in"


class OfDispatch(View):
    @guard
    def dispatch_request(self):
        return "in"


class OfMethod(MethodView):
    @cached
    @guard
    def get(self):
        return "in"


class Inherited(OfMethod):
    pass


class Restful(flask_restful.Resource):
    method_decorators = [guard]

    def get(self):
        return "in"


class RestfulMapping(flask_restful.Resource):
    method_decorators = {"get": [guard]}

    def get(self):
        return "in"


def restful(resource, **options):
    app = Flask("restful")
    flask_restful.Api(app, **options).add_resource(resource, "/view", endpoint="view")
    return app.view_functions["view"]


def restx(resource):
    app = Flask("restx")
    flask_restx.Api(app, doc=False).add_resource(resource, "/view", endpoint="view")
    return app.view_functions["view"]


class Restx(flask_restx.Resource):
    @guard
    def get(self):
        return "in"


class Unguarded(flask_restful.Resource):
    def get(self):
        return "in"


def smorest():
    app = Flask("smorest")
    app.config.update(API_TITLE="a", API_VERSION="1", OPENAPI_VERSION="3.0.3")
    blueprint = flask_smorest.Blueprint("blueprint", __name__)

    @blueprint.route("/view", endpoint="view")
    class Resource(MethodView):
        @blueprint.response(200)
        @guard
        def get(self):
            return "in"

    flask_smorest.Api(app).register_blueprint(blueprint)
    return app.view_functions["blueprint.view"]


VIEWS = {
    "guard": lambda: guard(plain),
    "async": lambda: guard(async_function),
    "wraps": lambda: cached(cached(guard(plain))),
    "copying": lambda: copying(guard(plain)),
    "wrapt": lambda: by_wrapt(guard(plain)),
    "lru_cache": lambda: functools.lru_cache(guard(plain)),
    "partial": lambda: functools.partial(guard(plain)),
    "object": GuardedCall,
    "method": lambda: GuardedCall().method,
    "decorators": lambda: Decorated.as_view("view"),
    "dispatch": lambda: OfDispatch.as_view("view"),
    "class's method": lambda: OfMethod.as_view("view"),
    "inherited": lambda: Inherited.as_view("view"),
    "restful": lambda: restful(Restful),
    "restful mapping": lambda: restful(RestfulMapping),
    "restful api": lambda: restful(Unguarded, decorators=[guard]),
    "restx": lambda: restx(Restx),
    "smorest": smorest,
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_the_options_are_found(make):
    (options,) = guards_of(make(), "GET")
    assert replace(options, locations=tuple(options.locations)) == OPTIONS


@pytest.mark.parametrize("view", [Inherited.as_view("v"), restful(RestfulMapping)])
def test_head_has_the_guards_of_get_and_other_methods_have_none(view):
    assert len(guards_of(view, "HEAD")) == 1
    assert guards_of(view, "POST") == ()


@pytest.mark.parametrize("view", [plain, cached(plain), None, print, SimpleNamespace(), object()])
def test_an_open_view_has_no_guards(view):
    assert guards_of(view, "GET") == ()


def test_several_guards_are_listed_from_the_outside():
    view = jwt_required("outer")(cached(jwt_required("inner")(plain)))
    assert [options.realm for options in guards_of(view, "GET")] == ["outer", "inner"]


def verify_admin():
    """A custom guard."""


def test_a_custom_guard_is_named():
    (options,) = guards_of(guarded_by(verify_admin)(plain), "GET")
    assert options == GuardOptions(custom="verify_admin")


def test_extended_guards_have_options_too():
    view = extended.jwt_required(fresh=True, locations="cookies")(plain)
    assert guards_of(view, "GET") == (GuardOptions(fresh=True, locations=("cookies",)),)


# A guard above the route decorator


def above_the_route(app):
    @jwt_required()
    @app.get("/view")
    def view():
        return "open"

    return view


def above_a_blueprint_s(app):
    blueprint = Blueprint("blueprint", __name__)

    @jwt_required()
    @blueprint.get("/view")
    def view():
        return "open"

    app.register_blueprint(blueprint)


def above_another_decorator(app):
    @jwt_required()
    @cached
    @app.get("/view")
    def view():
        return "open"


def custom_above(app):
    @guarded_by(verify_admin)
    @app.get("/view")
    def view():
        return "open"


def extended_above(app):
    @extended.jwt_required()
    @app.get("/view")
    def view():
        return "open"


def async_above(app):
    @jwt_required()
    @app.get("/view")
    async def view():
        return "open"


ABOVE = [
    above_the_route, above_a_blueprint_s, above_another_decorator, custom_above, extended_above,
    async_above,
]  # fmt: skip


def errors_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


@pytest.mark.parametrize("register", ABOVE, ids=lambda f: f.__name__)
def test_a_guard_above_the_route_decorator_is_one_error(register, caplog):
    app = make_app()
    register(app)
    gc.collect()  # the guard itself may be gone
    client = app.test_client()
    for _ in range(3):
        assert client.get("/view").text == "open"
    (message,) = errors_of(caplog)
    endpoint = next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/view")
    assert repr(endpoint) in message
    assert "Put @app.route above @jwt_required()" in message


def below_the_route(app):
    app.add_url_rule("/view", "view", jwt_required()(plain))


def below_another_decorator(app):
    app.add_url_rule("/view", "view", cached(jwt_required()(plain)))


def open_and_guarded(app):
    def view():
        return "open"

    app.add_url_rule("/view", "view", view)
    app.add_url_rule("/guarded", "guarded", jwt_required()(view))


def guarded_method(app):
    app.add_url_rule("/view", view_func=OfMethod.as_view("view"))


def no_view(app):
    jwt_required()(lambda: "no view")


def open_view(app):
    app.add_url_rule("/view", "view", lambda: "open")


@pytest.mark.parametrize(
    "register",
    [
        below_the_route,
        below_another_decorator,
        open_and_guarded,
        guarded_method,
        no_view,
        open_view,
    ],
    ids=lambda f: f.__name__,
)
def test_what_is_no_error(register, caplog):
    app = make_app()
    register(app)
    app.test_client().get("/view")
    assert errors_of(caplog) == []


def test_the_check_costs_later_requests_nothing():
    app = make_app()
    hooks = app.before_request_funcs[None]
    app.before_request_funcs[None].append(lambda: None)
    app.test_client().get("/view")
    assert len(hooks) == 2, "the list that Flask iterates over must not change"
    assert len(app.before_request_funcs[None]) == 1
    plain_app = make_app()
    plain_app.test_client().get("/view")
    assert None not in plain_app.before_request_funcs


def test_no_application_is_kept_alive():
    import weakref

    app = make_app()
    view = above_the_route(app)
    app.test_client().get("/view")
    alive = weakref.ref(view.__wrapped__)
    del view, app
    gc.collect()
    assert alive() is None
