"""The front door: holds the handlers, wires an application to the machine."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, has_request_context

from .._clock import Clock
from .._config.key_sources import NO_KEY
from .._config.profile import Profile
from .._config.settings import unknown_keys
from ..errors import ConfigError, JWTError
from .app_state import STATE_KEY, AppState
from .context import app_state, in_templates, sessions_of
from .cookies import jwt_csrf_field
from .guard import _default_jwt_decode_handler, exempt, guard_by_default
from .handlers import Handler, Handlers
from .issue import (
    _default_jwt_encode_handler,
    _default_jwt_headers_handler,
    _default_jwt_payload_handler,
)
from .login import (
    asks_for_cookies,
    authenticate,
    log_in,
    prepare_limits,
    reject_forged_login,
)
from .request_token import _default_request_handler
from .responses import _default_jwt_error_handler, handle_jwt_error, rendering_errors
from .views import (
    _default_auth_request_handler,
    _default_auth_response_handler,
    auth_view,
    jwks_view,
    logout_view,
    refresh_view,
    session_view,
    sessions_view,
)

if TYPE_CHECKING:
    from .._sessions.manager import SessionManager
    from ..stores import SessionStore


class JWT(Handlers):
    """Token authentication for a Flask application.

    ``JWT(app, authenticate, identity)`` registers ``POST /auth``, which takes a JSON object with
    ``username`` and ``password`` and answers with an access token; :func:`jwt_required` guards
    views with it. Handlers may be plain functions or ``async``, and may be set, by argument or
    decorator, before or after :meth:`init_app`.

    :param app: the application, or None to call :meth:`init_app` later
    :param authentication_handler: ``(username, password)`` to the user, or None
    :param identity_handler: ``(payload)`` to the user, or None if there is none any more. Without
        this handler ``current_identity`` is the id in the token
    :param store: where sessions are kept, instead of what ``JWT_STORAGE_URI`` names
    :param clock: seconds since the epoch; for tests
    :raises ConfigError: if the configuration can't be used
    """

    profile = Profile()
    """What a subclass that is another front door changes: defaults and strictness."""

    def __init__(
        self,
        app: Flask | None = None,
        authentication_handler: Callable[[str, str], Any] | None = None,
        identity_handler: Callable[[Any], Any] | None = None,
        *,
        store: SessionStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.authentication_callback = authentication_handler
        self.identity_callback = identity_handler
        self.auth_response_callback = _default_auth_response_handler
        self.auth_request_callback = _default_auth_request_handler
        self.jwt_encode_callback = _default_jwt_encode_handler
        self.jwt_decode_callback = _default_jwt_decode_handler
        self.jwt_headers_callback = _default_jwt_headers_handler
        self.jwt_payload_callback = _default_jwt_payload_handler
        self.jwt_error_callback = _default_jwt_error_handler
        self.request_callback = _default_request_handler
        self._store = store
        self._clock = clock
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Bind this object to *app*; several applications may share it.

        :raises ConfigError: if the configuration can't be used, or *app* has a JWT already
        """
        if STATE_KEY in app.extensions:
            raise ConfigError("This application has a JWT already; call init_app once for each.")
        state = AppState(
            app,
            self,
            Clock(self._clock),
            self.profile,
            translate_error=self.translate_error,
            issues_for_users=lambda: self.issues_for_users,
        )
        _warn_of_mistakes(app)
        prepare_limits(state)
        if self._store is not None or state.settings.storage_uri is not None:
            # Imported here, because an application without sessions need not load them.
            from .session_wiring import bind_sessions

            bind_sessions(state, self._store)
        if state.settings.has_key:
            state.codecs.access()  # a key that can't be used is found now, not at a request
        else:
            warnings.warn(NO_KEY, UserWarning, stacklevel=3)
        app.extensions[STATE_KEY] = state
        # Programs read handlers here, set them through it, and put their own object here.
        app.extensions["jwt"] = self
        app.register_error_handler(JWTError, partial(handle_jwt_error, state))
        app.jinja_env.globals.setdefault("jwt_csrf_field", jwt_csrf_field)
        app.context_processor(in_templates)
        _add_rules(state)
        if state.settings.required_by_default:
            app.before_request(guard_by_default)

    @property
    def sessions(self) -> SessionManager:
        """The current application's sessions: start, refresh, revoke, revoke_all, list, prune.

        :raises ConfigError: if it has no store to keep them in
        """
        return sessions_of(app_state())

    @property
    def issues_for_users(self) -> bool:
        """Whether tokens are issued for what the identity handler returns; else, when a session is
        refreshed, for the identity in the old one."""
        return True

    def close(self, app: Flask | None = None) -> None:
        """Close the connections to the session store, for example at the end of a test.

        The store connects again if it is used again. Without a store this does nothing.

        :param app: the application; default: the current one
        :raises ConfigError: if it has no JWT
        """
        state = app_state(app)
        if state.sessions is not None:
            state.sessions.close()

    def translate_error(self, error: JWTError) -> JWTError:
        """*error* as this front door calls it; a subclass that is another one has its own names."""
        return error

    def authenticate(self, username: Any, password: Any) -> Any:
        """The user with this name and password, as the login endpoint finds them, for a login view
        of your own: failures count against ``JWT_LOGIN_LIMITS``, and the signals are sent.

        :raises InvalidCredentials: if there is none, with a :class:`JWTError`'s ready answer
        :raises TooManyLoginAttempts: (429) if too many logins have failed to try one more
        :raises CsrfFailed: (403) if another site sent the form, and its answer would be cookies
        """
        state = app_state()
        with rendering_errors(state):
            if has_request_context():
                reject_forged_login(state.settings)
            return authenticate(state, username, password)

    def log_in(self, identity: Any, *, label: str | None = None) -> Response:
        """The answer of the login endpoint for a user who has just proved who they are: after
        :meth:`authenticate`, or a sign-up. It begins a session, where there is a store.

        :param label: the device's name
        :raises StoreUnavailable: if the session can't be kept
        :raises CsrfFailed: as :meth:`authenticate` does
        """
        state = app_state()
        with rendering_errors(state):
            reject_forged_login(state.settings)
            in_cookies = asks_for_cookies(state.settings)
            return log_in(state, identity, label, in_cookies=in_cookies)

    def exempt(self, view: Handler) -> Handler:
        """Let everybody have *view* where ``JWT_REQUIRED_BY_DEFAULT`` guards all others.

        Put it on a function, a view class or a method of one; the order of decorators is of no
        consequence. A guard that the view has of its own goes on to guard it.
        """
        return exempt(view)


