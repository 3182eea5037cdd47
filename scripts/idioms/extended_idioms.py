"""What programs and test suites written for Flask-JWT-Extended do.

The argument is the package: ``flask_jwt_extended`` or ``flask_jwt.extended``.
"""

import json
import sys
import time
from datetime import timedelta
from importlib import import_module
from unittest.mock import patch

import jwt as pyjwt
from flask import Blueprint, Flask, g, jsonify, render_template_string
from running import describe, idiom, main
from werkzeug.exceptions import HTTPException

NAME = sys.argv[1]
api = import_module(NAME)
errors = import_module(NAME + ".exceptions")
SECRET = "s" * 40


def make(**config):
    app = Flask("app")
    app.config.update(JWT_SECRET_KEY=SECRET, **config)
    app.jwt = api.JWTManager(app)
    app.add_url_rule("/p", "p", api.jwt_required()(lambda: {"id": api.get_jwt_identity()}))
    return app


def issue(app, identity="1", **arguments):
    with app.app_context():
        return api.create_access_token(identity, **arguments)


def get(app, token=None, path="/p", **headers):
    if token is not None:
        headers["Authorization"] = "Bearer " + token
    return app.test_client().get(path, headers=headers)


def sign(secret=SECRET, **claims):
    now = int(time.time())
    own = {"sub": "1", "iat": now, "nbf": now, "exp": now + 300, "type": "access", "jti": "x"}
    return pyjwt.encode({**own, **claims}, secret)


@idiom
def a_request():
    app = make()
    return describe(get(app, issue(app)))


@idiom
def invalid_requests():
    app = make()
    return [
        describe(get(app)), describe(get(app, Authorization="Basic x")),
        describe(get(app, Authorization="Bearer")), describe(get(app, "a b")),
        describe(get(app, "abc")), describe(get(app, sign("x" * 40))),
        describe(get(app, sign(exp=1))), describe(get(app, sign(iat=2**33))),
        describe(get(app, sign(nbf=2**33))), describe(get(app, sign(sub=7))),
        describe(get(app, sign(type="refresh"))), describe(get(app, sign(aud="x"))),
    ]  # fmt: skip


@idiom
def a_token_without_a_subject():
    token = pyjwt.encode({"exp": 2**33}, SECRET)
    return describe(get(make(), token))


@idiom
def the_claims_of_a_token():
    app = make()
    with app.app_context():
        return sorted(api.decode_token(issue(app, additional_claims={"a": 1})))


@idiom
def the_length_of_a_jti():
    app = make()
    with app.app_context():
        return len(api.get_jti(issue(app)))


@idiom
def tokens_are_plain_strings():
    return type(issue(make())).__module__


@idiom
def additional_claims_replace_others():
    app = make()
    with app.app_context():
        return api.decode_token(issue(app, additional_claims={"sub": "2"}))["sub"]


@idiom
def an_identity_of_none():
    app = make(JWT_VERIFY_SUB=False)
    return describe(get(app, issue(app, None)))


@idiom
def an_integer_as_identity():
    app = make(JWT_VERIFY_SUB=False)
    return describe(get(app, issue(app, 7)))


@idiom
def decoding_what_is_no_token():
    app = make()

    def decode(value):
        try:
            return api.decode_token(value)
        except Exception as error:
            return [type(error).__name__, isinstance(error, pyjwt.PyJWTError), str(error)[:20]]

    with app.app_context():
        return [decode("abc"), decode(None)[:2], decode(7)[:2], decode("")[:2]]


@idiom
def an_error_in_a_view():
    app = make()

    @app.route("/v")
    def view():
        try:
            api.verify_jwt_in_request()
        except Exception as error:
            return jsonify(text=str(error), name=type(error).__name__, args=list(error.args))

    return [describe(get(app, path="/v")), describe(get(app, "abc", "/v"))]


@idiom
def an_http_exception_is_something_else():
    app = make()

    @app.route("/v")
    def view():
        try:
            api.verify_jwt_in_request()
        except HTTPException:
            return "http"
        except Exception:
            return "other"

    return describe(get(app, path="/v"))


@idiom
def a_handler_for_http_exceptions():
    app = make()
    app.register_error_handler(HTTPException, lambda error: ("mine", 418))
    return describe(get(app))


@idiom
def a_handler_for_the_class():
    app = make()
    app.register_error_handler(errors.NoAuthorizationError, lambda error: (str(error), 418))
    return describe(get(app))


@idiom
def a_handler_for_the_base_class():
    app = make()
    app.register_error_handler(errors.JWTExtendedException, lambda error: ("mine", 418))
    return describe(get(app))


