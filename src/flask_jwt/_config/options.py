"""Declare configuration options and parse their values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from inspect import iscoroutinefunction
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypeGuard,
    TypeVar,
    cast,
    get_args,
    overload,
)

from jwt import PyJWK

from .._jose.grants import ClaimPath
from .._jose.keys import ALGORITHMS
from ..errors import ConfigError

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer
    from .._issuers.lookup import IssuerLookup

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
        default: object,
        parse: Callable[[object], T],
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


class InvalidValue(ValueError):
    """Reject the value of an option.

    :param message: what to write instead
    :param json: an example of what to write in an environment variable. It is shown if the value is
        a string, as environment variables are, although the option takes another type
    """

    def __init__(self, message: str, json: str) -> None:
        super().__init__(message)
        self.json = json


TokenLocation = Literal["headers", "cookies", "query_string", "json"]
"""The parts of a request that may contain the token."""

LOCATIONS: tuple[TokenLocation, ...] = get_args(TokenLocation)

TokenLifetime = timedelta | float | Literal[False]
"""A timedelta, a number of seconds, or False for a token that never expires."""


def optional(parse: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return a parser that accepts None and every value that *parse* accepts."""

    def parse_optional(value: object) -> T | None:
        if value in ("None", "null"):
            raise InvalidValue("write None", json="null")
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


_LONGEST_DURATION = timedelta.max.total_seconds()


def parse_seconds(value: object) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # This comparison also rejects NaN. It comes before float(), which huge integers overflow.
        if -_LONGEST_DURATION <= value <= _LONGEST_DURATION:
            return float(value)
        raise ValueError("write a number of seconds that a timedelta can represent")
    raise InvalidValue("write a number of seconds or a timedelta", json="300")


def parse_duration(value: object) -> float:
    seconds = parse_seconds(value)
    if seconds < 0:
        raise ValueError("write a number of seconds or a timedelta that isn't negative")
    return seconds


def parse_positive_duration(value: object) -> float:
    seconds = parse_seconds(value)
    if seconds <= 0:
        raise ValueError("write a number of seconds or a timedelta, more than 0")
    return seconds


def parse_timeout(value: object) -> float:
    """Return seconds, at most a day, because drivers and threads can't wait much longer."""
    seconds = parse_positive_duration(value)
    if seconds > 86400:
        raise ValueError("write a number of seconds or a timedelta, at most a day")
    return seconds


def parse_token_lifetime(value: object) -> float:
    """Return seconds, infinity for False.

    Negative lifetimes are valid, because tests use them to issue expired tokens.
    """
    try:
        seconds = seconds_of(value)
    except ValueError as error:
        message = f"{error}, or False for tokens that never expire"
        raise InvalidValue(message, json="300, or false") from None
    if seconds == 0:
        raise ValueError(
            "write a number of seconds other than 0, or False for tokens that never expire"
        )
    return seconds


def parse_revocation_check(value: object) -> float | None:
    if value is None or value is False:
        return None
    if value == "always":
        return 0.0
    try:
        return parse_duration(value)
    except ValueError:
        message = "write 'always', a number of seconds, or None to turn the check off"
        raise InvalidValue(message, json="10, or null") from None


# Numbers, flags and strings


def parse_count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InvalidValue("write a whole number, 0 or more", json="300")


def parse_limit(value: object) -> int:
    if (count := parse_count(value)) > 0:
        return count
    raise ValueError("write a whole number, 1 or more, or None for no limit")


def parse_token_size(value: object) -> int:
    if (size := parse_count(value)) >= SMALLEST_TOKEN_LIMIT:
        return size
    raise ValueError(f"write a number of bytes, {SMALLEST_TOKEN_LIMIT} or more")


SMALLEST_TOKEN_LIMIT = 512
"""Bytes. With a much lower limit no user could log in: a refresh token has more than 400 bytes."""


def parse_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InvalidValue("write True or False", json="true, or false")


def parse_string(value: object) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError("write a non-empty string without line breaks")


def parse_any_string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("write a string")


