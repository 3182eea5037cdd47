"""``flask_jwt.testing`` and the pytest plugin: what tests of applications use."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask, current_app, g, jsonify, request

import flask_jwt.testing
from flask_jwt import (
    JWT,
    create_access_token,
    create_refresh_token,
    extended,
    get_jwt,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
)
from flask_jwt._cli import jwt_cli
from flask_jwt.errors import ConfigError, StoreUnavailable
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock, JWTClient, freeze, jwt_headers
from tests.support import OTHER_SECRET, ROOT, SECRET, User, make_app

SOURCE = Path(flask_jwt.testing.__file__).parent.parent
JOE = User(1)


GUARDS = {"/me": {}, "/fresh": {"fresh": True}, "/lately": {"fresh": timedelta(minutes=5)}}


def build(jwt=JWT, **config):
    """Make an application in real time, whose views show the claims of the token."""
    options = {"users": [JOE], "clock": time.time, "guards": GUARDS, "show": get_jwt}
    return make_app(jwt, TESTING=True, **options, **config)


def with_sessions(**config):
    return build(JWT_STORAGE_URI="memory://", **config)


def status(client, url="/me", **options):
    return client.get(url, **options).status_code


def claims_of(client, **options):
    response = client.get("/me", **options)
    assert response.status_code == 200, response.text
    return response.json


# jwt_headers


@pytest.mark.parametrize(
    ("config", "name", "begins"),
    [
        ({}, "Authorization", "JWT ey"),
        ({"JWT_AUTH_HEADER_PREFIX": "Token"}, "Authorization", "Token ey"),
        ({"JWT_HEADER_TYPE": "Bearer"}, "Authorization", "Bearer ey"),
        ({"JWT_HEADER_TYPE": "", "JWT_HEADER_NAME": "X-Token"}, "X-Token", "ey"),
    ],
)
def test_headers_are_as_configured(config, name, begins):
    app = build(**config)
    headers = jwt_headers(JOE, app=app)
    assert list(headers) == [name]
    assert headers[name].startswith(begins)
    assert status(app.test_client(), headers=headers) == 200


@pytest.mark.parametrize("identity", [1, {"id": 1}, JOE], ids=["id", "dict", "object"])
def test_headers_take_what_an_authentication_handler_returns(identity):
    app = build()
    assert claims_of(app.test_client(), headers=jwt_headers(identity, app=app))["identity"] == 1


def test_headers_hold_the_claims_of_a_login_and_more():
    app = build()
    app.jwt.additional_claims_loader(lambda identity: {"team": "a", "role": "user"})
    app.jwt.jwt_headers_handler(lambda identity: {"x": 1})
    client = JWTClient(app)
    client.login("joe", "pass")
    usual = claims_of(client)
    with app.app_context():
        headers = jwt_headers(JOE, role="admin")
        claims = claims_of(client, headers=headers)
        assert (
            app.extensions["flask-jwt"].codecs.decode_unverified(headers["Authorization"][4:])[0][
                "x"
            ]
            == 1
        )
    assert set(claims) == set(usual)
    assert (claims["team"], claims["role"], usual["role"]) == ("a", "admin", "user")


def test_headers_may_hold_an_expired_token():
    app = build()
    response = app.test_client().get("/me", headers=jwt_headers(1, app=app, exp=0))
    assert (response.status_code, response.json["code"]) == (401, "token_expired")


def test_headers_are_made_by_custom_handlers():
    app = build()

    @app.jwt.jwt_payload_handler
    def payload(identity):
        now = int(time.time())
        return {"identity": 1, "mine": 2, "iat": now, "nbf": now, "exp": now + 60}

    headers = jwt_headers("whoever", app=app, more=3)
    assert {"mine": 2, "more": 3}.items() <= claims_of(app.test_client(), headers=headers).items()


def test_headers_are_fresh_unless_told_otherwise():
    app = build()
    client = app.test_client()
    for url in ("/fresh", "/lately"):
        assert status(client, url, headers=jwt_headers(1, app=app)) == 200
        assert status(client, url, headers=jwt_headers(1, app=app, fresh=False)) == 401


def test_headers_need_an_application():
    with pytest.raises(RuntimeError, match="app=app"):
        jwt_headers(1)


@pytest.mark.parametrize("use", [lambda app: jwt_headers(1, app=app), lambda app: JWTClient(app).login_as(1), lambda app: freeze(app).__enter__()])  # fmt: skip
def test_an_application_without_the_extension_is_an_error(use):
    with pytest.raises(ConfigError, match="init_app"):
        use(Flask("bare"))


def test_headers_for_an_application_that_reads_none_are_an_error():
    with pytest.raises(ConfigError, match="JWT_TOKEN_LOCATION"):
        jwt_headers(1, app=build(JWT_TOKEN_LOCATION=["cookies"]))


def test_headers_use_an_open_application_context():
    app, other = build(), build()
    seen = []
    for each in (app, other):
        each.jwt.user_identity_loader(lambda user: seen.append((current_app.jwt, g.get("db"))) or 1)
    with app.app_context():
        g.db = "open"
        jwt_headers(JOE, app=app)
        jwt_headers(JOE, app=other)
    assert seen == [(app.jwt, "open"), (other.jwt, None)]


# JWTClient


def test_a_client_is_anonymous_at_first():
    assert status(JWTClient(build())) == 401


@pytest.mark.parametrize(
    "config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["plain", "sessions"]
)
def test_login_and_logout(config):
    app = build(
        JWT_AUTH_USERNAME_KEY="mail",
        JWT_AUTH_PASSWORD_KEY="word",
        JWT_AUTH_URL_RULE="/in",
        **config,
    )
    app.test_client_class = JWTClient
    client = app.test_client()
    response = client.login("joe", "pass")
    assert response.json["access_token"] == client.access_token
    assert response.json.get("refresh_token") == client.refresh_token
    token = {"Authorization": f"JWT {client.access_token}"}
    assert claims_of(client)["identity"] == 1
    assert status(client, headers={"Authorization": "JWT x"}) == 401, "a request's own header wins"
    client.logout()
    assert (client.access_token, client.refresh_token, status(client)) == (None, None, 401)
    assert status(client, headers=token) == (401 if config else 200), "a session has ended"


def test_login_takes_more_fields():
    app = with_sessions()
    client = JWTClient(app)
    client.login("joe", "pass", label="phone")
    (device,) = client.get("/auth/sessions").json["sessions"]
    assert device["label"] == "phone"


def test_a_rejected_login_says_why_and_does_not_show_the_password():
    client = JWTClient(build())
    client.login("joe", "pass")
    with pytest.raises(AssertionError) as caught:
        client.login("joe", 'wrong\n"wörd')
    assert str(caught.value) == (
        "POST /auth returned 401 UNAUTHORIZED: invalid_credentials; Bad Request; Invalid credentials"
    )
    assert status(client) == 401, "anonymous, not the user before"


def test_a_password_in_the_response_is_not_shown():
    app = build()

    @app.post("/in")
    def log_in():
        return {"msg": f"no {request.json['password']}", "echo": request.json}, 400

    with pytest.raises(AssertionError) as caught:
        JWTClient(app).login("joe", 'secrét"', url="/in")
    assert str(caught.value) == "POST /in returned 400 BAD REQUEST: no …"


def test_a_response_without_a_token_is_no_login():
    app = build()
    app.jwt.auth_response_handler(lambda token, identity: {"token": token})
    client = JWTClient(app)
    with pytest.raises(AssertionError, match=r"without an access_token.*use_tokens"):
        client.login("joe", "pass")
    client.use_tokens(
        client.post("/auth", json={"username": "joe", "password": "pass"}).json["token"]
    )
    assert status(client) == 200


@pytest.mark.parametrize("build", [build, with_sessions])
def test_login_as_needs_no_password(build):
    app = build()
    app.jwt.authentication_handler(None)
    client = JWTClient(app)
    client.login_as(JOE, role="admin")
    claims = claims_of(client)
    assert (claims["identity"], claims["role"]) == (1, "admin")
    assert status(client, "/lately") == 200
    assert ("sid" in claims) == (app.extensions["flask-jwt"].sessions is not None)
    client.login_as("unknown")
    assert status(client) == 401, "the identity handler is asked"


def test_each_client_has_its_own_session():
    app = with_sessions()
    phone, desk = JWTClient(app), JWTClient(app)
    phone.login_as(1)
    desk.login_as(1)
    phone.logout(scope="others")
    assert (status(phone), status(desk)) == (200, 401)
    phone.logout(scope="global")
    assert status(phone) == 401


def test_refresh_replaces_both_tokens():
    app = with_sessions()
    client = JWTClient(app)
    with freeze(app) as clock:
        client.login("joe", "pass")
        before = client.access_token, client.refresh_token
        clock.tick(3600)
        assert status(client) == 401
        assert client.refresh().json["access_token"] == client.access_token
        assert before[0] != client.access_token
        assert before[1] != client.refresh_token
        assert status(client) == 200
        assert status(client, "/fresh") == 401
        client.use_tokens(*before)
        clock.tick(31)
        with pytest.raises(AssertionError, match="POST /auth/refresh returned 401.*refresh_reused"):
            client.refresh()


def test_a_rejected_refresh_changes_nothing():
    client = JWTClient(with_sessions())
    client.login_as(1)
    client.use_tokens(client.access_token)
    with pytest.raises(AssertionError, match="POST /auth/refresh returned 401.*token_missing"):
        client.refresh()
    assert status(client) == 200


def test_a_logout_works_after_the_access_token_has_expired():
    app = with_sessions()
    client = JWTClient(app)
    with freeze(app) as clock:
        client.login_as(1)
        clock.tick(3600)
        client.logout()
    with app.app_context():
        assert app.jwt.sessions.count()["revoked"] == 1


def test_a_rejected_logout_says_why():
    client = JWTClient(with_sessions())
    with pytest.raises(AssertionError, match="POST /auth/logout returned 401.*token_missing"):
        client.logout()


def test_a_missing_endpoint_is_an_error_that_says_what_to_write():
    with pytest.raises(ConfigError, match="JWT_STORAGE_URI"):
        JWTClient(build()).refresh()
    client = JWTClient(with_sessions(JWT_AUTH_URL_RULE=None))
    for call in (lambda: client.login("joe", "pass"), client.refresh, client.logout):
        with pytest.raises(ConfigError, match=r"url=.*login_as"):
            call()


def test_a_location_that_no_client_supports_is_an_error():
    client = JWTClient(build(JWT_TOKEN_LOCATION=["query_string"]))
    with pytest.raises(ConfigError, match="create_access_token"):
        client.login_as(1)


def test_a_client_may_do_without_cookies():
    app = build()
    app.test_client_class = JWTClient
    client = app.test_client(use_cookies=False)
    client.login("joe", "pass")
    assert status(client) == 200


# cookies


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"SERVER_NAME": "example.test:8000"},
        {"SERVER_NAME": "api.example.test", "JWT_COOKIE_DOMAIN": ".example.test"},
        {"JWT_ACCESS_COOKIE_NAME": "a", "JWT_ACCESS_COOKIE_PATH": "/me"},
    ],
)
def test_a_client_carries_tokens_in_cookies(config):
    client = JWTClient(build(JWT_TOKEN_LOCATION="cookies", **config))
    client.login_as(1, role="admin")
    assert claims_of(client)["role"] == "admin"
    assert "HTTP_AUTHORIZATION" not in client.environ_base
    client.use_tokens(None)
    assert status(client) == 401
    client.login("joe", "pass")
    assert status(client) == 200


def add_cookie_views(app):
    """Add views for login, refresh and logout, as applications of Flask-JWT-Extended have."""

    @app.post("/in")
    def log_in():
        response = jsonify(msg="welcome")
        set_access_cookies(response, create_access_token(1))
        set_refresh_cookies(response, create_refresh_token(1))
        return response

    @app.post("/again")
    @jwt_required(refresh=True)
    def refresh():
        response = jsonify(msg="again")
        set_access_cookies(response, create_access_token(1, claims={"again": True}))
        return response

    @app.post("/out")
    def log_out():
        response = jsonify(msg="bye")
        flask_jwt.unset_jwt_cookies(response)
        return response


@pytest.mark.parametrize("locations", [["cookies"], ["cookies", "headers"]])
def test_a_client_uses_custom_views_with_cookies(locations):
    app = build(JWT_TOKEN_LOCATION=locations, JWT_COOKIE_CSRF_PROTECT=False)
    add_cookie_views(app)
    client = JWTClient(app)
    client.login("joe", "pass", url="/in")
    assert "again" not in claims_of(client)
    client.refresh(url="/again")
    assert claims_of(client)["again"] is True
    client.logout(url="/out")
    assert status(client) == 401
    client.login("joe", "pass", url="/in")
    client.login_as(1, role="admin")
    assert claims_of(client)["role"] == "admin", "the cookie of the user before is deleted"


def test_the_access_token_may_be_in_json_and_the_refresh_token_in_a_cookie():
    app = with_sessions(JWT_TOKEN_LOCATION=["headers", "cookies"], JWT_COOKIE_CSRF_PROTECT=False)

    @app.post("/in")
    def log_in():
        response = jsonify(access_token=create_access_token(1))
        set_refresh_cookies(response, create_refresh_token(1))
        return response

    @app.post("/again")
    @jwt_required(refresh=True)
    def refresh():
        return jsonify(access_token=create_access_token(1, claims={"again": True}))

    client = JWTClient(app)
    client.login("joe", "pass", url="/in")
    assert "again" not in claims_of(client)
    client.refresh(url="/again")
    assert claims_of(client)["again"] is True
    client.use_tokens(None)
    with pytest.raises(AssertionError, match="401"):
        client.refresh(url="/again")


def test_a_client_uses_the_endpoints_with_cookies():
    app = with_sessions(JWT_TOKEN_LOCATION=["cookies"])
    client = JWTClient(app)
    with freeze(app) as clock:
        assert client.login("joe", "pass").status_code == 204
        for again in (False, True):
            if again:
                client.login_as(1)
            assert client.post("/me").status_code == 200
            other_site = {"Sec-Fetch-Site": "cross-site"}
            assert client.post("/me", headers=other_site).status_code == 403
            before = claims_of(client)
            clock.tick(1)
            client.refresh()
            assert claims_of(client)["jti"] != before["jti"]
            clock.tick(3600)
            assert claims_of(client)["sid"] == before["sid"], "renewed by the guard"
            client.logout()
            assert status(client) == 401


# JWTManager


@pytest.fixture
def extended_app():
    manager = extended.JWTManager()
    manager.user_lookup_loader(lambda header, data: JOE if data["sub"] == "1" else None)
    manager.user_identity_loader(lambda user: str(getattr(user, "id", user)))
    app = build(manager, JWT_SECRET_KEY=SECRET)

    @app.post("/login")
    def log_in():
        if request.json != {"username": "joe", "password": "pass"}:
            return jsonify(msg="Bad username or password"), 401
        return jsonify(
            access_token=extended.create_access_token(JOE, fresh=True),
            refresh_token=extended.create_refresh_token(JOE),
        )

    @app.post("/refresh")
    @extended.jwt_required(refresh=True)
    def refresh():
        return jsonify(access_token=extended.create_access_token(extended.get_jwt_identity()))

    @app.get("/name")
    @extended.jwt_required()
    def name():
        return extended.current_user.username

    return app


def test_headers_for_jwtmanager(extended_app):
    client = extended_app.test_client()
    headers = jwt_headers(JOE, app=extended_app, role="admin")
    assert headers["Authorization"].startswith("Bearer ")
    assert client.get("/name", headers=headers).text == "joe"
    claims = claims_of(client, headers=headers)
    assert (claims["sub"], claims["role"], claims["fresh"]) == ("1", "admin", True)
    for fresh, expected in ((True, 200), (False, 401)):
        headers = jwt_headers(JOE, app=extended_app, fresh=fresh)
        assert status(client, "/fresh", headers=headers) == expected


def test_a_client_for_jwtmanager(extended_app):
    client = JWTClient(extended_app)
    with pytest.raises(AssertionError, match="returned 401 UNAUTHORIZED: Bad username or password"):
        client.login("joe", "wrong", url="/login")
    client.login("joe", "pass", url="/login")
    assert status(client, "/fresh") == 200
    client.refresh(url="/refresh")
    assert (status(client), status(client, "/fresh")) == (200, 401)
    client.refresh(url="/refresh")
    client.logout()
    assert status(client) == 401
    client.login_as(JOE)
    assert client.get("/name").text == "joe"


def test_a_clock_for_jwtmanager(extended_app):
    client = JWTClient(extended_app)
    with freeze(extended_app) as clock:
        client.login_as(JOE)
        clock.tick(timedelta(minutes=15))
        assert client.get("/me").json == {"msg": "Token has expired"}


# The clock


def test_a_clock_stands_still_until_it_ticks():
    clock = Clock()
    assert clock() == clock.now == 1_800_000_000
    clock.tick(1.5)
    clock.tick(timedelta(days=1))
    assert clock() == 1_800_086_401.5
    date = datetime(2030, 1, 1, tzinfo=timezone.utc)
    assert Clock(date)() == date.timestamp()
    with pytest.raises(ValueError, match="time zone"):
        Clock(datetime(2030, 1, 1))


def test_freeze_stops_the_clock_of_the_application():
    app, before = build(), time.time()
    with freeze(app) as clock:
        assert 0 <= clock.now - before <= 60
        assert clock.now == int(clock.now)
    own = Clock(5000.7)
    app = build(JWT(clock=own))
    with freeze(app) as clock:
        assert clock() == 5001
        own.tick(10)
        assert clock() == 5001


def test_freeze_sets_the_time_and_restores_it():
    app = build()
    client = JWTClient(app)
    with freeze(app, at=datetime(2030, 1, 1, tzinfo=timezone.utc)):
        client.login_as(1)
        assert claims_of(client)["iat"] == 1893456000
        with freeze(app, at=0):
            assert status(client) == 401
        assert status(client) == 200
    assert status(client) == 401
    client.login_as(1)
    assert abs(claims_of(client)["iat"] - time.time()) < 60


def test_freeze_ends_if_a_test_fails():
    app = build()
    with pytest.raises(KeyError), freeze(app, at=0):
        raise KeyError
    assert status(app.test_client(), headers=jwt_headers(1, app=app, exp=time.time() + 5)) == 200


def test_freeze_changes_one_application_only():
    app = build()
    other = make_app(app.jwt, SECRET_KEY=OTHER_SECRET)
    with freeze(app, at=0):
        assert other.extensions["flask-jwt"].clock.now() > 0


def test_freshness_follows_the_clock():
    app = build()
    client = JWTClient(app)
    with freeze(app) as clock:
        client.login_as(1)
        clock.tick(300)
        assert status(client, "/lately") == 200
        clock.tick(1)
        assert status(client, "/lately") == 401


def test_sessions_follow_the_clock():
    app = with_sessions(JWT_SESSION_IDLE=3600, JWT_REFRESH_TOKEN_EXPIRES=7200)
    client = JWTClient(app)
    with freeze(app) as clock:
        client.login_as(1)
        first = client.refresh_token
        client.refresh()
        second = client.refresh_token
        clock.tick(30)
        client.use_tokens(None, first)
        client.refresh()
        assert client.refresh_token == second, "within the grace"
        clock.tick(3569)
        client.refresh()
        clock.tick(3600)
        with pytest.raises(AssertionError, match="token_expired"):
            client.refresh()


def test_login_limits_follow_the_clock_and_end_with_it():
    app = build(JWT_LOGIN_LIMITS="2/minute")
    client = JWTClient(app)

    def fail():
        response = client.post("/auth", json={"username": "joe", "password": "wrong"})
        return response.status_code

    assert [fail() for _ in range(3)] == [401, 401, 429]
    with freeze(app) as clock:
        assert fail() == 429, "they are not forgotten"
        clock.tick(60)
        client.login("joe", "pass")
        clock.tick(timedelta(days=1))
        assert [fail() for _ in range(3)] == [401, 401, 429]
    client.login("joe", "pass")


@pytest.fixture
def two(tmp_path):
    """Two applications with one store, as in two processes."""
    store = MemoryStore()

    def process():
        return build(store=store)

    return process(), process()


def revoke(app, client):
    with app.app_context():
        sid = app.extensions["flask-jwt"].codecs.decode_unverified(client.access_token)[1]["sid"]
        assert app.jwt.sessions.revoke(sid)


def test_revocations_by_another_process_follow_the_clock(two):
    here, there = two
    client = JWTClient(here)
    with freeze(here) as clock:
        client.login_as(1)
        assert status(client) == 200
        revoke(there, client)
        assert status(client) == 200, "it may be 10 s late"
        clock.tick(10)
        assert client.get("/me").json["code"] == "token_revoked"


def test_revocations_by_another_process_are_known_after_the_clock(two):
    here, there = two
    old, new = JWTClient(here), JWTClient(here)
    old.login_as(1)
    new.login_as(1)
    assert status(old) == 200
    revoke(here, old)
    with freeze(here) as clock:
        assert status(old) == 401
        clock.tick(timedelta(days=20))
        other = JWTClient(here)
        other.login_as(1)
        assert status(other) == 200
    revoke(there, new)
    assert status(old) == 401, "this was known before, and had been forgotten"
    assert status(new) == 401, "this is new"


def test_an_outage_follows_the_clock_and_ends_with_it():
    class Down(MemoryStore):
        is_down = False

        def create(self, session):
            if self.is_down:
                raise StoreUnavailable
            super().create(session)

    store = Down()
    app = build(store=store)
    client = JWTClient(app)
    with freeze(app) as clock:
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            client.login_as(1)
        store.is_down = False
        with pytest.raises(StoreUnavailable):
            client.login_as(1)
        clock.tick(1)
        client.login_as(1)
        clock.tick(3600)
        store.is_down = True
        with pytest.raises(StoreUnavailable):
            client.login_as(1)
        store.is_down = False
    client.login_as(1)
    assert status(client) == 200


def keys(app, *arguments):
    done = app.test_cli_runner().invoke(jwt_cli, ["keys", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def app_with_key_file(tmp_path):
    path = str(tmp_path / "keys.json")
    keys(build(), "generate", "--file", path)
    return build(JWT_KEY_FILE=path, JWT_ALGORITHM="EdDSA")


def test_keys_follow_the_clock(app_with_key_file):
    app = app_with_key_file
    client = JWTClient(app)

    def states():
        return [key["state"] for key in json.loads(keys(app, "list", "--json"))]

    with freeze(app) as clock:
        client.login_as(1)
        keys(app, "rotate")
        assert states() == ["active", "pending"]
        clock.tick(timedelta(days=1))
        assert states()[1] == "active"
        first = client.access_token
        client.login_as(1)
        assert status(client) == 200
        with app.app_context():
            read = app.extensions["flask-jwt"].codecs.decode_unverified
            assert read(first)[0]["kid"] != read(client.access_token)[0]["kid"]
    assert (
        app.extensions["flask-jwt"].codecs.access().keys.active(time.time()).kid
        == read(first)[0]["kid"]
    )


def test_the_key_file_is_checked_after_the_clock(monkeypatch, request):
    passed = Clock(1000)
    monkeypatch.setattr(time, "monotonic", passed)
    app = request.getfixturevalue("app_with_key_file")
    published = app.test_client()
    with freeze(app):
        assert len(published.get("/.well-known/jwks.json").json["keys"]) == 1
    assert len(published.get("/.well-known/jwks.json").json["keys"]) == 1
    keys(app, "rotate")
    passed.tick(1)
    assert len(published.get("/.well-known/jwks.json").json["keys"]) == 2


# The plugin


@pytest.fixture
def run_pytest(tmp_path, monkeypatch):
    """Run pytest in another project, with the plugin of this package, installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def run(*args, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        line = [sys.executable, "-m", "pytest", "-p", "_flask_jwt_pytest", *args]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_examples_pass(run_pytest, tmp_path):
    shutil.copytree(ROOT / "examples/testing", tmp_path, dirs_exist_ok=True)
    code, output = run_pytest("-rA")
    passed = re.findall(r"^PASSED (\S+)", output, re.MULTILINE)
    assert (code, len(passed)) == (0, 8), output


CONFTEST = """
import pytest
from flask import Flask
from flask_jwt import JWT, jwt_required

@pytest.fixture(scope="session", params=["one", "other"])
def app(request):
    app = Flask(request.param)
    app.config.update(SECRET_KEY="a-secret-of-32-bytes-for-testing")
    JWT(app, lambda name, password: None, lambda payload: 1)
    app.add_url_rule("/me", view_func=jwt_required()(lambda: app.name))
    return app
"""


def test_fixtures_on_an_application_of_another_scope(run_pytest):
    code, output = run_pytest(
        conftest=CONFTEST,
        test_it="""
import time

def test_stopped(app, jwt_client, jwt_clock):
    assert jwt_client.application is app
    jwt_client.login_as(1)
    assert jwt_client.get("/me").text == app.name
    jwt_clock.tick(310)
    assert jwt_client.get("/me").status_code == 401

def test_runs_again_and_is_nobody(app, jwt_client):
    assert app.extensions["flask-jwt"].clock.now is time.time
    assert jwt_client.get("/me").status_code == 401
""",
    )
    assert (code, "4 passed" in output) == (0, True), output


@pytest.mark.parametrize("fixture", ["jwt_client", "jwt_clock"])
def test_a_missing_app_fixture_is_explained(run_pytest, fixture):
    code, output = run_pytest(test_it=f"def test_it({fixture}):\n    pass\n")
    assert code == 1
    assert "fixture 'app' not found" in output
    assert "Needs a fixture `app` that returns your Flask application" in output


def test_a_rejected_login_fails_at_the_line_of_the_test_without_the_password(run_pytest):
    code, output = run_pytest(
        conftest=CONFTEST,
        test_it="""
def test_it(jwt_client):
    jwt_client.login("joe", "".join(["hun", "ter", "2"]))
""",
    )
    assert code == 1
    assert "AssertionError: POST /auth returned 401 UNAUTHORIZED: invalid_credentials" in output
    assert "test_it.py:3: AssertionError" in output
    assert "hunter2" not in output


def test_a_run_without_the_fixtures_never_loads_the_package(run_pytest):
    code, output = run_pytest(
        test_it="""
import sys

def test_it():
    assert not {"flask", "flask_jwt"} & set(sys.modules)
"""
    )
    assert code == 0, output


def test_the_plugin_is_declared():
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nflask_jwt = "_flask_jwt_pytest"\n' in text
    assert (SOURCE / "_flask_jwt_pytest.py").exists()


def test_the_module_does_not_need_pytest():
    tree = ast.parse(Path(flask_jwt.testing.__file__).read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert named & {"pytest", "_pytest"} == set()
    code = "import sys, flask_jwt.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
