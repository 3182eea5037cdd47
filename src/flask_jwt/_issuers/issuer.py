"""Describe an issuer whose tokens are accepted."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .._jose.encoding import parse_json
from .._jose.grants import GrantClaims
from .._jose.keys import ALGORITHMS
from ..errors import ConfigError
from .arguments import Path, parse_paths, parse_strings
from .discovery import MAX_ISSUER_LENGTH, find_url_problem, is_loopback
from .fetch import Fetch, fetch_json
from .presets import PRESETS, expand
from .published_keys import PublishedKeys

if TYPE_CHECKING:
    import ssl


class AnyAudience:
    """The type of :data:`ANY_AUDIENCE`."""

    def __repr__(self) -> str:
        return "ANY_AUDIENCE"


ANY_AUDIENCE: Final = AnyAudience()
"""Accept tokens for every audience. A token that was issued for another API, or for an application
that its user has merely tried out, is then accepted too."""

Strings = str | Collection[str]

#: The tenant of personal Microsoft accounts, which "organizations" doesn't include.
_PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"

_GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


# eq compares the fields, so that a changed configuration replaces only the changed issuers.
@dataclass(frozen=True, repr=False)
class Issuer:
    """Accept tokens of an issuer, beside the application's own.

    Its keys are fetched when its first token arrives, and renewed by later requests::

        JWT(app, issuers=[Issuer("https://acme.eu.auth0.com/", audience="https://api.acme.dev")])

    :param issuer: the ``iss`` of its tokens, letter for letter
    :param audience: the accepted values of ``aud``: the name by which the issuer knows this
        application. Without this check, tokens for other applications would be accepted
    :param algorithms: the accepted algorithms, none of them with a secret
    :param jwks_uri: the URL of its keys; by default that in its metadata (OpenID Connect Discovery
        or RFC 8414)
    :param jwks: its key set as a dict or the path of a file. Without a *jwks_uri*, nothing is ever
        fetched; with one, these keys count until the first fetch
    :param leeway: seconds by which its clock may differ
    :param required: claims that its tokens must have
    :param typ: the ``typ`` that its tokens must have, such as ``"at+jwt"``
    :param scopes: the names of the claims with scopes; a sequence of names leads to a member
    :param roles: the same for roles: ``[("realm_access", "roles")]``
    :param identity_claim: the claim that holds the identity of the user
    :param ssl_context: for a private certificate authority
    :param insecure_http: allow a URL that begins with ``http://``, on which anyone in between can
        replace the keys
    :param check: ``(claims)`` -> whether to accept a valid token; called once for each token
    :param identity_handler: ``(payload)`` -> the user, in place of the application's handler
    :param aliases: other values of ``iss`` that mean this issuer
    :param values: claims that must have one of certain values
    :param one_of: claims of which a token must have at least one
    :param tenants: the templates of ``iss`` of an issuer with tenants
    :param accept_tenant: ``(tid)`` -> whether to accept tokens of a tenant
    :param fetch: fetches a JSON document; for tests
    :raises ConfigError: if an argument is invalid
    """

    issuer: str
    audience: Strings | AnyAudience
    algorithms: Collection[str] = ("RS256", "ES256", "EdDSA")
    jwks_uri: str | None = None
    jwks: Mapping[str, Any] | str | os.PathLike[str] | None = field(default=None, hash=False)
    leeway: float | timedelta = 30
    required: Collection[str] = ("exp", "iss", "sub")
    typ: str | None = None
    scopes: Path | Sequence[Path] = ("scope",)
    roles: Path | Sequence[Path] = ()
    identity_claim: str = "sub"
    ssl_context: ssl.SSLContext | None = None
    insecure_http: bool = False
    check: Callable[[Mapping[str, Any]], Any] | None = None
    identity_handler: Callable[[Any], Any] | None = None
    aliases: Collection[str] = ()
    values: Mapping[str, Strings] = field(default_factory=dict, hash=False)
    one_of: Collection[str] = ()
    tenants: Collection[str] = ()
    accept_tenant: Callable[[str], Any] | None = None
    fetch: Fetch = fetch_json

    def __post_init__(self) -> None:
        if find_spec("cryptography") is None:
            raise ConfigError(
                "Tokens of other issuers need the cryptography package: "
                "pip install 'Flask-JWT-Too[oidc]'"
            )
        self._check_issuer()
        if not isinstance(self.audience, AnyAudience):
            self._set("audience", parse_strings("audience", self.audience))
        self._set("algorithms", self._parse_algorithms())
        self._set("jwks", self._read_jwks())
        self._set("leeway", self.leeway_seconds)
        self._check_claims()
        for name in ("scopes", "roles"):
            self._set(name, parse_paths(name, getattr(self, name)))
        for name in ("check", "identity_handler", "accept_tenant"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise ConfigError(f"Issuer: {name} must be a function")

    def __repr__(self) -> str:
        return f"<Issuer {self.issuer}>"

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # in a frozen dataclass, __setattr__ raises

    def _check_issuer(self) -> None:
        issuer = self.issuer
        if not isinstance(issuer, str) or not issuer or not issuer.isprintable():
            raise ConfigError("Issuer: write the iss of its tokens, such as 'https://idp.example/'")
        if len(issuer) > MAX_ISSUER_LENGTH:
            raise ConfigError(f"Issuer: the issuer is longer than {MAX_ISSUER_LENGTH} characters")
        if self.jwks_uri is not None:
            self._check_url("jwks_uri", self.jwks_uri)
        elif self.jwks is None or "://" in issuer:
            self._check_url("issuer", issuer)

    def _check_url(self, name: str, url: object) -> None:
        # Not split: one list of checks.
        if not isinstance(url, str) or "://" not in url:
            hint = f": write 'https://{url}'" if isinstance(url, str) and name == "issuer" else ""
            raise ConfigError(
                f"Issuer: {name} {url!r:.200} is not a URL{hint}, or set jwks_uri to that of its "
                "keys"
                if name == "issuer"
                else f"Issuer: {name} is not a URL"
            )
        if (problem := find_url_problem(url)) is not None:
            # Not the URL itself, which may contain a password.
            raise ConfigError(f"Issuer: the {name} {problem}")
        parts = urlsplit(url)
        if parts.scheme == "https":
            return
        if parts.scheme != "http":
            raise ConfigError(f"Issuer: {name} must begin with https://")
        if not self.insecure_http and not is_loopback(parts.hostname or ""):
            raise ConfigError(
                f"Issuer: {name} {url!r:.200} begins with http://, on which anyone in between can "
                "replace the keys: write https://, or insecure_http=True for a network that you "
                "trust"
            )

    def _parse_algorithms(self) -> tuple[str, ...]:
        given = self.algorithms
        names = (given,) if isinstance(given, str) else tuple(given)
        public = [name for name, family in ALGORITHMS.items() if family.kty != "oct"]
        for name in names:
            if name not in public:
                reason = (
                    "uses a secret, which this application would have to share with the issuer"
                    if isinstance(name, str) and name.startswith("HS")
                    else "is not supported"
                )
                raise ConfigError(
                    f"Issuer: the algorithm {name!r:.50} {reason}; write some of "
                    f"{', '.join(public)}"
                )
        if not names:
            raise ConfigError(f"Issuer: algorithms is empty; write some of {', '.join(public)}")
        return names

    def _read_jwks(self) -> Mapping[str, Any] | None:
        """Return the document with the keys, which may be in a file."""
        jwks = self.jwks
        if jwks is None:
            return None
        if isinstance(jwks, (str, os.PathLike)):
            try:
                with open(jwks, "rb") as file:
                    jwks = parse_json(file.read())
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
                raise ConfigError(f"Issuer: jwks can't be read from the file: {reason}") from None
        try:
            PublishedKeys.parse(jwks, tuple(self.algorithms))
        except ValueError as error:
            raise ConfigError(f"Issuer: jwks is unusable: {error}") from None
        # A copy, so that a later change in place can't go unnoticed.
        document: Mapping[str, Any] = json.loads(json.dumps(jwks))
        return document

    @property
    def leeway_seconds(self) -> float:
        """Return the seconds by which the clock of the issuer may differ."""
        leeway = self.leeway
        seconds = leeway.total_seconds() if isinstance(leeway, timedelta) else leeway
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ConfigError("Issuer: leeway must be a number of seconds or a timedelta")
        if not 0 <= seconds <= 3600:
            raise ConfigError("Issuer: leeway must be between 0 and 3600 seconds")
        return float(seconds)

    def _check_claims(self) -> None:
        for name in ("required", "aliases", "one_of", "tenants"):
            strings = () if getattr(self, name) in ((), []) else getattr(self, name)
            self._set(name, parse_strings(name, strings) if strings else ())
        if not isinstance(self.identity_claim, str) or not self.identity_claim:
            raise ConfigError("Issuer: identity_claim must be the name of a claim, such as 'sub'")
        values = {claim: parse_strings(claim, value) for claim, value in self.values.items()}
        self._set("values", values)
        if self.typ is not None and (not isinstance(self.typ, str) or not self.typ):
            raise ConfigError("Issuer: typ must be a media type, such as 'at+jwt'")

    @property
    def audiences(self) -> frozenset[str] | None:
        """Return the accepted values of ``aud``, or None if every audience is accepted."""
        audience = self.audience
        return None if isinstance(audience, AnyAudience) else frozenset(audience)

    @property
    def accepts_strangers(self) -> bool:
        """Return whether tokens for other applications are accepted."""
        return self.audiences is None and not self.clients

    @property
    def clients(self) -> dict[str, Strings]:
        """Return the accepted applications by the claim that names them, in place of ``aud``."""
        return {name: self.values[name] for name in ("client_id", "azp") if name in self.values}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the values of ``iss`` that mean this issuer."""
        return tuple(dict.fromkeys((*self.own_names, *self.aliases)))

    @property
    def own_names(self) -> tuple[str, ...]:
        """Return the issuer, unless it stands for any tenant."""
        return () if self.accept_tenant is not None else (self.issuer,)

    def name_of(self, iss: str) -> str:
        """Return the name of the issuer of a token with this ``iss``; aliases have the same name.

        A user is identified by it and the subject. Each tenant is a separate issuer.
        """
        return iss if self.tenants else self.issuer

    def matches(self, iss: str) -> bool:
        """Return whether *iss* is that of a tenant, if any tenant may be accepted."""
        return next(self._match_tenants(iss), None) is not None

    def accepts_tenant_of(self, iss: str) -> bool:
        """Return whether *accept_tenant* accepts the tenant in *iss*, which :meth:`matches`."""
        accept = self.accept_tenant
        # A template without {tenant} means one issuer, whose tenant only its tokens name.
        return accept is not None and any(
            "tenant" not in match.groupdict() or accept(match["tenant"])
            for match in self._match_tenants(iss)
        )

    def _match_tenants(self, iss: str) -> Iterator[re.Match[str]]:
        if self.accept_tenant is None:
            return
        for template in self.tenants:
            first, *others = re.escape(template).split(r"\{tenant\}")
            if others:
                first += f"(?P<tenant>{_GUID})" + "(?P=tenant)".join(others)
            match = re.fullmatch(first, iss)
            if match is not None:
                yield match

    @property
    def grant_claims(self) -> GrantClaims:
        """Return where the scopes and the roles are in the claims."""
        return GrantClaims(parse_paths("scopes", self.scopes), parse_paths("roles", self.roles))

    # Well-known providers

    @classmethod
    def from_mapping(cls, arguments: Mapping[str, Any]) -> Issuer:
        """Return the issuer that JSON describes, with the arguments of this class.

        With a ``preset``, the arguments are those of the class method of that name.

        :raises ConfigError: if an argument is unknown or invalid
        """
        options = dict(arguments)
        preset = options.pop("preset", None)
        if preset is not None and preset not in _PRESET_NAMES:
            raise ConfigError(
                f"Issuer: the preset {preset!r:.50} is unknown; write one of "
                f"{', '.join(_PRESET_NAMES)}"
            )
        make = cls if preset is None else getattr(cls, preset)
        if preset is None and "audience" not in options:
            raise ConfigError(
                "Issuer: the audience is missing: the name by which the issuer knows this "
                "application. It is the aud of the tokens that are meant for it"
            )
        try:
            return make(**options)
        except TypeError as error:
            raise ConfigError(f"Issuer: {str(error).rpartition('() ')[2]}") from None

    @classmethod
    def auth0(cls, domain: str, *, audience: Strings, **options: Any) -> Issuer:
        """Return the issuer of an Auth0 tenant.

        :param domain: ``acme.eu.auth0.com``, or the custom domain
        :param audience: the identifier of the API
        """
        return cls._preset("auth0", {"domain": domain}, audience, options)

    @classmethod
    def cognito(
        cls, pool: str, *, client_id: Strings, token: str = "access", **options: Any
    ) -> Issuer:
        """Return the issuer of an Amazon Cognito user pool.

        :param pool: the id of the pool, which begins with the region: ``eu-west-1_Ab3dE``
        :param client_id: the ids of the app clients whose tokens are accepted
        :param token: ``"access"``, or ``"id"`` to accept ID tokens instead
        """
        region, separator, _ = pool.partition("_")
        if not separator:
            raise ConfigError("Issuer.cognito: write the id of the user pool: eu-west-1_Ab3dE")
        if token not in ("access", "id"):
            raise ConfigError("Issuer.cognito: token must be 'access' or 'id'")
        suffix = ".cn" if region.startswith("cn-") else ""
        parameters = {"pool": pool, "region": region, "suffix": suffix, "client_id": client_id}
        if token == "id":
            return cls._preset("cognito_id", parameters, client_id, options)
        return cls._preset("cognito", parameters, ANY_AUDIENCE, options)

    @classmethod
    def entra(
        cls,
        *,
        tenants: Strings,
        audience: Strings,
        accept_tenant: Callable[[str], Any] | None = None,
        **options: Any,
    ) -> Issuer:
        """Return the issuer of one or several tenants of Microsoft Entra ID.

        Microsoft signs the tokens of all tenants with the same keys, so anyone who has a tenant can
        make a token for any audience. Only *tenants* distinguishes them.

        :param tenants: the ids of the accepted tenants, or ``"organizations"`` or ``"common"`` with
            *accept_tenant*
        :param audience: the client id of the API, its application ID URI, or both
        :param accept_tenant: ``(tid)`` -> whether to accept the tokens of a tenant
        """
        preset = PRESETS["entra"]
        templates = (preset.issuer, *preset.aliases)
        is_open = tenants in ("organizations", "common")
        if is_open == (accept_tenant is None):
            raise ConfigError(
                "Issuer.entra: write the ids of the tenants whose users may use this application. "
                "Microsoft signs the tokens of all tenants with the same keys, so with 'common' or "
                "'organizations' a function accept_tenant(tid) has to decide"
            )
        if is_open:
            accept = accept_tenant
            if tenants == "organizations":
                accept = _OrganizationsOnly(accept_tenant)
            arguments = expand(preset, {"tenant": tenants})
            arguments.update(aliases=(), accept_tenant=accept)
        else:
            ids = [tenant.lower() for tenant in parse_strings("tenants", tenants)]
            for tenant in ids:
                if not re.fullmatch(_GUID, tenant):
                    raise ConfigError(
                        f"Issuer.entra: {tenant!r:.100} is not the id of a tenant, which is a GUID"
                    )
            arguments = expand(preset, {"tenant": ids[0]})
            names = [template.format(tenant=tenant) for tenant in ids for template in templates]
            arguments["aliases"] = tuple(names)
        return cls(**{"audience": audience, **arguments, "tenants": templates, **options})

    @classmethod
    def keycloak(
        cls, url: str, *, audience: Strings, client: str | None = None, **options: Any
    ) -> Issuer:
        """Return the issuer of a realm of Keycloak.

        :param url: the URL of the realm, ``https://sso.acme.dev/realms/shop``
        :param audience: the audience that a mapper of the realm adds to the tokens
        :param client: also read the roles of this client
        """
        return cls._preset("keycloak", {"url": url, "client": client}, audience, options)

    @classmethod
    def firebase(cls, project: str, **options: Any) -> Issuer:
        """Return the issuer of the ID tokens of a Firebase project.

        :param project: the id of the project
        """
        return cls._preset("firebase", {"project": project}, project, options)

    @classmethod
    def google(cls, *, client_id: Strings, hd: Strings | None = None, **options: Any) -> Issuer:
        """Return Google as the issuer of ID tokens.

        :param client_id: the OAuth client ids of this application
        :param hd: accept only accounts of these Google Workspace domains
        """
        return cls._preset("google", {"hd": hd}, client_id, options)

    @classmethod
    def supabase(cls, url: str, *, audience: Strings = "authenticated", **options: Any) -> Issuer:
        """Return the issuer of a Supabase project, which has to use asymmetric signing keys.

        :param url: the URL of the project, ``https://xyz.supabase.co``
        """
        return cls._preset("supabase", {"url": url.rstrip("/")}, audience, options)

    @classmethod
    def clerk(cls, url: str, *, authorized_parties: Strings, **options: Any) -> Issuer:
        """Return the issuer of the session tokens of a Clerk application.

        A session that is pending, because its user has to join an organization first, is rejected.

        :param url: the URL of its Frontend API, ``https://clerk.acme.dev``
        :param authorized_parties: the origins of the pages that may get tokens
        """
        parameters = {"url": url.rstrip("/"), "authorized_parties": authorized_parties}
        check = options.get("check")
        if check is None or callable(check):  # anything else is reported as for other issuers
            options["check"] = _NotPending(check)
        return cls._preset("clerk", parameters, ANY_AUDIENCE, options)

    @classmethod
    def okta(
        cls,
        domain: str,
        *,
        audience: Strings = "api://default",
        server: str = "default",
        **options: Any,
    ) -> Issuer:
        """Return the issuer of an authorization server of Okta.

        :param domain: ``acme.okta.com``
        :param audience: the audience of the authorization server
        :param server: the id of the authorization server. The tokens of the org authorization
            server are for Okta itself, and can't be verified
        """
        return cls._preset("okta", {"domain": domain, "server": server}, audience, options)

    @classmethod
    def cloudflare(cls, team: str, *, audience: Strings, **options: Any) -> Issuer:
        """Return the issuer of the application tokens of Cloudflare Access.

        :param team: the name of the team, the first word of ``acme.cloudflareaccess.com``
        :param audience: the AUD tag of the application
        """
        return cls._preset("cloudflare", {"team": team}, audience, options)

    @classmethod
    def _preset(
        cls,
        name: str,
        parameters: Mapping[str, object],
        audience: Strings | AnyAudience,
        options: Mapping[str, Any],
    ) -> Issuer:
        arguments: dict[str, Any] = expand(PRESETS[name], parameters)
        return cls(**{"audience": audience, **arguments, **options})


_PRESET_NAMES = tuple(name for name in PRESETS if hasattr(Issuer, name))


@dataclass(frozen=True)
class _OrganizationsOnly:
    """Accept a tenant unless it is that of personal accounts."""

    accept: Callable[[str], Any] | None

    def __call__(self, tenant: str) -> Any:
        return tenant != _PERSONAL_ACCOUNTS and self.accept is not None and self.accept(tenant)


@dataclass(frozen=True)
class _NotPending:
    """Accept a session of Clerk unless its user has to complete something first."""

    check: Callable[[Mapping[str, Any]], Any] | None

    def __call__(self, claims: Mapping[str, Any]) -> Any:
        return claims.get("sts") != "pending" and (self.check is None or self.check(claims))
