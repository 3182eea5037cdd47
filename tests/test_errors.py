"""Errors: statuses, JSON and headers, as Flask-JWT 0.3.2 had them, under five frameworks.

Each of the frameworks handles errors in its own way, and debug mode changes some of them.
"""

from __future__ import annotations

import jwt as pyjwt
import pytest
from flask import Blueprint, Flask
from flask.views import MethodView

from flask_jwt import JWT, JWTError, current_identity, decode_token, jwt_required
from tests.support import SECRET, claims_of, get, issue, login, make_app, show_user, token_of


def plain_flask(app, view):
    app.add_url_rule("/protected", view_func=view)


def flask_restful(app, view):
    from flask_restful import Api, Resource

    class Protected(Resource):
        def get(self):
            return view()

    Api(app).add_resource(Protected, "/protected")


def flask_restx(app, view):
    from flask_restx import Api, Resource

    api = Api(app)

    @api.route("/protected")
    class Protected(Resource):
        def get(self):
            return view()


def flask_smorest(app, view):
    from flask_smorest import Api, Blueprint

    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.0.2")
    api = Api(app)
    blueprint = Blueprint("protected", __name__)

    @blueprint.route("/protected")
    class Protected(MethodView):
        def get(self):
            return view()

    api.register_blueprint(blueprint)


def apiflask(app, view):
    app.get("/protected")(view)


FRAMEWORKS = [plain_flask, flask_restful, flask_restx, flask_smorest, apiflask]


def class_of(install):
    """Return the application class that a framework needs."""
    if install is apiflask:
        from apiflask import APIFlask

        return APIFlask
    return Flask


@pytest.fixture(params=[False, True], ids=["", "debug"])
def debug(request):
    return request.param


@pytest.fixture(params=FRAMEWORKS, ids=lambda f: f.__name__)
def app(request, make_app, debug):
    """An application of each framework, in debug mode and not."""
    app = make_app(flask=class_of(request.param), guards={}, DEBUG=debug)
    request.param(app, jwt_required()(show_user))
    return app


def rejection(response, error, description, status=401):
    """Compare all of a rejection but its code, and return its challenge."""
    body = response.get_json()
    assert body.pop("code", None)
    body.pop("hint", None)  # tests/test_messages.py
    assert (response.status_code, body) == (
        status,
        {"status_code": status, "error": error, "description": description},
    )
    assert response.content_type.startswith("application/json")
    return response.headers.get("WWW-Authenticate")


def request(client, authorization=None):
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.get("/protected", headers=headers)


# Logins


def test_a_login_returns_a_token(client, clock):
    response = login(client)
    assert response.status_code == 200
    token = response.get_json()["access_token"]
    assert pyjwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256"}
    claims = claims_of(token)
    assert claims["identity"] == 1
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (clock.now, clock.now, clock.now + 300)


@pytest.mark.parametrize(
    "body",
    [
        {"username": "joe", "password": "wrong"},
        {"username": "nobody", "password": "pass"},
        {"username": "joe"},
        {"password": "pass"},
        {},
        {"username": "", "password": "pass"},
        {"username": "joe", "password": ""},
        {"username": 1, "password": "pass"},
        {"username": ["joe"], "password": {"a": 1}},
        {"username": "joe\0", "password": "pass"},
    ],
)
def test_invalid_credentials_are_rejected(client, body):
    assert rejection(client.post("/auth", json=body), "Bad Request", "Invalid credentials")


def test_more_fields_of_a_login_are_ignored(client):
    body = {"username": "joe", "password": "pass", "remember": True}
    assert client.post("/auth", json=body).status_code == 200


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"null", b"[]", b'"joe"', b"1", b"\xff\xfe", DEEP, b'{"a":' * 9_000,
     b'{"username": "joe", "username": "eve", "password": "pass"}',
     b'{"username": "\\ud800", "password": "pass"}', b'{"username": NaN, "password": 1e999}',
     '{"username": "joe", "password": "pass"}'.encode("utf-16"),
     b'{"username": "joe", "password": "' + b"x" * 2**20 + b'"}'],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_a_malformed_login_is_a_bad_request(client, data):
    response = client.post("/auth", data=data, content_type="application/json")
    body = response.get_json()
    assert (response.status_code, body["status_code"], body["error"]) == (400, 400, "Bad Request")
    assert body["description"]
    assert body["code"] == "login_malformed"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_login_must_be_json(client, content_type):
    data = '{"username": "joe", "password": "pass"}'
    response = client.post("/auth", data=data, content_type=content_type)
    assert response.status_code == 400
    assert "application/json" in response.get_json()["description"]


# Tokens


def test_a_missing_token(client):
    challenge = rejection(
        request(client), "Authorization Required", "Request does not contain an access token"
    )
    assert challenge == 'JWT realm="Login Required"'


