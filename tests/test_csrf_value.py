"""The CSRF value of a session: random, kept with it, and carried in its tokens as ``csrf``.

Each test runs in both profiles. Only the value proves anything, because the browser is an old one.
"""

from __future__ import annotations

import base64
import hashlib
import json

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import render_template_string

import flask_jwt
from flask_jwt import JWT, Session, get_csrf_token, jwt_required
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, ROOT, SECRET, OldBrowser, claims_of, private_pem, public_pem

ACCESS_LIFETIME = 1000
"""Seconds; more than the lifetime of an access token in either profile."""
SIGNED_IN_AS = {"username": "joe", "password": "pass"}
KINDS = "access", "refresh"
FORM = "{{ jwt_csrf_field() }}"
GUARDS = {"/protected": {}, "/renew": {"refresh": True}}


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


def add_form(app):
    @app.route("/form", methods=["GET", "POST"])
    @jwt_required()
    def form():
        return render_template_string(FORM)


@pytest.fixture
def make_shop(make_app, extension):
    """Make an application with sessions in cookies, and a guarded form."""

    def make_shop(**options):
        defaults = {
            "users": ANYONE,
            "guards": GUARDS,
            "JWT_AUTH_URL_RULE": "/auth",
            "JWT_TOKEN_LOCATION": ["cookies"],
            "JWT_STORAGE_URI": "memory://",
            "JWT_COOKIE_SECURE": True,
            "JWT_CSRF_CHECK_FORM": True,
            "JWT_ACCESS_TOKEN_EXPIRES": ACCESS_LIFETIME - 10,
        }
        app = make_app(extension, **{**defaults, **options})
        add_form(app)
        return app

    return make_shop


def sign_in(app):
    browser = OldBrowser(app)
    browser.post("/auth", data=SIGNED_IN_AS, site="same-origin")
    return browser


def value_in(response):
    assert response.status_code == 200, response.text
    return response.text.split('value="')[1].split('"')[0]


def post(browser, value):
    return browser.post("/form", data={"csrf_token": value}).status_code


@pytest.mark.parametrize("database", [None, "sqlite"])
def test_the_value_is_random_and_in_the_row_and_in_the_tokens(make_shop, database, tmp_path):
    uri = "memory://" if database is None else f"sqlite:///{tmp_path}/sessions.db"
    app = make_shop(JWT_STORAGE_URI=uri)
    values = set()
    for _ in range(3):
        browser = sign_in(app)
        access, refresh = (claims_of(browser.cookies[f"{kind}_token_cookie"]) for kind in KINDS)
        with app.app_context():
            session = app.jwt.sessions.get(access["sid"])
        cookies = {browser.cookies[f"csrf_{kind}_token"] for kind in KINDS}
        assert {access["csrf"], refresh["csrf"], value_in(browser.get("/form"))} == cookies
        assert cookies == {session.csrf}
        assert len(base64.urlsafe_b64decode(session.csrf + "==")) == 16
        assert session.csrf not in repr(session)
        assert "csrf" not in json.loads(session.payload)
        values |= cookies
    assert len(values) == 3


def test_the_value_is_no_digest_of_what_urls_and_logs_show(make_shop):
    browser = sign_in(make_shop())
    sid = claims_of(browser.cookies["access_token_cookie"])["sid"]
    guess = base64.urlsafe_b64encode(hashlib.sha256(b"csrf\0" + sid.encode()).digest()[:18])
    assert post(browser, guess.decode()) in (401, 403)
    assert post(browser, value_in(browser.get("/form"))) == 200


def test_an_open_form_survives_renewals(make_shop, clock):
    app = make_shop()
    browser = sign_in(app)
    value = value_in(browser.get("/form"))
    for _ in range(3):
        clock.tick(ACCESS_LIFETIME)
        assert post(browser, "wrong") in (401, 403)
        assert post(browser, value) == 200  # by the refresh cookie
        assert post(browser, value) == 200  # by the new access cookie
        assert value_in(browser.get("/form")) == value
    headers = {"X-CSRF-TOKEN": value}
    assert browser.post("/auth/refresh", headers=headers, accept="*/*").status_code == 204
    assert post(browser, value) == 200
    assert browser.post("/renew", headers=headers).status_code == 200


def test_an_open_form_survives_a_renewal_by_another_tab(make_shop, clock):
    app = make_shop()
    tab = sign_in(app)
    value = value_in(tab.get("/form"))
    clock.tick(ACCESS_LIFETIME)
    other = tab.copy()
    assert other.get("/form").status_code == 200
    assert post(tab, value) == 200  # with the previous refresh cookie, within the grace period
    assert tab.cookies["refresh_token_cookie"] == other.cookies["refresh_token_cookie"]


def test_an_open_form_survives_a_rotation_of_the_key(make_shop, clock):
    app = make_shop()
    browser = sign_in(app)
    value = value_in(browser.get("/form"))
    app.config["SECRET_KEY_FALLBACKS"] = [SECRET]
    app.config["SECRET_KEY"] = "a new secret of 32 bytes and more"
    assert post(browser, value) == 200
    clock.tick(ACCESS_LIFETIME)
    assert post(browser, value) == 200
    token = browser.cookies["access_token_cookie"]
    pyjwt.decode(token, app.config["SECRET_KEY"], ["HS256"], options={"verify_exp": False,
                 "verify_nbf": False, "verify_iat": False})  # fmt: skip
    assert post(browser, value) == 200


