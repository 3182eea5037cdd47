"""docs/guides/flask-limiter.md: requests are limited for each user."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_jwt import create_access_token
from flask_jwt.testing import JWTClient
from tests.guides import example
from tests.support import SECRET, bearer


@pytest.fixture
def app():
    with example("flask_limiter", "app") as program:
        yield program.create_app(SECRET_KEY=SECRET)


def client_of(app, name):
    client = JWTClient(app)
    client.login(name, "pass")
    return client


def test_each_user_has_a_limit_whatever_the_token_and_the_address(app):
    joe, elsewhere, ann = (client_of(app, name) for name in ("joe", "joe", "ann"))
    assert joe.get("/search").headers["X-RateLimit-Remaining"] == "4"
    for _ in range(4):
        address = {"REMOTE_ADDR": "203.0.113.9"}
        assert elsewhere.get("/search", environ_overrides=address).status_code == 200
    response = joe.get("/search")
    assert (response.status_code, response.json["code"]) == (429, "too_many_requests")
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert ann.get("/search").json == {"found": [], "for": "ann"}


def test_requests_without_a_token_count_for_the_address(app):
    joe, anonymous = client_of(app, "joe"), app.test_client()
    codes = [anonymous.get("/search").status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    assert joe.get("/search").status_code == 200


def test_requests_with_invalid_tokens_count_for_the_address(app):
    """Each token is another one, as in an attack that guesses them."""
    client = app.test_client()
    expired = make_expired_token(app)
    tokens = [expired, "a.b.c", "x", "", expired[:-2], "a.b.d", "y"]
    responses = [client.get("/search", headers=bearer(token)) for token in tokens]
    assert [response.status_code for response in responses] == [401] * 5 + [429] * 2
    assert client_of(app, "ann").get("/search").status_code == 200


def make_expired_token(app):
    with app.app_context():
        return create_access_token(1, expires_delta=timedelta(seconds=-60))


def test_an_invented_token_is_no_other_user(app):
    client = app.test_client()
    response = client.get("/search", headers={"Authorization": "Bearer x.y.z"})
    assert (response.status_code, response.json["code"]) == (401, "token_invalid")


def test_login_limits_keep_their_response(app):
    login = {"username": "joe", "password": "no"}
    responses = [app.test_client().post("/auth", json=login) for _ in range(11)]
    assert responses[-1].json["code"] == "too_many_attempts"
    assert "Retry-After" in responses[-1].headers
