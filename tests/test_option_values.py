"""Each option works with the value it has, or stops the start with one line that says why."""

from __future__ import annotations

import math
import os
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
from flask import Flask

from flask_jwt import JWT, ConfigError, jwt_required
from flask_jwt._config.settings import OPTIONS
from flask_jwt.extended import JWTManager

SECRET = "a-secret-of-32-bytes-for-testing"

ODD_VALUES = [
    None, True, False, object(), "", " ", "a\nb", "a;b", "a=b", "é", "\ud800", "\0", "False", "true",
    "null", "None", "0", "300", "headers,cookies", "https://example.com", "example.com:8000", b"",
    b"headers", 0, 1, -1, 10**400, 10**5000, 1.5, 1e308, math.nan, math.inf, -math.inf, [], [None],
    [[]], [""], {}, {1: 2}, {"unknown": 1}, set(), timedelta(0), timedelta.max, Path("\0"), b"\xff",
]  # fmt: skip

MAY_REJECT = {
    # 0.3.2 took lifetimes of 0 and below, and tests issue expired tokens with negative ones.
    "JWT_EXPIRATION_DELTA": {0, -1, timedelta(0)},
    "JWT_ACCESS_TOKEN_EXPIRES": {-1},
    "JWT_REFRESH_TOKEN_EXPIRES": {-1},
    "JWT_NOT_BEFORE_DELTA": {300, timedelta.max},
}
"""Values with which an application works, but rejects the tokens that it has just issued."""

JUDGE_FOREIGN_TOKENS = {"JWT_DECODE_AUDIENCE", "JWT_DECODE_ISSUER"}
"""Options by which an application accepts other issuers' tokens instead of its own."""


def start(**config):
    """An application that issues and accepts tokens in headers and cookies, with sessions."""
    app = Flask("odd")
    app.config.update(
        {
            "SECRET_KEY": SECRET,
            "JWT_SECRET_KEY": SECRET,
            "JWT_STORAGE_URI": "memory://",
            "JWT_TOKEN_LOCATION": ["headers", "cookies"],
            **config,
        }
    )
    jwt = JWT(app, lambda username, password: {"id": 1})
    app.add_url_rule("/me", "me", jwt_required()(lambda: "me"))
    return app, jwt


def statuses(app, jwt):
    """The statuses of a login and of a guarded request, with a header and with cookies."""
    with app.test_request_context():
        settings = app.extensions["flask-jwt"].settings
    rule, names = settings.auth_url_rule, (settings.username_key, settings.password_key)
    if rule is None:  # without an endpoint the application logs in by itself
        with app.test_request_context(json={}):
            login = jwt.log_in({"id": 1})
    else:
        login = app.test_client().post(rule, json=dict.fromkeys(names, "joe"))
    seen = [login.status_code]
    if "headers" in settings.locations:
        token = login.get_json()["access_token"]
        scheme = f"{settings.prefixes[0]} ".lstrip()
        header = {settings.header_name: f"{scheme}{token}"}
        seen.append(app.test_client().get("/me", headers=header).status_code)
    if rule is not None and "cookies" in settings.locations:
        client = app.test_client()
        base = "https://localhost"
        if settings.cookie_domain:
            base = f"https://{settings.cookie_domain.lstrip('.')}"
        seen.append(client.post(rule, data=dict.fromkeys(names, "joe"), base_url=base).status_code)
        seen.append(client.get("/me", base_url=base).status_code)
    return seen


def outcome(key, value):
    """What is wrong with *key* being *value*; None if it works or stops the start properly."""
    try:
        app, jwt = start(**{key: value})
    except ConfigError as error:
        lines = str(error).splitlines()
        is_one_line = len(lines) == 1 or (len(lines) == 2 and lines[0] == "Invalid configuration:")
        return None if is_one_line and key in lines[-1] else f"{lines}"
    except Exception as error:
        return f"stopped by {error!r}"
    if not app.extensions["flask-jwt"].settings.has_key:
        return None  # a secret may be set later, and a warning says that there is none
    try:
        seen = statuses(app, jwt)
    except Exception as error:
        return f"failed with {error!r}"
    finally:
        jwt.close(app)
    may_reject = key in JUDGE_FOREIGN_TOKENS or value in MAY_REJECT.get(key, ())
    accepted = {200, 204, 401} if may_reject else {200, 204}
    return None if set(seen) <= accepted else f"{seen}"


