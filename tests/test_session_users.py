"""Whose sessions they are: one function from a user to an identity, wherever one is needed."""

from __future__ import annotations

import json
import secrets
from types import SimpleNamespace
from uuid import UUID

import pytest
from flask import Flask, request

from flask_jwt import JWT, ConfigError, current_identity, get_jwt_identity, jwt_required
from flask_jwt._cli import jwt_cli
from flask_jwt.extended import JWTManager
from tests.servers import stores, uri_of
from tests.support import SECRET, bearer

JOE = SimpleNamespace(id=7, name="joe", tenant={"b": 1, "a": 2})
SEVEN = SimpleNamespace(id=8, name="7", tenant={"b": 1, "a": 3})
"""Another user: joe's id is this one's name."""


def payload_with(**claims):
    """Return a payload handler that returns these claims of a user."""

    def payload_handler(user):
        now = 1_000_000
        times = {"iat": now, "nbf": now, "exp": 4_000_000_000}
        return {**times, **{name: get(user) for name, get in claims.items()}}

    return payload_handler


# How an application makes an identity of a user: a setter for its JWT, its options, and what the
# tokens of JOE hold.
IDENTITIES = {
    "the id": (lambda jwt: None, {}, 7),
    "user_identity_loader": (
        lambda jwt: jwt.user_identity_loader(lambda user: user.name), {}, "joe"
    ),
    "user_identity_loader of a number": (
        lambda jwt: jwt.user_identity_loader(lambda user: user.id * 100), {}, 700
    ),
    "user_identity_loader of a dict": (
        lambda jwt: jwt.user_identity_loader(lambda user: user.tenant), {}, {"a": 2, "b": 1}
    ),
    "identity in the payload": (
        lambda jwt: jwt.jwt_payload_handler(payload_with(identity=lambda u: u.name)), {}, "joe"
    ),
    "identity and another sub": (
        lambda jwt: jwt.jwt_payload_handler(
            payload_with(identity=lambda u: u.name, sub=lambda u: str(u.id))
        ),
        {},
        "joe",
    ),
    "sub in the payload": (
        lambda jwt: jwt.jwt_payload_handler(payload_with(sub=lambda u: u.name)), {}, "joe"
    ),
    "JWT_IDENTITY_CLAIM": (
        lambda jwt: jwt.user_identity_loader(lambda user: user.name),
        {"JWT_IDENTITY_CLAIM": "username"},
        "joe",
    ),
    "JWT_IDENTITY_CLAIM beside sub": (
        lambda jwt: jwt.jwt_payload_handler(
            payload_with(username=lambda u: u.name, sub=lambda u: str(u.id))
        ),
        {"JWT_IDENTITY_CLAIM": "username"},
        "joe",
    ),
    "neither in the payload": (
        lambda jwt: jwt.jwt_payload_handler(payload_with(user=lambda u: u.id)), {}, None
    ),
}  # fmt: skip


@pytest.fixture(params=stores("memory", "sqlite", "mariadb", "redis"))
def uri(request, tmp_path):
    return uri_of(request.param, request, tmp_path)


@pytest.fixture
def make_shop(uri):
    apps = []

    def make_shop(set_up=lambda jwt: None, users=(JOE, SEVEN), extension=JWT, **config):
        app = Flask("shop")
        if not uri.startswith(("memory", "sqlite")):
            # The servers keep what other tests have stored.
            config = {"JWT_STORAGE_NAMESPACE": secrets.token_hex(4), **config}
        app.config.update(SECRET_KEY=SECRET, JWT_STORAGE_URI=uri, **config)
        app.jwt = extension(app)
        app.jwt.authentication_handler(
            lambda name, password: next((u for u in users if u.name == name), None)
        )
        app.jwt.identity_handler(lambda claims: find(app, users, claims))
        set_up(app.jwt)

        @app.get("/devices")
        @jwt_required()
        def devices():
            return [session.label for session in app.jwt.sessions.list(current_identity)]

        @app.post("/end/<by>")
        @jwt_required()
        def end(by):
            user = current_identity if by == "user" else get_jwt_identity()
            return {"ended": app.jwt.sessions.revoke_all(user)}

        apps.append(app)
        return app

    def find(app, users, claims):
        """Return the user for whom a payload was issued."""
        names = ("identity", "sub", "username", "user")
        for user in users:
            with app.app_context():
                issued = app.jwt.jwt_payload_callback(user)
            if all(claims.get(name) == issued.get(name) for name in names):
                return user
        return None

    yield make_shop
    for app in apps:
        app.jwt.close(app)


