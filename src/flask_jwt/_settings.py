"""Configuration, read in one pass into one frozen object.

A value that can't be used is reported together with all the others, in one
:class:`ConfigError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ._claims import TIME_CLAIMS
from ._options import OPTIONS, SECRETS, one_or_more
from .errors import ConfigError


class Spelling(NamedTuple):
    """How a front door differs from another before the same machine: by defaults and strictness.

    :param defaults: of options, where they differ from this package's own
    :param algorithm_names_key: ``JWT_ALGORITHM`` alone says whether the secret or the key pair is
        used, where both are configured
    :param allows_weak_keys: a key too short for its algorithm warns and works
    :param checks_issued_parties: ``aud`` and ``iss`` must be what the application itself issues,
        where ``JWT_DECODE_AUDIENCE`` and ``JWT_DECODE_ISSUER`` don't say
    :param exempt_methods: HTTP methods that guards let pass, with no claims
    :param absent_claims: what claims count as in a token that lacks them
    :param more_claims: of ``csrf`` and ``fresh``, those that every token is issued with
    """

    defaults: Mapping[str, Any] = {}
    algorithm_names_key: bool = False
    allows_weak_keys: bool = False
    checks_issued_parties: bool = True
    exempt_methods: frozenset[str] = frozenset()
    absent_claims: Mapping[str, Any] = {}
    more_claims: frozenset[str] = frozenset()


NATIVE = Spelling()

_COOKIES = ("access_cookie", "refresh_cookie", "access_csrf_cookie", "refresh_csrf_cookie")


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration, checked. Durations are seconds, sizes are bytes."""

    flask_secret: bytes | None
    flask_fallbacks: tuple[bytes, ...]
    secret: bytes | None
    private_key: str | bytes | None
    public_key: str | bytes | None
    key_file: str | None
    algorithm: str
    leeway: float
    prefix: str
    verify_claims: frozenset[str]
    required_claims: frozenset[str]
    verify: bool
    verify_expiration: bool
    decode_audience: frozenset[str] | None
    decode_issuer: frozenset[str] | None
    encode_audience: str | tuple[str, ...] | None
    encode_issuer: str | None
    revocation_check: float | None
    """Seconds for which a revocation may go unnoticed; 0: none; None: it isn't looked for."""
    cache_size: int
    max_token_size: int
    locations: tuple[str, ...]
    header_name: str
    header_type: str | None
    decode_algorithms: tuple[str, ...]
    decode_leeway: float | None
    identity_claim: str | None
    """The claim that holds the identity, and must be there; None: identity, or else sub."""
    verify_sub: bool
    cookie_secure: bool
    cookie_samesite: str | None
    cookie_domain: str | None
    session_cookie: bool
    access_cookie_name: str
    refresh_cookie_name: str
    access_cookie_path: str
    refresh_cookie_path: str
    csrf_protect: bool
    csrf_methods: frozenset[str]
    csrf_in_cookies: bool
    csrf_check_form: bool
    access_csrf_cookie_name: str
    refresh_csrf_cookie_name: str
    access_csrf_cookie_path: str
    refresh_csrf_cookie_path: str
    access_csrf_header_name: str
    refresh_csrf_header_name: str
    access_csrf_field_name: str
    refresh_csrf_field_name: str
    realm: str
    auth_url_rule: str | None
    auth_endpoint: str
    auth_url_options: dict[str, Any]
    login_limits: str | None
    login_view: str | None
    required_by_default: bool
    jwks_url_rule: str | None
    username_key: str
    password_key: str
    expiration_delta: float
    access_expires: float | None
    not_before: float
    encode_nbf: bool
    query_string_name: str
    query_string_prefix: str
    json_key: str
    refresh_json_key: str
    error_message_key: str
    storage_uri: str | None
    store_timeout: float
    refresh_lifetime: float
    session_idle: float | None
    refresh_grace: float
    max_sessions: int | None
    refresh_url_rule: str | None
    logout_url_rule: str | None
    sessions_url_rule: str | None
    given: frozenset[str]
    """Names of the options the developer set, or the spelling; the others hold defaults."""
    spelling: Spelling

    def __repr__(self) -> str:
        return f"<Settings {self.algorithm}>"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Accepted authorization schemes, lower case; an empty one for a header of the token
        alone."""
        if self.header_type is not None:
            return (self.header_type.lower(),)
        if "JWT_AUTH_HEADER_PREFIX" in self.given or self.prefix != "JWT":
            return (self.prefix.lower(),)
        return ("jwt", "bearer")

    @property
    def scheme(self) -> str:
        """The authorization scheme to name in challenges."""
        return self.header_type or self.prefix

    @property
    def expiration(self) -> float:
        """Seconds that an access token lives; infinite for those that never expire."""
        return self.expiration_delta if self.access_expires is None else self.access_expires

    @property
    def clock_leeway(self) -> float:
        """Seconds by which clocks may differ."""
        return self.leeway if self.decode_leeway is None else self.decode_leeway

    @property
    def must_have(self) -> frozenset[str]:
        """Claims that an access token must have."""
        if self.identity_claim is None:
            return self.required_claims
        return self.required_claims | {self.identity_claim}

    @property
    def unchecked_claims(self) -> frozenset[str]:
        """The time claims that the configuration says not to check."""
        unchecked = set(TIME_CLAIMS) - self.verify_claims
        if not self.verify_expiration:
            unchecked.add("exp")
        return frozenset(unchecked)

    @property
    def accepted_audience(self) -> frozenset[str] | None:
        """Accepted ``aud``: ``JWT_DECODE_AUDIENCE``, else what this application issues."""
        derive = self.spelling.checks_issued_parties
        if derive and self.decode_audience is None and self.encode_audience is not None:
            return one_or_more(self.encode_audience)
        return self.decode_audience

    @property
    def accepted_issuer(self) -> frozenset[str] | None:
        """Accepted ``iss``: ``JWT_DECODE_ISSUER``, else what this application issues."""
        derive = self.spelling.checks_issued_parties
        if derive and self.decode_issuer is None and self.encode_issuer is not None:
            return frozenset([self.encode_issuer])
        return self.decode_issuer

    @property
    def access_lifetime(self) -> float:
        """Seconds for which an access token is accepted after its issue."""
        return self.not_before + self.expiration + self.clock_leeway

    def below_auth(self, rule: str | None) -> str | None:
        """*rule* with ``{auth}`` replaced by ``JWT_AUTH_URL_RULE``; None without that."""
        if rule is None or not rule.startswith("{auth}"):
            return rule
        if self.auth_url_rule is None:
            return None
        return rule.replace("{auth}", self.auth_url_rule.rstrip("/"), 1)

    @property
    def has_public_key(self) -> bool:
        """Whether there may be a public key to publish."""
        return bool(self.private_key or self.public_key or self.key_file)

    @property
    def has_key(self) -> bool:
        """Whether anything to sign or verify with is configured."""
        return bool(self.secret) or self.has_public_key

    def advice(self) -> list[str]:
        """What works but isn't what its author will have wanted, a sentence each."""
        advice = []
        if not self.verify or "signature" not in self.verify_claims:
            advice.append(
                "JWT_VERIFY and JWT_VERIFY_CLAIMS can't turn off the signature check "
                "(nor could they in Flask-JWT 0.3.2); remove the setting."
            )
        if self.unchecked_claims:
            names = ", ".join(sorted(self.unchecked_claims))
            advice.append(
                f"JWT_VERIFY_CLAIMS or JWT_VERIFY_EXPIRATION turns off the check of {names}, so "
                "an old token is good forever; Flask-JWT 0.3.2 checked it all the same. Remove "
                "the setting, or write a longer JWT_EXPIRATION_DELTA."
            )
        return advice

    def faults(self) -> list[str]:
        """What can't be used together, a sentence each."""
        faults = []
        if self.cookie_samesite == "None" and not self.cookie_secure:
            faults.append(
                "JWT_COOKIE_SAMESITE: browsers drop a cookie with SameSite=None that isn't Secure; "
                "set JWT_COOKIE_SECURE = True"
            )
        for kind in _COOKIES:
            name, path = getattr(self, f"{kind}_name"), getattr(self, f"{kind}_path")
            option = f"JWT_{kind.upper()}_NAME"
            if name.startswith(("__Host-", "__Secure-")) and not self.cookie_secure:
                faults.append(f"{option}: browsers drop {name} without JWT_COOKIE_SECURE = True")
            if name.startswith("__Host-") and (self.cookie_domain is not None or path != "/"):
                faults.append(
                    f"{option}: browsers drop {name} with a domain, or a path other than '/'; name "
                    "it __Secure-…, or remove JWT_COOKIE_DOMAIN and its path"
                )
        return faults


