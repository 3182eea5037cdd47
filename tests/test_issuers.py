"""Tokens of other issuers in applications: who is let in, as whom, and what is never mixed up."""

from __future__ import annotations

import json
import logging
import time
import warnings
from dataclasses import replace

import flask
import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt
import flask_jwt.extended
from flask_jwt import (
    ANY_AUDIENCE,
    JWT,
    ConfigError,
    Issuer,
    create_access_token,
    current_identity,
    decode_token,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_issuer,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt.extended import JWTManager
from flask_jwt.testing import Clock, FakeIssuer
from tests.support import (
    OTHER_SECRET,
    SECRET,
    Browser,
    OldBrowser,
    User,
    bearer,
    claims_of,
    code,
    heard,
    issue,
    login,
    make_app,
    private_pem,
    public_pem,
    rsa_key,
    run_example,
)

# Made once: a key takes longer to make than the tests to run.
IDP = FakeIssuer("https://idp.example", audience="api")
OTHER = FakeIssuer("https://other.example", audience="api")


@pytest.fixture(autouse=True)
def _reset(clock):
    for idp in (IDP, OTHER):
        idp.now = clock
        idp.up()
        idp.requests = 0


REJECTIONS = (
    flask_jwt.JWTError, pyjwt.InvalidTokenError, flask_jwt.extended.exceptions.JWTExtendedException,
)  # fmt: skip
"""What either extension raises for an invalid token."""


def show():
    user = current_identity._get_current_object()
    return {
        "user": getattr(user, "id", user), "identity": get_jwt_identity(),
        "issuer": get_jwt_issuer(), "claims": get_jwt(), "header": get_jwt_header(),
    }  # fmt: skip


GUARDS = {
    "/protected": {},
    "/optional": {"optional": True},
    "/idp": {"issuers": "https://idp.example"},
    "/own": {"issuers": ["https://shop.example"]},
    "/both": {"issuers": ["https://shop.example", IDP.issuer]},
    "/any-type": {"verify_type": False},
    "/renew": {"refresh": True},
    "/fresh": {"fresh": True},
}


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


def build(extension=JWT, clock=None, users=False, issuers=(IDP.issuer, OTHER.issuer), **config):
    config = {"JWT_ENCODE_ISSUER": "https://shop.example", **config}
    guards = config.pop("guards", GUARDS)
    app = make_app(
        extension, users=users, clock=clock, guards=guards, show=show, JWT_ISSUERS=issuers, **config
    )
    app.extensions["flask-jwt"].clock.monotonic = app.clock
    return app


@pytest.fixture
def app(extension, clock):
    app = build(extension, clock)
    yield app
    app.jwt.close(app)


def get(app, token, path="/protected"):
    return app.test_client().get(path, headers=bearer(token))


def is_rejected(app, token, path="/protected"):
    """Return whether a token is rejected as an invalid one, in the style of either extension."""
    response = get(app, token, path)
    assert response.status_code in (200, 401, 422), response.text
    return response.status_code != 200


# Whose tokens


def test_a_token_of_another_issuer(app):
    response = get(app, IDP.token("joe", scope="read"))
    assert response.status_code == 200
    body = response.get_json()
    assert (body["user"], body["identity"]) == ("joe", "joe")
    assert body["issuer"] == "https://idp.example"
    assert body["claims"]["scope"] == "read"
    assert body["header"]["kid"] == "key-1"


def test_own_tokens_beside_it(app):
    body = get(app, issue(app, "joe")).get_json()
    assert (body["user"], body["identity"], body["issuer"]) == ("joe", "joe", None)


def test_nothing_is_fetched_at_start(app):
    assert IDP.requests == 0
    get(app, issue(app, "joe"))
    assert IDP.requests == 0
    get(app, OTHER.token())
    assert IDP.requests == 0
    get(app, IDP.token())
    assert IDP.requests == 2, "the metadata and the keys"


def test_verified_tokens_are_cached(app, monkeypatch):
    token = IDP.token()
    get(app, token)
    verify = []
    monkeypatch.setattr(
        "flask_jwt._issuers.registry.IssuerCodec.verify", lambda *a: verify.append(a)
    )
    assert get(app, token).status_code == 200
    assert get(app, token, "/any-type").status_code == 200
    assert verify == []


@pytest.mark.parametrize("iss", ["https://evil.example", "https://idp.example/", None, 1, ["x"]])
def test_unknown_issuers_get_our_own_codec(app, iss):
    assert is_rejected(app, IDP.token(iss=iss))
    assert IDP.requests == 0


def test_there_is_never_a_second_try(app, clock):
    """Our key with its iss, its key with our iss."""
    ours = {"JWT_ENCODE_ISSUER": "https://idp.example", "clock": clock}
    twin = build(type(app.jwt), issuers=None, **ours)
    assert not is_rejected(twin, issue(twin, "joe"))
    assert is_rejected(app, issue(twin, "joe")), "our secret speaks for us alone"
    assert is_rejected(app, IDP.token(iss="https://shop.example"))
    assert is_rejected(app, OTHER.sign(IDP.claims()))
    assert is_rejected(app, IDP.sign(OTHER.claims()))


def test_our_own_issuer_may_not_be_another_one(extension):
    with pytest.raises(ConfigError, match="is JWT_ENCODE_ISSUER"):
        build(extension, JWT_ENCODE_ISSUER="https://idp.example")


# Only verifying


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_without_a_secret_an_application_only_verifies(extension, clock, algorithm):
    app = build(extension, clock, SECRET_KEY=None, JWT_ALGORITHM=algorithm)
    assert not is_rejected(app, IDP.token())
    assert is_rejected(app, IDP.token(iss=None))
    assert is_rejected(app, IDP.token(iss="https://evil.example"))
    assert is_rejected(app, IDP.token(iss="https://shop.example"))
    response = get(app, "x.y.z")
    assert response.status_code in (401, 422)
    with app.app_context(), pytest.raises(ConfigError, match="no key to sign with"):
        create_access_token("joe")


def test_a_login_needs_a_secret(clock):
    with pytest.warns(UserWarning, match="There is no secret to sign tokens with"):
        build(JWT, clock, users=None, SECRET_KEY=None, issuers=[IDP_WITH_HANDLER])


def load(payload):
    return User(payload["sub"])


IDP_WITH_HANDLER = replace(IDP.issuer, identity_handler=load)


# The forms of the option


def test_argument(extension, clock):
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    extension(app, clock=clock, issuers=[IDP.issuer])
    app.get("/protected")(jwt_required()(show))
    assert get(app, IDP.token()).status_code == 200


def test_configuration_comes_before_the_argument(clock):
    app = Flask("app")
    app.config.update(SECRET_KEY=SECRET, JWT_ISSUERS=[OTHER.issuer])
    JWT(app, clock=clock, issuers=[IDP.issuer])
    app.get("/protected")(jwt_required()(show))
    assert get(app, OTHER.token()).status_code == 200
    assert get(app, IDP.token()).status_code == 401


def test_one_object_for_two_applications(clock):
    jwt = JWT(clock=clock, issuers=[IDP.issuer])
    for name in "ab":
        app = Flask(name)
        app.config["SECRET_KEY"] = SECRET
        jwt.init_app(app)
        app.get("/protected")(jwt_required()(show))
        assert get(app, IDP.token()).status_code == 200
    assert IDP.requests == 4, "the keys belong to the application"


def test_environment(monkeypatch, clock):
    described = [
        {"issuer": "https://idp.example", "audience": "api", "jwks": IDP.jwks()},
        {"preset": "okta", "domain": "acme.okta.com"},
    ]
    monkeypatch.setenv("FLASK_JWT_ISSUERS", json.dumps(described))
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    app.config.from_prefixed_env()
    JWT(app, clock=clock)
    app.get("/protected")(jwt_required()(show))
    assert get(app, IDP.token()).status_code == 200


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("https://idp.example", 'from_prefixed_env.. reads JSON: .{"issuer": "https://…", "aud'),
        ({"issuer": "https://idp.example"}, "write a list of Issuer objects, or of dicts"),
        (["https://idp.example"], "write a list of Issuer objects, or of dicts"),
        ([{"issuer": "https://idp.example"}], "the audience is missing"),
        ([{"issuer": "idp.example", "audience": "a"}], "write 'https://idp.example'"),
        ([{"issuer": "https://joe:secret-1@idp.example", "audience": "a"}], "contains a user name"),
        ([IDP.issuer, replace(IDP.issuer, audience="b")], "is there twice"),
        ([{"preset": "entra", "audience": "a"}], "missing 1 required keyword-only argument: 'ten"),
        ([{"preset": "entra", "audience": "a", "tenants": "common"}], "accept_tenant"),
        (7, "write a list of Issuer objects"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_invalid_values(value, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(issuers=value)
    assert "secret-1" not in str(caught.value)


def test_any_audience_warns():
    with pytest.warns(UserWarning, match="ANY_AUDIENCE accepts each token of https://idp.example"):
        build(issuers=[replace(IDP.issuer, audience=ANY_AUDIENCE)])


def test_changes_while_the_application_runs(app):
    token = IDP.token()
    assert not is_rejected(app, token)
    app.config["JWT_ISSUERS"] = [OTHER.issuer]
    assert is_rejected(app, token)
    app.config["JWT_ISSUERS"] = None
    assert is_rejected(app, token)
    assert is_rejected(app, OTHER.token())
    app.config["JWT_ISSUERS"] = [IDP.issuer]
    assert not is_rejected(app, token)
    app.config["JWT_ISSUERS"].append(OTHER.issuer)
    assert not is_rejected(app, OTHER.token())
    app.config["JWT_ISSUERS"][0] = replace(IDP.issuer, audience="other")
    assert is_rejected(app, token)


def test_unchanged_issuers_keep_their_keys(app):
    get(app, IDP.token())
    IDP.down()
    app.config["JWT_ISSUERS"] = [replace(IDP.issuer)]
    app.config["JWT_LEEWAY"] = 20
    assert not is_rejected(app, IDP.token())


# Decode handlers and key loaders


def test_a_decode_handler_would_verify_foreign_tokens(clock):
    jwt = JWT(clock=clock, issuers=[IDP.issuer])
    jwt.jwt_decode_handler(lambda token: {"identity": 1})
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    with pytest.raises(ConfigError, match="JWT_ISSUERS and a jwt_decode_handler can't be used"):
        jwt.init_app(app)


def test_a_late_decode_handler_lets_nobody_in(clock):
    app = build(JWT, clock)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.jwt.jwt_decode_handler(lambda token: {"identity": 1})
    with pytest.raises(ConfigError, match="can't be used together"):
        get(app, IDP.token())


def test_a_key_loader_is_for_our_own_tokens(app):
    asked = []

    @app.jwt.decode_key_loader
    def load(header, payload):
        asked.append(payload.get("iss"))
        return SECRET

    assert not is_rejected(app, IDP.token())
    assert not is_rejected(app, issue(app, "joe"))
    assert is_rejected(app, OTHER.sign(IDP.claims()))
    assert is_rejected(app, IDP.token(iss="https://evil.example"))
    assert asked == ["https://shop.example", "https://evil.example"]


def test_a_key_loader_without_a_key(extension, clock):
    app = build(extension, clock, SECRET_KEY=None)
    app.jwt.decode_key_loader(lambda header, payload: OTHER_SECRET)
    assert not is_rejected(app, IDP.token())
    twin = build(extension, clock, SECRET_KEY=OTHER_SECRET)
    assert not is_rejected(app, issue(twin, "joe"))


# What our claims mean in a foreign token


def test_claims_of_ours_are_removed(app):
    ours = {"identity": 1, "csrf": "x", "fresh": True, "type": "access"}
    body = get(app, IDP.token("joe", **ours, sid="0" * 32)).get_json()
    assert body["identity"] == body["user"] == "joe"
    assert not ours.keys() & body["claims"].keys()
    assert body["claims"]["sid"] == "0" * 32


def test_identity_1_of_a_provider_is_not_our_user_1(clock):
    app = build(JWT, clock, users=None, issuers=[IDP_WITH_HANDLER])
    assert get(app, IDP.token("joe", identity=1)).get_json()["user"] == "joe"
    assert get(app, issue(app, User(1))).get_json()["user"] == 1


def test_jwt_identity_claim_is_ours(extension, clock):
    app = build(extension, clock, JWT_IDENTITY_CLAIM="uid")
    assert get(app, IDP.token("joe", uid="admin")).get_json()["identity"] == "joe"
    assert not is_rejected(app, IDP.token("joe")), "nor is it required"


def test_identity_claim_of_the_issuer(extension, clock):
    app = build(extension, clock, issuers=[replace(IDP.issuer, identity_claim="oid")])
    assert get(app, IDP.token("joe", oid="4711")).get_json()["identity"] == "4711"
    assert is_rejected(app, IDP.token("joe"))


def test_our_required_claims_and_parties_are_ours(extension, clock):
    app = build(
        extension, clock,
        JWT_REQUIRED_CLAIMS=["exp", "department"], JWT_DECODE_AUDIENCE="shop",
        JWT_DECODE_ISSUER=["https://shop.example"], JWT_LEEWAY=0,
    )  # fmt: skip
    assert not is_rejected(app, IDP.token())
    assert not is_rejected(app, IDP.token(exp=int(clock()) - 20)), "its leeway is the issuer's"


@pytest.mark.parametrize("check", [10, "always"])
def test_sid_of_a_foreign_token_is_no_session(extension, clock, check):
    """OpenID Connect has a claim of that name. With "always", our store would not know it."""
    app = build(extension, clock, JWT_STORAGE_URI="memory://", JWT_REVOCATION_CHECK=check)
    with app.app_context():
        session = app.jwt.sessions.start("joe").session
    token = IDP.token("joe", sid=session.sid)
    assert not is_rejected(app, token)
    assert not is_rejected(app, IDP.token("joe", sid="unknown"))
    with app.app_context():
        app.jwt.sessions.revoke(session.sid)
    assert not is_rejected(app, token)
    app.jwt.close(app)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "/logout", {}),
        ("POST", "/logout", {"scope": "global"}),
        ("POST", "/logout", {"scope": "others"}),
        ("DELETE", "/{sid}", None),
        ("PATCH", "/{sid}", {"label": "mine"}),
    ],
)
def test_a_foreign_token_with_our_sid_reaches_no_session(extension, clock, method, path, body):
    app = build(
        extension, clock, JWT_STORAGE_URI="memory://", JWT_SESSIONS_URL_RULE="/sessions",
        JWT_LOGOUT_URL_RULE="/sessions/logout",
    )  # fmt: skip
    with app.app_context():
        session = app.jwt.sessions.start("joe").session
    url = "/sessions" + path.format(sid=session.sid)
    for sub in ("joe", "eve"):
        token = IDP.token(sub, sid=session.sid)
        response = app.test_client().open(url, method=method, json=body, headers=bearer(token))
        assert response.status_code == 404, response.text
    with app.app_context():
        assert app.jwt.sessions.get(session.sid).revoked_at is None
        assert app.jwt.sessions.get(session.sid).label is None
    app.jwt.close(app)


