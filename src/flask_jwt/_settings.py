"""Configuration, read in one pass into one frozen object.

:data:`OPTIONS` is the whole list: each key with its default, what it may hold,
and the :class:`Settings` field it fills. A value that can't be used is
reported together with all the others, in one :class:`ConfigError`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from ._claims import TIME_CLAIMS
from ._keys import ALGORITHMS
from .errors import ConfigError


class Option(NamedTuple):
    """One configuration key."""

    field: str
    default: Any
    parse: Callable[[Any], Any]


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


def _one_or_more(value: Any) -> frozenset[str] | None:
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


_SECRETS = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "JWT_SECRET_KEY", "JWT_PRIVATE_KEY"}

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


#: What the guard depends on: compared on each request, so it is kept short.
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
        ("JWT_VERIFY", Option("verify", True, _flag)),
        ("JWT_VERIFY_EXPIRATION", Option("verify_expiration", True, _flag)),
        ("JWT_DECODE_AUDIENCE", Option("decode_audience", None, _one_or_more)),
        ("JWT_DECODE_ISSUER", Option("decode_issuer", None, _one_or_more)),
        ("JWT_ENCODE_AUDIENCE", Option("encode_audience", None, _issued_audience)),
        ("JWT_ENCODE_ISSUER", Option("encode_issuer", None, lambda v: v and _text(v))),
        ("JWT_REVOCATION_CHECK", Option("revocation_check", 10, _staleness)),
        ("JWT_CACHE_SIZE", Option("cache_size", 10_000, _count)),
        ("JWT_MAX_TOKEN_SIZE", Option("max_token_size", 8192, _count)),
    ]
)

OPTIONS: dict[str, Option] = {
    **GUARD_OPTIONS,
    **dict(
        [
            _native("JWT_DEFAULT_REALM", "realm", _text),
            _native("JWT_AUTH_URL_RULE", "auth_url_rule", _rule),
            _native("JWT_AUTH_ENDPOINT", "auth_endpoint", _text),
            ("JWT_AUTH_URL_OPTIONS", Option("auth_url_options", {}, _options)),
            _native("JWT_AUTH_USERNAME_KEY", "username_key", _text),
            _native("JWT_AUTH_PASSWORD_KEY", "password_key", _text),
            ("JWT_JWKS_URL_RULE", Option("jwks_url_rule", "/.well-known/jwks.json", _rule)),
            _native("JWT_EXPIRATION_DELTA", "expiration", _seconds),
            _native("JWT_NOT_BEFORE_DELTA", "not_before", _seconds),
            ("JWT_STORAGE_URI", Option("storage_uri", None, lambda v: v and _text(v))),
            ("JWT_STORE_TIMEOUT", Option("store_timeout", 2, _lifetime)),
            ("JWT_REFRESH_TOKEN_EXPIRES", Option("refresh_lifetime", 30 * 86400, _lifetime)),
            ("JWT_SESSION_IDLE", Option("session_idle", None, lambda v: v and _lifetime(v))),
            ("JWT_REFRESH_GRACE", Option("refresh_grace", 30, _duration)),
            ("JWT_MAX_SESSIONS", Option("max_sessions", None, lambda v: v and _count(v))),
            ("JWT_REFRESH_URL_RULE", Option("refresh_url_rule", "{auth}/refresh", _rule)),
            ("JWT_LOGOUT_URL_RULE", Option("logout_url_rule", "{auth}/logout", _rule)),
            ("JWT_SESSIONS_URL_RULE", Option("sessions_url_rule", "{auth}/sessions", _rule)),
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration, checked. Durations are seconds, sizes are bytes."""

    flask_secret: bytes | None
    flask_fallbacks: tuple[bytes, ...]
    secret: bytes | None
    private_key: str | bytes | None
    public_key: str | bytes | None
    key_file: str | None
    algorithm: str
    leeway: float
    prefix: str
    verify_claims: frozenset[str]
    required_claims: frozenset[str]
    verify: bool
    verify_expiration: bool
    decode_audience: frozenset[str] | None
    decode_issuer: frozenset[str] | None
    encode_audience: str | tuple[str, ...] | None
    encode_issuer: str | None
    revocation_check: float | None
    """Seconds for which a revocation may go unnoticed; 0: none; None: it isn't looked for."""
    cache_size: int
    max_token_size: int
    realm: str
    auth_url_rule: str | None
    auth_endpoint: str
    auth_url_options: dict[str, Any]
    jwks_url_rule: str | None
    username_key: str
    password_key: str
    expiration: float
    not_before: float
    storage_uri: str | None
    store_timeout: float
    refresh_lifetime: float
    session_idle: float | None
    refresh_grace: float
    max_sessions: int | None
    refresh_url_rule: str | None
    logout_url_rule: str | None
    sessions_url_rule: str | None
    given: frozenset[str]
    """Names of the options the developer set; the others hold defaults."""

    def __repr__(self) -> str:
        return f"<Settings {self.algorithm}>"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Accepted authorization schemes, lower case."""
        if "JWT_AUTH_HEADER_PREFIX" in self.given or self.prefix != "JWT":
            return (self.prefix.lower(),)
        return ("jwt", "bearer")

    @property
    def unchecked_claims(self) -> frozenset[str]:
        """The time claims that the configuration says not to check."""
        unchecked = set(TIME_CLAIMS) - self.verify_claims
        if not self.verify_expiration:
            unchecked.add("exp")
        return frozenset(unchecked)

    @property
    def accepted_audience(self) -> frozenset[str] | None:
        """Accepted ``aud``: ``JWT_DECODE_AUDIENCE``, else what this application issues."""
        if self.decode_audience is None and self.encode_audience is not None:
            return _one_or_more(self.encode_audience)
        return self.decode_audience

    @property
    def accepted_issuer(self) -> frozenset[str] | None:
        """Accepted ``iss``: ``JWT_DECODE_ISSUER``, else what this application issues."""
        if self.decode_issuer is None and self.encode_issuer is not None:
            return frozenset([self.encode_issuer])
        return self.decode_issuer

    @property
    def access_lifetime(self) -> float:
        """Seconds for which an access token is accepted after its issue."""
        return self.not_before + self.expiration + self.leeway

    def below_auth(self, rule: str | None) -> str | None:
        """*rule* with ``{auth}`` replaced by ``JWT_AUTH_URL_RULE``; None without that."""
        if rule is None or not rule.startswith("{auth}"):
            return rule
        if self.auth_url_rule is None:
            return None
        return rule.replace("{auth}", self.auth_url_rule.rstrip("/"), 1)

    @property
    def has_public_key(self) -> bool:
        """Whether there may be a public key to publish."""
        return bool(self.private_key or self.public_key or self.key_file)

    @property
    def has_key(self) -> bool:
        """Whether anything to sign or verify with is configured."""
        return bool(self.secret) or self.has_public_key

    def advice(self) -> list[str]:
        """What works but isn't what its author will have wanted, a sentence each."""
        advice = []
        if not self.verify or "signature" not in self.verify_claims:
            advice.append(
                "JWT_VERIFY and JWT_VERIFY_CLAIMS can't turn off the signature check "
                "(nor could they in Flask-JWT 0.3.2); remove the setting."
            )
        if self.unchecked_claims:
            names = ", ".join(sorted(self.unchecked_claims))
            advice.append(
                f"JWT_VERIFY_CLAIMS or JWT_VERIFY_EXPIRATION turns off the check of {names}, so "
                "an old token is good forever; Flask-JWT 0.3.2 checked it all the same. Remove "
                "the setting, or write a longer JWT_EXPIRATION_DELTA."
            )
        return advice


def read_settings(config: Mapping[str, Any], given: frozenset[str]) -> Settings:
    """Check *config* and return it as :class:`Settings`.

    :param given: names the developer set, as opposed to defaults
    :raises ConfigError: naming every value that can't be used, at once
    """
    values: dict[str, Any] = {}
    faults = []
    for name, option in OPTIONS.items():
        value = config.get(name, option.default)
        try:
            values[option.field] = option.parse(value)
        except (TypeError, ValueError) as error:
            shown = "its value can't be used" if name in _SECRETS else f"{value!r} can't be used"
            faults.append(f"{name}: {shown}; {error}")
    if faults:
        raise ConfigError("This configuration can't be used:\n  " + "\n  ".join(faults))
    return Settings(**values, given=given)


def unknown_keys(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each ``JWT_*`` key that nothing reads, with the one probably meant."""
    sentences = []
    for name in config:
        if isinstance(name, str) and name.startswith("JWT_") and name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.75)
            meant = f"did you mean {near[0]}?" if near else "remove it or rename it."
            sentences.append(f"{name} is not an option of Flask-JWT-Too; {meant}")
    return sentences
