"""Choose the issuer of a token, and verify the token by its rules."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from jwt import InvalidTokenError

from .._clock import Clock
from .._jose.claims import Claims, ClaimsPolicy, ClaimsView, ForeignSubject, HeaderView
from .._jose.codec import TokenCodec, VerifiedToken, check_header
from .._jose.keys import ALGORITHMS, Key
from ..errors import (
    AlgorithmNotAllowed,
    ClaimInvalid,
    ClaimMissing,
    IssuerInvalid,
    TokenInvalid,
)
from .discovery import MAX_ISSUER_LENGTH, discover_jwks_uri
from .fetch import Fetched, FetchFailed
from .issuer import Issuer
from .lookup import Answers, IssuerLookup
from .published_keys import PublishedKeys
from .remote_keys import (
    FetchedKeys,
    FixedKeys,
    KeySource,
    Listener,
    RemoteKeys,
    Timing,
)

#: Tokens for other purposes than to access an API (RFC 8725 section 3.11).
OTHER_TYPES = frozenset(
    {
        "logout+jwt", "dpop+jwt", "secevent+jwt", "ticket+jwt", "oauth-authz-req+jwt",
        "token-introspection+jwt", "client-authentication+jwt", "entity-statement+jwt", "kb+jwt",
    }
)  # fmt: skip

#: Claims in which issuers say what a token is for: this package and Flask-JWT-Extended, simplejwt,
#: Cognito, Keycloak.
TYPE_CLAIMS = ("type", "token_type", "token_use", "typ")

#: Their values for refresh tokens, in lower case. Those are only for the issuer itself.
REFRESH_TYPES = frozenset({"refresh", "refresh_token", "offline"})

#: Claims that mean something to this package in its own tokens only. ``sid`` stays, because OpenID
#: Connect defines it; but it is no session of the application.
OUR_CLAIMS = ("identity", "csrf", "fresh", "type")


class IssuerHost(NamedTuple):
    """Hold what issuers need from the application."""

    clock: Clock
    get_timing: Callable[[], Timing]
    """Return how long keys are used."""
    notify: Callable[[str, Mapping[str, object]], None]
    """Send the signal of this name with these arguments."""
    absent_claims: Mapping[str, Any] = {}
    """Values that a verified token gets for the claims that it lacks."""


class IssuerCodec(TokenCodec):
    """Verify tokens of one issuer with one set of its keys."""

    def __init__(
        self,
        trusted: TrustedIssuer,
        keys: PublishedKeys,
        absent_claims: ClaimsView,
    ) -> None:
        issuer = trusted.issuer
        policy = ClaimsPolicy(
            None,
            frozenset(issuer.required) | {"iss", issuer.identity_claim},
            leeway=issuer.leeway_seconds,
            audience=issuer.audiences,
            any_audience=issuer.audiences is None,
            string_claims=frozenset({"sub", "jti"}),
        )
        # The size of a token was checked when its issuer was read from it.
        super().__init__(
            keys,
            policy,
            max_size=sys.maxsize,
            absent_claims=absent_claims,
            grant_claims=issuer.grant_claims,
        )
        self.issuer = issuer
        self._rules = issuer
        self.published = keys
        self.trusted = trusted
        self._source = trusted.source
        self._clock = trusted.clock

    def is_current(self) -> bool:
        """Return whether the keys are still those of the issuer, and need not be fetched yet."""
        # This runs on each request with a foreign token, so it calls no other functions.
        source = self._source
        return source.settled_until > self._clock.monotonic() and source.keys is self.published

    def verify(self, token: str, now: float) -> VerifiedToken:
        """Verify *token*. Its ``sid`` is none of the application's sessions."""
        verified = super().verify(token, now)
        claims = verified.claims
        verified.sid = None
        verified.issuer = self._rules.name_of(claims["iss"])
        # It never equals an identity of the application, neither in the cache nor in a session.
        verified.identity = ForeignSubject(claims[self._rules.identity_claim], verified.issuer)
        return verified

    def _check(
        self, header: HeaderView, claims: ClaimsView, key: Key, now: float
    ) -> tuple[float, float]:
        _check_type(header, claims, self._rules)
        self._check_claims(claims, key)
        # Last, because a caller may accept a token that has nothing wrong but its date.
        return self.policy.check(claims, now)

    def _present(self, claims: Claims) -> Claims:
        claims = {**self._absent_claims, **claims}
        return {name: value for name, value in claims.items() if name not in OUR_CLAIMS}

    def _check_claims(self, claims: ClaimsView, key: Key) -> None:
        # Not split: one list of checks.
        issuer, iss = self._rules, claims.get("iss")
        # The token was chosen for this codec by the same claim; this is the verified one.
        if not self.trusted.is_issuer(iss):
            raise IssuerInvalid
        for name, accepted in issuer.values.items():
            if name not in claims:
                raise ClaimMissing(name)
            if claims[name] not in accepted:
                raise ClaimInvalid(f'The "{name}" claim is not accepted')
        if issuer.one_of and not any(name in claims for name in issuer.one_of):
            raise ClaimMissing(next(iter(issuer.one_of)))
        identity = claims.get(issuer.identity_claim)
        if isinstance(identity, bool) or not isinstance(identity, (str, int, type(None))):
            raise ClaimInvalid(f'The "{issuer.identity_claim}" claim must be a string')
        if identity == "":
            raise ClaimInvalid(f'The "{issuer.identity_claim}" claim is empty')
        if issuer.tenants:
            self._check_tenant(claims, key)
        if issuer.check is not None:
            self._check_with_application(issuer.check, claims)

    def _check_tenant(self, claims: ClaimsView, key: Key) -> None:
        """Check that ``iss``, ``tid`` and the issuer of the key name one accepted tenant."""
        issuer, tenant = self._rules, claims.get("tid")
        if not isinstance(tenant, str):
            raise ClaimMissing("tid")
        names = [template.replace("{tenant}", tenant) for template in issuer.tenants]
        if claims["iss"] not in names:
            raise ClaimInvalid('The "tid" claim is not that of the issuer')
        of_key = self.published.issuers.get(key)
        if of_key is not None and str(of_key).replace("{tenantid}", tenant) not in names:
            raise ClaimInvalid("The key is not for this tenant")
        if issuer.accept_tenant is not None and not issuer.accept_tenant(tenant):
            raise ClaimInvalid('The "tid" claim is not accepted')

    def _check_with_application(
        self, check: Callable[[Mapping[str, Any]], Any], claims: ClaimsView
    ) -> None:
        try:
            is_accepted = check(dict(claims))
        except TokenInvalid:
            raise
        except InvalidTokenError as error:
            raise TokenInvalid(str(error)) from error
        if not is_accepted:
            raise ClaimInvalid("The claims of this token are not accepted")