def test_a_check_of_the_blocklist_looks_up_no_foreign_sid(clock):
    from flask_jwt.extended.internal_utils import verify_token_not_blocklisted

    app = build(JWTManager, clock, JWT_STORAGE_URI="memory://", JWT_REVOCATION_CHECK="always")
    with app.app_context():
        session = app.jwt.sessions.start("joe").session
        claims = decode_token(IDP.token("joe", sid=session.sid))
        app.jwt.sessions.revoke(session.sid)
        verify_token_not_blocklisted({}, claims)
        with pytest.raises(REJECTIONS):
            verify_token_not_blocklisted({}, {**claims, "iss": "https://shop.example"})
    app.jwt.close(app)


def test_a_foreign_user_of_the_same_name_is_another_one(extension, clock):
    """It neither sees the sessions of the application's user nor gets a token of the application."""
    app = build(extension, clock, JWT_STORAGE_URI="memory://")

    @app.get("/mine")
    @jwt_required()
    def mine():
        sessions = app.jwt.sessions
        return {
            "sessions": len(sessions.list(current_identity))
            + len(sessions.list(get_jwt_identity()))
        }

    @app.post("/all")
    @jwt_required()
    def revoke_all():
        return {"revoked": app.jwt.sessions.revoke_all(get_jwt_identity())}

    with app.app_context():
        session = app.jwt.sessions.start("joe").session
    assert get(app, issue(app, "joe"), "/mine").get_json() == {"sessions": 2}
    assert get(app, IDP.token("joe"), "/mine").get_json() == {"sessions": 0}
    response = app.test_client().post("/all", headers=bearer(IDP.token("joe")))
    assert response.get_json() == {"revoked": 0}
    with app.app_context():
        assert app.jwt.sessions.get(session.sid).revoked_at is None
    app.jwt.close(app)


