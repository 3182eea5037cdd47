"""Who a token is for: what can be an identity, and what stops a login."""

from __future__ import annotations

import enum
import logging
import uuid
from decimal import Decimal
from fractions import Fraction
from itertools import cycle
from types import SimpleNamespace
from unittest.mock import MagicMock

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from flask import Flask

from flask_jwt import (
    JWT,
    ConfigError,
    create_access_token,
    create_refresh_token,
    current_identity,
    extended,
    get_jwt_identity,
    jwt_required,
)
from flask_jwt._jose.claims import subject_of

SECRET = "a-secret-of-32-bytes-for-testing"
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Int64(int):
    """As bson.Int64 is one; its own conversions must not reach a token."""

    def __str__(self):
        return "Int64"


class Number(enum.IntEnum):
    FIVE = 5

    def __str__(self):
        return "five"


class Name(str, enum.Enum):
    JOE = "joe"


class Text(str):
    def __str__(self):
        return "text"


class ShortUUID(uuid.UUID):
    def __str__(self):
        return self.hex[:8]


class Bytes(bytes):
    pass


class ObjectId:
    """As bson.ObjectId is one: an id that is no user."""

    def __repr__(self):
        return "ObjectId('hunter2')"


@pytest.fixture
def start():
    """Make an application whose authentication handler returns *identity*."""
    jwts = []

    def start(identity, identify=None, **config):
        app = Flask("identities")
        app.testing = True
        app.config.update(SECRET_KEY=SECRET, **config)
        jwt = JWT(app, lambda username, password: identity, identify)
        jwts.append((app, jwt))
        app.add_url_rule("/me", "me", jwt_required()(lambda: {"id": get_jwt_identity()}))
        return app

    yield start
    for app, jwt in jwts:
        jwt.close(app)


def log_in(app):
    return app.test_client().post("/auth", json={"username": "joe", "password": "pass"})


def token_of(app):
    return log_in(app).get_json()["access_token"]


def claims_of(token):
    return pyjwt.decode(token, SECRET, ["HS256"], options={"verify_sub": False})


def me(app, token):
    return app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"}).get_json()


# What is an identity


IDS = [
    ("joe", "joe"), ("1", "1"), (5, 5), (-5, -5), (2**64, 2**64), (Int64(5), 5),
    (Number.FIVE, 5), (Name.JOE, "joe"), (Text("joe"), "joe"), (UUID, str(UUID)),
    (ShortUUID(int=UUID.int), str(UUID)),
]  # fmt: skip


