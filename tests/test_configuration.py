"""The configuration of an application: what options do, and how mistakes are reported.

tests/unit/test_settings.py specifies each option's values, tests/test_live_options.py that each is
followed while the application runs.
"""

from __future__ import annotations

import warnings
from datetime import timedelta

import jwt as pyjwt
import pytest
from flask import url_for

import flask_jwt
from flask_jwt import JWT, ConfigError
from tests.support import OTHER_SECRET, SECRET, claims_of, get, issue, login, token_of

# Options


def test_the_configuration_holds_flask_jwt_s_defaults(app):
    for name, value in flask_jwt.CONFIG_DEFAULTS.items():
        assert app.config[name] == value
    assert app.config["JWT_SECRET_KEY"] == SECRET


def test_the_login_has_the_configured_rule_and_endpoint(make_app):
    app = make_app(JWT_AUTH_URL_RULE="/api/login", JWT_AUTH_ENDPOINT="log_in")
    with app.test_request_context():
        assert url_for("log_in") == "/api/login"
    body = {"username": "joe", "password": "pass"}
    assert app.test_client().post("/api/login", json=body).status_code == 200


def test_there_may_be_no_login_endpoint(make_app):
    app = make_app(JWT_AUTH_URL_RULE=None)
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == {
        "static",
        "protected",
        "optional",
        "fresh",
        "recent",
        "renew",
    }


def test_url_options_of_the_login_are_used_and_not_changed(make_app):
    options = {"strict_slashes": False, "methods": ["POST", "PUT"]}
    client = make_app(JWT_AUTH_URL_OPTIONS=options).test_client()
    body = {"username": "joe", "password": "pass"}
    assert client.put("/auth/", json=body).status_code == 200
    assert options == {"strict_slashes": False, "methods": ["POST", "PUT"]}


def test_a_changed_option_takes_effect_at_the_next_request(app, clock):
    client = app.test_client()
    token = token_of(client)

    app.config["JWT_AUTH_HEADER_PREFIX"] = "Token"
    assert (
        get(app, "/protected", token).get_json()["description"] == "Unsupported authorization type"
    )
    assert client.get("/protected", headers={"Authorization": f"token {token}"}).status_code == 200
    app.config["JWT_AUTH_HEADER_PREFIX"] = "Bearer"

    app.config["JWT_LEEWAY"] = 0
    clock.tick(305)
    assert get(app, "/protected", token).status_code == 401
    app.config["JWT_LEEWAY"] = 10
    assert get(app, "/protected", token).status_code == 200

    app.config["JWT_EXPIRATION_DELTA"] = timedelta(hours=1)
    longer = claims_of(token_of(client))
    assert longer["exp"] - longer["iat"] == 3600

    app.config["JWT_AUTH_USERNAME_KEY"] = "email"
    assert client.post("/auth", json={"email": "joe", "password": "pass"}).status_code == 200

    app.config["JWT_REQUIRED_CLAIMS"].append("tenant")  # in place
    assert (
        get(app, "/protected", token).get_json()["description"]
        == 'Token is missing the "tenant" claim'
    )


