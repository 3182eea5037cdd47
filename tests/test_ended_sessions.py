"""Tokens of sessions that have ended, on ways that are seldom used."""

from __future__ import annotations

import jwt as pyjwt
import pytest

from flask_jwt import JWT, extended, jwt_required
from tests.support import ANYONE, SECRET, bearer, claims_of, code, get, issue, login
from tests.support import show_identity as show

ANY = {"/any": {"verify_type": False}, "/access": {}}
OPTIONS = {"JWT_STORAGE_URI": "memory://", "JWT_LOGIN_LIMITS": None, "JWT_AUTH_URL_RULE": "/auth"}
UNTIMED = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}


def refresh(app, token):
    return app.test_client().post("/auth/refresh", headers=bearer(token))


# A guard for tokens of any type


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager])
def test_a_guard_for_any_type_rejects_a_used_refresh_token_after_the_grace_period(
    make_app, clock, manager
):
    options = {**OPTIONS, "JWT_REQUIRED_CLAIMS": ["exp"]}
    app = make_app(manager, users=False, guards=ANY, show=show, **options)
    app.jwt.authentication_handler(lambda username, password: "ann")
    token = login(app.test_client()).get_json()["refresh_token"]
    assert get(app, "/any", token).get_json() == {"user": "ann"}
    assert refresh(app, token).status_code == 200
    assert get(app, "/any", token).status_code == 200
    clock.tick(60)
    assert get(app, "/any", token).status_code == 401


def test_a_guard_for_any_type_gives_the_identity_handler_the_claims_of_the_session(make_app):
    """A session's refresh token has no ``identity`` of its own, which was a KeyError."""
    app = make_app(guards=ANY, **OPTIONS)
    tokens = login(app.test_client()).get_json()
    for name in ("access_token", "refresh_token"):
        assert get(app, "/any", tokens[name]).get_json() == {"user": 1}


# Global logout


@pytest.mark.parametrize("uri", ["memory://", "sqlite://"])
def test_a_global_logout_ends_the_access_token_of_a_session_that_was_idle(
    make_app, clock, uri, tmp_path
):
    """Its access token has expired by then, but is accepted for the leeway."""
    options = {**OPTIONS, "JWT_STORAGE_URI": uri if uri == "memory://" else f"{uri}/{tmp_path}/s"}
    app = make_app(
        users=ANYONE,
        guards=ANY,
        show=show,
        JWT_SESSION_IDLE=60,
        JWT_ACCESS_TOKEN_EXPIRES=3000,
        **options,
    )
    idle = login(app.test_client(), "ann").get_json()["access_token"]
    other = login(app.test_client(), "bob").get_json()["access_token"]
    clock.tick(65)
    current = login(app.test_client(), "ann").get_json()["access_token"]
    response = app.test_client().post(
        "/auth/logout", headers=bearer(current), json={"scope": "global"}
    )
    assert response.get_json() == {"revoked": 1}
    assert code(get(app, "/access", idle)) == (401, "token_revoked")
    assert get(app, "/access", other).status_code == 200


# Numbers that no float can hold, in tokens with a valid signature


@pytest.mark.filterwarnings("ignore:JWT_VERIFY")
@pytest.mark.parametrize("issued_at", [10**400, -(10**400)], ids=["future", "past"])
@pytest.mark.parametrize("has_handler", [False, True])
def test_a_huge_iat_of_a_revoked_session_is_rejected(make_app, issued_at, has_handler):
    app = make_app(users=ANYONE, guards=ANY, show=show, JWT_VERIFY_CLAIMS=["exp"], **OPTIONS)
    if has_handler:
        app.jwt.jwt_decode_handler(lambda token: pyjwt.decode(token, SECRET, ["HS256"], UNTIMED))
    sid = claims_of(login(app.test_client(), "ann").get_json()["access_token"])["sid"]
    token = issue(app, "ann", claims={"sid": sid, "iat": issued_at}, overwrite=True)
    with app.app_context():
        app.jwt.sessions.revoke(sid)
    assert get(app, "/access", token).status_code == 401


@pytest.mark.parametrize(
    ("login_time", "status"), [(10**400, 200), (-(10**400), 401)], ids=["future", "past"]
)
def test_a_huge_auth_time_is_compared(make_app, login_time, status):
    app = make_app()
    token = issue(app, claims={"auth_time": login_time}, overwrite=True)
    assert get(app, "/recent", token).status_code == status


def test_a_cache_of_size_0_holds_no_token(make_app):
    app = make_app(guards={})
    app.add_url_rule("/view", "view", jwt_required()(show))
    tokens = [issue(app) for _ in range(3)]
    cache = app.extensions["flask-jwt"].codecs.cache
    for token in tokens:
        get(app, "/view", token)
    assert len(cache) == 3
    app.config["JWT_CACHE_SIZE"] = 0
    assert get(app, "/view", tokens[0]).status_code == 200
    assert len(cache) == 0
    app.config["JWT_CACHE_SIZE"] = 2
    for token in tokens:
        assert get(app, "/view", token).status_code == 200
    assert len(cache) == 2
