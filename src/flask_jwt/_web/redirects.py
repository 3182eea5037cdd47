"""Send redirects to browsers that open a page; API clients get JSON instead."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Response, has_request_context, redirect, request, url_for
from werkzeug.routing import BuildError

from ..errors import (
    ConfigError,
    InvalidCredentials,
    JWTError,
    RefreshTokenReused,
    TokenRevoked,
    TooManyLoginAttempts,
)
from .app_state import AppState

_NOT_IN_PATHS = frozenset({*map(chr, range(0x21)), "\x7f", "\\"})


def prefers_html() -> bool:
    """Return whether the current request prefers HTML to JSON.

    Browsers do when they open a page. A script's ``fetch()`` and curl accept ``*/*``, so they get
    JSON.
    """
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def is_local_path(target: object) -> bool:
    """Return whether *target* is an absolute path, so that a redirect to it stays on this site."""
    # Browsers ignore tabs and line breaks in URLs and treat a backslash as a slash, so with these
    # characters a path could still lead to another host: "/\evil.example", "/<TAB>/evil.example".
    return (
        isinstance(target, str)
        and target.startswith("/")
        and not target.startswith("//")
        and _NOT_IN_PATHS.isdisjoint(target)
    )


def next_url() -> str | None:
    """Return the ``next`` of the current request's query string or form if it is a local path."""
    try:
        target = request.values.get("next")
    except UnicodeDecodeError:  # Werkzeug raises it for a query string that isn't UTF-8
        return None
    return target if is_local_path(target) else None


def redirect_to(target: str | None) -> Response:
    """Redirect the browser to *target*, or to the application's root if there is no target."""
    # 303 rather than 302: the browser must not repeat a POST at the target.
    return no_store(redirect(target or f"{request.script_root}/", 303))


def no_store(response: Any) -> Response:
    """Return *response* with the headers that keep caches from sending it to another client."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.update(["Accept", "Cookie"])
    typed_response: Response = response
    return typed_response


def login_redirect(state: AppState, error: JWTError) -> Response | None:
    """Return a redirect to ``JWT_LOGIN_VIEW`` as the response to *error*.

    The login page gets ``next``, which its form passes on to the login endpoint. After a rejected
    login, and if the session was revoked, it also gets ``error``, the code of the error.

    :returns: None if the client is not a browser, there is no login page, or logging in would not
        help
    """
    is_rejected_login = isinstance(error, (InvalidCredentials, TooManyLoginAttempts))
    # A user whose session has merely expired, or who hasn't logged in yet, needs no explanation.
    is_shown = is_rejected_login or isinstance(error, (TokenRevoked, RefreshTokenReused))
    if not (error.status_code == 401 or is_rejected_login) or not _has_login_page(state):
        return None
    query = {"error": error.error_code} if is_shown else {}
    # The page to open after the login. A rejected login has received its path in next. Any other
    # request is for the page itself.
    target = next_url() if is_rejected_login else _get_current_page()
    if target is not None:
        query["next"] = target
    page = login_page(state)
    return redirect_to(f"{page}{'&' if '?' in page else '?'}{urlencode(query)}" if query else page)


def _has_login_page(state: AppState) -> bool:
    """Return whether there is a login page and the current request's client is a browser."""
    return has_request_context() and state.settings.login_view is not None and prefers_html()


def login_page(state: AppState) -> str:
    """Return the URL of ``JWT_LOGIN_VIEW``.

    :raises ConfigError: if there is no such endpoint
    """
    view = str(state.settings.login_view)
    if view.startswith("/"):
        return view
    try:
        return url_for(view)
    except BuildError:
        raise ConfigError(
            f"JWT_LOGIN_VIEW: there is no endpoint {view!r} without arguments; write the endpoint "
            "of your login page, such as 'pages.login', or its path, such as '/login'"
        ) from None


def _get_current_page() -> str | None:
    # The redirect after the login is a GET, which can't repeat a POST.
    if request.method not in ("GET", "HEAD"):
        return None
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target if is_local_path(target) else None
