"""Live configuration: each option, changed while the application runs.

A live option has to behave in a running application exactly as in one that is started with it. An
option that is read at the start has to keep its first value, and say once that it does.
"""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from dataclasses import replace
from datetime import timedelta
from functools import cache
from unittest import mock

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flask_jwt import (
    JWT,
    ConfigError,
    get_csrf_token,
    get_jwt_identity,
    get_jwt_request_location,
    jwt_required,
)
from flask_jwt._config.settings import OPTIONS
from flask_jwt._jose.codec import TokenCodec
from flask_jwt._jose.key_file import create_key_file
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import Key
from flask_jwt._web.cookies import jwt_csrf_field
from flask_jwt.extended import JWTManager
from flask_jwt.testing import FakeIssuer
from tests.support import (
    ANYONE,
    IS_WERKZEUG_3_0,
    bearer,
    claims_of,
    make_app,
    private_pem,
    public_pem,
    rsa_key,
)

# Long enough for HS512, so that no warning depends on the algorithm.
SECRET = "a secret of more than 64 bytes, with which all of these tests begin: one"
OTHER_SECRET = "a secret of more than 64 bytes, to which these tests change it: another"


class Pair:
    """A key pair as PEM strings."""

    def __init__(self, key):
        self.private, self.public = private_pem(key), public_pem(key)


