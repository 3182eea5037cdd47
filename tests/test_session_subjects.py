"""Whose sessions are meant, and that a login that fails leaves none behind."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError, current_identity, jwt_required
from flask_jwt.stores.memory import MemoryStore

from .support import ANYONE, bearer, login, make_app, token_of


@pytest.fixture
def app(clock):
    return make_app(clock=clock, store=MemoryStore())


@pytest.mark.parametrize(
    ("value", "has_loader"), [(None, False), (None, True), (True, False), (False, False)]
)
def test_sessions_of_no_user_are_an_error(app, has_loader, value):
    """Without the error, 0 revoked sessions would hide that the wrong argument was passed."""
    if has_loader:
        app.jwt.user_identity_loader(lambda user: user.id)
    with app.app_context(), pytest.raises(ConfigError, match=f"The identity is {value}"):
        app.jwt.sessions.revoke_all(value)


@pytest.mark.parametrize("loader", [None, lambda user: user])
def test_current_identity_may_be_the_id(clock, loader):
    app = make_app(clock=clock, store=MemoryStore(), users=ANYONE)
    if loader is not None:
        app.jwt.user_identity_loader(loader)

    @app.post("/log-out")
    @jwt_required()
    def log_out():
        return {"revoked": app.jwt.sessions.revoke_all(current_identity)}

    token = token_of(app.test_client())
    response = app.test_client().post("/log-out", headers=bearer(token))
    assert response.get_json() == {"revoked": 1}


def _fail(loader=None, payload=None, **claims):
    def prepare(jwt):
        if loader is not None:
            jwt.user_identity_loader(loader)
        if payload is not None:
            jwt.jwt_payload_handler(payload)
        if claims:
            jwt.additional_claims_loader(lambda user: claims)

    return prepare


@pytest.mark.parametrize(
    "prepare",
    [
        _fail(loader=lambda user: True),
        _fail(payload=lambda user: {"identity": True, "iat": 0, "nbf": 0, "exp": 9e9}),
        _fail(payload=lambda user: {"identity": 1}),
        _fail(text="x" * 9000),
    ],
    ids=["loader", "payload", "claims missing", "too long"],
)
def test_a_login_that_fails_leaves_no_session(clock, prepare):
    """It would count against JWT_MAX_SESSIONS, and end the session of another device."""
    app = make_app(clock=clock, store=MemoryStore(), JWT_MAX_SESSIONS=1)
    login(app.test_client())
    prepare(app.jwt)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert login(app.test_client()).status_code == 500
    with app.app_context():
        assert app.jwt.sessions.count() == {"active": 1, "revoked": 0, "expired": 0}


@pytest.mark.parametrize("user_id", ["\ud800", {1: "a", "1": "b"}, ["a", ["\udfff"]]])
def test_an_identity_that_no_guard_would_read_is_an_error_at_the_login(app, user_id):
    """The login succeeded, and each request with its token was a 401."""
    app.jwt.user_identity_loader(lambda user: user_id)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigError, match="JSON can't represent"):
        login(app.test_client())
