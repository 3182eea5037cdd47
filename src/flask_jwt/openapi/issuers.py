"""Describe tokens of other issuers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config.settings import Settings
from .._web.guarded_views import GuardOptions
from .document import JSONObject

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer


def list_issuers(settings: Settings, guard: GuardOptions) -> list[Issuer]:
    """Return the other issuers whose tokens a guard accepts."""
    if guard.refresh:
        return []
    return [issuer for issuer in settings.issuers if _accepts(guard, issuer)]


def _accepts(guard: GuardOptions, issuer: Issuer) -> bool:
    if guard.issuers is None or issuer in guard.issuers:
        return True
    names = {issuer.name_of(name) for name in issuer.names}
    return any(
        isinstance(name, str) and (name in names or issuer.matches(name)) for name in guard.issuers
    )


def accepts_own_tokens(settings: Settings, guard: GuardOptions) -> bool:
    """Return whether a guard accepts tokens of the application itself."""
    return guard.issuers is None or settings.encode_issuer in guard.issuers


def may_fetch_keys(settings: Settings) -> bool:
    """Return whether keys of some issuer are fetched, which may fail."""
    if not isinstance(settings.issuers, tuple):
        return True  # a function finds the issuers, so none is known here
    return any(map(fetches_keys, settings.issuers))


def fetches_keys(issuer: Issuer) -> bool:
    """Return whether keys of *issuer* are fetched, which may fail."""
    return issuer.jwks is None or issuer.jwks_uri is not None


def describe_issuer(issuer: Issuer) -> JSONObject | None:
    """Return the security scheme of an issuer, or None if its metadata has no URL."""
    # Imported here, so that applications without other issuers don't load their modules.
    from .._issuers.discovery import metadata_urls

    if "://" not in issuer.issuer or not fetches_keys(issuer):
        return None
    return {
        "type": "openIdConnect",
        "openIdConnectUrl": metadata_urls(issuer.issuer)[0],
        "description": f"An access token of {issuer.issuer}",
    }
