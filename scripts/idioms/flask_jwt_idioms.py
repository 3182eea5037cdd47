"""What programs and test suites written for Flask-JWT do. Each function returns what it sees."""

import base64
import json
import time
from datetime import datetime, timedelta
from unittest.mock import patch

import jwt as pyjwt
from flask import Blueprint, Flask, jsonify, request, url_for
from flask.views import MethodView
from running import describe, idiom, main

import flask_jwt
from flask_jwt import JWT, JWTError, _jwt, _jwt_required, current_identity, jwt_required

SECRET = "s" * 40


class User:
    def __init__(self, id, name="joe"):
        self.id, self.name = id, name


USER = User(1)


def make(jwt=None, **config):
    app = Flask("app")
    app.config.update(SECRET_KEY=SECRET, **config)
    if jwt is None:
        jwt = JWT(app, authenticate, identity)
    else:
        jwt.init_app(app)
    app.jwt = jwt

    @app.route("/p")
    @jwt_required()
    def p():
        return str(getattr(current_identity, "name", None))

    return app


def authenticate(name, password):
    return USER if (name, password) == ("joe", "pass") else None


def identity(payload):
    return USER if payload["identity"] == 1 else None


def log_in(app, path="/auth", **body):
    body = body or {"username": "joe", "password": "pass"}
    headers = {"Content-Type": "application/json"}
    return app.test_client().post(path, data=json.dumps(body), headers=headers)


def token_of(app):
    return json.loads(log_in(app).get_data(True))["access_token"]


def get(app, authorization=None, path="/p"):
    headers = {} if authorization is None else {"Authorization": authorization}
    return app.test_client().get(path, headers=headers)


def sign(secret=SECRET, **claims):
    now = int(time.time())
    token = pyjwt.encode(
        dict({"identity": 1, "iat": now, "nbf": now, "exp": now + 300}, **claims), secret
    )
    return token.decode() if isinstance(token, bytes) else token


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# Requests


@idiom
def a_login_and_a_request():
    app = make()
    return [log_in(app).status_code, describe(get(app, "JWT " + token_of(app)))]


@idiom
def no_token():
    response = get(make())
    return [describe(response), response.headers["WWW-Authenticate"]]


@idiom
def a_token_of_another_scheme():
    return describe(get(make(), "Basic abc"))


@idiom
def a_scheme_without_a_token():
    return describe(get(make(), "JWT"))


@idiom
def a_token_with_spaces():
    return describe(get(make(), "JWT a b"))


@idiom
def a_scheme_in_lower_case():
    app = make()
    return describe(get(app, "jwt " + token_of(app)))


@idiom
def no_token_at_all():
    return describe(get(make(), "JWT abc"))


@idiom
def a_token_of_another_secret():
    return describe(get(make(), "JWT " + sign("x" * 40)))


@idiom
def an_expired_token():
    return describe(get(make(), "JWT " + sign(exp=1)))


@idiom
def a_token_from_the_future():
    return describe(get(make(), "JWT " + sign(iat=2**33)))


@idiom
def a_token_that_is_not_valid_yet():
    return describe(get(make(), "JWT " + sign(nbf=2**33)))


@idiom
def a_token_of_a_user_who_is_gone():
    return describe(get(make(), "JWT " + sign(identity=2)))


@idiom
def wrong_passwords():
    app = make()
    return [
        describe(log_in(app, username="joe", password="no")),
        describe(log_in(app, username="joe")),
        describe(log_in(app, username="", password="")),
    ]


@idiom
def a_login_with_more_fields():
    return log_in(make(), username="joe", password="pass", remember=True).status_code


@idiom
def the_claims_of_a_token():
    return sorted(claims_of(token_of(make())))


# Configuration


@idiom
def options_are_read_from_the_configuration():
    config = make().config
    return [
        config["JWT_EXPIRATION_DELTA"].total_seconds(), config["JWT_AUTH_URL_RULE"],
        config["JWT_AUTH_HEADER_PREFIX"], config["JWT_SECRET_KEY"] == SECRET,
        config["JWT_ALGORITHM"], config["JWT_REQUIRED_CLAIMS"], config["JWT_AUTH_USERNAME_KEY"],
    ]  # fmt: skip


@idiom
def another_prefix():
    app = make(JWT_AUTH_HEADER_PREFIX="Bearer")
    token = token_of(app)
    return [get(app, "Bearer " + token).status_code, describe(get(app, "JWT " + token))]


@idiom
def other_names_of_the_fields():
    app = make(JWT_AUTH_USERNAME_KEY="email", JWT_AUTH_PASSWORD_KEY="secret")
    return log_in(app, email="joe", secret="pass").status_code


@idiom
def another_url():
    return log_in(make(JWT_AUTH_URL_RULE="/log-in"), "/log-in").status_code


