"""Explain what is wrong with an ``Authorization`` or an ``Origin`` header, for the ``hint`` of an
error."""

from __future__ import annotations

from collections.abc import Sequence

from .._jose.malformed import explain_malformed

#: Schemes that may be named in a message. Any other first word may be a part of a token.
_SCHEMES = {
    "apikey": "ApiKey", "api-key": "Api-Key", "basic": "Basic", "bearer": "Bearer",
    "digest": "Digest", "dpop": "DPoP", "jwt": "JWT", "negotiate": "Negotiate", "oauth": "OAuth",
    "token": "Token",
}  # fmt: skip
#: Also typographic ones, as they arrive: WSGI decodes the bytes as Latin-1.
_QUOTES = ('"', "'", "`", "&quot;", "\xab", "\xbb", "\xe2\x80", "\xc2\xab", "\xc2\xbb")
_SEPARATORS = ":=,;-_/"

ONLY_A_SCHEME = "The header has a scheme and no token: the client's variable for the token is empty"
ORIGIN_DIFFERS = (
    "The browser says that a page of another host sent this request. If it was a page of this "
    "application, a proxy has changed the Host header. Let the proxy pass it on (nginx: "
    "proxy_set_header Host $http_host), or have it send X-Forwarded-Host and set app.wsgi_app = "
    "ProxyFix(app.wsgi_app, x_host=1), of werkzeug.middleware.proxy_fix. If it was a page of "
    "yours on another origin, add that origin to JWT_CSRF_TRUSTED_ORIGINS"
)
OTHER_ORIGIN = (
    "The browser says that a page of another origin sent this request. If that page is yours, "
    "allow its origin, as it stands in the Origin header: "
    'JWT_CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]'
)


def explain_scheme(value: str, prefixes: Sequence[str]) -> str:
    """Return what to send instead of the header *value*, which has no accepted scheme.

    :param prefixes: the accepted schemes in lower case, the first of which is not empty
    """
    accepted = _name_accepted(prefixes)
    wanted = f"Send: {accepted} <token>"
    words = value.split()
    first = words[0] if words else ""
    if first.startswith(_QUOTES):
        return f"The value of the header is in quotation marks. {wanted}"
    if any(first.lower().startswith(prefix) for prefix in prefixes):
        return f"There must be one blank, and nothing else, after the scheme. {wanted}"
    if name := _SCHEMES.get(first.rstrip(_SEPARATORS).lower()):
        return f"This application expects the scheme {accepted}, not {name}. {wanted}"
    if len(words) == 1:
        return (
            f"The header has no scheme. {wanted}. Swagger UI adds it if the security scheme has "
            f'the type "http" and the scheme "bearer"; with the type "apiKey", write '
            f'"{accepted} " before the token'
        )
    return f"This application expects the scheme {accepted}. {wanted}"


def explain_words(words: Sequence[str], prefixes: Sequence[str]) -> str | None:
    """Return what is wrong with the *words* after the scheme, of which there are several."""
    if words[0].rstrip(_SEPARATORS).lower() in _SCHEMES:
        if prefixes[0] == "":
            return "This application expects the token alone, without a scheme (JWT_HEADER_TYPE)"
        return (
            "The header has two schemes. The client adds one itself, so write none into the token"
        )
    return explain_malformed(" ".join(words))


def _name_accepted(prefixes: Sequence[str]) -> str:
    """Return the scheme to name; RFC 6750's if several are accepted."""
    prefix = "bearer" if "bearer" in prefixes else prefixes[0]
    return _SCHEMES.get(prefix, prefix)
