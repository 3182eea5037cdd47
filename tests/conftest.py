"""Fixtures for all tests."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from flask import Flask
from flask.globals import app_ctx

from flask_jwt import JWT, current_identity, jwt_required, signals
from flask_jwt.testing import Clock

pytest_plugins = ["tests.servers"]

SECRET = "a-secret-of-32-bytes-for-testing"


class User:
    def __init__(self, id, username="joe", password="pass"):
        self.id = id
        self.username = username
        self.password = password


@pytest.fixture(autouse=True)
def _no_context_left_pushed():
    """A test that leaves an application context pushed would lend its user to the next one."""
    yield
    left = []
    while app_ctx:
        left.append(app_ctx._get_current_object())
        left[-1].pop()
    assert not left, f"contexts left pushed: {left}"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def user():
    return User(1)


@pytest.fixture
def jwt(clock, user):
    """A JWT with handlers for one user, not yet bound to an application."""
    jwt = JWT(clock=clock)

    @jwt.authentication_handler
    def authenticate(username, password):
        return user if (username, password) == (user.username, user.password) else None

    @jwt.identity_handler
    def identity(payload):
        return user if payload["identity"] == user.id else None

    return jwt


@pytest.fixture
def make_app(jwt):
    def make_app(**config):
        app = Flask("tested")
        app.config.update({"SECRET_KEY": SECRET, **config})
        jwt.init_app(app)

        @app.get("/protected")
        @jwt_required()
        def protected():
            return {"user": current_identity.id}

        return app

    return make_app


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


def login(client, username="joe", password="pass"):
    return client.post("/auth", json={"username": username, "password": password})


def token_of(client):
    return login(client).get_json()["access_token"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def heard(app, *names):
    """The signals of these names that *app* sends within this context, each with its facts."""
    events = []

    def hear(name):
        def receiver(sender, **facts):
            assert sender is app
            events.append((name, facts))

        getattr(signals, name).connect(receiver, app)
        return receiver

    receivers = [hear(name) for name in names]
    yield events
    assert receivers