@idiom
def a_handler_for_pyjwts_errors():
    app = make()
    app.register_error_handler(pyjwt.DecodeError, lambda error: (str(error), 418))
    return [describe(get(app, "abc")), describe(get(app, sign("x" * 40)))]


@idiom
def a_blueprints_handler():
    app = Flask("app")
    app.config["JWT_SECRET_KEY"] = SECRET
    api.JWTManager(app)
    blueprint = Blueprint("b", "b")
    blueprint.errorhandler(errors.NoAuthorizationError)(lambda error: ("mine", 418))
    blueprint.route("/p")(api.jwt_required()(lambda: "in"))
    app.register_blueprint(blueprint)
    return describe(get(app))


@idiom
def restful_with_errors():
    from flask_restful import Api, Resource

    class View(Resource):
        @api.jwt_required()
        def get(self):
            return {}

    app = make()
    mine = {"NoAuthorizationError": {"message": "mine", "status": 418}}
    Api(app, errors=mine).add_resource(View, "/rest")
    return describe(get(app, path="/rest"))


@idiom
def restful_without_a_handler():
    from flask_restful import Api, Resource

    class View(Resource):
        @api.jwt_required()
        def get(self):
            return {}

    app = make()
    Api(app).add_resource(View, "/rest")
    return get(app, path="/rest").status_code


@idiom
def restx_with_a_handler():
    from flask_restx import Api, Resource

    app = make()
    rest = Api(app)

    @rest.errorhandler(errors.NoAuthorizationError)
    def mine(error):
        return {"error": "mine"}, 418

    @rest.route("/rest")
    class View(Resource):
        @api.jwt_required()
        def get(self):
            return {}

    return describe(get(app, path="/rest"))


@idiom
def loaders():
    app = make()
    app.jwt.expired_token_loader(lambda header, payload: ("expired %s" % payload["sub"], 418))
    app.jwt.invalid_token_loader(lambda reason: ("invalid %s" % reason, 418))
    app.jwt.unauthorized_loader(lambda reason: ("unauthorized %s" % reason, 418))
    return [describe(get(app, token)) for token in (None, "abc", sign(exp=1))]


@idiom
def callbacks_are_attributes():
    app = make()
    defaults = import_module(NAME + ".default_callbacks")
    is_default = app.jwt._expired_token_callback is defaults.default_expired_token_callback
    app.jwt._unauthorized_callback = lambda reason: ("mine", 418)
    return [is_default, app.jwt._user_lookup_callback, describe(get(app))]


@idiom
def a_blocklist():
    app = make()
    app.jwt.token_in_blocklist_loader(lambda header, payload: payload["sub"] == "1")
    return [describe(get(app, issue(app))), describe(get(app, issue(app, "2")))]


@idiom
def a_user_lookup():
    app = make()
    app.jwt.user_lookup_loader(lambda header, payload: {"1": "ann"}.get(payload["sub"]))
    app.add_url_rule("/u", "u", api.jwt_required()(lambda: str(api.current_user)))
    return [describe(get(app, issue(app), "/u")), describe(get(app, issue(app, "2"), "/u"))]


@idiom
def a_user_identity_loader():
    app = make()
    app.jwt.user_identity_loader(lambda user: user["id"])
    return describe(get(app, issue(app, {"id": "ann"})))


@idiom
def fresh_and_refresh_tokens():
    app = make()
    app.add_url_rule("/f", "f", api.jwt_required(fresh=True)(lambda: "in"))
    app.add_url_rule("/r", "r", api.jwt_required(refresh=True)(lambda: "in"))
    with app.app_context():
        refresh = api.create_refresh_token("1")
    return [
        describe(get(app, issue(app), "/f")), describe(get(app, issue(app, fresh=True), "/f")),
        describe(get(app, issue(app, fresh=timedelta(minutes=1)), "/f")),
        describe(get(app, issue(app), "/r")), describe(get(app, refresh, "/r")),
        describe(get(app, refresh)),
    ]  # fmt: skip


@idiom
def an_optional_token():
    app = make()
    view = api.jwt_required(optional=True)(lambda: {"id": api.get_jwt_identity()})
    app.add_url_rule("/o", "o", view)
    return [describe(get(app, token, "/o")) for token in (None, issue(app), "abc")]


@idiom
def options_runs_the_view():
    app = make()
    view = api.jwt_required()(lambda: "view")
    app.add_url_rule("/o", "o", view, methods=["OPTIONS"], provide_automatic_options=False)
    return describe(app.test_client().options("/o"))


@idiom
def the_extension_slots():
    app = make()
    app.extensions["jwt"] = app.jwt
    app.extensions["flask-jwt-extended"].unauthorized_loader(lambda reason: ("mine", 418))
    return [app.extensions["flask-jwt-extended"] is app.jwt, describe(get(app))]