EC, OTHER_EC = (Pair(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
RSA = Pair(rsa_key())

SIGNERS = {
    # name: key to sign with, key to verify with, algorithm
    "secret": (SECRET, SECRET, "HS256"),
    "other secret": (OTHER_SECRET, OTHER_SECRET, "HS256"),
    "secret, HS512": (SECRET, SECRET, "HS512"),
    "EC": (EC.private, EC.public, "ES256"),
    "other EC": (OTHER_EC.private, OTHER_EC.public, "ES256"),
    "RSA": (RSA.private, RSA.public, "RS256"),
    "RSA, RS512": (RSA.private, RSA.public, "RS512"),
}


# An application, and a client that writes down the responses


GUARDS = {
    "/protected": {},
    "/renew": {"refresh": True},
    "/scoped": {"scopes": "a"},
    "/with-role": {"roles": "a"},
}


def show():
    return {"user": get_jwt_identity(), "location": get_jwt_request_location()}


def build(extension=JWT, **config):
    warned = set()
    config = {"SECRET_KEY": SECRET, "PROPAGATE_EXCEPTIONS": True, **config}
    with recording_warnings(warned):
        app = make_app(extension, users=ANYONE, guards=GUARDS, show=show, **config)
    app.warned = warned

    @app.get("/form")
    @jwt_required()
    def form():
        return {"field": re.sub('value="[^"]+"', 'value="…"', jwt_csrf_field())}

    app.add_url_rule("/open", view_func=lambda: "open")
    return app


class recording_warnings(warnings.catch_warnings):
    """Add the warnings within this context to a set."""

    def __init__(self, warned):
        super().__init__(record=True)
        self._warned = warned

    def __enter__(self):
        self._log = super().__enter__()
        warnings.simplefilter("always")

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self._warned.update(str(warning.message) for warning in self._log)


RANDOM = {"jti", "sid", "csrf"}
TIMES = {"iat", "nbf", "exp", "auth_time", "created_at", "last_used_at", "expires_at"}


def shape(value, now, name=None):
    """Return a value without what is random, with times from *now* on and tokens decoded."""
    if isinstance(value, dict):
        return {name: shape(item, now, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item, now) for item in value]
    if name in RANDOM:
        return type(value).__name__
    if name in TIMES:
        return value - now
    if is_token(value):
        header, claims = pyjwt.get_unverified_header(value), claims_of(value)
        return {"header": header, "claims": shape(claims, now)}
    return value


def is_token(value):
    return isinstance(value, str) and value.startswith("eyJ") and value.count(".") == 2


def cookie_shape(line, now):
    (name, _, value), *attributes = (part.partition("=") for part in line.split("; "))
    value = shape(value, now) if is_token(value) else bool(value)
    # Werkzeug adds to Max-Age an Expires by its own clock.
    lasting = [a for a in attributes if a[0] != "Expires" or "1970" in a[2]]
    return name, value, sorted("".join(attribute) for attribute in lasting)


class Client:
    """Send requests to an application, and record the responses."""

    def __init__(self, app):
        self.app = app
        self.record = []
        self._started_at = app.clock()
        self._http = app.test_client()

    def send(self, method, path, **options):
        response = self._http.open(path, method=method, base_url="https://example.com", **options)
        body = response.get_json(silent=True)
        self.note(
            f"{method} {path}",
            response.status_code,
            response.text if body is None else body,
            response.headers.get("WWW-Authenticate"),
            response.headers.get("Location"),
            [cookie_shape(line, self.now) for line in response.headers.getlist("Set-Cookie")],
        )
        return response

    def note(self, *entry):
        self.record.append(shape(list(entry), self._started_at))

    @property
    def now(self):
        return self._started_at

    def log_in(self):
        return self.send("POST", "/auth", json={"username": "joe", "password": "pass"}).get_json()

    def token(self, signer="secret", **claims):
        """Return a token that another program issued; a claim that is None is left out."""
        now = int(self.now)
        usual = {"identity": "joe", "sub": "joe", "iat": now, "nbf": now, "exp": now + 60}
        payload = {k: v for k, v in {**usual, **claims}.items() if v is not None}
        return sign(signer, json.dumps(payload))


@cache
def sign(signer, payload):
    key, _, algorithm = SIGNERS[signer]
    return pyjwt.PyJWS().encode(payload.encode(), key, algorithm)


# Probes: each sends requests that show some options


def login(client):
    for body in (
        {"username": "joe", "password": "pass"},
        {"email": "joe", "password": "pass"},
        {"username": "joe", "secret": "pass"},
    ):
        client.send("POST", "/auth", json=body)


def claims(client):
    now, text = client.now, str(client.now)
    for changed in (
        {},
        *({"exp": now - age} for age in (5, 15, 1000)),
        *({"nbf": now + wait} for wait in (5, 15)),
        {"nbf": None},
        {"identity": None},
        {"user_id": 7},
        {"sub": 7},
        {"aud": "shop"},
        {"iss": "shop"},
        {"aud": "shop", "iss": "shop"},
        {"aud": "elsewhere", "iss": "elsewhere"},
        {"padding": 300 * text},
    ):
        client.send("GET", "/protected", headers=bearer(client.token(**changed)))


def grants(client):
    for granted in ({"scope": "a"}, {"rights": ["a"]}, {"roles": ["a"]}, {"groups": {"all": "a"}}):
        for path in ("/scoped", "/with-role"):
            client.send("GET", path, headers=bearer(client.token(**granted)))


def keys(client):
    for signer in SIGNERS:
        response = client.send("GET", "/protected", headers=bearer(client.token(signer)))
        client.note("accepts", signer, response.status_code)
    client.send("GET", "/.well-known/jwks.json")
    try:
        token = client.log_in()["access_token"]
    except ConfigError as error:
        client.note(str(error))
    else:
        client.note("signs with", [name for name in SIGNERS if is_signed_by(name, token)])
        assert client.send("GET", "/protected", headers=bearer(token)).status_code == 200


def is_signed_by(signer, token):
    _, key, algorithm = SIGNERS[signer]
    try:
        pyjwt.PyJWS().decode(token, key, [algorithm])
    except pyjwt.InvalidTokenError:
        return False
    return True


def locations(client):
    token, renewal = client.token(), client.token(type="refresh")
    for value in (f"Bearer {token}", f"JWT {token}", f"Token {token}", token, "Basic am9l"):
        for header in ("Authorization", "X-Token"):
            client.send("GET", "/protected", headers={header: value})
    client.send("GET", "/protected")
    client.send("GET", "/protected", headers={"Cookie": f"access_token_cookie={token}"})
    for name in ("jwt", "token"):
        for prefix in ("", "JWT-"):
            client.send("GET", "/protected", query_string={name: prefix + token})
    for name in ("access_token", "refresh_token", "token"):
        client.send("POST", "/protected", json={name: token})
        client.send("POST", "/renew", json={name: renewal})


def browser(client):
    response = client.send("POST", "/auth", data={"username": "joe", "password": "pass"})
    values = [
        line.split(";")[0].partition("=")[2] for line in response.headers.getlist("Set-Cookie")
    ]
    by_type = {claims_of(value)["type"]: value for value in values if is_token(value)}
    client.send("GET", "/form")
    for path, token_type in (
        ("/protected", "access"),
        ("/renew", "refresh"),
        ("/auth/refresh", "refresh"),
    ):
        with client.app.app_context():
            proof = get_csrf_token(by_type[token_type])
        for header in ("X-CSRF-TOKEN", "X-Other"):
            client.send("POST", path, headers={header: proof})
        for field in ("csrf_token", "other"):
            client.send("POST", path, data={field: proof})
        client.send("POST", path)
    client.send("DELETE", "/protected")
    client.send("DELETE", "/protected", headers={"Origin": "https://app.example.com"})
    client.send("GET", "/protected")


def sessions(client):
    with client.app.app_context():
        client.app.jwt.sessions.revoke_all("joe")
    tokens = []
    for _ in range(3):
        client.app.clock.tick(1)  # they are listed in the order of their starts
        tokens.append(client.log_in())
    kept, rotated, _ = tokens
    client.send("GET", "/auth/sessions", headers=bearer(tokens[-1]["access_token"]))

    def refresh(session):
        token = {"refresh_token": session["refresh_token"]}
        return client.send("POST", "/auth/refresh", json=token).get_json()

    refresh(rotated)
    client.app.clock.tick(15)
    refresh(rotated)
    client.app.clock.tick(600)
    renewed = refresh(kept)
    client.app.clock.tick(timedelta(days=10))
    refresh({**kept, **renewed})


def revocations(client):
    with client.app.app_context():
        manager = client.app.jwt.sessions

    def read(token):
        return client.send("GET", "/protected", headers=bearer(token)).status_code

    token = client.log_in()["access_token"]
    read(token)
    manager.store.revoke(claims_of(token)["sid"], client.now)  # as another process does
    read(token)
    token = client.log_in()["access_token"]
    client.send("POST", "/auth/logout", headers=bearer(token))
    read(token)
    recent = manager.revocations
    client.note([] if recent is None else [recent.lifetime, recent.staleness])


IDPS = [FakeIssuer(f"https://{name}.example", algorithm="ES256") for name in ("a", "b")]
TIMEOUTS = []


def fetch_from_first(url, deadline, context):
    TIMEOUTS.append(round(deadline - time.monotonic()))
    return IDPS[0].issuer.fetch(url, deadline, context)


TRUSTED = [replace(IDPS[0].issuer, fetch=fetch_from_first)]


def issuers(client):
    """Rotate, and take down, an identity provider."""
    app, idp = client.app, IDPS[0]
    clock = app.clock
    app.extensions["flask-jwt"].clock.monotonic = clock

    def read(idp, **header):
        claims = {**idp.claims(), "iat": int(clock()), "exp": int(clock()) + 60}
        headers = bearer(idp.sign(claims, header))
        TIMEOUTS.clear()
        response = app.test_client().get("/protected", headers=headers)
        # The body would contain the time.
        client.note(response.status_code, list(TIMEOUTS))

    clock.tick(timedelta(days=30))
    read(IDPS[0])
    read(IDPS[1])
    for _ in range(6):
        clock.tick(20)
        read(idp, kid="unknown")
    for _ in range(6):
        clock.tick(100)
        read(idp)
    idp.down()
    for _ in range(6):
        clock.tick(timedelta(hours=6))
        read(idp)
    idp.up()


def failures(client):
    client.app.clock.tick(timedelta(days=2))  # those of an earlier probe are forgotten
    for _ in range(5):
        client.send("POST", "/auth", json={"username": "joe", "password": "wrong"})


def pages(client):
    client.send("GET", "/protected", headers={"Accept": "text/html"})


def caching(client):
    one, another = client.token(), client.token(other=1)
    verify = TokenCodec.verify_signature
    with mock.patch.object(
        TokenCodec, "verify_signature", autospec=True, side_effect=verify
    ) as spy:
        for token in (one, one, another, one):
            client.send("GET", "/protected", headers=bearer(token))
    client.note("signatures verified", spy.call_count)


def missing(client):
    client.send("GET", "/protected")


def routes(client):
    rules = client.app.url_map.iter_rules()
    client.note(sorted([str(rule), rule.endpoint, sorted(rule.methods)] for rule in rules))
    for path in ("/auth", "/enter", "/auth/refresh", "/auth/logout", "/renewal", "/bye"):
        client.send("POST", path)
    for path in ("/auth/sessions", "/devices", "/.well-known/jwks.json", "/keys", "/open"):
        client.send("GET", path)


def store(client):
    client.log_in()
    with client.app.app_context():
        breaker = client.app.jwt.sessions.store
    client.note(type(breaker.store).__name__)
    if hasattr(breaker.store, "engine"):
        with breaker.store.engine.connect() as connection:
            client.note(connection.exec_driver_sql("PRAGMA busy_timeout").scalar())
        breaker.close()


def subject_keys(client):
    client.log_in()
    with client.app.app_context():
        client.note(client.app.jwt.sessions.list("joe")[0].subject_key)


def run(probe, app):
    """Return the responses that a probe got; the last entry is all warnings so far."""
    client = Client(app)
    with recording_warnings(app.warned):
        probe(client)
    return [*client.record, sorted(app.warned)]


# Live options


class Case:
    """A change of an option, and the probe whose responses it changes.

    :param base: the configuration before the change
    """

    def __init__(self, key, value, probe, extension=JWT, **base):
        self.key = key
        self.value = value
        self.probe = probe
        self.extension = extension
        self.base = base

    def __repr__(self):
        shown = "..." if OPTIONS[self.key].is_secret or "KEY" in self.key else self.value
        return f"{self.key}={shown}-{self.probe.__name__}"


COOKIES = {"JWT_TOKEN_LOCATION": ["cookies"], "JWT_STORAGE_URI": "memory://"}
EVERYWHERE = {"JWT_TOKEN_LOCATION": ["headers", "query_string", "json"]}
STORE = {"JWT_STORAGE_URI": "memory://"}


LIVE = [
    # Login
    Case("JWT_AUTH_USERNAME_KEY", "email", login),
    Case("JWT_AUTH_PASSWORD_KEY", "secret", login),
    Case("JWT_LOGIN_LIMITS", "2/minute", failures),
    Case("JWT_LOGIN_LIMITS", None, failures, JWT_LOGIN_LIMITS="2/minute"),
    Case("JWT_LOGIN_VIEW", "/login", pages),
    # Issued tokens
    Case("JWT_EXPIRATION_DELTA", 30, login),
    Case("JWT_EXPIRATION_DELTA", timedelta(hours=1), revocations, **STORE),
    Case("JWT_ACCESS_TOKEN_EXPIRES", 30, login),
    Case("JWT_ACCESS_TOKEN_EXPIRES", 7200, revocations, **STORE),
    Case("JWT_ACCESS_TOKEN_EXPIRES", False, login),
    Case("JWT_ACCESS_TOKEN_EXPIRES", False, revocations, **STORE),
    Case("JWT_REFRESH_TOKEN_EXPIRES", timedelta(days=1), sessions, **STORE),
    Case("JWT_NOT_BEFORE_DELTA", 30, login),
    Case("JWT_NOT_BEFORE_DELTA", 30, revocations, **STORE),
    Case("JWT_ENCODE_NBF", False, login),
    Case("JWT_ENCODE_NBF", False, claims),
    Case("JWT_ENCODE_AUDIENCE", "shop", login),
    Case("JWT_ENCODE_AUDIENCE", "shop", claims),
    Case("JWT_ENCODE_ISSUER", "shop", login),
    Case("JWT_ENCODE_ISSUER", "shop", claims),
    # Accepted tokens
    Case("JWT_LEEWAY", 0, claims),
    Case("JWT_LEEWAY", 60, revocations, **STORE),
    Case("JWT_DECODE_LEEWAY", 20, claims),
    Case("JWT_DECODE_LEEWAY", 60, revocations, **STORE),
    Case("JWT_REQUIRED_CLAIMS", ["exp"], claims),
    Case("JWT_VERIFY_CLAIMS", ["signature", "exp"], claims),
    Case("JWT_VERIFY_EXPIRATION", False, claims),
    Case("JWT_VERIFY", False, claims),
    Case("JWT_VERIFY_SUB", True, claims),
    Case("JWT_IDENTITY_CLAIM", "user_id", claims),
    Case("JWT_IDENTITY_CLAIM", "user_id", login),
    Case("JWT_IDENTITY_CLAIM", "user_id", sessions, **STORE),
    Case("JWT_DECODE_AUDIENCE", "shop", claims),
    Case("JWT_DECODE_ISSUER", ["shop"], claims),
    Case("JWT_CACHE_SIZE", 1, caching),
    Case("JWT_CACHE_SIZE", 0, caching),
    Case("JWT_MAX_TOKEN_SIZE", 1000, claims),
    Case("JWT_SCOPE_CLAIMS", ["rights"], grants),
    Case("JWT_ROLE_CLAIMS", [("groups", "all")], grants),
    # Challenges and errors
    Case("JWT_DEFAULT_REALM", "Shop", missing),
    Case("JWT_ERROR_MESSAGE_KEY", "message", missing, JWTManager),
    # Token locations
    Case("JWT_TOKEN_LOCATION", ["query_string"], locations),
    Case("JWT_TOKEN_LOCATION", ["headers", "cookies"], locations),
    Case("JWT_HEADER_NAME", "X-Token", locations),
    Case("JWT_HEADER_TYPE", "Token", locations),
    Case("JWT_HEADER_TYPE", "", locations),
    Case("JWT_AUTH_HEADER_PREFIX", "Token", locations),
    Case("JWT_AUTH_HEADER_PREFIX", "JWT", locations, JWT_AUTH_HEADER_PREFIX="Token"),
    Case("JWT_QUERY_STRING_NAME", "token", locations, **EVERYWHERE),
    Case("JWT_QUERY_STRING_VALUE_PREFIX", "JWT-", locations, **EVERYWHERE),
    Case("JWT_JSON_KEY", "token", locations, **EVERYWHERE),
    Case("JWT_REFRESH_JSON_KEY", "token", locations, **EVERYWHERE),
    # Cookies
    Case("JWT_COOKIE_SECURE", False, browser, **COOKIES),
    Case("JWT_COOKIE_SAMESITE", "Strict", browser, **COOKIES),
    Case("JWT_COOKIE_DOMAIN", "example.com", browser, **COOKIES),
    Case("JWT_COOKIE_PARTITIONED", True, browser, **COOKIES),
    Case("JWT_SESSION_COOKIE", False, browser, **COOKIES),
    Case("JWT_ACCESS_COOKIE_NAME", "access", browser, **COOKIES),
    Case("JWT_REFRESH_COOKIE_NAME", "refresh", browser, **COOKIES),
    Case("JWT_ACCESS_COOKIE_PATH", "/protected", browser, **COOKIES),
    Case("JWT_REFRESH_COOKIE_PATH", "/auth", browser, **COOKIES),
    # CSRF protection of cookies
    Case("JWT_COOKIE_CSRF_PROTECT", False, browser, **COOKIES),
    Case("JWT_CSRF_METHODS", ["DELETE"], browser, **COOKIES),
    Case("JWT_CSRF_TRUSTED_ORIGINS", ["https://app.example.com"], browser, **COOKIES),
    Case("JWT_CSRF_IN_COOKIES", False, browser, **COOKIES),
    Case("JWT_CSRF_CHECK_FORM", False, browser, **COOKIES),
    Case("JWT_ACCESS_CSRF_COOKIE_NAME", "proof", browser, **COOKIES),
    Case("JWT_REFRESH_CSRF_COOKIE_NAME", "proof", browser, **COOKIES),
    Case("JWT_ACCESS_CSRF_COOKIE_PATH", "/protected", browser, **COOKIES),
    Case("JWT_REFRESH_CSRF_COOKIE_PATH", "/auth", browser, **COOKIES),
    Case("JWT_ACCESS_CSRF_HEADER_NAME", "X-Other", browser, **COOKIES),
    Case("JWT_REFRESH_CSRF_HEADER_NAME", "X-Other", browser, **COOKIES),
    Case("JWT_ACCESS_CSRF_FIELD_NAME", "other", browser, **COOKIES),
    Case("JWT_REFRESH_CSRF_FIELD_NAME", "other", browser, **COOKIES),
    # Keys
    Case("SECRET_KEY", OTHER_SECRET, keys),
    Case("SECRET_KEY_FALLBACKS", [OTHER_SECRET], keys),
    Case("JWT_SECRET_KEY", OTHER_SECRET, keys),
    Case("JWT_SECRET_KEY", None, keys, JWT_SECRET_KEY=OTHER_SECRET),
    Case("JWT_PRIVATE_KEY", OTHER_EC.private, keys, JWT_PRIVATE_KEY=EC.private),
    Case("JWT_PRIVATE_KEY", RSA.private, keys, JWT_PRIVATE_KEY=EC.private),
    Case("JWT_PRIVATE_KEY", EC.private, keys, JWT_JWKS_URL_RULE=None),
    Case("JWT_PUBLIC_KEY", OTHER_EC.public, keys, JWT_PUBLIC_KEY=EC.public),
    Case("JWT_PUBLIC_KEY", EC.public, keys, JWT_JWKS_URL_RULE=None),
    Case("JWT_KEY_FILE", "{folder}/other EC", keys, JWT_KEY_FILE="{folder}/EC"),
    Case("JWT_KEY_FILE", "{folder}/EC", keys, JWT_JWKS_URL_RULE=None),
    Case("JWT_KEY_FILE", None, keys, JWT_KEY_FILE="{folder}/EC", JWT_PRIVATE_KEY=RSA.private),
    Case("JWT_ALGORITHM", "HS512", keys),
    Case("JWT_ALGORITHM", "RS512", keys, JWT_PRIVATE_KEY=RSA.private),
    Case("JWT_DECODE_ALGORITHMS", ["HS512"], keys),
    # Other issuers
    Case("JWT_ISSUERS", TRUSTED, issuers),
    Case("JWT_ISSUERS", None, issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUERS", [idp.issuer for idp in IDPS], issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUERS", [replace(TRUSTED[0], audience="x")], issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUER_TIMEOUT", 7, issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUER_KEYS_FRESH", 60, issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUER_KEYS_KEPT", timedelta(hours=13), issuers, JWT_ISSUERS=TRUSTED),
    Case("JWT_ISSUER_COOLDOWN", 60, issuers, JWT_ISSUERS=TRUSTED),
    # Sessions
    Case("JWT_SESSION_IDLE", 300, sessions, **STORE),
    Case("JWT_REFRESH_GRACE", 10, sessions, **STORE),
    Case("JWT_MAX_SESSIONS", 2, sessions, **STORE),
    Case("JWT_REVOCATION_CHECK", None, revocations, **STORE),
    Case("JWT_REVOCATION_CHECK", 10, revocations, JWT_REVOCATION_CHECK=None, **STORE),
    Case("JWT_REVOCATION_CHECK", "always", revocations, **STORE),
    Case("JWT_REVOCATION_CHECK", 60, revocations, **STORE),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name, pair in (("EC", EC), ("other EC", OTHER_EC)):
        create_key_file(str(folder / name), KeySet([Key.from_pem(pair.private)]))
    return folder


@pytest.fixture
def start(folder):
    """Make an application with the configuration of a case, which is closed after the test."""
    apps = []

    def start(case, **config):
        config = {**case.base, **config}
        values = {key: in_folder(folder, value) for key, value in config.items()}
        apps.append(build(case.extension, **values))
        return apps[-1]

    yield start
    for app in apps:
        app.jwt.close(app)


def in_folder(folder, value):
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


def test_there_is_a_case_for_each_option():
    assert {case.key for case in LIVE} == {
        k for k, option in OPTIONS.items() if not option.at_start
    }
    assert {case.key for case in AT_START} == {k for k, o in OPTIONS.items() if o.at_start}


@pytest.mark.parametrize("case", LIVE, ids=repr)
def test_a_live_option_is_followed(case, start, folder):
    if case.key == "JWT_COOKIE_PARTITIONED" and IS_WERKZEUG_3_0:
        pytest.skip("Werkzeug 3.0 has no partitioned cookies")
    app = start(case)
    first = app.config[case.key]
    before = run(case.probe, app)
    app.config[case.key] = in_folder(folder, case.value)
    changed = run(case.probe, app)
    assert changed == run(case.probe, start(case, **{case.key: case.value}))
    assert changed != before, "no response depends on this option"
    app.config[case.key] = first
    assert run(case.probe, app)[:-1] == before[:-1]


def test_the_revocation_check_is_followed_by_requests_that_read_nothing_else():
    app = build(JWT_REVOCATION_CHECK=None, **STORE)
    client = Client(app)
    header = bearer(client.log_in()["access_token"])
    client.send("POST", "/auth/logout", headers=header)
    for check, status in ((None, 200), (10, 401), (None, 200), ("always", 401)):
        app.config["JWT_REVOCATION_CHECK"] = check
        assert client.send("GET", "/protected", headers=header).status_code == status


def test_a_secret_may_be_set_late():
    app = build(SECRET_KEY=None)
    app.config["SECRET_KEY"] = SECRET
    assert run(keys, app)[:-1] == run(keys, build())[:-1]


@pytest.mark.parametrize("extension", [JWT, JWTManager])
@pytest.mark.parametrize("probe", [locations, claims])
def test_a_removed_key_has_its_default_again(extension, probe):
    app = build(extension)
    before = run(probe, app)
    app.config.update(JWT_HEADER_TYPE="Token", JWT_REQUIRED_CLAIMS=["iss"])
    assert run(probe, app) != before
    del app.config["JWT_HEADER_TYPE"], app.config["JWT_REQUIRED_CLAIMS"]
    assert run(probe, app) == before


# Options that are read at the start

AT_START = [
    Case("JWT_AUTH_URL_RULE", "/enter", routes, **STORE),
    Case("JWT_AUTH_URL_RULE", None, routes),
    Case("JWT_AUTH_ENDPOINT", "enter", routes),
    Case("JWT_AUTH_URL_OPTIONS", {"methods": ["PUT"]}, routes),
    Case("JWT_REQUIRED_BY_DEFAULT", True, routes),
    Case("JWT_REQUIRED_BY_DEFAULT", False, routes, JWT_REQUIRED_BY_DEFAULT=True),
    Case("JWT_JWKS_URL_RULE", "/keys", routes, JWT_PRIVATE_KEY=EC.private),
    Case("JWT_STORAGE_URI", "sqlite:///{folder}/sessions.db", store, **STORE),
    Case("JWT_STORAGE_NAMESPACE", "shop", subject_keys, **STORE),
    Case("JWT_STORE_TIMEOUT", 5, store, JWT_STORAGE_URI="sqlite:///{folder}/sessions.db"),
    Case("JWT_REFRESH_URL_RULE", "/renewal", routes, **STORE),
    Case("JWT_LOGOUT_URL_RULE", "/bye", routes, **STORE),
    Case("JWT_SESSIONS_URL_RULE", "/devices", routes, **STORE),
]
OTHERS = {
    "JWT_AUTH_URL_RULE": "/sign-in",
    "JWT_AUTH_ENDPOINT": "sign-in",
    "JWT_AUTH_URL_OPTIONS": {"methods": ["PATCH"]},
    "JWT_REQUIRED_BY_DEFAULT": False,
    "JWT_JWKS_URL_RULE": None,
    "JWT_STORAGE_URI": "sqlite://",
    "JWT_STORAGE_NAMESPACE": "admin",
    "JWT_STORE_TIMEOUT": 7,
    "JWT_REFRESH_URL_RULE": None,
    "JWT_LOGOUT_URL_RULE": None,
    "JWT_SESSIONS_URL_RULE": None,
}
"""A second change of each."""


def late_changes(caplog):
    """Return the warnings about options that were changed too late."""
    lines = [(r.name, r.levelno, r.getMessage()) for r in caplog.records]
    return [line for line in lines if "changed after init_app" in line[2]]


@pytest.mark.parametrize("case", AT_START, ids=repr)
def test_an_option_read_at_the_start_keeps_its_value(case, start, folder, caplog):
    app = start(case)
    before = run(case.probe, app)
    assert run(case.probe, start(case, **{case.key: case.value})) != before
    for value in (case.value, OTHERS[case.key]):
        app.config[case.key] = in_folder(folder, value)
        for _ in range(2):
            assert run(case.probe, app) == before
            assert app.extensions["flask-jwt"].settings
    ((logger, level, line),) = late_changes(caplog)
    assert (logger, level) == ("flask_jwt", logging.WARNING)
    assert line.startswith(f"{case.key} was changed after init_app(), which reads it only once")


def test_a_changed_storage_uri_is_not_used_by_new_limits_either(caplog):
    app = build(**STORE)
    app.config.update(JWT_STORAGE_URI="redis://127.0.0.1:1/0", JWT_LOGIN_LIMITS="2/minute")
    record = run(failures, app)
    assert [entry[1] for entry in record[:-1]] == [401, 401, 429, 429, 429]
    assert len(late_changes(caplog)) == 1
    assert not [line for line in caplog.messages if "is unavailable" in line]
