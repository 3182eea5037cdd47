"""The decode key loader: what it is asked, what it may return, and what it may raise."""

from __future__ import annotations

import base64
import json
import time

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from flask import Flask, request
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import flask_jwt.extended as ours
from flask_jwt import (
    JWT,
    ConfigError,
    JWTError,
    create_access_token,
    decode_token,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt._cli import jwt_cli
from flask_jwt.testing import Clock
from tests.support import bearer, rsa_key

PRIVATE = rsa_key()
PUBLIC = PRIVATE.public_key()
JWK = {**RSAAlgorithm.to_jwk(PUBLIC, as_dict=True), "alg": "RS256", "kid": "k1"}
del JWK["key_ops"]
ELLIPTIC = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


def make_app(extension, loader=None, **config):
    """Return an application without any key of its own."""
    app = Flask("keyless")
    app.config.update({"JWT_ALGORITHM": "RS256", **config})
    jwt = extension(app)
    if loader is not None:
        jwt.decode_key_loader(loader)
    guard = {JWT: jwt_required, fje.JWTManager: fje.jwt_required}.get(extension, ours.jwt_required)
    app.add_url_rule("/", "view", guard()(lambda: "in"))
    return app


def token(header=None, **claims):
    claims = {"sub": "joe", "exp": time.time() + 300, **claims}
    return pyjwt.encode(claims, PRIVATE, "RS256", headers=header)


def token_with_header(header):
    """Return a validly signed token whose header PyJWT would not write."""

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"sub": "joe", "exp": time.time() + 300}
    message = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    signer = RSAAlgorithm(RSAAlgorithm.SHA256)
    return (message + b"." + encode(signer.sign(message, PRIVATE))).decode()


def get(app, encoded):
    return app.test_client().get("/", headers=bearer(encoded))


EXTENSIONS = [(JWT, 401), (ours.JWTManager, 422)]


# Without any configured key


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"JWT_ALGORITHM": "HS256", "JWT_DECODE_ALGORITHMS": ["RS256"]},
        {"SECRET_KEY": "a-secret-of-Flask-s-own-session-cookies"},
    ],
)
@pytest.mark.parametrize(("extension", "rejected"), EXTENSIONS)
def test_no_configured_key_is_needed(extension, rejected, config):
    app = make_app(extension, lambda header, payload: PUBLIC, **config)
    valid, expired = token(), token(exp=1)
    assert get(app, valid).status_code == 200
    assert get(app, valid[:-8] + "AAAAAAAA").status_code == rejected
    assert get(app, expired).status_code == 401
    with app.app_context():
        assert decode_token(valid)["sub"] == "joe"
        assert decode_token(expired, allow_expired=True)["exp"] == 1
    with app.test_request_context(headers=bearer(valid)):
        verify_jwt_in_request()
    assert app.test_cli_runner().invoke(jwt_cli, ["inspect", valid]).exit_code == 0


@pytest.mark.parametrize("location", ["headers", "cookies", "query_string", "json"])
@pytest.mark.parametrize(("extension", "rejected"), EXTENSIONS)
def test_no_configured_key_is_needed_in_any_location(extension, rejected, location):
    app = make_app(extension, lambda header, payload: PUBLIC, JWT_TOKEN_LOCATION=[location],
                   JWT_COOKIE_CSRF_PROTECT=False)  # fmt: skip
    app.add_url_rule("/post", "post", jwt_required()(lambda: "in"), methods=["POST"])
    for encoded, status in ((token(), 200), (token()[:-8] + "AAAAAAAA", rejected)):
        client = app.test_client()
        arguments = {
            "headers": {"headers": bearer(encoded)},
            "query_string": {"query_string": {"jwt": encoded}},
            "json": {"json": {"access_token": encoded}},
            "cookies": {},
        }[location]
        if location == "cookies":
            client.set_cookie("access_token_cookie", encoded)
        assert client.post("/post", **arguments).status_code == status


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
def test_a_request_handler_s_token_needs_no_configured_key(extension):
    app = make_app(extension, lambda header, payload: PUBLIC)
    app.extensions["jwt"].request_handler(lambda: request.args.get("token"))
    assert app.test_client().get("/", query_string={"token": token()}).status_code == 200


