"""The options of a guard hold with a jwt_decode_handler, too."""

from __future__ import annotations

import jwt as pyjwt
import pytest

import flask_jwt
from tests.support import SECRET, bearer, issue, show_identity

GUARDS = {
    "/headers": {"locations": "headers"},
    "/query": {"locations": ["query_string"]},
    "/any": {"verify_type": False},
    "/access": {},
}
UNTIMED = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


@pytest.fixture
def app(make_app):
    app = make_app(
        guards=GUARDS,
        show=show_identity,
        users=False,
        JWT_TOKEN_LOCATION=["headers", "query_string", "cookies"],
    )
    app.jwt.jwt_decode_handler(lambda token: pyjwt.decode(token, SECRET, ["HS256"], UNTIMED))
    return app


def test_the_token_is_found_only_in_the_locations_of_the_guard(app):
    client, token = app.test_client(), issue(app)
    found = {
        path: [
            client.get(path, headers=bearer(token)).status_code,
            client.get(path, query_string={"jwt": token}).status_code,
        ]
        for path in ("/headers", "/query", "/access")
    }
    assert found == {"/headers": [200, 401], "/query": [401, 200], "/access": [200, 200]}


def test_a_cookie_is_not_taken_for_a_header(app):
    client = app.test_client()
    client.set_cookie("access_token_cookie", issue(app))
    assert client.get("/headers").status_code == 401
    assert client.get("/access").status_code == 200


def test_a_custom_request_handler_finds_the_token_wherever_it_looks(app):
    token = issue(app)
    app.jwt.request_handler(lambda: token)
    assert app.test_client().get("/headers").status_code == 200


def test_verify_type_false_takes_a_token_of_any_type(app):
    with app.app_context():
        refresh = flask_jwt.create_refresh_token(1)
    client = app.test_client()
    assert client.get("/any", headers=bearer(refresh)).status_code == 200
    assert client.get("/access", headers=bearer(refresh)).status_code == 401