def _check_type(header: HeaderView, claims: ClaimsView, issuer: Issuer) -> None:
    """Reject tokens for other purposes."""
    typ = header.get("typ", "")
    if not isinstance(typ, str):
        raise ClaimInvalid('Invalid header: "typ" must be a string')
    typ = _normalize_type(typ)
    is_required = issuer.typ is None or typ == _normalize_type(issuer.typ)
    # A security event, such as that a user has logged out, has its content in "events" (RFC 8417
    # section 2.2), and may have no typ.
    if typ in OTHER_TYPES or not is_required or "events" in claims:
        raise ClaimInvalid("Tokens of this type are not accepted")
    for name in TYPE_CLAIMS:
        # If the application says which values it accepts, those count.
        if str(claims.get(name)).lower() in REFRESH_TYPES and name not in issuer.values:
            raise ClaimInvalid("Refresh tokens are not accepted")


def _normalize_type(typ: str) -> str:
    """Return a media type as it may be abbreviated (RFC 7515 section 4.1.9)."""
    return typ.lower().removeprefix("application/")


class TrustedIssuer(Listener):
    """Hold the keys of one issuer, and make codecs of them."""

    def __init__(self, issuer: Issuer, host: IssuerHost) -> None:
        self.issuer = issuer
        self.clock = host.clock
        self.fetched: Fetched | None = None
        """The response to the last request for the keys."""
        self._names = frozenset(issuer.names)
        self._algorithms = frozenset(alg for name in issuer.algorithms for alg in _alg_values(name))
        self._host = host
        self._codec: IssuerCodec | None = None
        first = None
        if issuer.jwks is not None:
            first = PublishedKeys.parse(issuer.jwks, tuple(issuer.algorithms))
        self.source: KeySource
        if first is not None and issuer.jwks_uri is None:
            self.source = FixedKeys(first)
        else:
            self.source = RemoteKeys(
                self.fetch, host.clock, host.get_timing, self, name=issuer.issuer, first=first
            )

    def is_issuer(self, iss: object) -> bool:
        """Return whether *iss* is the issuer, or that of one of its tenants."""
        return isinstance(iss, str) and (iss in self._names or self.issuer.matches(iss))

    def codec_for(self, header: HeaderView) -> IssuerCodec:
        """Return the codec for a token with this unverified *header*.

        The keys are fetched if they are too old, or if none of them is for the token.

        :raises TokenInvalid: if ``alg`` is not accepted
        :raises IssuerUnavailable: if the keys can't be fetched
        """
        check_header(header)
        algorithm, kid = header["alg"], header.get("kid")
        if algorithm not in self._algorithms:
            raise AlgorithmNotAllowed
        keys = self.source.get(lambda keys: bool(keys.candidates(algorithm, kid)))
        codec = self._codec
        if codec is None or codec.published is not keys:
            codec = self._codec = IssuerCodec(self, keys, self._host.absent_claims)
        return codec

    def fetch(self, timeout: float) -> FetchedKeys:
        """Fetch the keys, and the metadata that says where they are.

        :param timeout: seconds for all of it
        :raises FetchFailed: if there are no keys
        """
        issuer = self.issuer
        # Real time, because sockets have no other clock.
        deadline = time.monotonic() + timeout

        def fetch(url: str) -> Fetched:
            return issuer.fetch(url, deadline, issuer.ssl_context)

        uri = issuer.jwks_uri or discover_jwks_uri(issuer.issuer, fetch)
        self.fetched = fetched = fetch(uri)
        try:
            keys = PublishedKeys.parse(fetched.document, tuple(issuer.algorithms))
        except ValueError as error:
            raise FetchFailed(f"{uri.partition('?')[0]} is unusable: {error}") from None
        return FetchedKeys(keys, fetched.max_age)

    def keys_changed(self, **details: object) -> None:
        """Send the signal that the issuer has other keys."""
        self._host.notify("issuer_keys_changed", {"issuer": self.issuer.issuer, **details})

    def unavailable(self, **details: object) -> None:
        """Send the signal that the keys can't be fetched."""
        self._host.notify("issuer_unavailable", {"issuer": self.issuer.issuer, **details})


