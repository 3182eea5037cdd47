"""Declare all options, and parse a configuration into one immutable object.

All invalid values are reported together, in one :class:`~flask_jwt.errors.ConfigError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from itertools import combinations
from typing import Any, NoReturn

from .._jose.claims import RESERVED_CLAIMS, TIME_CLAIMS
from .._jose.grants import GrantClaims
from .._jose.keys import ALGORITHMS
from ..errors import ConfigError
from .options import (
    InvalidValue,
    Option,
    optional,
    parse_algorithm,
    parse_algorithms,
    parse_any_string,
    parse_claim_paths,
    parse_cookie_domain,
    parse_cookie_path,
    parse_count,
    parse_duration,
    parse_flag,
    parse_header_type,
    parse_issued_audience,
    parse_issued_issuer,
    parse_issuers,
    parse_key,
    parse_keys,
    parse_limit,
    parse_locations,
    parse_methods,
    parse_names,
    parse_one_or_more,
    parse_origins,
    parse_path,
    parse_positive_duration,
    parse_revocation_check,
    parse_same_site,
    parse_seconds,
    parse_secret,
    parse_secrets,
    parse_string,
    parse_timeout,
    parse_token,
    parse_token_lifetime,
    parse_token_size,
    parse_url_options,
    parse_url_rule,
)
from .profile import NATIVE, Profile

_COOKIES = ("access_cookie", "refresh_cookie", "access_csrf_cookie", "refresh_csrf_cookie")


class Settings:
    """Hold the parsed configuration. Durations are seconds, sizes are bytes.

    Each option is declared once, here. The class is not a dataclass, because generating one with
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
    encode_nbf = Option("JWT_ENCODE_NBF", True, parse_flag, shapes_codec=True)
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
    """The required claim that holds the identity; None reads ``identity``, or else ``sub``."""
    decode_audience = Option(
        "JWT_DECODE_AUDIENCE", None, optional(parse_one_or_more), shapes_codec=True
    )
    decode_issuer = Option(
        "JWT_DECODE_ISSUER", None, optional(parse_one_or_more), shapes_codec=True
    )
    scope_claims = Option(
        "JWT_SCOPE_CLAIMS", ("scope", "scp", "permissions"), parse_claim_paths, shapes_codec=True
    )
    role_claims = Option("JWT_ROLE_CLAIMS", ("roles",), parse_claim_paths, shapes_codec=True)
    cache_size = Option("JWT_CACHE_SIZE", 10_000, parse_count, shapes_codec=True)
    max_token_size = Option("JWT_MAX_TOKEN_SIZE", 8192, parse_token_size, shapes_codec=True)

    # Challenges and errors
    realm = Option("JWT_DEFAULT_REALM", "Login Required", parse_string)
    error_message_key = Option("JWT_ERROR_MESSAGE_KEY", "msg", parse_string)

    # Token locations
    locations = Option("JWT_TOKEN_LOCATION", ("headers",), parse_locations, shapes_codec=True)
    header_name = Option("JWT_HEADER_NAME", "Authorization", parse_token, shapes_codec=True)
    header_type = Option("JWT_HEADER_TYPE", None, parse_header_type, shapes_codec=True)
    prefix = Option("JWT_AUTH_HEADER_PREFIX", "JWT", parse_token, shapes_codec=True)
    query_string_name = Option("JWT_QUERY_STRING_NAME", "jwt", parse_string)
    query_string_prefix = Option("JWT_QUERY_STRING_VALUE_PREFIX", "", parse_any_string)
    json_key = Option("JWT_JSON_KEY", "access_token", parse_string)
    refresh_json_key = Option("JWT_REFRESH_JSON_KEY", "refresh_token", parse_string)

    # Cookies
    cookie_secure = Option("JWT_COOKIE_SECURE", True, parse_flag)
    cookie_samesite = Option("JWT_COOKIE_SAMESITE", "Lax", parse_same_site)
    cookie_domain = Option("JWT_COOKIE_DOMAIN", None, optional(parse_cookie_domain))
    cookie_partitioned = Option("JWT_COOKIE_PARTITIONED", False, parse_flag)
    session_cookie = Option("JWT_SESSION_COOKIE", True, parse_flag)
    access_cookie_name = Option("JWT_ACCESS_COOKIE_NAME", "access_token_cookie", parse_token)
    refresh_cookie_name = Option("JWT_REFRESH_COOKIE_NAME", "refresh_token_cookie", parse_token)
    access_cookie_path = Option("JWT_ACCESS_COOKIE_PATH", "/", parse_cookie_path)
    refresh_cookie_path = Option("JWT_REFRESH_COOKIE_PATH", "/", parse_cookie_path)

    # CSRF protection of cookies
    csrf_protect = Option("JWT_COOKIE_CSRF_PROTECT", True, parse_flag)
    csrf_methods = Option("JWT_CSRF_METHODS", ["POST", "PUT", "PATCH", "DELETE"], parse_methods)
    csrf_trusted_origins = Option("JWT_CSRF_TRUSTED_ORIGINS", [], parse_origins)
    csrf_in_cookies = Option("JWT_CSRF_IN_COOKIES", True, parse_flag)
    csrf_check_form = Option("JWT_CSRF_CHECK_FORM", True, parse_flag)
    access_csrf_cookie_name = Option(
        "JWT_ACCESS_CSRF_COOKIE_NAME", "csrf_access_token", parse_token
    )
    refresh_csrf_cookie_name = Option(
        "JWT_REFRESH_CSRF_COOKIE_NAME", "csrf_refresh_token", parse_token
    )
    access_csrf_cookie_path = Option("JWT_ACCESS_CSRF_COOKIE_PATH", "/", parse_cookie_path)
    refresh_csrf_cookie_path = Option("JWT_REFRESH_CSRF_COOKIE_PATH", "/", parse_cookie_path)
    access_csrf_header_name = Option("JWT_ACCESS_CSRF_HEADER_NAME", "X-CSRF-TOKEN", parse_token)
    refresh_csrf_header_name = Option("JWT_REFRESH_CSRF_HEADER_NAME", "X-CSRF-TOKEN", parse_token)
    access_csrf_field_name = Option("JWT_ACCESS_CSRF_FIELD_NAME", "csrf_token", parse_string)
    refresh_csrf_field_name = Option("JWT_REFRESH_CSRF_FIELD_NAME", "csrf_token", parse_string)

    # Keys
    flask_secret = Option("SECRET_KEY", None, parse_secret, shapes_codec=True, is_secret=True)
    flask_fallbacks = Option(
        "SECRET_KEY_FALLBACKS", None, parse_secrets, shapes_codec=True, is_secret=True
    )
    secret = Option("JWT_SECRET_KEY", None, parse_secret, shapes_codec=True, is_secret=True)
    private_key = Option("JWT_PRIVATE_KEY", None, parse_key, shapes_codec=True, is_secret=True)
    # Both are is_secret because a private key may be put into them by mistake.
    public_key = Option("JWT_PUBLIC_KEY", None, parse_keys, shapes_codec=True, is_secret=True)
    key_file = Option("JWT_KEY_FILE", None, parse_path, shapes_codec=True, is_secret=True)
    algorithm = Option("JWT_ALGORITHM", "HS256", parse_algorithm, shapes_codec=True)
    decode_algorithms = Option("JWT_DECODE_ALGORITHMS", None, parse_algorithms, shapes_codec=True)
    jwks_url_rule = Option(
        "JWT_JWKS_URL_RULE", "/.well-known/jwks.json", parse_url_rule, at_start=True
    )

    # Other issuers
    issuers = Option(  # is_secret: a URL may contain a password by mistake
        "JWT_ISSUERS", None, parse_issuers, shapes_codec=True, is_secret=True
    )
    issuer_timeout = Option("JWT_ISSUER_TIMEOUT", 3, parse_timeout)
    issuer_keys_fresh = Option("JWT_ISSUER_KEYS_FRESH", 600, parse_timeout)
    issuer_keys_kept = Option("JWT_ISSUER_KEYS_KEPT", 86400, parse_positive_duration)
    issuer_cooldown = Option("JWT_ISSUER_COOLDOWN", 30, parse_positive_duration)

    # Sessions
    storage_uri = Option(  # is_secret: most URIs contain a password
        "JWT_STORAGE_URI", None, optional(parse_string), at_start=True, is_secret=True
    )
    storage_namespace = Option(
        "JWT_STORAGE_NAMESPACE", None, optional(parse_any_string), at_start=True
    )
    store_timeout = Option("JWT_STORE_TIMEOUT", 2, parse_timeout, at_start=True)
    session_idle = Option("JWT_SESSION_IDLE", None, optional(parse_positive_duration))
    refresh_grace = Option("JWT_REFRESH_GRACE", 30, parse_duration)
    max_sessions = Option("JWT_MAX_SESSIONS", None, optional(parse_limit))
    revocation_check = Option("JWT_REVOCATION_CHECK", 10, parse_revocation_check, shapes_codec=True)
    """Seconds for which a revoked session's access tokens may still be accepted.

    0 checks at each request; None never checks.
    """
    refresh_url_rule = Option(
        "JWT_REFRESH_URL_RULE", "{auth}/refresh", parse_url_rule, at_start=True
    )
    logout_url_rule = Option("JWT_LOGOUT_URL_RULE", "{auth}/logout", parse_url_rule, at_start=True)
    sessions_url_rule = Option(
        "JWT_SESSIONS_URL_RULE", "{auth}/sessions", parse_url_rule, at_start=True
    )

    explicit: frozenset[str]
    """The keys of the options that the developer or the profile has set."""
    profile: Profile

    def __init__(
        self, values: Mapping[str, object], explicit: frozenset[str], profile: Profile
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
        """Return the accepted authorization schemes in lower case.

        An empty scheme stands for a header that contains only the token.
        """
        if self.header_type is not None:
            return (self.header_type.lower(),)
        # Clients of Flask-JWT send "JWT", all others "Bearer" (RFC 6750), so both are accepted
        # unless the developer has chosen a scheme.
        if "JWT_AUTH_HEADER_PREFIX" in self.explicit or self.prefix != "JWT":
            return (self.prefix.lower(),)
        return ("jwt", "bearer")

    @cached_property
    def canonical_prefixes(self) -> tuple[str, ...]:
        """Return the accepted authorization schemes as clients should write them."""
        if self.header_type is not None:
            return (self.header_type,)
        return ("Bearer", "JWT") if len(self.prefixes) > 1 else (self.prefix,)

    @cached_property
    def only_header(self) -> str | None:
        """Return the WSGI name of the token's header, or None if there are other locations."""
        if self.locations != ("headers",):
            return None
        return "HTTP_" + self.header_name.upper().replace("-", "_")

    @property
    def scheme(self) -> str:
        """Return the authorization scheme for challenges."""
        return self.header_type or self.prefix

    @property
    def expiration(self) -> float:
        """Return the lifetime of an access token in seconds, infinity if it never expires."""
        return self.expiration_delta if self.access_expires is None else self.access_expires

    @property
    def clock_leeway(self) -> float:
        """Return the seconds by which clocks may differ."""
        return self.leeway if self.decode_leeway is None else self.decode_leeway

    @property
    def required_claims(self) -> frozenset[str]:
        """Return the claims that an access token must have.

        By default these are the time claims that the application issues. An application that only
        verifies requires ``exp`` alone, because few identity providers issue an ``nbf``.
        """
        required = self.required
        if "JWT_REQUIRED_CLAIMS" not in self.explicit:
            if not self.can_sign:
                required &= {"exp"}
            elif not self.encode_nbf:
                required -= {"nbf"}
        return required if self.identity_claim is None else required | {self.identity_claim}

    @property
    def grant_claims(self) -> GrantClaims:
        """Return the claims that hold scopes and roles."""
        return GrantClaims(self.scope_claims, self.role_claims)

    @property
    def unchecked_claims(self) -> frozenset[str]:
        """Return the time claims that aren't compared with the clock."""
        unchecked = set(TIME_CLAIMS) - self.verify_claims
        if not self.verify_expiration:
            unchecked.add("exp")
        return frozenset(unchecked)

    @property
    def accepted_audience(self) -> frozenset[str] | None:
        """Return the accepted ``aud``: ``JWT_DECODE_AUDIENCE``, or else the issued one."""
        accepts_issued = self.profile.checks_issued_parties
        if accepts_issued and self.decode_audience is None and self.encode_audience is not None:
            return parse_one_or_more(self.encode_audience)
        return self.decode_audience

    @property
    def accepted_issuer(self) -> frozenset[str] | None:
        """Return the accepted ``iss``: ``JWT_DECODE_ISSUER``, or else the issued one."""
        accepts_issued = self.profile.checks_issued_parties
        if accepts_issued and self.decode_issuer is None and self.encode_issuer is not None:
            return frozenset([self.encode_issuer])
        return self.decode_issuer

    @property
    def session_audience(self) -> frozenset[str]:
        """Return the accepted ``aud`` of a session's refresh token: what is issued or accepted."""
        issued = self.encode_audience
        accepted = self.decode_audience or frozenset()
        return accepted if issued is None else accepted | parse_one_or_more(issued)

    @property
    def session_issuer(self) -> frozenset[str]:
        """Return the accepted ``iss`` of a session's refresh token: what is issued or accepted."""
        accepted = self.decode_issuer or frozenset()
        return accepted if self.encode_issuer is None else accepted | {self.encode_issuer}

    @property
    def access_lifetime(self) -> float:
        """Return the seconds for which an access token is accepted after it was issued."""
        return self.not_before + self.expiration + self.clock_leeway

    def expand_rule(self, rule: str | None) -> str | None:
        """Replace ``{auth}`` in *rule* with ``JWT_AUTH_URL_RULE``; return None if that is None."""
        if rule is None or not rule.startswith("{auth}"):
            return rule
        if self.auth_url_rule is None:
            return None
        return rule.replace("{auth}", self.auth_url_rule.rstrip("/"), 1)

    @property
    def has_public_key(self) -> bool:
        """Return whether there may be a public key to publish."""
        return bool(self.private_key or self.public_key or self.key_file)

    @property
    def is_symmetric(self) -> bool:
        """Return whether ``JWT_ALGORITHM`` signs and verifies with a secret."""
        return ALGORITHMS[self.algorithm].kty == "oct"

    @property
    def needs_secret(self) -> bool:
        """Return whether every accepted algorithm verifies with a secret."""
        accepted = (self.algorithm, *self.decode_algorithms)
        return all(ALGORITHMS[algorithm].kty == "oct" for algorithm in accepted)

    @property
    def can_sign(self) -> bool:
        """Return whether the configured key may be able to sign, rather than only to verify."""
        if self.private_key or self.key_file:
            return True
        # A SECRET_KEY beside a public algorithm is Flask's own, and signs no tokens.
        return self.is_symmetric and bool(self.secret) and not self.public_key

    @property
    def has_key(self) -> bool:
        """Return whether a key file, or a key or secret for ``JWT_ALGORITHM``, is configured.

        A ``SECRET_KEY`` beside a public algorithm is Flask's own; the keys may be loaded.
        """
        return self.has_public_key or (self.is_symmetric and bool(self.secret))

    def warnings(self) -> list[str]:
        """Return a sentence about each setting that works but is probably a mistake."""
        sentences = []
        if not self.verify or "signature" not in self.verify_claims:
            sentences.append(
                "JWT_VERIFY and JWT_VERIFY_CLAIMS can't turn off the signature check "
                "(nor could they in Flask-JWT 0.3.2); remove the setting."
            )
        if self.unchecked_claims:
            names = ", ".join(sorted(self.unchecked_claims))
            sentences.append(
                f"JWT_VERIFY_CLAIMS or JWT_VERIFY_EXPIRATION turns off the check of {names}, so "
                "old tokens stay valid indefinitely; Flask-JWT 0.3.2 ignored this setting. Remove "
                "it, or set a longer JWT_EXPIRATION_DELTA."
            )
        sentences += [
            f"JWT_ISSUERS: ANY_AUDIENCE accepts each token of {issuer.issuer}, also one for "
            "another application; write the audience of the tokens that are meant for this one."
            for issuer in self.issuers
            if issuer.accepts_strangers
        ]
        return sentences

    def conflicts(self) -> list[str]:
        """Return a sentence about each combination of settings that can't work."""
        sentences = []
        if self.cookie_partitioned and not self.cookie_secure:
            sentences.append(
                "JWT_COOKIE_PARTITIONED: browsers reject a partitioned cookie that isn't Secure; "
                "set JWT_COOKIE_SECURE = True"
            )
        requires_nbf = "nbf" in self.required and "JWT_REQUIRED_CLAIMS" in self.explicit
        if requires_nbf and not self.encode_nbf:
            sentences.append(
                "JWT_REQUIRED_CLAIMS: 'nbf' is required, but with JWT_ENCODE_NBF = False no token "
                "has one; remove 'nbf' from the list, or remove JWT_ENCODE_NBF"
            )
        if self.identity_claim in (RESERVED_CLAIMS | {"csrf"}) - {"identity", "sub"}:
            sentences.append(
                f"JWT_IDENTITY_CLAIM: tokens have the claim {self.identity_claim!r} for another "
                "purpose; write another name, such as 'sub'"
            )
        if self.issuers:
            from .._issuers.registry import find_conflicts

            sentences += find_conflicts(self.issuers, self.encode_issuer)
        return [
            *sentences,
            *self._find_insecure(),
            *self._find_shared_cookie_names(),
            *self._find_invalid_prefixes(),
        ]

    def _find_insecure(self) -> list[str]:
        """Return a message if JWT_COOKIE_SECURE is False and another option requires True."""
        if self.cookie_secure:
            return []
        reasons = ["JWT_COOKIE_SAMESITE is 'None'"] if self.cookie_samesite == "None" else []
        reasons += [
            f"JWT_{cookie.upper()}_NAME is {name!r}"
            for cookie in _COOKIES
            if (name := getattr(self, f"{cookie}_name")).startswith(("__Host-", "__Secure-"))
        ]
        if not reasons:
            return []
        return [
            f"JWT_COOKIE_SECURE: browsers reject the cookies, because {' and '.join(reasons)}; set "
            "JWT_COOKIE_SECURE = True"
        ]

    def _find_invalid_prefixes(self) -> list[str]:
        sentences = []
        # Browsers also reject cookies that break the rules of their name prefix (RFC 6265bis
        # section 4.1.3). Without these checks a login would succeed and have no effect.
        for cookie in _COOKIES:
            name, path = getattr(self, f"{cookie}_name"), getattr(self, f"{cookie}_path")
            option = f"JWT_{cookie.upper()}_NAME"
            if name.startswith("__Host-") and (self.cookie_domain is not None or path != "/"):
                sentences.append(
                    f"{option}: browsers reject {name} with a domain or with a path other than "
                    "'/'; rename it to __Secure-…, or remove JWT_COOKIE_DOMAIN and the path option"
                )
        return sentences

    def _find_shared_cookie_names(self) -> list[str]:
        """Return a sentence about each two cookies of which one would hide the other."""
        # One message for each name: three cookies with one name make three pairs.
        sharing: dict[str, list[str]] = {}
        for first, second in combinations(self._list_cookies(), 2):
            name = getattr(self, f"{first}_name")
            if name == getattr(self, f"{second}_name") and _overlap(
                getattr(self, f"{first}_path"), getattr(self, f"{second}_path")
            ):
                sharing.setdefault(name, []).extend((first, second))
        return [
            f"{' and '.join(f'JWT_{each.upper()}_NAME' for each in dict.fromkeys(options))} are "
            f"{'both' if len(set(options)) == 2 else 'all'} {name!r}, and a browser sends these "
            "cookies to the same paths; write different names"
            for name, options in sharing.items()
        ]

    def find_cookies_named(self, name: str, path: str) -> list[str]:
        """Return the options that name a cookie *name* whose path overlaps with *path*."""
        return [
            f"JWT_{cookie.upper()}_NAME"
            for cookie in self._list_cookies()
            if getattr(self, f"{cookie}_name") == name
            and _overlap(getattr(self, f"{cookie}_path"), path)
        ]

    def _list_cookies(self) -> tuple[str, ...]:
        has_csrf_cookies = self.csrf_protect and self.csrf_in_cookies
        return _COOKIES if has_csrf_cookies else _COOKIES[:2]


def _overlap(path: str, other: str) -> bool:
    """Return whether two cookie paths are equal, or one is below the other (RFC 6265 5.1.4)."""
    shorter, longer = sorted((path, other), key=len)
    return longer == shorter or longer.startswith(shorter.rstrip("/") + "/")


OPTIONS: dict[str, Option[object]] = {
    option.key: option for option in vars(Settings).values() if isinstance(option, Option)
}
"""All options by key."""

CODEC_OPTIONS = {key: option for key, option in OPTIONS.items() if option.shapes_codec}
"""The options whose change makes new codecs."""

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
    config: Mapping[str, object], explicit: frozenset[str], profile: Profile = NATIVE
) -> Settings:
    """Parse *config*.

    :param explicit: the keys that the developer has set, as opposed to defaults
    :raises ConfigError: if values are invalid; the message names all of them
    """
    values: dict[str, object] = {}
    errors = []
    for key, option in OPTIONS.items():
        try:
            values[option.field] = parse_option(key, config.get(key, option.default))
        except ConfigError as error:
            # LiveConfig copies SECRET_KEY to JWT_SECRET_KEY, which is one mistake, not two.
            is_copy = key == "JWT_SECRET_KEY" and config[key] is config.get("SECRET_KEY")
            if not is_copy:
                errors.append(str(error))
    if values.get("header_type") is None and "JWT_HEADER_TYPE" in profile.defaults:
        values["header_type"] = ""  # None, where there is a default, means no scheme
    settings = Settings(values, explicit, profile)
    # If a value is invalid, conflicts() could not read all attributes.
    if errors := errors or settings.conflicts():
        raise ConfigError("Invalid configuration:\n  " + "\n  ".join(errors))
    return settings


