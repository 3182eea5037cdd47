"""The options: each key with its default, what it may hold, and the field of Settings it fills."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from ._keys import ALGORITHMS


class Option(NamedTuple):
    """One configuration key."""

    field: str
    default: Any
    parse: Callable[[Any], Any]


LOCATIONS = ("headers", "cookies", "query_string", "json")
"""Where a request may carry its token."""


def seconds_of(value: Any) -> float:
    """A lifetime in seconds: of a number, a timedelta, or what else can be added to a date, such as
    dateutil's relativedelta; infinite for False.

    :raises ValueError: for anything else
    """
    if value is False:
        return math.inf
    if hasattr(value, "__radd__") and not isinstance(value, (timedelta, int, float)):
        now = datetime.now(timezone.utc)
        try:
            return float((now + value - now).total_seconds())
        except TypeError:
            pass
    return _seconds(value)


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError("write a number of seconds or a timedelta")


def _duration(value: Any) -> float:
    seconds = _seconds(value)
    if seconds < 0:
        raise ValueError("write a number of seconds or a timedelta that isn't negative")
    return seconds


def _lifetime(value: Any) -> float:
    seconds = _seconds(value)
    if seconds <= 0:
        raise ValueError("write a number of seconds or a timedelta, more than 0")
    return seconds


def _any_lifetime(value: Any) -> float:
    try:
        seconds = seconds_of(value)
    except ValueError as error:
        raise ValueError(f"{error}, or False for tokens that never expire") from None
    if seconds == 0:
        raise ValueError("write a number of seconds that isn't 0, or False for never")
    return seconds


def _optional_lifetime(value: Any) -> float | None:
    return None if value is None else _any_lifetime(value)


def _staleness(value: Any) -> float | None:
    if value is None or value is False:
        return None
    if value == "always":
        return 0.0
    try:
        return _duration(value)
    except ValueError:
        raise ValueError("write 'always', a number of seconds, or None to check nothing") from None


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("write a whole number, 0 or more")


def _text(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError("write a non-empty text without line breaks")


def _prefix(value: Any) -> str:
    if isinstance(value, str) and value.isascii() and value and not any(map(str.isspace, value)):
        return value
    raise ValueError("write one ASCII word, such as 'JWT' or 'Bearer'")


def _header_type(value: Any) -> str | None:
    return value if value is None or value == "" else _prefix(value)


def _locations(value: Any) -> tuple[str, ...]:
    places: Any = (value,) if isinstance(value, str) else value
    is_plural = isinstance(places, Iterable) and not isinstance(places, (bytes, Mapping))
    found: tuple[str, ...] = tuple(places) if is_plural else ()
    if found and all(place in LOCATIONS for place in found):
        # A set has no order of its own; the declared one serves.
        is_ordered = isinstance(places, Sequence)
        return found if is_ordered else tuple(sorted(found, key=LOCATIONS.index))
    raise ValueError(f"write a list of one or more of {', '.join(LOCATIONS)}")


def _methods(value: Any) -> frozenset[str]:
    try:
        return frozenset(method.upper() for method in _names(value))
    except ValueError:
        raise ValueError("write a list of HTTP methods, such as ['POST', 'PUT']") from None


def _cookie_path(value: Any) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise ValueError("write a path that starts with '/'")


def _same_site(value: Any) -> str | None:
    if value is None or value in ("Lax", "Strict", "None"):
        return None if value is None else str(value)
    raise ValueError("write 'Lax', 'Strict', 'None' (a text), or None to send no such attribute")


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _any_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("write a text")


def _algorithms(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return tuple(map(_algorithm, value))
    raise ValueError(f"write a list of {', '.join(ALGORITHMS)}")


def _rule(value: Any) -> str | None:
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and value.startswith(("/", "{auth}/")):
        return value
    raise ValueError("write a URL rule that starts with '/', or None for no endpoint")


def _options(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError("write a dict of arguments for Flask.add_url_rule")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("write True or False")


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        names = frozenset(value)
        if all(isinstance(name, str) and name for name in names):
            return names
    raise ValueError("write a list of claim names, such as ['exp', 'iat']")


def one_or_more(value: Any) -> frozenset[str] | None:
    """The names in a text or a list of texts."""
    if value is None:
        return None
    return _names([value] if isinstance(value, str) else value)


def _issued_audience(value: Any) -> str | tuple[str, ...] | None:
    if value is None or (isinstance(value, str) and value):
        return value
    return tuple(sorted(_names(value)))


def _algorithm(value: Any) -> str:
    if isinstance(value, str) and value in ALGORITHMS:
        return value
    raise ValueError(f"write one of {', '.join(ALGORITHMS)}")


def _secret(value: Any) -> bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise ValueError("write a text or bytes")


def _secrets(value: Any) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return tuple(secret for secret in map(_secret, value) if secret)
    raise ValueError("write a list of earlier secrets")


def _pem(value: Any) -> str | bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, (str, bytes)):
        return value
    if hasattr(value, "__fspath__"):
        return str(value)
    raise ValueError("write PEM text or the path of a PEM file")


def _path(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return str(value)
    raise ValueError("write the path of a key file, which `flask jwt keys generate` makes")


SECRETS = {
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "JWT_SECRET_KEY",
    "JWT_PRIVATE_KEY",
    "JWT_STORAGE_URI",  # it mostly has a password in it
}
"""Options whose values no message may show."""

#: Configuration of Flask-JWT 0.3.2, with its defaults.
CONFIG_DEFAULTS: dict[str, Any] = {
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
}


def _native(name: str, field: str, parse: Callable[[Any], Any]) -> tuple[str, Option]:
    return name, Option(field, CONFIG_DEFAULTS[name], parse)


#: What checking a token in a header depends on: compared on each request, so it is kept short.
GUARD_OPTIONS: dict[str, Option] = dict(
    [
        ("SECRET_KEY", Option("flask_secret", None, _secret)),
        ("SECRET_KEY_FALLBACKS", Option("flask_fallbacks", None, _secrets)),
        ("JWT_SECRET_KEY", Option("secret", None, _secret)),
        ("JWT_PRIVATE_KEY", Option("private_key", None, _pem)),
        ("JWT_PUBLIC_KEY", Option("public_key", None, _pem)),
        ("JWT_KEY_FILE", Option("key_file", None, _path)),
        _native("JWT_ALGORITHM", "algorithm", _algorithm),
        _native("JWT_LEEWAY", "leeway", _duration),
        _native("JWT_AUTH_HEADER_PREFIX", "prefix", _prefix),
        _native("JWT_VERIFY_CLAIMS", "verify_claims", _names),
        _native("JWT_REQUIRED_CLAIMS", "required_claims", _names),
        ("JWT_VERIFY_EXPIRATION", Option("verify_expiration", True, _flag)),
        ("JWT_DECODE_AUDIENCE", Option("decode_audience", None, one_or_more)),
        ("JWT_DECODE_ISSUER", Option("decode_issuer", None, one_or_more)),
        ("JWT_ENCODE_AUDIENCE", Option("encode_audience", None, _issued_audience)),
        ("JWT_ENCODE_ISSUER", Option("encode_issuer", None, lambda v: v and _text(v))),
        ("JWT_TOKEN_LOCATION", Option("locations", ("headers",), _locations)),
        ("JWT_HEADER_NAME", Option("header_name", "Authorization", _prefix)),
        ("JWT_HEADER_TYPE", Option("header_type", None, _header_type)),
        ("JWT_DECODE_ALGORITHMS", Option("decode_algorithms", None, _algorithms)),
        ("JWT_DECODE_LEEWAY", Option("decode_leeway", None, lambda v: v and _duration(v))),
        ("JWT_IDENTITY_CLAIM", Option("identity_claim", None, _text_or_none)),
        ("JWT_VERIFY_SUB", Option("verify_sub", False, _flag)),
        ("JWT_REVOCATION_CHECK", Option("revocation_check", 10, _staleness)),
        ("JWT_CACHE_SIZE", Option("cache_size", 10_000, _count)),
        ("JWT_MAX_TOKEN_SIZE", Option("max_token_size", 8192, _count)),
    ]
)

_COOKIE_OPTIONS: dict[str, Option] = {
    "JWT_COOKIE_SECURE": Option("cookie_secure", True, _flag),
    "JWT_COOKIE_SAMESITE": Option("cookie_samesite", "Lax", _same_site),
    "JWT_COOKIE_DOMAIN": Option("cookie_domain", None, _text_or_none),
    "JWT_SESSION_COOKIE": Option("session_cookie", True, _flag),
    "JWT_ACCESS_COOKIE_NAME": Option("access_cookie_name", "access_token_cookie", _prefix),
    "JWT_REFRESH_COOKIE_NAME": Option("refresh_cookie_name", "refresh_token_cookie", _prefix),
    "JWT_ACCESS_COOKIE_PATH": Option("access_cookie_path", "/", _cookie_path),
    "JWT_REFRESH_COOKIE_PATH": Option("refresh_cookie_path", "/", _cookie_path),
    "JWT_COOKIE_CSRF_PROTECT": Option("csrf_protect", True, _flag),
    "JWT_CSRF_METHODS": Option("csrf_methods", ["POST", "PUT", "PATCH", "DELETE"], _methods),
    "JWT_CSRF_IN_COOKIES": Option("csrf_in_cookies", True, _flag),
    "JWT_CSRF_CHECK_FORM": Option("csrf_check_form", True, _flag),
    "JWT_ACCESS_CSRF_COOKIE_NAME": Option("access_csrf_cookie_name", "csrf_access_token", _prefix),
    "JWT_REFRESH_CSRF_COOKIE_NAME": Option(
        "refresh_csrf_cookie_name", "csrf_refresh_token", _prefix
    ),
    "JWT_ACCESS_CSRF_COOKIE_PATH": Option("access_csrf_cookie_path", "/", _cookie_path),
    "JWT_REFRESH_CSRF_COOKIE_PATH": Option("refresh_csrf_cookie_path", "/", _cookie_path),
    "JWT_ACCESS_CSRF_HEADER_NAME": Option("access_csrf_header_name", "X-CSRF-TOKEN", _prefix),
    "JWT_REFRESH_CSRF_HEADER_NAME": Option("refresh_csrf_header_name", "X-CSRF-TOKEN", _prefix),
    "JWT_ACCESS_CSRF_FIELD_NAME": Option("access_csrf_field_name", "csrf_token", _text),
    "JWT_REFRESH_CSRF_FIELD_NAME": Option("refresh_csrf_field_name", "csrf_token", _text),
}

OPTIONS: dict[str, Option] = {
    **GUARD_OPTIONS,
    **_COOKIE_OPTIONS,
    **dict(
        [
            _native("JWT_DEFAULT_REALM", "realm", _text),
            _native("JWT_AUTH_URL_RULE", "auth_url_rule", _rule),
            _native("JWT_AUTH_ENDPOINT", "auth_endpoint", _text),
            ("JWT_AUTH_URL_OPTIONS", Option("auth_url_options", {}, _options)),
            _native("JWT_AUTH_USERNAME_KEY", "username_key", _text),
            _native("JWT_AUTH_PASSWORD_KEY", "password_key", _text),
            ("JWT_VERIFY", Option("verify", True, _flag)),
            ("JWT_LOGIN_LIMITS", Option("login_limits", "10/minute; 100/hour", _text_or_none)),
            ("JWT_LOGIN_VIEW", Option("login_view", None, _text_or_none)),
            ("JWT_REQUIRED_BY_DEFAULT", Option("required_by_default", False, _flag)),
            ("JWT_JWKS_URL_RULE", Option("jwks_url_rule", "/.well-known/jwks.json", _rule)),
            _native("JWT_EXPIRATION_DELTA", "expiration_delta", _seconds),
            _native("JWT_NOT_BEFORE_DELTA", "not_before", _seconds),
            ("JWT_STORAGE_URI", Option("storage_uri", None, lambda v: v and _text(v))),
            ("JWT_STORE_TIMEOUT", Option("store_timeout", 2, _lifetime)),
            ("JWT_ACCESS_TOKEN_EXPIRES", Option("access_expires", None, _optional_lifetime)),
            ("JWT_REFRESH_TOKEN_EXPIRES", Option("refresh_lifetime", 30 * 86400, _any_lifetime)),
            ("JWT_ENCODE_NBF", Option("encode_nbf", True, _flag)),
            ("JWT_QUERY_STRING_NAME", Option("query_string_name", "jwt", _text)),
            ("JWT_QUERY_STRING_VALUE_PREFIX", Option("query_string_prefix", "", _any_text)),
            ("JWT_JSON_KEY", Option("json_key", "access_token", _text)),
            ("JWT_REFRESH_JSON_KEY", Option("refresh_json_key", "refresh_token", _text)),
            ("JWT_ERROR_MESSAGE_KEY", Option("error_message_key", "msg", _text)),
            ("JWT_SESSION_IDLE", Option("session_idle", None, lambda v: v and _lifetime(v))),
            ("JWT_REFRESH_GRACE", Option("refresh_grace", 30, _duration)),
            ("JWT_MAX_SESSIONS", Option("max_sessions", None, lambda v: v and _count(v))),
            ("JWT_REFRESH_URL_RULE", Option("refresh_url_rule", "{auth}/refresh", _rule)),
            ("JWT_LOGOUT_URL_RULE", Option("logout_url_rule", "{auth}/logout", _rule)),
            ("JWT_SESSIONS_URL_RULE", Option("sessions_url_rule", "{auth}/sessions", _rule)),
        ]
    ),
}
