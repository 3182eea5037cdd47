"""A program's own error handlers win, wherever its framework asks them.

One table has every framework with every place for a handler, in every mode, for both extension
classes. The oracle for ``JWTManager`` is Flask-JWT-Extended in the same test; for ``JWT`` it is
what Flask-JWT 0.3.2 did, as tests/error_table.py has recorded it.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from pathlib import Path

import flask_jwt_extended as fje
import flask_restful
import flask_restx
import jwt as pyjwt
import pytest
from flask import Blueprint, Flask
from werkzeug.exceptions import HTTPException

import flask_jwt
from flask_jwt import JWTError, errors, jwt_required
from flask_jwt import extended as ours
from flask_jwt.extended import exceptions as ours_exceptions
from tests import error_table
from tests.support import SECRET, bearer, body_of, make_app

RECORDED = json.loads((Path(__file__).parent / "flask_jwt_0_3_2.json").read_text())["responses"]
ROWS = error_table.rows()
NATIVE = {
    "class": [errors.TokenMissing, errors.TokenMalformed, errors.TokenExpired],
    "base": [errors.JWTError],
}


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_native(framework, where, what, mode):
    app = error_table.make_app(
        framework, where, what, mode,
        lambda app: flask_jwt.JWT(app, lambda name, password: None, lambda payload: payload),
        flask_jwt.jwt_required(), NATIVE,
    )  # fmt: skip
    found = error_table.responses(app)
    for _, body in found.values():
        if isinstance(body, dict):  # what is new, and nothing else
            body.pop("code", None)
            body.pop("hint", None)
    return found


def run_extended(package, framework, where, what, mode):
    def extend(app):
        app.config["JWT_HEADER_TYPE"] = "JWT"
        package.JWTManager(app)

    exceptions = package.exceptions
    classes = {
        "class": [exceptions.NoAuthorizationError, pyjwt.DecodeError, pyjwt.ExpiredSignatureError],
        "base": [exceptions.JWTExtendedException, pyjwt.PyJWTError],
    }
    app = error_table.make_app(
        framework, where, what, mode, extend, package.jwt_required(), classes
    )
    return error_table.responses(app)


@cache
def usual(run):
    """Return the responses of this package if the program has no handler."""
    return run("Flask", "nowhere", "nothing", "default")


def run_ours(*row):
    return run_extended(ours, *row)


def correct(expected, run, what):
    """Return *expected*, but with the usual responses for what became a server error there."""
    for name, (status, _) in expected.items():
        if status == 500:
            expected[name] = usual(run)[name]
            if what == "no status":  # the program's message, and the status that it left out
                expected[name] = [expected[name][0], {"message": "mine"}]
    return expected


def test_the_table_is_complete():
    """Print the number of combinations; ``pytest -s`` shows it."""
    profiles = 2
    combinations = len(ROWS) * profiles
    print(f"{combinations} combinations, {combinations * len(error_table.requests())} responses")
    assert len(RECORDED) == len(ROWS) == len(set(ROWS)) == 268
    assert {row[0] for row in ROWS} == set(error_table.FRAMEWORKS)


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_under_jwtmanager_as_flask_jwt_extended(row):
    expected = correct(run_extended(fje, *row), run_ours, row[2])
    assert run_ours(*row) == expected


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_under_jwt_as_flask_jwt(row):
    framework, where, what, mode = row
    # A JWTError is an HTTPException here, so these handlers get it as those for Exception did.
    recorded = "Exception" if what == "HTTPException" else what
    expected = {
        name: [status, {**body, "mine": what} if "mine" in body else body]
        for name, (status, body) in RECORDED[f"{framework} {where} {recorded} {mode}"].items()
    }
    assert run_native(*row) == correct(expected, run_native, what)


def test_the_usual_responses():
    assert {name: status for name, (status, _) in usual(run_ours).items()} == {
        "missing": 401, "malformed": 422, "expired": 401,
    }  # fmt: skip
    assert usual(run_ours) == run_extended(fje, "Flask", "nowhere", "nothing", "default")
    assert usual(run_native) == RECORDED["Flask nowhere nothing default"]


# What the table doesn't show

REST = [flask_restful, flask_restx]


def make_rest_app(package, module=ours, *, api=None, path="/view", view=None, **config):
    """Make an application with one guarded resource of Flask-RESTful or Flask-RESTX."""
    app = Flask("tested")
    app.config.update(JWT_SECRET_KEY=SECRET, **config)
    app.manager = module.JWTManager(app)
    app.api = (api or package.Api)(app)
    guarded = module.jwt_required()(view or (lambda self: {}))
    app.api.add_resource(type("Guarded", (package.Resource,), {"get": guarded}), path)
    return app


@pytest.mark.parametrize("package", REST)
def test_a_resource_catches_the_same_exceptions(package):
    """With a response ready, an exception has the name, text and arguments that it has in Flask."""
    caught = []

    def view(self):
        try:
            ours.verify_jwt_in_request()
        except Exception as error:
            caught.append(error)
            raise

    app = make_rest_app(package, view=view)
    app.api.add_resource(type("Open", (package.Resource,), {"get": view}), "/open")
    client = app.test_client()
    for headers in ({}, bearer("abc"), bearer(error_table.expired_token())):
        assert client.get("/open", headers=headers).status_code in (401, 422)
    missing, malformed, expired = caught
    assert isinstance(missing, ours_exceptions.NoAuthorizationError)
    assert isinstance(malformed, pyjwt.DecodeError)
    assert isinstance(expired, pyjwt.ExpiredSignatureError)
    assert [(type(e).__name__, str(e), e.args) for e in caught] == [
        (name, text, (text,))
        for name, text in [
            ("NoAuthorizationError", "Missing Authorization Header"),
            ("DecodeError", "Not enough segments"),
            ("ExpiredSignatureError", "Signature has expired"),
        ]
    ]
    assert expired.jwt_data["sub"] == "1"
    assert repr(malformed) == "DecodeError('Not enough segments')"


@pytest.mark.parametrize("package", REST)
@pytest.mark.parametrize("name", [n for n in dir(fje.exceptions) if n[0].isupper()])
def test_an_exception_with_its_response_ready(name, package):
    """It differs from Flask-JWT-Extended's in its bases alone."""
    known = {"RevokedTokenError": ({"a": 1}, {"b": 2})}
    for each in ("FreshTokenRequired", "UserLookupError", "UserClaimsVerificationError"):
        known[each] = ("why", {"a": 1}, {"b": 2})
    arguments = known.get(name, ("why", "more"))
    described = []
    with make_rest_app(package).test_request_context("/view"):
        for exceptions in (fje.exceptions, ours_exceptions):
            error = getattr(exceptions, name)(*arguments)
            assert isinstance(error, getattr(exceptions, name))
            described.append(
                (type(error).__name__, str(error), repr(error), error.args, vars(error))
            )
    assert described[1] == described[0]
    assert type(error) is not getattr(ours_exceptions, name)
    assert getattr(error, "description", str(error)) == str(error)