def test_defaults_are_not_shared_between_applications(make_app):
    make_app().config["JWT_REQUIRED_CLAIMS"].append("tenant")
    assert "tenant" not in make_app().config["JWT_REQUIRED_CLAIMS"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY"])
def test_a_changed_secret_takes_effect_at_once(app, name):
    client = app.test_client()
    old = token_of(client)
    assert get(app, "/protected", old).status_code == 200
    app.config[name] = OTHER_SECRET
    assert get(app, "/protected", old).status_code == 401
    assert get(app, "/protected", token_of(client)).status_code == 200


def test_the_explicit_prefix_jwt_excludes_bearer(make_app):
    app = make_app(JWT_AUTH_HEADER_PREFIX="JWT")
    assert get(app, "/protected", issue(app)).get_json()["error"] == "Invalid JWT header"


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
def test_required_claims_are_required(app, clock, claim):
    claims = {"identity": 1, "exp": clock() + 60, "iat": clock(), "nbf": clock()}
    assert get(app, "/protected", pyjwt.encode(claims, SECRET)).status_code == 200
    del claims[claim]
    response = get(app, "/protected", pyjwt.encode(claims, SECRET))
    assert response.status_code == 401
    assert response.get_json()["description"] == f'Token is missing the "{claim}" claim'


def test_a_payload_that_the_application_would_reject_is_not_issued(app):
    app.jwt.jwt_payload_handler(lambda identity: {"id": 1, "exp": 2})
    app.testing = True
    with pytest.raises(ConfigError, match="missing required claims: iat, nbf"):
        login(app.test_client())


def test_the_check_of_exp_can_be_turned_off_but_not_silently(make_app, clock):
    with pytest.warns(UserWarning, match="turns off the check of exp"):
        app = make_app(JWT_VERIFY_EXPIRATION=False)
    token = issue(app)
    clock.tick(10**9)
    assert get(app, "/protected", token).status_code == 200


@pytest.mark.parametrize(
    "config", [{"JWT_VERIFY": False}, {"JWT_VERIFY_CLAIMS": ["exp", "nbf", "iat"]}]
)
def test_the_signature_check_can_not_be_turned_off(make_app, config, clock):
    with pytest.warns(UserWarning, match="can't turn off the signature check"):
        app = make_app(**config)
    forged = pyjwt.encode({"identity": 1, "exp": clock() + 60, "iat": 1, "nbf": 1}, "f" * 32)
    assert get(app, "/protected", forged).status_code == 401


def test_a_token_may_become_valid_later(make_app, clock):
    app = make_app(JWT_NOT_BEFORE_DELTA=60)
    token = issue(app)
    assert get(app, "/protected", token).status_code == 401
    clock.tick(50)
    assert get(app, "/protected", token).status_code == 200


# Mistakes


def test_a_second_extension_on_an_application_is_an_error(app):
    with pytest.raises(ConfigError, match="already"):
        JWT(app)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_secret_is_reported_at_start_and_at_each_login(make_app, key):
    with pytest.warns(UserWarning, match="flask jwt secret"):
        app = make_app(SECRET_KEY=key, TESTING=True)
    with pytest.raises(ConfigError, match="flask jwt secret"):
        login(app.test_client())
    app.config["SECRET_KEY"] = SECRET
    assert login(app.test_client()).status_code == 200


def test_a_short_secret_is_reported_once_with_the_command_that_makes_another(make_app):
    with pytest.warns(UserWarning, match="28 bytes shorter than HS256 needs.*flask jwt secret"):
        app = make_app(SECRET_KEY="jose")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get(app, "/protected", issue(app)).status_code == 200


def test_an_unknown_key_is_reported_with_the_one_that_was_meant(make_app):
    with pytest.warns(UserWarning, match="JWT_EXPIRATON_DELTA.*did you mean JWT_EXPIRATION_DELTA"):
        make_app(JWT_EXPIRATON_DELTA=5)


def test_all_invalid_values_are_reported_together_and_no_secret_is_shown(make_app):
    with pytest.raises(ConfigError) as caught:
        make_app(
            JWT_LEEWAY="ten",
            JWT_ALGORITHM="none",
            JWT_AUTH_URL_RULE="auth",
            JWT_SECRET_KEY=["hush"],
        )
    text = str(caught.value)
    for name in ("JWT_LEEWAY", "JWT_ALGORITHM", "JWT_AUTH_URL_RULE", "JWT_SECRET_KEY"):
        assert name in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "config",
    [
        {"JWT_LEEWAY": -1}, {"JWT_LEEWAY": True}, {"JWT_LEEWAY": float("nan")},
        {"JWT_EXPIRATION_DELTA": "5 min"}, {"JWT_REQUIRED_CLAIMS": "exp"},
        {"JWT_AUTH_HEADER_PREFIX": "two words"}, {"JWT_DEFAULT_REALM": "a\r\nSet-Cookie: b"},
        {"JWT_ALGORITHM": "hs256"}, {"JWT_ALGORITHM": "RS256"}, {"JWT_AUTH_URL_OPTIONS": []},
        {"JWT_CACHE_SIZE": -1}, {"JWT_VERIFY": "no"}, {"JWT_DECODE_AUDIENCE": 5},
    ],
    ids=repr,
)  # fmt: skip
def test_invalid_values_are_reported_at_start(make_app, config):
    with pytest.raises(ConfigError, match=next(iter(config))):
        make_app(**config)


def test_flask_jwt_installed_beside_this_package_is_reported(make_app, tmp_path, monkeypatch):
    folder = tmp_path / "Flask_JWT-0.3.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask-JWT\nVersion: 0.3.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="pip uninstall Flask-JWT"):
        make_app()
