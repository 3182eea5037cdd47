"""Pages: what a browser is answered where an API client gets JSON."""

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
    """Whether the current request prefers HTML to JSON, as browsers do when they open a page; a
    script's ``fetch()`` and curl accept anything, and get JSON."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def is_local(target: Any) -> bool:
    """Whether a browser sent to *target* stays on this site.

    It has to be an absolute path, without what browsers skip (tabs, line breaks) or take for a
    slash (backslashes) on their way to another host.
    """
    return (
        isinstance(target, str)
        and target.startswith("/")
        and not target.startswith("//")
        and _NOT_IN_PATHS.isdisjoint(target)
    )


def next_url() -> str | None:
    """The ``next`` of the current request's URL or form, if it is local."""
    try:
        target = request.values.get("next")
    except UnicodeDecodeError:  # Werkzeug's, for a query string that isn't UTF-8
        return None
    return target if is_local(target) else None


def redirect_to(target: str | None) -> Response:
    """Send the browser to *target*, or else to the site's root."""
    return no_store(redirect(target or f"{request.script_root}/", 303))


def no_store(response: Any) -> Response:
    """*response*, for this browser only: caches must not give it to another."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.update(["Accept", "Cookie"])
    found: Response = response
    return found


def login_redirect(state: AppState, error: JWTError) -> Response | None:
    """Where the answer to *error* is to send the browser to ``JWT_LOGIN_VIEW``: that answer.

    The login page gets ``next``, to be passed on to ``/auth``, and ``error``, the error's code,
    where there is something to tell: of a login refused, or of a session that was ended.
    """
    is_refused_login = isinstance(error, (InvalidCredentials, TooManyLoginAttempts))
    is_news = is_refused_login or isinstance(error, (TokenRevoked, RefreshTokenReused))
    if not (error.status_code == 401 or is_refused_login) or not _has_login_page(state):
        return None
    query = {"error": error.error_code} if is_news else {}
    target = next_url() if is_refused_login else _this_page()
    if target is not None:
        query["next"] = target
    page = login_page(state)
    return redirect_to(f"{page}{'&' if '?' in page else '?'}{urlencode(query)}" if query else page)


def _has_login_page(state: AppState) -> bool:
    """Return whether a page is what the current request's client wants to be sent to."""
    return has_request_context() and state.settings.login_view is not None and prefers_html()


def login_page(state: AppState) -> str:
    """The URL of ``JWT_LOGIN_VIEW``.

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


def _this_page() -> str | None:
    if request.method not in ("GET", "HEAD"):
        return None
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target if is_local(target) else None