def read_settings(
    config: Mapping[str, Any], given: frozenset[str], spelling: Spelling = NATIVE
) -> Settings:
    """Check *config* and return it as :class:`Settings`.

    :param given: names the developer set, as opposed to defaults
    :raises ConfigError: naming every value that can't be used, at once
    """
    values: dict[str, Any] = {}
    faults = []
    for name, option in OPTIONS.items():
        try:
            values[option.field] = checked(name, config.get(name, option.default))
        except ConfigError as error:
            faults.append(str(error))
    settings = None if faults else Settings(**values, given=given, spelling=spelling)
    faults += settings.faults() if settings is not None else ()
    if settings is None or faults:
        raise ConfigError("This configuration can't be used:\n  " + "\n  ".join(faults))
    return settings


def checked(name: str, value: Any) -> Any:
    """The *value* of an option, parsed.

    :raises ConfigError: saying what to write instead
    """
    try:
        return OPTIONS[name].parse(value)
    except (TypeError, ValueError) as error:
        shown = "its value can't be used" if name in SECRETS else f"{value!r} can't be used"
        raise ConfigError(f"{name}: {shown}; {error}") from None


def unknown_keys(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each ``JWT_*`` key that nothing reads, with the one probably meant."""
    sentences = []
    for name in config:
        if isinstance(name, str) and name.startswith("JWT_") and name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.75)
            meant = f"did you mean {near[0]}?" if near else "remove it or rename it."
            sentences.append(f"{name} is not an option of Flask-JWT-Too; {meant}")
    return sentences
