"""Provide ``config``: the current application's options, under Flask-JWT-Extended's names."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast

from .. import ConfigError
from .._config.options import TokenLocation
from .._web.context import checked_config
from ._imported_names import imported_names
from .internal_utils import JSONEncoder
from .typing import ExpiresDelta


class _Config:
    """Return each option as the application configured it, or its default.

    Reading a property never changes the configuration. Only programs read these properties; the
    implementation has its settings parsed already.

    :raises ConfigError: when an option with an invalid value is read
    """

    # Token locations

    @property
    def token_location(self) -> Sequence[TokenLocation]:
        return _one_or_more_locations("JWT_TOKEN_LOCATION")

    @property
    def jwt_in_cookies(self) -> bool:
        return "cookies" in self.token_location

    @property
    def jwt_in_headers(self) -> bool:
        return "headers" in self.token_location

    @property
    def jwt_in_query_string(self) -> bool:
        return "query_string" in self.token_location

    @property
    def jwt_in_json(self) -> bool:
        return "json" in self.token_location

    @property
    def header_name(self) -> str:
        return _string("JWT_HEADER_NAME")

    @property
    def header_type(self) -> str:
        return _string("JWT_HEADER_TYPE")

    @property
    def query_string_name(self) -> str:
        return _string("JWT_QUERY_STRING_NAME")

    @property
    def query_string_value_prefix(self) -> str:
        return _string("JWT_QUERY_STRING_VALUE_PREFIX")

    @property
    def json_key(self) -> str:
        return _string("JWT_JSON_KEY")

    @property
    def refresh_json_key(self) -> str:
        return _string("JWT_REFRESH_JSON_KEY")

    # Cookies

    @property
    def access_cookie_name(self) -> str:
        return _string("JWT_ACCESS_COOKIE_NAME")

    @property
    def refresh_cookie_name(self) -> str:
        return _string("JWT_REFRESH_COOKIE_NAME")

    @property
    def access_cookie_path(self) -> str:
        return _string("JWT_ACCESS_COOKIE_PATH")

    @property
    def refresh_cookie_path(self) -> str:
        return _string("JWT_REFRESH_COOKIE_PATH")

    @property
    def cookie_secure(self) -> bool:
        return _flag("JWT_COOKIE_SECURE")

    @property
    def cookie_domain(self) -> str | None:
        return _optional_string("JWT_COOKIE_DOMAIN")

    @property
    def cookie_samesite(self) -> str | None:
        return _optional_string("JWT_COOKIE_SAMESITE")

    @property
    def session_cookie(self) -> bool:
        return _flag("JWT_SESSION_COOKIE")

    @property
    def cookie_max_age(self) -> int | None:
        return None if self.session_cookie else 31_540_000  # a year, rounded as in the original

    # CSRF

    @property
    def cookie_csrf_protect(self) -> bool:
        return _flag("JWT_COOKIE_CSRF_PROTECT")

    @property
    def csrf_request_methods(self) -> Iterable[str]:
        return cast("Iterable[str]", checked_config("JWT_CSRF_METHODS"))

    @property
    def csrf_in_cookies(self) -> bool:
        return _flag("JWT_CSRF_IN_COOKIES")

    @property
    def csrf_check_form(self) -> bool:
        return _flag("JWT_CSRF_CHECK_FORM")

    @property
    def access_csrf_cookie_name(self) -> str:
        return _string("JWT_ACCESS_CSRF_COOKIE_NAME")

    @property
    def refresh_csrf_cookie_name(self) -> str:
        return _string("JWT_REFRESH_CSRF_COOKIE_NAME")

    @property
    def access_csrf_cookie_path(self) -> str:
        return _string("JWT_ACCESS_CSRF_COOKIE_PATH")

    @property
    def refresh_csrf_cookie_path(self) -> str:
        return _string("JWT_REFRESH_CSRF_COOKIE_PATH")

    @property
    def access_csrf_header_name(self) -> str:
        return _string("JWT_ACCESS_CSRF_HEADER_NAME")

    @property
    def refresh_csrf_header_name(self) -> str:
        return _string("JWT_REFRESH_CSRF_HEADER_NAME")

    @property
    def access_csrf_field_name(self) -> str:
        return _string("JWT_ACCESS_CSRF_FIELD_NAME")

    @property
    def refresh_csrf_field_name(self) -> str:
        return _string("JWT_REFRESH_CSRF_FIELD_NAME")

    # Keys and algorithms

    @property
    def algorithm(self) -> str:
        return _string("JWT_ALGORITHM")

    @property
    def decode_algorithms(self) -> list[str]:
        # The algorithm that signs is always accepted, as in the original.
        value = checked_config("JWT_DECODE_ALGORITHMS") or ()
        algorithms: list[str] = [value] if isinstance(value, str) else list(value)
        return algorithms if self.algorithm in algorithms else [*algorithms, self.algorithm]

    @property
    def is_asymmetric(self) -> bool:
        return not self.algorithm.startswith("HS")

    @property
    def encode_key(self) -> Any:
        return self._key("JWT_PRIVATE_KEY" if self.is_asymmetric else "JWT_SECRET_KEY")

    @property
    def decode_key(self) -> Any:
        return self._key("JWT_PUBLIC_KEY" if self.is_asymmetric else "JWT_SECRET_KEY")

    def _key(self, name: str) -> Any:
        key = checked_config(name)
        if not key and name == "JWT_SECRET_KEY":
            key = checked_config("SECRET_KEY")
        if not key:
            raise ConfigError(f"{name} must be set to use the algorithm {self.algorithm}")
        return key

    # Claims

    @property
    def access_expires(self) -> ExpiresDelta:
        return _lifetime("JWT_ACCESS_TOKEN_EXPIRES")

    @property
    def refresh_expires(self) -> ExpiresDelta:
        return _lifetime("JWT_REFRESH_TOKEN_EXPIRES")

    @property
    def leeway(self) -> float | timedelta:
        return cast("float | timedelta", checked_config("JWT_DECODE_LEEWAY"))

    @property
    def identity_claim_key(self) -> str:
        return _string("JWT_IDENTITY_CLAIM")

    @property
    def decode_audience(self) -> str | Iterable[str] | None:
        return _one_or_more("JWT_DECODE_AUDIENCE")

    @property
    def encode_audience(self) -> str | Iterable[str] | None:
        return _one_or_more("JWT_ENCODE_AUDIENCE")

    @property
    def decode_issuer(self) -> str | Iterable[str] | None:
        return _one_or_more("JWT_DECODE_ISSUER")

    @property
    def encode_issuer(self) -> str | None:
        return _optional_string("JWT_ENCODE_ISSUER")

    @property
    def encode_nbf(self) -> bool:
        return _flag("JWT_ENCODE_NBF")

    @property
    def verify_sub(self) -> bool:
        return _flag("JWT_VERIFY_SUB")

    # Other

    @property
    def exempt_methods(self) -> frozenset[str]:
        # Not an option: browsers send OPTIONS as a CORS preflight, which never carries a token.
        return EXEMPT_METHODS

    @property
    def error_msg_key(self) -> str:
        return _string("JWT_ERROR_MESSAGE_KEY")

    @property
    def json_encoder(self) -> type[json.JSONEncoder]:
        return JSONEncoder


EXEMPT_METHODS = frozenset({"OPTIONS"})
"""HTTP methods of requests that guards don't check."""


# checked_config() returns the value of any option; these functions name the type of some.


def _string(name: str) -> str:
    return cast(str, checked_config(name))


def _optional_string(name: str) -> str | None:
    return cast("str | None", checked_config(name))


def _flag(name: str) -> bool:
    return cast(bool, checked_config(name))


def _one_or_more(name: str) -> str | Iterable[str] | None:
    return cast("str | Iterable[str] | None", checked_config(name))


def _one_or_more_locations(name: str) -> Sequence[TokenLocation]:
    value = checked_config(name)
    return cast("Sequence[TokenLocation]", (value,) if isinstance(value, str) else value)


def _lifetime(name: str) -> ExpiresDelta:
    value = checked_config(name)
    # Not isinstance(): False is an int too, and means that tokens never expire.
    return cast(ExpiresDelta, timedelta(seconds=value) if type(value) is int else value)


config = _Config()


__getattr__ = imported_names(__name__)
