"""What the pages on keys and issuers say of services that accept the tokens of another one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from jwt import PyJWKClient, get_unverified_header

from flask_jwt import JWT, Issuer, get_jwt_identity, jwt_required
from flask_jwt._cli import jwt_cli
from flask_jwt.testing import FakeIssuer, freeze
from tests.guides import served
from tests.support import ROOT, bearer, code, get, login, run_example


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The URI of the store that the shop of docs/guides/keys.md and other services share."""
    keys = str(tmp_path / "keys/jwt.json")
    run_keys(Flask("tool"), "generate", "--file", keys)
    monkeypatch.setenv("FLASK_JWT_KEY_FILE", keys)
    uri = f"sqlite:///{tmp_path}/sessions.db"
    monkeypatch.setenv("FLASK_JWT_STORAGE_URI", uri)
    return uri


@pytest.fixture
def shop(store, tmp_path, monkeypatch):
    app = run_example("keys/shop.py", tmp_path, monkeypatch)["app"]
    with served(app) as port:
        app.keys_url = f"http://localhost:{port}/.well-known/jwks.json"
        yield app
    app.extensions["jwt"].close(app)


def run_keys(app, *arguments):
    result = app.test_cli_runner().invoke(jwt_cli, ["keys", *arguments])
    assert result.exit_code == 0, result.output


def add_view(app):
    @app.get("/orders")
    @jwt_required()
    def list_orders():
        return {"of": get_jwt_identity()}

    return app


def log_in(shop):
    return login(shop.test_client()).get_json()


def log_out(shop, tokens):
    headers = bearer(tokens["access_token"])
    assert shop.test_client().post("/auth/logout", headers=headers).get_json() == {"revoked": 1}


def test_key_loader_knows_new_keys_and_logouts(shop, store):
    page = (ROOT / "docs/guides/keys.md").read_text()
    assert '`client.get_signing_key(header["kid"])`' in page
    orders = Flask("orders")
    orders.config.update(
        JWT_AUTH_URL_RULE=None,
        JWT_DECODE_ISSUER="shop",
        JWT_DECODE_AUDIENCE="orders",
        JWT_STORAGE_URI=store,
        JWT_REVOCATION_CHECK="always",
    )
    jwt = JWT()
    client = PyJWKClient(shop.keys_url, timeout=5, cooldown_duration=0)
    jwt.decode_key_loader(lambda header, payload: client.get_signing_key(header["kid"]))
    jwt.init_app(add_view(orders))
    before = log_in(shop)
    assert get(orders, "/orders", before["access_token"]).get_json() == {"of": 1}
    assert code(get(orders, "/orders", before["refresh_token"])) == (401, "wrong_token_type")

    with freeze(shop) as clock:
        run_keys(shop, "rotate", "--now")
        clock.tick(2)  # the file is read again once a second
        after = log_in(shop)
    kids = {get_unverified_header(each["access_token"])["kid"] for each in (before, after)}
    assert len(kids) == 2
    for tokens in (before, after):
        assert get(orders, "/orders", tokens["access_token"]).status_code == 200
        log_out(shop, tokens)
        assert code(get(orders, "/orders", tokens["access_token"])) == (401, "token_revoked")
    jwt.close(orders)


def test_issuer_beside_the_store_knows_no_logouts(shop, store):
    orders = Flask("orders")
    orders.config.update(JWT_STORAGE_URI=store, JWT_REVOCATION_CHECK="always")
    jwt = JWT(add_view(orders), issuers=[Issuer("shop", audience="orders", jwks_uri=shop.keys_url)])
    tokens = log_in(shop)
    log_out(shop, tokens)
    assert get(orders, "/orders", tokens["access_token"]).status_code == 200
    jwt.close(orders)


def test_check_is_called_once_and_the_identity_handler_at_each_request():
    calls, accepted = [], {"joe"}
    provider = FakeIssuer("https://idp.test")

    def check(claims):
        calls.append("check")
        return claims["sub"] in accepted

    def load(payload):
        calls.append("load")
        return payload["sub"] if payload["sub"] in accepted else None

    app = add_view(Flask("app"))
    issuer = replace(provider.issuer, check=check, identity_handler=load)
    JWT(app, issuers=[issuer])
    token = provider.token("joe")
    for _ in range(2):
        assert get(app, "/orders", token).status_code == 200
    assert calls == ["check", "load", "load"]
    rejected = get(app, "/orders", provider.token("ann"))
    assert code(rejected) == (401, "token_invalid")
    page = (ROOT / "docs/troubleshooting.md").read_text()
    assert f"| `{rejected.get_json()['description']}` | `token_invalid` |" in page
    accepted.clear()
    assert code(get(app, "/orders", token)) == (401, "user_gone")
