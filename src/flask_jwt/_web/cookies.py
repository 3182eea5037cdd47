"""Set, read and delete tokens in cookies, and the CSRF values beside them."""

from __future__ import annotations

import json
import logging
from inspect import signature
from typing import Any
from urllib.parse import urlsplit

from flask import Request, Response, has_request_context, request
from markupsafe import Markup
from werkzeug.http import dump_cookie

from .._config.settings import Settings
from ..errors import ConfigError, TokenMalformed
from .app_state import AppState
from .caching import note_headers, note_user_data
from .context import app_state, get_jwt_request_location, request_state
from .csrf import CsrfProof, check_value, csrf_value, find_proof
from .responses import rendering_errors

logger = logging.getLogger("flask_jwt")

_MOST_COOKIES = 10
"""How many cookies of one name are read, because each of them takes a signature verification."""


def set_access_cookies(
    response: Response,
    encoded_access_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Set the cookies of an access token on *response*.

    One cookie holds the token and is ``HttpOnly``, so that scripts can't read it. The other one
    holds the CSRF value, which scripts read and send in a header::

        @app.post("/log-in")
        def log_in():
            user = jwt.authenticate(request.form["username"], request.form["password"])
            response = redirect("/")
            set_access_cookies(response, create_access_token(user))
            return response

    :param max_age: seconds; default: until the browser is closed, or a year with
        ``JWT_SESSION_COOKIE = False``
    :param domain: default ``JWT_COOKIE_DOMAIN``
    :raises TokenMalformed: if *encoded_access_token* is not a token
    :raises ConfigError: in the native profile, if the cookie would be too large for browsers
    """
    _report_size("access", encoded_access_token)
    _set("access", response, encoded_access_token, max_age=max_age, domain=domain)


def set_refresh_cookies(
    response: Response,
    encoded_refresh_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Set the cookies of a refresh token on *response*, as :func:`set_access_cookies` does."""
    _report_size("refresh", encoded_refresh_token)
    _set("refresh", response, encoded_refresh_token, max_age=max_age, domain=domain)


def unset_access_cookies(response: Response, domain: str | None = None) -> None:
    """Delete the cookies that :func:`set_access_cookies` has set, given the same *domain*.

    The token itself stays valid until it expires; to reject it earlier, revoke its session.
    """
    _unset("access", response, domain or app_state().settings.cookie_domain)


def unset_refresh_cookies(response: Response, domain: str | None = None) -> None:
    """Delete the cookies that :func:`set_refresh_cookies` has set, given the same *domain*."""
    _unset("refresh", response, domain or app_state().settings.cookie_domain)


def unset_jwt_cookies(response: Response, domain: str | None = None) -> None:
    """Delete all cookies of this package."""
    unset_access_cookies(response, domain)
    unset_refresh_cookies(response, domain)


def unset_host_only_cookies(response: Response) -> None:
    """Delete the cookies that were set while there was no ``JWT_COOKIE_DOMAIN``.

    For a browser they are others than those with a domain, so it sends both. Without the option,
    this does nothing.
    """
    if app_state().settings.cookie_domain is not None:
        _unset("access", response, None)
        _unset("refresh", response, None)


def get_cookies(request: Request, name: str) -> list[str]:
    """Return the values of all cookies of this name, in the order of the header.

    There may be several, which differ in their domain or path (RFC 6265 section 5.4).
    """
    values = dict.fromkeys(filter(None, request.cookies.getlist(name)))
    return list(values)[:_MOST_COOKIES]


def get_csrf_token(encoded_token: str) -> str:
    """Return the CSRF value that a request needs if it sends this token in a cookie.

    :raises TokenMalformed: if *encoded_token* is not a token
    """
    state = app_state()
    with rendering_errors(state):
        return _get_csrf_token(state, encoded_token)


def _get_csrf_token(state: AppState, encoded_token: str) -> str:
    _, claims = state.codecs.decode_unverified(encoded_token)
    return csrf_value(encoded_token, claims)


def check_csrf_token(encoded_token: str, value: str) -> None:
    """Compare *value* with the one that :func:`get_csrf_token` returns, in constant time.

    :raises CsrfFailed: if the values differ
    """
    state = app_state()
    with rendering_errors(state):
        _, claims = state.codecs.decode_unverified(encoded_token)
        check_value(value, encoded_token, claims)


def get_csrf_proof() -> CsrfProof | None:
    """Return what proved that a page of this application sent the current request.

    It shows what the guard has relied on, for example behind a proxy that removes headers::

        @app.post("/orders")
        @jwt_required()
        def add_order():
            app.logger.info("CSRF proof: %s", get_csrf_proof())
            return {"order": 1}

    :returns: ``"trusted-origin"``, ``"sec-fetch-site"``, ``"origin"``, or ``"token"`` for a CSRF
        token in a header or a form; None if no proof was needed: the token isn't from a cookie, or
        the method changes nothing
    """
    if get_jwt_request_location() != "cookies":
        return None
    return find_proof(request, app_state().settings)


def jwt_csrf_token() -> str:
    """Return the CSRF value for the current request's access cookie; empty if there is none.

    If the response brings a new access cookie, the value is for the new one.
    """
    state, current = app_state(), request_state()
    note_headers(request, "Cookie")
    token = request.cookies.get(state.settings.access_cookie_name, "")
    if current is not None and current.renewal is not None:
        token = current.renewal.access_token
    elif current is not None and current.cookie is not None:
        token = current.cookie
    try:
        value = _get_csrf_token(state, token)
    except TokenMalformed:
        return ""
    note_user_data(request)
    return value


def jwt_csrf_field() -> Markup:
    """Return the hidden field for a form: ``{{ jwt_csrf_field() }}`` in a template."""
    name = app_state().settings.access_csrf_field_name
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(name, jwt_csrf_token())


def check_cookies(state: AppState) -> None:
    """Report cookies that can't work with this application, when it starts.

    :raises ConfigError: if Werkzeug has no partitioned cookies; in the native profile, also if a
        cookie has the name of Flask's session cookie
    """
    settings, interface = state.settings, state.app.session_interface
    if settings.cookie_partitioned and "partitioned" not in signature(dump_cookie).parameters:
        raise ConfigError("JWT_COOKIE_PARTITIONED needs Werkzeug 3.1: pip install -U Werkzeug")
    name = interface.get_cookie_name(state.app)
    options = settings.find_cookies_named(name, interface.get_cookie_path(state.app))
    if not options or "cookies" not in settings.locations:
        return
    message = (
        f"{options[0]} is {name!r}, and so is SESSION_COOKIE_NAME: as soon as flask.session "
        "changes, it replaces the token; write another name"
    )
    if state.profile.rejects_unusable_cookies:
        raise ConfigError(f"Invalid configuration:\n  {message}")
    state.notices.warn(message)


def set_cookies(
    response: Response,
    access_token: str | None,
    refresh_token: str | None,
    remember: bool | None = None,
) -> None:
    """Set the cookies of the tokens that were just issued.

    :param remember: whether they outlast the browser; the claim of a refresh token takes precedence
    """
    if refresh_token is not None:
        _, claims = app_state().codecs.decode_unverified(refresh_token)
        remember = claims.get("remember")
    for token_type, token in ("access", access_token), ("refresh", refresh_token):
        if token is not None:
            _set(token_type, response, token, remember=remember)


def report_sizes(access_token: str, refresh_token: str | None, *, can_reject: bool = True) -> None:
    """Report tokens that are too large for cookies.

    :param can_reject: False: only log it
    :raises ConfigError: in the native profile
    """
    _report_size("access", access_token, can_reject=can_reject)
    if refresh_token is not None:
        _report_size("refresh", refresh_token, can_reject=can_reject)


_LARGEST_COOKIE = 4096
"""Bytes of the name and the value of a cookie. Browsers ignore larger ones (RFC 6265bis 5.6)."""


def _report_size(token_type: str, token: str, *, can_reject: bool = True) -> None:
    state = app_state()
    name = getattr(state.settings, f"{token_type}_cookie_name")
    size = len(name) + len(token)
    if size <= _LARGEST_COOKIE:
        return
    claim, claim_size = _find_largest_claim(state, token)
    message = (
        f"The cookie {name} would have {size} bytes, and browsers ignore cookies of more than "
        f"{_LARGEST_COOKIE}. The largest claim of its token is {claim!r}, of {claim_size} bytes; "
        "leave it out, and look it up in the view instead"
    )
    if can_reject and state.profile.rejects_unusable_cookies:
        raise ConfigError(message)
    # The size differs in each token.
    if state.notices.first_time(f"too large: {name}"):
        logger.warning("%s", message)


def _find_largest_claim(state: AppState, token: str) -> tuple[str, int]:
    """Return the name and the size of the largest claim of *token*."""
    claims = state.codecs.decode_unverified(token)[1]
    if isinstance(claims.get("payload"), dict):  # of a session's refresh token
        claims = {**claims, **claims.pop("payload")}
    sizes = {name: len(json.dumps(value)) for name, value in claims.items()}
    return max(sizes.items(), key=lambda item: item[1])


_A_YEAR = 31_540_000  # seconds; Flask-JWT-Extended's number


def _set(
    token_type: str,
    response: Response,
    token: str,
    *,
    max_age: int | None = None,
    domain: str | None = None,
    remember: bool | None = None,
) -> None:
    state = app_state()
    settings = state.settings
    _report_transport(state)
    if remember is None:
        remember = not settings.session_cookie
    if max_age is None and remember:
        max_age = _A_YEAR
    own = settings.cookie_domain or ""
    if domain and domain.lstrip(".") != own.lstrip(".") and state.sessions is not None:
        state.notices.warn(
            f"The tokens of a session were set as cookies with the argument domain={domain!r}, but "
            "the guard renews them, and the logout deletes them, with JWT_COOKIE_DOMAIN = "
            f"{settings.cookie_domain!r}: so the browser would keep both. Set "
            f"JWT_COOKIE_DOMAIN = {domain!r}, and leave the argument out."
        )
    csrf_token = get_csrf_token(token)
    if settings.csrf_protect and not csrf_token:
        raise ConfigError(
            "This token can't be used in a cookie: its csrf claim must be a non-empty string"
        )
    for name, path, value, is_secret in _list_cookies(state, token_type, token, csrf_token):
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            domain=domain or settings.cookie_domain,
            path=path,
            httponly=is_secret,
            **_attributes(settings),
        )
    # A shared cache would log other users in as this one.
    response.headers["Cache-Control"] = "no-store"


