"""``JWTManager``: a front door of the machine with Flask-JWT-Extended's names and defaults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import jwt as pyjwt
from flask import Flask, jsonify

from .. import JWT, JWTError, Spelling, _jwt, checked_config, get_jwt_header
from . import exceptions as refusals
from .config import config
from .internal_utils import has_user_lookup, user_lookup
from .utils import get_current_user

Loader = TypeVar("Loader", bound=Callable[..., Any])


def _loader(name: str, signature: str) -> Callable[[Any, Loader], Loader]:
    def load(self: Any, callback: Loader) -> Loader:
        setattr(self, f"_{name}_callback", callback)
        return callback

    load.__doc__ = f"Set ``{signature}``; plain or ``async``."
    return load


def _itself(identity: Any) -> Any:
    return identity


class JWTManager(JWT):
    """Flask-JWT-Extended's manager: its loaders, beside what :class:`flask_jwt.JWT` has.

    :param app: the application, or None to call :meth:`init_app` later
    :param add_context_processor: put ``current_user`` into templates
    :param options: ``store`` and ``clock``, as :class:`flask_jwt.JWT` takes them
    """

    spelling = Spelling(
        defaults={
            "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=15),
            "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=30),
            "JWT_AUTH_URL_RULE": None,
            "JWT_COOKIE_SAMESITE": None,
            "JWT_COOKIE_SECURE": False,
            "JWT_CSRF_CHECK_FORM": False,
            "JWT_DECODE_LEEWAY": 0,
            "JWT_HEADER_TYPE": "Bearer",
            "JWT_IDENTITY_CLAIM": "sub",
            "JWT_REQUIRED_CLAIMS": [],
            "JWT_VERIFY_SUB": True,
        },
        algorithm_names_key=True,
        allows_weak_keys=True,
        checks_issued_parties=False,
        exempt_methods=frozenset({"OPTIONS"}),
        absent_claims={"type": "access", "fresh": False, "jti": None},
        more_claims=frozenset({"csrf", "fresh"}),
    )

    def __init__(
        self, app: Flask | None = None, add_context_processor: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.user_identity_callback = _itself
        self.identity_callback = self._load_user
        self.jwt_error_callback = self._answer
        if app is not None:
            self.init_app(app, add_context_processor)

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:
        """Bind this manager to *app*; it may serve several.

        :raises ConfigError: if the configuration can't be used, or *app* has a manager already
        """
        super().init_app(app)
        app.extensions["flask-jwt-extended"] = self
        if add_context_processor:
            app.context_processor(lambda: {"current_user": get_current_user()})

    user_lookup_loader = _loader("user_lookup", "(header, payload) -> the user, or None")
    expired_token_loader = _loader("expired_token", "(header, payload) -> response")
    invalid_token_loader = _loader("invalid_token", "(message) -> response")
    unauthorized_loader = _loader("unauthorized", "(message) -> response")
    needs_fresh_token_loader = _loader("needs_fresh_token", "(header, payload) -> response")
    revoked_token_loader = _loader("revoked_token", "(header, payload) -> response")
    user_lookup_error_loader = _loader("user_lookup_error", "(header, payload) -> response")
    token_verification_failed_loader = _loader(
        "token_verification_failed", "(header, payload) -> response"
    )

    @property
    def _encode_key_callback(self) -> Callable[..., Any]:
        return self.encode_key_callback or (lambda identity: config.encode_key)  # noqa: ARG005

    @property
    def _decode_key_callback(self) -> Callable[..., Any]:
        return self.decode_key_callback or (lambda header, data: config.decode_key)  # noqa: ARG005

    def _set_error_handler_callbacks(self, app: Any) -> None:
        """Nothing: programs call it to make REST extensions answer as Flask does; they do."""

    def __getattr__(self, name: str) -> None:
        if not name.endswith("_callback"):
            raise AttributeError(f"JWTManager has no {name}")

    @property
    def issues_for_users(self) -> bool:  # type: ignore[override]
        return self.user_identity_callback is not _itself

    def _load_user(self, payload: Any) -> Any:
        if not has_user_lookup():
            return payload.get(checked_config("JWT_IDENTITY_CLAIM"))
        try:
            header = get_jwt_header()
        except RuntimeError:  # nobody verified a request: a session is being refreshed
            header = {}
        return user_lookup(header, payload)

    def _answer(self, error: JWTError) -> Any:
        named = refusals.translated(error)
        callback, status, answer = "", named.status_code, None
        if isinstance(named, refusals.JWTExtendedException):
            callback, answer = named.callback, named.answer
        elif isinstance(named, pyjwt.ExpiredSignatureError):
            callback, answer = "_expired_token_callback", "Token has expired"
        elif isinstance(named, pyjwt.InvalidTokenError):
            callback, status = "_invalid_token_callback", 422
        header, data = getattr(named, "jwt_header", None) or {}, getattr(named, "jwt_data", {})
        if callback and getattr(self, callback) is not None:
            facts = (header, data) if answer else (str(named.description),)
            return _jwt.call(callback, *facts)
        identity = (data or {}).get(checked_config("JWT_IDENTITY_CLAIM"))
        text = answer.format(identity) if answer else named.description
        body = {checked_config("JWT_ERROR_MESSAGE_KEY"): text}
        return jsonify(body), status, dict(named.headers or {})
