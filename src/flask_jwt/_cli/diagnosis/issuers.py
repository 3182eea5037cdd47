"""Find out what is wrong with JWT_ISSUERS as far as it can be said without fetching anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..._issuers.issuer import Issuer
from ..._issuers.lookup import IssuerLookup
from ..._web.app_state import AppState
from ..._web.foreign_tokens import find_unknown_issuers
from ..issuers import GRAPH
from .findings import Finding, Kind
from .verifiers import WRITE, find_provider

#: The providers whose tokens have rules that an Issuer without the preset doesn't know.
_NEEDS_PRESET = {
    "cognito": "access tokens of Cognito have no aud, and its ID tokens are accepted",
    "entra": "version 1.0 of its tokens has another iss, and ID tokens are accepted",
    "clerk": "session tokens of Clerk have no aud",
    "okta": "ID tokens are accepted, and scopes are in the claim scp",
    "cloudflare": "its metadata doesn't name all keys, and tokens of the whole team are accepted",
}


def examine_issuers(state: AppState) -> Iterator[Finding]:
    """Yield the issuers that are trusted, and what is wrong with them."""
    issuers = state.settings.issuers
    if isinstance(issuers, IssuerLookup):
        text = f"the function {issuers.name} finds the issuer of each token; it isn't called here"
        yield Finding(Kind.works, "JWT_ISSUERS", text)
        return
    names = ", ".join(issuer.issuer for issuer in issuers)
    yield Finding(
        Kind.works, "JWT_ISSUERS", f"{names} (keys are fetched by flask jwt issuers check)"
    )
    for issuer in issuers:
        yield from _examine_issuer(issuer)
    for endpoint, name in find_unknown_issuers(state):
        text = f"the guard accepts tokens of the issuer {name}, which is none of JWT_ISSUERS"
        yield Finding(Kind.rejected, endpoint, text)


def _examine_issuer(issuer: Issuer) -> Iterator[Finding]:
    provider, where = find_provider(urlsplit(issuer.issuer).netloc), issuer.issuer
    has_slash = where.endswith("/")
    if provider == "auth0" and not has_slash:
        text = "the iss of Auth0 ends with a slash, so each of its tokens is rejected"
        yield Finding(Kind.rejected, where, text, f'Issuer("{where}/", …), or {WRITE["auth0"]}')
    elif provider not in ("auth0", "entra", None) and has_slash:
        text = "the iss of this provider has no slash at the end, so each token is rejected"
        yield Finding(Kind.rejected, where, text, WRITE[provider])
    elif provider in _NEEDS_PRESET and not _is_of_preset(issuer):
        yield Finding(Kind.differs, where, _NEEDS_PRESET[provider], WRITE[provider])
    if provider == "okta" and "/oauth2/" not in where:
        text = "tokens of Okta's org authorization server can be verified by Okta only"
        yield Finding(Kind.rejected, where, text, WRITE["okta"])
    yield from _examine_audience(issuer)
    for url in filter(None, (issuer.issuer, issuer.jwks_uri)):
        if issuer.insecure_http and url.startswith("http://"):
            text = "on http://, anyone in between can replace the keys"
            yield Finding(Kind.differs, url, text, "https://…, without insecure_http=True")
            break


def _is_of_preset(issuer: Issuer) -> bool:
    """Return whether the issuer has rules beside those of an Issuer without a preset."""
    return bool(issuer.values or issuer.tenants or "cid" in issuer.required or issuer.check)


def _examine_audience(issuer: Issuer) -> Iterator[Finding]:
    for audience in sorted(issuer.audiences or ()):
        if audience in GRAPH:
            text = "tokens for Microsoft Graph can be verified by Microsoft only"
            yield Finding(Kind.rejected, issuer.issuer, text, 'audience="api://…"')
        elif audience == "account" and re.search(r"/realms/[^/]+$", issuer.issuer):
            text = (
                "the audience account is that of Keycloak's own console, in most tokens of a realm"
            )
            yield Finding(
                Kind.differs, issuer.issuer, text, 'audience="…"  # the client of this API'
            )
        elif audience.rstrip("/") == issuer.issuer.rstrip("/"):
            text = (
                "the audience is the issuer itself; write the name that it has for this application"
            )
            yield Finding(Kind.differs, issuer.issuer, text)