@pytest.mark.parametrize("how", ["create_access_token", "log_in", "create_refresh_token"])
@pytest.mark.parametrize("store", [None, "memory://"])
@pytest.mark.parametrize("what", [get_jwt_identity, lambda: current_identity])
def test_no_token_of_ours_for_a_foreign_subject(extension, clock, how, store, what):
    app = build(extension, clock, JWT_STORAGE_URI=store)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/exchange")
    @jwt_required()
    def exchange():
        issuing = app.jwt.log_in if how == "log_in" else getattr(flask_jwt, how)
        return issuing(what())

    with pytest.raises(ConfigError, match="A user is the issuer and the subject together"):
        get(app, IDP.token("joe"), "/exchange")
    app.jwt.close(app)


def test_a_foreign_token_is_no_refresh_token(app):
    for claims in ({}, {"type": "refresh"}, {"type": "refresh", "sid": "0" * 32}):
        assert is_rejected(app, IDP.token(**claims), "/renew")
    assert IDP.requests == 0


def test_any_type(app):
    assert not is_rejected(app, IDP.token(), "/any-type")
    assert is_rejected(app, IDP.token(type="refresh"), "/any-type"), "it is for the issuer only"
    assert is_rejected(app, OTHER.sign(IDP.claims()), "/any-type")


