"""What belongs to one application: its extension object, handlers, configuration and store."""

from __future__ import annotations

import gc
import warnings
from functools import partial

import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt
from flask_jwt import JWT, ConfigError
from flask_jwt.testing import Clock
from tests.support import ANYONE, OTHER_SECRET, SECRET, User, claims_of, get, issue, login, make_app


@pytest.fixture
def start(make_app):
    """Make applications in which everybody can log in whose password is "pass"."""
    return partial(make_app, users=ANYONE)


@pytest.fixture
def app(start):
    return start(JWT_STORAGE_URI="memory://")


def log_in(app, password="pass"):
    return login(app.test_client(), password=password)


def refresh(app, tokens):
    body = {"refresh_token": tokens["refresh_token"]}
    return app.test_client().post("/auth/refresh", json=body)


# The payload handler


def test_the_payload_handler_is_called_once_per_login_and_per_refresh(app, clock):
    calls = []

    @app.jwt.jwt_payload_handler
    def payload(identity):
        calls.append(identity)
        now = int(clock())
        return {"identity": identity, "iat": now, "nbf": now, "exp": now + 60, "call": len(calls)}

    tokens = log_in(app).get_json()
    assert calls == ["joe"]
    assert claims_of(tokens["access_token"])["call"] == 1
    assert claims_of(tokens["refresh_token"])["payload"] == {"identity": "joe", "call": 1}

    renewed = refresh(app, tokens).get_json()
    assert calls == ["joe", "joe"]
    assert claims_of(renewed["access_token"])["call"] == 2


# The configuration


class Counted(list):
    """Count how often the value of an option is interpreted."""

    count = 0

    def __iter__(self):
        self.count += 1
        return super().__iter__()


@pytest.mark.parametrize("uri", [None, "memory://"])
def test_init_app_interprets_the_configuration_once(start, uri):
    names = Counted(["exp", "iat", "nbf"])
    app = start(JWT_REQUIRED_CLAIMS=names, JWT_STORAGE_URI=uri)
    assert names.count == 1
    for _ in range(2):
        assert get(app, "/protected", log_in(app).get_json()["access_token"]).status_code == 200
    assert names.count == 1, "nothing has changed"
    app.config["JWT_LEEWAY"] = 0
    assert log_in(app).status_code == 200
    assert names.count == 2


# The extension object


def test_the_registered_extension_is_the_object_of_the_program(app):
    assert app.extensions["jwt"] is app.jwt
    with app.app_context():
        assert flask_jwt._jwt == app.jwt
    assert app.extensions["flask-jwt"].app is app


def test_handlers_are_read_and_set_through_the_registered_extension(app):
    registered = app.extensions["jwt"]
    assert registered.authentication_callback is app.jwt.authentication_callback
    registered.identity_callback = lambda payload: payload["identity"].upper()
    token = log_in(app).get_json()["access_token"]
    assert get(app, "/protected", token).get_json() == {"user": "JOE"}
    assert app.jwt.identity_callback is registered.identity_callback


@pytest.mark.parametrize("other", [None, "anything", object()], ids=["None", "str", "object"])
def test_a_program_may_put_another_object_there(app, other):
    app.extensions["jwt"] = other
    assert log_in(app, "wrong").status_code == 401
    tokens = log_in(app).get_json()
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    assert get(app, "/protected", "wrong").status_code == 401
    assert refresh(app, tokens).status_code == 200
    with app.app_context():
        assert app.jwt.sessions.list("joe")


# Handlers that are awaited


def bound(function):
    class Holder:
        async def handle(self, *args):
            return function(*args)

    return Holder().handle


def callable_object(function):
    class Handler:
        async def __call__(self, *args):
            return function(*args)

    return Handler()


def partial_function(function):
    async def handle(made, *args):
        return function(*args)

    return partial(handle, "made")


def returning(function):
    async def handle(*args):
        return function(*args)

    # iscoroutinefunction() takes it for a plain one.
    return lambda *args: handle(*args)  # noqa: PLW0108


class Awaitable:
    def __init__(self, result):
        self.result = result

    def __await__(self):
        yield from ()
        return self.result


def returning_awaitable(function):
    return lambda *args: Awaitable(function(*args))


HANDLERS = {
    "authentication_handler": lambda name, password: "ann" if password == "wrong" else None,
    "identity_handler": lambda payload: payload["identity"].upper(),
    "jwt_payload_handler": lambda identity: {
        "identity": f"the {identity}", "iat": 1_800_000_000, "nbf": 0, "exp": 1_800_000_060,
    },
    "jwt_headers_handler": lambda identity: {"for": identity},
    "jwt_encode_handler": lambda identity: pyjwt.encode({"exp": 1}, SECRET),
    "jwt_decode_handler": lambda token: {"identity": len(token)},
    "user_identity_loader": lambda identity: f"the {identity}",
    "additional_claims_loader": lambda identity: {"for": identity},
    "additional_headers_loader": lambda identity: {"for": identity},
    "encode_key_loader": lambda identity: OTHER_SECRET,
    "decode_key_loader": lambda header, payload: OTHER_SECRET,
    "token_in_blocklist_loader": lambda header, payload: payload["identity"] == "joe",
    "token_verification_loader": lambda header, payload: payload["identity"] != "joe",
    "request_handler": lambda: flask_jwt.create_access_token("ann"),
    "jwt_error_handler": lambda error: ({"failed": error.error_code}, error.status_code),
    "auth_response_handler": lambda token, identity: {"access_token": token, "for": identity},
}  # fmt: skip