def test_a_verifier_with_only_the_public_key_checks_the_value(make_shop, make_app, extension):
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = make_shop(JWT_PRIVATE_KEY=private_pem(key), JWT_ALGORITHM="ES256")
    verifier = make_app(
        extension, users=False, guards={"/protected": {}}, show=flask_jwt.get_jwt,
        JWT_PUBLIC_KEY=public_pem(key), JWT_ALGORITHM="ES256", JWT_AUTH_URL_RULE=None,
        JWT_TOKEN_LOCATION=["cookies"], JWT_CSRF_CHECK_FORM=True, SECRET_KEY=None,
    )  # fmt: skip
    signed_in = sign_in(issuer)
    browser = OldBrowser(verifier)
    for name, value in signed_in.cookies.items():
        browser.set_cookie(name, value, secure=True)
    value = value_in(signed_in.get("/form"))
    assert browser.post("/protected", data={"csrf_token": value}).status_code == 200
    assert browser.post("/protected", data={"csrf_token": "x"}).status_code in (401, 403)
    assert browser.post("/protected").status_code in (401, 403)


def test_a_token_without_a_session_has_a_value_of_its_own(make_shop, extension):
    app = make_shop(JWT_STORAGE_URI=None)
    browser = sign_in(app)
    token = browser.cookies["access_token_cookie"]
    # Flask-JWT-Extended's claim stays, and the native profile issues none.
    assert ("csrf" in claims_of(token)) == (extension is JWTManager)
    value = value_in(browser.get("/form"))
    with app.app_context():
        assert get_csrf_token(token) == value
    assert post(browser, value) == 200
    browser.post("/auth", data=SIGNED_IN_AS, site="same-origin")
    assert post(browser, value) in (401, 403)


# Tokens of the version before, which commit 0831b52 issued


def sign_in_with_recorded_tokens(app):
    """Return a browser with the cookies of a login with the version before, whose row is stored."""
    recorded = json.loads((ROOT / "tests/recorded_sessions.json").read_text())
    login = recorded[type(app.jwt).__name__]
    with app.app_context():
        app.jwt.sessions.store.create(Session(**login["session"]))
    browser = OldBrowser(app)
    for name, value in login["cookies"].items():
        browser.set_cookie(name, value, secure=True)
    return browser


def test_tokens_of_the_version_before_go_on(make_shop, clock):
    browser = sign_in_with_recorded_tokens(make_shop())
    of_access, of_refresh = (browser.cookies[f"csrf_{kind}_token"] for kind in KINDS)
    assert post(browser, of_access) == 200
    assert value_in(browser.get("/form")) == of_access
    headers = {"X-CSRF-TOKEN": of_refresh}
    assert browser.post("/renew", headers=headers).status_code == 200
    for generation in 1, 2:
        clock.tick(ACCESS_LIFETIME)
        assert post(browser, "x") in (401, 403)
        assert post(browser, of_refresh) == 200, "it was renewed by the refresh cookie"
        assert claims_of(browser.cookies["refresh_token_cookie"])["gen"] == generation
        assert browser.cookies["csrf_refresh_token"] == of_refresh
        assert post(browser, browser.cookies["csrf_access_token"]) == 200
    assert browser.post("/auth/refresh", headers=headers, accept="*/*").status_code == 204


def resign(browser, **changes):
    """Sign the tokens of a browser again, with some claims changed or, if None, without them."""
    for name in "access_token_cookie", "refresh_token_cookie":
        claims = {**claims_of(browser.cookies[name]), **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        browser.set_cookie(name, pyjwt.encode(claims, SECRET, "HS256"), secure=True)


def test_the_value_is_restored_if_the_version_before_has_left_it_out(make_shop, clock):
    app = make_shop()
    browser = sign_in(app)
    value = value_in(browser.get("/form"))
    # A process of the version before has rotated the session: its tokens have no value.
    resign(browser, csrf=None)
    clock.tick(ACCESS_LIFETIME)
    assert value_in(browser.get("/form")) == value
    assert claims_of(browser.cookies["refresh_token_cookie"])["csrf"] == value
    assert post(browser, value) == 200


@pytest.mark.parametrize("value", [1, "", [], {"a": 1}, True])
def test_a_refresh_token_with_an_invalid_value_is_rejected(make_shop, clock, value):
    browser = sign_in(make_shop())
    resign(browser, csrf=value)
    clock.tick(ACCESS_LIFETIME)
    assert post(browser, "x") in (401, 403, 422)


# Claims of the application


def test_the_value_of_the_session_wins_over_a_claim_of_the_application(make_shop):
    app = make_shop()
    app.jwt.additional_claims_loader(lambda identity: {"csrf": "guessable"})
    browser = sign_in(app)
    assert post(browser, "guessable") in (401, 403)
    assert post(browser, value_in(browser.get("/form"))) == 200
