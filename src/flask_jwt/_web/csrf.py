"""Protect cookies from CSRF: reject requests that pages of other sites cause.

A browser sends this site's cookies even with such requests. But it adds headers that no page can
forge (``Sec-Fetch-Site``, ``Origin``). If they say that a page of this origin caused the request,
no other proof is needed. Otherwise, a request with one of the ``JWT_CSRF_METHODS`` must contain the
CSRF value of its token, in a header or a form field. Pages of other sites can't read this value.
A websocket always needs the first proof, because a page can't add headers to it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal
from urllib.parse import urlsplit

from flask import Request, session

from .._config.settings import Settings
from .._jose.encoding import b64encode
from ..errors import CsrfFailed, CsrfTokenMissing
from .header_hints import ORIGIN_DIFFERS, OTHER_ORIGIN


def csrf_value(token: str, claims: object) -> str:
    """Return the CSRF value of *token*.

    It is the token's ``csrf`` claim: the random value of its session, or Flask-JWT-Extended's of
    the token. A native token without a session has none, and its value is a digest of the token.
    The value is empty if the ``csrf`` claim is not a string; then every submitted value is
    rejected.
    """
    claims = claims if isinstance(claims, dict) else {}
    if "csrf" in claims:
        return claims["csrf"] if isinstance(claims["csrf"], str) else ""
    # Sessions that an earlier version started have no random value, but a digest of their sid.
    bound_to = claims["sid"] if isinstance(claims.get("sid"), str) else token
    digest = hashlib.sha256(b"csrf\0" + bound_to.encode("utf-8", "surrogatepass")).digest()
    return b64encode(digest[:18])


def is_websocket(request: Request) -> bool:
    """Return whether *request* is a handshake, whose response is replaced by the server's."""
    environ = request.environ
    if "wsgi.websocket" in environ:
        return True
    upgrade: str | None = environ.get("HTTP_UPGRADE")
    if upgrade is None:  # the common case
        return False
    return any(protocol.strip().lower() == "websocket" for protocol in upgrade.split(","))


CsrfProof = Literal["trusted-origin", "sec-fetch-site", "origin", "token"]
"""What proves that a page of this application, or of a trusted origin, sent a request."""


def is_same_origin(request: Request, settings: Settings) -> bool:
    """Return whether the browser states that this origin or the user caused *request*.

    The ``JWT_CSRF_TRUSTED_ORIGINS`` count as this origin.
    """
    return find_origin_proof(request, settings) is not None


def find_origin_proof(request: Request, settings: Settings) -> CsrfProof | None:
    """Return what proves that this origin or the user caused *request*, or None."""
    if is_of_trusted_origin(request, settings):
        return "trusted-origin"
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        # "none" means that the user caused the request, for example with a bookmark. "same-site"
        # means that another subdomain did, which may belong to someone else.
        return "sec-fetch-site" if site in ("same-origin", "none") else None
    # Sec-Fetch-Site is missing if the browser is older than 2023, or over plain HTTP.
    origin = request.headers.get("Origin")
    return "origin" if origin is not None and _is_own(origin, request) else None


def find_proof(request: Request, settings: Settings) -> CsrfProof | None:
    """Return what has proved that a page of this application sent *request*.

    *request* has been accepted by a token in a cookie.

    :returns: None if its method needs no proof
    """
    if not settings.csrf_protect:
        return None
    if is_websocket(request):  # whose handshake has no CSRF value
        return find_origin_proof(request, settings)
    if request.method not in settings.csrf_methods:
        return None
    return find_origin_proof(request, settings) or "token"


def is_of_trusted_origin(request: Request, settings: Settings) -> bool:
    """Return whether a page of one of the ``JWT_CSRF_TRUSTED_ORIGINS`` caused *request*."""
    return request.headers.get("Origin") in settings.csrf_trusted_origins