_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""A token as RFC 9110 section 5.6.2 and RFC 6265 section 4.1.1 define it."""


def parse_token(value: object) -> str:
    """Check the name of an authorization scheme, a header or a cookie."""
    if isinstance(value, str) and re.fullmatch(_TOKEN, value):
        return value
    raise ValueError(
        "write one word of ASCII letters, digits and !#$%&'*+-.^_`|~, such as 'Bearer'"
    )


# Claims


def parse_names(value: object) -> frozenset[str]:
    if (names := _parse_strings(value)) is not None:
        return names
    message = "write a list of claim names, such as ['exp', 'iat']"
    raise InvalidValue(message, json='["exp", "iat"]')


def parse_claim_paths(value: object) -> tuple[ClaimPath, ...]:
    """Return the paths of claims: a string names a claim, a tuple a member within a claim."""
    if isinstance(value, str):
        value = [value]
    claims = value if _is_list(value) else ()
    paths = [(claim,) if isinstance(claim, str) else claim for claim in claims]
    if paths and all(map(_is_claim_path, paths)):
        return tuple(tuple(path) for path in paths)
    message = "write a list of claims, such as ['roles', ('realm_access', 'roles')]"
    raise InvalidValue(message, json='["roles", ["realm_access", "roles"]]')


def _is_claim_path(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and bool(_parse_strings(value))


def _parse_strings(value: object) -> frozenset[str] | None:
    """Return the set of the strings in a list, or None if *value* is anything else."""
    if not _is_list(value):
        return None
    names = list(value)
    return frozenset(names) if all(isinstance(name, str) and name for name in names) else None


def _is_list(value: object) -> TypeGuard[Collection[Any]]:
    # An iterator, such as map(str.strip, …), isn't one. The options are parsed again after each
    # change, and an iterator is empty the second time: JWT_VERIFY_CLAIMS would check nothing.
    return isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))


def parse_one_or_more(value: object) -> frozenset[str]:
    """Return the set of strings in a list, or a set of one string."""
    if names := _parse_strings([value] if isinstance(value, str) else value):
        return names
    raise ValueError("write a non-empty string, or a list of one or more of them")


def parse_issued_audience(value: object) -> str | tuple[str, ...] | None:
    if isinstance(value, str) and value:
        return parse_string(value)
    # As in Flask-JWT-Extended, an empty list or string issues no `aud`.
    if value is None or value in ("", [], (), set(), frozenset()):
        return None
    return tuple(sorted(parse_one_or_more(value)))


def parse_issued_issuer(value: object) -> str | None:
    # As in Flask-JWT-Extended, an empty string issues no `iss`.
    return None if value is None or value == "" else parse_string(value)


# Requests, cookies and URLs


def parse_locations(value: object) -> tuple[TokenLocation, ...]:
    values: Any = (value,) if isinstance(value, str) else value
    locations: tuple[TokenLocation, ...] = tuple(values) if _is_list(values) else ()
    if locations and all(location in LOCATIONS for location in locations):
        # The order of a set is arbitrary, so the locations of a set are searched in the order of
        # LOCATIONS.
        is_ordered = isinstance(values, Sequence)
        return locations if is_ordered else tuple(sorted(locations, key=LOCATIONS.index))
    message = f"write a list of one or more of {', '.join(LOCATIONS)}"
    raise InvalidValue(message, json='["headers", "cookies"]')


def parse_header_type(value: object) -> str | None:
    """Return the authorization scheme, or an empty string for a header without a scheme."""
    if value is None:
        return None
    return "" if value == "" else parse_token(value)


def parse_methods(value: object) -> frozenset[str]:
    if (names := _parse_strings(value)) is not None:
        return frozenset(name.upper() for name in names)
    message = "write a list of HTTP methods, such as ['POST', 'PUT']"
    raise InvalidValue(message, json='["POST", "PUT"]')


def parse_cookie_path(value: object) -> str:
    if (
        isinstance(value, str)
        and value.startswith("/")
        and value.isprintable()
        and ";" not in value
    ):
        return str(value)
    raise ValueError("write a path that starts with '/', without ';' and control characters")


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"\.?{_LABEL}(?:\.{_LABEL})*"


def parse_cookie_domain(value: object) -> str | None:
    """Return a host name, which may start with a dot; an empty string stands for None."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(_DOMAIN, value):
        return value.lower()
    if isinstance(value, str) and not value.isascii():
        message = "write the domain in its ASCII form (Punycode)"
        with suppress(UnicodeError):
            message += f", {value.encode('idna').decode('ascii')!r}"
        raise ValueError(message)
    raise ValueError(
        "write only a host name, such as 'example.com', without scheme, port and path, or None for "
        "this host only"
    )


def parse_origins(value: object) -> frozenset[str]:
    """Return origins as browsers write them: in lower case, and without the default port."""
    values = _parse_strings([value] if isinstance(value, str) else value)
    if values is None:
        message = "write a list of origins, such as ['https://app.example.com']"
        raise InvalidValue(message, json='["https://app.example.com"]')
    return frozenset(map(_parse_origin, values))


_ORIGIN = rf"(https?)://({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::([0-9]{{1,5}}))?"


def _parse_origin(value: str) -> str:
    match = re.fullmatch(_ORIGIN, value.lower())
    if match is None:
        # Patterns aren't allowed, because a page on any matching host could act for the user, even
        # on a forgotten one. "null" isn't, because every sandboxed page has this origin.
        raise ValueError(
            "write each origin as scheme, host and port if there is one, such as "
            "'https://app.example.com', without a path and without *"
        )
    scheme, host, port = match.groups()
    number = {"http": 80, "https": 443}[scheme] if port is None else int(port)
    is_default = (scheme, number) in (("http", 80), ("https", 443))
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{number}"


