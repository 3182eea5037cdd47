"""The state of one application: the objects that its tokens, sessions and logins depend on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.local import LocalProxy

from .. import signals
from .._clock import Clock
from .._config.codecs import Codecs
from .._config.live import LiveConfig
from .._config.notices import Notices
from .._config.profile import Profile
from .._config.settings import Settings
from .._jose.claims import REFRESH_CLAIMS
from ..errors import JWTError
from .handlers import Handlers

if TYPE_CHECKING:
    from .._login.limits import LoginLimits
    from .._sessions.manager import SessionManager

STATE_KEY = "flask-jwt"
"""Where ``app.extensions`` holds the :class:`AppState`."""


class AppState:
    """Hold the objects of one application, and make no decisions.

    Handlers are read from :attr:`handlers` at each use, so they may be set after ``init_app``.

    :param translate_error: converts an error to the exception that the extension class has for it
    :param issues_for_users: returns whether a refresh issues tokens for what the identity handler
        returns; otherwise it issues them for the identity in the refresh token
    """

    def __init__(
        self,
        app: Flask,
        handlers: Handlers,
        clock: Clock,
        profile: Profile,
        *,
        translate_error: Callable[[JWTError], Exception],
        issues_for_users: Callable[[], bool],
    ) -> None:
        self.app = app
        self.handlers = handlers
        self.clock = clock
        self.profile = profile
        self.translate_error = translate_error
        self.issues_for_users = issues_for_users
        self.notices = Notices()
        self.config = LiveConfig(app.config, profile, self.notices)
        self.codecs = Codecs(
            self.config,
            clock,
            self.notices,
            refresh_claims=REFRESH_CLAIMS,
            json_default=self._json_default,
            notify=lambda name, details: getattr(signals, name).send(app, **details),
        )
        self.sessions: SessionManager | None = None
        self.check_session: Callable[[object, float], None] | None = None
        """Reject an access token whose session has ended; None if sessions are not checked."""
        self.limits: tuple[str, LoginLimits] | None = None
        """``JWT_LOGIN_LIMITS`` as it was, and the limits made from it."""
        self.routes: tuple[Any, Any] | None = None
        """The rules and views as they were, and what OpenAPI documents need of them."""

    @property
    def settings(self) -> Settings:
        """Return the current configuration; this compares every option with ``app.config``.

        That is too slow for each request; the guard reads ``config.latest``.

        :raises ConfigError: if an option was changed to an invalid value
        """
        return self.config.settings

    def call(self, handler: Callable[..., Any], *args: object) -> Any:
        """Call *handler*, plain or ``async``, and return its result.

        Whether to await is decided by the result: a partial, a bound method or an object with an
        ``async`` ``__call__`` is awaited too.
        """
        result = handler(*args)
        # Looked up on the type, as ``await`` does: a mock may have every attribute.
        if hasattr(type(result), "__await__"):
            # Werkzeug's proxies have ``__await__`` whatever they stand for, even for None.
            if issubclass(type(result), LocalProxy):
                return result._get_current_object()
            return self.app.async_to_sync(_awaited)(result)
        return result

    def _json_default(self, value: object) -> object:
        """Convert *value* to what JSON can hold, as the application does in its responses."""
        provider = self.app.json
        default = getattr(provider, "default", None) or DefaultJSONProvider.default
        return default(value)


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
