"""Each request keeps its own user, however requests and contexts are nested."""

from __future__ import annotations

import contextvars
from threading import Thread

import pytest
from flask import Flask, copy_current_request_context, g, request, stream_with_context

import flask_jwt
from flask_jwt import JWT, create_access_token, current_identity, extended, jwt_required
from flask_jwt.testing import JWTClient

SECRET = "a-secret-of-32-bytes-for-testing"


def make_app(name="one", manager=JWT, **config):
    app = Flask(name)
    app.config.update(SECRET_KEY=SECRET, JWT_SECRET_KEY=SECRET, **config)
    jwt = manager(app)
    if manager is JWT:
        jwt.identity_handler(lambda payload: f"{name}:{payload['identity']}")
    else:
        jwt.user_lookup_loader(lambda header, payload: f"{name}:{payload['sub']}")

    @app.get("/who")
    @jwt_required()
    def who():
        return str(current_identity)

    return app


def headers_of(app, identity):
    with app.app_context():
        return {"Authorization": f"Bearer {create_access_token(identity)}"}


def with_client(app, other):
    other.test_client().get("/who", headers=headers_of(other, "bob"))


def with_rejected_client(app, other):
    other.test_client().get("/who", headers={"Authorization": "Bearer x"})


def with_test_request_context(app, other):
    with other.test_request_context(headers=headers_of(other, "bob")):
        flask_jwt.verify_jwt_in_request()
        assert current_identity == f"{other.name}:bob"


def with_full_dispatch(app, other):
    with other.test_request_context("/who", headers=headers_of(other, "bob")):
        assert other.full_dispatch_request().get_data(as_text=True) == f"{other.name}:bob"


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
@pytest.mark.parametrize("is_same", [True, False], ids=["same app", "other app"])
@pytest.mark.parametrize(
    "nested", [with_client, with_rejected_client, with_test_request_context, with_full_dispatch]
)
def test_a_request_within_a_request(nested, is_same, manager):
    app = make_app(manager=manager)
    other = app if is_same else make_app("two", manager)

    @app.get("/outer")
    @jwt_required()
    def outer():
        nested(app, other)
        return f"{current_identity} {flask_jwt.get_jwt_identity()}"

    assert app.test_client().get("/outer", headers=headers_of(app, "ann")).text == "one:ann ann"


def in_thread(function):
    results = []
    thread = Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def copied_request_context():
    return in_thread(copy_current_request_context(lambda: str(current_identity)))


def copied_contextvars():
    context = contextvars.copy_context()
    return in_thread(lambda: context.run(lambda: str(current_identity)))


def streamed():
    return stream_with_context(str(current_identity) for _ in range(1))


@pytest.mark.parametrize("read", [copied_request_context, copied_contextvars, streamed])
def test_a_context_that_is_handed_on_keeps_the_user(read):
    app = make_app()
    app.add_url_rule("/read", "read", jwt_required()(read))
    assert app.test_client().get("/read", headers=headers_of(app, "ann")).text == "one:ann"


def test_an_outer_application_context_lends_no_user_to_the_next_request():
    app = make_app()
    app.add_url_rule("/open", "open", lambda: str(current_identity))
    with app.app_context():
        client = app.test_client()
        assert client.get("/who", headers=headers_of(app, "ann")).text == "one:ann"
        assert client.get("/open").text == "None"
        assert not current_identity


def test_the_context_of_another_application_has_no_user_of_this_one():
    app, other = make_app(), make_app("two")

    @app.get("/outer")
    @jwt_required()
    def outer():
        with other.app_context():
            seen = current_identity._get_current_object()
        return f"{seen} {current_identity}"

    assert app.test_client().get("/outer", headers=headers_of(app, "ann")).text == "None one:ann"


def test_an_environ_that_is_handed_on_takes_no_user_along():
    app, other = make_app(), make_app("two")
    other.add_url_rule("/outer", "open", lambda: str(current_identity))

    @app.get("/outer")
    @jwt_required()
    def outer():
        return other  # a response of the WSGI application "other", called with the same environ

    assert app.test_client().get("/outer", headers=headers_of(app, "ann")).text == "None"


def test_a_second_verification_that_fails_leaves_no_user():
    app = make_app()

    @app.get("/twice")
    @jwt_required()
    def twice():
        with pytest.raises(flask_jwt.JWTError):
            flask_jwt.verify_jwt_in_request(refresh=True)
        return str(current_identity)

    assert app.test_client().get("/twice", headers=headers_of(app, "ann")).text == "None"


def test_extended_reads_its_names_in_g_and_never_writes_them():
    app = make_app(manager=extended.JWTManager)

    @app.get("/names")
    @jwt_required()
    def names():
        names = [name for name in g if name.startswith(("_jwt", "_flask_jwt"))]
        g._jwt_extended_jwt = {"sub": "set"}
        g._jwt_extended_jwt_header = {"alg": "set"}
        g._jwt_extended_jwt_user = {"loaded_user": "set"}
        read = [extended.get_jwt(), extended.get_jwt_header(), extended.get_current_user()]
        return {"names": names, "read": read}

    assert app.test_client().get("/names", headers=headers_of(app, "ann")).get_json() == {
        "names": [],
        "read": [{"sub": "set"}, {"alg": "set"}, "set"],
    }


def test_a_refresh_cookie_is_exchanged_once_for_each_request_object():
    """The result belongs to the request, not to its environ, which may be handed on."""
    app = make_app(
        JWT_TOKEN_LOCATION=["cookies"], JWT_STORAGE_URI="memory://", JWT_COOKIE_SECURE=False
    )
    app.testing = True
    seen = []

    @app.get("/twice")
    @jwt_required()
    def twice():
        flask_jwt.verify_jwt_in_request()
        seen.append([key for key in request.environ if "flask_jwt" in key])
        return flask_jwt.get_jwt()["sid"]

    client = JWTClient(app)
    client.login_as("ann", exp=0)
    first = client.get("/twice")
    assert first.status_code == 200
    assert seen == [[]]
    names = [line.partition("=")[0] for line in first.headers.getlist("Set-Cookie")]
    assert names.count("refresh_token_cookie") == 1
    with app.app_context():
        session = app.extensions["jwt"].sessions.get(first.text)
    assert session.generation == 1
