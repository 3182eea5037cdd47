"""The files of examples/extended: each one is run and used."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import jwt as pyjwt
import pytest
from jwt.algorithms import RSAAlgorithm

from flask_jwt._cli import jwt_cli
from flask_jwt.extended import create_access_token, decode_token
from tests.support import bearer, rsa_key

EXAMPLES = Path(__file__).parent.parent / "examples" / "extended"


@pytest.fixture
def start():
    """Run an example, and return a test client of its application."""

    def run(name):
        space = {"__name__": name}
        exec(
            compile((EXAMPLES / f"{name}.py").read_text(), f"{name}.py", "exec", dont_inherit=True),
            space,
        )
        return space["app"].test_client()

    return run


def logged_in(client, path="/login", key="access_token", **arguments):
    return bearer(client.post(path, **arguments).get_json()[key])


def status(client, path, headers=None, method="GET"):
    return client.open(path, method=method, headers=headers).status_code


def test_simple(start):
    client = start("simple")
    good = {"username": "ada", "password": "engine"}
    assert client.post("/login", json={**good, "password": "x"}).status_code == 401
    assert client.get("/me").get_json() == {"msg": "Missing Authorization Header"}
    assert client.get("/me", headers=logged_in(client, json=good)).get_json() == {"name": "ada"}


def test_additional_claims(start):
    client = start("additional_claims")
    response = client.get("/where", headers=logged_in(client, "/login/grace"))
    assert response.get_json() == {"shop": "New York", "till": 4}


def test_user_loading(start):
    client = start("user_loading")
    headers = logged_in(client)
    assert client.get("/me", headers=headers).get_json() == {"name": "ada"}
    client.application.view_functions["login"].__globals__["users"].clear()
    assert status(client, "/me", headers) == 401


def test_optional(start):
    client = start("optional")
    assert client.get("/greeting").get_json() == {"hello": "stranger"}
    assert client.get("/greeting", headers=logged_in(client)).get_json() == {"hello": "ada"}
    assert status(client, "/greeting", bearer("a.b.c")) == 422


def test_refresh_tokens(start):
    client = start("refresh_tokens")
    access, refresh = logged_in(client), logged_in(client, key="refresh_token")
    assert status(client, "/me", refresh) == 422
    assert status(client, "/refresh", access, "POST") == 422
    assert status(client, "/me", logged_in(client, "/refresh", headers=refresh)) == 200


def test_freshness(start):
    client = start("freshness")
    fresh, refresh = logged_in(client), logged_in(client, key="refresh_token")
    assert status(client, "/address", fresh, "POST") == 200
    stale = logged_in(client, "/refresh", headers=refresh)
    assert status(client, "/orders", stale) == 200
    rejected = client.post("/address", headers=stale)
    assert (rejected.status_code, rejected.get_json()) == (401, {"msg": "Fresh token required"})


def test_locations(start):
    client = start("locations")
    token = client.post("/login", base_url="https://localhost").get_json()["access_token"]

    def found(other=client, **arguments):
        return other.open("/where", **arguments).get_json()["found_in"]

    assert found(base_url="https://localhost") == "cookies"
    assert found(base_url="https://localhost", headers=bearer(token)) == "headers"
    stranger = client.application.test_client()
    assert found(stranger, query_string={"jwt": token}) == "query_string"
    assert found(stranger, method="POST", json={"access_token": token}) == "json"
    assert status(stranger, f"/download?jwt={token}") == 200
    assert status(stranger, "/download", bearer(token)) == 401
    client.post("/logout", base_url="https://localhost")
    assert status(client, "/where") == 401


def test_csrf_cookies(start):
    client = start("csrf_cookies")
    here = {"base_url": "https://localhost"}
    client.post("/login", **here)
    proof = client.get_cookie("csrf_access_token").value
    assert client.post("/transfer", **here).get_json() == {"msg": "Missing CSRF token"}
    response = client.post("/transfer", headers={"X-CSRF-TOKEN": proof}, **here)
    assert response.get_json() == {"from": "ada"}
    client.post("/logout", **here)
    assert client.post("/transfer", headers={"X-CSRF-TOKEN": proof}, **here).status_code == 401


@pytest.mark.parametrize(("minutes", "is_renewed"), [(20, True), (50, False)])
def test_implicit_refresh(start, minutes, is_renewed):
    client = start("implicit_refresh")
    with client.application.app_context():
        old = create_access_token("ada", expires_delta=timedelta(minutes=minutes))
    client.set_cookie("access_token_cookie", old)
    response = client.get("/me", base_url="https://localhost")
    assert response.get_json() == {"name": "ada"}
    assert ("Set-Cookie" in response.headers) == is_renewed
    if is_renewed:
        with client.application.app_context():
            left = decode_token(client.get_cookie("access_token_cookie").value)["exp"]
            assert left > decode_token(old)["exp"]
    assert client.application.test_client().get("/me").status_code == 401


def test_sessions(start):
    client = start("sessions")
    good = {"username": "ada", "password": "engine"}
    assert client.post("/login", json={**good, "password": "x"}).status_code == 401
    phone = client.post("/login", json={**good, "device": "phone"}).get_json()
    laptop = client.post("/login", json={**good, "device": "laptop"}).get_json()
    access = bearer(laptop["access_token"])
    assert client.get("/me", headers=access).get_json()["name"] == "ada"
    devices = client.get("/devices", headers=access).get_json()["sessions"]
    assert {device["label"] for device in devices} == {"phone", "laptop"}
    renewed = client.post("/refresh", headers=bearer(phone["refresh_token"])).get_json()
    stale = bearer(renewed["access_token"])
    assert status(client, "/me", stale) == 200
    assert client.post("/password", headers=access).get_json() == {"logged_out": 1}
    assert client.get("/me", headers=stale).get_json() == {"msg": "Token has been revoked"}
    with client.application.app_context():  # as a program without sessions has issued it
        before = bearer(create_access_token("ada", fresh=True))
    assert client.get("/me", headers=before).get_json() == {"name": "ada", "session": None}
    assert client.post("/password", headers=before).get_json() == {"logged_out": 1}
    assert status(client, "/me", access) == 401
    again = bearer(client.post("/login", json=good).get_json()["access_token"])
    assert status(client, "/logout", again, "POST") == 200
    assert status(client, "/me", again) == 401


def test_subject_must_be_a_string(start):
    """What docs/migrating/flask-jwt-extended.md says of tokens whose subject is a number."""
    client = start("simple")
    config, secret = client.application.config, client.application.secret_key
    now = int(time.time())
    claims = {"iat": now, "nbf": now, "exp": now + 60, "jti": "1", "type": "access", "fresh": False}
    key = config.get("JWT_SECRET_KEY") or secret
    number, string = (
        bearer(pyjwt.encode({**claims, "sub": sub}, key, algorithm="HS256")) for sub in (1, "1")
    )
    assert client.get("/me", headers=number).get_json() == {"msg": "Subject must be a string"}
    assert client.get("/me", headers=string).get_json() == {"name": "1"}
    config["JWT_VERIFY_SUB"] = False
    names = [client.get("/me", headers=each).get_json()["name"] for each in (number, string)]
    assert names == [1, "1"]


def test_sessions_in_cookies(start):
    client = start("sessions_in_cookies")
    here = {"base_url": "https://localhost"}
    assert client.get("/me", **here).status_code == 401
    client.post("/login", **here)
    assert client.get("/me", **here).get_json() == {"name": "ada"}
    client.delete_cookie("access_token_cookie")
    response = client.get("/me", **here)
    assert response.get_json() == {"name": "ada"}
    assert "access_token_cookie" in response.headers["Set-Cookie"]
    client.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}, **here)
    assert client.get("/me", **here).status_code == 401


def test_custom_decorators(start):
    """The recipe of Flask-JWT-Extended, and what replaces it."""
    client = start("custom_decorators")
    admin, other = (logged_in(client, f"/login/{name}") for name in ("ada", "grace"))
    messages = {"/before": "Admins only!", "/after": 'This needs the role "admin"'}
    for path, message in messages.items():
        assert client.get(path).get_json() == {"msg": "Missing Authorization Header"}
        assert client.get(path, headers=admin).get_json() == {"apples": 12}
        rejected = client.get(path, headers=other)
        assert (rejected.status_code, rejected.get_json()) == (403, {"msg": message})
    with client.application.app_context():
        odd = bearer(create_access_token("eve", additional_claims={"roles": "admins, admin"}))
    # The recipe searches a string for the letters.
    assert [status(client, path, odd) for path in messages] == [200, 403]
    challenge = client.get("/after", headers=other).headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    table = client.application.test_cli_runner().invoke(jwt_cli, ["routes"]).output.splitlines()
    rows = {line.split()[0]: line for line in table}
    assert "guarded" in rows["/before"]
    assert "decorator()" in str(table)
    assert rows["/after"].endswith('role "admin"')


def test_loaders(start):
    client = start("loaders")
    assert client.get("/me").get_json()["problem"] == "no token"
    assert client.get("/me", headers=bearer("x")).get_json()["problem"] == "bad token"
    with client.application.app_context():
        old = create_access_token("ada", expires_delta=timedelta(minutes=-1))
    expected = {"problem": "too late", "whose": "ada"}
    assert client.get("/me", headers=bearer(old)).get_json() == expected
    assert status(client, "/me", logged_in(client)) == 200


def test_blocklist_redis(start, redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = start("blocklist_redis")
    ended, other = logged_in(client), logged_in(client)
    assert status(client, "/me", ended) == 200
    assert status(client, "/logout", ended, "POST") == 200
    assert client.get("/me", headers=ended).get_json() == {"msg": "Token has been revoked"}
    assert status(client, "/me", other) == 200
    client.application.view_functions["login"].__globals__["ended"].close()


def test_blocklist_database(start):
    client = start("blocklist_database")
    tokens = client.post("/login").get_json()
    for kind in ("access", "refresh"):
        ended = client.delete("/login", headers=bearer(tokens[f"{kind}_token"]))
        assert ended.get_json() == {"ended": kind}
    rejected = client.get("/me", headers=bearer(tokens["access_token"]))
    assert rejected.get_json() == {"msg": "Token has been revoked"}
    assert status(client, "/me", logged_in(client)) == 200
    with client.application.app_context():
        client.application.extensions["sqlalchemy"].engine.dispose()


def test_identity_provider(start, monkeypatch):
    """test_identity_provider_example.py runs it with the tokens of real providers."""
    key = rsa_key()
    jwk = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "k1", "use": "sig"}
    monkeypatch.setattr(pyjwt.PyJWKClient, "fetch_data", lambda self: {"keys": [jwk]})
    client = start("identity_provider")

    def issued(kid="k1", **claims):
        usual = {
            "iss": "https://login.example.com/realms/shop",
            "aud": ["shop-api", "other"],
            "sub": "f3a1",
            "exp": 4_000_000_000,
        }
        return bearer(pyjwt.encode({**usual, **claims}, key, "RS256", headers={"kid": kid}))

    assert client.get("/me", headers=issued()).get_json() == {"subject": "f3a1"}
    assert status(client, "/me", issued(aud="other")) == 422
    assert status(client, "/me", issued(iss="https://evil.example")) == 422
    assert status(client, "/me", issued(kid="unknown")) == 422


def test_every_example_is_run():
    source = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'start("{path.stem}")' in source
