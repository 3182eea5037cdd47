"""Tokens that never expire, and the claims that a token has to have."""

from __future__ import annotations

from datetime import timedelta

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask

from flask_jwt import (
    JWT,
    ConfigError,
    create_access_token,
    create_refresh_token,
    extended,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt.testing import Clock

PRIVATE_KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE_PEM = PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
SECRET = "a-secret-of-32-bytes-for-testing"
END_OF_TIME = 253402300799  # 9999-12-31 23:59:59 UTC


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(clock):
    jwts = []

    def start(extension=JWT, **config):
        app = Flask("lifetimes")
        app.testing = True
        app.config.update(
            {"SECRET_KEY": SECRET, "JWT_AUTH_URL_RULE": "/auth", "JWT_HEADER_TYPE": "Bearer"}
        )
        app.config.update(config)
        jwt = extension(app, clock=clock)
        jwt.authentication_handler(lambda username, password: "1")
        jwts.append((app, jwt))
        app.add_url_rule("/me", "me", jwt_required()(lambda: "me"))
        app.add_url_rule("/renew", "renew", jwt_required(refresh=True)(lambda: "new"))
        return app

    yield start
    for app, jwt in jwts:
        jwt.close(app)


def log_in(app):
    response = app.test_client().post("/auth", json={"username": "joe", "password": "pass"})
    assert response.status_code == 200
    return response.get_json()


def status(app, token, path="/me"):
    return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def claims_of(token):
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    return pyjwt.decode(token, SECRET, ["HS256"], options=options)


NEVER = {"JWT_ACCESS_TOKEN_EXPIRES": False, "JWT_REFRESH_TOKEN_EXPIRES": False}


# Tokens that never expire


REQUIRED = [
    ({}, True),
    ({"JWT_REQUIRED_CLAIMS": ["exp"]}, True),
    ({"JWT_REQUIRED_CLAIMS": ["iat"]}, False),
    ({"JWT_REQUIRED_CLAIMS": []}, False),
    ({"JWT_ENCODE_NBF": False}, True),
    ({"JWT_IDENTITY_CLAIM": "user_id"}, True),
]


def ways_to_a_token(app):
    """A token that never expires, by each way to get one, and a path that accepts it."""
    with app.app_context():
        yield create_access_token("1"), "/me"
        yield create_refresh_token("1"), "/renew"
    yield log_in(app)["access_token"], "/me"


def ways_by_argument(app):
    with app.app_context():
        yield create_access_token("1", expires_delta=False), "/me"
        yield create_refresh_token("1", expires_delta=False), "/renew"


@pytest.mark.parametrize("extension", [JWT, extended.JWTManager])
@pytest.mark.parametrize(("config", "has_exp"), REQUIRED, ids=repr)
@pytest.mark.parametrize(("ways", "never"), [(ways_to_a_token, NEVER), (ways_by_argument, {})])
def test_a_token_that_never_expires_is_accepted(
    start, clock, extension, config, has_exp, ways, never
):
    app = start(extension, **never, **config)
    if extension is not JWT and "JWT_REQUIRED_CLAIMS" not in config:
        has_exp = False  # Flask-JWT-Extended requires no exp
    for token, path in list(ways(app)):
        assert claims_of(token).get("exp") == (END_OF_TIME if has_exp else None)
        assert status(app, token, path) == 200
        clock.tick(100 * 366 * 86400)
        assert status(app, token, path) == 200


def test_it_is_accepted_by_other_verifiers_that_require_an_exp(start):
    token = log_in(start(**NEVER))["access_token"]
    options = {"require": ["exp", "iat", "nbf"], "verify_iat": False, "verify_nbf": False}
    assert pyjwt.decode(token, SECRET, ["HS256"], options=options)["exp"] == END_OF_TIME


@pytest.mark.filterwarnings("ignore:The tokens of the jwt_encode_handler have no sid")
@pytest.mark.parametrize("extension", [JWT, extended.JWTManager])
def test_a_login_response_leaves_out_expires_in(start, extension):
    config = {"JWT_ACCESS_TOKEN_EXPIRES": False, "JWT_REFRESH_TOKEN_EXPIRES": 3600}
    app = start(extension, JWT_STORAGE_URI="memory://", **config)
    tokens = log_in(app)
    assert tokens["expires_in"] == 3600, "a session still bounds its access tokens"
    app.extensions["jwt"].jwt_encode_handler(
        lambda identity: pyjwt.encode({"sub": "1", "exp": END_OF_TIME}, SECRET)
    )
    with pytest.warns(UserWarning, match="no sid"):
        assert "expires_in" not in log_in(app)
    app.extensions["jwt"].jwt_encode_handler(lambda identity: pyjwt.encode({"sub": "1"}, SECRET))
    assert "expires_in" not in log_in(app)
    app.extensions["jwt"].jwt_encode_handler(lambda identity: "opaque")
    assert "expires_in" not in log_in(app)


@pytest.mark.parametrize("check", [10, "always", None])
def test_a_session_ends_access_tokens_that_never_expire(start, clock, check):
    app = start(JWT_STORAGE_URI="memory://", JWT_REVOCATION_CHECK=check, **NEVER)
    app.config["JWT_REFRESH_TOKEN_EXPIRES"] = timedelta(days=60)
    first, second = log_in(app), log_in(app)
    assert claims_of(first["access_token"])["exp"] == int(clock()) + 60 * 86400
    clock.tick(59 * 86400)
    assert status(app, second["access_token"]) == 200
    if check is not None:
        header = {"Authorization": f"Bearer {first['refresh_token']}"}
        assert app.test_client().post("/auth/logout", headers=header).status_code == 200
        clock.tick(11)
        assert status(app, first["access_token"]) == 401
    clock.tick(2 * 86400)
    assert status(app, second["access_token"]) == 401


def test_sessions_whose_access_tokens_never_expire_are_pruned(start, clock):
    app = start(JWT_STORAGE_URI="memory://", JWT_ACCESS_TOKEN_EXPIRES=False)
    log_in(app)
    with app.app_context():
        sessions = app.extensions["jwt"].sessions
        clock.tick(31 * 86400)
        assert sessions.prune() == 0
        clock.tick(30 * 86400)
        assert sessions.prune() == 1


@pytest.mark.parametrize("value", [0, -1, timedelta(0), timedelta(seconds=-60)])
def test_an_expiration_delta_of_0_and_below_is_taken_as_in_flask_jwt(start, clock, value):
    app = start(JWT_EXPIRATION_DELTA=value, JWT_LEEWAY=0)
    token = log_in(app)["access_token"]
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    assert claims_of(token)["exp"] == int(clock() + seconds)
    assert status(app, token) == 401


# Tokens without nbf


@pytest.mark.parametrize("config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["", "sessions"])
def test_without_encode_nbf_none_is_required(start, config):
    app = start(JWT_ENCODE_NBF=False, **config)
    token = log_in(app)["access_token"]
    assert "nbf" not in claims_of(token)
    assert status(app, token) == 200
    for missing in ("exp", "iat"):
        claims = {"identity": "1", "exp": END_OF_TIME, "iat": 1}
        del claims[missing]
        assert status(app, pyjwt.encode(claims, SECRET)) == 401


def test_explicitly_required_claims_without_nbf_are_kept(start):
    app = start(JWT_ENCODE_NBF=False, JWT_REQUIRED_CLAIMS=["exp", "jti"])
    assert status(app, log_in(app)["access_token"]) == 200
    assert status(app, pyjwt.encode({"identity": "1", "exp": END_OF_TIME}, SECRET)) == 401


@pytest.mark.parametrize("extension", [JWT, extended.JWTManager])
@pytest.mark.parametrize("required", [["nbf"], ["exp", "iat", "nbf"]], ids=repr)
def test_requiring_the_nbf_that_is_not_issued_stops_the_start(start, extension, required):
    with pytest.raises(ConfigError, match=r"remove 'nbf' from the list, or remove JWT_ENCODE_NBF"):
        start(extension, JWT_ENCODE_NBF=False, JWT_REQUIRED_CLAIMS=required)


# Applications that only verify


def foreign_token(**changes):
    claims = {"sub": "1", "exp": END_OF_TIME, "iat": 1, "nbf": 1, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return pyjwt.encode(claims, PRIVATE_PEM, "ES256")


VERIFIES = {"SECRET_KEY": None, "JWT_PUBLIC_KEY": PUBLIC_PEM}
SIGNS = {"SECRET_KEY": None, "JWT_PRIVATE_KEY": PRIVATE_PEM}


@pytest.mark.parametrize("missing", [{}, {"nbf": None}, {"iat": None}, {"nbf": None, "iat": None}])
@pytest.mark.parametrize(
    ("config", "accepts"),
    [
        (VERIFIES, True),
        ({**VERIFIES, "SECRET_KEY": SECRET}, True),  # Flask's own sessions need it
        ({**VERIFIES, "JWT_REQUIRED_CLAIMS": ["exp"]}, True),
        ({**VERIFIES, "JWT_REQUIRED_CLAIMS": ["exp", "iat", "nbf"]}, False),
        (SIGNS, False),
        ({**SIGNS, "JWT_PUBLIC_KEY": PUBLIC_PEM}, False),
        ({**SIGNS, "JWT_REQUIRED_CLAIMS": ["exp"]}, True),
    ],
    ids=["public", "public, SECRET_KEY", "public, exp", "public, all", "private", "pair", "exp"],
)
def test_an_application_that_only_verifies_requires_exp_alone(start, config, accepts, missing):
    app = start(**config)
    expected = 200 if accepts or not missing else 401
    assert status(app, foreign_token(**missing)) == expected
    assert status(app, foreign_token(exp=None)) == 401


@pytest.mark.filterwarnings("ignore:There is no secret")
def test_an_application_with_a_key_loader_alone_requires_exp_alone(start):
    app = start(SECRET_KEY=None)
    settings = app.extensions["flask-jwt"].settings
    assert settings.required_claims == {"exp"}
    app.config["SECRET_KEY"] = SECRET
    assert app.extensions["flask-jwt"].settings.required_claims == {"exp", "iat", "nbf"}


def test_a_payload_without_the_identity_claim_is_not_issued(start):
    app = start(JWT_IDENTITY_CLAIM="user_id", JWT_REQUIRED_CLAIMS=["exp"])
    app.extensions["jwt"].jwt_payload_handler(lambda user: {"identity": 1, "exp": END_OF_TIME})
    with pytest.raises(ConfigError, match="missing required claims: user_id"):
        log_in(app)


def test_verify_jwt_in_request_agrees(start):
    app = start(JWT_ENCODE_NBF=False, **NEVER)
    token = log_in(app)["access_token"]
    with app.test_request_context(headers={"Authorization": f"Bearer {token}"}):
        verify_jwt_in_request()