def test_freshness_is_a_matter_of_auth_time(app, clock):
    now = int(clock())
    assert not is_rejected(app, IDP.token(auth_time=now), "/fresh")
    assert is_rejected(app, IDP.token(auth_time=now - 60), "/fresh")
    assert is_rejected(app, IDP.token(fresh=True), "/fresh"), "the claim is ours"


def test_decode_token(app):
    with app.app_context():
        claims = decode_token(IDP.token("joe", identity=1))
        assert claims["sub"] == "joe"
        assert "identity" not in claims
        with pytest.raises(REJECTIONS):
            decode_token(OTHER.sign(IDP.claims()))
        with pytest.raises(REJECTIONS):
            decode_token(IDP.token(), refresh=True)
        old = IDP.token("joe", exp=1, fresh=True)
        assert decode_token(old, allow_expired=True)["sub"] == "joe"
        assert "fresh" not in decode_token(old, allow_expired=True)


# Handlers


def test_identity_handler_gets_the_claims(clock):
    app = build(JWT, clock)
    seen = []

    @app.jwt.identity_handler
    def identify(payload):
        seen.append((get_jwt_issuer(), payload["sub"], "identity" in payload))
        return User(f"{get_jwt_issuer()} {payload['sub']}")

    user = get(app, IDP.token("joe", identity=7)).get_json()["user"]
    assert user == "https://idp.example joe"
    get(app, issue(app, "joe"))
    assert seen == [("https://idp.example", "joe", False), (None, "joe", True)]


