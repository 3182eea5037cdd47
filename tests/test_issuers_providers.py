"""Real issuers: oidc-provider, Cognito as moto imitates it, and an application with this package."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_jwt import JWT, Issuer, create_access_token, get_jwt_issuer, jwt_required
from flask_jwt._cli import jwt_cli
from flask_jwt._issuers.registry import Issuers
from flask_jwt.extended import JWTManager
from flask_jwt.testing import Clock
from tests.hostile import HostileServer, document
from tests.providers.cognito import GROUP
from tests.providers.oidc import CLIENT, RESOURCES
from tests.servers import until
from tests.stopwatch import Stopwatch
from tests.support import PATIENCE, SECRET, bearer

pytest_plugins = ["tests.providers.fixtures"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def api(*issuers, extension=JWT, clock=time.time, **config):
    """Make an application that only verifies tokens of *issuers*.

    Its time goes on; ``app.passed`` may be set to the seconds that are to pass at once.
    """
    app = Flask("api")
    app.config.update({"JWT_ISSUER_TIMEOUT": PATIENCE, **config})
    app.passed = 0.0
    extension(app, issuers=issuers, clock=lambda: clock() + app.passed)
    app.extensions["flask-jwt"].clock.monotonic = lambda: time.monotonic() + app.passed

    @app.get("/")
    @jwt_required()
    def view():
        return {"issuer": get_jwt_issuer()}

    return app


def status(app, token):
    return app.test_client().get("/", headers=bearer(token)).status_code


# oidc-provider


@pytest.mark.parametrize("extension", [JWT, JWTManager])
@pytest.mark.parametrize(("resource", "algorithm"), RESOURCES.items())
def test_oidc_provider(oidc_provider, resource, algorithm, extension):
    issuer = Issuer(
        oidc_provider.issuer, audience=resource, algorithms=[algorithm], typ="at+jwt",
        required=["exp", "iat", "iss", "sub", "client_id", "jti"],
    )  # fmt: skip
    app = api(issuer, extension=extension)
    token = oidc_provider.token(resource, scope="read")
    assert status(app, token) == 200
    rejected = {JWT: 401, JWTManager: 422}[extension]
    assert status(app, token[:-4] + "AAAA") == rejected
    for other in RESOURCES:
        if other != resource:
            assert status(app, oidc_provider.token(other)) == rejected
    for changed in (
        replace(issuer, audience="urn:other"), replace(issuer, typ="JWT"),
        replace(issuer, algorithms=["ES512"]),
    ):  # fmt: skip
        response = api(changed, extension=extension).test_client().get("/", headers=bearer(token))
        assert response.status_code in (rejected, 503)


def test_scopes(oidc_provider):
    issuer = Issuer(oidc_provider.issuer, audience="urn:api")
    token = oidc_provider.token(scope="read write")
    app = api(issuer)
    with app.test_request_context(headers=bearer(token)):
        from flask_jwt import get_jwt, has_scope, verify_jwt_in_request

        verify_jwt_in_request()
        assert has_scope("read")
        assert has_scope("write")
        assert not has_scope("admin")
        assert get_jwt()["client_id"] == CLIENT["client_id"]


@pytest.mark.slow
def test_oidc_provider_rotates(isolated_oidc_provider):
    provider = isolated_oidc_provider
    app = api(Issuer(provider.issuer, audience="urn:api"))
    old = provider.token()
    assert status(app, old) == 200
    provider.rotate()
    app.passed += 30
    assert status(app, provider.token()) == 200, "the first one with the new key"
    assert status(app, old) == 200
    provider.rotate(publish_old=False)
    app.passed += 30
    assert status(app, provider.token()) == 200
    assert status(app, old) == 401


@pytest.mark.slow
@pytest.mark.parametrize("outage", ["freeze", "stop"])
def test_oidc_provider_is_down(isolated_oidc_provider, outage):
    provider = isolated_oidc_provider
    token = provider.token()
    app, cold = (api(Issuer(provider.issuer, audience="urn:api")) for _ in range(2))
    assert status(app, token) == 200
    getattr(provider, outage)()
    app.config["JWT_ISSUER_TIMEOUT"] = cold.config["JWT_ISSUER_TIMEOUT"] = 0.5
    app.passed += 250  # the token itself expires after 300 s
    assert status(app, token) == 200
    app.config["JWT_ISSUER_KEYS_FRESH"] = 60
    assert status(app, token) == 200
    assert status(cold, token) == 503
    (provider.thaw if outage == "freeze" else provider.start)()
    cold.config["JWT_ISSUER_TIMEOUT"] = PATIENCE
    cold.passed += 2
    assert status(cold, token) == 200


# Cognito


@pytest.fixture
def pool(cognito):
    """The keys of the pool, served over HTTP: moto intercepts only its own clients."""
    with HostileServer() as server:
        server.pages["/jwks"] = document(cognito.jwks(), "Cache-Control: max-age=3600")
        yield cognito, f"{server.url}/jwks"


def test_cognito_access_token(pool):
    cognito, url = pool
    name = cognito.issuer.rpartition("/")[2]
    issuer = Issuer.cognito(name, client_id=cognito.client_id, jwks_uri=url)
    assert issuer.issuer == cognito.issuer
    app = api(issuer)
    for role in (GROUP, "others"):
        app.add_url_rule(f"/{role}", role, jwt_required(roles=role)(lambda: "ok"))
    for role, expected in ((GROUP, 200), ("others", 403)):
        path = app.test_client().get(f"/{role}", headers=bearer(cognito.access_token))
        assert path.status_code == expected
    assert status(app, cognito.access_token) == 200
    assert status(app, cognito.id_token) == 401
    other = api(replace(issuer, values={**issuer.values, "client_id": "other"}))
    assert status(other, cognito.access_token) == 401


def test_cognito_id_token(pool):
    cognito, url = pool
    name = cognito.issuer.rpartition("/")[2]
    app = api(Issuer.cognito(name, client_id=cognito.client_id, token="id", jwks_uri=url))
    assert status(app, cognito.id_token) == 200
    assert status(app, cognito.access_token) == 401


def test_cognito_without_the_preset(pool):
    """An access token has no audience, so an Issuer without the preset rejects it."""
    cognito, url = pool
    app = api(Issuer(cognito.issuer, audience=cognito.client_id, jwks_uri=url))
    assert status(app, cognito.access_token) == 401
    assert status(app, cognito.id_token) == 200


# An application with this package


@pytest.fixture
def shop(tmp_path):
    """A running application that issues EdDSA tokens and publishes its keys."""
    from flask_jwt._jose.key_file import create_key_file
    from flask_jwt._jose.key_set import KeySet
    from flask_jwt._jose.keys import Key

    path = str(tmp_path / "keys.json")
    create_key_file(path, KeySet([Key.generate("EdDSA")]))
    app = Flask("shop")
    app.config.update(
        JWT_KEY_FILE=path, JWT_ENCODE_ISSUER="https://shop.example", JWT_ENCODE_AUDIENCE="api"
    )
    JWT(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    app.url = f"http://127.0.0.1:{server.port}/.well-known/jwks.json"
    yield app
    server.shutdown()
    thread.join(5)
    server.server_close()


def token_of(shop):
    with shop.app_context():
        return create_access_token("joe")


@pytest.mark.slow
def test_another_application_of_ours(shop):
    app = api(Issuer("https://shop.example", audience="api", jwks_uri=shop.url))
    old = token_of(shop)
    assert status(app, old) == 200
    own = api(Issuer("https://other.example", audience="api", jwks_uri=shop.url), SECRET_KEY=SECRET)
    assert status(own, old) == 401
    result = shop.test_cli_runner().invoke(jwt_cli, ["keys", "rotate", "--now"])
    assert result.exit_code == 0, result.output
    app.passed += 30
    until(lambda: token_of(shop).split(".")[0] != old.split(".")[0], "the new key")
    new = token_of(shop)
    assert status(app, new) == 200
    assert status(app, old) == 200


# A hostile one


@pytest.fixture
def server():
    with HostileServer() as server:
        yield server


def hostile_pages():
    from tests.unit.test_fetch import SLOW, WRONG

    pages = {name: page for name, (page, _) in WRONG.items()}
    pages.update({name: page for name, page in SLOW.items() if "after" not in name})
    pages["no keys"] = document({"keys": []})
    pages["keys of no use"] = document({"keys": [{"kty": "oct", "k": "AAAA"}]})
    pages["a list"] = document([])
    return pages


@pytest.mark.parametrize("place", ["/jwks", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("name", hostile_pages())
def test_whatever_a_provider_responds(server, name, place):
    """Without keys it is 503; with keys at hand nobody notices."""
    from flask_jwt.testing import FakeIssuer

    page = hostile_pages()[name]
    idp = FakeIssuer(server.url)
    server.publish(idp.jwks()["keys"])
    good = server.pages[place]
    issuer = Issuer(server.url, audience="api")
    app, cold = api(issuer), api(issuer)
    assert status(app, idp.token()) == 200

    server.pages[place] = page
    app.config["JWT_ISSUER_TIMEOUT"] = cold.config["JWT_ISSUER_TIMEOUT"] = 0.3
    app.passed += 300
    with Stopwatch() as watch:
        started = watch.now()
        assert status(app, idp.token()) == 200
        response = cold.test_client().get("/", headers=bearer(idp.token()))
        assert watch.now() - started < 10
    assert response.status_code == 503
    assert response.get_json()["code"] == "issuer_unavailable"
    assert int(response.headers["Retry-After"]) >= 1
    assert "127.0.0.1" not in response.text

    server.pages[place] = good
    for each in (app, cold):
        each.config["JWT_ISSUER_TIMEOUT"] = PATIENCE  # a busy machine may need more than 0.3 s
        each.passed += 2
        assert status(each, idp.token()) == 200


@pytest.mark.slow
def test_a_hanging_provider_delays_one_request(server):
    """Acceptance point 4: of eight threads, at most one waits."""
    from flask_jwt.testing import FakeIssuer
    from tests.hostile import hang

    idp = FakeIssuer(server.url)
    server.publish(idp.jwks()["keys"])
    app = api(Issuer(server.url, audience="api"), JWT_ISSUER_TIMEOUT=1)
    tokens = [idp.token(n=n) for n in range(8)]
    assert status(app, tokens[0]) == 200
    before = server.requests.copy()
    server.pages["/.well-known/openid-configuration"] = hang
    app.config["JWT_ISSUER_TIMEOUT"] = 30  # the others would have to wait as long
    app.passed += 300
    responses = []
    threads = [
        threading.Thread(target=lambda t=token: responses.append(status(app, t)))
        for token in tokens
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(responses) == 7, "all but one", 20)
    assert (server.requests - before).total() == 1
    server.closed.set()  # it hangs no longer
    for thread in threads:
        thread.join(20)
    assert responses == [200] * 8


@pytest.mark.slow
def test_a_hanging_provider_delays_a_request_no_longer_than_the_timeout(server):
    from flask_jwt.testing import FakeIssuer
    from tests.hostile import hang

    idp = FakeIssuer(server.url)
    server.publish(idp.jwks()["keys"])
    app = api(Issuer(server.url, audience="api"))
    assert status(app, idp.token()) == 200
    server.pages["/.well-known/openid-configuration"] = hang
    app.config["JWT_ISSUER_TIMEOUT"] = 1
    app.passed += 300
    with Stopwatch() as watch:
        started = watch.now()
        assert status(app, idp.token(n=1)) == 200
        assert watch.now() - started < 3


def test_the_first_requests_share_one_fetch(server):
    from flask_jwt.testing import FakeIssuer
    from tests.hostile import delayed

    idp = FakeIssuer(server.url)
    server.publish(idp.jwks()["keys"])
    server.pages["/jwks"] = delayed(server.pages["/jwks"], 0.3)
    app = api(Issuer(server.url, audience="api"))
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(status(app, idp.token()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == [200] * 8
    assert server.requests["/jwks"] == 1


def test_no_url_of_a_token_is_fetched(server):
    from flask_jwt.testing import FakeIssuer

    idp, evil = FakeIssuer("https://idp.example"), FakeIssuer(server.url)
    server.publish(evil.jwks()["keys"])
    app = api(idp.issuer)
    for header in (
        {"jku": f"{server.url}/jwks"}, {"x5u": f"{server.url}/jwks"}, {"kid": f"{server.url}/jwks"},
    ):  # fmt: skip
        assert status(app, evil.sign(idp.claims(), header)) == 401
        assert status(app, evil.sign(evil.claims(), header)) == 401
    assert not server.requests


def test_a_flood_of_unknown_kids(server):
    """Acceptance point 2, in the time of a clock; scripts/soak does it in real time."""
    from flask_jwt.testing import FakeIssuer

    idp = FakeIssuer(server.url)
    server.publish(idp.jwks()["keys"])
    app = api(Issuer(server.url, audience="api"), clock=Clock(time.time()))
    state = app.extensions["flask-jwt"]
    issuers: Issuers = state.codecs.issuers()
    trusted = issuers.find(server.url)
    for number in range(3000):
        app.passed += 0.02
        trusted.codec_for({"alg": "ES256", "kid": f"k{number}"})
    assert server.requests["/jwks"] <= 3
    assert status(app, idp.token()) == 200