def show(value):
    return f"10**{len(hex(value))}" if isinstance(value, int) and value > 10**20 else ascii(value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("key", OPTIONS)
def test_an_odd_value_works_or_stops_the_start(key):
    outcomes = {show(value): outcome(key, value) for value in ODD_VALUES}
    assert {value: problem for value, problem in outcomes.items() if problem} == {}


# Values that can't work


@pytest.mark.parametrize("extension", [JWT, JWTManager])
@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("JWT_ACCESS_TOKEN_EXPIRES", 0, "other than 0, or False"),
        ("JWT_ACCESS_TOKEN_EXPIRES", timedelta(0), "other than 0, or False"),
        ("JWT_REFRESH_TOKEN_EXPIRES", 0, "other than 0, or False"),
        ("JWT_SESSION_IDLE", 0, "more than 0"),
        ("JWT_SESSION_IDLE", False, "a number of seconds or a timedelta"),
        ("JWT_MAX_SESSIONS", 0, "None for no limit"),
        ("JWT_MAX_TOKEN_SIZE", 0, "512 or more"),
        ("JWT_LEEWAY", 10**400, "that a timedelta can represent"),
        ("JWT_LEEWAY", math.nan, "that a timedelta can represent"),
        ("JWT_STORE_TIMEOUT", 86401, "at most a day"),
        ("JWT_DECODE_AUDIENCE", [], "one or more"),
        ("JWT_DECODE_ISSUER", [], "one or more"),
        ("JWT_IDENTITY_CLAIM", "exp", "another name"),
        ("JWT_IDENTITY_CLAIM", "type", "another name"),
        ("JWT_IDENTITY_CLAIM", "jti", "another name"),
        *[
            ("JWT_COOKIE_DOMAIN", value, "only a host name")
            for value in (
                "https://example.com", "//example.com", "example.com:8000", "example.com/shop",
                "exa mple.com", " example.com", "example.com\n", "example.com;", "example.com; Path=/",
                "example..com", "..example.com", ".", "example.com.", "-example.com", "a\tb", "*.com",
                "user@example.com", "[::1]", "a" * 64 + ".com", False, b"example.com",
            )
        ],
        ("JWT_COOKIE_DOMAIN", "bücher.example", "'xn--bcher-kva.example'"),
        ("JWT_COOKIE_DOMAIN", "é" * 70, "Punycode"),
        ("JWT_COOKIE_DOMAIN", "None", "write None"),
        *[
            (f"JWT_{cookie}_COOKIE_NAME", value, "one word")
            for cookie in ("ACCESS", "REFRESH", "ACCESS_CSRF", "REFRESH_CSRF")
            for value in ("a;b", "a=b", "a b", "a,b", 'a"b', "a\\b", "a\x00b", "a\x7f", "(a)", "ä", "")
        ],
        *[
            (f"JWT_{cookie}_COOKIE_PATH", value, "starts with '/'")
            for cookie in ("ACCESS", "REFRESH", "ACCESS_CSRF", "REFRESH_CSRF")
            for value in ("", "api", "/a;b", "/a\nb", "/\x00", "/\ud800", None)
        ],
        *[
            (key, value, "one word")
            for key in (
                "JWT_HEADER_NAME", "JWT_HEADER_TYPE", "JWT_ACCESS_CSRF_HEADER_NAME",
                "JWT_REFRESH_CSRF_HEADER_NAME", "JWT_AUTH_HEADER_PREFIX",
            )
            for value in ("X Token", "X-Token:", "X\x00", "X/Token", 'X"', "é", "X,Y", "X=1")
        ],
        ("JWT_AUTH_URL_RULE", "/<int:", "JWT_AUTH_URL_RULE"),
        ("JWT_AUTH_URL_RULE", "/<unknown:name>", "JWT_AUTH_URL_RULE"),
        ("JWT_AUTH_ENDPOINT", "static", "JWT_AUTH_ENDPOINT"),
        ("JWT_AUTH_URL_OPTIONS", {"unknown": 1}, "unknown"),
        ("JWT_AUTH_URL_OPTIONS", {"methods": "POST"}, "methods"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_work_stops_the_start(extension, key, value, advice):
    app = Flask("odd")
    app.config.update(SECRET_KEY=SECRET, JWT_AUTH_URL_RULE="/auth")
    app.config[key] = value
    with pytest.raises(ConfigError) as caught:
        extension(app)
    assert advice in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "parsed"),
    [
        ("JWT_COOKIE_DOMAIN", "", None),
        ("JWT_COOKIE_DOMAIN", ".example.com", ".example.com"),
        ("JWT_COOKIE_DOMAIN", "EXAMPLE.com", "example.com"),
        ("JWT_COOKIE_DOMAIN", "localhost", "localhost"),
        ("JWT_COOKIE_DOMAIN", "127.0.0.1", "127.0.0.1"),
        ("JWT_COOKIE_DOMAIN", "my_app.internal", "my_app.internal"),
        ("JWT_COOKIE_DOMAIN", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("JWT_ACCESS_COOKIE_NAME", "__Host-a.b!#$%&'*+-^`|~", "__Host-a.b!#$%&'*+-^`|~"),
        ("JWT_ACCESS_COOKIE_PATH", "/a b/ü", "/a b/ü"),
        ("JWT_HEADER_TYPE", "", ""),
        ("JWT_HEADER_TYPE", None, None),
        ("JWT_ENCODE_AUDIENCE", [], None),
        ("JWT_MAX_SESSIONS", 1, 1),
        ("JWT_EXPIRATION_DELTA", 0, 0.0),
        ("JWT_EXPIRATION_DELTA", timedelta(seconds=-1), -1.0),
    ],
)
def test_values_that_work(key, value, parsed):
    app, _ = start(**{key: value})
    assert getattr(app.extensions["flask-jwt"].settings, OPTIONS[key].field) == parsed


def test_tokens_fit_into_the_smallest_limit():
    assert statuses(*start(JWT_MAX_TOKEN_SIZE=512)) == [200, 200, 204, 200]


COOKIES = ("ACCESS_COOKIE", "REFRESH_COOKIE", "ACCESS_CSRF_COOKIE", "REFRESH_CSRF_COOKIE")
PAIRS = list(combinations(COOKIES, 2))


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize(
    "paths", [("/", "/"), ("/", "/api"), ("/api", "/"), ("/api", "/api/v1"), ("/api/", "/api/v1")]
)
def test_one_name_for_two_cookies_with_overlapping_paths_stops_the_start(pair, paths):
    config = {}
    for cookie, path in zip(pair, paths, strict=True):
        config |= {f"JWT_{cookie}_NAME": "token", f"JWT_{cookie}_PATH": path}
    with pytest.raises(ConfigError, match=f"JWT_{pair[0]}_NAME and JWT_{pair[1]}_NAME are both"):
        start(**config)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("paths", [("/api", "/auth"), ("/api", "/apiary"), ("/api/a", "/api/b")])
def test_one_name_for_two_cookies_with_separate_paths_works(pair, paths):
    config = {}
    for cookie, path in zip(pair, paths, strict=True):
        config |= {f"JWT_{cookie}_NAME": "token", f"JWT_{cookie}_PATH": path}
    start(**config)


@pytest.mark.parametrize("option", ["JWT_COOKIE_CSRF_PROTECT", "JWT_CSRF_IN_COOKIES"])
def test_cookies_that_are_never_set_may_share_a_name(option):
    names = {"JWT_ACCESS_CSRF_COOKIE_NAME": "csrf", "JWT_REFRESH_CSRF_COOKIE_NAME": "csrf"}
    start(**names, **{option: False})


# Values from the environment


@pytest.fixture
def environment(monkeypatch):
    """Set an environment variable FLASK_... for an option."""
    for key in [key for key in os.environ if key.startswith("FLASK_")]:
        monkeypatch.delenv(key)
    return lambda key, value: monkeypatch.setenv(f"FLASK_{key}", value)


def start_from_environment(**config):
    app = Flask("environment")
    app.config.update(SECRET_KEY=SECRET, **config)
    app.config.from_prefixed_env("FLASK")
    jwt = JWT(app, lambda username, password: {"id": 1})
    return app, jwt


@pytest.mark.parametrize(
    ("key", "value", "parsed"),
    [
        ("JWT_COOKIE_SECURE", "false", False),
        ("JWT_ACCESS_TOKEN_EXPIRES", "false", math.inf),
        ("JWT_ACCESS_TOKEN_EXPIRES", "300", 300.0),
        ("JWT_EXPIRATION_DELTA", "300", 300.0),
        ("JWT_LOGIN_LIMITS", "null", None),
        ("JWT_SESSION_IDLE", "null", None),
        ("JWT_AUTH_URL_RULE", "null", None),
        ("JWT_TOKEN_LOCATION", "headers", ("headers",)),
        ("JWT_TOKEN_LOCATION", '["headers", "cookies"]', ("headers", "cookies")),
        ("JWT_REQUIRED_CLAIMS", '["exp"]', frozenset({"exp"})),
        ("JWT_REVOCATION_CHECK", "always", 0.0),
        ("JWT_COOKIE_SAMESITE", "None", "None"),
        ("JWT_COOKIE_DOMAIN", "", None),
        ("JWT_SECRET_KEY", f'"{"0123456789" * 4}"', b"0123456789" * 4),
    ],
)
def test_json_from_the_environment(environment, key, value, parsed):
    environment(key, value)
    app, _ = start_from_environment()
    assert getattr(app.extensions["flask-jwt"].settings, OPTIONS[key].field) == parsed


NO_JSON = [
    *[
        (key, value, "true, or false")
        for key, option in OPTIONS.items()
        if type(option.default) is bool
        for value in ("False", "True", "None", "no", "")
    ],
    ("JWT_ACCESS_TOKEN_EXPIRES", "False", "300, or false"),
    ("JWT_ACCESS_TOKEN_EXPIRES", "15 minutes", "300, or false"),
    ("JWT_ACCESS_TOKEN_EXPIRES", "None", "null"),
    ("JWT_EXPIRATION_DELTA", "5m", "300"),
    ("JWT_LEEWAY", "", "300"),
    ("JWT_LEEWAY", "None", "300"),
    ("JWT_CACHE_SIZE", "10_000", "300"),
    ("JWT_MAX_SESSIONS", "None", "null"),
    ("JWT_SESSION_IDLE", "None", "null"),
    ("JWT_SESSION_IDLE", "1h", "300"),
    ("JWT_REVOCATION_CHECK", "False", "10, or null"),
    ("JWT_LOGIN_LIMITS", "None", "null"),
    ("JWT_LOGIN_VIEW", "None", "null"),
    ("JWT_STORAGE_URI", "None", "null"),
    ("JWT_AUTH_URL_RULE", "None", "null"),
    ("JWT_AUTH_URL_RULE", "False", "null"),
    ("JWT_TOKEN_LOCATION", "headers,cookies", '["headers", "cookies"]'),
    ("JWT_TOKEN_LOCATION", "['headers', 'cookies']", '["headers", "cookies"]'),
    ("JWT_REQUIRED_CLAIMS", "exp", '["exp", "iat"]'),
    ("JWT_CSRF_METHODS", "POST,PUT", '["POST", "PUT"]'),
    ("JWT_DECODE_ALGORITHMS", "HS256,HS512", '["HS256", "HS512"]'),
    ("JWT_AUTH_URL_OPTIONS", "methods=POST", '{"methods": ["POST"]}'),
    ("SECRET_KEY_FALLBACKS", "earlier", '["earlier", "still earlier"]'),
]


@pytest.mark.parametrize(("key", "value", "json"), NO_JSON)
def test_a_message_says_which_json_the_environment_needs(environment, key, value, json):
    environment(key, value)
    with pytest.raises(ConfigError) as caught:
        start_from_environment()
    assert str(caught.value).endswith(f"from_prefixed_env() reads JSON: {json}")
    assert key in str(caught.value)
    with pytest.raises(ConfigError) as by_hand:
        start(**{key: os.environ[f"FLASK_{key}"]})
    assert str(by_hand.value) == str(caught.value)


def test_a_value_that_is_not_from_the_environment_gets_no_advice_about_it():
    with pytest.raises(ConfigError) as caught:
        start(JWT_COOKIE_SECURE=1, JWT_LEEWAY=None)
    assert "from_prefixed_env" not in str(caught.value)


def test_a_secret_of_digits_in_the_environment_needs_quotes(environment):
    environment("JWT_SECRET_KEY", "1234567890" * 4)
    with pytest.raises(ConfigError, match="double quotes"):
        start_from_environment()


def test_a_long_value_is_shortened():
    with pytest.raises(ConfigError) as caught:
        start(JWT_TOKEN_LOCATION="x" * 10_000)
    assert len(str(caught.value)) < 400