def parse_same_site(value: object) -> str | None:
    if value is None:
        return None
    # Upper and lower case are the same for browsers and Werkzeug.
    if isinstance(value, str) and value.title() in ("Lax", "Strict", "None"):
        return value.title()
    raise ValueError(
        "write 'Lax', 'Strict', 'None' (as a string), or None to omit the SameSite attribute"
    )


def parse_url_rule(value: object) -> str | None:
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and value.startswith(("/", "{auth}/")) and value.isprintable():
        return value
    message = "write a URL rule that starts with '/', or None to add no endpoint"
    raise InvalidValue(message, json="null")


def parse_url_options(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    message = "write a dict of keyword arguments for Flask.add_url_rule"
    raise InvalidValue(message, json='{"methods": ["POST"]}')


# Keys and issuers


def parse_issuers(value: object) -> tuple[Issuer, ...] | IssuerLookup:
    """Return the issuers that an application trusts, or the function that finds them.

    Some of the issuers may be described by dicts.
    """
    if value is None:
        return ()
    # Imported here, because most applications trust no other issuer.
    from .._issuers.issuer import Issuer

    if callable(value) and not isinstance(value, type):
        from .._issuers.lookup import IssuerLookup

        if iscoroutinefunction(value):
            raise ValueError("the function that finds issuers can't be async; write a plain one")
        return IssuerLookup(cast("Callable[[str], Issuer | None]", value))
    if not _is_list(value) or not all(isinstance(item, (Issuer, Mapping)) for item in value):
        raise InvalidValue(
            "write a list of Issuer objects, or of dicts with their arguments, or a function that "
            "returns the Issuer of an iss",
            json='[{"issuer": "https://…", "audience": "…"}]',
        )
    try:
        return tuple(
            item if isinstance(item, Issuer) else Issuer.from_mapping(item) for item in value
        )
    except ConfigError as error:
        raise ValueError(str(error)) from None


def parse_algorithm(value: object) -> str:
    if isinstance(value, str) and value in ALGORITHMS:
        return value
    raise ValueError(f"write one of {', '.join(ALGORITHMS)}")


def parse_algorithms(value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str) and value in ALGORITHMS:
        return (parse_algorithm(value),)
    if _is_list(value):
        return tuple(map(parse_algorithm, value))
    message = f"write a list of {', '.join(ALGORITHMS)}"
    raise InvalidValue(message, json='["HS256", "HS512"]')


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def parse_secret(value: object) -> bytes | None:
    if value is None or value in ("", b""):
        return None
    if isinstance(value, str):
        # UnicodeEncodeError has to be avoided, because its message contains a part of the secret.
        if any(map(_is_surrogate, value)):
            raise ValueError("write a string that UTF-8 can represent")
        return value.encode()
    if isinstance(value, bytes):
        return value
    # FLASK_SECRET_KEY=0123 is a number for from_prefixed_env(), which reads JSON.
    raise ValueError(
        "write a string or bytes; a secret of digits in the environment needs double quotes"
    )


def parse_secrets(value: object) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return tuple(secret for secret in map(parse_secret, value) if secret)
    raise InvalidValue("write a list of earlier secrets", json='["earlier", "still earlier"]')


def parse_key(value: object) -> Any:
    """Return key material in one of the forms that :meth:`.Key.from_any` takes, or a path.

    Only its form is checked. Parsing a key takes long, and errors must not contain the material.
    """
    # Not split: a list of the accepted forms, one after the other.
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return None
    if isinstance(value, str) and any(map(_is_surrogate, value)):
        raise ValueError("write a string that UTF-8 can represent")
    if hasattr(value, "__fspath__"):
        return str(value)
    is_object = isinstance(value, PyJWK) or hasattr(value, "public_bytes")
    if isinstance(value, (str, bytes, Mapping)) or is_object or hasattr(value, "public_key"):
        return value
    raise ValueError("write a PEM key, the path of a PEM file, a key object or a JWK")


def parse_keys(value: object) -> Any:
    """Return key material as :func:`parse_key` does, or a tuple of it for a list."""
    if not isinstance(value, (list, tuple)):
        return parse_key(value)
    keys = tuple(map(parse_key, value))
    if None in keys:
        raise ValueError("a list of keys must not contain empty ones")
    return keys or None


def parse_path(value: object) -> str | None:
    if value is None or value == "":
        return None
    path = str(value)
    is_path = isinstance(value, str) or hasattr(value, "__fspath__")
    # A missing file is reported with its path, which must not be the content of a key file.
    if is_path and path.isprintable() and not path.lstrip().startswith("{"):
        return path
    raise ValueError(
        "write the path of a key file, not its content; `flask jwt keys generate` makes one"
    )
