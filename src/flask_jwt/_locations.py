"""Where a request carries its token."""

from __future__ import annotations

from ._context import app_state, current_request
from .errors import AuthorizationInvalid, SchemeUnsupported


def token_in_header(value: str | None, prefixes: tuple[str, ...]) -> str | None:
    """The token in the ``Authorization`` header *value* (RFC 6750 section 2.1).

    :param prefixes: accepted schemes, lower case
    :raises AuthorizationInvalid: for another scheme, no token, or more than one
    """
    parts = value.split() if value else ()
    if not parts:
        return None
    if parts[0].lower() not in prefixes:
        raise SchemeUnsupported
    if len(parts) == 1:
        raise AuthorizationInvalid("Token missing")
    if len(parts) > 2:
        raise AuthorizationInvalid("Token contains spaces")
    return parts[1]


def _default_request_handler() -> str | None:
    """The current request's token, or None without one."""
    value = current_request().environ.get("HTTP_AUTHORIZATION")
    return token_in_header(value, app_state().settings.prefixes)
