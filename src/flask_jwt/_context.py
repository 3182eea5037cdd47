"""State: one object per application, one per request, and the proxies that read them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from copy import copy
from inspect import iscoroutinefunction
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, request
from flask.globals import app_ctx
from werkzeug.local import LocalProxy

from ._claims import ClaimsPolicy
from ._key_sets import KeySet
from ._keyring import KeyFile, configured_keys
from ._revocations import Revocations
from ._sessions import REFRESH_CLAIMS, SessionManager, Tokens
from ._settings import CONFIG_DEFAULTS, GUARD_OPTIONS, OPTIONS, Settings, read_settings
from ._tokens import TokenCodec, VerifiedToken
from .errors import ConfigError

if TYPE_CHECKING:
    from flask.ctx import AppContext

    from ._extension import JWT

current_context = cast("LocalProxy[AppContext]", app_ctx)._get_current_object
current_request = cast("LocalProxy[Any]", request)._get_current_object

_NOTHING: Any = object()


class _Config:
    """The application's configuration, live.

    Configuration is read on each request but interpreted only when a value differs. In-place
    changes of a list count: what is remembered is a copy.
    """

    def __init__(self, app: Flask, names: Mapping[str, Any]) -> None:
        self.config = app.config
        self._names = tuple(names)
        self.read: Callable[[Any], tuple[Any, ...]] = itemgetter(*self._names)
        self.seen: tuple[Any, ...] = ()

    def changed(self) -> bool:
        """Whether a value differs from those last interpreted."""
        try:
            return self.read(self.config) != self.seen
        except KeyError:
            return True

    def look(self) -> tuple[Any, ...]:
        """The values as they are now, to become :attr:`seen` once they have been interpreted: not
        before, lest another thread go on with what was made of the old ones."""
        for name in self._names:
            self.config.setdefault(name, copy(OPTIONS[name].default))
        return tuple(
            value.copy() if isinstance(value, (list, dict, set)) else value
            for value in self.read(self.config)
        )


class AppState:
    """What one application's ``app.extensions["jwt"]`` holds.

    Handlers are looked up on the :class:`JWT` at each use, so they may be set after ``init_app``;
    attributes not found here are that object's, because code for Flask-JWT reads handlers from
    ``app.extensions["jwt"]``.
    """

    def __init__(self, app: Flask, handlers: JWT, clock: Callable[[], float]) -> None:
        self.app = app
        self.handlers = handlers
        self.clock = clock
        config = app.config
        self._given = frozenset(name for name in OPTIONS if config.get(name) is not None)
        for name, default in CONFIG_DEFAULTS.items():
            config.setdefault(name, copy(default))
        self._copied_secret = _NOTHING
        if config.get("JWT_SECRET_KEY") is None:
            self._copied_secret = config["JWT_SECRET_KEY"] = config["SECRET_KEY"]
        self._settings_config = _Config(app, OPTIONS)
        self._guard_config = _Config(app, GUARD_OPTIONS)
        self._adapted: dict[str, tuple[Any, Callable[..., Any]]] = {}
        self._key_file: KeyFile | None = None
        self._warned: set[str] = set()
        self._settings = self._read_settings()
        self._codec: TokenCodec | None = None
        self._refresh_codec: TokenCodec | None = None
        self.sessions: SessionManager | None = None
        self.check_session: Callable[[Any, float], None] | None = None
        self.prefixes: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.handlers, name)

    @property
    def settings(self) -> Settings:
        """The configuration as it is now.

        :raises ConfigError: if it was changed into something that can't be used
        """
        if self._settings_config.changed():
            seen = self._settings_config.look()
            self._settings = self._read_settings()
            self._settings_config.seen = seen
        return self._settings

    def codec(self) -> TokenCodec:
        """Issues and verifies tokens as the configuration says now."""
        if self._codec is None or self._guard_config.changed():
            seen = self._guard_config.look()
            self._codec = self._make_codec(self._load_keys())
            self._guard_config.seen = seen
        elif self._key_file is not None and self._key_file.changed():
            self._codec = self._make_codec(self._key_file.keys)
        return self._codec

    def refresh_codec(self) -> TokenCodec:
        """Issues and verifies refresh tokens, with the same keys."""
        self.codec()
        return cast(TokenCodec, self._refresh_codec)

    def call(self, handler: str, *args: Any) -> Any:
        """Call the handler of that attribute name, plain or ``async``."""
        callback = getattr(self.handlers, handler)
        adapted = self._adapted.get(handler)
        if adapted is None or adapted[0] is not callback:
            if callback is None:
                raise ConfigError(f"No {handler.replace('_callback', '_handler')} is set")
            plain = self.app.ensure_sync(callback) if iscoroutinefunction(callback) else callback
            adapted = self._adapted[handler] = callback, plain
        return adapted[1](*args)

    def warn_once(self, sentence: str) -> None:
        """Warn of something the developer should mend, once for this application."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            warnings.warn(sentence, UserWarning, stacklevel=4)

    def _read_settings(self) -> Settings:
        config = self.app.config
        if config.get("JWT_SECRET_KEY") == self._copied_secret:
            self._copied_secret = config["JWT_SECRET_KEY"] = config.get("SECRET_KEY")
        settings = read_settings(config, self._given)
        for sentence in settings.advice():
            self.warn_once(sentence)
        return settings

    def _load_keys(self) -> KeySet:
        settings = self.settings
        if settings.key_file is None:
            self._key_file = None
            return configured_keys(settings)
        if self._key_file is None or self._key_file.path != settings.key_file:
            self._key_file = KeyFile(settings.key_file, time.monotonic)
        return self._key_file.keys

    def _make_codec(self, keys: KeySet) -> TokenCodec:
        settings = self.settings
        for key in keys.keys:
            if key.is_secret and key.short_by:
                self.warn_once(
                    f"The secret is {key.short_by} bytes shorter than {key.algorithm} needs "
                    "(RFC 7518 section 3.2), so it can be guessed. `flask jwt secret` prints a "
                    "good one; put it into JWT_SECRET_KEY."
                )
        policy = ClaimsPolicy(
            required=settings.required_claims,
            unchecked=settings.unchecked_claims,
            leeway=settings.leeway,
            audience=settings.accepted_audience,
            issuer=settings.accepted_issuer,
        )
        strict = ClaimsPolicy("refresh", REFRESH_CLAIMS, leeway=settings.leeway)
        size = settings.max_token_size
        self._refresh_codec = TokenCodec(keys, strict, cache_size=0, max_size=size)
        self.prefixes = settings.prefixes
        self._watch_revocations(settings)
        return TokenCodec(keys, policy, cache_size=settings.cache_size, max_size=size)

    def _watch_revocations(self, settings: Settings) -> None:
        self.check_session = None
        if self.sessions is None or settings.revocation_check is None:
            return
        self.check_session = self.sessions.check_access
        self.sessions.revocations = None
        if settings.revocation_check > 0:
            self.sessions.revocations = Revocations(
                self.sessions.store,
                lifetime=settings.access_lifetime,
                staleness=settings.revocation_check,
                clock=self.clock,
                monotonic=time.monotonic,
            )


