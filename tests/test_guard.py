"""``jwt_required()``: which views it can guard, what it demands, and what it gives to a view."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.views import MethodView

import flask_jwt
from flask_jwt import (
    ConfigError,
    JWTError,
    _jwt_required,
    create_refresh_token,
    current_identity,
    jwt_required,
)
from tests.support import add_guards, bearer, code, get, issue, login, token_of

# Views


def test_it_guards_class_based_views(app, client):
    class Items(MethodView):
        decorators = [jwt_required()]

        def get(self):
            return str(current_identity.id)

        async def post(self):
            return "posted"

    app.add_url_rule("/items", view_func=Items.as_view("items"))
    token = token_of(client)
    assert get(app, "/items", token).text == "1"
    assert client.post("/items", headers=bearer(token)).text == "posted"
    assert client.post("/items").status_code == 401


def test_flask_jwt_s_function_may_be_called_in_a_view(app, client):
    @app.get("/maybe")
    def maybe():
        try:
            _jwt_required("realm")
        except JWTError:
            return "anonymous"
        return f"user {current_identity.id}"

    assert client.get("/maybe").text == "anonymous"
    assert get(app, "/maybe", token_of(client)).text == "user 1"


def test_forgotten_parentheses_are_an_error_and_no_unguarded_view():
    with pytest.raises(TypeError, match="parentheses"):
        jwt_required(lambda: "in")


def test_decorating_a_class_is_an_error():
    with pytest.raises(TypeError, match="decorators"):
        jwt_required()(MethodView)


def test_an_application_without_the_extension_is_reported_with_the_fix():
    app = Flask("other")
    app.testing = True
    app.add_url_rule("/p", view_func=jwt_required()(lambda: "in"))
    with pytest.raises(ConfigError, match="forget to call init_app"):
        app.test_client().get("/p")


def test_a_realm_is_quoted_in_the_challenge(app, client):
    app.add_url_rule("/p", view_func=jwt_required('say "hi"\\')(lambda: "in"))
    challenge = client.get("/p").headers["WWW-Authenticate"]
    assert challenge == 'JWT realm="say \\"hi\\"\\\\"'


# The current token and user


def test_a_view_reads_the_token_and_can_not_change_it_for_the_next_request(app, client):
    @app.get("/claims")
    @jwt_required()
    def claims():
        flask_jwt.get_jwt()["identity"] = "changed"
        return {
            "identity": flask_jwt.get_jwt_identity(),
            "header": flask_jwt.get_jwt_header(),
        }

    token = token_of(client)
    body = get(app, "/claims", token).get_json()
    assert body == {"identity": "changed", "header": {"alg": "HS256", "typ": "JWT"}}
    assert get(app, "/protected", token).get_json() == {"user": 1}


@pytest.mark.parametrize("function", ["get_jwt", "get_jwt_header", "get_jwt_identity"])
def test_reading_a_token_before_one_was_verified_is_an_error(app, function):
    with app.test_request_context(), pytest.raises(RuntimeError, match=function):
        getattr(flask_jwt, function)()


def test_the_identity_does_not_outlive_its_request_in_an_open_application_context(app, client):
    app.add_url_rule("/open", view_func=lambda: str(current_identity._get_current_object()))
    with app.app_context():
        assert get(app, "/protected", token_of(client)).status_code == 200
        assert client.get("/open").text == "None"


def test_the_identity_is_none_outside_of_a_request():
    assert current_identity._get_current_object() is None


# Optional tokens, and types


def test_a_view_may_do_without_a_token_but_not_with_an_invalid_one(app, client):
    token = token_of(client)
    assert client.get("/optional").get_json() == {"user": None}
    basic = {"Authorization": "Basic am9lOng="}
    assert client.get("/optional", headers=basic).get_json() == {"user": None}
    assert get(app, "/optional", token).get_json() == {"user": 1}
    assert get(app, "/optional", token + "x").status_code == 401
    assert client.get("/optional", headers={"Authorization": "Bearer"}).status_code == 401


def test_a_token_of_another_type_is_rejected(app):
    add_guards(app, {"/whatever": {"verify_type": False}})
    access = issue(app)
    with app.app_context():
        refresh = create_refresh_token(1)
    assert code(get(app, "/protected", refresh)) == (401, "wrong_token_type")
    assert code(get(app, "/renew", access)) == (401, "wrong_token_type")
    assert get(app, "/renew", refresh).get_json() == {"user": 1}
    for token in (refresh, access):
        assert get(app, "/whatever", token).status_code == 200


# Freshness


@pytest.mark.parametrize(
    ("options", "is_fresh", "is_recent"),
    [
        ({"fresh": True}, True, True),
        ({"fresh": False}, False, False),
        ({}, False, False),
        ({"fresh": timedelta(minutes=5)}, True, False),
        ({"fresh": 1_800_000_000 + 30}, True, False),
        ({"fresh": 1_800_000_000 - 30}, False, False),
        ({"claims": {"fresh": None}, "overwrite": True}, False, False),
        ({"claims": {"fresh": "yes"}, "overwrite": True}, False, False),
        ({"claims": {"fresh": [True]}, "overwrite": True}, False, False),
        ({"claims": {"fresh": 1}, "overwrite": True}, False, False),
        ({"claims": {"auth_time": "now"}, "overwrite": True}, False, False),
    ],
)
def test_which_tokens_are_fresh_and_which_are_recent(app, options, is_fresh, is_recent):
    token = issue(app, **options)
    assert get(app, "/fresh", token).status_code == (200 if is_fresh else 401)
    assert get(app, "/recent", token).status_code == (200 if is_recent else 401)


def test_freshness_may_end_before_the_token_expires(app, clock):
    token = issue(app, fresh=timedelta(seconds=30))
    assert get(app, "/fresh", token).status_code == 200
    clock.tick(31)
    assert code(get(app, "/fresh", token)) == (401, "insufficient_user_authentication")


def test_fresh_means_from_a_login_and_recent_counts_from_it(make_app, clock):
    app = make_app(JWT_STORAGE_URI="memory://")
    client = app.test_client()
    tokens = login(client).get_json()
    assert get(app, "/fresh", tokens["access_token"]).status_code == 200
    clock.tick(5)
    headers = bearer(tokens["refresh_token"])
    refreshed = client.post("/auth/refresh", headers=headers).get_json()["access_token"]
    response = get(app, "/fresh", refreshed)
    assert code(response) == (401, "insufficient_user_authentication")
    assert 'error="insufficient_user_authentication"' in response.headers["WWW-Authenticate"]
    assert get(app, "/recent", refreshed).status_code == 200
    clock.tick(120)
    assert 'max_age="120"' in get(app, "/recent", refreshed).headers["WWW-Authenticate"]


def test_fresh_works_without_sessions(app, client):
    assert get(app, "/fresh", token_of(client)).status_code == 200
    assert code(get(app, "/fresh", issue(app))) == (401, "insufficient_user_authentication")
