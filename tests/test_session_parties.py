"""The issuer and the audience of a session's refresh token.

Applications that share a secret and a store must not accept each other's refresh tokens, because
they would issue access tokens for them.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flask_jwt import JWT, jwt_required
from flask_jwt._sessions.manager import SessionManager
from flask_jwt.extended import JWTManager
from flask_jwt.stores.memory import MemoryStore
from tests.support import Browser, bearer, claims_of, login, make_app, private_pem, public_pem

PROFILES = {"flask_jwt": JWT, "extended": JWTManager}


@pytest.fixture(params=PROFILES)
def make_shop(request, clock):
    """Make applications that share a secret and a store, under both extension classes."""
    store = MemoryStore()

    def make_shop(**config):
        app = make_app(
            PROFILES[request.param],
            users=False,
            clock=clock,
            guards={"/view": {}, "/renew": {"refresh": True}},
            store=store,
            JWT_AUTH_URL_RULE="/auth",
            JWT_HEADER_TYPE="Bearer",
            **config,
        )
        app.jwt.authentication_handler(lambda name, password: name)
        return app

    return make_shop


def refresh(app, token, path="/auth/refresh"):
    return app.test_client().post(path, headers=bearer(token))


AUD, ISS = "JWT_ENCODE_AUDIENCE", "JWT_ENCODE_ISSUER"
ACCEPT_AUD, ACCEPT_ISS = "JWT_DECODE_AUDIENCE", "JWT_DECODE_ISSUER"

STRANGERS = {
    "audience": ({AUD: "shop"}, {AUD: "admin"}),
    "issuer": ({ISS: "shop"}, {ISS: "admin"}),
    "audiences": ({AUD: ["shop", "web"]}, {AUD: ["admin", "api"]}),
    "no audience": ({AUD: "shop"}, {}),
    "no issuer": ({ISS: "shop"}, {}),
    "accepted audience": ({AUD: "shop"}, {ACCEPT_AUD: "admin"}),
    "accepted issuer": ({ISS: "shop"}, {ACCEPT_ISS: "admin"}),
    "one of two": ({AUD: "shop", ISS: "us"}, {AUD: "admin", ISS: "us"}),
}


@pytest.mark.parametrize("names", STRANGERS)
@pytest.mark.parametrize("path", ["/auth/refresh", "/renew", "/auth/logout"])
def test_the_refresh_token_of_another_application_is_rejected(make_shop, names, path):
    ours, theirs = STRANGERS[names]
    shop, admin = make_shop(**ours), make_shop(**theirs)
    token = login(shop.test_client()).get_json()["refresh_token"]
    assert refresh(admin, token, path).status_code in (401, 422)
    assert refresh(shop, token, path).status_code == 200, "its session goes on"


FRIENDS = {
    "the same": ({AUD: "shop", ISS: "us"}, {AUD: "shop", ISS: "us"}),
    "accepted": ({AUD: "shop", ISS: "us"}, {ACCEPT_AUD: ["shop"], ACCEPT_ISS: ["us"]}),
    "both": ({AUD: "shop", ISS: "us"}, {AUD: "x", ACCEPT_AUD: "shop", ISS: "x", ACCEPT_ISS: "us"}),
    "one in common": ({AUD: ["shop", "web"]}, {AUD: ["web", "api"]}),
    "only accepted": ({}, {ACCEPT_AUD: "shop", ACCEPT_ISS: "us"}),
    "none": ({}, {}),
}


@pytest.mark.parametrize("names", FRIENDS)
def test_what_is_issued_or_accepted_is_accepted(make_shop, names):
    ours, theirs = FRIENDS[names]
    shop, other = make_shop(**ours), make_shop(**theirs)
    token = login(shop.test_client()).get_json()["refresh_token"]
    claims = claims_of(token)
    assert (claims.get("aud"), claims.get("iss")) == (ours.get(AUD), ours.get(ISS))
    assert refresh(other, token).status_code == 200


def test_an_application_accepts_what_it_issues(make_shop):
    """Also if JWT_DECODE_AUDIENCE names another audience, as for access tokens of others."""
    shop = make_shop(**{AUD: "shop", ACCEPT_AUD: "api", ISS: "us", ACCEPT_ISS: "them"})
    token = login(shop.test_client()).get_json()["refresh_token"]
    assert refresh(shop, token).status_code == 200


def test_a_token_of_an_earlier_version_gets_them_with_its_refresh(make_shop, monkeypatch):
    shop = make_shop(**{AUD: "shop", ISS: "us"})
    issue = SessionManager._issue_refresh_token

    def issue_as_before(manager, *arguments):
        manager._host = manager._host._replace(get_parties=dict)
        return issue(manager, *arguments)

    with monkeypatch.context() as context:
        context.setattr(SessionManager, "_issue_refresh_token", issue_as_before)
        with shop.app_context():
            host = shop.jwt.sessions._host
        token = login(shop.test_client()).get_json()["refresh_token"]
        with shop.app_context():
            shop.jwt.sessions._host = host
    assert "aud" not in claims_of(token)
    response = refresh(shop, token)
    assert response.status_code == 200
    claims = claims_of(response.get_json()["refresh_token"])
    assert (claims["aud"], claims["iss"]) == ("shop", "us")


def test_a_changed_audience_counts_at_once(make_shop):
    shop = make_shop(**{AUD: "shop"})
    token = login(shop.test_client()).get_json()["refresh_token"]
    shop.config[AUD] = "web"
    assert refresh(shop, token).status_code in (401, 422)
    shop.config[ACCEPT_AUD] = "shop"
    assert refresh(shop, token).status_code == 200


@pytest.fixture
def shop_and_service(make_shop):
    """An application that signs, and one that has its store and only its public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    shop = make_shop(JWT_PRIVATE_KEY=private_pem(key), JWT_ALGORITHM="ES256", **COOKIES)
    public = {"JWT_PUBLIC_KEY": public_pem(key), "JWT_ALGORITHM": "ES256", "SECRET_KEY": None}
    return shop, make_shop(**public, **COOKIES)


COOKIES = {"JWT_TOKEN_LOCATION": ["headers", "cookies"], "JWT_COOKIE_SECURE": True}


def test_a_service_that_only_verifies_does_not_use_a_refresh_token_up(
    shop_and_service, clock, caplog
):
    """It can't sign new tokens. The client, which has sent its token to the wrong address, has to
    get them from the other application, however late."""
    shop, service = shop_and_service
    token = login(shop.test_client()).get_json()["refresh_token"]
    for _ in range(2):
        assert refresh(service, token).status_code == 404
    assert caplog.text.count("set JWT_AUTH_URL_RULE = None") == 1
    clock.tick(31)  # the grace period
    assert refresh(shop, token).status_code == 200


def test_a_service_that_only_verifies_leaves_the_renewal_of_cookies_to_the_other(
    shop_and_service, clock
):
    shop, service = shop_and_service
    for app in shop_and_service:
        app.add_url_rule("/page", "page", jwt_required()(lambda: "ok"))
    browser, there = Browser(shop), Browser(service)
    login_form = {"username": "joe", "password": "pass"}
    assert browser.post("/auth", data=login_form).status_code < 400
    for name, value in browser.cookies.items():
        there.set_cookie(name, value, secure=True)
    assert there.get("/page").status_code == 200
    clock.tick(1000)
    response = there.get("/page")
    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers
    assert browser.get("/page").status_code == 200
    for name, value in browser.cookies.items():
        there.set_cookie(name, value, secure=True)
    assert there.get("/page").status_code == 200
