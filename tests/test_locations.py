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


def cookies_of(response):
    """Attributes by cookie name, lower case."""
    found = {}
    for line in response.headers.getlist("Set-Cookie"):
        first, *attributes = line.split("; ")
        name, value = first.split("=", 1)
        pairs = (attribute.partition("=") for attribute in attributes)
        found[name] = {"value": value, **{k.lower(): v for k, _, v in pairs}}
    return found


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


def test_a_token_of_another_type_is_refused(make):
    app = make()
    client = app.test_client()
    with app.app_context():
        refresh = create_refresh_token(1)
    assert client.get("/any", headers=bearer(refresh)).get_json()["code"] == "wrong_token_type"
    assert client.get("/refresh", headers=bearer(refresh)).get_json()["id"] == 1
    response = client.get("/refresh", headers=bearer(token(app)))
    assert response.get_json()["code"] == "wrong_token_type"
    for either in (refresh, token(app)):
        assert client.get("/whatever", headers=bearer(either)).status_code == 200


def test_refresh_tokens_are_read_under_their_own_names(make):
    app = make(JWT_TOKEN_LOCATION=["cookies", "json"])
    client = app.test_client()
    with app.app_context():
        refresh = create_refresh_token(1)
    assert client.post("/refresh", json={"refresh_token": refresh}).status_code == 200
    assert client.post("/refresh", json={"access_token": refresh}).status_code == 401
    client.set_cookie("refresh_token_cookie", refresh)
    assert client.get("/refresh").status_code == 200


# Cookies and CSRF


@pytest.fixture
def browser(make):
    """A client with the cookies of a login, of an application that takes them."""
    app = make(JWT_TOKEN_LOCATION="cookies")
    client = app.test_client()
    client.post("/cookies", base_url="https://localhost")
    return client


def https(client, method, path, **options):
    return client.open(path, method=method, base_url="https://localhost", **options)


def csrf(client, kind="access"):
    return client.get_cookie(f"csrf_{kind}_token").value


def test_cookies_are_safe_by_default(make):
    app = make(JWT_TOKEN_LOCATION="cookies")
    cookies = cookies_of(app.test_client().post("/cookies"))
    assert set(cookies) == {
        "access_token_cookie",
        "refresh_token_cookie",
        "csrf_access_token",
        "csrf_refresh_token",
    }
    for name, cookie in cookies.items():
        assert cookie["samesite"] == "Lax"
        assert "secure" in cookie
        assert ("httponly" in cookie) == name.endswith("_cookie")
        assert cookie["path"] == "/"
        assert "expires" not in cookie
        assert "domain" not in cookie


def test_cookie_options(make):
    app = make(
        JWT_TOKEN_LOCATION="cookies",
        JWT_SESSION_COOKIE=False,
        JWT_COOKIE_DOMAIN="example.com",
        JWT_COOKIE_SAMESITE="Strict",
        JWT_REFRESH_COOKIE_PATH="/auth",
        JWT_ACCESS_COOKIE_NAME="at",
        JWT_CSRF_IN_COOKIES=False,
    )
    cookies = cookies_of(app.test_client().post("/cookies"))
    assert set(cookies) == {"at", "refresh_token_cookie"}
    assert cookies["at"]["domain"] == "example.com"
    assert cookies["at"]["samesite"] == "Strict"
    assert int(cookies["at"]["max-age"]) > 360 * 86400
    assert cookies["refresh_token_cookie"]["path"] == "/auth"


def test_a_request_that_changes_something_needs_the_proof(browser):
    assert https(browser, "GET", "/any").status_code == 200
    response = https(browser, "POST", "/any")
    assert response.status_code == 403
    assert "X-CSRF-TOKEN" in response.get_json()["description"]
    assert "csrf_access_token" in response.get_json()["description"]
    proof = {"X-CSRF-TOKEN": csrf(browser)}
    assert https(browser, "POST", "/any", headers=proof).status_code == 200
    assert https(browser, "DELETE", "/any", headers=proof).status_code == 200


@pytest.mark.parametrize("value", ["x", "é", "\xff\xfe", "x" * 10_000, "csrf"])
def test_a_wrong_proof_is_refused(browser, value):
    response = https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": value})
    assert response.status_code == 403


def test_the_proof_belongs_to_one_token(browser):
    old = csrf(browser)
    other = csrf(browser, "refresh")
    assert https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": other}).status_code == 403
    https(browser, "POST", "/cookies")
    assert old != csrf(browser)
    assert https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": old}).status_code == 403


def test_a_refresh_token_needs_its_own_proof(browser):
    proof = {"X-CSRF-TOKEN": csrf(browser, "refresh")}
    assert https(browser, "POST", "/refresh", headers=proof).status_code == 200
    proof = {"X-CSRF-TOKEN": csrf(browser)}
    assert https(browser, "POST", "/refresh", headers=proof).status_code == 403


def test_a_missing_proof_is_no_missing_token(browser):
    assert https(browser, "POST", "/optional").status_code == 403


