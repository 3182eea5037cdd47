"""Flask-JWT's public surface: handlers, configuration, and what happens when they are wrong."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import jwt as pyjwt
import pytest
from flask import Flask, jsonify, url_for
from flask.views import MethodView

import flask_jwt
from flask_jwt import (
    JWT,
    ConfigError,
    JWTError,
    _jwt,
    _jwt_required,
    current_identity,
    jwt_required,
)
from tests.conftest import SECRET, User, bearer, login, token_of


def claims_of(token, secret=SECRET):
    options = {
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_aud": False,
        "verify_sub": False,
    }
    return pyjwt.decode(token, secret, algorithms=["HS256"], options=options)


def get(client, token, path="/protected"):
    return client.get(path, headers=bearer(token))


# handlers


def test_the_tutorial_s_spelling():
    app = Flask("tested")
    app.secret_key = SECRET
    users = {1: User(1)}
    JWT(app, lambda username, password: users[1], lambda payload: users.get(payload["identity"]))
    app.add_url_rule("/p", view_func=jwt_required()(lambda: str(current_identity.id)))
    client = app.test_client()
    assert get(client, token_of(client), "/p").text == "1"


def test_handlers_may_be_set_after_init_app(user):
    app = Flask("tested")
    app.secret_key = SECRET
    jwt = JWT()
    jwt.init_app(app)
    jwt.authentication_handler(lambda username, password: user)
    jwt.identity_handler(lambda payload: user)
    app.add_url_rule("/p", view_func=jwt_required()(lambda: "in"))
    client = app.test_client()
    assert get(client, token_of(client), "/p").text == "in"


def test_without_identity_handler_the_identity_is_the_id(make_app, jwt):
    jwt.identity_callback = None
    app = make_app()
    app.add_url_rule("/who", view_func=jwt_required()(lambda: jsonify(current_identity + 0)))
    client = app.test_client()
    assert get(client, token_of(client), "/who").get_json() == 1


def test_async_handlers_and_views(make_app, jwt, user):
    @jwt.authentication_handler
    async def authenticate(username, password):
        return user

    @jwt.identity_handler
    async def identity(payload):
        return user

    app = make_app()

    @app.get("/async")
    @jwt_required()
    async def view():
        return {"user": current_identity.id}

    client = app.test_client()
    assert get(client, token_of(client), "/async").get_json() == {"user": 1}
    assert client.get("/async").status_code == 401


def test_class_based_views(app):
    class Items(MethodView):
        decorators = [jwt_required()]

        def get(self):
            return str(current_identity.id)

        async def post(self):
            return "posted"

    app.add_url_rule("/items", view_func=Items.as_view("items"))
    client = app.test_client()
    token = token_of(client)
    assert get(client, token, "/items").text == "1"
    assert client.post("/items", headers=bearer(token)).text == "posted"
    assert client.post("/items").status_code == 401


def test_response_handler_gets_a_token_that_decodes(make_app, jwt):
    @jwt.auth_response_handler
    def respond(access_token, identity):
        assert isinstance(access_token, str)
        return jsonify({"mine": access_token.decode("utf-8"), "plain": access_token})

    body = login(make_app().test_client()).get_json()
    assert body["mine"] == body["plain"]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_encode_handler_may_return_text_or_bytes(make_app, jwt, as_bytes):
    @jwt.jwt_encode_handler
    def encode(identity):
        token = pyjwt.encode({"id": identity.id}, SECRET)
        return token.encode() if as_bytes else token

    assert claims_of(token_of(make_app().test_client())) == {"id": 1}


def test_payload_handler_s_claims_are_issued_exactly(make_app, jwt, clock, user):
    @jwt.jwt_payload_handler
    def payload(identity):
        now = datetime.fromtimestamp(clock(), timezone.utc)
        naive = now.replace(tzinfo=None)
        return {"iat": naive, "nbf": now, "exp": now + timedelta(60), "id": identity.id, "sub": 7}

    jwt.identity_handler(lambda payload: user if payload["id"] == user.id else None)
    client = make_app().test_client()
    token = token_of(client)
    now = int(clock())
    assert claims_of(token) == {
        "iat": now, "nbf": now, "exp": now + 60 * 86400, "id": 1, "sub": 7,
    }  # fmt: skip
    assert get(client, token).status_code == 200


def test_headers_handler(make_app, jwt):
    jwt.jwt_headers_handler(lambda identity: {"kid": "mine", "alg": "none"})
    client = make_app().test_client()
    token = token_of(client)
    assert pyjwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256", "kid": "mine"}
    assert get(client, token).status_code == 200


def test_decode_handler(make_app, jwt):
    jwt.jwt_decode_handler(lambda token: pyjwt.decode(token, "x" * 32, algorithms=["HS256"]))
    jwt.identity_handler(lambda payload: SimpleNamespace(id=payload["user"]))
    client = make_app().test_client()
    assert get(client, pyjwt.encode({"user": 5}, "x" * 32)).get_json() == {"user": 5}
    response = get(client, pyjwt.encode({"user": 5}, "y" * 32))
    assert response.status_code == 401
    assert response.get_json()["description"] == "Signature verification failed"


def test_request_handler(make_app, jwt):
    from flask import request

    jwt.request_handler(lambda: request.args.get("token"))
    client = make_app().test_client()
    token = token_of(client)
    assert client.get(f"/protected?token={token}").status_code == 200
    assert client.get("/protected").get_json()["error"] == "Authorization Required"


def test_auth_request_handler_is_deprecated_and_works(make_app, jwt):
    with pytest.deprecated_call():
        jwt.auth_request_handler(lambda: jsonify(hello="world"))
    assert make_app().test_client().post("/auth").get_json() == {"hello": "world"}


def test_handlers_are_reached_through_jwt_proxy(app, user):
    with app.test_request_context():
        token = _jwt.jwt_encode_callback(user)
        assert _jwt.jwt_decode_callback(token)["identity"] == 1
        assert app.extensions["jwt"].jwt_payload_callback(user)["identity"] == 1


def test_jwt_required_by_hand_for_an_optional_token(app):
    @app.get("/maybe")
    def maybe():
        try:
            _jwt_required("realm")
        except JWTError:
            return "anonymous"
        return f"user {current_identity.id}"

    client = app.test_client()
    assert client.get("/maybe").text == "anonymous"
    assert get(client, token_of(client), "/maybe").text == "user 1"


def test_error_raised_by_a_view_is_answered_alike(app):
    @app.get("/refuse")
    def refuse():
        raise JWTError("No entry", "Come back later", 403, {"X-Why": "late"})

    response = app.test_client().get("/refuse")
    assert response.status_code == 403
    assert response.headers["X-Why"] == "late"
    assert response.get_json() == {
        "status_code": 403, "error": "No entry", "description": "Come back later",
    }  # fmt: skip


def test_a_view_s_own_pyjwt_error_is_not_ours(app):
    @app.get("/own")
    @jwt_required()
    def own():
        raise pyjwt.ExpiredSignatureError

    client = app.test_client()
    assert get(client, token_of(client), "/own").status_code == 500


def test_errors_inherit_from_pyjwt_s(app, clock):
    with app.test_request_context():
        token = flask_jwt.create_access_token(1)
        clock.tick(1000)
        with pytest.raises(pyjwt.ExpiredSignatureError):
            flask_jwt.decode_token(token)


def test_error_as_text():
    error = JWTError("Bad", "Mend it")
    assert (str(error), repr(error)) == ("Bad. Mend it", "JWTError: Bad")
    assert (error.error, error.description, error.status_code, error.headers) == (
        "Bad", "Mend it", 401, None,
    )  # fmt: skip


# identities


@pytest.mark.parametrize(
    "identity",
    [{"id": 5}, {"id": 0}, {"id": ""}, User(0), User(""), User("x")],
    ids=repr,
)
def test_strings_and_integers_are_ids(make_app, jwt, identity):
    user_id = identity["id"] if isinstance(identity, dict) else identity.id
    jwt.authentication_handler(lambda username, password: identity)
    jwt.identity_handler(lambda payload: User(payload["identity"]))
    client = make_app().test_client()
    token = token_of(client)
    assert claims_of(token)["identity"] == user_id
    assert isinstance(claims_of(token)["sub"], str)
    assert get(client, token).get_json() == {"user": user_id}


def test_identity_does_not_outlive_its_request_in_an_open_app_context(app):
    app.add_url_rule("/open", view_func=lambda: str(current_identity._get_current_object()))
    client = app.test_client()
    with app.app_context():
        token = token_of(client)
        assert get(client, token).status_code == 200
        assert client.get("/open").text == "None"


def test_identity_is_none_outside_of_a_request():
    assert current_identity._get_current_object() is None


# configuration


def test_config_defaults_are_set(app):
    for name, value in flask_jwt.CONFIG_DEFAULTS.items():
        assert app.config[name] == value
    assert app.config["JWT_SECRET_KEY"] == SECRET


def test_auth_endpoint_and_rule_are_honoured(make_app):
    app = make_app(JWT_AUTH_URL_RULE="/api/login", JWT_AUTH_ENDPOINT="log_in")
    with app.test_request_context():
        assert url_for("log_in") == "/api/login"
    body = {"username": "joe", "password": "pass"}
    assert app.test_client().post("/api/login", json=body).status_code == 200


def test_no_auth_endpoint(make_app):
    app = make_app(JWT_AUTH_URL_RULE=None)
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == {"static", "protected"}


def test_auth_url_options_are_used_and_left_alone(make_app):
    options = {"strict_slashes": False, "methods": ["POST", "PUT"]}
    client = make_app(JWT_AUTH_URL_OPTIONS=options).test_client()
    body = {"username": "joe", "password": "pass"}
    assert client.put("/auth/", json=body).status_code == 200
    assert options == {"strict_slashes": False, "methods": ["POST", "PUT"]}


def test_changed_config_takes_effect_on_the_next_request(app, clock):
    client = app.test_client()
    token = token_of(client)

    app.config["JWT_AUTH_HEADER_PREFIX"] = "Token"
    assert get(client, token).get_json()["description"] == "Unsupported authorization type"
    assert client.get("/protected", headers={"Authorization": f"token {token}"}).status_code == 200
    app.config["JWT_AUTH_HEADER_PREFIX"] = "Bearer"

    app.config["JWT_LEEWAY"] = 0
    clock.tick(305)
    assert get(client, token).status_code == 401
    app.config["JWT_LEEWAY"] = 10
    assert get(client, token).status_code == 200

    app.config["JWT_EXPIRATION_DELTA"] = timedelta(hours=1)
    longer = claims_of(token_of(client))
    assert longer["exp"] - longer["iat"] == 3600

    app.config["JWT_AUTH_USERNAME_KEY"] = "email"
    assert client.post("/auth", json={"email": "joe", "password": "pass"}).status_code == 200

    app.config["JWT_REQUIRED_CLAIMS"].append("tenant")  # in place
    assert get(client, token).get_json()["description"] == 'Token is missing the "tenant" claim'


def test_defaults_are_not_shared_between_applications(make_app, jwt):
    make_app().config["JWT_REQUIRED_CLAIMS"].append("tenant")
    assert "tenant" not in make_app().config["JWT_REQUIRED_CLAIMS"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY"])
def test_a_changed_secret_takes_effect_at_once(app, name):
    client = app.test_client()
    old = token_of(client)
    assert get(client, old).status_code == 200
    app.config[name] = "another-secret-of-32-bytes------"
    assert get(client, old).status_code == 401
    assert get(client, token_of(client)).status_code == 200


def test_explicit_prefix_jwt_excludes_bearer(make_app):
    client = make_app(JWT_AUTH_HEADER_PREFIX="JWT").test_client()
    assert get(client, token_of(client)).get_json()["error"] == "Invalid JWT header"


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
def test_required_claims_are_really_required(app, clock, claim):
    claims = {"identity": 1, "exp": clock() + 60, "iat": clock(), "nbf": clock()}
    client = app.test_client()
    assert get(client, pyjwt.encode(claims, SECRET)).status_code == 200
    del claims[claim]
    response = get(client, pyjwt.encode(claims, SECRET))
    assert response.status_code == 401
    assert response.get_json()["description"] == f'Token is missing the "{claim}" claim'


def test_a_payload_that_would_be_refused_is_not_issued(app, jwt):
    jwt.jwt_payload_handler(lambda identity: {"id": 1, "exp": 2})
    app.testing = True
    with pytest.raises(ConfigError, match="missing required claims: iat, nbf"):
        login(app.test_client())


def test_expiry_can_be_left_unchecked_but_not_silently(make_app, clock):
    with pytest.warns(UserWarning, match="turns off the check of exp"):
        app = make_app(JWT_VERIFY_EXPIRATION=False)
    client = app.test_client()
    token = token_of(client)
    clock.tick(10**9)
    assert get(client, token).status_code == 200


@pytest.mark.parametrize(
    "config", [{"JWT_VERIFY": False}, {"JWT_VERIFY_CLAIMS": ["exp", "nbf", "iat"]}]
)
def test_the_signature_check_can_not_be_turned_off(make_app, config, clock):
    with pytest.warns(UserWarning, match="can't turn off the signature check"):
        app = make_app(**config)
    forged = pyjwt.encode({"identity": 1, "exp": clock() + 60, "iat": 1, "nbf": 1}, "f" * 32)
    assert get(app.test_client(), forged).status_code == 401


def test_not_before_delta(make_app, clock):
    client = make_app(JWT_NOT_BEFORE_DELTA=60).test_client()
    token = token_of(client)
    assert get(client, token).status_code == 401
    clock.tick(50)
    assert get(client, token).status_code == 200


# mistakes


def test_use_before_init_app_tells_the_fix(app):
    other = Flask("other")
    other.testing = True
    other.add_url_rule("/p", view_func=jwt_required()(lambda: "in"))
    with pytest.raises(ConfigError, match="forget to call init_app"):
        other.test_client().get("/p")


def test_two_jwts_on_one_app_is_an_error(app):
    with pytest.raises(ConfigError, match="already"):
        JWT(app)


@pytest.mark.parametrize("key", [None, ""])
def test_missing_secret_is_told_at_start_and_never_works(jwt, key):
    app = Flask("tested")
    app.config["SECRET_KEY"] = key
    app.testing = True
    with pytest.warns(UserWarning, match="flask jwt secret"):
        jwt.init_app(app)
    with pytest.raises(ConfigError, match="flask jwt secret"):
        login(app.test_client())
    app.config["SECRET_KEY"] = SECRET
    assert login(app.test_client()).status_code == 200


def test_short_secret_warns_once_with_the_command_that_makes_a_good_one(make_app):
    with pytest.warns(UserWarning, match="28 bytes shorter than HS256 needs.*flask jwt secret"):
        app = make_app(SECRET_KEY="jose")
    client = app.test_client()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get(client, token_of(client)).status_code == 200


def test_unknown_key_names_the_one_meant(make_app):
    with pytest.warns(UserWarning, match="JWT_EXPIRATON_DELTA.*did you mean JWT_EXPIRATION_DELTA"):
        make_app(JWT_EXPIRATON_DELTA=5)


def test_all_wrong_values_are_told_together_without_the_secret(make_app):
    with pytest.raises(ConfigError) as caught:
        make_app(
            JWT_LEEWAY="ten",
            JWT_ALGORITHM="none",
            JWT_AUTH_URL_RULE="auth",
            JWT_SECRET_KEY=["hush"],
        )
    text = str(caught.value)
    for name in ("JWT_LEEWAY", "JWT_ALGORITHM", "JWT_AUTH_URL_RULE", "JWT_SECRET_KEY"):
        assert name in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "config",
    [
        {"JWT_LEEWAY": -1}, {"JWT_LEEWAY": True}, {"JWT_LEEWAY": float("nan")},
        {"JWT_EXPIRATION_DELTA": "5 min"}, {"JWT_REQUIRED_CLAIMS": "exp"},
        {"JWT_AUTH_HEADER_PREFIX": "two words"}, {"JWT_DEFAULT_REALM": "a\r\nSet-Cookie: b"},
        {"JWT_ALGORITHM": "hs256"}, {"JWT_ALGORITHM": "RS256"}, {"JWT_AUTH_URL_OPTIONS": []},
        {"JWT_CACHE_SIZE": -1}, {"JWT_VERIFY": "no"}, {"JWT_DECODE_AUDIENCE": 5},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_values_are_found_at_start(make_app, config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        make_app(**config)


def test_flask_jwt_installed_beside_is_told(make_app, tmp_path, monkeypatch):
    folder = tmp_path / "Flask_JWT-0.3.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask-JWT\nVersion: 0.3.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="pip uninstall Flask-JWT"):
        make_app()


def test_forgotten_parentheses_are_an_error_not_an_open_door():
    with pytest.raises(TypeError, match="parentheses"):
        jwt_required(lambda: "in")


def test_decorating_a_class_is_an_error():
    with pytest.raises(TypeError, match="decorators"):
        jwt_required()(MethodView)


def test_realm_can_not_break_out_of_the_challenge(app):
    app.add_url_rule("/p", view_func=jwt_required('say "hi"\\')(lambda: "in"))
    challenge = app.test_client().get("/p").headers["WWW-Authenticate"]
    assert challenge == 'JWT realm="say \\"hi\\"\\\\"'


# functions beside Flask-JWT's


def test_current_request_s_token(app, user):
    @app.get("/claims")
    @jwt_required()
    def claims():
        flask_jwt.get_jwt()["identity"] = "changed"
        return {
            "identity": flask_jwt.get_jwt_identity(),
            "header": flask_jwt.get_jwt_header(),
        }

    client = app.test_client()
    token = token_of(client)
    body = get(client, token, "/claims").get_json()
    assert body == {"identity": "changed", "header": {"alg": "HS256", "typ": "JWT"}}
    assert get(client, token).get_json() == {"user": 1}, "a view can't poison the next request"


@pytest.mark.parametrize("function", ["get_jwt", "get_jwt_header", "get_jwt_identity"])
def test_asking_for_a_token_that_was_not_verified(app, function):
    with app.test_request_context(), pytest.raises(RuntimeError, match=function):
        getattr(flask_jwt, function)()


def test_create_access_token(app, clock):
    with app.app_context():
        token = flask_jwt.create_access_token(
            7, claims={"role": "admin"}, headers={"x": 1}, expires_delta=timedelta(minutes=1)
        )
        claims = flask_jwt.decode_token(token)
    assert (claims["identity"], claims["sub"], claims["role"]) == (7, "7", "admin")
    assert claims["exp"] == clock() + 60
    assert pyjwt.get_unverified_header(token)["x"] == 1


def test_extra_claims_do_not_replace_issued_ones_by_accident(app):
    with app.app_context():
        with pytest.raises(ValueError, match="exp, sub"):
            flask_jwt.create_access_token(7, claims={"exp": 1, "sub": "root", "x": 1})
        token = flask_jwt.create_access_token(7, claims={"sub": "root"}, overwrite=True)
        assert flask_jwt.decode_token(token)["sub"] == "root"


def test_claims_json_can_not_hold(app):
    with app.app_context():
        with pytest.raises(TypeError):
            flask_jwt.create_access_token(7, claims={"x": object()})
        with pytest.raises(ValueError, match="NaN|float"):
            flask_jwt.create_access_token(7, claims={"x": float("nan")})
        with pytest.raises(ValueError, match="JWT_MAX_TOKEN_SIZE"):
            flask_jwt.create_access_token(7, claims={"x": "x" * 9000})