def test_an_issuer_may_have_a_handler_of_its_own(extension, clock):
    app = build(extension, clock, issuers=[IDP_WITH_HANDLER, OTHER.issuer])
    app.jwt.identity_handler(lambda payload: User("ours"))
    assert get(app, IDP.token("joe")).get_json()["user"] == "joe"
    assert get(app, OTHER.token("joe")).get_json()["user"] == "ours"
    assert get(app, issue(app, "joe")).get_json()["user"] == "ours"


def test_an_async_handler(clock):
    async def load(payload):
        return User(payload["sub"])

    app = build(JWT, clock, issuers=[replace(IDP.issuer, identity_handler=load)])
    assert get(app, IDP.token("joe")).get_json()["user"] == "joe"


def test_a_user_who_is_gone(clock):
    app = build(
        JWT, clock, JWT_STORAGE_URI="memory://",
        issuers=[replace(IDP.issuer, identity_handler=lambda payload: None)],
    )  # fmt: skip
    with app.app_context():
        session = app.jwt.sessions.start("joe").session
    assert code(get(app, IDP.token("joe", sid=session.sid))) == (401, "user_gone")
    with app.app_context():
        assert app.jwt.sessions.get(session.sid).revoked_at is None
    app.jwt.close(app)


def test_user_lookup_loader(clock):
    app = build(JWTManager, clock)

    @app.jwt.user_lookup_loader
    def lookup(header, payload):
        return User(f"{header['kid']} {payload['sub']}")

    assert get(app, IDP.token("joe")).get_json()["user"] == "key-1 joe"


def test_blocklist_and_verification_loaders(app):
    seen = []
    app.jwt.token_in_blocklist_loader(lambda header, payload: payload.get("jti") == "bad")
    app.jwt.token_verification_loader(
        lambda header, payload: seen.append(payload) or payload["sub"] != "eve"
    )
    assert not is_rejected(app, IDP.token("joe"))
    assert get(app, IDP.token("joe", jti="bad")).status_code == 401
    assert get(app, IDP.token("eve")).status_code in (400, 401)
    assert not {"identity", "fresh"} & seen[0].keys()


def test_a_blocklist_as_in_the_docs_of_flask_jwt_extended(clock):
    """It reads payload["jti"], which few providers issue."""
    app = build(JWTManager, clock)
    app.jwt.token_in_blocklist_loader(lambda header, payload: payload["jti"] is not None)
    assert get(app, IDP.token("joe")).status_code == 200


def reads_identity(payload):
    return payload["identity"]


class Reader:
    def __call__(self, payload):
        return payload["identity"]

    def method(self, payload):
        return payload.get("identity")


async def reads_identity_async(payload):
    return payload["identity"]


@pytest.mark.parametrize(
    "handler",
    [reads_identity, Reader(), Reader().method, reads_identity_async, lambda p: p["identity"]],
    ids=["function", "object", "method", "async", "lambda"],
)
def test_a_handler_that_reads_identity_is_reported_at_start(handler):
    jwt = JWT(issuers=[IDP.issuer])
    jwt.identity_handler(handler)
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    with pytest.warns(UserWarning, match=r"reads payload\['identity'\], but tokens of JWT_ISSUERS"):
        jwt.init_app(app)


def test_a_late_handler_is_reported_at_the_first_request(clock):
    app = build(JWT, clock)
    app.jwt.identity_handler(reads_identity)
    client = app.test_client()
    with pytest.warns(UserWarning, match="The identity_handler reads payload"):
        client.get("/nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.get("/nothing")


def asks_for_the_issuer(payload):
    return payload["sub"] if get_jwt_issuer() else payload["identity"]


def reads_iss(payload):
    return payload["sub"] if payload.get("iss") else payload["identity"]


@pytest.mark.parametrize("handler", [load, int, User, None, asks_for_the_issuer, reads_iss])
def test_other_handlers_are_not_reported(handler):
    jwt = JWT(issuers=[IDP.issuer])
    if handler is not None:
        jwt.identity_handler(handler)
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    jwt.init_app(app)


def test_nor_is_one_that_gets_only_our_tokens():
    jwt = JWT(issuers=[IDP_WITH_HANDLER])
    jwt.identity_handler(reads_identity)
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    jwt.init_app(app)


# Narrowing


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/protected", {"idp", "other", "own"}),
        ("/idp", {"idp"}),
        ("/own", {"own"}),
        ("/both", {"idp", "own"}),
    ],
)
def test_a_guard_may_accept_some_issuers_only(app, path, accepted):
    tokens = {"idp": IDP.token("joe"), "other": OTHER.token("joe"), "own": issue(app, "joe")}
    for _ in range(2):  # the second time from the cache
        assert {name for name in tokens if not is_rejected(app, tokens[name], path)} == accepted


def test_our_own_tokens_have_no_name_without_an_issuer(clock):
    app = build(JWT, clock, JWT_ENCODE_ISSUER=None)
    assert code(get(app, issue(app, "joe"), "/idp")) == (401, "token_invalid")


