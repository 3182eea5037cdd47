"""``Settings``: each option is declared once, its values are parsed, and errors say what is valid."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from flask_jwt import CONFIG_DEFAULTS, ConfigError
from flask_jwt._config import settings as _settings
from flask_jwt._config.options import Option, optional, parse_count
from flask_jwt._config.settings import (
    CODEC_OPTIONS,
    NATIVE,
    OPTIONS,
    Profile,
    Settings,
    parse_option,
    read_settings,
    unknown_keys,
)

SHAPE_CODECS = """
SECRET_KEY SECRET_KEY_FALLBACKS JWT_SECRET_KEY JWT_PRIVATE_KEY JWT_PUBLIC_KEY JWT_KEY_FILE
JWT_ENCODE_NBF JWT_ALGORITHM JWT_DECODE_ALGORITHMS JWT_LEEWAY JWT_DECODE_LEEWAY JWT_VERIFY_CLAIMS
JWT_REQUIRED_CLAIMS JWT_VERIFY_EXPIRATION JWT_VERIFY_SUB JWT_IDENTITY_CLAIM JWT_DECODE_AUDIENCE
JWT_DECODE_ISSUER JWT_ENCODE_AUDIENCE JWT_ENCODE_ISSUER JWT_TOKEN_LOCATION JWT_HEADER_NAME
JWT_HEADER_TYPE JWT_AUTH_HEADER_PREFIX JWT_REVOCATION_CHECK JWT_CACHE_SIZE JWT_MAX_TOKEN_SIZE
JWT_SCOPE_CLAIMS JWT_ROLE_CLAIMS JWT_ISSUERS
"""
AT_START = """
JWT_AUTH_URL_RULE JWT_AUTH_ENDPOINT JWT_AUTH_URL_OPTIONS JWT_JWKS_URL_RULE JWT_REFRESH_URL_RULE
JWT_LOGOUT_URL_RULE JWT_SESSIONS_URL_RULE JWT_STORAGE_URI JWT_STORAGE_NAMESPACE JWT_STORE_TIMEOUT
JWT_REQUIRED_BY_DEFAULT
"""
SECRETS = (
    "SECRET_KEY SECRET_KEY_FALLBACKS JWT_SECRET_KEY JWT_PRIVATE_KEY JWT_PUBLIC_KEY JWT_KEY_FILE "
    "JWT_STORAGE_URI JWT_ISSUERS"
)


def settings_of(profile=NATIVE, **config):
    return read_settings(config, frozenset(config), profile)


# Declarations


def declarations():
    """The (field, key) pairs in the source of Settings, where a repeated one is still visible."""
    body = ast.parse(inspect.getsource(Settings)).body[0].body
    return [
        (node.targets[0].id, node.value.args[0].value)
        for node in body
        if isinstance(node, ast.Assign) and getattr(node.value.func, "id", "") == "Option"
    ]


def test_each_field_and_key_is_declared_once():
    fields, keys = zip(*declarations(), strict=True)
    assert len(set(fields)) == len(fields)
    assert len(set(keys)) == len(keys)
    assert list(OPTIONS) == list(keys)
    assert [option.field for option in OPTIONS.values()] == list(fields)


def test_no_option_is_declared_outside_of_the_class():
    source = Path(_settings.__file__).read_text()
    assert len(re.findall(r"\bOption\(", source)) == len(OPTIONS)


def test_options_that_shape_codecs():
    assert set(CODEC_OPTIONS) == set(SHAPE_CODECS.split())
    assert len(CODEC_OPTIONS) == 30
    assert all(CODEC_OPTIONS[key] is OPTIONS[key] for key in CODEC_OPTIONS)


def test_options_that_are_read_once_at_start():
    at_start = {key for key, option in OPTIONS.items() if option.at_start}
    assert at_start == set(AT_START.split())
    assert not at_start & set(CODEC_OPTIONS), "a codec follows each change"


def test_options_that_are_secret():
    assert {key for key, option in OPTIONS.items() if option.is_secret} == set(SECRETS.split())


def test_flask_jwt_s_defaults():
    assert {
        "JWT_DEFAULT_REALM": "Login Required",
        "JWT_AUTH_URL_RULE": "/auth",
        "JWT_AUTH_ENDPOINT": "jwt",
        "JWT_AUTH_USERNAME_KEY": "username",
        "JWT_AUTH_PASSWORD_KEY": "password",
        "JWT_ALGORITHM": "HS256",
        "JWT_LEEWAY": timedelta(seconds=10),
        "JWT_AUTH_HEADER_PREFIX": "JWT",
        "JWT_EXPIRATION_DELTA": timedelta(seconds=300),
        "JWT_NOT_BEFORE_DELTA": timedelta(seconds=0),
        "JWT_VERIFY_CLAIMS": ["signature", "exp", "nbf", "iat"],
        "JWT_REQUIRED_CLAIMS": ["exp", "iat", "nbf"],
    } == CONFIG_DEFAULTS


# The descriptor


def test_an_option_belongs_to_the_class_and_its_value_to_the_instance():
    assert isinstance(Settings.algorithm, Option)
    assert Settings.algorithm is OPTIONS["JWT_ALGORITHM"]
    assert settings_of(JWT_ALGORITHM="HS512").algorithm == "HS512"
    assert Settings.algorithm.default == "HS256"
    assert repr(Settings.algorithm) == "<Option JWT_ALGORITHM>"


def test_reading_a_value_calls_no_method():
    # A data descriptor would cost a call at each reading.
    assert not hasattr(Option, "__set__")
    assert not hasattr(Option, "__delete__")
    assert vars(settings_of())["leeway"] == 10.0


def test_a_value_that_was_not_read_is_an_error_rather_than_the_option():
    settings = Settings({}, frozenset(), NATIVE)
    with pytest.raises(AttributeError, match="JWT_LEEWAY"):
        settings.leeway  # noqa: B018


def test_optional_accepts_nothing_more_than_none():
    parse = optional(parse_count)
    assert parse(None) is None
    assert parse(0) == 0
    with pytest.raises(ValueError, match="whole number"):
        parse("")


# Values


@pytest.mark.parametrize("option", OPTIONS.values(), ids=repr)
def test_defaults_are_valid(option):
    option.parse(option.default)


def test_default_values():
    settings = settings_of()
    assert set(vars(settings)) == {option.field for option in OPTIONS.values()} | {
        "explicit",
        "profile",
    }
    assert settings.leeway == 10.0
    assert settings.expiration == 300.0
    assert settings.refresh_lifetime == 30 * 86400.0
    assert settings.required == frozenset({"exp", "iat", "nbf"})
    assert settings.locations == ("headers",)
    assert settings.flask_fallbacks == ()
    assert settings.csrf_methods == frozenset({"POST", "PUT", "PATCH", "DELETE"})
    assert settings.revocation_check == 10.0
    assert settings.secret is None
    assert settings.prefixes == ("jwt", "bearer")
    assert settings.explicit == frozenset()
    assert settings.profile is NATIVE


@pytest.mark.parametrize(
    ("key", "value", "parsed"),
    [
        ("JWT_SECRET_KEY", "secret", b"secret"),
        ("SECRET_KEY_FALLBACKS", ["a", None, b"b"], (b"a", b"b")),
        ("JWT_LEEWAY", timedelta(minutes=1), 60.0),
        ("JWT_ACCESS_TOKEN_EXPIRES", False, float("inf")),
        ("JWT_DECODE_AUDIENCE", "shop", frozenset({"shop"})),
        ("JWT_ENCODE_AUDIENCE", ["b", "a"], ("a", "b")),
        ("JWT_TOKEN_LOCATION", {"json", "headers"}, ("headers", "json")),
        ("JWT_CSRF_METHODS", ["post"], frozenset({"POST"})),
        ("JWT_REVOCATION_CHECK", "always", 0.0),
        ("JWT_KEY_FILE", Path("keys.json"), "keys.json"),
        ("JWT_AUTH_URL_RULE", "", None),
    ],
)
def test_values_are_parsed(key, value, parsed):
    read = getattr(settings_of(**{key: value}), OPTIONS[key].field)
    assert (type(read), read) == (type(parsed), parsed)


def test_values_of_optional_options():
    settings = settings_of(JWT_ENCODE_ISSUER="", JWT_DECODE_LEEWAY=0, JWT_MAX_SESSIONS=3)
    assert settings.encode_issuer is None
    assert (settings.clock_leeway, type(settings.clock_leeway)) == (0.0, float)
    assert settings.max_sessions == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("JWT_SESSION_IDLE", 0),  # every session would expire at once
        ("JWT_SESSION_IDLE", False),
        ("JWT_MAX_SESSIONS", False),
        ("JWT_DECODE_LEEWAY", ""),
        ("JWT_ENCODE_ISSUER", []),
        ("JWT_STORAGE_URI", False),
    ],
)
def test_none_is_the_only_way_to_leave_out_an_option(key, value):
    with pytest.raises(ConfigError, match=key):
        parse_option(key, value)


def test_the_profile_and_the_explicit_keys_are_kept():
    profile = Profile(checks_issued_parties=False)
    settings = settings_of(profile, JWT_ALGORITHM="HS256", JWT_ENCODE_ISSUER="me")
    assert settings.explicit == {"JWT_ALGORITHM", "JWT_ENCODE_ISSUER"}
    assert settings.profile is profile
    assert settings.accepted_issuer is None
    assert settings_of(JWT_ENCODE_ISSUER="me").accepted_issuer == {"me"}


def test_settings_are_immutable():
    settings = settings_of()
    for name in ("algorithm", "explicit", "anything"):
        with pytest.raises(AttributeError, match=r"app\.config"):
            setattr(settings, name, "HS512")
        with pytest.raises(AttributeError, match=r"app\.config"):
            delattr(settings, name)
    assert settings.algorithm == "HS256"


def test_no_value_but_the_algorithm_is_shown():
    assert repr(settings_of(JWT_SECRET_KEY="hunter2")) == "<Settings HS256>"


# Errors


def test_all_invalid_values_are_reported_at_once():
    config = {
        "JWT_LEEWAY": "ten",
        "JWT_ALGORITHM": "none",
        "JWT_SECRET_KEY": 12345,
        "JWT_COOKIE_PATH": "unknown keys are not its business",
    }
    with pytest.raises(ConfigError) as caught:
        settings_of(**config)
    first, *sentences = str(caught.value).split("\n  ")
    assert first == "Invalid configuration:"
    assert sorted(sentence.partition(":")[0] for sentence in sentences) == [
        "JWT_ALGORITHM",
        "JWT_LEEWAY",
        "JWT_SECRET_KEY",
    ]
    assert any(
        sentence.startswith("JWT_LEEWAY: 'ten' is invalid; write a number of seconds")
        for sentence in sentences
    )


@pytest.mark.parametrize("key", SECRETS.split())
def test_errors_show_no_secret(key):
    with pytest.raises(ConfigError, match=f"{key}: the value is invalid") as caught:
        parse_option(key, SimpleNamespace(password="hunter2"))
    assert "hunter2" not in str(caught.value)


def test_conflicts_are_reported_where_all_values_are_valid():
    conflict = {"JWT_COOKIE_SAMESITE": "None", "JWT_COOKIE_SECURE": False}
    with pytest.raises(ConfigError, match="SAMESITE is 'None'"):
        settings_of(**conflict)
    with pytest.raises(ConfigError, match="JWT_LEEWAY") as caught:
        settings_of(**conflict, JWT_LEEWAY=-1)
    assert "SameSite" not in str(caught.value), "a conflict needs all values"


def test_unknown_keys_are_named_with_the_one_meant():
    assert unknown_keys({"JWT_EXPIRES_DELTA": 1, "JWT_LEEWAY": 1, "OTHER": 1, 5: 1}) == [
        "JWT_EXPIRES_DELTA is not an option of Flask-JWT-Too; did you mean JWT_EXPIRATION_DELTA?"
    ]