def log_in(app, name="joe"):
    body = {"username": name, "password": "x", "label": f"of {name}"}
    return app.test_client().post("/auth", json=body).get_json()["access_token"]


@pytest.mark.parametrize("how", IDENTITIES)
def test_each_way_leads_to_the_sessions_of_the_user(make_shop, how):
    set_up, config, identity = IDENTITIES[how]
    app = make_shop(set_up, **config)
    client = app.test_client()
    joe, again, seven = log_in(app), log_in(app), log_in(app, "7")
    both = ["of joe", "of joe"]
    assert client.get("/devices", headers=bearer(joe)).get_json() == both
    devices = client.get("/auth/sessions", headers=bearer(joe)).get_json()["sessions"]
    assert [device["label"] for device in devices] == both
    with app.app_context():
        assert len(app.jwt.sessions.list(JOE)) == 2
        if isinstance(identity, (str, int)):
            assert len(app.jwt.sessions.list(identity)) == 2
        assert len(list(app.jwt.sessions.iterate(SEVEN))) == 1
    others = client.post("/auth/logout", json={"scope": "others"}, headers=bearer(joe))
    assert others.get_json() == {"revoked": 1}
    assert client.get("/devices", headers=bearer(again)).status_code == 401
    log_in(app)
    by = "identity" if isinstance(identity, (str, int)) else "user"
    assert client.post(f"/end/{by}", headers=bearer(joe)).get_json() == {"ended": 2}
    assert client.get("/devices", headers=bearer(joe)).status_code == 401
    assert client.get("/devices", headers=bearer(seven)).get_json() == ["of 7"]


@pytest.mark.parametrize("how", IDENTITIES)
def test_the_limit_counts_the_sessions_of_the_user(make_shop, how):
    set_up, config, _ = IDENTITIES[how]
    app = make_shop(set_up, JWT_MAX_SESSIONS=2, **config)
    tokens = [log_in(app) for _ in range(3)]
    seven = log_in(app, "7")
    statuses = [
        app.test_client().get("/devices", headers=bearer(token)).status_code
        for token in [*tokens, seven]
    ]
    assert statuses == [401, 200, 200, 200]


@pytest.mark.parametrize("how", [how for how in IDENTITIES if how != "neither in the payload"])
def test_the_command_line_finds_the_sessions_of_the_user(make_shop, how):
    set_up, config, identity = IDENTITIES[how]
    app = make_shop(set_up, **config)
    log_in(app)
    log_in(app, "7")
    argument = identity if isinstance(identity, str) else json.dumps(identity)
    listed = json.loads(run(app, "list", argument, "--json").output)
    assert [(each["label"], each["identity"]) for each in listed] == [("of joe", identity)]
    result = run(app, "revoke", "--subject", argument)
    assert result.output.startswith("Revoked 1 session of the ")


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, ["sessions", *arguments])


NAMES = ["joe", "JOE", "j\u00f6e", "joe ", "x" * 300, "x" * 299 + "y", "1", 1]