def _add_rules(state: AppState) -> None:
    app, settings = state.app, state.settings
    if settings.auth_url_rule is not None:
        options = {"methods": ["POST"], "endpoint": settings.auth_endpoint, "view_func": auth_view}
        with _naming("JWT_AUTH_URL_RULE, JWT_AUTH_ENDPOINT or JWT_AUTH_URL_OPTIONS"):
            app.add_url_rule(settings.auth_url_rule, **{**options, **settings.auth_url_options})
    if settings.jwks_url_rule is not None and settings.has_public_key:
        with _naming("JWT_JWKS_URL_RULE"):
            app.add_url_rule(settings.jwks_url_rule, "jwt_jwks", jwks_view)
    if state.sessions is None:
        return
    if rule := settings.expand_rule(settings.refresh_url_rule):
        with _naming("JWT_REFRESH_URL_RULE"):
            app.add_url_rule(rule, "jwt_refresh", refresh_view, methods=["POST"])
    if rule := settings.expand_rule(settings.logout_url_rule):
        with _naming("JWT_LOGOUT_URL_RULE"):
            app.add_url_rule(rule, "jwt_logout", logout_view, methods=["POST"])
    if rule := settings.expand_rule(settings.sessions_url_rule):
        with _naming("JWT_SESSIONS_URL_RULE"):
            app.add_url_rule(rule, "jwt_sessions", sessions_view, methods=["GET"])
            one_rule = f"{rule}/<sid>"
            app.add_url_rule(one_rule, "jwt_session", session_view, methods=["DELETE", "PATCH"])


@contextmanager
def _naming(options: str) -> Iterator[None]:
    """Name *options* in the error if Flask or Werkzeug rejects their values."""
    try:
        yield
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{options} can't be used for an endpoint: {error}") from None


def _warn_of_mistakes(app: Flask) -> None:
    sentences = unknown_keys(app.config)
    try:
        version("Flask-JWT")
    except PackageNotFoundError:
        pass
    else:
        sentences.append(
            "Flask-JWT is installed beside Flask-JWT-Too, and both are `import flask_jwt`. Run: "
            "pip uninstall Flask-JWT, then pip install --force-reinstall Flask-JWT-Too"
        )
    for sentence in sentences:
        warnings.warn(sentence, UserWarning, stacklevel=4)