def test_verify_jwt_in_request(app):
    with app.test_request_context(headers=bearer(IDP.token("joe"))):
        verify_jwt_in_request(issuers=["https://idp.example"])
        assert get_jwt_issuer() == "https://idp.example"
        with pytest.raises(REJECTIONS):
            verify_jwt_in_request(issuers=["https://other.example"])


def test_the_guard_of_extended(clock):
    guards = {"/idp": {"issuers": ["https://idp.example"]}, "/protected": {}}
    app = build(JWTManager, clock, guards={})
    for path, arguments in guards.items():
        view = flask_jwt.extended.jwt_required(**arguments)(show)
        app.add_url_rule(path, path[1:], view)
    assert not is_rejected(app, IDP.token(), "/idp")
    assert is_rejected(app, OTHER.token(), "/idp")
    assert not is_rejected(app, OTHER.token())


@pytest.mark.parametrize("issuers", [[], ()])
def test_a_guard_that_accepts_nobody(issuers):
    with pytest.raises(TypeError, match="would reject every request"):
        jwt_required(issuers=issuers)


def test_a_guard_with_an_unknown_issuer_is_reported(clock, caplog):
    guards = {"/typo": {"issuers": ["https://idp.examples", "https://idp.example"]}, **GUARDS}
    app = build(JWT, clock, guards=guards)
    app.test_client().get("/nothing")
    (record,) = [record for record in caplog.records if "accepts tokens" in record.message]
    assert record.levelno == logging.ERROR
    assert (
        "'typo' accepts tokens of the issuer https://idp.examples, which is none" in record.message
    )


def test_a_guard_with_a_list_of_locations(clock):
    guards = {"/list": {"issuers": ["https://idp.example"], "locations": ["headers", "json"]}}
    app = build(JWT, clock, guards=guards)
    assert get(app, IDP.token(), "/list").status_code == 200


def test_google_is_one_issuer_under_two_names(clock):
    google = FakeIssuer(Issuer.google(client_id="x"), algorithm="RS256", clock=clock)
    app = build(JWT, clock, issuers=[google.issuer], guards={
        "/protected": {}, "/google": {"issuers": "https://accounts.google.com"},
    })  # fmt: skip
    for iss in ("accounts.google.com", "https://accounts.google.com"):
        body = get(app, google.token("joe", iss=iss), "/google").get_json()
        assert body["issuer"] == "https://accounts.google.com"


# Cookies


COOKIES = {"JWT_TOKEN_LOCATION": ["headers", "cookies"], "JWT_COOKIE_SECURE": True}


@pytest.mark.parametrize("csrf", ["x", "its own claim", None])
@pytest.mark.parametrize(
    ("kind", "site", "origin", "accepted"),
    [
        (Browser, "same-origin", None, True),
        (Browser, "cross-site", None, False),
        (Browser, "same-site", None, False),
        (OldBrowser, None, "https://localhost", True),
        (OldBrowser, None, "https://evil.example", False),
        (OldBrowser, None, None, False),
    ],
)
def test_a_cookie_needs_the_same_origin_proof(extension, clock, kind, site, origin, accepted, csrf):
    """A value that the provider wrote into the token proves nothing: others may know it."""
    app = build(extension, clock, **COOKIES)
    app.add_url_rule("/post", "post", jwt_required()(show), methods=["POST"])
    client = kind(app)
    # Without the claim, the value is one that only someone with the token can compute.
    token = IDP.token("joe", csrf=None if csrf == "x" else "its own claim", sid="known")
    client.set_cookie("access_token_cookie", token, secure=True)
    headers = {"X-CSRF-TOKEN": csrf} if csrf else {}
    if csrf == "x":
        with app.app_context():
            headers["X-CSRF-TOKEN"] = flask_jwt.get_csrf_token(token)
    if origin:
        headers["Origin"] = origin
    response = client.post("/post", headers=headers, site=site)
    assert (response.status_code == 200) is accepted, response.text
    assert response.status_code in (200, 401, 403)
    assert client.get("/protected", site=site).status_code == 200


@pytest.mark.parametrize(("site", "accepted"), [("same-origin", True), ("cross-site", False)])
def test_a_cookie_that_a_handler_has_found(clock, site, accepted):
    app = build(JWT, clock, **COOKIES)
    app.jwt.request_handler(lambda: flask.request.cookies.get("mine"))
    app.add_url_rule("/post", "post", jwt_required()(show), methods=["POST"])
    client = Browser(app)
    for claim in ("its own claim", None):
        token = IDP.token("joe", csrf=claim, sid="known")
        client.set_cookie("mine", token, secure=True)
        value = flask_jwt_value(app, token)
        response = client.post("/post", headers={"X-CSRF-TOKEN": value}, site=site)
        assert response.status_code == (200 if accepted else 403), response.text


def flask_jwt_value(app, token):
    with app.app_context():
        return flask_jwt.get_csrf_token(token)