def _alg_values(name: str) -> tuple[str, ...]:
    """Return the values of ``alg`` that mean the algorithm *name* (RFC 9864)."""
    return ("EdDSA", "Ed25519") if ALGORITHMS[name].kty == "OKP" else (name,)


class Issuers:
    """Hold the issuers whose tokens an application accepts beside its own."""

    def __init__(self, host: IssuerHost) -> None:
        self._host = host
        self.all: tuple[TrustedIssuer, ...] = ()
        self._by_name: dict[str, TrustedIssuer] = {}
        self._open: tuple[TrustedIssuer, ...] = ()
        self._answers: Answers[TrustedIssuer] | None = None

    def __bool__(self) -> bool:
        return bool(self.all) or self._answers is not None

    @property
    def lookup(self) -> IssuerLookup | None:
        """Return the function of the application that finds issuers, if there is one."""
        return None if self._answers is None else self._answers.lookup

    def replace(self, issuers: Iterable[Issuer], own: str | None = None) -> None:
        """Set the issuers. Those that have not changed keep their keys.

        :param issuers: the issuers, or the function of the application that finds them
        :param own: the ``iss`` of the application's own tokens
        """
        self._replace_lookup(issuers if isinstance(issuers, IssuerLookup) else None, own)
        before = {one.issuer.issuer: one for one in self.all}
        trusted = [self._keep_or_create(issuer, before) for issuer in issuers]
        self._by_name = {name: one for one in trusted for name in one.issuer.names}
        self._open = tuple(one for one in trusted if one.issuer.accept_tenant is not None)
        self.all = tuple(trusted)
        for one in before.values():
            if one not in trusted:
                one.source.close()

    def _replace_lookup(self, lookup: IssuerLookup | None, own: str | None) -> None:
        before = self._answers
        if before is not None:
            if before.lookup == lookup and before.own == own:
                return
            before.close()
        self._answers = None
        if lookup is not None:
            trust = partial(TrustedIssuer, host=self._host)
            self._answers = Answers(lookup, own, self._host.clock, trust)

    def _keep_or_create(self, issuer: Issuer, before: Mapping[str, TrustedIssuer]) -> TrustedIssuer:
        same = before.get(issuer.issuer)
        is_unchanged = same is not None and same.issuer == issuer
        return same if same is not None and is_unchanged else TrustedIssuer(issuer, self._host)

    def find(self, iss: object) -> TrustedIssuer | None:
        """Return the issuer that *iss* names exactly, or None if it is none of them.

        :raises IssuerUnavailable: if the function that finds issuers raises an exception
        """
        if not isinstance(iss, str) or len(iss) > MAX_ISSUER_LENGTH:
            return None
        trusted = self._by_name.get(iss)
        if trusted is None and self._open:
            trusted = next((one for one in self._open if one.issuer.matches(iss)), None)
        if trusted is None and self._answers is not None:
            trusted = self._answers.find(iss)
        return trusted

    def codec_for(self, header: HeaderView, claims: ClaimsView) -> IssuerCodec | None:
        """Return the codec for a token, or None if none of the issuers has issued it.

        The claims aren't verified. They choose one codec, and there is no second try with another
        one (RFC 8725 section 3.8).

        :raises TokenInvalid: if the issuer doesn't use the algorithm in *header*
        :raises IssuerUnavailable: if the keys of the issuer can't be fetched
        """
        trusted = self.find(claims.get("iss"))
        return None if trusted is None else trusted.codec_for(header)


def find_conflicts(issuers: Iterable[Issuer], own: str | None) -> list[str]:
    """Return a message about each issuer that can't be distinguished from another.

    :param own: the ``iss`` of the application's own tokens
    """
    sentences: list[str] = []
    seen: set[str] = set()
    for issuer in issuers:
        if own is not None and (own in issuer.names or issuer.matches(own)):
            sentences.append(
                f"JWT_ISSUERS: {own!r} is JWT_ENCODE_ISSUER, the issuer of this application's own "
                "tokens; remove one of them"
            )
        sentences += [
            f"JWT_ISSUERS: {name!r} is there twice; write one Issuer with all its audiences"
            for name in issuer.names
            if name in seen
        ]
        seen.update(issuer.names)
    return sentences