def record_of(app):
    """Return the responses to logins and to requests with their tokens, less what is random."""
    record = []
    for password in ("pass", "wrong"):
        body = log_in(app, password).get_json()
        token = body.pop("access_token", "none")
        if token != "none":
            claims = {k: v for k, v in claims_of(token).items() if k != "jti"}
            record += [pyjwt.get_unverified_header(token), claims, verifies(token)]
        record += [body, get(app, "/protected", token).get_json()]
    return record


def verifies(token):
    try:
        pyjwt.PyJWS().decode(token, OTHER_SECRET, ["HS256"])
    except pyjwt.InvalidSignatureError:
        return False
    return True


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize(
    "awaited", [bound, callable_object, partial_function, returning, returning_awaitable]
)
def test_handlers_are_awaited(start, awaited, name):
    records = []
    for handler in (HANDLERS[name], awaited(HANDLERS[name])):
        app = start(JWT_LOGIN_LIMITS=None)
        getattr(app.jwt, name)(handler)
        records.append(record_of(app))
    assert records[0] == records[1]
    assert records[0] != record_of(start(JWT_LOGIN_LIMITS=None)), "this handler changes nothing"


@pytest.mark.parametrize("loaded", [False, None])
def test_an_awaited_blocklist_accepts_tokens_that_are_not_on_it(app, loaded):
    app.jwt.token_in_blocklist_loader(returning(lambda header, payload: loaded))
    token = log_in(app).get_json()["access_token"]
    assert get(app, "/protected", token).status_code == 200


def test_a_refresh_awaits_too(app):
    for name in ("identity_handler", "additional_claims_loader"):
        getattr(app.jwt, name)(callable_object(HANDLERS[name]))
    renewed = refresh(app, log_in(app).get_json()).get_json()
    assert claims_of(renewed["access_token"])["for"] == "JOE"


class Methods(JWT):
    """Make another object whenever the handler is read."""

    @property
    def identity_callback(self):
        return self.load

    @identity_callback.setter
    def identity_callback(self, callback):
        pass

    async def load(self, payload):
        return payload["identity"].upper()


def test_a_handler_may_be_another_object_whenever_it_is_read(start):
    app = start(Methods)
    assert app.jwt.identity_callback is not app.jwt.identity_callback
    token = log_in(app).get_json()["access_token"]
    for _ in range(2):
        assert get(app, "/protected", token).get_json() == {"user": "JOE"}


# close()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "sessions.db"


def pooled_connections(app):
    return app.extensions["flask-jwt"].sessions.store.store.engine.pool.checkedin()


def test_close_closes_the_store_and_it_opens_again(start, database):
    app = start(JWT_STORAGE_URI=f"sqlite:///{database}")
    tokens = log_in(app).get_json()
    assert pooled_connections(app) == 1
    app.jwt.close(app)  # outside of a context
    assert pooled_connections(app) == 0
    tokens = refresh(app, tokens).get_json()
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    with app.app_context():
        app.jwt.close()
        app.jwt.close()
    assert pooled_connections(app) == 0
    database.unlink()
    assert log_in(app).status_code == 200, "the table is made again"
    app.jwt.close(app)


def test_nothing_is_left_open(database):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Not the fixture's application, which would live on until the test has ended.
        app = make_app(users=ANYONE, JWT_STORAGE_URI=f"sqlite:///{database}")
        log_in(app)
        app.jwt.close(app)
        del app
        gc.collect()
    assert not [w for w in caught if issubclass(w.category, ResourceWarning)]


def test_close_closes_a_custom_store(clock):
    class Store:
        closed = 0

        def close(self):
            self.closed += 1

    app = Flask("custom")
    app.config["SECRET_KEY"] = SECRET
    jwt = JWT(app, store=Store(), clock=clock)
    jwt.close(app)
    assert jwt._store.closed == 1


def test_close_without_sessions_does_nothing(start):
    app = start()
    app.jwt.close(app)
    assert log_in(app).status_code == 200


def test_close_of_an_application_without_a_jwt(start):
    with pytest.raises(ConfigError, match="no JWT"):
        start().jwt.close(Flask("other"))


# Several applications


def test_an_extension_object_may_serve_several_applications_that_share_no_tokens():
    user = User(1)
    jwt = JWT(None, lambda username, password: user, lambda payload: user, clock=Clock())
    one, other = make_app(jwt), make_app(jwt, SECRET_KEY=OTHER_SECRET)
    for app, another in ((one, other), (other, one)):
        token = log_in(app).get_json()["access_token"]
        assert get(app, "/protected", token).status_code == 200
        response = get(another, "/protected", token)
        assert response.status_code == 401
        assert response.get_json()["description"] == "Signature verification failed"


def test_applications_with_two_keys_share_neither_tokens_nor_a_cache(start):
    def status(app, token):
        return get(app, "/protected", token).status_code

    one, two = start(), start(SECRET_KEY=OTHER_SECRET)
    token = issue(one)
    assert [status(one, token), status(two, token), status(one, token)] == [200, 401, 200]
    other = issue(two)
    assert [status(two, other), status(one, other)] == [200, 401]
