"""Make the codecs of one application, and new ones when an option or the key file changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._clock import Clock
from .._jose.claims import ClaimsPolicy
from .._jose.codec import TokenCodec
from .._jose.key_file import KeyFile
from .._jose.key_set import KeySet
from .key_sources import load_configured_keys, loaded_keys
from .live import LiveConfig
from .notices import Notices
from .settings import Settings

_MAX_CODECS = 64
"""The maximum number of codecs for other token types and loaded keys, each with its own cache."""


REFRESH_TOKEN_AHEAD = 60.0
"""Seconds by which the ``iat`` of a session's refresh token may be ahead of the clock.

Another server, whose clock is fast, may have issued it just now. Whether the token is valid is
decided by the session in the store, which another server's clock can't make valid."""


class Codecs:
    """Make and keep the codecs of one application.

    Codecs are immutable. A changed option or key makes a new codec with an empty cache, so cached
    tokens never have to be invalidated.

    :param config: the application's configuration
    :param refresh_claims: the claims that every refresh token of a session has
    :param json_default: converts a claim that JSON can't represent to one that it can
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
            self._config.apply_codec_options(self._make_codecs)
        elif self._key_file is not None and self._key_file.reload():
            self._make_codecs_with(self._key_file.keys, self._config.settings)
        else:
            return codec
        assert self._access is not None  # noqa: S101  both branches above made it
        return self._access

    def refresh(self) -> TokenCodec:
        """Return the codec that issues and verifies the refresh tokens of sessions."""
        self.access()
        assert self._refresh is not None  # noqa: S101  made together with the other
        return self._refresh

    def for_type(self, token_type: str | None) -> TokenCodec:
        """Return a codec that verifies tokens of *token_type*; None verifies every type."""
        access = self.access()
        if token_type == "access":
            return access
        return self._get_or_make(token_type, lambda: self._make_codec(self._keys, token_type))

    def with_key(self, material: Any, token_type: str | None = "access") -> TokenCodec:
        """Return a codec for the key that a key loader returned.

        :raises InvalidKey: if *material* is not a valid key
        """
        self.access()

        def make() -> TokenCodec:
            return self._make_codec(loaded_keys(material, self._config.settings), token_type)

        # Not all key objects are hashable, so the id of the object identifies it. The cache keeps a
        # reference to the object, so that Python can't reuse its id for another one.
        key_id = material if isinstance(material, (str, bytes)) else id(material)
        return self._get_or_make((token_type, key_id), make, material)

    def _get_or_make(
        self, cache_key: Any, make: Callable[[], TokenCodec], material: Any = None
    ) -> TokenCodec:
        cached = self._others.get(cache_key)
        if cached is None:
            # A key loader may return any number of keys, so the memory has to be bounded.
            if len(self._others) >= _MAX_CODECS:
                self._others = {}
            cached = self._others[cache_key] = make(), material
        return cached[0]

    def _make_codecs(self, settings: Settings) -> None:
        self._make_codecs_with(self._load_keys(settings), settings)

    def _load_keys(self, settings: Settings) -> KeySet:
        if settings.key_file is None:
            self._key_file = None
            return load_configured_keys(settings)
        if self._key_file is None or self._key_file.path != settings.key_file:
            self._key_file = KeyFile(settings.key_file, self._clock)
        return self._key_file.keys

    def _make_codecs_with(self, keys: KeySet, settings: Settings) -> None:
        self._report_weaknesses(keys)
        # Options such as JWT_VERIFY_CLAIMS are for access tokens. Sessions depend on every claim of
        # a refresh token, so its policy is fixed; it is used once, so it isn't cached.
        leeway = settings.clock_leeway
        ahead = max(leeway, REFRESH_TOKEN_AHEAD)
        policy = ClaimsPolicy("refresh", self._refresh_claims, leeway=leeway, ahead=ahead)
        size = settings.max_token_size
        self._refresh = TokenCodec(keys, policy, cache_size=0, max_size=size)
        self._keys, self._others = keys, {}
        self._access = self._make_codec(keys, "access")

    def _make_codec(self, keys: KeySet, token_type: str | None) -> TokenCodec:
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
                self._notices.warn(f"{key.weakness}. The key is used anyway; replace it soon.")
            if key.is_secret and key.missing_bytes:
                self._notices.warn(
                    f"The secret is {key.missing_bytes} bytes shorter than {key.algorithm} needs "
                    "(RFC 7518 section 3.2), so it may be guessed. Generate a new one with "
                    "`flask jwt secret` and set JWT_SECRET_KEY to it."
                )
