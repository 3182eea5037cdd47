"""The options, each declared once, and their values: one immutable object.

Invalid values are reported together, in one :class:`ConfigError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, NoReturn

from .._jose.claims import TIME_CLAIMS
from ..errors import ConfigError
from .options import (
    Option,
    optional,
    parse_algorithm,
    parse_algorithms,
    parse_any_string,
    parse_cookie_path,
    parse_count,
    parse_duration,
    parse_flag,
    parse_header_type,
    parse_issued_audience,
    parse_issued_issuer,
    parse_locations,
    parse_methods,
    parse_names,
    parse_one_or_more,
    parse_path,
    parse_pem,
    parse_positive_duration,
    parse_revocation_check,
    parse_same_site,
    parse_seconds,
    parse_secret,
    parse_secrets,
    parse_string,
    parse_token_lifetime,
    parse_url_options,
    parse_url_rule,
    parse_word,
)
from .profile import NATIVE, Profile

_COOKIES = ("access_cookie", "refresh_cookie", "access_csrf_cookie", "refresh_csrf_cookie")


class Settings:
    """The checked configuration. Durations are seconds, sizes are bytes.

    Each option is declared here, once. The class is not a dataclass because generating one with
    this many fields takes longer than the rest of the module's import.
    """

    # Login
    auth_url_rule = Option("JWT_AUTH_URL_RULE", "/auth", parse_url_rule, at_start=True)
    auth_endpoint = Option("JWT_AUTH_ENDPOINT", "jwt", parse_string, at_start=True)
    auth_url_options = Option("JWT_AUTH_URL_OPTIONS", {}, parse_url_options, at_start=True)
    username_key = Option("JWT_AUTH_USERNAME_KEY", "username", parse_string)
    password_key = Option("JWT_AUTH_PASSWORD_KEY", "password", parse_string)
    login_limits = Option("JWT_LOGIN_LIMITS", "10/minute; 100/hour", optional(parse_string))
    login_view = Option("JWT_LOGIN_VIEW", None, optional(parse_string))
    required_by_default = Option("JWT_REQUIRED_BY_DEFAULT", False, parse_flag, at_start=True)

    # Issued tokens
    expiration_delta = Option("JWT_EXPIRATION_DELTA", timedelta(seconds=300), parse_seconds)
    access_expires = Option("JWT_ACCESS_TOKEN_EXPIRES", None, optional(parse_token_lifetime))
    refresh_lifetime = Option("JWT_REFRESH_TOKEN_EXPIRES", 30 * 86400, parse_token_lifetime)
    not_before = Option("JWT_NOT_BEFORE_DELTA", timedelta(seconds=0), parse_seconds)
    encode_nbf = Option("JWT_ENCODE_NBF", True, parse_flag)
    encode_audience = Option("JWT_ENCODE_AUDIENCE", None, parse_issued_audience, shapes_codec=True)
    encode_issuer = Option("JWT_ENCODE_ISSUER", None, parse_issued_issuer, shapes_codec=True)

    # Accepted tokens
    leeway = Option("JWT_LEEWAY", timedelta(seconds=10), parse_duration, shapes_codec=True)
    decode_leeway = Option("JWT_DECODE_LEEWAY", None, optional(parse_duration), shapes_codec=True)
    required = Option("JWT_REQUIRED_CLAIMS", ["exp", "iat", "nbf"], parse_names, shapes_codec=True)
    verify_claims = Option(
        "JWT_VERIFY_CLAIMS", ["signature", "exp", "nbf", "iat"], parse_names, shapes_codec=True
    )
    verify_expiration = Option("JWT_VERIFY_EXPIRATION", True, parse_flag, shapes_codec=True)
    verify = Option("JWT_VERIFY", True, parse_flag)
    verify_sub = Option("JWT_VERIFY_SUB", False, parse_flag, shapes_codec=True)
    identity_claim = Option("JWT_IDENTITY_CLAIM", None, optional(parse_string), shapes_codec=True)
    """The claim that holds the identity, and is required; None: ``identity``, or else ``sub``."""
    decode_audience = Option(
        "JWT_DECODE_AUDIENCE", None, optional(parse_one_or_more), shapes_codec=True
    )
    decode_issuer = Option(
        "JWT_DECODE_ISSUER", None, optional(parse_one_or_more), shapes_codec=True
    )
    cache_size = Option("JWT_CACHE_SIZE", 10_000, parse_count, shapes_codec=True)
    max_token_size = Option("JWT_MAX_TOKEN_SIZE", 8192, parse_count, shapes_codec=True)

    # Challenges and errors
    realm = Option("JWT_DEFAULT_REALM", "Login Required", parse_string)
    error_message_key = Option("JWT_ERROR_MESSAGE_KEY", "msg", parse_string)

    # Token locations
    locations = Option("JWT_TOKEN_LOCATION", ("headers",), parse_locations, shapes_codec=True)
    header_name = Option("JWT_HEADER_NAME", "Authorization", parse_word, shapes_codec=True)
    header_type = Option("JWT_HEADER_TYPE", None, parse_header_type, shapes_codec=True)
    prefix = Option("JWT_AUTH_HEADER_PREFIX", "JWT", parse_word, shapes_codec=True)
    query_string_name = Option("JWT_QUERY_STRING_NAME", "jwt", parse_string)
    query_string_prefix = Option("JWT_QUERY_STRING_VALUE_PREFIX", "", parse_any_string)
    json_key = Option("JWT_JSON_KEY", "access_token", parse_string)
    refresh_json_key = Option("JWT_REFRESH_JSON_KEY", "refresh_token", parse_string)

    # Cookies
    cookie_secure = Option("JWT_COOKIE_SECURE", True, parse_flag)
    cookie_samesite = Option("JWT_COOKIE_SAMESITE", "Lax", parse_same_site)
    cookie_domain = Option("JWT_COOKIE_DOMAIN", None, optional(parse_string))
    session_cookie = Option("JWT_SESSION_COOKIE", True, parse_flag)
    access_cookie_name = Option("JWT_ACCESS_COOKIE_NAME", "access_token_cookie", parse_word)
    refresh_cookie_name = Option("JWT_REFRESH_COOKIE_NAME", "refresh_token_cookie", parse_word)
    access_cookie_path = Option("JWT_ACCESS_COOKIE_PATH", "/", parse_cookie_path)
    refresh_cookie_path = Option("JWT_REFRESH_COOKIE_PATH", "/", parse_cookie_path)

    # CSRF protection of cookies
    csrf_protect = Option("JWT_COOKIE_CSRF_PROTECT", True, parse_flag)
    csrf_methods = Option("JWT_CSRF_METHODS", ["POST", "PUT", "PATCH", "DELETE"], parse_methods)
    csrf_in_cookies = Option("JWT_CSRF_IN_COOKIES", True, parse_flag)
    csrf_check_form = Option("JWT_CSRF_CHECK_FORM", True, parse_flag)
    access_csrf_cookie_name = Option("JWT_ACCESS_CSRF_COOKIE_NAME", "csrf_access_token", parse_word)
    refresh_csrf_cookie_name = Option(
        "JWT_REFRESH_CSRF_COOKIE_NAME", "csrf_refresh_token", parse_word
    )
    access_csrf_cookie_path = Option("JWT_ACCESS_CSRF_COOKIE_PATH", "/", parse_cookie_path)
    refresh_csrf_cookie_path = Option("JWT_REFRESH_CSRF_COOKIE_PATH", "/", parse_cookie_path)
    access_csrf_header_name = Option("JWT_ACCESS_CSRF_HEADER_NAME", "X-CSRF-TOKEN", parse_word)
    refresh_csrf_header_name = Option("JWT_REFRESH_CSRF_HEADER_NAME", "X-CSRF-TOKEN", parse_word)
    access_csrf_field_name = Option("JWT_ACCESS_CSRF_FIELD_NAME", "csrf_token", parse_string)
    refresh_csrf_field_name = Option("JWT_REFRESH_CSRF_FIELD_NAME", "csrf_token", parse_string)

    # Keys
    flask_secret = Option("SECRET_KEY", None, parse_secret, shapes_codec=True, is_secret=True)
    flask_fallbacks = Option(
        "SECRET_KEY_FALLBACKS", None, parse_secrets, shapes_codec=True, is_secret=True
    )
    secret = Option("JWT_SECRET_KEY", None, parse_secret, shapes_codec=True, is_secret=True)
    private_key = Option("JWT_PRIVATE_KEY", None, parse_pem, shapes_codec=True, is_secret=True)
    public_key = Option("JWT_PUBLIC_KEY", None, parse_pem, shapes_codec=True)
    key_file = Option("JWT_KEY_FILE", None, parse_path, shapes_codec=True)
    algorithm = Option("JWT_ALGORITHM", "HS256", parse_algorithm, shapes_codec=True)
    decode_algorithms = Option("JWT_DECODE_ALGORITHMS", None, parse_algorithms, shapes_codec=True)
    jwks_url_rule = Option(
        "JWT_JWKS_URL_RULE", "/.well-known/jwks.json", parse_url_rule, at_start=True
    )

    # Sessions
    storage_uri = Option(  # is_secret: most URIs contain a password
        "JWT_STORAGE_URI", None, optional(parse_string), at_start=True, is_secret=True
    )
    store_timeout = Option("JWT_STORE_TIMEOUT", 2, parse_positive_duration, at_start=True)
    session_idle = Option("JWT_SESSION_IDLE", None, optional(parse_positive_duration))
    refresh_grace = Option("JWT_REFRESH_GRACE", 30, parse_duration)
    max_sessions = Option("JWT_MAX_SESSIONS", None, optional(parse_count))
    revocation_check = Option("JWT_REVOCATION_CHECK", 10, parse_revocation_check, shapes_codec=True)
    """Seconds for which a revocation may go unnoticed; 0: none; None: not checked."""
    refresh_url_rule = Option(
        "JWT_REFRESH_URL_RULE", "{auth}/refresh", parse_url_rule, at_start=True
    )
    logout_url_rule = Option("JWT_LOGOUT_URL_RULE", "{auth}/logout", parse_url_rule, at_start=True)
    sessions_url_rule = Option(
        "JWT_SESSIONS_URL_RULE", "{auth}/sessions", parse_url_rule, at_start=True
    )

    explicit: frozenset[str]
    """Keys of the options that the developer or the profile set; the others have defaults."""
    profile: Profile

    def __init__(
        self, values: Mapping[str, Any], explicit: frozenset[str], profile: Profile
    ) -> None:
        # Each value shadows the option of the same name; __setattr__ would raise.
        vars(self).update(values, explicit=explicit, profile=profile)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("Settings are read-only; change app.config instead")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("Settings are read-only; change app.config instead")

    def __repr__(self) -> str:
        return f"<Settings {self.algorithm}>"

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """Accepted authorization schemes, lower case; an empty one for a header of the token
        alone."""
        if self.header_type is not None:
            return (self.header_type.lower(),)
        if "JWT_AUTH_HEADER_PREFIX" in self.explicit or self.prefix != "JWT":
            return (self.prefix.lower(),)
        return ("jwt", "bearer")

    @cached_property
    def only_header(self) -> str | None:
        """The WSGI name of the header with the token, where that is the only location."""
        if self.locations != ("headers",):
            return None
        return "HTTP_" + self.header_name.upper().replace("-", "_")

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
    def required_claims(self) -> frozenset[str]:
        """Claims that an access token must have."""
        if self.identity_claim is None:
            return self.required
        return self.required | {self.identity_claim}

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
        derive = self.profile.checks_issued_parties
        if derive and self.decode_audience is None and self.encode_audience is not None:
            return parse_one_or_more(self.encode_audience)
        return self.decode_audience

    @property
    def accepted_issuer(self) -> frozenset[str] | None:
        """Accepted ``iss``: ``JWT_DECODE_ISSUER``, else what this application issues."""
        derive = self.profile.checks_issued_parties
        if derive and self.decode_issuer is None and self.encode_issuer is not None:
            return frozenset([self.encode_issuer])
        return self.decode_issuer

    @property
    def access_lifetime(self) -> float:
        """Seconds for which an access token is accepted after its issue."""
        return self.not_before + self.expiration + self.clock_leeway

    def expand_rule(self, rule: str | None) -> str | None:
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

    def warnings(self) -> list[str]:
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

    def conflicts(self) -> list[str]:
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


OPTIONS: dict[str, Option[Any]] = {
    option.key: option for option in vars(Settings).values() if isinstance(option, Option)
}
"""All options by key."""

GUARD_OPTIONS = {key: option for key, option in OPTIONS.items() if option.shapes_codec}
"""Options whose change makes new codecs."""

#: The configuration of Flask-JWT 0.3.2, with its defaults.
CONFIG_DEFAULTS: dict[str, Any] = {
    key: OPTIONS[key].default
    for key in (
        "JWT_DEFAULT_REALM", "JWT_AUTH_URL_RULE", "JWT_AUTH_ENDPOINT", "JWT_AUTH_USERNAME_KEY",
        "JWT_AUTH_PASSWORD_KEY", "JWT_ALGORITHM", "JWT_LEEWAY", "JWT_AUTH_HEADER_PREFIX",
        "JWT_EXPIRATION_DELTA", "JWT_NOT_BEFORE_DELTA", "JWT_VERIFY_CLAIMS", "JWT_REQUIRED_CLAIMS",
    )
}  # fmt: skip


def read_settings(
    config: Mapping[str, Any], explicit: frozenset[str], profile: Profile = NATIVE
) -> Settings:
    """Check *config* and return it as :class:`Settings`.

    :param explicit: names the developer set, as opposed to defaults
    :raises ConfigError: naming every value that can't be used, at once
    """
    values: dict[str, Any] = {}
    faults = []
    for name, option in OPTIONS.items():
        try:
            values[option.field] = checked(name, config.get(name, option.default))
        except ConfigError as error:
            faults.append(str(error))
    settings = Settings(values, explicit, profile)
    if faults := faults or settings.conflicts():
        raise ConfigError("This configuration can't be used:\n  " + "\n  ".join(faults))
    return settings


def checked(name: str, value: Any) -> Any:
    """Parse the *value* of the option with that key.

    :raises ConfigError: saying what to write instead
    """
    option = OPTIONS[name]
    try:
        return option.parse(value)
    except (TypeError, ValueError) as error:
        shown = "its value can't be used" if option.is_secret else f"{value!r} can't be used"
        raise ConfigError(f"{name}: {shown}; {error}") from None


def unknown_keys(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each ``JWT_*`` key that nothing reads, with the one probably meant."""
    keys = [key for key in config if isinstance(key, str) and key.startswith("JWT_")]
    return [_unknown(key) for key in keys if key not in OPTIONS]


def _unknown(key: str) -> str:
    import difflib  # only a misspelled option needs it

    near = difflib.get_close_matches(key, OPTIONS, n=1, cutoff=0.75)
    meant = f"did you mean {near[0]}?" if near else "remove it or rename it."
    return f"{key} is not an option of Flask-JWT-Too; {meant}"
