"""Find the URL of an issuer's keys, and check every URL before it is fetched.

A URL comes from the configuration, or from a document that was fetched from a URL of the
configuration. It never comes from a token.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from .fetch import Fetched, FetchFailed

MAX_ISSUER_LENGTH = 512


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return the URLs at which *issuer* may publish its metadata.

    First OpenID Connect Discovery 1.0 section 4, which appends a path to the issuer, then RFC 8414
    section 3, which inserts one after the host.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    host = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{host}{path}/.well-known/openid-configuration",
        f"{host}/.well-known/oauth-authorization-server{path}",
    )


def discover_jwks_uri(issuer: str, fetch: Callable[[str], Fetched]) -> str:
    """Return the URL of the keys of *issuer*, which is in its metadata.

    :param fetch: returns the document at a URL
    :raises FetchFailed: if there is no metadata, if it belongs to another issuer, or if the URL in
        it is not acceptable
    """
    first, second = metadata_urls(issuer)
    try:
        document = fetch(first).document
    except FetchFailed as error:
        if error.status is None or not 400 <= error.status < 500:
            raise
        try:
            document = fetch(second).document
        except FetchFailed as other:
            raise FetchFailed(f"{error}. Also tried: {other}", error.status) from None
    if not isinstance(document, Mapping):
        raise FetchFailed(f"The metadata of {issuer} is not a JSON object")
    _check_issuer(issuer, document.get("issuer"))
    uri = document.get("jwks_uri")
    if not isinstance(uri, str):
        raise FetchFailed(f"The metadata of {issuer} has no jwks_uri: write one in the Issuer")
    if (problem := find_url_problem(uri, issuer)) is not None:
        raise FetchFailed(f"The jwks_uri in the metadata of {issuer} {problem}")
    return uri


def _check_issuer(configured: str, published: object) -> None:
    """Reject metadata of another issuer (OpenID Connect Discovery 4.3, RFC 8414 section 3.3)."""
    if published == configured:
        return
    message = f"The metadata is that of issuer {published!r:.200}, but {configured!r} is configured"
    if isinstance(published, str) and published.rstrip("/") == configured.rstrip("/"):
        message += f". They differ in the trailing slash: write Issuer({published!r})"
    raise FetchFailed(message)


def find_url_problem(url: str, issuer: str | None = None) -> str | None:  # noqa: PLR0911
    """Return why *url* may not be fetched, or None if it may.

    :param issuer: the issuer in whose metadata the URL stands; None for a URL of the configuration
    """
    # Not split: one list of checks.
    try:
        parts = urlsplit(url)
        host, own = parts.hostname or "", urlsplit(issuer or url).hostname
        _ = parts.port  # raises ValueError if it is out of range
    except ValueError:
        return "is not a URL"
    if not (url.isascii() and url.isprintable() and " " not in url and host):
        return "is not a URL in ASCII"
    if parts.username is not None or parts.password is not None:
        return "contains a user name or a password"
    if parts.fragment:
        return "has a fragment"
    # An issuer on http:// was allowed by the configuration, for it and for its keys.
    schemes = ("https", "http") if urlsplit(issuer or "").scheme == "http" else ("https",)
    if issuer is not None and parts.scheme not in schemes:
        return "does not begin with https://"
    if issuer is not None and host != own and (is_ip_address(host) or is_loopback(host)):
        return "names an address instead of a host"
    return None


def is_ip_address(host: str) -> bool:
    """Return whether *host* is an IP address, in any of the forms that a resolver takes."""
    if ":" in host:
        return True
    try:
        socket.inet_aton(host.rstrip("."))  # takes 127.1, 0x7f000001 and 2130706433 too
    except (OSError, ValueError):
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether *host* is this computer."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name == "::1":
        return True
    try:
        return socket.inet_aton(name)[0] == 127
    except (OSError, ValueError):
        return False
