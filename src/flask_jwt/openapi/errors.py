"""Describe the responses with which guards and endpoints reject requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from jwt import InvalidTokenError

from .._config.settings import Settings
from .._web.app_state import AppState
from .._web.guarded_views import GuardOptions
from ..errors import JWTError
from .document import Document, JSONObject
from .issuers import may_fetch_keys

_DESCRIPTIONS = {
    303: "A browser that opens a page is sent to the login page",
    400: "The request, or the claims of the token, were rejected",
    401: "The token is missing, invalid, expired or revoked",
    403: "The user lacks a scope or a role, or a cookie came without its CSRF value",
    404: "There is no such session",
    422: "The token is invalid",
    429: "Too many logins have failed",
    503: "The session store or the keys can't be reached; try again later",
}
_HEADERS = {
    303: {"Location": "The login page"},
    401: {"WWW-Authenticate": "The challenge (RFC 6750 section 3)"},
    403: {"WWW-Authenticate": "The challenge, if a scope or a role is missing"},
    429: {"Retry-After": "Seconds"},
    503: {"Retry-After": "Seconds"},
}
_LOADERS = (
    "expired_token",
    "invalid_token",
    "needs_fresh_token",
    "revoked_token",
    "token_verification_failed",
    "unauthorized",
    "user_lookup_error",
)


class ErrorResponses:
    """Add the responses to errors to a document."""

    def __init__(self, document: Document, state: AppState, settings: Settings) -> None:
        self._document = document
        self._state = state
        self._settings = settings
        self._references: dict[int, JSONObject] = {}
        self._has_schema = _has_own_bodies(state)

    def of_guards(
        self, guards: Sequence[GuardOptions], needs_csrf_proof: bool
    ) -> dict[str, JSONObject]:
        """Return the responses of guards, by status."""
        # Not split: one list of statuses, each with its condition.
        state = self._state
        is_extended = state.profile.has_message_errors
        statuses = [401]
        if self._settings.login_view is not None:
            statuses.append(303)
        if is_extended:
            statuses.append(422)
            if state.handlers.verification_callback is not None:
                statuses.append(400)
        has_grants = any(guard.scopes or guard.roles for guard in guards)
        if has_grants or (needs_csrf_proof and not is_extended):
            statuses.append(403)
        needs_network = state.sessions is not None or state.handlers.decode_key_callback is not None
        # The token of any issuer is verified before its issuer is compared with the guard's.
        if not all(guard.refresh for guard in guards):
            needs_network = needs_network or may_fetch_keys(self._settings)
        if needs_network:
            statuses.append(503)
        return self.of_statuses(*statuses)

    def of_statuses(self, *statuses: int) -> dict[str, JSONObject]:
        """Return the responses with these statuses."""
        return {str(status): self._get(status) for status in sorted(statuses)}

    def _get(self, status: int) -> JSONObject:
        if status not in self._references:
            schema = self._reference_schema() if self._has_schema and status >= 400 else None
            response = self._document.response(_DESCRIPTIONS[status], schema, _HEADERS.get(status))
            name = HTTPStatus(status).phrase.replace(" ", "")
            self._references[status] = self._document.reference("responses", name, response)
        return self._references[status]

    def _reference_schema(self) -> JSONObject:
        text = {"type": "string"}
        schema: JSONObject
        if self._state.profile.has_message_errors:
            key = self._settings.error_message_key
            schema = {"type": "object", "required": [key], "properties": {key: text}}
        else:
            schema = {
                "type": "object",
                "required": ["status_code", "error", "description"],
                "properties": {
                    "status_code": {"type": "integer"},
                    "error": {**text, "description": "A title"},
                    "description": {**text, "description": "The reason"},
                    "code": {**text, "description": "The reason, for programs; it never changes"},
                    "hint": {**text, "description": "Advice for developers"},
                },
            }
        return self._document.reference("schemas", "JWTError", schema)


def _has_own_bodies(state: AppState) -> bool:
    """Return whether the bodies of errors are this package's, not the application's."""
    return all(
        _root_module(handler) == __name__.partition(".")[0] for handler in _list_handlers(state)
    )


def _list_handlers(state: AppState) -> Iterator[Any]:
    yield state.handlers.jwt_error_callback
    if state.profile.has_message_errors:  # only that extension class has these attributes
        for name in _LOADERS:
            loader = getattr(state.handlers, f"_{name}_callback", None)
            if loader is not None:
                yield loader
    for error_class, handler in state.app.error_handler_spec[None][None].items():
        if issubclass(error_class, (JWTError, InvalidTokenError)):
            yield handler


def _root_module(handler: Any) -> str:
    if isinstance(handler, partial):
        handler = handler.func
    return str(getattr(handler, "__module__", "")).partition(".")[0]