def test_the_proof_in_a_form_where_that_is_on(make):
    for is_on in (True, False):
        app = make(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=is_on)
        client = app.test_client()
        https(client, "POST", "/cookies")
        response = https(client, "POST", "/any", data={"csrf_token": csrf(client)})
        assert response.status_code == (200 if is_on else 403)


def test_protection_can_be_turned_off_and_methods_chosen(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_COOKIE_CSRF_PROTECT=False)
    client = app.test_client()
    assert len(cookies_of(https(client, "POST", "/cookies"))) == 2
    assert https(client, "POST", "/any").status_code == 200
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_METHODS=["delete"])
    client = app.test_client()
    https(client, "POST", "/cookies")
    assert https(client, "POST", "/any").status_code == 200
    assert https(client, "DELETE", "/any").status_code == 403


def test_unset_cookies(browser):
    response = https(browser, "POST", "/no-cookies")
    assert all("1970" in cookie["expires"] for cookie in cookies_of(response).values())
    assert https(browser, "GET", "/any").status_code == 401


def test_csrf_value_for_a_form(browser, make):
    with browser.application.app_context():
        assert get_csrf_token(browser.get_cookie("access_token_cookie").value) == csrf(browser)


def test_insecure_cookies_warn_in_production_only(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_COOKIE_SECURE=False)
    app.testing = False
    with pytest.warns(UserWarning, match="JWT_COOKIE_SECURE"):
        app.test_client().post("/cookies")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_ACCESS_COOKIE_NAME": "__Host-a", "JWT_COOKIE_DOMAIN": "x.org"}, "__Secure-"),
        ({"JWT_REFRESH_COOKIE_NAME": "__Host-a", "JWT_REFRESH_COOKIE_PATH": "/x"}, "path"),
        ({"JWT_ACCESS_COOKIE_NAME": "__Secure-a", "JWT_COOKIE_SECURE": False}, "COOKIE_SECURE"),
        ({"JWT_COOKIE_SAMESITE": "None", "JWT_COOKIE_SECURE": False}, "SameSite=None"),
        ({"JWT_COOKIE_SAMESITE": "lax"}, "'Lax'"),
        ({"JWT_ACCESS_COOKIE_PATH": "x"}, "starts with '/'"),
    ],
)
def test_cookies_that_browsers_would_drop_are_found_at_start(make, config, message):
    with pytest.raises(ConfigError, match=message):
        make(JWT_TOKEN_LOCATION="cookies", **config)


def test_host_cookies_work(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_ACCESS_COOKIE_NAME="__Host-access")
    client = app.test_client()
    https(client, "POST", "/cookies")
    assert https(client, "GET", "/any").status_code == 200


# Lifetimes, freshness, claims


def test_tokens_that_never_expire(make, clock):
    app = make(JWT_ACCESS_TOKEN_EXPIRES=False, JWT_REQUIRED_CLAIMS=[])
    forever = token(app)
    assert "exp" not in pyjwt.decode(
        forever, SECRET, ["HS256"], options={"verify_iat": False, "verify_nbf": False}
    )
    clock.tick(10 * 366 * 86400)
    assert app.test_client().get("/any", headers=bearer(forever)).status_code == 200


def test_lifetime_under_either_name(make, clock):
    for name in ("JWT_ACCESS_TOKEN_EXPIRES", "JWT_EXPIRATION_DELTA"):
        app = make(**{name: timedelta(seconds=60)})
        short = bearer(token(app))
        clock.tick(69)
        assert app.test_client().get("/any", headers=short).status_code == 200
        clock.tick(1)
        assert app.test_client().get("/any", headers=short).status_code == 401