@idiom
def init_app_twice():
    app = make()
    app.jwt.init_app(app)
    return describe(get(app, issue(app)))


@idiom
def two_managers():
    app = make()
    api.JWTManager(app)
    return describe(get(app, issue(app)))


@idiom
def options_are_read_from_the_configuration():
    config = make().config
    return [
        config["JWT_ACCESS_TOKEN_EXPIRES"].total_seconds(), config["JWT_TOKEN_LOCATION"],
        config["JWT_HEADER_TYPE"], config["JWT_COOKIE_CSRF_PROTECT"], config["JWT_IDENTITY_CLAIM"],
    ]  # fmt: skip


@idiom
def options_in_other_forms():
    config = {
        "JWT_COOKIE_SAMESITE": "lax", "JWT_COOKIE_DOMAIN": "", "JWT_DECODE_ALGORITHMS": "HS256",
        "JWT_TOKEN_LOCATION": {"headers"}, "JWT_ACCESS_TOKEN_EXPIRES": 60,
    }  # fmt: skip
    app = make(**config)
    return describe(get(app, issue(app)))


@idiom
def names_of_submodules():
    names = {
        "jwt_manager": "ExpiredSignatureError InvalidTokenError CSRFError NoAuthorizationError jwt",
        "view_decorators": "request current_app wraps config verify_jwt_in_request decode_token",
        "utils": "get_jwt_manager get_csrf_token current_user_context_processor",
        "internal_utils": "verify_token_type user_lookup get_jwt_manager",
    }
    return [
        name
        for module, wanted in names.items()
        for name in wanted.split()
        if not hasattr(import_module(f"{NAME}.{module}"), name)
    ]


@idiom
def a_patched_guard():
    app = make()
    app.jwt.user_lookup_loader(lambda header, payload: None)
    with patch(NAME + ".view_decorators.verify_jwt_in_request"):
        app.add_url_rule("/x", "x", api.jwt_required()(lambda: "in"))
        return describe(get(app, path="/x"))


@idiom
def claims_set_by_a_test():
    app = make()
    with app.test_request_context():
        g._jwt_extended_jwt = {"sub": "ann"}
        g._jwt_extended_jwt_header = {}
        return [api.get_jwt_identity(), api.get_jwt()]


def cookies_of(response):
    return [cookie.partition("=")[0] + cookie.partition(";")[1] + cookie.partition(";")[2]
            for cookie in response.headers.getlist("Set-Cookie")]  # fmt: skip


@idiom
def cookies():
    app = make(JWT_TOKEN_LOCATION=["cookies"])

    @app.post("/login")
    def login():
        response = jsonify(ok=True)
        api.set_access_cookies(response, api.create_access_token("1"))
        api.set_refresh_cookies(response, api.create_refresh_token("1"))
        return response

    @app.post("/write")
    @api.jwt_required()
    def write():
        return "written"

    client = app.test_client()
    response = client.post("/login")
    csrf = client.get_cookie("csrf_access_token").value
    return [
        cookies_of(response), describe(client.get("/p")), describe(client.post("/write")),
        describe(client.post("/write", headers={"X-CSRF-TOKEN": csrf})),
        describe(client.post("/write", headers={"X-CSRF-TOKEN": "wrong"})),
    ]  # fmt: skip


@idiom
def a_token_in_the_query_string_and_in_json():
    app = make(JWT_TOKEN_LOCATION=["query_string", "json"])
    app.add_url_rule("/j", "j", api.jwt_required()(lambda: "in"), methods=["POST"])
    token = issue(app)
    client = app.test_client()
    return [
        describe(client.get("/p?jwt=" + token)), describe(client.get("/p")),
        describe(client.post("/j", json={"access_token": token})),
        describe(client.post("/j", json={})),
    ]  # fmt: skip


@idiom
def the_user_in_templates():
    app = Flask("app")
    app.config["JWT_SECRET_KEY"] = SECRET
    jwt = api.JWTManager(app, add_context_processor=True)
    jwt.user_lookup_loader(lambda header, payload: payload["sub"])
    view = api.jwt_required()(lambda: render_template_string("{{ current_user }}"))
    app.add_url_rule("/t", "t", view)
    return describe(get(app, issue(app), "/t"))


@idiom
def outside_of_a_request():
    app = make()
    with app.test_request_context():
        try:
            api.get_jwt()
        except RuntimeError:
            return "RuntimeError"
    return None


@idiom
def a_token_in_json_is_serializable():
    app = make()
    return json.loads(json.dumps({"token": issue(app)}))["token"].count(".")


if __name__ == "__main__":
    main(
        "Flask-JWT-Extended", "Flask-JWT-Too", "PyJWT", "Flask", "Werkzeug", "Flask-RESTful",
        "flask-restx",
    )  # fmt: skip
