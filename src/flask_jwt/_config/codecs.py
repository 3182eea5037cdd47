"""Make the codecs of one application, and new ones when an option or the key file changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from .._clock import Clock
from .._jose.claims import Claims, ClaimsPolicy, Header
from .._jose.codec import TokenCodec, decode_unverified
from .._jose.key_file import KeyFile
from .._jose.key_set import KeySet
from .._jose.pyjwt_errors import keep_pyjwt_error
from .._jose.token_cache import TokenCache
from ..errors import TokenInvalid
from .key_sources import load_configured_keys, load_returned_keys
from .live import LiveConfig
from .notices import Notices
from .settings import Settings

if TYPE_CHECKING:
    from .._issuers.registry import Issuers
    from .._issuers.remote_keys import Timing

_MAX_CODECS = 64
"""The maximum number of codecs for other token types and loaded keys."""


class _ConfiguredCodecs(NamedTuple):
    keys: KeySet
    access: TokenCodec
    refresh: TokenCodec


REFRESH_TOKEN_AHEAD = 60.0
"""Seconds by which the ``iat`` of a session's refresh token may be ahead of the clock.

Another server, whose clock is fast, may have issued it just now. Whether the token is valid is
decided by the session in the store, which another server's clock can't make valid."""


class Codecs:
    """Make and keep the codecs of one application.

    Codecs are immutable. A changed option or key makes a new codec.

    :param config: the application's configuration
    :param refresh_claims: the claims that every refresh token of a session has
    :param json_default: converts a claim that JSON can't represent to one that it can
    :param notify: sends the signal of this name with these arguments
    """

    def __init__(
        self,
        config: LiveConfig,
        clock: Clock,
        notices: Notices,
        *,
        refresh_claims: frozenset[str],
        json_default: Callable[[Any], object],
        notify: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self._config = config
        self._options_changed = config.codec_options_changed
        self._clock = clock
        self._notices = notices
        self._refresh_claims = refresh_claims
        self._json_default = json_default
        self._notify = notify
        self.applied_issuers: Issuers | None = None
        """The other issuers whose tokens are accepted, as of the last use of a codec."""
        self._key_file: KeyFile | None = None
        self._configured: _ConfiguredCodecs | None = None
        self._others: dict[Hashable, tuple[TokenCodec, object]] = {}
        self.cache = TokenCache()
        """The verified tokens of all codecs."""
        # Only for making codecs: two threads that notice a change together must not let the older
        # settings win.
        self._lock = RLock()

    def access(self) -> TokenCodec:
        """Return the codec that issues tokens and verifies access tokens.

        :raises ConfigError: if no valid key is configured
        """
        # On each guarded request, so the common case is decided here, without further calls.
        configured = self._configured
        if configured is None or self._key_file is not None or self._options_changed():
            configured = self._get_configured()
        return configured.access

    def refresh(self) -> TokenCodec:
        """Return the codec that issues and verifies the refresh tokens of sessions."""
        return self._get_configured().refresh

    def issuers(self) -> Issuers | None:
        """Return the other issuers whose tokens are accepted, or None if there are none.

        This applies changed options first. After another method has, :attr:`applied_issuers` is the
        same.
        """
        self._apply_options()
        return self.applied_issuers

    def for_type(self, token_type: str | None) -> TokenCodec:
        """Return a codec that verifies tokens of *token_type*; None verifies every type."""
        configured = self._get_configured()
        if token_type == "access":
            return configured.access
        return self._get_or_make(token_type, lambda: self._make_codec(configured.keys, token_type))

    def with_key(self, material: object, token_type: str | None = "access") -> TokenCodec:
        """Return a codec for the key that a key loader returned; it needs no configured key.

        :raises UnsuitableKey: if *material* is a JWK that is for something else
        :raises InvalidKey: if *material* is not a valid key
        """
        self._apply_options()

        def make() -> TokenCodec:
            keys = load_returned_keys(material, self._config.latest)
            return self._make_codec(keys, token_type)

        # Not all key objects are hashable, so the id of the object identifies it. The cache keeps a
        # reference to the object, so that Python can't reuse its id for another one. A dict may
        # change, so its content identifies it.
        key_id: Hashable = id(material)
        if isinstance(material, (str, bytes)):
            key_id = material
        elif isinstance(material, Mapping):
            key_id = "JWK", repr(sorted(material.items(), key=repr))
        return self._get_or_make((token_type, key_id), make, material)

    def decode_unverified(self, token: str) -> tuple[Header, Claims]:
        """Return the header and the claims of *token* without verifying it; it needs no key.

        :raises TokenMalformed: if *token* is too long, or not a compact JWS of JSON objects
        """
        self._apply_options()
        settings = self._config.latest
        try:
            return decode_unverified(token, settings.max_token_size)
        except TokenInvalid as error:
            if settings.profile.keeps_pyjwt_errors:
                keep_pyjwt_error(token, error, settings.max_token_size)
            raise

    def _get_or_make(
        self, cache_key: Hashable, make: Callable[[], TokenCodec], material: object = None
    ) -> TokenCodec:
        others = self._others
        cached = others.get(cache_key)
        if cached is None:
            # A key loader may return any number of keys, so the memory has to be bounded.
            if len(others) >= _MAX_CODECS:
                others = self._others = {}
            cached = others[cache_key] = make(), material
        return cached[0]

    def _apply_options(self) -> None:
        """Forget all codecs if an option that shapes them has changed."""
        if self._options_changed():
            with self._lock:
                if self._options_changed():  # no other thread was faster
                    self._config.apply_codec_options(self._forget_codecs)

    def _forget_codecs(self, settings: Settings) -> None:
        self._configured, self._others = None, {}
        self.cache.resize(settings.cache_size)
        self._replace_issuers(settings)

    def _replace_issuers(self, settings: Settings) -> None:
        if not settings.issuers and self.applied_issuers is None:
            return
        # Imported here, because most applications trust no other issuer.
        from .._issuers.registry import OUR_CLAIMS, IssuerHost, Issuers

        issuers = self.applied_issuers
        if issuers is None:
            absent = settings.profile.absent_claims
            issuers = Issuers(
                IssuerHost(
                    self._clock,
                    self._get_timing,
                    self._notify,
                    {name: absent[name] for name in absent if name not in OUR_CLAIMS},
                )
            )
        issuers.replace(settings.issuers, settings.encode_issuer)
        self.applied_issuers = issuers if settings.issuers else None

    def _get_timing(self) -> Timing:
        from .._issuers.remote_keys import Timing

        settings = self._config.settings
        return Timing(
            settings.issuer_timeout,
            settings.issuer_keys_fresh,
            settings.issuer_keys_kept,
            settings.issuer_cooldown,
        )

    def _get_configured(self) -> _ConfiguredCodecs:
        """Return the codecs for the configured keys, which are made when they are needed first.

        An application whose keys all come from a key loader never needs them.
        """
        self._apply_options()
        configured = self._configured
        if configured is None:
            with self._lock:
                configured = self._configured
                if configured is None:
                    keys = self._load_keys(self._config.latest)
                    configured = self._configured = self._make_configured(keys)
        elif self._key_file is not None and self._key_file.reload():
            with self._lock:
                self._forget_codecs(self._config.latest)
                configured = self._configured = self._make_configured(self._key_file.keys)
        return configured

    def _load_keys(self, settings: Settings) -> KeySet:
        if settings.issuers and not settings.has_key:
            self._key_file = None
            return KeySet(())  # this application verifies tokens of other issuers only
        if settings.key_file is None:
            self._key_file = None
            return load_configured_keys(settings, allow_documented=self._config.is_debug_or_testing)
        if self._key_file is None or self._key_file.path != settings.key_file:
            self._key_file = KeyFile(settings.key_file, self._clock)
        return self._key_file.keys

    def _make_configured(self, keys: KeySet) -> _ConfiguredCodecs:
        self._report_weaknesses(keys)
        settings = self._config.latest
        # Options such as JWT_VERIFY_CLAIMS are for access tokens. Sessions depend on every claim of
        # a refresh token, so its policy is fixed. Applications with one secret must not accept each
        # other's refresh tokens, so every aud and iss is checked. Only tokens of earlier versions
        # have none.
        leeway = settings.clock_leeway
        policy = ClaimsPolicy(
            "refresh",
            self._refresh_claims,
            leeway=leeway,
            ahead=max(leeway, REFRESH_TOKEN_AHEAD),
            audience=settings.session_audience,
            issuer=settings.session_issuer,
            absent_parties=True,
        )
        refresh = TokenCodec(keys, policy, max_size=settings.max_token_size)
        return _ConfiguredCodecs(keys, self._make_codec(keys, "access"), refresh)

    def _make_codec(self, keys: KeySet, token_type: str | None) -> TokenCodec:
        settings = self._config.latest
        policy = ClaimsPolicy(
            token_type,
            required=settings.required_claims,
            any_access_type=settings.profile.any_access_type,
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
            max_size=settings.max_token_size,
            json_default=self._json_default,
            grant_claims=settings.grant_claims,
            absent_claims=settings.profile.absent_claims,
            keeps_pyjwt_errors=settings.profile.keeps_pyjwt_errors,
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