@pytest.mark.parametrize("package", REST)
def test_an_exception_that_a_resource_raises_is_no_server_error(package):
    def view(self):
        raise ours_exceptions.UserLookupError("gone", {}, {"sub": "ghost"})

    app = make_rest_app(package)
    app.api.add_resource(type("Open", (package.Resource,), {"get": view}), "/open")
    response = app.test_client().get("/open")
    assert body_of(response) == (401, {"msg": "Error loading the user ghost"})


@pytest.mark.parametrize("package", REST)
def test_an_error_of_jwt_that_a_view_under_jwtmanager_raises(package):
    def view(self=None):
        raise errors.TokenExpired

    app = make_rest_app(package)
    app.api.add_resource(type("Open", (package.Resource,), {"get": view}), "/open")
    app.add_url_rule("/flask", "flask", view)
    app.register_error_handler(pyjwt.ExpiredSignatureError, lambda error: ("mine", 409))
    client = app.test_client()
    assert body_of(client.get("/open")) == (401, {"msg": "Token has expired"})
    assert client.get("/flask").text == "mine"


@pytest.mark.parametrize("module", [fje, ours])
@pytest.mark.parametrize("package", REST)
@pytest.mark.parametrize("mode", ["default", "debug"])
def test_an_api_of_the_program_s_own_handles_errors(module, package, mode):
    class Own(package.Api):
        def handle_error(self, error):
            if type(error).__name__ == "NoAuthorizationError":
                return self.make_response({"own": str(error)}, 409)
            return super().handle_error(error)

    class ToFlask(package.Api):
        def error_router(self, original_handler, error):
            return original_handler(error)

    config = error_table.MODES[mode]
    client = make_rest_app(package, module, api=Own, **config).test_client()
    assert body_of(client.get("/view")) == (409, {"own": "Missing Authorization Header"})
    app = make_rest_app(package, module, api=ToFlask, **config)
    app.register_error_handler(module.exceptions.NoAuthorizationError, lambda error: ("mine", 409))
    assert app.test_client().get("/view").text == "mine"
    response = app.test_client().get("/view", headers=bearer("abc"))
    assert body_of(response) == (422, {"msg": "Not enough segments"})


def test_each_endpoint_has_its_own_api():
    app = make_rest_app(flask_restful, path="/restful")
    first, second = Blueprint("api", __name__), Blueprint("api2", __name__)
    for blueprint, name in ((first, "first"), (second, "second")):
        api = flask_restx.Api(blueprint)
        guarded = ours.jwt_required()(lambda self: {})
        api.add_resource(type("Guarded", (flask_restx.Resource,), {"get": guarded}), f"/{name}")
        app.register_blueprint(blueprint)
    api.errorhandler(ours_exceptions.NoAuthorizationError)(lambda error: ({"second": 1}, 409))
    app.add_url_rule("/flask", "flask", ours.jwt_required()(lambda: ""))
    app.register_error_handler(ours_exceptions.NoAuthorizationError, lambda error: ("mine", 409))
    client = app.test_client()
    usual = 401, {"msg": "Missing Authorization Header"}
    assert body_of(client.get("/restful")) == body_of(client.get("/first")) == usual
    assert client.get("/second").get_json()["second"] == 1
    assert client.get("/flask").text == "mine"


