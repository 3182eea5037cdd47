"""examples/extended/identity_provider.py with tokens of real providers, in the form of their docs."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import jwt as pyjwt
import pytest

from tests.providers.oidc import generate_keys
from tests.support import bearer

pytest_plugins = ["tests.providers.fixtures"]

EXAMPLE = Path(__file__).parent.parent / "examples" / "extended" / "identity_provider.py"


def start(monkeypatch, issuer, keys_url, audience):
    monkeypatch.setenv("PROVIDER_ISSUER", issuer)
    monkeypatch.setenv("PROVIDER_KEYS_URL", keys_url)
    monkeypatch.setenv("PROVIDER_AUDIENCE", audience)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    space = {"__name__": "identity_provider"}
    exec(compile(EXAMPLE.read_text(), EXAMPLE.name, "exec", dont_inherit=True), space)
    return space["app"].test_client()


@contextmanager
def serving(document):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()


def get(client, token):
    return client.get("/me", headers=bearer(token))


def test_oidc_provider(oidc_provider, monkeypatch):
    url = oidc_provider.discover()["jwks_uri"]
    client = start(monkeypatch, oidc_provider.issuer, url, "urn:api")
    token = oidc_provider.token("urn:api")
    response = get(client, token)
    assert (response.status_code, response.get_json()) == (200, {"subject": "svc"})
    # The provider signs with other algorithms too, and publishes those keys.
    for resource in ("urn:api:ps256", "urn:api:es256", "urn:api:eddsa"):
        assert get(client, oidc_provider.token(resource)).status_code == 422
    client = start(monkeypatch, oidc_provider.issuer, url, "urn:other")
    assert get(client, token).get_json() == {"msg": "Audience doesn't match"}


def test_cognito(cognito, monkeypatch):
    with serving(cognito.jwks()) as url:
        client = start(monkeypatch, cognito.issuer, url, "")
        assert get(client, cognito.access_token).status_code == 200
        client = start(monkeypatch, cognito.issuer, url, cognito.client_id)
        assert get(client, cognito.id_token).status_code == 200
        assert get(client, cognito.access_token).status_code == 422, "it names no audience"


def test_a_stranger_s_key_under_the_provider_s_kid(oidc_provider, monkeypatch):
    url = oidc_provider.discover()["jwks_uri"]
    client = start(monkeypatch, oidc_provider.issuer, url, "urn:api")
    claims = pyjwt.decode(oidc_provider.token("urn:api"), options={"verify_signature": False})
    (jwk,) = (jwk for jwk in generate_keys(1) if jwk["alg"] == "RS256")
    for kid in ("rs256-1", "unknown", "", "es256-1"):
        forged = pyjwt.encode(claims, pyjwt.PyJWK(jwk).key, "RS256", headers={"kid": kid})
        assert get(client, forged).status_code == 422


@pytest.mark.slow
@pytest.mark.parametrize("outage", ["freeze", "stop"])
def test_a_provider_that_is_down(isolated_oidc_provider, monkeypatch, outage):
    provider = isolated_oidc_provider
    url, token = provider.discover()["jwks_uri"], provider.token("urn:api")
    client = start(monkeypatch, provider.issuer, url, "urn:api")
    getattr(provider, outage)()
    response = get(client, token)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    (provider.thaw if outage == "freeze" else provider.start)()
    assert get(client, token).status_code == 200


@pytest.mark.slow
def test_rotated_keys_of_a_provider(isolated_oidc_provider, monkeypatch):
    provider = isolated_oidc_provider
    url, old = provider.discover()["jwks_uri"], provider.token("urn:api")
    client = start(monkeypatch, provider.issuer, url, "urn:api")
    assert get(client, old).status_code == 200
    provider.rotate()
    # PyJWKClient waits for 30 s before an unknown kid makes it fetch the keys again.
    load = client.application.extensions["jwt"].decode_key_callback
    load.__globals__["keys"].cooldown_duration = 0
    assert [get(client, token).status_code for token in (provider.token("urn:api"), old)] == [
        200
    ] * 2
