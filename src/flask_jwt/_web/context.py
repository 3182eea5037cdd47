"""Access the state of the current application and of the current request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, request
from flask.globals import app_ctx, request_ctx
from werkzeug.local import LocalProxy

from .._config.options import TokenLocation
from .._config.settings import OPTIONS, parse_option
from .._jose.claims import Claims, Header, claimed_identity
from .._jose.codec import VerifiedToken
from ..errors import ConfigError, JWTError
from .app_state import STATE_KEY, AppState

if TYPE_CHECKING:
    from flask.ctx import AppContext

    from .._jose.grants import Grants
    from .._sessions.manager import SessionManager
    from .._sessions.rotation import PendingRefresh, Tokens
    from ..stores import Session
    from .guarded_views import GuardOptions

# These functions return the objects behind Flask's proxies. Access through a proxy is slower.
current_context = cast("LocalProxy[AppContext]", app_ctx)._get_current_object
current_request = cast("LocalProxy[Any]", request)._get_current_object
# Any, because Flask-JWT's programs set current_identity on it.
current_request_context = cast("LocalProxy[Any]", request_ctx)._get_current_object


class RequestState:
    """Hold the token of one request, its user, and the tokens issued in response.

    It is an attribute of the request object. ``g`` would be wrong: requests within a request share
    it, a copied request context doesn't have it, and it may outlive a request. The environ would be
    wrong too, because applications hand it on to others.

    :param app: the application whose guard verifies the request
    """

    verified: VerifiedToken | None = None
    identity: Any = None
    location: TokenLocation | None = None
    grants: Grants | None = None
    """The grants of the user, once they have been needed."""
    session: Session | None = None
    """The session of a refresh token, if it has one."""
    issued: Tokens | None = None
    in_cookies = False
    """Whether the issued tokens are sent in cookies rather than in the response's body."""
    next_url: str | None = None
    """Where a browser goes after the login, if the view has said it and not the request."""
    cookie: str | None = None
    """The token of the cookie that was verified. A request may have several of that name."""
    renewal: PendingRefresh | None = None
    """The refresh that the refresh cookie of this request has begun."""
    is_renewed = False
    """Whether the response is to complete that refresh, and bring its cookies."""
    rotated: Tokens | None = None
    """What the refresh cookie was exchanged for."""
    failure: type[JWTError] | None = None
    """The class of the error of the last guard that has rejected the request, before its
    translation. The error itself would keep its traceback, and so this object, alive."""
    ended_sid: str | None = None
    """The sid of the session, if that error means that it has ended."""
    is_ended = False
    """Whether the response is to delete the cookies, because their session has ended."""
    has_ended_twin = False
    """Whether there is another cookie of the same name, whose session has ended."""
    rejected: dict[str, JWTError] | None = None
    """The access cookies that were rejected, with the errors, while there are others to verify."""
    verified_ahead: GuardOptions | None = None
    """The options of a guard for which this request was verified before its view was called."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.claims: Any = {}
        """A copy that belongs to this request, so that a view may change it."""

    @property
    def sid(self) -> object:
        """Return the ``sid`` in the token, unless another issuer has written it."""
        if self.verified is not None:
            return self.verified.sid
        return self.claims.get("sid") if isinstance(self.claims, Mapping) else None

    def clear(self) -> None:
        """Remove everything that came from a token that was rejected."""
        self.verified, self.claims, self.identity = None, {}, None
        self.location = self.session = self.verified_ahead = self.cookie = None
        self.failure = self.ended_sid = self.grants = None


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


def require_sessions(state: AppState) -> SessionManager:
    """Return the application's session manager.

    :raises ConfigError: if the application has no session store
    """
    if state.sessions is None:
        raise ConfigError(
            "Sessions need a store: set JWT_STORAGE_URI, for example to sqlite:///sessions.db."
        )
    return state.sessions


def request_state() -> RequestState | None:
    """Return the current request's state, or None if no guard has verified the request."""
    try:
        app, request = current_context().app, current_request()
    except RuntimeError:
        return None
    state: RequestState | None = getattr(request, "_flask_jwt", None)
    # A view may push the context of another application, which must not see this one's user.
    return state if state is not None and state.app is app else None


def make_request_state() -> RequestState:
    """Return the current request's state, which is created if there is none."""
    state = request_state()
    if state is None:
        state = RequestState(current_context().app)
        current_request()._flask_jwt = state
    return state


