"""Keep caches from giving the response to one user to another (RFC 9111)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flask import Request, Response

from .._config.options import TokenLocation
from .._config.settings import Settings
from .app_state import AppState
from .context import RequestState, current_request

_HEADER_LOCATIONS = ("headers", None)


class _Notes:
    """Hold what the response to a request depends on.

    It is an attribute of the request, as :class:`RequestState` is, but belongs to no application.
    """

    def __init__(self) -> None:
        self.headers: set[str] = set()
        self.is_private = False


def _make_notes(request: Request) -> _Notes:
    notes: _Notes = request.__dict__.setdefault("_flask_jwt_notes", _Notes())
    return notes


def note_headers(request: Request, *names: str) -> None:
    """Note that the response depends on the request headers *names*."""
    _make_notes(request).headers.update(names)


def note_locations(
    request: Request, settings: Settings, locations: Sequence[TokenLocation]
) -> None:
    """Note that a token was searched for in *locations*.

    A location that wasn't reached counts too, because it decides about another request.
    """
    if "headers" not in locations:
        if "cookies" in locations:
            note_headers(request, "Cookie")
    elif "cookies" in locations:
        note_headers(request, "Cookie", settings.header_name)
    # Shared caches don't store responses to requests with this header anyway (section 3.5).
    elif settings.header_name != "Authorization":
        note_headers(request, settings.header_name)


def note_missing_token(
    request: Request, settings: Settings, locations: Sequence[TokenLocation] | None
) -> None:
    """Note that a request without a token gets another response than one with a token.

    Otherwise a cache could store the first response, and send it to the client with a token.
    """
    if "headers" in (locations or settings.locations):
        note_headers(request, settings.header_name)


def note_user_data(request: Request) -> None:
    """Note that the response contains a user's data, though no guard has found the user."""
    _make_notes(request).is_private = True


def no_store(response: Any) -> Response:
    """Return *response* with the headers that keep caches from sending it to another client."""
    response.headers.setdefault("Cache-Control", "no-store")
    _vary(response, ("Accept", "Cookie"))
    typed_response: Response = response
    return typed_response


def protect_responses(state: AppState) -> None:
    """Make the application add the headers for caches to its responses, after all other hooks."""
    # Flask calls these functions in reverse order.
    hooks = state.app.after_request_funcs.setdefault(None, [])
    hooks.insert(0, _protect_response)


def _protect_response(response: Response) -> Response:
    attributes = current_request().__dict__
    notes: _Notes | None = attributes.get("_flask_jwt_notes")
    if notes is not None and notes.headers:
        _vary(response, notes.headers)
    current: RequestState | None = attributes.get("_flask_jwt")
    is_private = notes is not None and notes.is_private
    if is_private or (current is not None and _shows_user(current, attributes["environ"])):
        # The view may have set another value, for example to let the browser keep its response.
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _vary(response: Response, names: Iterable[str]) -> None:
    if "Vary" not in response.headers:  # the common case; parsing the header takes long
        response.headers.add("Vary", ", ".join(sorted(names)))
        return
    vary = response.vary
    for name in sorted(names):
        vary.add(name)


def _shows_user(current: RequestState, environ: dict[str, Any]) -> bool:
    """Return whether a token was accepted that isn't in the ``Authorization`` header."""
    # The common case first. A custom handler that has found a token states no location.
    if current.location in _HEADER_LOCATIONS and "HTTP_AUTHORIZATION" in environ:
        return False
    return bool(current.claims) or current.identity is not None
