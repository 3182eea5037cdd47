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


def test_login_without_authentication_handler_tells_what_is_missing():
    app = Flask("tested")
    app.secret_key = SECRET
    app.testing = True
    JWT(app)
    with pytest.raises(ConfigError, match="authentication_handler"):
        login(app.test_client())


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


def test_user_identity_loader(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    jwt.user_identity_loader(lambda user: f"user-{user}")
    assert app.test_client().get("/any", headers=bearer(token(app))).get_json()["id"] == "user-1"


def test_additional_claims_and_headers_loaders(make, clock):
    jwt = JWT(authentication_handler=lambda name, password: User(1), clock=clock)
    claims, headers = {"role": "admin"}, {"foo": "bar"}
    jwt.additional_claims_loader(lambda identity: claims)
    jwt.additional_headers_loader(lambda identity: headers)
    app = make(jwt)
    by_hand = token(app, claims={"more": 1}, headers={"cty": "x"})
    by_login = login(app.test_client()).get_json()["access_token"]
    for issued in (by_hand, by_login):
        assert pyjwt.get_unverified_header(issued)["foo"] == "bar"
        with app.app_context():
            assert decode_token(issued)["role"] == "admin"
    assert claims == {"role": "admin"}
    assert headers == {"foo": "bar"}


def test_key_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    secrets = {"1": "the-secret-of-the-first-tenant-x", "2": "the-secret-of-the-second-tenant-"}
    jwt.encode_key_loader(lambda identity: secrets["1"])
    jwt.decode_key_loader(lambda header, payload: secrets[header.get("tenant", "1")])
    client = app.test_client()
    assert client.get("/any", headers=bearer(token(app))).status_code == 200
    other = bearer(token(app, headers={"tenant": "2"}))
    assert client.get("/any", headers=other).get_json()["description"] == (
        "Signature verification failed"
    )
    assert client.get("/any", headers=bearer("no.token")).status_code == 401


def test_a_key_loader_may_refuse(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    good = token(app)

    @jwt.decode_key_loader
    def no_key(header, payload):
        raise pyjwt.InvalidTokenError("no such tenant")

    response = app.test_client().get("/any", headers=bearer(good))
    assert (response.status_code, response.get_json()["description"]) == (401, "no such tenant")


def test_blocklist_and_verification_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    good = token(app)
    client = app.test_client()
    assert client.get("/any", headers=bearer(good)).status_code == 200
    seen = []

    @jwt.token_in_blocklist_loader
    def is_listed(header, payload):
        seen.append((header["alg"], payload["identity"]))
        return payload["jti"] in listed

    listed = set()
    assert client.get("/any", headers=bearer(good)).status_code == 200
    with app.app_context():
        listed.add(decode_token(good)["jti"])
    assert client.get("/any", headers=bearer(good)).get_json()["code"] == "token_revoked"
    assert client.get("/optional", headers=bearer(good)).status_code == 401
    assert seen == [("HS256", 1)] * 3
    listed.clear()
    jwt.token_verification_loader(lambda header, payload: payload["identity"] == 2)
    assert client.get("/any", headers=bearer(good)).get_json()["code"] == "token_refused"


def test_async_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)

    @jwt.token_in_blocklist_loader
    async def is_listed(header, payload):
        return payload["identity"] == 1

    response = app.test_client().get("/any", headers=bearer(token(app)))
    assert response.get_json()["code"] == "token_revoked"


def test_nothing_is_known_of_a_refused_token(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    jwt.token_verification_loader(lambda header, payload: False)

    @app.get("/tolerant")
    def tolerant():
        with suppress(flask_jwt.JWTError):
            flask_jwt.verify_jwt_in_request()
        return jsonify(claims=get_jwt(), user=current_identity._get_current_object())

    response = app.test_client().get("/tolerant", headers=bearer(token(app)))
    assert response.get_json() == {"claims": {}, "user": None}
