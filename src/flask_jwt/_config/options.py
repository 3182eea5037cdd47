"""Declare configuration options and parse their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, Literal, TypeVar, get_args, overload

from .._jose.keys import ALGORITHMS

T = TypeVar("T")


class Option(Generic[T]):
    """Declare one option in the body of :class:`~flask_jwt._config.settings.Settings`.

    The attribute of the class is the option; the attribute of an instance is the parsed value.

    :param key: the name of the option in ``app.config``
    :param default: the value of an option that is not configured; it is parsed like any other
    :param parse: returns the parsed value, or raises a ValueError that says what to write instead
    :param shapes_codec: a change makes new codecs. The guard compares these options at each
        request, so there should be few of them
    :param at_start: only ``init_app`` reads the option; a later change has no effect
    :param is_secret: error messages must not contain the value
    """

    field: str
    """The name of the attribute of :class:`~flask_jwt._config.settings.Settings`."""

    def __init__(
        self,
        key: str,
        default: Any,
        parse: Callable[[Any], T],
        *,
        shapes_codec: bool = False,
        at_start: bool = False,
        is_secret: bool = False,
    ) -> None:
        self.key = key
        self.default = default
        self.parse = parse
        self.shapes_codec = shapes_codec
        self.at_start = at_start
        self.is_secret = is_secret

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = name

    @overload
    def __get__(self, instance: None, owner: type) -> Option[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Option[T] | T:
        if instance is None:
            return self
        # There is no __set__, so Python prefers the value in the __dict__ of the instance and calls
        # this method only if there is none.
        raise AttributeError(f"{self.key} has not been parsed")

    def __repr__(self) -> str:
        return f"<Option {self.key}>"


TokenLocation = Literal["headers", "cookies", "query_string", "json"]
"""The parts of a request that may contain the token."""

LOCATIONS: tuple[TokenLocation, ...] = get_args(TokenLocation)

TokenLifetime = timedelta | float | Literal[False]
"""A timedelta, a number of seconds, or False for a token that never expires."""


def optional(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return a parser that accepts None and every value that *parse* accepts."""

    def parse_optional(value: Any) -> T | None:
        return None if value is None else parse(value)

    return parse_optional


# Durations, in seconds


def seconds_of(value: Any) -> float:
    """Convert a lifetime to seconds.

    :param value: a number of seconds, a timedelta, False for an infinite lifetime, or any other
        object that can be added to a datetime, such as dateutil's relativedelta
    :raises ValueError: for any other value
    """
    if value is False:
        return math.inf
    if hasattr(value, "__radd__") and not isinstance(value, (timedelta, int, float)):
        # The length of a relativedelta, such as one month, depends on the date it is added to.
        now = datetime.now(timezone.utc)
        try:
            return float((now + value - now).total_seconds())
        except TypeError:
            pass
    return parse_seconds(value)


def parse_seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError("write a number of seconds or a timedelta")


def parse_duration(value: Any) -> float:
    seconds = parse_seconds(value)
    if seconds < 0:
        raise ValueError("write a number of seconds or a timedelta that isn't negative")
    return seconds


def parse_positive_duration(value: Any) -> float:
    seconds = parse_seconds(value)
    if seconds <= 0:
        raise ValueError("write a number of seconds or a timedelta, more than 0")
    return seconds


def parse_token_lifetime(value: Any) -> float:
    """Return seconds, infinity for False.

    Negative lifetimes are valid, because tests use them to issue expired tokens.
    """
    try:
        seconds = seconds_of(value)
    except ValueError as error:
        raise ValueError(f"{error}, or False for tokens that never expire") from None
    if seconds == 0:
        raise ValueError(
            "write a number of seconds other than 0, or False for tokens that never expire"
        )
    return seconds


def parse_revocation_check(value: Any) -> float | None:
    if value is None or value is False:
        return None
    if value == "always":
        return 0.0
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError(
            "write 'always', a number of seconds, or None to turn the check off"
        ) from None