def test_the_loader_is_asked_before_the_configured_key():
    other = rsa_key(1).public_key()
    app = make_app(JWT, lambda header, payload: PUBLIC, JWT_PUBLIC_KEY=other)
    assert get(app, token()).status_code == 200
    app = make_app(JWT, lambda header, payload: other, JWT_PUBLIC_KEY=PUBLIC)
    assert get(app, token()).status_code == 401


def test_options_are_live_without_a_configured_key():
    app = make_app(JWT, lambda header, payload: PUBLIC)
    app.config["JWT_DECODE_AUDIENCE"] = "shop"
    assert get(app, token(aud="shop")).status_code == 200
    app.config["JWT_DECODE_AUDIENCE"] = "office"
    assert get(app, token(aud="shop")).status_code == 401
    app.config["JWT_MAX_TOKEN_SIZE"] = 512
    long = token(aud="office", note="x" * 512)
    assert "longer than 512" in get(app, long).get_json()["description"]


@pytest.mark.parametrize("is_loaded", [False, True])
def test_renewed_tokens_verify_with_the_loader_s_key(is_loaded):
    """A session's access token is signed by the encode key loader's key, if there is one."""
    clock = Clock()
    app = Flask("renewing")
    app.config.update(
        SECRET_KEY="a-secret-of-32-bytes-for-testing", JWT_STORAGE_URI="memory://",
        JWT_TOKEN_LOCATION=["cookies"], JWT_ALGORITHM="HS256",
    )  # fmt: skip
    jwt = JWT(app, lambda name, password: {"id": 1}, clock=clock)
    asked = []
    if is_loaded:
        jwt.encode_key_loader(lambda identity: "another-secret-of-32-bytes-------")
        jwt.decode_key_loader(
            lambda header, payload: asked.append(1) or "another-secret-of-32-bytes-------"
        )
    app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
    client = app.test_client()
    here = {"base_url": "https://localhost", "headers": {"Sec-Fetch-Site": "same-origin"}}
    client.post("/auth", data={"username": "joe", "password": "x"}, **here)
    clock.tick(400)
    response = client.get("/", **here)
    assert response.status_code == 200, response.text
    assert "access_token_cookie" in str(response.headers.getlist("Set-Cookie"))
    assert bool(asked) is is_loaded


def test_a_session_s_refresh_token_is_never_given_to_the_loader():
    """Sessions sign it with the configured key; the loader knows those of other issuers."""
    app = Flask("refreshing")
    app.config.update(SECRET_KEY="a-secret-of-32-bytes-for-testing", JWT_STORAGE_URI="memory://")
    jwt = JWT(app, lambda name, password: {"id": 1})
    jwt.decode_key_loader(lambda header, payload: None)
    app.add_url_rule("/", "view", jwt_required(refresh=True)(lambda: "in"))
    tokens = app.test_client().post("/auth", json={"username": "a", "password": "b"}).get_json()
    assert get(app, tokens["refresh_token"]).status_code == 200
    assert get(app, tokens["access_token"]).status_code == 401


# What is checked before the loader is called


HEADERS = [
    *({"alg": "RS256", "kid": kid} for kid in (None, 1, 1.5, True, [], ["k1"], {}, {"a": 1})),
    *({"alg": alg, "kid": "k1"} for alg in (None, 1, ["RS256"], {"RS256": 1})),
    {"kid": "k1"},
    {"alg": "RS256", "kid": "k1", "crit": ["exp"]},
    {"alg": "RS256", "kid": "k1", "b64": False},
]


