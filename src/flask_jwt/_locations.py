"""Where a request carries its token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Request

from . import _csrf as csrf
from ._context import app_state, current_request
from ._encoding import parse_json
from ._settings import Settings
from .errors import (
    AuthorizationInvalid,
    ConfigError,
    CsrfFailed,
    QueryMalformed,
    SchemeUnsupported,
    TokenMissing,
)


def token_in_header(value: str | None, prefixes: tuple[str, ...]) -> str | None:
    """The token in the ``Authorization`` header *value* (RFC 6750 section 2.1).

    A proxy may have joined several headers with commas; the others are left alone.

    :param prefixes: accepted schemes, lower case; an empty one: the value is the token
    :raises AuthorizationInvalid: for another scheme, no token, or more than one
    """
    parts = value.split() if value else []
    if value and "," in value:
        parts = _own_field(value, prefixes)
    if not parts:
        return None
    if prefixes[0] == "":
        parts = ["", *parts]
    if parts[0].lower() not in prefixes:
        raise SchemeUnsupported
    if len(parts) == 1:
        raise AuthorizationInvalid("Token missing")
    if len(parts) > 2:
        raise AuthorizationInvalid("Token contains spaces")
    return parts[1]


def _own_field(value: str, prefixes: tuple[str, ...]) -> list[str]:
    fields = [field.split() for field in value.split(",") if field.strip()]
    own = [field for field in fields if prefixes[0] == "" or field[0].lower() in prefixes]
    if not own:
        raise SchemeUnsupported
    if len(own) > 1:
        raise AuthorizationInvalid("Token contains spaces")
    return own[0]


def _in_headers(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    return token_in_header(request.headers.get(settings.header_name), settings.prefixes)


def _in_cookies(request: Request, settings: Settings, refresh: bool) -> str | None:
    name = settings.refresh_cookie_name if refresh else settings.access_cookie_name
    if token := request.cookies.get(name):
        return token
    raise TokenMissing(f'Missing cookie "{name}"', location="cookies")


def _in_query_string(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    name, prefix = settings.query_string_name, settings.query_string_prefix
    try:
        value = request.args.get(name)
    except UnicodeDecodeError:  # Werkzeug's, for a query string that isn't UTF-8
        value = None
    if not value:
        raise TokenMissing(f"Missing '{name}' query paramater", location="query_string")
    if not value.startswith(prefix):
        raise QueryMalformed(
            f"Invalid value for query parameter '{name}'. "
            f"Expected the value to start with '{prefix}'"
        )
    return value[len(prefix) :]


def _in_json(request: Request, settings: Settings, refresh: bool) -> str | None:
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
        raise AuthorizationInvalid(f'"{name}" in the JSON data must be a text')
    return token


_FINDERS: dict[str, Callable[[Request, Settings, bool], str | None]] = {
    "headers": _in_headers,
    "cookies": _in_cookies,
    "query_string": _in_query_string,
    "json": _in_json,
}


def token_in(location: str, request: Request, settings: Settings, *, refresh: bool) -> str:
    """The token that *request* carries in *location*.

    :raises TokenMissing: if it carries none there
    :raises AuthorizationInvalid: if there is something, but no token
    :raises ConfigError: for a location that there isn't
    """
    finder = _FINDERS.get(location)
    if finder is None:
        raise ConfigError(f"{location!r} is not a valid location; write one of {[*_FINDERS]}")
    token = finder(request, settings, refresh)
    if token is None:
        raise TokenMissing
    return token


def _default_request_handler() -> Any:
    """The current request's token, or None without one, from the first location that has one.

    :raises CsrfFailed: if there is only a cookie, without proof that a page of ours sent it
    """
    state, request = app_state(), current_request()
    failure: CsrfFailed | None = None
    for location in state.settings.locations:
        try:
            token = token_in(location, request, state.settings, refresh=False)
            if location == "cookies":
                # Here, because it is handlers of the application's own that verify this token.
                proof = csrf.submitted(request, state.settings, refresh=False)
                if proof is not None:
                    csrf.check(proof, token, state.codec().read(token)[1])
        except TokenMissing:
            continue
        except CsrfFailed as error:
            failure = error
        else:
            return token
    if failure is not None:
        raise failure
    return None
