"""Proof that a page of this application sent a cookie.

A browser sends cookies along with requests that other sites cause. It also says, in headers that no
page can forge, which site caused a request; ours needs no other proof. Where it doesn't say so, or
the page is of another origin that is ours too, a request that changes something repeats, in a
header or a form field, a value that belongs to its token, which other sites can't read.
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
    """The value that a request with *token* as a cookie has to repeat.

    It is the token's ``csrf`` claim, as Flask-JWT-Extended issues it, else a digest of its session,
    so that a form stays good while its tokens are renewed, or of the token; it tells nothing of
    either.
    """
    facts = claims if isinstance(claims, dict) else {}
    if "csrf" in facts:
        return facts["csrf"] if isinstance(facts["csrf"], str) else ""
    bound_to = facts["sid"] if isinstance(facts.get("sid"), str) else token
    digest = hashlib.sha256(b"csrf\0" + bound_to.encode("utf-8", "surrogatepass")).digest()
    return b64encode(digest[:18])


def is_same_origin(request: Request) -> bool:
    """Whether the browser says that a page of this origin, or its user, caused *request*."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    try:
        # The host only: behind a proxy that ends TLS we may not know our own scheme.
        host = urlsplit(origin).netloc
    except ValueError:
        return False
    # Werkzeug tells of a host that it can't read, such as my_app, as an empty text.
    return host != "" and host == request.host


def is_foreign(request: Request) -> bool:
    """Whether the browser says that another origin caused *request*."""
    says_so = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return says_so and not is_same_origin(request)


def submitted(request: Request, settings: Settings, *, refresh: bool) -> str | None:
    """What *request* repeats; None where nothing needs to be.

    :raises CsrfTokenMissing: if it doesn't, and has to
    """
    if not settings.csrf_protect or request.method not in settings.csrf_methods:
        return None
    if is_same_origin(request):
        return None
    kind = "refresh" if refresh else "access"
    header = getattr(settings, f"{kind}_csrf_header_name")
    field = getattr(settings, f"{kind}_csrf_field_name")
    value = request.headers.get(header)
    if not value and settings.csrf_check_form:
        value = request.form.get(field)
    if value:
        return value
    cookie = getattr(settings, f"{kind}_csrf_cookie_name")
    text = f"Missing CSRF token: send the header {header} with the value of the cookie {cookie}"
    if settings.csrf_check_form:
        text += f", or in a form the field {field}, which {{{{ jwt_csrf_field() }}}} writes"
    raise CsrfTokenMissing(text)


def check(value: str, token: str, claims: Any) -> None:
    """Refuse a *value* that isn't the *token*'s; compared in constant time.

    :raises CsrfFailed: if so
    """
    wanted = csrf_value(token, claims)
    given = value.encode("utf-8", "surrogatepass")
    if not wanted or not hmac.compare_digest(given, wanted.encode("utf-8", "surrogatepass")):
        raise CsrfFailed("The CSRF token is not the one that belongs to this cookie; read it again")
