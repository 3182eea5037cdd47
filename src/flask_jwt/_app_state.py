"""State of one application: its configuration, keys, codecs and handlers, kept up to date."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from copy import copy
from inspect import iscoroutinefunction
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from jwt import InvalidTokenError

from ._claims import ClaimsPolicy
from ._key_sets import KeySet
from ._keyring import KeyFile, configured_keys, given_keys
from ._revocations import Revocations
from ._sessions import REFRESH_CLAIMS, SessionManager
from ._settings import CONFIG_DEFAULTS, GUARD_OPTIONS, OPTIONS, Settings, read_settings
from ._throttle import LoginThrottle
from ._tokens import TokenCodec
from .errors import ConfigError, JWTError, TokenInvalid

if TYPE_CHECKING:
    from ._extension import JWT

_NOTHING: Any = object()

_MOST_CODECS = 64
"""Codecs of other token types and of loaded keys that are kept, each with its cache."""


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


class Registered:
    """What ``app.extensions["jwt"]`` holds: the state, and through it the attributes of the
    :class:`JWT`, because code for Flask-JWT reads handlers there.

    Not the state itself: a class with ``__getattr__`` is slower to read all attributes from, and
    the guard reads many.
    """

    def __init__(self, state: AppState) -> None:
        self.state = state

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        holder = self.state if hasattr(self.state, name) else self.state.handlers
        return getattr(holder, name)


class AppState:
    """What one application's tokens depend on.

    Handlers are looked up on the :class:`JWT` at each use, so they may be set after ``init_app``.
    """

    def __init__(self, app: Flask, handlers: JWT, clock: Callable[[], float]) -> None:
        self.app = app
        self.handlers = handlers
        self.clock = clock
        self.monotonic: Callable[[], float] = time.monotonic
        config = app.config
        self.spelling = handlers.spelling
        for name, default in self.spelling.defaults.items():
            config.setdefault(name, copy(default))
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
        self._keys = KeySet([])
        self._codec: TokenCodec | None = None
        self._codecs: dict[Any, tuple[TokenCodec, Any]] = {}
        self._refresh_codec: TokenCodec | None = None
        self.sessions: SessionManager | None = None
        self.throttle: tuple[str, LoginThrottle] | None = None
        """The limits it was made for, and what counts failed logins."""
        self.check_session: Callable[[Any, float], None] | None = None
        self.prefixes: tuple[str, ...] = ()
        self.identity_claim: str | None = None
        self.required_claims: frozenset[str] = frozenset()
        self.header: str | None = None
        """The WSGI name of the header with the token, where that is the only location."""

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
        """Issues tokens, and verifies access tokens, as the configuration says now."""
        if self._codec is None or self._guard_config.changed():
            seen = self._guard_config.look()
            self._codec = self._make_codecs(self._load_keys())
            self._guard_config.seen = seen
        elif self._key_file is not None and self._key_file.changed():
            self._codec = self._make_codecs(self._key_file.keys)
        return self._codec

    def refresh_codec(self) -> TokenCodec:
        """Issues and verifies the refresh tokens of sessions, with the same keys."""
        self.codec()
        return cast(TokenCodec, self._refresh_codec)

    def codec_for(self, token: str, kind: str | None) -> TokenCodec:
        """Verifies *token* as one of type *kind* (None: any), with the key that the decode key
        loader gives for it, if there is a loader.

        :raises TokenInvalid: if there is a loader and this is no token, or the loader says so
        """
        codec = self.codec()
        if self.handlers.decode_key_callback is not None:
            facts = codec.read(token)
            try:
                material = self.call("decode_key_callback", *facts)
            except JWTError:
                raise
            except InvalidTokenError as error:
                raise TokenInvalid(str(error)) from error
            return self._codec_with(material, kind)
        if kind == "access":
            return codec
        return self._remembered(kind, lambda: self._new_codec(self._keys, kind))

    def signing_codec(self, identity: Any) -> TokenCodec:
        """Issues tokens for *identity*, with the key of the encode key loader, if there is one."""
        if self.handlers.encode_key_callback is None:
            return self.codec()
        self.codec()
        return self._codec_with(self.call("encode_key_callback", identity), "access")

    def _codec_with(self, material: Any, kind: str | None) -> TokenCodec:
        def make() -> TokenCodec:
            return self._new_codec(given_keys(material, self.settings), kind)

        # Key objects are not all hashable. One that is kept here keeps its id to itself.
        name = material if isinstance(material, (str, bytes)) else id(material)
        return self._remembered((kind, name), make, material)

    def _remembered(
        self, name: Any, make: Callable[[], TokenCodec], material: Any = None
    ) -> TokenCodec:
        known = self._codecs.get(name)
        if known is None:
            if len(self._codecs) >= _MOST_CODECS:
                self._codecs = {}
            known = self._codecs[name] = make(), material
        return known[0]

    def use_clocks(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """Tell the time by these from now on.

        What was learned by the old ones, of keys and revocations, is learned anew.
        """
        if clock() < self.clock():
            self.throttle = None  # it would make wait until a moment that is far off now
        self.clock, self.monotonic = clock, monotonic
        self._codec = self._key_file = None

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

    def claimed_identity(self, claims: Any) -> Any:
        """The identity in *claims*: ``JWT_IDENTITY_CLAIM``, else ``identity``, else ``sub``."""
        if type(claims) is not dict:
            return None
        if self.identity_claim is not None:
            return claims.get(self.identity_claim)
        return claims["identity"] if "identity" in claims else claims.get("sub")

    def warn_once(self, sentence: str) -> None:
        """Warn of something the developer should mend, once for this application."""
        if self.is_news(sentence):
            warnings.warn(sentence, UserWarning, stacklevel=4)

    def is_news(self, sentence: str) -> bool:
        """Whether this application has not been told that yet; from now on it has."""
        is_news = sentence not in self._warned
        self._warned.add(sentence)
        return is_news

    def _read_settings(self) -> Settings:
        config = self.app.config
        if config.get("JWT_SECRET_KEY") == self._copied_secret:
            self._copied_secret = config["JWT_SECRET_KEY"] = config.get("SECRET_KEY")
        settings = read_settings(config, self._given, self.spelling)
        for sentence in settings.advice():
            self.warn_once(sentence)
        return settings

    def _load_keys(self) -> KeySet:
        settings = self.settings
        if settings.key_file is None:
            self._key_file = None
            return configured_keys(settings)
        if self._key_file is None or self._key_file.path != settings.key_file:
            self._key_file = KeyFile(settings.key_file, self.monotonic)
        return self._key_file.keys

    def _make_codecs(self, keys: KeySet) -> TokenCodec:
        settings = self.settings
        for key in keys.keys:
            if key.weakness:
                self.warn_once(f"{key.weakness}. It is used all the same; make a new one soon.")
            if key.is_secret and key.short_by:
                self.warn_once(
                    f"The secret is {key.short_by} bytes shorter than {key.algorithm} needs "
                    "(RFC 7518 section 3.2), so it can be guessed. `flask jwt secret` prints a "
                    "good one; put it into JWT_SECRET_KEY."
                )
        strict = ClaimsPolicy("refresh", REFRESH_CLAIMS, leeway=settings.clock_leeway)
        size = settings.max_token_size
        self._refresh_codec = TokenCodec(keys, strict, cache_size=0, max_size=size)
        self._keys, self._codecs = keys, {}
        self.prefixes = settings.prefixes
        self.identity_claim = settings.identity_claim
        self.required_claims = settings.required_claims
        self.header = None
        if settings.locations == ("headers",):
            self.header = "HTTP_" + settings.header_name.upper().replace("-", "_")
        self._watch_revocations(settings)
        return self._new_codec(keys, "access")

    def _new_codec(self, keys: KeySet, kind: str | None) -> TokenCodec:
        settings = self.settings
        policy = ClaimsPolicy(
            kind,
            required=settings.must_have,
            unchecked=settings.unchecked_claims,
            leeway=settings.clock_leeway,
            audience=settings.accepted_audience,
            any_audience=not self.spelling.checks_issued_parties,
            issuer=settings.accepted_issuer,
            texts=frozenset({"sub", "jti"}) if settings.verify_sub else frozenset(),
        )
        return TokenCodec(
            keys,
            policy,
            cache_size=settings.cache_size,
            max_size=settings.max_token_size,
            json_default=self._json_default,
            absent_claims=self.spelling.absent_claims,
        )

    def _json_default(self, value: Any) -> Any:
        """What the application's JSON provider makes of *value*, as in its answers."""
        provider = self.app.json
        default = getattr(provider, "default", None) or DefaultJSONProvider.default
        return default(value)

    def _watch_revocations(self, settings: Settings) -> None:
        self.check_session = None
        if self.sessions is None or settings.revocation_check is None:
            return
        self.check_session = self.sessions.check_access
        self.sessions.revocations = None
        if settings.revocation_check > 0 and math.isfinite(settings.access_lifetime):
            self.sessions.revocations = Revocations(
                self.sessions.store,
                lifetime=settings.access_lifetime,
                staleness=settings.revocation_check,
                clock=self.clock,
                monotonic=self.monotonic,
            )