@pytest.mark.parametrize("header", HEADERS, ids=json.dumps)
@pytest.mark.parametrize(("extension", "rejected"), EXTENSIONS)
def test_a_header_with_wrong_types_never_reaches_the_loader(extension, rejected, header):
    asked = []
    app = make_app(extension, lambda header, payload: asked.append(header) or PUBLIC)
    assert get(app, token_with_header({"alg": "RS256", "kid": "k1"})).status_code == 200
    asked.clear()
    assert get(app, token_with_header(header)).status_code == rejected
    assert not asked


@pytest.mark.parametrize("header", HEADERS, ids=json.dumps)
@pytest.mark.parametrize(("extension", "rejected"), EXTENSIONS)
def test_a_header_with_wrong_types_is_rejected_without_a_loader_too(extension, rejected, header):
    app = make_app(extension, JWT_PUBLIC_KEY=PUBLIC)
    assert get(app, token_with_header({"alg": "RS256", "kid": "k1"})).status_code == 200
    assert get(app, token_with_header(header)).status_code == rejected


# What the loader returns and raises


def raising(error):
    def load(header, payload):
        raise error

    return load


KEYS = {"k1": PUBLIC}
NO_KEY = {
    "None": lambda header, payload: None,
    "an empty string": lambda header, payload: "",
    "empty bytes": lambda header, payload: b"",
    "an empty dict": lambda header, payload: {},
    "False": lambda header, payload: False,
    "a dict without the kid": lambda header, payload: KEYS[header["kid"]],
    "a dict, and no kid": lambda header, payload: KEYS[header["other"]],
    "a list without the index": raising(IndexError("list index out of range")),
    "LookupError": raising(LookupError("unknown kid")),
    "PyJWKSet without the kid": lambda header, payload: pyjwt.PyJWKSet([JWK])[
        header.get("kid", "unknown")
    ],
    "PyJWKClientError": raising(pyjwt.PyJWKClientError("no key with this kid")),
    "PyJWKSetError": raising(pyjwt.PyJWKSetError("no keys")),
    "PyJWKError": raising(pyjwt.PyJWKError("no algorithm")),
    "InvalidTokenError": raising(pyjwt.InvalidTokenError("unknown issuer")),
    # A provider publishes keys for other purposes too, and the client chooses the kid.
    "a JWK to encrypt with": lambda header, payload: {**JWK, "use": "enc"},
    "a JWK to wrap keys with": lambda header, payload: {**JWK, "key_ops": ["wrapKey"]},
    "a JWK for another algorithm": lambda header, payload: {**JWK, "alg": "RSA-OAEP"},
    "a JWK for an algorithm that isn't allowed": lambda header, payload: {**JWK, "alg": "PS256"},
    "a JWK of another type": lambda header, payload: {**ELLIPTIC, "alg": "ES256"},
    "a JWK of an unknown curve": lambda header, payload: {"kty": "OKP", "crv": "X25519", "x": "AA"},
    "a PyJWK of another type": lambda header, payload: pyjwt.PyJWK(ELLIPTIC),
    "a PyJWK of an unknown curve": lambda header, payload: pyjwt.PyJWK(
        {**ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)}
    ),
}


async def load_nothing(header, payload):
    return None


NO_KEY["None, asynchronously"] = load_nothing


@pytest.mark.parametrize("kid", ["unknown", None])
@pytest.mark.parametrize("name", NO_KEY)
@pytest.mark.parametrize(("extension", "rejected"), EXTENSIONS)
def test_no_key_is_a_rejected_token(extension, rejected, name, kid):
    app = make_app(extension, NO_KEY[name])
    response = get(app, token({"kid": kid} if kid else None))
    assert response.status_code == rejected
    if extension is JWT:
        assert response.get_json()["code"] == "token_invalid"
        assert "invalid_token" in response.headers["WWW-Authenticate"]
    with app.app_context(), pytest.raises(pyjwt.InvalidTokenError):
        decode_token(token({"kid": "unknown"}))