@pytest.mark.parametrize(
    ("options", "is_fresh", "is_new"),
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
def test_freshness(make, options, is_fresh, is_new):
    app = make()
    headers = bearer(token(app, **options))
    client = app.test_client()
    assert client.get("/fresh", headers=headers).status_code == (200 if is_fresh else 401)
    response = client.get("/fresh-for-a-minute", headers=headers)
    assert response.status_code == (200 if is_new else 401)


def test_freshness_passes(make, clock):
    app = make()
    headers = bearer(token(app, fresh=timedelta(seconds=30)))
    assert app.test_client().get("/fresh", headers=headers).status_code == 200
    clock.tick(31)
    response = app.test_client().get("/fresh", headers=headers)
    assert response.get_json()["code"] == "insufficient_user_authentication"


def test_identity_claim(make):
    app = make(JWT_IDENTITY_CLAIM="uid")
    good = token(app)
    with app.app_context():
        assert decode_token(good)["uid"] == 1
        assert "identity" not in decode_token(good)
    assert app.test_client().get("/any", headers=bearer(good)).get_json()["id"] == 1


def test_sub_as_text_only_where_asked(make):
    app = make(JWT_VERIFY_SUB=True, JWT_IDENTITY_CLAIM="sub")
    with pytest.warns(UserWarning, match=r"JWT_VERIFY_SUB = False"):
        number = token(app)
    response = app.test_client().get("/any", headers=bearer(number))
    assert "Subject must be a string" in response.get_json()["description"]


def test_decode_token_may_forgive_age_alone(make, clock):
    app = make()
    old = token(app)
    clock.tick(1000)
    with app.app_context():
        assert decode_token(old, allow_expired=True)["identity"] == 1
        with pytest.raises(TokenExpired) as expired:
            decode_token(old)
        assert expired.value.jwt_data["identity"] == 1
        with pytest.raises(TokenInvalid):
            decode_token(old[:-4], allow_expired=True)
        refresh = create_refresh_token(1)
        with pytest.raises(WrongTokenType):
            decode_token(refresh)
        assert decode_token(refresh, refresh=True)["type"] == "refresh"
        assert decode_token(refresh, verify_type=False)["type"] == "refresh"


def test_csrf_value_compared_by_hand(make):
    app = make()
    with app.app_context():
        good = token(app)
        flask_jwt.check_csrf_token(good, get_csrf_token(good))
        for wrong in ("", "x", "é", "\ud800"):
            with pytest.raises(CsrfFailed):
                flask_jwt.check_csrf_token(good, wrong)


# Loaders


def test_user_identity_loader(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    jwt.user_identity_loader(lambda user: f"user-{user}")
    assert app.test_client().get("/any", headers=bearer(token(app))).get_json()["id"] == "user-1"


def test_additional_claims_and_headers_loaders(make, clock):
    jwt = JWT(authentication_handler=lambda name, password: User(1), clock=clock)
    claims, headers = {"role": "admin"}, {"foo": "bar"}
    jwt.additional_claims_loader(lambda identity: claims)
    jwt.additional_headers_loader(lambda identity: headers)
    app = make(jwt)
    by_hand = token(app, claims={"more": 1}, headers={"cty": "x"})
    by_login = login(app.test_client()).get_json()["access_token"]
    for issued in (by_hand, by_login):
        assert pyjwt.get_unverified_header(issued)["foo"] == "bar"
        with app.app_context():
            assert decode_token(issued)["role"] == "admin"
    assert claims == {"role": "admin"}
    assert headers == {"foo": "bar"}


def test_key_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    secrets = {"1": "the-secret-of-the-first-tenant-x", "2": "the-secret-of-the-second-tenant-"}
    jwt.encode_key_loader(lambda identity: secrets["1"])
    jwt.decode_key_loader(lambda header, payload: secrets[header.get("tenant", "1")])
    client = app.test_client()
    assert client.get("/any", headers=bearer(token(app))).status_code == 200
    other = bearer(token(app, headers={"tenant": "2"}))
    assert client.get("/any", headers=other).get_json()["description"] == (
        "Signature verification failed"
    )
    assert client.get("/any", headers=bearer("no.token")).status_code == 401


def test_a_key_loader_may_refuse(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    good = token(app)

    @jwt.decode_key_loader
    def no_key(header, payload):
        raise pyjwt.InvalidTokenError("no such tenant")

    response = app.test_client().get("/any", headers=bearer(good))
    assert (response.status_code, response.get_json()["description"]) == (401, "no such tenant")


def test_blocklist_and_verification_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    good = token(app)
    client = app.test_client()
    assert client.get("/any", headers=bearer(good)).status_code == 200
    seen = []

    @jwt.token_in_blocklist_loader
    def is_listed(header, payload):
        seen.append((header["alg"], payload["identity"]))
        return payload["jti"] in listed

    listed = set()
    assert client.get("/any", headers=bearer(good)).status_code == 200
    with app.app_context():
        listed.add(decode_token(good)["jti"])
    assert client.get("/any", headers=bearer(good)).get_json()["code"] == "token_revoked"
    assert client.get("/optional", headers=bearer(good)).status_code == 401
    assert seen == [("HS256", 1)] * 3
    listed.clear()
    jwt.token_verification_loader(lambda header, payload: payload["identity"] == 2)
    assert client.get("/any", headers=bearer(good)).get_json()["code"] == "token_refused"


def test_async_loaders(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)

    @jwt.token_in_blocklist_loader
    async def is_listed(header, payload):
        return payload["identity"] == 1

    response = app.test_client().get("/any", headers=bearer(token(app)))
    assert response.get_json()["code"] == "token_revoked"


def test_nothing_is_known_of_a_refused_token(make, clock):
    jwt = JWT(clock=clock)
    app = make(jwt)
    jwt.token_verification_loader(lambda header, payload: False)

    @app.get("/tolerant")
    def tolerant():
        with suppress(flask_jwt.JWTError):
            flask_jwt.verify_jwt_in_request()
        return jsonify(claims=get_jwt(), user=current_identity._get_current_object())

    response = app.test_client().get("/tolerant", headers=bearer(token(app)))
    assert response.get_json() == {"claims": {}, "user": None}


def test_decode_algorithms(make, clock):
    app = make(JWT_DECODE_ALGORITHMS=["HS512"], JWT_SECRET_KEY=SECRET * 2)
    now = int(Clock()())
    claims = {"identity": 1, "iat": now, "nbf": now, "exp": now + 60}
    for algorithm, status in (("HS512", 200), ("HS256", 200), ("HS384", 401)):
        made = pyjwt.encode(claims, SECRET * 2, algorithm)
        assert app.test_client().get("/any", headers=bearer(made)).status_code == status