def parse_option(key: str, value: object) -> object:
    """Parse *value* for the option *key*.

    :raises ConfigError: if *value* is invalid; the message says what to write instead
    """
    option = OPTIONS[key]
    try:
        return option.parse(value)
    except (TypeError, ValueError) as error:
        problem = "the value is invalid" if option.is_secret else f"{_shorten(value)} is invalid"
        message = f"{key}: {problem}; {error}"
        if isinstance(value, str) and isinstance(error, InvalidValue):
            message += f". In the environment, from_prefixed_env() reads JSON: {error.json}"
        raise ConfigError(message) from None


def _shorten(value: object) -> str:
    """Return the repr of *value*, as one line that is no longer than a line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python doesn't convert huge integers
        return "the value"
    return text if len(text) <= 80 else f"{text[:80]}…"


def unknown_keys(config: Mapping[str, object]) -> list[str]:
    """Return a sentence about each unknown ``JWT_*`` key, with the most similar option."""
    keys = [key for key in config if isinstance(key, str) and key.startswith("JWT_")]
    return [_describe_unknown(key) for key in keys if key not in OPTIONS]


def _describe_unknown(key: str) -> str:
    from .._former_names import OF_CONFIG

    if advice := OF_CONFIG.get(key):
        return f"{key} is not an option of Flask-JWT-Too; {advice}"
    import difflib  # imported here because only a misspelled option needs it

    similar = difflib.get_close_matches(key, OPTIONS, n=1, cutoff=0.75)
    suggestion = f"did you mean {similar[0]}?" if similar else "remove or rename it."
    return f"{key} is not an option of Flask-JWT-Too; {suggestion}"