# Numbers, flags and strings


def parse_count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("write a whole number, 0 or more")


def parse_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("write True or False")


def parse_string(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError("write a non-empty string without line breaks")


def parse_any_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("write a string")


def parse_word(value: Any) -> str:
    """Check the name of an authorization scheme, a header or a cookie."""
    if isinstance(value, str) and value.isascii() and value and not any(map(str.isspace, value)):
        return value
    raise ValueError("write one ASCII word, such as 'JWT' or 'Bearer'")


# Claims


def parse_names(value: Any) -> frozenset[str]:
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        names = frozenset(value)
        if all(isinstance(name, str) and name for name in names):
            return names
    raise ValueError("write a list of claim names, such as ['exp', 'iat']")


def parse_one_or_more(value: Any) -> frozenset[str]:
    """Return the set of strings in a list, or a set of one string."""
    return parse_names([value] if isinstance(value, str) else value)


def parse_issued_audience(value: Any) -> str | tuple[str, ...] | None:
    if value is None or (isinstance(value, str) and value):
        return value
    return tuple(sorted(parse_names(value)))


def parse_issued_issuer(value: Any) -> str | None:
    # As in Flask-JWT-Extended, an empty string issues no `iss`.
    return None if value is None or value == "" else parse_string(value)


# Requests, cookies and URLs


def parse_locations(value: Any) -> tuple[TokenLocation, ...]:
    values: Any = (value,) if isinstance(value, str) else value
    is_plural = isinstance(values, Iterable) and not isinstance(values, (bytes, Mapping))
    locations: tuple[TokenLocation, ...] = tuple(values) if is_plural else ()
    if locations and all(location in LOCATIONS for location in locations):
        # The order of a set is arbitrary, so the locations of a set are searched in the order of
        # LOCATIONS.
        is_ordered = isinstance(values, Sequence)
        return locations if is_ordered else tuple(sorted(locations, key=LOCATIONS.index))
    raise ValueError(f"write a list of one or more of {', '.join(LOCATIONS)}")


def parse_header_type(value: Any) -> str | None:
    """Return the authorization scheme, or an empty string for a header without a scheme."""
    return value if value is None or value == "" else parse_word(value)


def parse_methods(value: Any) -> frozenset[str]:
    try:
        return frozenset(method.upper() for method in parse_names(value))
    except ValueError:
        raise ValueError("write a list of HTTP methods, such as ['POST', 'PUT']") from None


def parse_cookie_path(value: Any) -> str:
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise ValueError("write a path that starts with '/'")


def parse_same_site(value: Any) -> str | None:
    if value is None or value in ("Lax", "Strict", "None"):
        return None if value is None else str(value)
    raise ValueError(
        "write 'Lax', 'Strict', 'None' (as a string), or None to omit the SameSite attribute"
    )


def parse_url_rule(value: Any) -> str | None:
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and value.startswith(("/", "{auth}/")):
        return value
    raise ValueError("write a URL rule that starts with '/', or None to add no endpoint")


def parse_url_options(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError("write a dict of keyword arguments for Flask.add_url_rule")


# Keys


def parse_algorithm(value: Any) -> str:
    if isinstance(value, str) and value in ALGORITHMS:
        return value
    raise ValueError(f"write one of {', '.join(ALGORITHMS)}")


def parse_algorithms(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return tuple(map(parse_algorithm, value))
    raise ValueError(f"write a list of {', '.join(ALGORITHMS)}")


def parse_secret(value: Any) -> bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise ValueError("write a string or bytes")


def parse_secrets(value: Any) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return tuple(secret for secret in map(parse_secret, value) if secret)
    raise ValueError("write a list of earlier secrets")


def parse_pem(value: Any) -> str | bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, (str, bytes)):
        return value
    if hasattr(value, "__fspath__"):
        return str(value)
    raise ValueError("write a PEM key or the path of a PEM file")


def parse_path(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return str(value)
    raise ValueError("write the path of a key file; `flask jwt keys generate` makes one")
