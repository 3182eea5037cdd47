"""Impersonate an issuer in tests, with real keys and without a network."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._jose.encoding import b64encode
from .._jose.keys import Key
from ..errors import ConfigError
from .fetch import Fetched, FetchFailed
from .issuer import ANY_AUDIENCE, AnyAudience, Issuer
from .presets import PRESETS, expand

if TYPE_CHECKING:
    import ssl

_PARAMETERS = {"client_id": "client", "authorized_parties": "https://app.test", "client": "client"}
_TENANT = "11111111-2222-3333-4444-555555555555"


class FakeIssuer:
    """Issue tokens in a test as an identity provider does.

    Put :attr:`issuer` into ``JWT_ISSUERS``, and send the header that :meth:`headers` returns::

        idp = FakeIssuer("https://idp.test", audience="api")
        app.config["JWT_ISSUERS"] = [idp.issuer]
        client.get("/orders", headers=idp.headers("joe", scope="read"))

    :param issuer: the issuer, or the :class:`~flask_jwt.Issuer` of the application, whose tokens
        are to be imitated
    :param audience: the audience of the tokens
    :param like: the name of a preset, such as ``"cognito"``, whose tokens are to be imitated
    :param algorithm: the algorithm of the keys; by default one of the issuer's
    :param clock: returns the time at which tokens are issued, such as the clock of :func:`freeze`
    :raises ConfigError: if *like* is not the name of a preset
    """

    def __init__(
        self,
        issuer: str | Issuer = "https://idp.test",
        *,
        audience: str = "api",
        like: str | None = None,
        algorithm: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(issuer, str):
            issuer = _make_issuer(issuer, audience, like)
        algorithms = tuple(issuer.algorithms)
        if algorithm is None:
            # Creating a key for ES256 takes almost no time; one for RS256 takes a part of a second.
            algorithm = "ES256" if "ES256" in algorithms else algorithms[0]
        self._algorithm = algorithm
        self.now = clock
        self._failure: str | None = None
        self._keys: list[Key] = []
        self._generation = 0
        self.requests = 0
        """The number of documents that were fetched."""
        self.issuer = dataclasses.replace(issuer, jwks=None, fetch=self._fetch)
        """The issuer as the application has to trust it."""
        self.rotate()

    def __repr__(self) -> str:
        return f"<FakeIssuer {self.issuer.issuer}>"

    def rotate(self, *, keep: bool = False) -> None:
        """Sign with a new key from now on.

        :param keep: publish the old keys beside it, so that their tokens stay valid
        """
        self._generation += 1
        key = Key.generate(self._algorithm, kid=f"key-{self._generation}")
        self._keys = [key, *(self._keys if keep else [])]

    def down(self, reason: str = "the test has shut it down") -> None:
        """Let every request for the keys fail from now on."""
        self._failure = reason

    def up(self) -> None:
        """Respond to requests for the keys again."""
        self._failure = None

    def headers(self, sub: str = "joe", **claims: Any) -> dict[str, str]:
        """Return the request header with an access token.

        :param sub: the subject
        :param claims: claims that replace or add to those of the issuer; None removes one
        """
        return {"Authorization": f"Bearer {self.token(sub, **claims)}"}

    def token(self, sub: str = "joe", **claims: Any) -> str:
        """Return a token as :meth:`headers` does."""
        return self.sign({**self.claims(sub), **claims})

    def claims(self, sub: str = "joe") -> dict[str, Any]:
        """Return the claims of a token of this issuer, with those that it has to have."""
        issuer, now = self.issuer, int(self.now())
        claims = {"iss": issuer.issuer, "iat": now, "exp": now + 3600}
        claims.update(dict.fromkeys(issuer.required, "x"), **claims)
        claims.update(dict.fromkeys(tuple(issuer.one_of)[:1], "client"))
        if not isinstance(issuer.audience, AnyAudience):
            claims["aud"] = next(iter(issuer.audience))
        claims.update({claim: next(iter(accepted)) for claim, accepted in issuer.values.items()})
        if "auth_time" in claims:
            claims["auth_time"] = now
        if issuer.tenants:
            claims["tid"] = issuer.issuer.split("/")[3]
            if issuer.accept_tenant is not None:
                claims["tid"] = _TENANT
                claims["iss"] = next(iter(issuer.tenants)).format(tenant=_TENANT)
        return {**claims, "sub": sub, issuer.identity_claim: sub}

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Return a token with exactly these claims; those that are None are left out.

        :param header: parameters that replace or add to those of the header
        """
        key = self._keys[0]
        parameters = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
        message = ".".join(
            b64encode(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
            for part in (parameters, claims)
        )
        return f"{message}.{b64encode(key.sign(message.encode()))}"

    def jwks(self) -> dict[str, Any]:
        """Return the key set that the issuer publishes."""
        return {"keys": [key.public_jwk() for key in self._keys]}

    def _fetch(self, url: str, deadline: float, context: ssl.SSLContext | None) -> Fetched:  # noqa: ARG002
        self.requests += 1
        if self._failure is not None:
            raise FetchFailed(self._failure)
        if "/.well-known/o" in url:
            issuer = self.issuer.issuer
            return Fetched({"issuer": issuer, "jwks_uri": f"{issuer.rstrip('/')}/jwks"})
        return Fetched(self.jwks())


def _make_issuer(issuer: str, audience: str, like: str | None) -> Issuer:
    """Return an issuer with the rules of the preset *like*."""
    if like is None:
        return Issuer(issuer, audience=audience)
    if like not in PRESETS:
        raise ConfigError(f"FakeIssuer: like must be one of {', '.join(PRESETS)}")
    row = PRESETS[like]._replace(issuer=issuer, aliases=(), jwks_uri=f"{issuer.rstrip('/')}/jwks")
    arguments: dict[str, Any] = expand(row, _PARAMETERS)
    names_party = bool({"client_id", "azp"} & row.values.keys())
    return Issuer(audience=ANY_AUDIENCE if names_party else audience, **arguments)
