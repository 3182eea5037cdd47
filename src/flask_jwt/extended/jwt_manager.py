"""``JWTManager``: a front door of the machine with Flask-JWT-Extended's names and defaults."""

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, TypeVar

import jwt as pyjwt
from flask import Flask, jsonify

from .. import JWT, JWTError, Spelling, _jwt
from .config import config
from .exceptions import JWTExtendedException, translated
from .internal_utils import user_lookup
from .utils import get_current_user, get_jwt_header

Loader = TypeVar("Loader", bound=Callable[..., Any])

_DEFAULTS: dict[str, tuple[int, str]] = {}


def _loader(name: str, status: int, text: str = "") -> Callable[[Any, Loader], Loader]:
    def load(self: Any, callback: Loader) -> Loader:
        setattr(self, f"_{name}_callback", callback)
        return callback

    facts = "header, payload" if text else "message"
    load.__doc__ = f"Set ``({facts})`` -> response, plain or ``async``; default {status} {text}"
    _DEFAULTS[name] = status, text
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
            "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=15), "JWT_AUTH_URL_RULE": None,
            "JWT_COOKIE_SAMESITE": None, "JWT_COOKIE_SECURE": False, "JWT_CSRF_CHECK_FORM": False,
            "JWT_DECODE_LEEWAY": 0, "JWT_HEADER_TYPE": "Bearer", "JWT_IDENTITY_CLAIM": "sub",
            "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=30), "JWT_REQUIRED_CLAIMS": [],
            "JWT_VERIFY_SUB": True,
        },
        algorithm_names_key=True, allows_weak_keys=True, checks_issued_parties=False,
        exempt_methods=config.exempt_methods,
        absent_claims={"type": "access", "fresh": False, "jti": None},
        more_claims=frozenset({"csrf", "fresh"}),
    )  # fmt: skip

    def __init__(
        self, app: Flask | None = None, add_context_processor: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.user_identity_callback = _itself
        self.user_lookup_callback: Callable[..., Any] | None = None
        self.jwt_error_callback = self._answer
        if app is not None:
            self.init_app(app, add_context_processor)

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:
        """:meth:`flask_jwt.JWT.init_app`, with this class's *add_context_processor*."""
        super().init_app(app)
        app.extensions["flask-jwt-extended"] = self
        # A program's handler for the base class never got these, and its answers must not change.
        for kind in JWTExtendedException.__subclasses__():
            app.register_error_handler(kind, attrgetter("response"))
        if add_context_processor:
            app.context_processor(lambda: {"current_user": get_current_user()})

    def user_lookup_loader(self, callback: Loader) -> Loader:
        """Set ``(header, payload)`` -> the user, or None if there is none; plain or ``async``."""
        self.user_lookup_callback, self.identity_callback = callback, self._load_user
        return callback

    expired_token_loader = _loader("expired_token", 401, "Token has expired")
    invalid_token_loader = _loader("invalid_token", 422)
    unauthorized_loader = _loader("unauthorized", 401)
    needs_fresh_token_loader = _loader("needs_fresh_token", 401, "Fresh token required")
    revoked_token_loader = _loader("revoked_token", 401, "Token has been revoked")
    user_lookup_error_loader = _loader("user_lookup_error", 401, "Error loading the user {}")
    token_verification_failed_loader = _loader(
        "token_verification_failed", 400, "User claims verification failed"
    )

    @property
    def _encode_key_callback(self) -> Callable[..., Any]:
        return self.encode_key_callback or (lambda identity: config.encode_key)  # noqa: ARG005

    @property
    def _decode_key_callback(self) -> Callable[..., Any]:
        return self.decode_key_callback or (lambda header, data: config.decode_key)  # noqa: ARG005

    def _set_error_handler_callbacks(self, app: Any) -> None:
        """Nothing: programs call it to make REST extensions answer as Flask does; they do."""

    @property
    def issues_for_users(self) -> bool:  # type: ignore[override]
        return self.user_identity_callback is not _itself

    def _load_user(self, payload: Any) -> Any:
        try:
            header = get_jwt_header()
        except RuntimeError:  # nobody verified a request: a session is being refreshed
            header = {}
        return user_lookup(header, payload)

    def named(self, error: JWTError) -> JWTError:
        return translated(error)

    def _answer(self, named: JWTError) -> Any:
        message, status, loader = named.description, named.status_code, getattr(named, "loader", "")
        if isinstance(named, pyjwt.InvalidTokenError):
            is_expired = isinstance(named, pyjwt.ExpiredSignatureError)
            loader = "expired_token" if is_expired else "invalid_token"
        if loader:
            status, text = _DEFAULTS[loader]
            claims = getattr(named, "jwt_data", None) or {}
            facts = (getattr(named, "jwt_header", None) or {}, claims) if text else (str(message),)
            if hasattr(self, f"_{loader}_callback"):
                return _jwt.call(f"_{loader}_callback", *facts)
            message = text.format(claims.get(config.identity_claim_key)) or message
        return jsonify({config.error_msg_key: message}), status, dict(named.headers or {})