@pytest.mark.parametrize(("user_id", "claim"), IDS, ids=repr)
@pytest.mark.parametrize(
    "user",
    [
        lambda user_id: user_id,
        lambda user_id: SimpleNamespace(id=user_id),
        lambda user_id: {"id": user_id, "name": "joe"},
        lambda user_id: MagicMock(id=user_id),
    ],
    ids=["itself", "object", "dict", "mock"],
)
@pytest.mark.parametrize("config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["", "sessions"])
def test_strings_integers_and_uuids_are_identities(start, user_id, claim, user, config):
    app = start(user(user_id), **config)
    token = token_of(app)
    claims = claims_of(token)
    assert claims["identity"] == claim
    assert type(claims["identity"]) is type(claim)
    assert claims["sub"] == str(claim)
    assert me(app, token) == {"id": claim}
    if config:
        with app.app_context():
            sessions = app.extensions["jwt"].sessions
            assert [session.subject for session in sessions.list(user(user_id))] == [str(claim)]
            assert len(sessions.list(claim)) == 1
            assert sessions.revoke_all(user(user_id)) == 1


def test_the_user_of_a_request_is_an_identity(start):
    app = start({"id": 5}, lambda payload: {"id": payload["identity"]})
    app.add_url_rule("/new", "new", jwt_required()(lambda: create_access_token(current_identity)))
    bare = start(5)
    bare.add_url_rule("/new", "new", jwt_required()(lambda: create_access_token(current_identity)))
    for application in (app, bare):
        header = {"Authorization": f"Bearer {token_of(application)}"}
        new = application.test_client().get("/new", headers=header).text
        assert claims_of(new)["identity"] == 5


@pytest.mark.parametrize("name", ["user_id", "sub"])
def test_a_configured_claim_holds_the_same_identity(start, name):
    for user_id, claim in IDS:
        app = start(user_id, JWT_IDENTITY_CLAIM=name)
        assert claims_of(token_of(app))[name] == claim


# What is none


NO_USERS = [
    (True, "True"),
    (1.0, "a float"),
    (1.5, "a float"),
    (Decimal(1), "a Decimal"),
    (Fraction(1), "a Fraction"),
    (1 + 0j, "a complex"),
    (b"joe", "a bytes"),
    (Bytes(b"joe"), "a Bytes"),
    (bytearray(b"joe"), "a bytearray"),
    (("mallory", True), "a tuple"),
    ([True, None], "a list"),
    ({"joe"}, "a set"),
    ({"name": "mallory"}, "a dict"),
    (object(), "an object"),
    (SimpleNamespace(name="hunter2"), "a SimpleNamespace"),
    (ObjectId(), "an ObjectId"),
    (lambda: 1, "a function"),
]

NO_IDS = [
    (True, "True"),
    (False, "False"),
    (None, "None"),
    *[(value, name) for value, name in NO_USERS if value is not True],
]


@pytest.mark.parametrize("config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["", "sessions"])
@pytest.mark.parametrize(("returned", "name"), NO_USERS, ids=lambda value: str(value)[:20])
def test_a_login_needs_a_user(start, returned, name, config):
    with pytest.raises(ConfigError) as caught:
        log_in(start(returned, **config))
    message = str(caught.value)
    assert message.startswith(f"authenticate() returned {name}; return the user (an object or dict")
    assert "or the id itself" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("is_dict", [False, True], ids=["object", "dict"])
@pytest.mark.parametrize(("user_id", "name"), NO_IDS, ids=lambda value: str(value)[:20])
def test_a_user_needs_an_id(start, user_id, name, is_dict):
    user = {"id": user_id} if is_dict else SimpleNamespace(id=user_id, password="hunter2")
    with pytest.raises(ConfigError) as caught:
        log_in(start(user))
    message = str(caught.value)
    assert message.startswith(f"The id of the user is {name}")
    assert "hunter2" not in message
    is_convertible = user_id is not None and not isinstance(user_id, bool)
    line = 'return str(user["id"])' if is_dict else "return str(user.id)"
    assert (line in message) is is_convertible
    assert ("@jwt.user_identity_loader" in message) is is_convertible


@pytest.mark.parametrize("identity", [value for value, _ in NO_USERS] + [None, False])
def test_nothing_else_makes_a_token_for_what_is_no_user(start, identity):
    app = start(1, JWT_STORAGE_URI="memory://")
    with app.test_request_context(), pytest.raises(ConfigError, match="the id itself"):
        create_access_token(identity)
    with app.test_request_context(), pytest.raises(ConfigError, match="the id itself"):
        create_refresh_token(identity)
    with app.test_request_context(json={}):
        sessions = app.extensions["jwt"].sessions
        for use in (sessions.start, sessions.list, sessions.revoke_all):
            with pytest.raises(ConfigError, match="the id itself"):
                use(identity)
        with pytest.raises(ConfigError, match="the id itself"):
            app.extensions["jwt"].log_in(identity)


def test_an_identity_handler_that_returns_true_is_named_at_a_refresh(start):
    app = start({"id": 1}, lambda payload: True, JWT_STORAGE_URI="memory://")
    tokens = log_in(app).get_json()
    with pytest.raises(ConfigError, match=r"^identity_handler returned True; return the user"):
        app.test_client().post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})


# A user_identity_loader


