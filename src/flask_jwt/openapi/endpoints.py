"""Describe the endpoints that this package registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.routing import Rule

from .._config.settings import Settings
from .._web.app_state import AppState
from .._web.guarded_views import GuardOptions
from .._web.views import (
    MOST_LISTED,
    _default_auth_request_handler,
    _default_auth_response_handler,
    auth_view,
    jwks_view,
    logout_view,
    refresh_view,
    session_view,
    sessions_view,
)
from .document import Document, JSONObject, as_object
from .errors import ErrorResponses
from .security import SecuritySchemes

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_TIMESTAMP = {"type": "integer", "description": "Seconds since the epoch"}
# Tokens of other issuers belong to no session of the application.
_EITHER_TYPE = (GuardOptions(issuers=()), GuardOptions(refresh=True))
_FORMS = ("application/x-www-form-urlencoded",)


class Endpoints:
    """Describe the login, sessions and public keys as operations of a document."""

    def __init__(
        self,
        document: Document,
        state: AppState,
        settings: Settings,
        schemes: SecuritySchemes,
        errors: ErrorResponses,
    ) -> None:
        self._document = document
        self._state = state
        self._settings = settings
        self._schemes = schemes
        self._errors = errors
        self._has_cookies = "cookies" in settings.locations
        self._describers: Mapping[object, Callable[[str], JSONObject | None]] = {
            auth_view: self._describe_login,
            refresh_view: self._describe_refresh,
            logout_view: self._describe_logout,
            sessions_view: self._describe_sessions,
            session_view: self._describe_session,
            jwks_view: self._describe_keys,
        }

    def describe(self, rule: Rule, method: str) -> JSONObject | None:
        """Return the operation of an endpoint; None if the application has no login there."""
        view = self._state.app.view_functions[rule.endpoint]
        operation = self._describers[view](method)
        if operation is None:
            return None
        parameters = [
            self._parameter(name, "path", self._document.typed("string"))
            for name in sorted(rule.arguments - set(rule.defaults or ()))
        ]
        parameters += operation.get("parameters", ())
        return {**operation, **({"parameters": parameters} if parameters else {})}

    def _describe_login(self, _method: str) -> JSONObject | None:
        state, settings = self._state, self._settings
        handlers = state.handlers
        is_custom = handlers.auth_request_callback is not _default_auth_request_handler
        if is_custom:
            # Only the handler knows what it reads and how it responds.
            success = {"200": self._document.response("The tokens")}
            return self._operation("Log in", success, 401)
        if handlers.authentication_callback is None:
            return None
        statuses = [400, 401]
        if settings.login_limits is not None:
            statuses.append(429)
        if state.sessions is not None:
            statuses.append(503)
        if self._has_cookies and settings.csrf_protect:
            statuses.append(403)
        names = (settings.username_key, settings.password_key)
        properties = {names[0]: _TEXT, names[1]: {**_TEXT, "format": "password"}}
        if state.sessions is not None:
            properties["label"] = {**_TEXT, "description": "The name of the device"}
        operation = self._operation("Log in", self._tokens(), *statuses)
        body = {"type": "object", "required": list(names), "properties": properties}
        return {**operation, **self._body(body, is_required=True, is_form=self._has_cookies)}

    def _describe_refresh(self, method: str) -> JSONObject:
        body = {"type": "object", "properties": {"refresh_token": _TEXT}}
        operation = self._operation(
            "Exchange a refresh token for new tokens",
            self._tokens(),
            400,
            *self._rejections(method),
        )
        security = self._schemes.require([GuardOptions(refresh=True)], method)
        return {**operation, "security": [{}, *security], **self._body(body)}

    def _describe_logout(self, method: str) -> JSONObject:
        scope = {**_TEXT, "enum": ["local", "others", "global"], "default": "local"}
        revoked = {"type": "object", "required": ["revoked"], "properties": {"revoked": _NUMBER}}
        operation = self._operation(
            "Log out of this session, the user's other sessions, or all of them",
            {"200": self._document.response("The number of sessions that ended", revoked)},
            *([303] if self._has_cookies else []), 400, 404, *self._rejections(method),
        )  # fmt: skip
        body = {"type": "object", "properties": {"scope": scope}}
        return {**operation, "security": self._either_type(method), **self._body(body)}

    def _describe_sessions(self, method: str) -> JSONObject:
        limit = self._document.typed("integer", minimum=1, maximum=MOST_LISTED)
        parameters = [
            self._parameter("after", "query", self._document.typed("string")),
            self._parameter("limit", "query", limit),
        ]
        text = self._document.nullable_string()
        properties = {
            "sid": _TEXT, "label": text, "user_agent": text, "ip": text,
            "created_at": _TIMESTAMP, "last_used_at": _TIMESTAMP, "expires_at": _TIMESTAMP,
            "current": {"type": "boolean"},
        }  # fmt: skip
        items = {"type": "object", "properties": properties}
        page = {"type": "object", "properties": {"sessions": {"type": "array", "items": items}}}
        operation = self._operation(
            "List the user's sessions",
            {"200": self._document.response("A page of sessions", page)},
            400, 404, *self._rejections(method),
        )  # fmt: skip
        return {**operation, "security": self._either_type(method), "parameters": parameters}

    def _describe_session(self, method: str) -> JSONObject:
        success = {"204": self._document.response("Done")}
        statuses = [404, *self._rejections(method)]
        security = {"security": self._either_type(method)}
        if method == "DELETE":
            return {**self._operation("End a session", success, *statuses), **security}
        operation = self._operation("Rename a session", success, 400, *statuses)
        label = self._document.nullable_string()
        body = {"type": "object", "required": ["label"], "properties": {"label": label}}
        return {**operation, **security, **self._body(body, is_required=True)}

    def _describe_keys(self, _method: str) -> JSONObject:
        keys = {"type": "array", "items": {"type": "object"}}
        schema = {"type": "object", "required": ["keys"], "properties": {"keys": keys}}
        success = {"200": self._document.response("A JWK Set (RFC 7517)", schema)}
        return self._operation("Return the public keys", success)

    def _parameter(self, name: str, place: str, typed: JSONObject) -> JSONObject:
        return {"name": name, "in": place, "required": place == "path", **typed}

    def _operation(self, summary: str, success: JSONObject, *statuses: int) -> JSONObject:
        return {
            "summary": summary,
            "responses": {**success, **self._errors.of_statuses(*statuses)},
        }

    def _rejections(self, method: str) -> list[int]:
        """Return the statuses with which a token is rejected."""
        settings, is_extended = self._settings, self._state.profile.has_message_errors
        statuses = [401, 422, 503] if is_extended else [401, 503]
        if self._has_cookies and settings.csrf_protect and method in settings.csrf_methods:
            statuses.append(403)
        return statuses

    def _either_type(self, method: str) -> list[dict[str, list[str]]]:
        return [
            requirement
            for options in _EITHER_TYPE
            for requirement in self._schemes.require([options], method)
        ]

    def _tokens(self) -> JSONObject:
        """Return the responses to a login or a refresh, by status."""
        state = self._state
        if state.handlers.auth_response_callback is not _default_auth_response_handler:
            return {"200": self._document.response("The tokens")}
        required, properties = ["access_token"], {"access_token": _TEXT}
        if state.sessions is not None:
            required += ["refresh_token", "token_type"]
            properties["refresh_token"] = properties["token_type"] = _TEXT
            properties["expires_in"] = {**_NUMBER, "description": "Seconds"}
        schema = {"type": "object", "required": required, "properties": properties}
        responses = {"200": self._document.response("The tokens", schema)}
        if self._has_cookies:
            responses["204"] = self._document.response("The tokens are in cookies")
            responses["303"] = self._document.response(
                "The tokens are in cookies; a browser is sent to the page `next`",
                headers={"Location": "The page"},
            )
        return responses

    def _body(
        self, schema: JSONObject, *, is_required: bool = False, is_form: bool = False
    ) -> JSONObject:
        if self._document.is_swagger:
            parameter = {"name": "body", "in": "body", "required": is_required, "schema": schema}
            return {"parameters": [parameter], "consumes": ["application/json"]}
        types = ("application/json", *(_FORMS if is_form else ()))
        content = {name: {"schema": schema} for name in types}
        return {"requestBody": {"required": is_required, "content": content}}


def complete(written: Mapping[str, Any], own: JSONObject, item: Mapping[str, Any]) -> JSONObject:
    """Complete the operation of an endpoint with the members that the document lacks.

    :param written: the operation that the author has written, or a library has generated
    :param own: the operation that :class:`Endpoints` describes
    :param item: the path item of the operation
    """
    responses = as_object(written.get("responses"))
    is_generated = "requestBody" not in written and not any(
        str(status).startswith("2") and _has_schema(response)
        for status, response in responses.items()
    )
    if is_generated:
        # Libraries write a 200 without a schema, and the docstring, for every view that they find.
        operation = {**written, "description": "", **own}
    else:
        operation = {**own, **written, "responses": {**own["responses"], **responses}}
    operation["parameters"] = _merge_parameters(written, own, item)
    if not operation["parameters"]:
        del operation["parameters"]
    if not operation.get("description"):
        operation.pop("description", None)
    return operation


def _merge_parameters(
    written: Mapping[str, Any], own: JSONObject, item: Mapping[str, Any]
) -> list[Any]:
    given = list(written.get("parameters") or ())
    known = {
        (as_object(one).get("name"), as_object(one).get("in"))
        for one in [*given, *(item.get("parameters") or ())]
    }
    added = own.get("parameters", ())
    return given + [one for one in added if (one["name"], one["in"]) not in known]


def _has_schema(response: object) -> bool:
    content = as_object(response)
    if "$ref" in content or content.get("schema"):
        return True
    media_types = as_object(content.get("content")).values()
    return any(as_object(media_type).get("schema") for media_type in media_types)
