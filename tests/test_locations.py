"""Where tokens are found: headers, cookies, query strings and JSON, and which of them counts."""

from __future__ import annotations

import pytest

from flask_jwt import (
    ConfigError,
    create_refresh_token,
    get_jwt_identity,
    get_jwt_request_location,
)
from tests.support import bearer, body_of, code, issue

EVERYWHERE = ["headers", "cookies", "query_string", "json"]
GUARDS = {
    "/any": {},
    "/optional": {"optional": True},
    "/renew": {"refresh": True},
    "/headers": {"locations": "headers"},
    "/nowhere": {"locations": ["nowhere"]},
}


def show_location():
    return {"id": get_jwt_identity(), "location": get_jwt_request_location()}


@pytest.fixture
def make(make_app):
    """Make applications whose views show where the token was."""

    def make(**config):
        return make_app(users=False, guards=GUARDS, show=show_location, TESTING=True, **config)

    return make


# Locations


def test_each_configured_location_is_searched(make):
    app = make(JWT_TOKEN_LOCATION=EVERYWHERE)
    token = issue(app)
    client = app.test_client()
    assert client.get("/any", headers=bearer(token)).get_json()["location"] == "headers"
    assert client.get(f"/any?jwt={token}").get_json()["location"] == "query_string"
    assert client.post("/any", json={"access_token": token}).get_json()["location"] == "json"
    client.set_cookie("access_token_cookie", token)
    assert client.get("/any").get_json() == {"id": 1, "location": "cookies"}


def test_no_other_location_is_searched(make):
    app = make()
    token = issue(app)
    client = app.test_client()
    client.set_cookie("access_token_cookie", token)
    response = client.post(f"/any?jwt={token}", json={"access_token": token})
    assert code(response) == (401, "token_missing")


def test_locations_are_searched_in_the_configured_order(make):
    for locations in (["query_string", "json"], ["json", "query_string"]):
        app = make(JWT_TOKEN_LOCATION=locations)
        token = issue(app)
        response = app.test_client().post(f"/any?jwt={token}", json={"access_token": token})
        assert response.get_json()["location"] == locations[0]


def test_names_and_prefixes_can_be_configured(make):
    app = make(
        JWT_TOKEN_LOCATION=EVERYWHERE,
        JWT_HEADER_NAME="X-Token",
        JWT_HEADER_TYPE="",
        JWT_QUERY_STRING_NAME="t",
        JWT_QUERY_STRING_VALUE_PREFIX="Bearer ",
        JWT_JSON_KEY="tok",
    )
    token = issue(app)
    client = app.test_client()
    assert client.get("/any", headers={"X-Token": token}).status_code == 200
    assert client.get("/any", headers=bearer(token)).status_code == 401
    assert client.get("/any", query_string={"t": f"Bearer {token}"}).status_code == 200
    assert client.get("/any", query_string={"t": token}).status_code == 401
    assert client.post("/any", json={"tok": token}).status_code == 200


def test_a_guard_may_name_its_own_locations(make):
    app = make(JWT_TOKEN_LOCATION="query_string")
    token = issue(app)
    client = app.test_client()
    assert client.get("/headers", headers=bearer(token)).status_code == 200
    assert client.get(f"/headers?jwt={token}").status_code == 401


def test_a_guard_with_an_unknown_location_is_an_error(make):
    with pytest.raises(ConfigError, match="'nowhere' is not a valid location"):
        make().test_client().get("/nowhere")


@pytest.mark.parametrize("locations", [[], "cookie", ["headers", "body"], 1, {"headers": True}])
def test_unknown_locations_are_an_error_at_start(make, locations):
    with pytest.raises(ConfigError, match="JWT_TOKEN_LOCATION"):
        make(JWT_TOKEN_LOCATION=locations)


def test_the_error_says_what_is_missing_in_each_location(make):
    app = make(JWT_TOKEN_LOCATION=EVERYWHERE)
    status, body = body_of(app.test_client().get("/any"))
    assert status == 401
    assert 'Missing cookie "access_token_cookie"' in body["description"]
    assert 'Missing header "Authorization"' in body["description"]
    assert "Missing 'jwt' query" in body["description"]
    assert body_of(app.test_client().get("/optional")) == (200, {"id": None, "location": None})


@pytest.mark.parametrize(
    ("body", "content_type"),
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
def test_a_json_body_without_a_usable_token_is_rejected(make, body, content_type):
    app = make(JWT_TOKEN_LOCATION="json")
    response = app.test_client().post("/any", data=body, content_type=content_type)
    assert response.status_code == 401


# Which token counts


def test_an_invalid_cookie_does_not_hide_a_valid_header(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "headers"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", "rubbish")
    headers = bearer(issue(app))
    assert client.get("/any", headers=headers).get_json()["location"] == "headers"
    assert client.post("/any", headers=headers).get_json()["location"] == "headers"


def test_a_cookie_without_its_csrf_value_does_not_hide_a_valid_header(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "headers"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", issue(app))
    assert client.post("/any", headers=bearer(issue(app))).status_code == 200
    response = client.post("/any")
    assert code(response) == (403, "csrf_failed")


def test_an_invalid_header_is_final(make):
    app = make(JWT_TOKEN_LOCATION=["headers", "cookies"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", issue(app))
    assert client.get("/any", headers=bearer("rubbish")).status_code == 401


def test_refresh_tokens_have_names_of_their_own(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "json"])
    client = app.test_client()
    with app.app_context():
        refresh = create_refresh_token(1)
    assert client.post("/renew", json={"refresh_token": refresh}).status_code == 200
    assert client.post("/renew", json={"access_token": refresh}).status_code == 401
    client.set_cookie("refresh_token_cookie", refresh)
    assert client.get("/renew").status_code == 200