def test_a_login_beside_a_foreign_cookie(clock):
    """The cookie is replaced; it has no session that could be ended."""
    app = build(
        JWT, clock, users=None, issuers=[IDP_WITH_HANDLER], JWT_STORAGE_URI="memory://", **COOKIES
    )
    client = Browser(app)
    with app.app_context():
        session = app.jwt.sessions.start(User(1)).session
    client.set_cookie("access_token_cookie", IDP.token("joe", sid=session.sid), secure=True)
    assert client.sign_in().status_code in (200, 303)
    assert claims_of(client.cookies["access_token_cookie"])["identity"] == 1
    with app.app_context():
        assert app.jwt.sessions.get(session.sid).revoked_at is None
    app.jwt.close(app)


# Outages


def test_an_outage_is_503(app, clock):
    IDP.down()
    response = get(app, IDP.token())
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    if isinstance(app.jwt, JWTManager):
        assert "msg" in response.get_json()
    else:
        assert response.get_json()["code"] == "issuer_unavailable"
    assert "idp" not in response.text
    assert get(app, IDP.token(), "/optional").status_code == 503
    assert not is_rejected(app, issue(app, "joe")), "our own tokens are unaffected"
    assert not is_rejected(app, OTHER.token())
    IDP.up()
    clock.tick(2)
    assert not is_rejected(app, IDP.token())


def test_a_day_of_outage_is_not_noticed(app, clock):
    get(app, IDP.token())
    IDP.down()
    for _ in range(23):
        clock.tick(3600)
        assert get(app, IDP.token()).status_code == 200
    clock.tick(3600)
    assert get(app, IDP.token()).status_code == 503


def test_a_cached_token_is_not_accepted_for_ever(app, clock):
    token = IDP.token(exp=int(clock()) + 10**6)
    assert get(app, token).status_code == 200
    IDP.down()
    clock.tick(86_400)
    assert get(app, token).status_code == 503


def test_a_removed_key_is_noticed_though_the_token_is_cached(clock):
    idp = FakeIssuer("https://idp.example", audience="api", clock=clock)
    app = build(JWT, clock, issuers=[idp.issuer])
    token = idp.token()
    assert get(app, token).status_code == 200
    idp.rotate()
    assert get(app, token).status_code == 200
    clock.tick(300)
    assert get(app, token).status_code == 401


def test_rotation(clock):
    """Acceptance point 5: the first token with the new key is accepted."""
    idp = FakeIssuer("https://idp.example", audience="api", clock=clock)
    app = build(JWT, clock, issuers=[idp.issuer])
    with heard(app, "issuer_keys_changed", "issuer_unavailable") as events:
        assert get(app, idp.token()).status_code == 200
        idp.rotate()
        clock.tick(30)
        assert get(app, idp.token()).status_code == 200
        idp.down("refused")
        clock.tick(300)
        assert get(app, idp.token()).status_code == 200
    assert events == [
        ("issuer_keys_changed", {
            "issuer": "https://idp.example", "added": {"key-2"}, "removed": {"key-1"},
            "unknown_kids": 0,
        }),
        ("issuer_unavailable", {
            "issuer": "https://idp.example", "reason": "refused", "keys_age": 300,
            "unknown_kids": 0,
        }),
    ]  # fmt: skip