@pytest.mark.parametrize(
    "identity",
    ["joe", 5, 1.5, "", 0, [1, "a"], {"tenant": 1, "user": 2}, {"a": {"b": [None, True]}}],
    ids=repr,
)
@pytest.mark.parametrize("config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["", "sessions"])
def test_a_loader_may_return_anything_that_json_holds(start, identity, config):
    app = start(("any", "user"), **config)
    app.extensions["jwt"].user_identity_loader(lambda user: identity)
    token = token_of(app)
    assert claims_of(token)["identity"] == identity
    assert me(app, token) == {"id": identity}


@pytest.mark.parametrize(("user_id", "claim"), IDS, ids=repr)
def test_a_loader_may_return_any_id(start, user_id, claim):
    app = start(("any", "user"))
    app.extensions["jwt"].user_identity_loader(lambda user: user_id)
    assert claims_of(token_of(app))["identity"] == claim


@pytest.mark.parametrize(
    "returned",
    [None, object(), {"id": ObjectId()}, {1}, b"x", float("nan"), [float("inf")]],
    ids=lambda returned: type(returned).__name__,
)
def test_a_loader_that_returns_something_else_is_named(start, returned):
    app = start({"id": 1})
    app.extensions["jwt"].user_identity_loader(lambda user: returned)
    with pytest.raises(ConfigError, match="user_identity_loader"):
        log_in(app)


def test_dicts_are_one_identity_in_any_order_of_their_keys(start):
    returned = cycle([{"tenant": 1, "user": 2}, {"user": 2, "tenant": 1}])
    app = start({"id": 1}, JWT_STORAGE_URI="memory://")
    app.extensions["jwt"].user_identity_loader(lambda user: next(returned))
    first, second = token_of(app), token_of(app)
    assert claims_of(first)["sub"] == claims_of(second)["sub"]
    with app.app_context():
        sessions = app.extensions["jwt"].sessions
        assert len(sessions.list({"id": 1})) == 2
        assert len(sessions.list({"id": 1})) == 2
        assert sessions.list(claims_of(first)["sub"]) == [], "the identity is not a string"
        assert sessions.revoke_all({"id": 1}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ([{"b": 1, "a": 2}], [{"a": 2, "b": 1}]),
        ({"x": {"b": 1, "a": 2}}, {"x": {"a": 2, "b": 1}}),
        ({10: 1, 9: 2}, {"9": 2, "10": 1}),
        ({1: 1, "a": 2}, {"a": 2, "1": 1}),
    ],
)
def test_equal_ids_have_one_subject(one, other):
    assert subject_of(one) == subject_of(other)


def test_sessions_of_a_user_are_found_through_the_loader(start):
    user = SimpleNamespace(id=ObjectId(), key="k")
    app = start(user, JWT_STORAGE_URI="memory://")
    app.extensions["jwt"].user_identity_loader(lambda user: user.key)
    token_of(app)
    with app.app_context():
        sessions = app.extensions["jwt"].sessions
        assert [session.subject for session in sessions.list(user)] == ["k"]
        assert len(sessions.list("k")) == 1
        assert sessions.revoke_all(user) == 1


# Handlers that put True into a token


@pytest.mark.parametrize("identity", [True, False])
@pytest.mark.parametrize("config", [{}, {"JWT_STORAGE_URI": "memory://"}], ids=["", "sessions"])
@pytest.mark.parametrize(
    ("claim", "payload"),
    [(None, "identity"), (None, "sub"), ("user_id", "user_id"), ("sub", "sub")],
)
def test_a_payload_handler_must_not_issue_true(start, identity, config, claim, payload):
    app = start({"id": 1}, JWT_IDENTITY_CLAIM=claim, JWT_REQUIRED_CLAIMS=[], **config)
    app.extensions["jwt"].jwt_payload_handler(lambda user: {payload: identity, "exp": 2**33})
    with pytest.raises(ConfigError, match="True is equal to 1"):
        log_in(app)


def test_a_loader_and_additional_claims_must_not_issue_true(start):
    app = start({"id": 1})
    with app.test_request_context(), pytest.raises(ConfigError, match="True is equal to 1"):
        create_access_token(1, claims={"identity": True}, overwrite=True)
    app.extensions["jwt"].user_identity_loader(lambda user: True)
    with pytest.raises(ConfigError, match="True is equal to 1"):
        log_in(app)
    with app.test_request_context(), pytest.raises(ConfigError, match="True is equal to 1"):
        create_access_token(1)


