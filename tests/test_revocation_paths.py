"""Revocation is asked for on every way that a token takes."""

from __future__ import annotations

import json
import warnings

import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt
from flask_jwt import JWT, create_access_token, current_identity, extended, jwt_required
from flask_jwt._cli import jwt_cli

SECRET = "a-secret-of-32-bytes-for-testing"


def make_app(manager=JWT, **config):
    app = Flask("revoking")
    app.testing = True
    app.config.update(
        SECRET_KEY=SECRET, JWT_SECRET_KEY=SECRET, JWT_STORAGE_URI="memory://",
        JWT_AUTH_URL_RULE="/auth", JWT_LOGIN_LIMITS=None, JWT_COOKIE_SECURE=False,
        JWT_COOKIE_CSRF_PROTECT=False, **config,
    )  # fmt: skip
    app.jwt = manager(app)
    app.jwt.authentication_handler(lambda username, password: "ann")
    app.add_url_rule("/me", "me", jwt_required()(lambda: str(current_identity)))

    @app.get("/verify")
    def verify():
        flask_jwt.verify_jwt_in_request()
        return "in"

    return app


def login(app, **headers):
    body = {"username": "ann", "password": "x"}
    return app.test_client().post("/auth", json=body, headers=headers).get_json()


def get(app, token, path="/me"):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


def decode(token):
    return pyjwt.decode(token, SECRET, algorithms=["HS256"])


def without(*names):
    return lambda token: {k: v for k, v in decode(token).items() if k not in names}


DECODERS = {
    "default": None,
    "handler": decode,
    "handler without iat": without("iat"),
    "handler with text iat": lambda token: {**decode(token), "iat": "now"},
}


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
@pytest.mark.parametrize("check", [10, "always"])
@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize("path", ["/me", "/verify"])
def test_a_logout_ends_access_tokens(decoder, check, path, manager):
    app = make_app(manager, JWT_REVOCATION_CHECK=check)
    if decoder is not None:
        app.jwt.jwt_decode_handler(decoder)
    tokens = login(app)
    assert get(app, tokens["access_token"], path).status_code == 200
    with app.app_context():
        app.jwt.sessions.revoke(decode(tokens["access_token"])["sid"])
    answer = get(app, tokens["access_token"], path)
    assert answer.status_code == 401
    assert b"revoked" in answer.data


def test_no_check_asks_for_nothing():
    app = make_app(JWT_REVOCATION_CHECK=None)
    app.jwt.jwt_decode_handler(decode)
    token = login(app)["access_token"]
    with app.app_context():
        app.jwt.sessions.revoke(decode(token)["sid"])
    assert get(app, token).status_code == 200


@pytest.mark.parametrize("sid", [None, 5, "", "1-2-3", "A" * 32, "0" * 31, ["0" * 32], {"a": 1}])
@pytest.mark.parametrize("check", [10, "always"])
def test_a_sid_of_another_form_is_ignored_after_a_decode_handler(sid, check):
    app = make_app(JWT_REVOCATION_CHECK=check)
    app.jwt.jwt_decode_handler(lambda token: {**decode(token), "sid": sid})
    assert get(app, login(app)["access_token"]).status_code == 200


@pytest.mark.parametrize("claims", ["ann", None, ["sid"], 5])
def test_a_decode_handler_may_return_anything(claims):
    app = make_app()
    app.jwt.jwt_decode_handler(lambda token: claims)
    app.jwt.identity_handler(lambda payload: "ann")
    assert get(app, login(app)["access_token"]).text == "ann"


def test_skip_revocation_check_holds_after_a_decode_handler():
    app = make_app()
    app.jwt.jwt_decode_handler(decode)
    app.add_url_rule("/skip", "skip", jwt_required(skip_revocation_check=True)(lambda: "in"))
    token = login(app)["access_token"]
    with app.app_context():
        app.jwt.sessions.revoke(decode(token)["sid"])
    assert get(app, token, "/skip").status_code == 200


# The blocklist, before a refresh token is rotated


def refresh_by_header(app, tokens):
    return app.test_client().post(
        "/auth/refresh", headers={"Authorization": f"Bearer {tokens['refresh_token']}"}
    )


def refresh_by_body(app, tokens):
    body = {"refresh_token": tokens["refresh_token"]}
    return app.test_client().post("/auth/refresh", json=body)


def refresh_by_cookie(app, tokens):
    client = app.test_client()
    client.set_cookie("refresh_token_cookie", tokens["refresh_token"])
    return client.post("/auth/refresh")


