"""Find a token in a request, in one of the locations of ``JWT_TOKEN_LOCATION``."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Request

from .._config.settings import Settings
from .._jose.encoding import parse_json
from ..errors import (
    AuthorizationInvalid,
    ConfigError,
    QueryMalformed,
    SchemeUnsupported,
    TokenMissing,
)
from .header_hints import ONLY_A_SCHEME, explain_scheme, explain_words


def parse_authorization(value: str | None, prefixes: tuple[str, ...]) -> str | None:
    """Return the token in the ``Authorization`` header *value* (RFC 6750 section 2.1).

    A proxy may have joined several headers with commas; those with other schemes are ignored.

    :param prefixes: the accepted schemes, in lower case; if the first is empty, the value is the
        token
    :returns: None if the header is missing or empty
    :raises SchemeUnsupported: if the scheme is not accepted
    :raises AuthorizationInvalid: if there is no token after the scheme, or more than one
    """
    parts = value.split() if value else []
    if value and "," in value:
        parts = _select_credentials(value, prefixes)
    if not parts:
        return None
    if prefixes[0] == "":
        parts = ["", *parts]
    if parts[0].lower() not in prefixes:
        raise SchemeUnsupported(hint=explain_scheme(value or "", prefixes))
    if len(parts) == 1:
        raise AuthorizationInvalid("Token missing", hint=ONLY_A_SCHEME)
    if len(parts) > 2:
        raise AuthorizationInvalid("Token contains spaces", hint=explain_words(parts[1:], prefixes))
    return parts[1]


def _select_credentials(value: str, prefixes: tuple[str, ...]) -> list[str]:
    """Return the words of the credentials with an accepted scheme in a list of credentials."""
    elements: list[list[str]] = [
        element.split() for element in re.findall(_LIST_ELEMENT, value) if element.strip()
    ]
    accepted = [
        number
        for number, element in enumerate(elements)
        if prefixes[0] == "" or element[0].lower() in prefixes
    ]
    if not accepted:
        raise SchemeUnsupported(hint=explain_scheme(value, prefixes))
    # Two tokens: to choose one could let a client choose another than the proxy has checked.
    if len(accepted) > 1:
        raise AuthorizationInvalid("Token contains spaces")
    following = elements[accepted[0] + 1 :]
    # The next credentials begin with the name of a scheme. Anything else belongs to ours, as a
    # parameter (RFC 9110 section 11.4) or as a part of the token, and Bearer credentials have none.
    if following and not _is_scheme(following[0]):
        words = value.split()[1:]
        hint = explain_words(words, prefixes) if words else None
        raise AuthorizationInvalid("Token contains a comma", hint=hint)
    return elements[accepted[0]]


def _is_scheme(element: list[str]) -> bool:
    is_parameter = len(element) > 1 and element[1].startswith("=")
    return not is_parameter and re.fullmatch(_SCHEME, element[0]) is not None


# Strings, which re compiles and keeps at the first use: few applications see such a header, and
# compiling takes longer than importing the rest of this module.
_SCHEME = "[A-Za-z][A-Za-z0-9-]*"
#: An element of a list in a header; a comma in a quoted string (RFC 9110 section 5.6.4) separates
#: none. A quoted string that isn't closed ends with the header.
_LIST_ELEMENT = r'(?s:[^,"]|"(?:[^"\\]|\\.?)*(?:"|$))+'


def _extract_from_headers(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    return parse_authorization(request.headers.get(settings.header_name), settings.prefixes)


def _extract_from_cookies(request: Request, settings: Settings, refresh: bool) -> str | None:
    name = settings.refresh_cookie_name if refresh else settings.access_cookie_name
    if token := request.cookies.get(name):
        return token
    raise TokenMissing(f'Missing cookie "{name}"', location="cookies")


def _extract_from_query_string(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    name, prefix = settings.query_string_name, settings.query_string_prefix
    try:
        value = request.args.get(name)
    except UnicodeDecodeError:  # Werkzeug raises it for a query string that isn't UTF-8
        value = None
    if not value:
        raise TokenMissing(f"Missing '{name}' query paramater", location="query_string")
    if not value.startswith(prefix):
        raise QueryMalformed(
            f"Invalid value for query parameter '{name}'. "
            f"Expected the value to start with '{prefix}'"
        )
    return value[len(prefix) :]


def _extract_from_json(request: Request, settings: Settings, refresh: bool) -> str | None:
    if not request.is_json:
        raise TokenMissing("Invalid content-type. Must be application/json.", location="json")
    name = settings.refresh_json_key if refresh else settings.json_key
    try:
        body = parse_json(request.get_data())
    except ValueError:
        body = None
    token = body.get(name) if isinstance(body, dict) else None
    if not token:
        raise TokenMissing(f'Missing "{name}" key in json data.', location="json")
    if not isinstance(token, str):
        raise AuthorizationInvalid(f'"{name}" in the JSON data must be a string')
    return token


_EXTRACTORS: dict[str, Callable[[Request, Settings, bool], str | None]] = {
    "headers": _extract_from_headers,
    "cookies": _extract_from_cookies,
    "query_string": _extract_from_query_string,
    "json": _extract_from_json,
}


def extract_token(location: str, request: Request, settings: Settings, *, refresh: bool) -> str:
    """Return the token that *request* has in *location*, not yet verified.

    :raises TokenMissing: if there is none
    :raises AuthorizationInvalid: if what is there can't be a token
    :raises ConfigError: if *location* isn't the name of a location
    """
    extract = _EXTRACTORS.get(location)
    if extract is None:
        raise ConfigError(f"{location!r} is not a valid location; write one of {[*_EXTRACTORS]}")
    token = extract(request, settings, refresh)
    if token is None:
        raise TokenMissing
    return token