def test_a_payload_handler_may_issue_true_in_other_claims(start):
    app = start({"id": 1}, JWT_REQUIRED_CLAIMS=[])
    app.extensions["jwt"].jwt_payload_handler(lambda user: {"identity": 1, "admin": True})
    assert claims_of(token_of(app)) == {"identity": 1, "admin": True}


# Flask-JWT-Extended's manager


def issue(module, identity):
    app = Flask("fje")
    app.config["JWT_SECRET_KEY"] = SECRET
    module.JWTManager(app)
    with app.app_context():
        try:
            return claims_of(module.create_access_token(identity))["sub"]
        except Exception as error:
            return type(error)


@pytest.mark.filterwarnings("ignore:This identity is of type")
@pytest.mark.parametrize(
    "identity",
    [True, False, 1.0, 5, "joe", None, [1, "a"], {"id": True}, {"b": 1, "a": 2}, UUID, Int64(5)],
    ids=repr,
)
def test_jwt_manager_issues_what_flask_jwt_extended_issues(identity):
    issued, expected = issue(extended, identity), issue(fje, identity)
    assert (type(issued), issued) == (type(expected), expected)


@pytest.mark.filterwarnings("ignore:This identity is of type")
def test_jwt_manager_s_sessions_take_any_identity():
    app = Flask("fje")
    app.config.update(JWT_SECRET_KEY=SECRET, JWT_STORAGE_URI="memory://")
    jwt = extended.JWTManager(app)
    with app.test_request_context():
        for identity in (True, 1.0, [1], {"b": 1, "a": 2}):
            jwt.sessions.start(identity)
            assert len(jwt.sessions.list(identity)) == 1
        assert len(jwt.sessions.list({"a": 2, "b": 1})) == 1
        jwt.sessions.start(5)
        assert len(jwt.sessions.list(5)) == 1
        with pytest.raises(ConfigError, match="set a user_identity_loader"):
            jwt.sessions.list(SimpleNamespace(id=5))
        assert jwt.sessions.revoke_all(True) == 1
    jwt.close(app)


# No authentication handler


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("is_extended", [False, True])
def test_without_an_authentication_handler_the_login_endpoint_is_not_found(caplog, is_extended):
    caplog.set_level(logging.WARNING, "flask_jwt")
    app = Flask("no login")
    app.config.update(SECRET_KEY=SECRET, JWT_AUTH_URL_RULE="/auth")
    jwt = extended.JWTManager(app) if is_extended else JWT(app)
    client = app.test_client()
    body = {"username": "joe", "password": "pass"}
    for request in ({"json": body}, {"data": body}, {}, {"json": []}):
        response = client.post("/auth", **request)
        assert response.status_code == 404
        if is_extended:
            assert response.get_json() == {"msg": "This application has no login"}
        else:
            assert response.get_json() == {
                "status_code": 404,
                "error": "Not Found",
                "description": "This application has no login",
                "code": "not_found",
            }
    (line,) = warnings_of(caplog)
    assert "authentication_handler" in line
    other = Flask("no login either")
    other.config.update(SECRET_KEY=SECRET, JWT_AUTH_URL_RULE="/auth")
    jwt.init_app(other)
    assert other.test_client().post("/auth", json=body).status_code == 404
    assert len(warnings_of(caplog)) == 2, "one line for each application"
    jwt.authentication_handler(lambda username, password: "joe")
    assert client.post("/auth", json=body).status_code == 200


def test_a_login_view_of_the_application_needs_an_authentication_handler():
    app = Flask("no login")
    app.config["SECRET_KEY"] = SECRET
    jwt = JWT(app)
    with app.test_request_context(), pytest.raises(ConfigError, match="authentication_handler"):
        jwt.authenticate("joe", "pass")


def test_an_auth_request_handler_needs_no_authentication_handler():
    app = Flask("own login")
    app.config["SECRET_KEY"] = SECRET
    jwt = JWT(app)
    with pytest.warns(DeprecationWarning, match="auth_request_handler"):
        jwt.auth_request_handler(lambda: "in")
    assert app.test_client().post("/auth").text == "in"