@pytest.mark.parametrize("package", REST)
def test_headers_and_bodies_that_are_no_json(package):
    app = make_rest_app(package)
    app.manager.unauthorized_loader(lambda why: (f"<p>{why}</p>", 401, {"X-Why": "none"}))
    response = app.test_client().get("/view")
    assert (response.status_code, response.text) == (401, "<p>Missing Authorization Header</p>")
    assert response.headers["X-Why"] == "none"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="Login Required"'
    assert response.content_type.startswith("text/html")


@pytest.mark.parametrize("package", REST)
def test_a_callback_that_fails_is_a_server_error(package):
    app = make_rest_app(package)
    app.manager.unauthorized_loader(lambda why: 1 / 0)
    assert app.test_client().get("/view").status_code == 500


@pytest.mark.parametrize("package", REST)
def test_views_that_are_guarded_by_default(package):
    app = Flask("tested")
    app.config.update(SECRET_KEY=SECRET, JWT_REQUIRED_BY_DEFAULT=True)
    ours.JWTManager(app)
    api = package.Api(app)
    open_view = type("Open", (package.Resource,), {"get": lambda self: {}})
    api.add_resource(open_view, "/view")
    response = app.test_client().get("/view")
    assert body_of(response) == (401, {"msg": "Missing Authorization Header"})


def add_resource(app, package, **options):
    api = package.Api(app, **options)
    guarded = flask_jwt.jwt_required()(lambda self: {})
    api.add_resource(type("Guarded", (package.Resource,), {"get": guarded}), "/view")
    return api


@pytest.mark.parametrize("package", REST)
@pytest.mark.parametrize("mode", error_table.MODES)
def test_a_handler_may_use_the_usual_response(package, mode):
    app = make_app(guards={}, **error_table.MODES[mode])
    add_resource(app, package)
    asked = []

    @app.errorhandler(JWTError)
    def mine(error):
        asked.append(error.code)
        error.response.headers["X-Mine"] = "yes"
        return error

    response = app.test_client().get("/view")
    assert (response.status_code, response.get_json()["code"]) == (401, "token_missing")
    # Flask-RESTful and Flask-RESTX ask Flask's handlers only if exceptions propagate.
    is_asked = mode != "default"
    assert (asked, "X-Mine" in response.headers) == ([401] * is_asked, is_asked)


@pytest.mark.parametrize("what", ["class", "HTTPException"])
def test_a_handler_is_called_once_and_the_usual_response_is_not_made(what):
    app, calls = make_app(guards={}), []
    app.jwt.jwt_error_handler(lambda error: calls.append("usual") or ("usual", 401))
    api = add_resource(app, flask_restx)
    target = {"class": errors.TokenMissing, "HTTPException": HTTPException}[what]
    api.errorhandler(target)(lambda error: calls.append("mine") or ({"mine": 1}, 409))
    assert app.test_client().get("/view").status_code == 409
    assert calls == ["mine"]


@pytest.mark.parametrize("read", [lambda e: e.get_response(), lambda e: e.response])
def test_an_error_handler_may_start_from_the_usual_response(read):
    app = make_app(guards={})

    @app.jwt.jwt_error_handler
    def change(error):
        response = read(error)
        response.data = json.dumps({"message": response.get_json()["description"]})
        return response

    app.add_url_rule("/view", view_func=jwt_required()(lambda: "ok"))
    response = app.test_client().get("/view")
    assert response.get_json() == {"message": "Request does not contain an access token"}
    assert (response.status_code, response.headers["Cache-Control"]) == (401, "no-store")
    assert response.headers["WWW-Authenticate"].startswith("JWT ")


@pytest.mark.parametrize("errors", [{}, {"JWTError": {"message": "any", "status": 410}}])
def test_an_entry_for_the_class_comes_before_one_for_the_base(errors):
    app = make_app(guards={})
    entry = {"message": "mine", "status": 401}
    add_resource(app, flask_restful, errors={**errors, "TokenMissing": entry})
    response = app.test_client().get("/view")
    assert body_of(response) == (401, entry)


def test_exceptions_of_pyjwt_that_a_view_raises_are_the_program_s():
    """JWTManager has handlers for PyJWT's classes, which must not take these."""
    app = Flask("tested")
    app.config["SECRET_KEY"] = SECRET
    ours.JWTManager(app)

    @app.get("/view")
    def view():
        raise pyjwt.DecodeError("of the program")

    assert app.test_client().get("/view").status_code == 500
    app = Flask("tested")
    app.config["SECRET_KEY"] = SECRET
    ours.JWTManager(app)
    app.add_url_rule("/view", "view", view)
    app.register_error_handler(pyjwt.PyJWTError, lambda error: (str(error), 409))
    response = app.test_client().get("/view")
    assert (response.status_code, response.text) == (409, "of the program")