def test_users_with_similar_names_are_different_users(make_shop):
    """A database may compare strings without case, accents and trailing spaces."""
    users = [SimpleNamespace(id=name, name=f"user {n}") for n, name in enumerate(NAMES)]
    app = make_shop(users=users)
    tokens = {user.id: log_in(app, user.name) for user in users}
    client = app.test_client()
    for user in users:
        headers = bearer(tokens[user.id])
        assert client.get("/devices", headers=headers).get_json() == [f"of {user.name}"]
        with app.app_context():
            (session,) = app.jwt.sessions.list(user.id)
            other = next(u for u in users if u is not user)
            theirs = app.jwt.sessions.list(other.id)[0].sid
            assert not app.jwt.sessions.have_same_user(session, app.jwt.sessions.get(theirs))
        assert client.delete(f"/auth/sessions/{theirs}", headers=headers).status_code == 404
    for user in users:
        response = client.post(
            "/auth/logout", json={"scope": "global"}, headers=bearer(tokens[user.id])
        )
        assert response.get_json() == {"revoked": 1}


SUBCLASSES = {
    "a UUID": (UUID(int=5), str(UUID(int=5))),
    "a str of another class": (type("Name", (str,), {})("joe"), "joe"),
    "an int of another class": (type("Number", (int,), {})(7), 7),
}


@pytest.mark.parametrize("kind", SUBCLASSES)
def test_an_id_of_another_class_is_the_identity_in_the_token(make_shop, kind):
    given, identity = SUBCLASSES[kind]
    app = make_shop(lambda jwt: jwt.user_identity_loader(lambda user: identity))
    log_in(app)
    with app.app_context():
        assert len(app.jwt.sessions.list(given)) == 1


UNKNOWN = {
    "None": (lambda jwt: None, None, "None; pass the user"),
    "a dict without an id": (lambda jwt: None, {"name": "joe"}, "a dict; pass the user"),
    "a user whose id is None": (lambda jwt: None, SimpleNamespace(id=None), "id of the user is None"),
    "an object of no user": (lambda jwt: None, object(), "an object; pass the user"),
    "True": (lambda jwt: None, True, "True; pass the user"),
    "a payload handler that needs a request": (
        lambda jwt: jwt.jwt_payload_handler(lambda user: {"identity": request.headers["X-User"]}),
        JOE,
        "needs a request",
    ),
    "an identity that JSON can't represent": (
        lambda jwt: jwt.jwt_payload_handler(lambda user: {"identity": object()}),
        JOE,
        "set a user_identity_loader",
    ),
}  # fmt: skip


@pytest.mark.parametrize("uri", ["memory"], indirect=True)
@pytest.mark.parametrize("use", ["list", "revoke_all"])
@pytest.mark.parametrize("what", UNKNOWN)
def test_what_can_not_be_known_is_an_error(make_shop, use, what):
    set_up, user, message = UNKNOWN[what]
    app = make_shop(set_up)
    with app.app_context(), pytest.raises(ConfigError, match=message):
        getattr(app.jwt.sessions, use)(user)


@pytest.mark.filterwarnings("ignore:This identity is of type")
@pytest.mark.parametrize("uri", ["memory"], indirect=True)
def test_flask_jwt_extended_s_identity_is_the_one_in_the_token(make_shop):
    """Its tokens are issued for whatever the view passes, so a user object tells nothing."""
    app = Flask("fje")
    app.config.update(JWT_SECRET_KEY=SECRET, JWT_STORAGE_URI="memory://")
    jwt = JWTManager(app)
    with app.test_request_context():
        jwt.sessions.start("joe")
        assert len(jwt.sessions.list("joe")) == 1
        with pytest.raises(ConfigError, match="set a user_identity_loader"):
            jwt.sessions.revoke_all(JOE)
        jwt.user_identity_loader(lambda user: user if isinstance(user, str) else user.name)
        assert jwt.sessions.revoke_all(JOE) == 1


# Namespaces


