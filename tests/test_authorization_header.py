"""Commas in the Authorization header: joined credentials are told from continued ones."""

from __future__ import annotations

import time

import pytest
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, create_access_token, jwt_required


@pytest.fixture(params=[JWT, ours.JWTManager])
def app(request):
    app = Flask("tested")
    app.config["SECRET_KEY"] = "a-secret-of-32-bytes-for-testing"
    request.param(app)
    app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
    return app


def status(app, value):
    with app.app_context():
        token = create_access_token("1")
    value = value.replace("T", token)
    return app.test_client().get("/", headers={"Authorization": value}).status_code


@pytest.mark.parametrize("value", [
    "Bearer T", "bearer T", "  Bearer   T  ", "Bearer T,", ", Bearer T", "Bearer T , ,",
    "Basic x, Bearer T", "Basic x,Bearer T", "Bearer T, Basic x", "Bearer T,Basic x",
    'Digest a="b", c="d", Bearer T', 'Bearer T, Digest a="b", c="d"',
    'Digest a="x, y", Bearer T', 'Digest a="say \\"hi, Bearer you\\"", Bearer T',
    "Negotiate, Bearer T", "Bearer T, Negotiate", "Basic x, Bearer T, Digest, y", 'Digest a = "b" , c = "d" , Bearer T',
])  # fmt: skip
def test_credentials_of_other_schemes_are_skipped(app, value):
    assert status(app, value) == 200


@pytest.mark.parametrize("value", [
    "Bearer T,T", "Bearer T, T", "Bearer T ,T", "Bearer T,T,T", "Bearer T,=", "Bearer T,x.y",
    'Bearer T, realm="x"', 'Bearer T, realm = "x"', 'Bearer T, realm ="x"', "Bearer T,a=b,c=d",
    "Bearer T, Bearer T", "Bearer T, a_b", "Bearer T, Bearer", "Bearer ,T", "Bearer T T",
    'Bearer T"', 'Bearer "T"', 'Bearer T"x, Basic y"', "Bearer,T", "T,Bearer",
])  # fmt: skip
def test_anything_else_beside_the_token_is_rejected(app, value):
    assert status(app, value) in (401, 422)


@pytest.mark.parametrize("value", [
    'Digest a="b, Bearer T', 'Digest a="b, Bearer T , c"', 'Digest a="b\\", Bearer T , c"',
])  # fmt: skip
def test_a_token_within_another_scheme_s_quoted_string_is_none(app, value):
    assert status(app, value) == 401


@pytest.mark.parametrize(
    "value", ['"' * 8000 + ",", '"\\' * 4000 + ",", '"\\"' * 2600 + ",", "," * 8000]
)
def test_a_header_takes_no_longer_than_its_length(app, value):
    started = time.thread_time()  # other processes may have the processor meanwhile
    assert status(app, f"Bearer {value}") in (401, 422)
    assert time.thread_time() - started < 1
