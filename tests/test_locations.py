"""Where tokens are found, cookies and their proof, and the loaders, in the native spelling."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import jwt as pyjwt
import pytest
from flask import Flask, jsonify

import flask_jwt
from flask_jwt import (
    JWT,
    ConfigError,
    create_access_token,
    create_refresh_token,
    current_identity,
    decode_token,
    get_csrf_token,
    get_jwt,
    get_jwt_identity,
    get_jwt_request_location,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)
from flask_jwt.errors import CsrfFailed, TokenExpired, TokenInvalid, WrongTokenType
from tests.conftest import SECRET, Clock, User, bearer, login

EVERYWHERE = ["headers", "cookies", "query_string", "json"]


@pytest.fixture
def make(clock):
    """An application with a view for each kind of guard, and its JWT."""

    def make(jwt=None, **config):
        app = Flask("located")
        app.testing = True
        app.config.update(SECRET_KEY=SECRET, **config)
        jwt = jwt or JWT(clock=clock)
        jwt.init_app(app)

        def show():
            return {"id": get_jwt_identity(), "where": get_jwt_request_location()}

        def rule(path, **ask):
            app.add_url_rule(
                path, path[1:], jwt_required(**ask)(show), methods=["GET", "POST", "DELETE"]
            )

        rule("/any")
        rule("/optional", optional=True)
        rule("/refresh", refresh=True)
        rule("/headers", locations="headers")
        rule("/whatever", verify_type=False)
        rule("/nowhere", locations=["nowhere"])
        rule("/fresh", fresh=True)
        rule("/fresh-for-a-minute", fresh=timedelta(minutes=1))

        @app.post("/cookies")
        def cookies():
            response = jsonify(ok=True)
            set_access_cookies(response, create_access_token(1))
            set_refresh_cookies(response, create_refresh_token(1))
            return response

        @app.post("/no-cookies")
        def no_cookies():
            response = jsonify(ok=True)
            unset_jwt_cookies(response)
            return response

        return app

    return make


def token(app, **options):
    with app.app_context():
        return create_access_token(1, **options)


def answer(response):
    return response.status_code, response.get_json()


# Locations


def test_each_location(make):
    app = make(JWT_TOKEN_LOCATION=EVERYWHERE)
    good = token(app)
    client = app.test_client()
    assert client.get("/any", headers=bearer(good)).get_json()["where"] == "headers"
    assert client.get(f"/any?jwt={good}").get_json()["where"] == "query_string"
    assert client.post("/any", json={"access_token": good}).get_json()["where"] == "json"
    client.set_cookie("access_token_cookie", good)
    assert client.get("/any").get_json() == {"id": 1, "where": "cookies"}


def test_only_configured_locations_count(make):
    app = make()
    good = token(app)
    client = app.test_client()
    client.set_cookie("access_token_cookie", good)
    response = client.post(f"/any?jwt={good}", json={"access_token": good})
    assert response.status_code == 401
    assert response.get_json()["code"] == "token_missing"


def test_the_order_is_the_configured_one(make):
    for locations in (["query_string", "json"], ["json", "query_string"]):
        app = make(JWT_TOKEN_LOCATION=locations)
        good = token(app)
        response = app.test_client().post(f"/any?jwt={good}", json={"access_token": good})
        assert response.get_json()["where"] == locations[0]


def test_names_and_prefixes_are_configured(make):
    app = make(
        JWT_TOKEN_LOCATION=EVERYWHERE,
        JWT_HEADER_NAME="X-Token",
        JWT_HEADER_TYPE="",
        JWT_QUERY_STRING_NAME="t",
        JWT_QUERY_STRING_VALUE_PREFIX="Bearer ",
        JWT_JSON_KEY="tok",
    )
    good = token(app)
    client = app.test_client()
    assert client.get("/any", headers={"X-Token": good}).status_code == 200
    assert client.get("/any", headers=bearer(good)).status_code == 401
    assert client.get("/any", query_string={"t": f"Bearer {good}"}).status_code == 200
    assert client.get("/any", query_string={"t": good}).status_code == 401
    assert client.post("/any", json={"tok": good}).status_code == 200


def test_a_guard_may_name_its_own_locations(make):
    app = make(JWT_TOKEN_LOCATION="query_string")
    good = token(app)
    client = app.test_client()
    assert client.get("/headers", headers=bearer(good)).status_code == 200
    assert client.get(f"/headers?jwt={good}").status_code == 401


def test_a_location_there_is_not_is_the_developer_s_to_mend(make):
    with pytest.raises(ConfigError, match="'nowhere' is not a valid location"):
        make().test_client().get("/nowhere")


@pytest.mark.parametrize("locations", [[], "cookie", ["headers", "body"], 1, {"headers": True}])
def test_wrong_locations_are_found_at_start(make, locations):
    with pytest.raises(ConfigError, match="JWT_TOKEN_LOCATION"):
        make(JWT_TOKEN_LOCATION=locations)


def test_no_token_anywhere_says_what_is_missing_where(make):
    app = make(JWT_TOKEN_LOCATION=EVERYWHERE)
    status, body = answer(app.test_client().get("/any"))
    assert status == 401
    assert 'Missing cookie "access_token_cookie"' in body["description"]
    assert 'Missing header "Authorization"' in body["description"]
    assert "Missing 'jwt' query" in body["description"]
    assert answer(app.test_client().get("/optional")) == (200, {"id": None, "where": None})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[1]", "application/json"),
        (b'"text"', "application/json"),
        (b"null", "application/json"),
        (b"{", "application/json"),
        (b'{"access_token": 7}', "application/json"),
        (b'{"access_token": ["x"]}', "application/json"),
        (b'{"access_token": {}}', "application/json"),
        ('{"access_token": "\ud800"}'.encode("utf-8", "surrogatepass"), "application/json"),
        (b"access_token=x", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_json_bodies_of_any_kind_are_refused(make, body, kind):
    app = make(JWT_TOKEN_LOCATION="json")
    response = app.test_client().post("/any", data=body, content_type=kind)
    assert response.status_code == 401


# Which token counts


def test_a_bad_cookie_does_not_stand_in_the_way_of_a_good_header(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "headers"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", "rubbish")
    good = bearer(token(app))
    assert client.get("/any", headers=good).get_json()["where"] == "headers"
    assert client.post("/any", headers=good).get_json()["where"] == "headers"


def test_a_cookie_without_proof_does_not_stand_in_the_way_of_a_good_header(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "headers"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", token(app))
    assert client.post("/any", headers=bearer(token(app))).status_code == 200
    response = client.post("/any")
    assert response.status_code == 403
    assert response.get_json()["code"] == "csrf_failed"


def test_a_bad_header_is_final(make):
    app = make(JWT_TOKEN_LOCATION=["headers", "cookies"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", token(app))
    assert client.get("/any", headers=bearer("rubbish")).status_code == 401


def test_refresh_tokens_are_read_under_their_own_names(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "json"])
    client = app.test_client()
    with app.app_context():
        refresh = create_refresh_token(1)
    assert client.post("/refresh", json={"refresh_token": refresh}).status_code == 200
    assert client.post("/refresh", json={"access_token": refresh}).status_code == 401
    client.set_cookie("refresh_token_cookie", refresh)
    assert client.get("/refresh").status_code == 200