class RequestState:
    """What is known of the current request's token."""

    __slots__ = ("claims", "identity", "issued", "request", "verified")

    def __init__(self, request: Any) -> None:
        self.request = request
        self.verified: VerifiedToken | None = None
        self.claims: Any = {}
        """This request's own copy."""
        self.identity: Any = None
        self.issued: Tokens | None = None


def app_state() -> AppState:
    """The current application's state.

    :raises ConfigError: if ``init_app`` was not called for it
    """
    try:
        return cast(AppState, current_context().app.extensions["jwt"])
    except KeyError:
        raise ConfigError(
            "This application has no JWT. Write jwt = JWT(app, authenticate, identity), or in an "
            "application factory jwt.init_app(app). Did you forget to call init_app?"
        ) from None


def sessions_of(state: AppState) -> SessionManager:
    """The application's sessions.

    :raises ConfigError: if it has no store to keep them in
    """
    if state.sessions is None:
        raise ConfigError(
            "Sessions need a store: set JWT_STORAGE_URI, to sqlite:///sessions.db for a start."
        )
    return state.sessions


def request_state() -> RequestState | None:
    """The current request's state, if its token was looked at."""
    try:
        state = cast("RequestState | None", current_context().g.get("_flask_jwt"))
        # ``g`` outlives a request where a test or a script holds an application context open.
        return state if state is not None and state.request is current_request() else None
    except RuntimeError:
        return None


def remember_issued(tokens: Tokens) -> None:
    """Keep what this request's login or refresh gave, for its response handler."""
    state = request_state()
    if state is None:
        state = current_context().g._flask_jwt = RequestState(current_request())
    state.issued = tokens


def issued_tokens() -> Tokens | None:
    """What logging in or refreshing in this request gave: for an ``auth_response_handler`` that
    writes the refresh token into an answer of its own. None where there are no sessions."""
    state = request_state()
    return None if state is None else state.issued


def _verified_state(function: str) -> RequestState:
    state = request_state()
    if state is None:
        raise RuntimeError(
            f"{function}() needs a verified request: put @jwt_required() on the view, or call "
            "verify_jwt_in_request() first."
        )
    return state


def get_jwt() -> Any:
    """The claims of the current request's token; empty where an optional one is absent.

    The dict is this request's own: changing it changes nothing for others.

    :raises RuntimeError: if the request was not verified
    """
    return _verified_state("get_jwt").claims


def get_jwt_header() -> dict[str, Any]:
    """The JOSE header of the current request's token (RFC 7515 section 4).

    :raises RuntimeError: if the request was not verified
    """
    verified = _verified_state("get_jwt_header").verified
    return {} if verified is None else verified.header


def get_jwt_identity() -> Any:
    """The identity in the current request's token: the user's id, as it was issued.

    None where an optional token is absent. The id of a token without an ``identity`` claim is its
    ``sub``.

    :raises RuntimeError: if the request was not verified
    """
    return claimed_identity(_verified_state("get_jwt_identity").claims)


def claimed_identity(claims: Any) -> Any:
    """The ``identity`` of *claims*, else their ``sub``."""
    if type(claims) is not dict:
        return None
    return claims["identity"] if "identity" in claims else claims.get("sub")


def _current_identity() -> Any:
    state = request_state()
    return None if state is None else state.identity


current_identity: Any = LocalProxy(_current_identity)
"""The user of the current request, as ``identity_handler`` returned it; None without a token."""

_jwt: Any = LocalProxy(lambda: current_app.extensions["jwt"])
"""The current application's handlers, as code for Flask-JWT reads them."""
