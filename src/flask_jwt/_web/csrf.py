"""Check that a page of this application caused a request that is authenticated by a cookie.

A browser also sends cookies with requests that other sites cause. It states the site in headers
that no page can forge (``Sec-Fetch-Site``, ``Origin``); a request from this origin needs no other
proof. Any other request that may change something (``JWT_CSRF_METHODS``) has to repeat a value that
belongs to its token, in a header or a form field. Pages of other sites can't read this value.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from flask import Request

from .._config.settings import Settings
from .._jose.encoding import b64encode
from ..errors import CsrfFailed, CsrfTokenMissing


def csrf_value(token: str, claims: Any) -> str:
    """Return the value that a request with *token* in a cookie has to repeat.

    It is the token's ``csrf`` claim, as Flask-JWT-Extended issues it, or otherwise a digest of the
    token's session, or of the token if it has no session. The value is empty if the ``csrf`` claim
    is not a string; then no request can repeat it.
    """
    claims = claims if isinstance(claims, dict) else {}
    if "csrf" in claims:
        return claims["csrf"] if isinstance(claims["csrf"], str) else ""
    # Bound to the session rather than the token, so that a form in an open page stays valid while
    # the tokens are rotated. A digest, because the cookie it is in can be read by scripts.
    bound_to = claims["sid"] if isinstance(claims.get("sid"), str) else token
    digest = hashlib.sha256(b"csrf\0" + bound_to.encode("utf-8", "surrogatepass")).digest()
    return b64encode(digest[:18])


def is_same_origin(request: Request) -> bool:
    """Return whether the browser states that this origin, or its user, caused *request*."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        # "same-site" is another origin: any subdomain, which may belong to someone else.
        return site in ("same-origin", "none")
    # Browsers from before 2023 send no Sec-Fetch-Site, and none sends it over plain HTTP.
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        # Only the host is compared: behind a proxy that terminates TLS the request's scheme differs
        # from the page's.
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    # Werkzeug returns an empty string for a host that it rejects, such as my_app.
    return host != "" and host == request.host


def is_cross_origin(request: Request) -> bool:
    """Return whether the browser states that another origin caused *request*."""
    has_origin = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return has_origin and not is_same_origin(request)


def submitted_value(request: Request, settings: Settings, *, refresh: bool) -> str | None:
    """Return the value that *request* repeats, or None if it doesn't need to.

    :param refresh: whether the request is authenticated by the refresh cookie
    :raises CsrfTokenMissing: if the request has to repeat the value, and doesn't
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
    raise CsrfTokenMissing(message)


def check_value(value: str, token: str, claims: Any) -> None:
    """Reject a *value* other than the one that belongs to *token*, comparing in constant time.

    :raises CsrfFailed: if the values differ
    """
    expected = csrf_value(token, claims)
    given = value.encode("utf-8", "surrogatepass")
    if not expected or not hmac.compare_digest(given, expected.encode("utf-8", "surrogatepass")):
        raise CsrfFailed("The CSRF token is not the one that belongs to this cookie; read it again")