NAMESPACES = {
    "two namespaces": ({"JWT_STORAGE_NAMESPACE": "shop"}, {"JWT_STORAGE_NAMESPACE": "admin"}),
    "two issuers": ({"JWT_ENCODE_ISSUER": "shop"}, {"JWT_ENCODE_ISSUER": "admin"}),
    "an issuer and none": ({"JWT_ENCODE_ISSUER": "shop"}, {}),
    "an issuer and an empty namespace": (
        {"JWT_ENCODE_ISSUER": "shop"},
        {"JWT_ENCODE_ISSUER": "shop", "JWT_STORAGE_NAMESPACE": ""},
    ),
}


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", NAMESPACES)
def test_applications_that_share_a_store_have_different_users(make_shop, how):
    shop, admin = (make_shop(**config) for config in NAMESPACES[how])
    token, _ = log_in(shop), log_in(admin)
    for app in (shop, admin):
        with app.app_context():
            assert len(app.jwt.sessions.list(JOE)) == 1
    logout = shop.test_client().post(
        "/auth/logout", json={"scope": "global"}, headers=bearer(token)
    )
    assert logout.get_json() == {"revoked": 1}
    with admin.app_context():
        assert len(admin.jwt.sessions.list(7)) == 1


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_one_namespace_joins_applications_with_different_issuers(make_shop):
    shop, admin = (
        make_shop(JWT_ENCODE_ISSUER=issuer, JWT_STORAGE_NAMESPACE="all") for issuer in ("a", "b")
    )
    log_in(shop)
    log_in(admin)
    with shop.app_context():
        assert shop.jwt.sessions.revoke_all(JOE) == 2


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_a_logout_is_known_in_each_namespace(make_shop):
    """A service that only verifies learns of it, whatever its namespace is."""
    shop, other = (
        make_shop(),
        make_shop(JWT_STORAGE_NAMESPACE="other", JWT_REVOCATION_CHECK="always"),
    )
    token = log_in(shop)
    assert other.test_client().get("/devices", headers=bearer(token)).status_code == 200
    shop.test_client().post("/auth/logout", headers=bearer(token))
    assert other.test_client().get("/devices", headers=bearer(token)).status_code == 401


# The command line


@pytest.fixture
def two_users(make_shop):
    """An application with sessions of the number 1 and of the string "1"."""
    users = [SimpleNamespace(id=1, name="number"), SimpleNamespace(id="1", name="string")]
    app = make_shop(users=users)
    for user in users:
        log_in(app, user.name)
    return app


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_the_command_line_tries_both_readings_and_names_them(two_users):
    result = run(two_users, "list", "1")
    assert '1 session of the string "1":' in result.output
    assert "1 session of the number 1:" in result.output
    listed = json.loads(run(two_users, "list", "1", "--json").output)
    assert [(each["identity"], each["label"]) for each in listed] == [
        ("1", "of string"),
        (1, "of number"),
    ]
    assert "of the number" not in run(two_users, "list", "1", "--type", "string").output


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_the_command_line_ends_no_session_of_a_user_who_may_not_be_meant(two_users):
    result = run(two_users, "revoke", "--subject", "1")
    assert result.exit_code == 1
    assert 'Both the string "1" and the number 1 have sessions' in result.output
    for json_type, other in (("json", "string"), ("string", "json")):
        del other
        assert run(two_users, "revoke", "--subject", "1", "--type", json_type).exit_code == 0
    assert run(two_users, "list", "1").output.startswith("none: ")


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("argument", "tried"),
    [
        ("5", 'the string "5" and the number 5'),
        ("joe", 'the string "joe"'),
        ("007", 'the string "007"'),
        ("1e3", 'the string "1e3"'),
        ("true", 'the string "true"'),
        ("-5", 'the string "-5" and the number -5'),
        ('{"a": 1}', 'and the JSON {"a": 1}'),
    ],
)
def test_the_command_line_never_ends_no_session_in_silence(make_shop, argument, tried):
    shop = make_shop()
    result = run(shop, "revoke", "--subject", argument)
    assert result.exit_code == 1
    assert "There are no active sessions. Looked for " in result.output
    assert f"{tried}." in result.output
    listed = run(shop, "list", argument)
    assert (listed.exit_code, listed.output.startswith("none: ")) == (0, True)
    verb = "have" if "and " in tried else "has"
    assert f"{tried} {verb} no active sessions" in listed.output
    assert json.loads(run(shop, "list", argument, "--json").output) == []
