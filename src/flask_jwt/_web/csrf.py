"""Protect cookies from CSRF: reject requests that pages of other sites cause.

A browser sends this site's cookies even with such requests. But it adds headers that no page can
forge (``Sec-Fetch-Site``, ``Origin``). If they say that a page of this origin caused the request,
no other proof is needed. Otherwise, a request with one of the ``JWT_CSRF_METHODS`` must contain the
CSRF value of its token, in a header or a form field. Pages of other sites can't read this value.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import Request

from .._config.settings import Settings
from .._jose.encoding import b64encode
from ..errors import CsrfFailed, CsrfTokenMissing
from .header_hints import ORIGIN_DIFFERS


def csrf_value(token: str, claims: object) -> str:
    """Return the CSRF value of *token*.

    It is the token's ``csrf`` claim, as Flask-JWT-Extended issues it, or otherwise a digest of the
    token's session, or of the token if it has no session. The value is empty if the ``csrf`` claim
    is not a string; then every submitted value is rejected.
    """
    claims = claims if isinstance(claims, dict) else {}
    if "csrf" in claims:
        return claims["csrf"] if isinstance(claims["csrf"], str) else ""
    # The value is derived from the session rather than the token, so that a form in an open page
    # stays valid while the tokens are rotated. It is a digest, because scripts can read its cookie.
    bound_to = claims["sid"] if isinstance(claims.get("sid"), str) else token
    digest = hashlib.sha256(b"csrf\0" + bound_to.encode("utf-8", "surrogatepass")).digest()
    return b64encode(digest[:18])


def is_same_origin(request: Request) -> bool:
    """Return whether the browser says that this origin or the user caused *request*."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        # "none" means that the user caused the request, for example with a bookmark. "same-site"
        # means that another subdomain did, which may belong to someone else.
        return site in ("same-origin", "none")
    # Sec-Fetch-Site is missing if the browser is older than 2023, or over plain HTTP.
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        # Only the host is compared: behind a proxy that terminates TLS the request's scheme differs
        # from the page's.
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    # request.host is an empty string if Werkzeug rejects the host, for example because it contains
    # an underscore.
    return host != "" and host == request.host


def is_cross_origin(request: Request) -> bool:
    """Return whether the browser says that another origin caused *request*."""
    has_origin = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return has_origin and not is_same_origin(request)


def explain_origin(request: Request) -> str | None:
    """Return a hint for a request from another origin, in case a proxy makes it seem so."""
    # A browser that sends Sec-Fetch-Site has compared the origins itself.
    is_guess = "Sec-Fetch-Site" not in request.headers and is_cross_origin(request)
    return ORIGIN_DIFFERS if is_guess else None


def submitted_value(request: Request, settings: Settings, *, refresh: bool) -> str | None:
    """Return the CSRF value that *request* contains, or None if it doesn't need one.

    :param refresh: whether the request is authenticated by the refresh cookie
    :raises CsrfTokenMissing: if the request needs a CSRF value, and contains none
    """
    if not settings.csrf_protect or request.method not in settings.csrf_methods:
        return None
    if is_same_origin(request):
        return None
    token_type = "refresh" if refresh else "access"
    header = getattr(settings, f"{token_type}_csrf_header_name")
    field = getattr(settings, f"{token_type}_csrf_field_name")
    value = request.headers.get(header)
    if not value and settings.csrf_check_form:
        value = request.form.get(field)
    if value:
        return value
    cookie = getattr(settings, f"{token_type}_csrf_cookie_name")
    message = f"Missing CSRF token: send the header {header} with the value of the cookie {cookie}"
    if settings.csrf_check_form:
        message += f", or in a form the field {field}, which {{{{ jwt_csrf_field() }}}} writes"
    raise CsrfTokenMissing(message, hint=explain_origin(request))


def check_value(value: str, token: str, claims: object) -> None:
    """Compare *value* with the CSRF value of *token*, in constant time.

    :raises CsrfFailed: if the values differ
    """
    expected = csrf_value(token, claims)
    given = value.encode("utf-8", "surrogatepass")
    if not expected or not hmac.compare_digest(given, expected.encode("utf-8", "surrogatepass")):
        raise CsrfFailed(
            "Wrong CSRF token for this cookie: reload the page or read the cookie again"
        )