def _attributes(settings: Settings) -> dict[str, Any]:
    """Return the attributes that all cookies have in common, also those that delete cookies."""
    attributes = {"secure": settings.cookie_secure, "samesite": settings.cookie_samesite}
    if settings.cookie_partitioned:  # Werkzeug 3.0 has no such argument
        attributes["partitioned"] = True
    return attributes


def _report_transport(state: AppState) -> None:
    """Report cookies that anyone on the network can read, or that the browser doesn't keep."""
    if not state.settings.cookie_secure:
        if not (state.app.debug or state.app.testing):
            state.notices.warn(
                "JWT_COOKIE_SECURE is False, so browsers send tokens over plain HTTP too, where "
                "anyone on the network can read them. Set JWT_COOKIE_SECURE = True in production."
            )
        return
    if not has_request_context() or request.scheme != "http" or _is_local(request.host):
        return
    if state.notices.first_time("Secure cookies over plain HTTP"):
        logger.warning(
            "Secure cookies were set over plain HTTP. Browsers don't keep them, so a login leads "
            "back to the login page. If TLS ends at a proxy, set app.wsgi_app = "
            "werkzeug.middleware.proxy_fix.ProxyFix(app.wsgi_app). For plain HTTP in development, "
            "set JWT_COOKIE_SECURE = False."
        )


def _is_local(host: str) -> bool:
    """Return whether *host* is this machine, from which browsers keep Secure cookies."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")


def _unset(token_type: str, response: Response, domain: str | None) -> None:
    state = app_state()
    settings = state.settings
    for name, path, _, is_secret in _list_cookies(state, token_type, "", ""):
        response.set_cookie(
            name,
            "",
            expires=0,
            domain=domain,
            path=path,
            httponly=is_secret,
            **_attributes(settings),
        )


def _list_cookies(
    state: AppState, token_type: str, token: str, csrf_token: str
) -> list[tuple[str, str, str, bool]]:
    """Return the name, path and value of each cookie, and whether it is ``HttpOnly``."""
    settings = state.settings

    def option(name: str) -> str:
        return str(getattr(settings, f"{token_type}_{name}"))

    cookies = [(option("cookie_name"), option("cookie_path"), token, True)]
    if settings.csrf_protect and settings.csrf_in_cookies:
        cookies.append((option("csrf_cookie_name"), option("csrf_cookie_path"), csrf_token, False))
    return cookies
