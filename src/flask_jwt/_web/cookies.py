"""Tokens in cookies, and the values that prove that a page of ours sent them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Request, Response, after_this_request, request
from markupsafe import Markup

from ..errors import ConfigError, TokenMalformed
from .app_state import AppState
from .context import app_state, remember_issued, request_state, sessions_of
from .csrf import check, csrf_value, submitted
from .redirects import no_store
from .responses import rendering_errors

if TYPE_CHECKING:
    from .._sessions.manager import Tokens


def set_access_cookies(
    response: Response,
    encoded_access_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """Put an access token into *response* as a cookie, and beside it the value that requests have
    to repeat against CSRF.

    The cookie is ``HttpOnly``: scripts can't read it. The other is there for scripts to read.

    :param max_age: seconds; default: until the browser is closed, or with
        ``JWT_SESSION_COOKIE = False`` a year
    :param domain: default ``JWT_COOKIE_DOMAIN``
    :raises TokenMalformed: if *encoded_access_token* is no token
    """
    _set("access", response, encoded_access_token, max_age, domain)


def set_refresh_cookies(
    response: Response,
    encoded_refresh_token: str,
    max_age: int | None = None,
    domain: str | None = None,
) -> None:
    """:func:`set_access_cookies` for a refresh token."""
    _set("refresh", response, encoded_refresh_token, max_age, domain)


def unset_access_cookies(response: Response, domain: str | None = None) -> None:
    """Tell the browser to forget the cookies of :func:`set_access_cookies`.

    It takes the same *domain*. The token itself stays good: to end that too, revoke its session.
    """
    _unset("access", response, domain)


def unset_refresh_cookies(response: Response, domain: str | None = None) -> None:
    """:func:`unset_access_cookies` for those of :func:`set_refresh_cookies`."""
    _unset("refresh", response, domain)


def unset_jwt_cookies(response: Response, domain: str | None = None) -> None:
    """Tell the browser to forget all cookies of this package."""
    unset_access_cookies(response, domain)
    unset_refresh_cookies(response, domain)


def get_csrf_token(encoded_token: str) -> str:
    """What a request with this token as a cookie has to repeat: for a form's hidden field.

    :raises TokenMalformed: if *encoded_token* is none
    """
    return csrf_value(
        encoded_token, app_state().codecs.access().decode_unverified(encoded_token)[1]
    )


def check_csrf_token(encoded_token: str, value: str) -> None:
    """Refuse a *value* that isn't what :func:`get_csrf_token` gives; compared in constant time.

    :raises CsrfFailed: if so
    """
    state = app_state()
    with rendering_errors(state):
        check(value, encoded_token, state.codecs.access().decode_unverified(encoded_token)[1])


def jwt_csrf_token() -> str:
    """What a form of the current page has to send; empty where there is no access cookie."""
    state, current = app_state(), request_state()
    token = request.cookies.get(state.settings.access_cookie_name, "")
    claims = current.claims if current is not None and current.location == "cookies" else {}
    try:
        return csrf_value(token, claims or state.codecs.access().decode_unverified(token)[1])
    except TokenMalformed:
        return ""


def jwt_csrf_field() -> Markup:
    """The hidden field of a form: ``{{ jwt_csrf_field() }}`` in a template."""
    name = app_state().settings.access_csrf_field_name
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return field.format(name, jwt_csrf_token())


def set_cookies(response: Response, access_token: str, refresh_token: str | None) -> None:
    """Put what was issued into *response*."""
    set_access_cookies(response, access_token)
    if refresh_token is not None:
        set_refresh_cookies(response, refresh_token)


_A_YEAR = 31_540_000


def _set(
    kind: str, response: Response, token: str, max_age: int | None, domain: str | None
) -> None:
    state = app_state()
    settings = state.settings
    if not settings.cookie_secure and not (state.app.debug or state.app.testing):
        state.notices.warn(
            "JWT_COOKIE_SECURE is False, so browsers send tokens over plain HTTP too, for anyone "
            "on the way to take. Set JWT_COOKIE_SECURE = True in production."
        )
    if max_age is None and not settings.session_cookie:
        max_age = _A_YEAR
    proof = get_csrf_token(token)
    if settings.csrf_protect and not proof:
        raise ConfigError("This token's csrf claim is not a text: it can't be used in a cookie")
    for name, path, value, is_secret in _cookies(state, kind, token, proof):
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


def _unset(kind: str, response: Response, domain: str | None) -> None:
    state = app_state()
    settings = state.settings
    for name, path, _, is_secret in _cookies(state, kind, "", ""):
        response.set_cookie(
            name,
            "",
            expires=0,
            secure=settings.cookie_secure,
            httponly=is_secret,
            domain=domain or settings.cookie_domain,
            path=path,
            samesite=settings.cookie_samesite,
        )


def _cookies(
    state: AppState, kind: str, token: str, proof: str
) -> list[tuple[str, str, str, bool]]:
    """Name, path and value of each cookie, and whether scripts must not read it."""
    settings = state.settings

    def option(name: str) -> str:
        return str(getattr(settings, f"{kind}_{name}"))

    cookies = [(option("cookie_name"), option("cookie_path"), token, True)]
    if settings.csrf_protect and settings.csrf_in_cookies:
        cookies.append((option("csrf_cookie_name"), option("csrf_cookie_path"), proof, False))
    return cookies


# New tokens for a browser whose access token has expired, while its session has not.

_RENEWED = "flask_jwt.renewed"


def has_refresh_cookie(state: AppState, request: Request) -> bool:
    """Whether there is something to try."""
    is_there = bool(request.cookies.get(state.settings.refresh_cookie_name))
    return is_there and state.sessions is not None


def rotate_session(state: AppState, request: Request) -> Tokens:
    """Exchange the refresh cookie; the answer to this request will bring the new cookies.

    Pages that are loaded at the same moment get the same tokens, within the grace.

    :raises JWTError: as :meth:`SessionManager.refresh` does, or without proof against CSRF
    """
    if (known := request.environ.get(_RENEWED)) is not None:
        done: Tokens = known
        return done  # a guard within a guard
    token = request.cookies.get(state.settings.refresh_cookie_name, "")
    proof = submitted(request, state.settings, refresh=True)
    if proof is not None:
        claims = state.codecs.refresh().verify(token, state.clock.now()).claims
        check(proof, token, claims)
    tokens = sessions_of(state).refresh(token)
    request.environ[_RENEWED] = tokens
    remember_issued(tokens)
    settings = state.settings

    @after_this_request
    def bring(response: Response) -> Response:
        # The view may have logged in or out meanwhile: what it says is newer.
        said = {line.partition("=")[0] for line in response.headers.getlist("Set-Cookie")}
        if settings.refresh_cookie_name not in said:
            if settings.access_cookie_name not in said:
                set_access_cookies(response, tokens.access_token)
            set_refresh_cookies(response, tokens.refresh_token)
        return _uncached(response)

    return tokens


def clear_cookies() -> None:
    """Let the answer to this request take the cookies away: they are good for nothing."""

    @after_this_request
    def take(response: Response) -> Response:
        unset_jwt_cookies(response)
        return _uncached(response)


def _uncached(response: Response) -> Response:
    # The view may have let caches keep its page; it doesn't know of these cookies.
    response.headers["Cache-Control"] = "no-store"
    return no_store(response)
