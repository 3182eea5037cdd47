"""Set, read and delete tokens in cookies, and the CSRF values beside them."""

from __future__ import annotations

from flask import Request, Response, request
from markupsafe import Markup

from ..errors import ConfigError, TokenMalformed
from .app_state import AppState
from .context import app_state, request_state
from .csrf import check_value, csrf_value
from .responses import rendering_errors

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
    """
    _set("access", response, encoded_access_token, max_age, domain)


def set_refresh_cookies(
    response: Response,
    encoded_refresh_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Set the cookies of a refresh token on *response*, as :func:`set_access_cookies` does."""
    _set("refresh", response, encoded_refresh_token, max_age, domain)


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


def jwt_csrf_token() -> str:
    """Return the CSRF value for the current request's access cookie; empty if there is none.

    If the response brings a new access cookie, the value is for the new one.
    """
    state, current = app_state(), request_state()
    token = request.cookies.get(state.settings.access_cookie_name, "")
    if current is not None and current.renewal is not None:
        token = current.renewal.access_token
    elif current is not None and current.cookie is not None:
        token = current.cookie
    try:
        return _get_csrf_token(state, token)
    except TokenMalformed:
        return ""


def jwt_csrf_field() -> Markup:
    """Return the hidden field for a form: ``{{ jwt_csrf_field() }}`` in a template."""
    name = app_state().settings.access_csrf_field_name
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(name, jwt_csrf_token())


def set_cookies(response: Response, access_token: str, refresh_token: str | None) -> None:
    """Set the cookies of the tokens that were just issued."""
    set_access_cookies(response, access_token)
    if refresh_token is not None:
        set_refresh_cookies(response, refresh_token)


_A_YEAR = 31_540_000  # seconds; Flask-JWT-Extended's number


def _set(
    token_type: str, response: Response, token: str, max_age: int | None, domain: str | None
) -> None:
    state = app_state()
    settings = state.settings
    if not settings.cookie_secure and not (state.app.debug or state.app.testing):
        state.notices.warn(
            "JWT_COOKIE_SECURE is False, so browsers send tokens over plain HTTP too, where anyone "
            "on the network can read them. Set JWT_COOKIE_SECURE = True in production."
        )
    if max_age is None and not settings.session_cookie:
        max_age = _A_YEAR
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
            secure=settings.cookie_secure,
            httponly=is_secret,
            domain=domain or settings.cookie_domain,
            path=path,
            samesite=settings.cookie_samesite,
        )


def _unset(token_type: str, response: Response, domain: str | None) -> None:
    state = app_state()
    settings = state.settings
    for name, path, _, is_secret in _list_cookies(state, token_type, "", ""):
        response.set_cookie(
            name,
            "",
            expires=0,
            secure=settings.cookie_secure,
            httponly=is_secret,
            domain=domain,
            path=path,
            samesite=settings.cookie_samesite,
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