@idiom
def no_login():
    return log_in(make(JWT_AUTH_URL_RULE=None)).status_code


@idiom
def another_lifetime():
    claims = claims_of(token_of(make(JWT_EXPIRATION_DELTA=timedelta(days=3))))
    return claims["exp"] - claims["iat"]


@idiom
def options_of_the_url():
    app = make(JWT_AUTH_URL_OPTIONS={"methods": ["PUT"]})
    return [log_in(app).status_code, app.test_client().put("/auth", json={}).status_code]


@idiom
def another_realm():
    return get(make(JWT_DEFAULT_REALM="Shop")).headers["WWW-Authenticate"]


# The module


@idiom
def imported_names():
    names = (
        "LocalProxy OrderedDict current_app datetime jsonify jwt logger logging request timedelta "
        "warnings wraps _request_ctx_stack CONFIG_DEFAULTS encode_token"
    )
    return [name for name in names.split() if not hasattr(flask_jwt, name)]


@idiom
def a_star():
    namespace = {}
    exec("from flask_jwt import *", namespace)
    return [name for name in ("jsonify", "timedelta", "request", "JWT") if name not in namespace]


@idiom
def defaults_can_be_read():
    return sorted(set(flask_jwt.CONFIG_DEFAULTS) & {"JWT_AUTH_URL_RULE", "JWT_LEEWAY"})


@idiom
def the_endpoint_of_the_login():
    app = make()
    with app.test_request_context():
        return url_for("_default_auth_request_handler")


@idiom
def the_endpoint_in_a_request():
    app = make()
    seen = []
    app.before_request(lambda: seen.append(request.endpoint))
    log_in(app)
    return seen


@idiom
def the_number_of_rules():
    app = Flask("app", static_folder=None)
    app.config["SECRET_KEY"] = SECRET
    JWT(app, authenticate, identity)
    return len(list(app.url_map.iter_rules()))


@idiom
def a_patched_guard():
    app = make()
    with patch("flask_jwt._jwt_required") as required:
        return [describe(get(app)), required.call_args[0]]


@idiom
def a_patched_guard_and_stack():
    app = make()
    with patch("flask_jwt._jwt_required"), patch("flask_jwt._request_ctx_stack") as stack:
        stack.top.current_identity = User(2, "ann")
        return describe(get(app))


@idiom
def a_user_that_the_program_sets():
    app = make()

    @app.route("/set")
    def set_user():
        flask_jwt._request_ctx_stack.top.current_identity = User(2, "ann")
        return current_identity.name

    return describe(get(app, path="/set"))


@idiom
def a_guard_called_by_hand():
    app = make()

    @app.route("/hand")
    def hand():
        try:
            _jwt_required(None)
        except JWTError as error:
            return jsonify(error=error.error, text=error.description)
        return current_identity.name

    return [describe(get(app, path="/hand")), describe(get(app, "JWT " + token_of(app), "/hand"))]


@idiom
def decoding_no_token():
    app = make()

    def decode(value):
        try:
            return str(_jwt.jwt_decode_callback(value))
        except pyjwt.exceptions.DecodeError:
            return "DecodeError"

    with app.test_request_context():
        return [_jwt.request_callback(), decode(None), decode(""), decode("abc")]


@idiom
def decoding_a_token():
    app = make()
    with app.test_request_context():
        return _jwt.jwt_decode_callback(sign())["identity"]


@idiom
def a_token_for_a_user():
    app = make()
    with app.test_request_context():
        return claims_of(_jwt.jwt_encode_callback(USER).decode("utf-8"))["identity"]


@idiom
def the_payload_has_datetimes():
    app = make()
    with app.test_request_context():
        payload = flask_jwt._default_jwt_payload_handler(USER)
        return [
            isinstance(payload["exp"], datetime), payload["exp"].tzinfo,
            (payload["exp"] - payload["iat"]).total_seconds(), payload["identity"],
            abs((payload["iat"] - datetime.utcnow()).total_seconds()) < 5,
        ]  # fmt: skip


@idiom
def the_identity_outside_of_a_request():
    return bool(current_identity)


# The extension object


@idiom
def the_object_in_extensions():
    app = make()
    app.extensions["jwt"].jwt_payload_handler(
        lambda user: dict(flask_jwt._default_jwt_payload_handler(user), color="red")
    )
    return [app.extensions["jwt"] is app.jwt, claims_of(token_of(app))["color"]]


@idiom
def init_app_twice():
    app = make()
    app.jwt.init_app(app)
    return log_in(app).status_code


@idiom
def an_application_factory():
    jwt = JWT()
    jwt.authentication_handler(authenticate)
    jwt.identity_handler(identity)
    app = make(jwt)
    return describe(get(app, "JWT " + token_of(app)))


