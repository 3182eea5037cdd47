"""Claims of other programs' tokens: ``JWTManager`` judges them as Flask-JWT-Extended does."""

from __future__ import annotations

import time

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, jwt_required
from tests.support import bearer

SECRET = "a-secret-of-32-bytes-for-testing"
NOW = int(time.time())
TYPES = [
    "access", "refresh", "Refresh", "Bearer", "ID", "at+jwt", "", None, 0, 1, True, False, 1.5,
    [], ["refresh"], ["access"], {}, {"refresh": 1}, "refresh ", [[["refresh"]]],
]  # fmt: skip
AUDIENCES = ["shop", ["shop"], ["shop", "account"], ["account"], [], "", "account"]


def make_app(package, **config):
    app = Flask("tested")
    app.config.update(JWT_SECRET_KEY=SECRET, **config)
    package.JWTManager(app)
    for name, options in {
        "access": {}, "refresh": {"refresh": True}, "any": {"verify_type": False},
    }.items():  # fmt: skip
        view = package.jwt_required(**options)(package.get_jwt)
        app.add_url_rule(f"/{name}", name, view)
    return app


def responses(package, claims, **config):
    client = make_app(package, **config).test_client()
    token = pyjwt.encode({"sub": "joe", "exp": NOW + 86400, **claims}, SECRET)
    answers = [
        client.get(f"/{name}", headers=bearer(token)) for name in ("access", "refresh", "any")
    ]
    return [(answer.status_code, answer.get_json()) for answer in answers]


@pytest.mark.parametrize("type", TYPES, ids=repr)
def test_a_type_of_their_own(type):
    assert responses(ours, {"type": type}) == responses(fje, {"type": type})


@pytest.mark.parametrize("accepted", [None, "shop", ["shop", "office"]], ids=repr)
@pytest.mark.parametrize("audience", AUDIENCES, ids=repr)
def test_an_audience(audience, accepted):
    config = {"JWT_DECODE_AUDIENCE": accepted}
    mine, theirs = (responses(package, {"aud": audience}, **config) for package in (ours, fje))
    assert [status for status, _ in mine] == [status for status, _ in theirs]


@pytest.mark.parametrize("claims", [
    {}, {"nbf": NOW}, {"iat": NOW}, {"nbf": NOW - 0.5}, {"iat": NOW - 0.5}, {"jti": "x"},
    {"iss": "https://sso"}, {"fresh": True}, {"nbf": NOW + 600}, {"exp": NOW - 1}, {"sub": 5},
    {"typ": "Bearer", "azp": "shop", "scope": "a b", "realm_access": {"roles": ["a"]}},
    {"sid": "their-own-session"}, {"sid": 5}, {"gen": 1}, {"identity": 2}, {"payload": "x"},
    {"auth_time": "yesterday"},
], ids="-".join)  # fmt: skip
def test_other_claims(claims):
    mine, theirs = responses(ours, claims), responses(fje, claims)
    assert (mine[0], mine[2]) == (theirs[0], theirs[2])
    # A token of the wrong type that is wrong in another way too: either reason may be given.
    assert mine[1][0] != 200
    assert theirs[1][0] != 200


@pytest.mark.parametrize("type", [t for t in TYPES if t != "access"], ids=repr)
def test_jwt_accepts_its_own_types_only(type):
    app = Flask("native")
    app.config["SECRET_KEY"] = SECRET
    JWT(app)
    app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
    claims = {"sub": "joe", "exp": NOW + 86400, "nbf": NOW - 5, "iat": NOW - 5, "type": type}
    response = app.test_client().get("/", headers=bearer(pyjwt.encode(claims, SECRET)))
    assert (response.status_code, response.get_json()["code"]) == (401, "wrong_token_type")
