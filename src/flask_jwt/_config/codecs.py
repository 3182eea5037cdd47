"""The codecs of one application, made anew when an option or the key file changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._clock import Clock
from .._jose.claims import ClaimsPolicy
from .._jose.codec import TokenCodec
from .._jose.key_file import KeyFile
from .._jose.key_set import KeySet
from .key_sources import configured_keys, given_keys
from .live import LiveConfig
from .notices import Notices
from .settings import Settings

_MAX_CODECS = 64
"""Codecs for other token types and for loaded keys that are kept, each with its own cache."""


class Codecs:
    """Makes and keeps the codecs of one application.

    A codec is immutable, so a changed option or key makes a new one, whose cache of verified tokens
    is empty. Nothing ever has to invalidate an entry.

    :param config: the application's configuration
    :param refresh_claims: the claims that each refresh token of a session has
    :param json_default: makes what JSON can't hold into something that it can
    """

    def __init__(
        self,
        config: LiveConfig,
        clock: Clock,
        notices: Notices,
        *,
        refresh_claims: frozenset[str],
        json_default: Callable[[Any], Any],
    ) -> None:
        self._config = config
        self._clock = clock
        self._notices = notices
        self._refresh_claims = refresh_claims
        self._json_default = json_default
        self._keys = KeySet([])
        self._key_file: KeyFile | None = None
        self._access: TokenCodec | None = None
        self._refresh: TokenCodec | None = None
        self._others: dict[Any, tuple[TokenCodec, Any]] = {}

    def access(self) -> TokenCodec:
        """Return the codec that issues tokens and verifies access tokens."""
        codec = self._access
        if codec is None or self._config.codec_options_changed():
            self._config.codec_settings(self._make)
        elif self._key_file is not None and self._key_file.reload():
            self._make_with(self._key_file.keys, self._config.settings)
        else:
            return codec
        assert self._access is not None  # noqa: S101  both branches above made it
        return self._access

    def refresh(self) -> TokenCodec:
        """Return the codec of sessions' refresh tokens, which has the same keys."""
        self.access()
        assert self._refresh is not None  # noqa: S101  made together with the other
        return self._refresh

    def for_type(self, token_type: str | None) -> TokenCodec:
        """Return a codec that verifies tokens of one type; None: of any."""
        access = self.access()
        if token_type == "access":
            return access
        return self._kept(token_type, lambda: self._codec(self._keys, token_type))

    def with_key(self, material: Any, token_type: str | None = "access") -> TokenCodec:
        """Return a codec with the key that a key loader returned.

        :raises InvalidKey: if *material* is no key
        """
        self.access()

        def make() -> TokenCodec:
            return self._codec(given_keys(material, self._config.settings), token_type)

        # Key objects are not all hashable, so they are known by their id; keeping the object keeps
        # its id from being given to another one.
        name = material if isinstance(material, (str, bytes)) else id(material)
        return self._kept((token_type, name), make, material)

    def _kept(self, name: Any, make: Callable[[], TokenCodec], material: Any = None) -> TokenCodec:
        kept = self._others.get(name)
        if kept is None:
            if len(self._others) >= _MAX_CODECS:
                self._others = {}
            kept = self._others[name] = make(), material
        return kept[0]

    def _make(self, settings: Settings) -> None:
        self._make_with(self._load_keys(settings), settings)

    def _load_keys(self, settings: Settings) -> KeySet:
        if settings.key_file is None:
            self._key_file = None
            return configured_keys(settings)
        if self._key_file is None or self._key_file.path != settings.key_file:
            self._key_file = KeyFile(settings.key_file, self._clock)
        return self._key_file.keys

    def _make_with(self, keys: KeySet, settings: Settings) -> None:
        self._report_weaknesses(keys)
        strict = ClaimsPolicy("refresh", self._refresh_claims, leeway=settings.clock_leeway)
        size = settings.max_token_size
        self._refresh = TokenCodec(keys, strict, cache_size=0, max_size=size)
        self._keys, self._others = keys, {}
        self._access = self._codec(keys, "access")

    def _codec(self, keys: KeySet, token_type: str | None) -> TokenCodec:
        settings = self._config.settings
        policy = ClaimsPolicy(
            token_type,
            required=settings.required_claims,
            unchecked=settings.unchecked_claims,
            leeway=settings.clock_leeway,
            audience=settings.accepted_audience,
            any_audience=not settings.profile.checks_issued_parties,
            issuer=settings.accepted_issuer,
            string_claims=frozenset({"sub", "jti"}) if settings.verify_sub else frozenset(),
        )
        return TokenCodec(
            keys,
            policy,
            cache_size=settings.cache_size,
            max_size=settings.max_token_size,
            json_default=self._json_default,
            absent_claims=settings.profile.absent_claims,
        )

    def _report_weaknesses(self, keys: KeySet) -> None:
        for key in keys.keys:
            if key.weakness:
                self._notices.warn(f"{key.weakness}. It is used all the same; make a new one soon.")
            if key.is_secret and key.missing_bytes:
                self._notices.warn(
                    f"The secret is {key.missing_bytes} bytes shorter than {key.algorithm} needs "
                    "(RFC 7518 section 3.2), so it can be guessed. `flask jwt secret` prints a "
                    "good one; put it into JWT_SECRET_KEY."
                )