def renewal(app, tokens):
    client = app.test_client()
    client.set_cookie("refresh_token_cookie", tokens["refresh_token"])
    return client.get("/me")


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
@pytest.mark.parametrize(
    "refresh", [refresh_by_header, refresh_by_body, refresh_by_cookie, renewal]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_listed_refresh_token_is_rejected_and_not_rotated(refresh, manager, is_async):
    app = make_app(manager, JWT_TOKEN_LOCATION=["headers", "cookies"])
    tokens = login(app)
    claims = decode(tokens["refresh_token"])
    asked = []

    def is_listed(header, payload):
        asked.append((header, payload))
        return payload["jti"] == claims["jti"]

    async def is_listed_async(header, payload):
        return is_listed(header, payload)

    app.jwt.token_in_blocklist_loader(is_listed_async if is_async else is_listed)
    answer = refresh(app, tokens)
    assert answer.status_code == 401
    assert b"revoked" in answer.data
    assert [payload for _, payload in asked] == [claims]
    assert asked[0][0]["alg"] == "HS256"
    with app.app_context():
        assert app.jwt.sessions.get(claims["sid"]).generation == 0
    app.jwt.token_in_blocklist_loader(lambda header, payload: False)
    assert refresh(app, tokens).status_code in (200, 204)


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
@pytest.mark.parametrize("refresh", [refresh_by_header, refresh_by_cookie, renewal])
def test_the_user_lookup_gets_jti_and_exp_at_a_refresh(refresh, manager):
    app = make_app(manager, JWT_TOKEN_LOCATION=["headers", "cookies"])
    app.jwt.additional_claims_loader(lambda identity: {"role": "admin"})
    seen = []
    if manager is JWT:
        app.jwt.identity_handler(lambda payload: seen.append(payload) or "ann")
    else:
        app.jwt.user_lookup_loader(lambda header, payload: seen.append(payload) or "ann")
    tokens = login(app)
    claims = decode(tokens["refresh_token"])
    seen.clear()
    assert refresh(app, tokens).status_code in (200, 204)
    assert (seen[0]["jti"], seen[0]["exp"]) == (claims["jti"], claims["exp"])
    assert (seen[0]["role"], seen[0]["sub"]) == ("admin", "ann")


def test_the_user_lookup_of_a_refresh_guard_gets_jti_and_exp():
    app = make_app()
    seen = []
    app.jwt.identity_handler(lambda payload: seen.append(payload) or "ann")
    app.add_url_rule("/refresh", "refresh", jwt_required(refresh=True)(lambda: "in"))
    tokens = login(app)
    claims = decode(tokens["refresh_token"])
    assert get(app, tokens["refresh_token"], "/refresh").text == "in"
    assert (seen[-1]["jti"], seen[-1]["exp"]) == (claims["jti"], claims["exp"])
    assert seen[-1]["identity"] == "ann"


def test_the_new_access_token_has_its_own_jti_and_exp():
    app = make_app()
    tokens = login(app)
    renewed = decode(refresh_by_header(app, tokens).get_json()["access_token"])
    assert renewed["jti"] != decode(tokens["refresh_token"])["jti"]
    assert renewed["exp"] < decode(tokens["refresh_token"])["exp"]


# An encode handler that forgets the session


@pytest.mark.parametrize(
    ("encode", "warns"),
    [
        (lambda identity: pyjwt.encode({"identity": identity}, SECRET), True),
        (lambda identity: pyjwt.encode({"identity": identity, "sid": "x"}, SECRET), False),
        (lambda identity: "opaque", False),
        (create_access_token, True),
        (None, False),
    ],
)
def test_an_encode_handler_without_sid_warns_once(encode, warns):
    app = make_app()
    if encode is not None:
        app.jwt.jwt_encode_handler(encode)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            login(app)
    messages = [str(w.message) for w in caught if "no sid" in str(w.message)]
    assert len(messages) == int(warns)


# flask jwt inspect


def inspect(app, token, *options):
    result = app.test_cli_runner().invoke(jwt_cli, ["inspect", *options, token])
    return result.exit_code, result.output


@pytest.mark.parametrize("check", [10, "always", None])
def test_inspect_asks_the_store(check):
    app = make_app(JWT_REVOCATION_CHECK=check)
    token = login(app)["access_token"]
    code, output = inspect(app, token)
    assert (code, "session of the token: active" in output) == (0, True)
    with app.app_context():
        app.jwt.sessions.revoke(decode(token)["sid"])
    code, output = inspect(app, token)
    is_checked = check is not None
    assert (code, "session of the token: revoked" in output) == (int(is_checked), True)
    assert ("rejects the token: Token has been revoked" in output) is is_checked
    found = json.loads(inspect(app, token, "--json")[1])
    assert (found["session"], found["accepted"]) == ("revoked", not is_checked)


def test_inspect_says_so_if_a_session_has_expired_or_is_unknown():
    app = make_app(JWT_SESSION_IDLE=100, JWT_ACCESS_TOKEN_EXPIRES=3000)
    token = login(app)["access_token"]
    with app.app_context():
        other = create_access_token("ann", claims={"sid": "0" * 32}, overwrite=True)
        none = create_access_token("ann")
    clock = app.extensions["flask-jwt"].clock
    now = clock.now()
    clock.now = lambda: now + 200
    sessions = [json.loads(inspect(app, t, "--json")[1])["session"] for t in (token, other, none)]
    assert sessions == ["expired", "unknown", None]
