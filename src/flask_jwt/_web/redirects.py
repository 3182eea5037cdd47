"""Send redirects to browsers that open a page; API clients get JSON instead."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote_plus, urlencode, urlsplit

from flask import Response, has_request_context, redirect, request, url_for
from werkzeug.routing import BuildError, Rule

from ..errors import (
    ConfigError,
    InvalidCredentials,
    JWTError,
    RefreshTokenReused,
    TokenRevoked,
    TooManyLoginAttempts,
)
from .app_state import AppState
from .caching import no_store
from .context import request_state

logger = logging.getLogger("flask_jwt")

_NOT_IN_PATHS = frozenset({*map(chr, range(0x21)), "\x7f", "\\"})


def prefers_html() -> bool:
    """Return whether the current request prefers HTML to JSON.

    Browsers do when they open a page. Scripts get JSON, and so does curl, which accepts ``*/*``.
    """
    if _is_of_script():
        return False
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def _is_of_script() -> bool:
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode != "navigate"
    # Android's WebView sends X-Requested-With too when it opens a page, with the app's name.
    requested_with = request.headers.get("X-Requested-With", "")
    return requested_with.lower() == "xmlhttprequest" or is_htmx()


def is_htmx() -> bool:
    """Return whether htmx has sent the current request."""
    return request.headers.get("HX-Request") == "true"


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
    """Return where the browser goes after a login, if it is a local path.

    The view has said it (``jwt.log_in(next_url=...)``), or it is the ``next`` of the current
    request's query string or form.
    """
    state = request_state()
    if state is not None and state.next_url is not None:
        return state.next_url if is_local_path(state.next_url) else None
    try:
        target = request.values.get("next")
    except UnicodeDecodeError:  # Werkzeug raises it for a query string that isn't UTF-8
        return None
    return target if is_local_path(target) else None


def redirect_to(target: str | None) -> Response:
    """Redirect the browser to *target*, or to the application's root if there is no target."""
    # 303 rather than 302: the browser must not repeat a POST at the target.
    return no_store(redirect(target or f"{request.script_root}/", 303))


def login_url(state: AppState, error: JWTError) -> str | None:
    """Return the URL to which a browser goes after *error*: that of ``JWT_LOGIN_VIEW``.

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
    if request.method in ("GET", "HEAD") and _is_login_url(state):
        error.hint = report_guarded_login_view(state)
        return None
    query = {"error": error.error_code} if is_shown else {}
    # The page to open after the login. A rejected login has received its path in next. Any other
    # request is for the page itself.
    target = next_url() if is_rejected_login else _get_current_page()
    if target is not None:
        query["next"] = _remove_tokens(target, state.settings.query_string_name)
    return _add_query(login_page(state), query)


def _add_query(url: str, query: dict[str, str | None]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url


def _has_login_page(state: AppState) -> bool:
    """Return whether there is a login page and the current request's client is a browser."""
    has_page = has_request_context() and state.settings.login_view is not None
    return has_page and (prefers_html() or is_htmx())


def report_guarded_login_view(state: AppState) -> str:
    """Log that the login page can't be opened without a login, and return the message."""
    message = (
        f"JWT_LOGIN_VIEW is {state.settings.login_view!r}, which is guarded, so no one can log in. "
        "Remove its guard, or exempt the view with jwt.exempt if JWT_REQUIRED_BY_DEFAULT guards "
        "it. A path is not exempt on other subdomains; there, write the endpoint."
    )
    if state.notices.first_time(message):
        logger.error("%s", message)
    return message


def is_login_page(state: AppState, rule: Rule, paths: tuple[str, ...]) -> bool:
    """Return whether *rule* is that of ``JWT_LOGIN_VIEW``, which must not be guarded.

    :param paths: the possible paths of a request to it, as :func:`list_request_paths` returns them
    """
    view = state.settings.login_view
    if view is None or not view.startswith("/"):
        endpoint: str = rule.endpoint
        return view == endpoint
    if urlsplit(view).path not in paths:
        return False
    # Another subdomain or host may have another view at this path.
    if state.app.url_map.host_matching:
        return bool(rule.host == state.app.config["SERVER_NAME"])
    return (rule.subdomain or "") == state.app.url_map.default_subdomain


def list_request_paths() -> tuple[str, ...]:
    """Return the current request's path, as rules have it and as clients see it."""
    return request.path, request.root_path + request.path


def _is_login_url(state: AppState) -> bool:
    """Return whether a redirect to the login page would lead to the current request's URL."""
    view = state.settings.login_view
    if view is None or not view.startswith("/"):
        return view is not None and view == request.endpoint
    return urlsplit(view).path in list_request_paths()


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
    url = request.url
    is_of_page = request.headers.get("HX-Boosted") == "true" or not is_htmx()
    if request.method not in ("GET", "HEAD") or not is_of_page:
        # The redirect after the login is a GET, which can't repeat a POST. Nor can it open the part
        # of a page that htmx has asked for, but htmx names the page.
        url = request.headers.get("HX-Current-URL", "") if is_htmx() else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.netloc != urlsplit(request.url).netloc:
        return None
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target if is_local_path(target) else None


_JWS = r"eyJ[\w-]+\.[\w-]+\.[\w-]*"


def _remove_tokens(target: str, name: str) -> str:
    """Return *target* without the tokens in its query string.

    The URL of a login page is kept in the browser's history and in logs, and its form repeats it.

    :param name: of the parameter that holds the token; a custom request handler may read another
    """
    path, _, query = target.partition("?")
    kept = []
    for parameter in query.split("&") if query else ():
        key, _, value = parameter.partition("=")
        if unquote_plus(key) != name and re.search(_JWS, unquote_plus(value)) is None:
            kept.append(parameter)
    return f"{path}?{'&'.join(kept)}" if kept else path