def test_a_fresh_application_has_nothing_of_this_loaded():
    import subprocess
    import sys

    program = (
        "import sys, flask; from flask_jwt import JWT\n"
        "app = flask.Flask('a'); app.config['SECRET_KEY'] = 'x' * 32; JWT(app)\n"
        "assert not [name for name in sys.modules if 'flask_jwt._issuers' in name]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_starting_needs_no_network(extension, monkeypatch):
    """Acceptance point 6."""
    import socket
    import time

    def forbidden(*args, **options):
        raise AssertionError("a socket was opened")

    issuers = [
        Issuer("https://idp.example", audience="a"), Issuer.okta("acme.okta.com"),
        Issuer.firebase("p"), Issuer.google(client_id="c"),
    ]  # fmt: skip
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    app = Flask("app")
    app.config["SECRET_KEY"] = SECRET
    started = time.process_time()
    extension(app, issuers=issuers)
    assert time.process_time() - started < 0.5
    app.get("/protected")(jwt_required()(show))
    assert get(app, issue(app, "joe")).status_code == 200


def test_a_password_login_beside_it(clock):
    app = build(JWT, clock, users=None, issuers=[IDP_WITH_HANDLER])
    client = app.test_client()
    token = login(client).get_json()["access_token"]
    assert get(app, token).get_json()["user"] == 1
    assert get(app, IDP.token("joe")).get_json()["user"] == "joe"


# The issuer is another application of the developer's own


def tokens_of_flask_jwt_too(clock, config):
    client = make_app(clock=clock, JWT_STORAGE_URI="memory://", **config).test_client()
    tokens = login(client).get_json()
    jwks = client.get("/.well-known/jwks.json").get_json()
    return tokens["access_token"], tokens["refresh_token"], jwks


def tokens_of_flask_jwt_extended(clock, config):
    fje = pytest.importorskip("flask_jwt_extended", reason="pip install -r requirements-dev.txt")
    app = Flask("shop")
    app.config.update(config)
    fje.JWTManager(app)
    jwks = make_app(clock=clock, **config).test_client().get("/.well-known/jwks.json").get_json()
    clock.tick(time.time() - clock())  # its tokens have real times
    with app.app_context():
        return fje.create_access_token("1"), fje.create_refresh_token("1"), jwks


@pytest.mark.parametrize("make", [tokens_of_flask_jwt_too, tokens_of_flask_jwt_extended])
def test_a_refresh_token_of_another_application_is_no_access_token(make, extension, clock):
    key = rsa_key()
    config = {
        "JWT_PRIVATE_KEY": private_pem(key), "JWT_PUBLIC_KEY": public_pem(key),
        "JWT_ALGORITHM": "RS256", "JWT_ENCODE_ISSUER": "shop", "JWT_ENCODE_AUDIENCE": "orders",
    }  # fmt: skip
    access, refresh, jwks = make(clock, config)
    app = build(extension, clock, issuers=[Issuer("shop", audience="orders", jwks=jwks)])
    assert get(app, access).status_code == 200
    for path in GUARDS:
        if path != "/optional":
            assert is_rejected(app, refresh, path)
    assert "Refresh tokens are not accepted" in get(app, refresh).get_data(as_text=True)
    app.jwt.close(app)


def test_an_application_may_say_which_types_it_accepts(extension, clock):
    idp = FakeIssuer("https://idp.example", audience="api", clock=clock)
    issuer = replace(idp.issuer, values={"type": ("access", "refresh")})
    app = build(extension, clock, issuers=[issuer])
    assert get(app, idp.token(type="refresh")).status_code == 200
    assert is_rejected(app, idp.token(type="other"))
    app.jwt.close(app)


def test_fake_issuer_follows_a_clock():
    clock = Clock(1000.0)
    idp = FakeIssuer(clock=clock)
    assert claims_of(idp.token())["iat"] == 1000
    assert idp.headers("joe")["Authorization"].startswith("Bearer ey")


# Examples of the documentation


def test_example(tmp_path, monkeypatch, clock):
    names = run_example("issuers/app.py", tmp_path, monkeypatch)
    app, idp = names["app"], FakeIssuer(names["auth0"])
    app.config["JWT_ISSUERS"] = [idp.issuer]
    body = get(app, idp.token("auth0|joe"), "/me").get_json()
    assert body == {"issuer": "https://acme.eu.auth0.com/", "subject": "auth0|joe"}
    assert get(app, idp.token(scope="read:other"), "/reports").status_code == 403
    assert get(app, idp.token(permissions=["read:reports"]), "/reports").status_code == 200


def test_example_of_users(tmp_path, monkeypatch):
    names = run_example("issuers/users.py", tmp_path, monkeypatch)
    app = names["app"]
    auth0, google = map(FakeIssuer, app.config["JWT_ISSUERS"])
    app.config["JWT_ISSUERS"] = [auth0.issuer, google.issuer]
    users = [
        get(app, idp.token(sub, email="joe@example.com"), "/me").get_json()["user"]
        for idp, sub in ((auth0, "1"), (google, "1"), (auth0, "2"), (auth0, "1"))
    ]
    assert users == [1, 2, 3, 1], "neither the subject nor the address alone is a user"
    names["database"].close()


def test_example_of_users_links_an_account_whatever_the_iss_of_its_token(tmp_path, monkeypatch):
    names = run_example("issuers/users.py", tmp_path, monkeypatch)
    app = names["app"]
    auth0, google = FakeIssuer(names["auth0"]), FakeIssuer(names["google"])
    app.config["JWT_ISSUERS"] = [auth0.issuer, google.issuer]

    def link(google_token):
        headers, form = auth0.headers("joe"), {"google_token": google_token}
        return app.test_client().post("/accounts", headers=headers, data=form).status_code

    (user,) = get(app, auth0.token("joe"), "/me").get_json().values()
    for sub, iss in (("1", "accounts.google.com"), ("2", "https://accounts.google.com")):
        assert link(google.token(sub, iss=iss)) == 200
        for other in google.issuer.names:
            assert get(app, google.token(sub, iss=other), "/me").get_json() == {"user": user}
    assert link(google.token("1")) == 409
    assert link(auth0.token("ann")) == 400
    assert link("a.b.c") == 401
    names["database"].close()


def test_example_of_tenants(tmp_path, monkeypatch):
    names = run_example("issuers/tenants.py", tmp_path, monkeypatch)
    app = names["app"]
    find = app.config["JWT_ISSUERS"]
    acme = FakeIssuer(find("https://acme.eu.auth0.com/"))
    app.config["JWT_ISSUERS"] = lambda iss: acme.issuer if find(iss) else None
    assert get(app, acme.token("joe"), "/me").get_json() == {"tenant": "Acme", "subject": "joe"}
    other = FakeIssuer("https://other.eu.auth0.com/", audience="https://api.acme.dev")
    assert get(app, other.token("joe"), "/me").status_code == 401
    names["database"].close()