def test_the_invalid_token_loader_gets_a_reason():
    app = make_app(ours.JWTManager, lambda header, payload: None)
    app.extensions["jwt"].invalid_token_loader(lambda reason: (f"because: {reason}", 499))
    response = get(app, token())
    assert (response.status_code, response.text) == (
        499,
        "because: There is no key to verify this token",
    )


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
def test_unavailable_keys_are_a_503_to_retry(extension):
    error = pyjwt.exceptions.PyJWKClientConnectionError("secret.internal does not answer")
    app = make_app(extension, raising(error))
    app.add_url_rule("/optional", "optional", jwt_required(optional=True)(lambda: "in"))
    assert app.test_client().get("/optional", headers=bearer(token())).status_code == 503
    response = get(app, token())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "internal" not in response.text
    if extension is JWT:
        assert response.get_json()["code"] == "keys_unavailable"


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
def test_unavailable_keys_leave_the_cookies_alone(extension):
    error = pyjwt.exceptions.PyJWKClientConnectionError("no answer")
    app = make_app(extension, raising(error), JWT_TOKEN_LOCATION=["cookies"],
                   JWT_STORAGE_URI="memory://", SECRET_KEY="a-secret-of-32-bytes-for-testing")  # fmt: skip
    client = app.test_client()
    client.set_cookie("access_token_cookie", token())
    response = client.get("/")
    assert (response.status_code, response.headers.getlist("Set-Cookie")) == (503, [])


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
def test_a_jwt_error_of_the_loader_is_the_response(extension):
    app = make_app(extension, raising(JWTError("Teapot", "no keys today", 418)))
    with app.test_request_context(headers=bearer(token())), pytest.raises(JWTError) as caught:
        app.view_functions["view"]()
    assert caught.value.status_code == 418


WRONG = {
    "ValueError": raising(ValueError("x")),
    "OSError": raising(OSError("x")),
    "MissingCryptographyError": raising(pyjwt.exceptions.MissingCryptographyError("pip install")),
    "InvalidKeyError": raising(pyjwt.InvalidKeyError("x")),
    "a number": lambda header, payload: 5,
    "a list": lambda header, payload: [PUBLIC],
    "an object": lambda header, payload: object(),
    "a PyJWKSet": lambda header, payload: pyjwt.PyJWKSet([JWK]),
    "text that is no key": lambda header, payload: "no key",
    "a key of another type": lambda header, payload: ec.generate_private_key(
        ec.SECP256R1()
    ).public_key(),
    "a key of an unknown type": lambda header, payload: (
        ed448.Ed448PrivateKey.generate().public_key()
    ),
    "a broken JWK": lambda header, payload: {**JWK, "n": "!"},
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
def test_a_mistake_of_the_developer_is_an_error(extension, name):
    app = make_app(extension, WRONG[name])
    with (
        app.test_request_context(headers=bearer(token())),
        pytest.raises((ConfigError, ValueError, OSError, pyjwt.PyJWTError)) as caught,
    ):
        app.view_functions["view"]()
    assert not isinstance(caught.value, (JWTError, pyjwt.InvalidTokenError))


# The codecs for loaded keys


def test_a_jwk_changed_in_place_is_another_key():
    jwk = dict(JWK)
    app = make_app(JWT, lambda header, payload: jwk)
    assert get(app, token()).status_code == 200
    other = RSAAlgorithm.to_jwk(rsa_key(1).public_key(), as_dict=True)
    jwk["n"] = other["n"]
    assert get(app, token()).status_code == 401


def test_new_objects_for_each_request_are_verified_anew_and_forgotten():
    app = make_app(JWT, lambda header, payload: pyjwt.PyJWK(JWK))
    encoded = token()
    for _ in range(200):
        assert get(app, encoded).status_code == 200
    assert len(app.extensions["flask-jwt"].codecs._others) <= 64


def test_an_application_without_keys_can_not_issue():
    app = make_app(JWT, lambda header, payload: PUBLIC)
    with app.app_context(), pytest.raises(ConfigError, match="JWT_PRIVATE_KEY"):
        create_access_token(1)