@idiom
def two_applications():
    jwt = JWT(None, authenticate, identity)
    first, second = make(jwt), make(jwt)
    return get(second, "JWT " + token_of(first)).status_code


# Handlers


@idiom
def a_payload_handler_with_another_lifetime():
    app = make()

    @app.jwt.jwt_payload_handler
    def payload(user):
        claims = flask_jwt._default_jwt_payload_handler(user)
        claims["exp"] = claims["iat"] + timedelta(days=30)
        return claims

    claims = claims_of(token_of(app))
    return claims["exp"] - claims["iat"]


@idiom
def a_response_handler():
    app = make()

    @app.jwt.auth_response_handler
    def respond(access_token, user):
        access_token.decode("utf-8")
        return jsonify(user=user.id)

    return describe(log_in(app))


@idiom
def an_error_handler():
    app = make()
    app.jwt.jwt_error_handler(lambda error: ("%s|%s" % (error.error, error.status_code), 418))
    return [describe(get(app)), describe(log_in(app, username="joe", password="no"))]


@idiom
def a_headers_handler():
    app = make()
    app.jwt.jwt_headers_handler(lambda user: {"color": "red"})
    return pyjwt.get_unverified_header(token_of(app))["color"]


@idiom
def a_request_handler():
    app = make()
    app.jwt.request_handler(lambda: request.args.get("token"))
    token = token_of(app)
    return [get(app).status_code, get(app, path="/p?token=" + token).status_code]


@idiom
def encode_and_decode_handlers():
    app = make()
    app.jwt.jwt_encode_handler(lambda user: pyjwt.encode({"identity": user.id}, "k" * 40))
    app.jwt.jwt_decode_handler(lambda t: pyjwt.decode(t, "k" * 40, algorithms=["HS256"]))
    return describe(get(app, "JWT " + token_of(app)))


@idiom
def a_decode_handler_that_rejects():
    app = make()

    @app.jwt.jwt_decode_handler
    def decode(token):
        raise pyjwt.InvalidTokenError("revoked")

    return describe(get(app, "JWT " + sign()))


@idiom
def an_authentication_that_raises():
    app = make()

    @app.jwt.authentication_handler
    def fail(name, password):
        raise JWTError("Locked", "try later", 423)

    return describe(log_in(app))


# Errors


@idiom
def an_error():
    error = JWTError("A", "b", 418, {"X": "y"})
    return [str(error), error.error, error.description, error.status_code, dict(error.headers)]


@idiom
def an_error_of_the_program():
    app = make()

    @app.route("/mine")
    def mine():
        raise JWTError("Forbidden", "not you", 403, headers={"X-Mine": "1"})

    response = get(app, path="/mine")
    return [describe(response), response.headers["X-Mine"]]


@idiom
def an_errorhandler_of_the_application():
    app = make()
    app.errorhandler(JWTError)(lambda error: (error.description, 418))
    return describe(get(app))


@idiom
def a_guard_without_parentheses_later():
    app = make()
    view = jwt_required("Shop")(lambda: "in")
    app.add_url_rule("/realm", "realm", view)
    return get(app, path="/realm").headers["WWW-Authenticate"]


# Views


@idiom
def a_method_view():
    app = make()

    class View(MethodView):
        decorators = [jwt_required()]

        def get(self):
            return current_identity.name

    app.add_url_rule("/view", view_func=View.as_view("view"))
    return [
        get(app, path="/view").status_code,
        describe(get(app, "JWT " + token_of(app), "/view")),
    ]


@idiom
def a_blueprint():
    app = make()
    blueprint = Blueprint("b", "b")
    blueprint.route("/b")(jwt_required()(lambda: current_identity.name))
    app.register_blueprint(blueprint)
    return describe(get(app, "JWT " + token_of(app), "/b"))


def restful(app, **options):
    from flask_restful import Api, Resource

    class View(Resource):
        @jwt_required()
        def get(self):
            return {"name": current_identity.name}

    Api(app, **options).add_resource(View, "/rest")
    return app


@idiom
def restful_with_a_token():
    app = restful(make())
    return describe(get(app, "JWT " + token_of(app), "/rest"))


@idiom
def restful_without_a_token():
    return get(restful(make()), path="/rest").status_code


@idiom
def restful_and_the_applications_handler():
    app = restful(make(PROPAGATE_EXCEPTIONS=True))
    app.errorhandler(JWTError)(lambda error: ("mine", 418))
    return describe(get(app, path="/rest"))


@idiom
def restful_with_errors():
    errors = {"JWTError": {"message": "nope", "status": 401}}
    return describe(get(restful(make(), errors=errors), path="/rest"))


if __name__ == "__main__":
    main("Flask-JWT", "Flask-JWT-Too", "PyJWT", "Flask", "Werkzeug", "Flask-RESTful")