def set_issued_tokens(tokens: Tokens | None, *, in_cookies: bool = False) -> None:
    """Keep the tokens that a login or a refresh has issued, for the ``auth_response_handler``.

    The arguments of that handler, ``(access_token, identity)``, are defined by Flask-JWT and don't
    include a refresh token, so :func:`issued_tokens` returns it.
    """
    state = make_request_state()
    state.issued, state.in_cookies = tokens, in_cookies


def is_issued_in_cookies() -> bool:
    """Return whether the tokens issued in this request are sent in cookies."""
    state = request_state()
    return state is not None and state.in_cookies


def issued_tokens() -> Tokens | None:
    """Return the tokens that a login or a refresh has issued in this request.

    Call it in an ``auth_response_handler`` that writes the refresh token into a custom response::

        @jwt.auth_response_handler
        def respond(access_token, identity):
            tokens = issued_tokens()
            return {"access": tokens.access_token, "refresh": tokens.refresh_token}

    :returns: None if the application has no sessions, or nothing was issued
    """
    state = request_state()
    return None if state is None else state.issued


def require_verified(function: str) -> RequestState:
    """Return the current request's state for the public *function*.

    :raises RuntimeError: if no guard has verified the request
    """
    state = request_state()
    if state is None:
        raise RuntimeError(
            f"{function}() needs a verified request: put @jwt_required() on the view, or call "
            "verify_jwt_in_request() first."
        )
    return state


def get_jwt() -> Claims:
    """Return the claims of the current request's token.

    The dict is empty if the token was optional and the request had none. It is a copy that belongs
    to this request, so changing it doesn't affect other requests::

        @app.get("/token")
        @jwt_required()
        def show_expiry():
            return {"expires_at": get_jwt()["exp"]}

    :raises RuntimeError: if no guard has verified the request
    """
    claims: Claims = require_verified("get_jwt").claims
    return claims


def get_jwt_header() -> Header:
    """Return the JOSE header of the current request's token (RFC 7515 section 4).

    :raises RuntimeError: if no guard has verified the request
    """
    verified = require_verified("get_jwt_header").verified
    return {} if verified is None else verified.header


def get_jwt_identity() -> Any:
    """Return the identity in the current request's token: the user's id, as it was issued.

    The identity is the claim named by ``JWT_IDENTITY_CLAIM``; by default it is ``identity``, or
    ``sub`` if the token has no ``identity``. In a token of one of ``JWT_ISSUERS`` it is the claim
    that the issuer names, by default ``sub``, and belongs to :func:`get_jwt_issuer`. It is only the
    id; :data:`current_identity` is the user::

        @app.get("/orders")
        @jwt_required()
        def list_orders():
            return {"orders": orders_of(get_jwt_identity())}

    :returns: None if the token was optional and the request had none
    :raises RuntimeError: if no guard has verified the request
    """
    return read_identity(app_state(), require_verified("get_jwt_identity"))


def read_identity(state: AppState, current: RequestState) -> Any:
    """Return the identity in the token of the current request, or None."""
    verified = current.verified
    if verified is not None and verified.issuer is not None:
        return verified.identity
    return claimed_identity(current.claims, state.config.latest.identity_claim)


def get_jwt_issuer() -> str | None:
    """Return the issuer of the current request's token, if it is one of ``JWT_ISSUERS``.

    A user of another issuer is the issuer and the subject together, because each issuer chooses
    its subjects as it likes::

        @jwt.identity_handler
        def load_user(payload):
            issuer = get_jwt_issuer()
            if issuer is None:
                return User.query.get(payload["identity"])
            return User.query.filter_by(issuer=issuer, subject=payload["sub"]).one_or_none()

    :returns: None for the application's own tokens, and if the token was optional and the request
        had none
    :raises RuntimeError: if no guard has verified the request
    """
    verified = require_verified("get_jwt_issuer").verified
    return None if verified is None else verified.issuer


def foreign_identity() -> Any:
    """Return the identity in the current request's token, or None if it is the application's."""
    state = request_state()
    return None if state is None or state.verified is None else state.verified.identity


def get_jwt_request_location() -> TokenLocation | None:
    """Return the location of the current request's token.

    :returns: ``"headers"``, ``"cookies"``, ``"query_string"`` or ``"json"``; None if the request
        has no verified token
    """
    state = request_state()
    return None if state is None else state.location


def checked_config(name: str) -> Any:
    """Check an option of the current application, and return its value as it is in ``app.config``.

    :raises ConfigError: if the value is invalid
    """
    value = current_context().app.config.get(name, OPTIONS[name].default)
    parse_option(name, value)
    return value


_jwt: Any = LocalProxy(lambda: current_context().app.extensions["jwt"])
"""The current application's :class:`JWT`, for code that was written for Flask-JWT."""
