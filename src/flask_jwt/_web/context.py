"""What is current: the application's state, the request's, and the proxies that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Flask, request
from flask.globals import app_ctx
from werkzeug.local import LocalProxy

from .._config.options import TokenLocation
from .._config.settings import OPTIONS, parse_option
from .._jose.claims import claimed_identity
from .._jose.codec import VerifiedToken
from ..errors import ConfigError
from .app_state import STATE_KEY, AppState

if TYPE_CHECKING:
    from flask.ctx import AppContext

    from .._sessions.manager import SessionManager, Tokens
    from ..stores import Session

current_context = cast("LocalProxy[AppContext]", app_ctx)._get_current_object
current_request = cast("LocalProxy[Any]", request)._get_current_object


class RequestState:
    """What is known of the current request's token."""

    __slots__ = (
        "claims", "identity", "in_cookies", "issued", "location", "request", "session", "verified",
    )  # fmt: skip

    def __init__(self, request: Any) -> None:
        self.request = request
        self.verified: VerifiedToken | None = None
        self.claims: Any = {}
        """This request's own copy."""
        self.identity: Any = None
        self.location: TokenLocation | None = None
        self.session: Session | None = None
        """Of a refresh token that belongs to one."""
        self.issued: Tokens | None = None
        self.in_cookies = False
        """Whether what was issued goes into cookies rather than into the answer's body."""

    def forget(self) -> None:
        """Know nothing of a token that was refused."""
        self.verified, self.claims, self.identity = None, {}, None
        self.location = self.session = None


def app_state(app: Flask | None = None) -> AppState:
    """Return the state of *app*, by default of the current application.

    :raises ConfigError: if ``init_app`` was not called for it
    """
    try:
        return cast(AppState, (app or current_context().app).extensions[STATE_KEY])
    except KeyError:
        raise ConfigError(
            "This application has no JWT. You must initialize one: jwt = JWT(app, authenticate, "
            "identity) or jwt = JWTManager(app), in an application factory jwt.init_app(app). Did "
            "you forget to call init_app?"
        ) from None


def sessions_of(state: AppState) -> SessionManager:
    """The application's sessions.

    :raises ConfigError: if it has no store to keep them in
    """
    if state.sessions is None:
        raise ConfigError(
            "Sessions need a store: set JWT_STORAGE_URI, to sqlite:///sessions.db for a start."
        )
    return state.sessions


def request_state() -> RequestState | None:
    """The current request's state, if its token was looked at."""
    try:
        state = cast("RequestState | None", current_context().g.get("_flask_jwt"))
        # ``g`` outlives a request where a test or a script holds an application context open.
        return state if state is not None and state.request is current_request() else None
    except RuntimeError:
        return None


def remember_issued(tokens: Tokens | None, *, in_cookies: bool = False) -> None:
    """Keep what this request's login or refresh gave, for its response handler."""
    state = request_state()
    if state is None:
        state = current_context().g._flask_jwt = RequestState(current_request())
    state.issued, state.in_cookies = tokens, in_cookies


def issued_in_cookies() -> bool:
    """Whether what was issued in this request goes into cookies."""
    state = request_state()
    return state is not None and state.in_cookies


def issued_tokens() -> Tokens | None:
    """What logging in or refreshing in this request gave: for an ``auth_response_handler`` that
    writes the refresh token into an answer of its own. None where there are no sessions."""
    state = request_state()
    return None if state is None else state.issued


def _verified_state(function: str) -> RequestState:
    state = request_state()
    if state is None:
        raise RuntimeError(
            f"{function}() needs a verified request: put @jwt_required() on the view, or call "
            "verify_jwt_in_request() first."
        )
    return state


def get_jwt() -> dict[str, Any]:
    """The claims of the current request's token; empty where an optional one is absent.

    The dict is this request's own: changing it changes nothing for others.

    :raises RuntimeError: if the request was not verified
    """
    claims: dict[str, Any] = _verified_state("get_jwt").claims
    return claims


def get_jwt_header() -> dict[str, Any]:
    """The JOSE header of the current request's token (RFC 7515 section 4).

    :raises RuntimeError: if the request was not verified
    """
    verified = _verified_state("get_jwt_header").verified
    return {} if verified is None else verified.header


def get_jwt_identity() -> Any:
    """The identity in the current request's token: the user's id, as it was issued.

    None where an optional token is absent. It is the claim that ``JWT_IDENTITY_CLAIM`` names; by
    default ``identity``, or where there is none ``sub``.

    :raises RuntimeError: if the request was not verified
    """
    claims = _verified_state("get_jwt_identity").claims
    return claimed_identity(claims, app_state().config.latest.identity_claim)


def get_jwt_request_location() -> TokenLocation | None:
    """Where the current request carried its token: ``"headers"``, ``"cookies"``,
    ``"query_string"`` or ``"json"``; None without a verified one."""
    state = request_state()
    return None if state is None else state.location


def checked_config(name: str) -> Any:
    """The current application's value of an option, as it was configured.

    :raises ConfigError: if it can't be used
    """
    value = current_context().app.config.get(name, OPTIONS[name].default)
    parse_option(name, value)
    return value


def _current_identity() -> Any:
    state = request_state()
    return None if state is None else state.identity


def in_templates() -> dict[str, Any]:
    """What every template knows: the user themself rather than a proxy, for ``is none``."""
    return {"current_identity": _current_identity()}


current_identity: Any = LocalProxy(_current_identity)
"""The user of the current request, as ``identity_handler`` returned it; None without a token."""

_jwt: Any = LocalProxy(lambda: current_context().app.extensions["jwt"])
"""The current application's :class:`JWT`, as code for Flask-JWT reads it."""
