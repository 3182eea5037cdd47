"""Proof that a page of this application sent a cookie: double submit, bound to the token.

A browser sends cookies along with requests that other sites cause. What other sites can't do is
read our cookies; so a request that changes something repeats, in a header or a form field, a value
that belongs to its token.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Request

from ._encoding import b64encode
from ._settings import Settings
from .errors import CsrfFailed, CsrfMissing


def csrf_value(token: str, claims: Any) -> str:
    """The value that a request with *token* as a cookie has to repeat.

    It is the token's ``csrf`` claim, as Flask-JWT-Extended issues it, else a digest of the token,
    which tells nothing about it.
    """
    if isinstance(claims, dict) and "csrf" in claims:
        return claims["csrf"] if isinstance(claims["csrf"], str) else ""
    return b64encode(hashlib.sha256(b"csrf\0" + token.encode()).digest()[:18])


def submitted(request: Request, settings: Settings, *, refresh: bool) -> str | None:
    """What *request* repeats; None where nothing needs to be.

    :raises CsrfMissing: if it doesn't, and has to
    """
    if not settings.csrf_protect or request.method not in settings.csrf_methods:
        return None
    kind = "refresh" if refresh else "access"
    header = getattr(settings, f"{kind}_csrf_header_name")
    value = request.headers.get(header)
    if not value and settings.csrf_check_form:
        value = request.form.get(getattr(settings, f"{kind}_csrf_field_name"))
    if value:
        return value
    cookie = getattr(settings, f"{kind}_csrf_cookie_name")
    raise CsrfMissing(
        f"Missing CSRF token: send the header {header} with the value of the cookie {cookie}"
    )


def check(value: str, token: str, claims: Any) -> None:
    """Refuse a *value* that isn't the *token*'s; compared in constant time.

    :raises CsrfFailed: if so
    """
    wanted = csrf_value(token, claims)
    given = value.encode("utf-8", "surrogatepass")
    if not wanted or not hmac.compare_digest(given, wanted.encode("utf-8", "surrogatepass")):
        raise CsrfFailed("The CSRF token is not the one that belongs to this cookie; read it again")