def _is_own(origin: str, request: Request) -> bool:
    try:
        scheme, host, *_ = urlsplit(origin)
    except ValueError:
        return False
    # Anyone on the network can write the page of an http origin. But a page of an https origin may
    # send what arrives here as http, behind a proxy that terminates TLS.
    is_secure = scheme == "https" or (scheme == "http" and request.scheme not in ("https", "wss"))
    # request.host is an empty string if Werkzeug rejects the host, for example because it contains
    # an underscore.
    return is_secure and host != "" and host == request.host


def is_cross_origin(request: Request, settings: Settings) -> bool:
    """Return whether the browser says that another origin caused *request*."""
    has_origin = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return has_origin and not is_same_origin(request, settings)


def explain_origin(request: Request, settings: Settings) -> str | None:
    """Return a hint for a request from another origin, in case its page should be allowed."""
    if not is_cross_origin(request, settings):
        return None
    # A browser that sends Sec-Fetch-Site has compared the origins itself. Else a proxy may have
    # changed the host that Origin is compared with.
    return OTHER_ORIGIN if "Sec-Fetch-Site" in request.headers else ORIGIN_DIFFERS


def needs_value(request: Request, settings: Settings, *, refresh: bool) -> bool:
    """Return whether *request*, if it is authenticated by a cookie, must contain a CSRF value.

    It is called before the token is verified, so it doesn't read the form.

    :param refresh: whether the request is authenticated by the refresh cookie
    :raises CsrfTokenMissing: if the request must contain a value, but has no header with it and no
        form that could contain it
    :raises CsrfFailed: if a page of another origin opens a websocket. Pages read from and write to
        websockets of other origins, and can't add a header to the handshake
    """
    if not settings.csrf_protect:
        return False
    if is_websocket(request) and is_cross_origin(request, settings):
        raise CsrfFailed(
            "This websocket was opened by a page of another origin",
            hint=explain_origin(request, settings),
        )
    if request.method not in settings.csrf_methods or is_same_origin(request, settings):
        return False
    may_be_in_form = settings.csrf_check_form and request.mimetype in FORMS
    if not may_be_in_form and not get_header_value(request, settings, refresh=refresh):
        raise _missing_value(request, settings, refresh)
    return True


FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def get_header_value(request: Request, settings: Settings, *, refresh: bool) -> str | None:
    """Return the CSRF value in the header of *request*."""
    return request.headers.get(_option(settings, "csrf_header_name", refresh))


def check_request(
    request: Request, settings: Settings, token: str, claims: object, *, refresh: bool
) -> None:
    """Compare the CSRF value in *request* with the one of its verified *token*.

    A form is read here, after the token was verified: an upload takes long to read, and anyone can
    send one.

    :raises CsrfFailed: if the values differ
    :raises CsrfTokenMissing: if the request contains no value
    """
    value = get_header_value(request, settings, refresh=refresh)
    if not value and settings.csrf_check_form:
        value = request.form.get(_option(settings, "csrf_field_name", refresh))
    if not value:
        raise _missing_value(request, settings, refresh)
    check_value(value, token, claims)


def came_in_cookie(request: Request, token: str) -> bool:
    """Return whether *token*, which a handler of the application has found, is from a cookie.

    It is not if the request also contains it elsewhere, because other sites can't read it.
    """
    if token not in request.headers.get("Cookie", "") and token not in session.values():
        return False
    others = [value for name, value in request.headers if name.lower() != "cookie"]
    return not any(token in value for value in [*others, request.query_string.decode("latin-1")])


def _missing_value(request: Request, settings: Settings, refresh: bool) -> CsrfTokenMissing:
    header = _option(settings, "csrf_header_name", refresh)
    cookie = _option(settings, "csrf_cookie_name", refresh)
    message = f"Missing CSRF token: send the header {header} with the value of the cookie {cookie}"
    if settings.csrf_check_form and not request.is_json:
        field = _option(settings, "csrf_field_name", refresh)
        message += f", or in a form the field {field}, which {{{{ jwt_csrf_field() }}}} writes"
    return CsrfTokenMissing(message, hint=explain_origin(request, settings))


def _option(settings: Settings, name: str, refresh: bool) -> str:
    value: str = getattr(settings, f"{'refresh' if refresh else 'access'}_{name}")
    return value


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