@pytest.mark.parametrize(
    ("authorization", "description"),
    [
        ("Basic am9lOnBhc3M=", "Unsupported authorization type"),
        (", ,", "Unsupported authorization type"),
        ("JWT", "Token missing"),
        ("Bearer", "Token missing"),
        ("JWT a.b.c d.e.f", "Token contains spaces"),
        ("JWT a.b.c, JWT d.e.f", "Token contains spaces"),
    ],
)
def test_an_invalid_header(client, authorization, description):
    challenge = rejection(request(client, authorization), "Invalid JWT header", description)
    assert 'error="invalid_request"' in challenge


@pytest.mark.parametrize("scheme", ["JWT", "jwt", "Jwt", "Bearer", "bearer", "BEARER"])
def test_the_scheme_is_case_insensitive(client, scheme):
    assert request(client, f"{scheme} {token_of(client)}").get_json() == {"user": 1}


@pytest.mark.parametrize("token", ["nothing", "two.segments"])
def test_too_few_segments(client, token):
    challenge = rejection(request(client, f"JWT {token}"), "Invalid token", "Not enough segments")
    assert 'error="invalid_token"' in challenge


def alter(token):
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token[:-5],
        lambda token: token + "X",
        lambda token: token + "XX",
        lambda token: token + "=",
        lambda token: token.rpartition(".")[0] + ".",
        alter,
    ],
    ids=["truncated", "truncated 5", "extended", "extended 2", "padded", "stripped", "altered"],
)
def test_an_invalid_signature(client, change):
    token = change(token_of(client))
    rejection(request(client, f"JWT {token}"), "Invalid token", "Signature verification failed")


def test_an_expired_token(client, clock):
    token = token_of(client)
    clock.tick(309)
    assert request(client, f"JWT {token}").status_code == 200
    clock.tick(1)
    response = request(client, f"JWT {token}")
    rejection(response, "Invalid token", "Signature has expired")
    assert response.get_json()["code"] == "token_expired"


def test_a_token_that_is_not_yet_valid(client, clock):
    token = token_of(client)
    clock.tick(-11)
    rejection(
        request(client, f"JWT {token}"),
        "Invalid token",
        "Issued At claim (iat) cannot be in the future.",
    )


def test_a_token_of_a_deleted_user(app, client):
    token = token_of(client)
    app.users.clear()
    rejection(request(client, f"JWT {token}"), "Invalid JWT", "User does not exist")


# Handlers


def test_other_errors_keep_the_response_of_their_framework(client):
    assert client.get("/nothing-here").status_code == 404
    assert client.delete("/protected").status_code == 405


def test_a_page_of_the_application_for_401_does_not_replace_the_json():
    app = Flask("tested")
    app.config["SECRET_KEY"] = SECRET
    app.register_error_handler(401, lambda error: ("<h1>page</h1>", 401))
    JWT(app)
    app.add_url_rule("/protected", view_func=jwt_required()(lambda: "in"))
    assert request(app.test_client()).get_json()["code"] == "token_missing"


def test_the_error_handler_s_response_is_sent(app, client):
    @app.jwt.jwt_error_handler
    def handler(error):
        return {"why": error.description}, 418

    response = request(client)
    assert response.get_json() == {"why": "Request does not contain an access token"}


def test_a_guard_may_name_its_realm(app, client):
    blueprint = Blueprint("inner", __name__, url_prefix="/inner")

    @blueprint.get("/view")
    @jwt_required("Inner realm")
    def view():
        return {"user": current_identity.id}

    app.register_blueprint(blueprint)
    token = token_of(client)
    assert client.get("/inner/view", headers={"Authorization": f"JWT {token}"}).status_code == 200
    response = client.get("/inner/view")
    assert response.headers["WWW-Authenticate"] == 'JWT realm="Inner realm"'


# Exceptions


def test_an_error_that_a_view_raises_is_rendered_alike():
    app = make_app()

    @app.get("/late")
    def late():
        raise JWTError("No entry", "Come back later", 403, {"X-Why": "late"})

    response = app.test_client().get("/late")
    assert response.status_code == 403
    assert response.headers["X-Why"] == "late"
    assert response.get_json() == {
        "status_code": 403, "error": "No entry", "description": "Come back later",
        "code": "forbidden",
    }  # fmt: skip


def test_an_error_of_pyjwt_that_a_view_raises_is_the_view_s():
    app = make_app()

    @app.get("/own")
    @jwt_required()
    def own():
        raise pyjwt.ExpiredSignatureError

    assert get(app, "/own", issue(app)).status_code == 500


def test_errors_inherit_from_those_of_pyjwt(clock):
    app = make_app(clock=clock)
    token = issue(app)
    clock.tick(1000)
    with app.app_context(), pytest.raises(pyjwt.ExpiredSignatureError):
        decode_token(token)


def test_an_error_as_a_string():
    error = JWTError("Bad", "Try again")
    assert (str(error), repr(error)) == ("Bad. Try again", "JWTError: Bad")
    assert (error.error, error.description, error.status_code, error.headers) == (
        "Bad", "Try again", 401, None,
    )  # fmt: skip
