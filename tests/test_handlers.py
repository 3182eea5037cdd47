"""The functions that a program gives to the extension: handlers and loaders."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import jwt as pyjwt
import pytest
from flask import Flask, jsonify, request

import flask_jwt
from flask_jwt import (
    JWT,
    _jwt,
    current_identity,
    decode_token,
    get_jwt,
    jwt_required,
)
from tests.support import SECRET, User, claims_of, code, get, issue, login, token_of

# How they are given


def test_handlers_may_be_arguments():
    app = Flask("tested")
    app.secret_key = SECRET
    users = {1: User(1)}
    JWT(app, lambda username, password: users[1], lambda payload: users.get(payload["identity"]))
    app.add_url_rule("/p", view_func=jwt_required()(lambda: str(current_identity.id)))
    assert get(app, "/p", token_of(app.test_client())).text == "1"


def test_handlers_may_be_set_after_init_app():
    app = Flask("tested")
    app.secret_key = SECRET
    jwt = JWT()
    jwt.init_app(app)
    jwt.authentication_handler(lambda username, password: User(1))
    jwt.identity_handler(lambda payload: User(1))
    app.add_url_rule("/p", view_func=jwt_required()(lambda: "in"))
    assert get(app, "/p", token_of(app.test_client())).text == "in"


def test_handlers_may_be_set_before_init_app(make_app, clock):
    jwt = JWT(clock=clock)
    jwt.authentication_handler(lambda username, password: User(2))
    jwt.identity_handler(lambda payload: User(3))
    app = make_app(jwt)
    assert get(app, "/protected", token_of(app.test_client())).get_json() == {"user": 3}


def test_handlers_are_reached_through_the_proxy(app):
    with app.test_request_context():
        token = _jwt.jwt_encode_callback(User(1))
        assert _jwt.jwt_decode_callback(token)["identity"] == 1
        assert app.extensions["jwt"].jwt_payload_callback(User(1))["identity"] == 1


# Flask-JWT's handlers


def test_without_an_identity_handler_the_identity_is_the_id(app):
    app.jwt.identity_callback = None
    app.add_url_rule("/who", view_func=jwt_required()(lambda: jsonify(current_identity + 0)))
    assert get(app, "/who", token_of(app.test_client())).get_json() == 1


def test_the_identity_handler_finds_the_same_claims_at_a_refresh(make_app, clock):
    """For example to reject what was issued before the user changed the password."""
    app = make_app(JWT_STORAGE_URI="memory://")
    seen = []

    @app.jwt.identity_handler
    def load(payload):
        seen.append(payload)
        is_old = payload["iat"] < changed_at
        return None if is_old else User(payload["identity"])

    changed_at = 0
    client = app.test_client()
    tokens = login(client).get_json()
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    clock.tick(60)
    body = {"refresh_token": tokens["refresh_token"]}
    tokens = client.post("/auth/refresh", json=body).get_json()
    at_request, at_refresh = seen
    for name in ("identity", "sub", "sid", "auth_time", "iat"):
        assert at_request[name] == at_refresh[name], name
    assert {"exp", "jti"} <= at_request.keys() & at_refresh.keys()
    changed_at = clock() + 1
    body = {"refresh_token": tokens["refresh_token"]}
    response = client.post("/auth/refresh", json=body)
    assert code(response) == (401, "user_gone")


def test_handlers_and_views_may_be_async(app, client):
    @app.jwt.authentication_handler
    async def authenticate(username, password):
        return User(1)

    @app.jwt.identity_handler
    async def identity(payload):
        return User(1)

    @app.get("/async")
    @jwt_required()
    async def view():
        return {"user": current_identity.id}

    assert get(app, "/async", token_of(client)).get_json() == {"user": 1}
    assert client.get("/async").status_code == 401


def test_the_response_handler_gets_a_token_that_decodes(app, client):
    """Programs for old versions of PyJWT decode it, because a token was bytes there."""

    @app.jwt.auth_response_handler
    def respond(access_token, identity):
        assert isinstance(access_token, str)
        return jsonify({"mine": access_token.decode("utf-8"), "plain": access_token})

    body = login(client).get_json()
    assert body["mine"] == body["plain"]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_encode_handler_may_return_a_string_or_bytes(app, client, as_bytes):
    @app.jwt.jwt_encode_handler
    def encode(identity):
        token = pyjwt.encode({"id": identity.id}, SECRET)
        return token.encode() if as_bytes else token

    assert claims_of(token_of(client)) == {"id": 1}


def test_the_claims_of_the_payload_handler_are_issued_exactly(app, client, clock):
    @app.jwt.jwt_payload_handler
    def payload(identity):
        now = datetime.fromtimestamp(clock(), timezone.utc)
        naive = now.replace(tzinfo=None)
        return {"iat": naive, "nbf": now, "exp": now + timedelta(60), "id": identity.id, "sub": 7}

    app.jwt.identity_handler(lambda payload: User(1) if payload["id"] == 1 else None)
    token = token_of(client)
    now = int(clock())
    assert claims_of(token) == {
        "iat": now, "nbf": now, "exp": now + 60 * 86400, "id": 1, "sub": 7,
    }  # fmt: skip
    assert get(app, "/protected", token).status_code == 200


def test_the_headers_handler_adds_to_the_header_but_does_not_choose_the_algorithm(app, client):
    app.jwt.jwt_headers_handler(lambda identity: {"kid": "mine", "alg": "none"})
    token = token_of(client)
    assert pyjwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS256", "kid": "mine"}
    assert get(app, "/protected", token).status_code == 200


def test_the_decode_handler_verifies_tokens(app):
    app.jwt.jwt_decode_handler(lambda token: pyjwt.decode(token, "x" * 32, algorithms=["HS256"]))
    app.jwt.identity_handler(lambda payload: SimpleNamespace(id=payload["user"]))
    token = pyjwt.encode({"user": 5}, "x" * 32)
    assert get(app, "/protected", token).get_json() == {"user": 5}
    response = get(app, "/protected", pyjwt.encode({"user": 5}, "y" * 32))
    assert response.status_code == 401
    assert response.get_json()["description"] == "Signature verification failed"


def test_the_request_handler_finds_the_token(app, client):
    app.jwt.request_handler(lambda: request.args.get("token"))
    token = token_of(client)
    assert client.get(f"/protected?token={token}").status_code == 200
    assert client.get("/protected").get_json()["error"] == "Authorization Required"


def test_the_auth_request_handler_is_deprecated_and_works():
    app = Flask("tested")
    app.secret_key = SECRET
    jwt = JWT()
    with pytest.deprecated_call():
        jwt.auth_request_handler(lambda: jsonify(hello="world"))
    jwt.init_app(app)
    assert app.test_client().post("/auth").get_json() == {"hello": "world"}


# Loaders


def test_user_identity_loader(app):
    app.jwt.user_identity_loader(lambda user: f"user-{user}")
    assert claims_of(issue(app))["identity"] == "user-1"


def test_additional_claims_and_headers_loaders(app, client):
    claims, headers = {"role": "admin"}, {"foo": "bar"}
    app.jwt.additional_claims_loader(lambda identity: claims)
    app.jwt.additional_headers_loader(lambda identity: headers)
    for token in (issue(app, claims={"more": 1}, headers={"cty": "x"}), token_of(client)):
        assert pyjwt.get_unverified_header(token)["foo"] == "bar"
        with app.app_context():
            assert decode_token(token)["role"] == "admin"
    assert claims == {"role": "admin"}
    assert headers == {"foo": "bar"}


def test_key_loaders(app):
    secrets = {"1": "the-secret-of-the-first-tenant-x", "2": "the-secret-of-the-second-tenant-"}
    app.jwt.encode_key_loader(lambda identity: secrets["1"])
    app.jwt.decode_key_loader(lambda header, payload: secrets[header.get("tenant", "1")])
    assert get(app, "/protected", issue(app)).status_code == 200
    other = issue(app, headers={"tenant": "2"})
    assert get(app, "/protected", other).get_json()["description"] == (
        "Signature verification failed"
    )
    assert get(app, "/protected", "no.token").status_code == 401


def test_a_key_loader_may_reject_a_token(app):
    token = issue(app)

    @app.jwt.decode_key_loader
    def no_key(header, payload):
        raise pyjwt.InvalidTokenError("no such tenant")

    response = get(app, "/protected", token)
    assert (response.status_code, response.get_json()["description"]) == (401, "no such tenant")


def test_blocklist_and_verification_loaders(app):
    token = issue(app)
    assert get(app, "/protected", token).status_code == 200
    seen, listed = [], set()

    @app.jwt.token_in_blocklist_loader
    def is_listed(header, payload):
        seen.append((header["alg"], payload["identity"]))
        return payload["jti"] in listed

    assert get(app, "/protected", token).status_code == 200
    listed.add(claims_of(token)["jti"])
    assert get(app, "/protected", token).get_json()["code"] == "token_revoked"
    assert get(app, "/optional", token).status_code == 401
    assert seen == [("HS256", 1)] * 3
    listed.clear()
    app.jwt.token_verification_loader(lambda header, payload: payload["identity"] == 2)
    assert get(app, "/protected", token).get_json()["code"] == "token_refused"


def test_loaders_may_be_async(app):
    @app.jwt.token_in_blocklist_loader
    async def is_listed(header, payload):
        return payload["identity"] == 1

    assert get(app, "/protected", issue(app)).get_json()["code"] == "token_revoked"


def test_a_rejected_token_leaves_no_claims_and_no_user(app):
    app.jwt.token_verification_loader(lambda header, payload: False)

    @app.get("/tolerant")
    def tolerant():
        with suppress(flask_jwt.JWTError):
            flask_jwt.verify_jwt_in_request()
        return jsonify(claims=get_jwt(), user=current_identity._get_current_object())

    assert get(app, "/tolerant", issue(app)).get_json() == {"claims": {}, "user": None}
