"""Access the state of the current application and of the current request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from .replaceable import package

if TYPE_CHECKING:
    from flask.ctx import AppContext, RequestContext

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


def _current_identity() -> Any:
    stack = package._request_ctx_stack
    if stack is not _request_ctx_stack:
        return getattr(stack.top, "current_identity", None)
    state = request_state()
    try:
        context = current_request_context()
    except RuntimeError:
        return None
    if hasattr(context, "current_identity") and context.app is current_context().app:
        return context.current_identity
    return None if state is None else state.identity


class _RequestContextTop:
    """Provide what Flask-JWT's ``_request_ctx_stack.top`` had: the user, as ``current_identity``.

    All other attributes are those of Flask's request context.
    """

    def __init__(self, context: RequestContext) -> None:
        super().__setattr__("_context", context)

    def __getattr__(self, name: str) -> Any:
        return _current_identity() if name == "current_identity" else getattr(self._context, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._context, name, value)


class _RequestContextStack:
    """Stand in for the stack that Flask had until version 2.2, and that Flask-JWT imported."""

    @property
    def top(self) -> _RequestContextTop | None:
        try:
            return _RequestContextTop(current_request_context())
        except RuntimeError:
            return None


_request_ctx_stack = _RequestContextStack()


def get_template_context() -> dict[str, object]:
    """Return the variables of every template.

    ``current_identity`` is the user here rather than a proxy, because a proxy is never ``None`` for
    Jinja's test ``is none``.
    """
    return {"current_identity": _current_identity()}


class UserProxy(LocalProxy[Any]):
    """Stand for the user of the current request, and say why there is none if one is needed."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        user = self._get_current_object()
        try:
            return getattr(user, name)
        except AttributeError as error:
            if user is not None:
                raise
            raise AttributeError(f"{error}. {_explain_no_user()}", name=name, obj=None) from None

    def __getitem__(self, key: Any) -> Any:
        user = self._get_current_object()
        try:
            return user[key]
        except TypeError as error:
            if user is not None:
                raise
            raise TypeError(f"{error}. {_explain_no_user()}") from None

    def __iter__(self) -> Iterator[Any]:
        user = self._get_current_object()
        if user is None:
            raise TypeError(f"'NoneType' object is not iterable. {_explain_no_user()}")
        return iter(user)


# Python and Flask name the class of an object that can't be a mapping or JSON, so the name says
# what to do instead.
UserProxy.__name__ = (
    "LocalProxy (current_identity or current_user; use its fields, such as current_identity['id'])"
)


def _explain_no_user() -> str:
    if request_state() is None:
        return (
            "No guard has verified this request, so it has no user: put @jwt_required() on the "
            "view, below the route decorator"
        )
    return "The request has no token, which the guard allows (optional=True): check for None first"


current_identity: Any = UserProxy(_current_identity)
"""The user of the current request, as ``identity_handler`` returned it; None without a token.

Without an ``identity_handler`` it is the id in the token. It is a proxy, so compare it with ``==``
rather than ``is``, and write ``if not current_identity`` to find out whether there is a user.
An application that has identified the user itself can set ``request_ctx.current_identity``, which
holds until a guard verifies the request::

    @app.get("/profile")
    @jwt_required(optional=True)
    def profile():
        if not current_identity:
            return {"name": "guest"}
        return {"name": current_identity["name"]}
"""

_jwt: Any = LocalProxy(lambda: current_context().app.extensions["jwt"])
"""The current application's :class:`JWT`, for code that was written for Flask-JWT."""
