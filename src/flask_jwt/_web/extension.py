"""Define the extension class, which holds the handlers and sets up applications."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, has_request_context

from .._clock import Clock
from .._config.key_sources import NO_KEY
from .._config.profile import Profile
from .._config.settings import unknown_keys
from .._jose.grants import RequiredNames
from ..errors import ConfigError, JWTError
from .app_state import STATE_KEY, AppState
from .caching import protect_responses
from .context import app_state, require_sessions
from .cookies import check_cookies, jwt_csrf_field
from .current_user import get_template_context
from .default_guard import Exemptions, check_views_at_first_request, verify_unless_exempt
from .foreign_tokens import check_handlers, reject_decode_handler
from .guard import _default_jwt_decode_handler, jwt_required
from .handlers import Handlers, accepts
from .issue import (
    _default_jwt_encode_handler,
    _default_jwt_headers_handler,
    _default_jwt_payload_handler,
)
from .login import (
    asks_for_cookies,
    authenticate,
    log_in,
    prepare_limits,
    reject_forged_login,
)
from .renewal import finish_response_last
from .request_token import _default_request_handler
from .responses import _default_jwt_error_handler, handle_jwt_error, rendering_errors
from .views import (
    OPEN_VIEWS,
    _default_auth_request_handler,
    _default_auth_response_handler,
    auth_view,
    jwks_view,
    logout_view,
    refresh_view,
    session_view,
    sessions_view,
)

if TYPE_CHECKING:
    from .._issuers.issuer import Issuer
    from .._sessions.manager import SessionManager
    from ..stores import SessionStore


Exempt = TypeVar("Exempt")


class JWT(Handlers):
    """Add token authentication to a Flask application.

    The extension registers ``POST /auth``, which takes a JSON object with ``username`` and
    ``password`` and returns an access token; :func:`jwt_required` guards views::

        app = Flask(__name__)
        app.config["JWT_SECRET_KEY"] = "change this to a random string of 32 bytes or more"

        def authenticate(username, password):
            user = users.get(username)
            if check_password(user and user["password"], password):
                return user

        def identity(payload):
            return find_user(payload["identity"])

        jwt = JWT(app, authenticate, identity)

    Handlers may be plain or ``async`` functions, and may be set, by argument or decorator, before
    or after :meth:`init_app`.

    :param app: the application, or None to call :meth:`init_app` later
    :param authentication_handler: ``(username, password)`` to the user, or None
    :param identity_handler: ``(payload)`` to the user, or None if the user no longer exists.
        Without this handler ``current_identity`` is the id in the token
    :param store: a store for sessions, in place of the one that ``JWT_STORAGE_URI`` names
    :param clock: returns seconds since the epoch; for tests
    :param issuers: the default of ``JWT_ISSUERS``: other issuers whose tokens are accepted, or a
        function ``(iss)`` that returns the :class:`Issuer`, or None
    :raises ConfigError: if the configuration is invalid
    """

    profile = Profile()
    """The defaults and the strictness of this extension class."""

    def __init__(
        self,
        app: Flask | None = None,
        authentication_handler: Callable[[str, str], Any] | None = None,
        identity_handler: Callable[[Any], Any] | None = None,
        *,
        store: SessionStore | None = None,
        clock: Callable[[], float] = time.time,
        issuers: Sequence[Issuer | Mapping[str, Any]]
        | Callable[[str], Issuer | None]
        | None = None,
    ) -> None:
        super().__init__()
        if _are_swapped(authentication_handler, identity_handler):
            warnings.warn(
                "The handlers are swapped: write JWT(app, authentication_handler, "
                "identity_handler). The first is called with (username, password), the second "
                "with (payload).", UserWarning, stacklevel=2,
            )  # fmt: skip
            # One mistake, one message: __setattr__ would add two.
            vars(self).update(
                authentication_callback=authentication_handler, identity_callback=identity_handler
            )
        else:
            self.authentication_callback = authentication_handler
            self.identity_callback = identity_handler
        self.auth_response_callback = _default_auth_response_handler
        self.auth_request_callback = _default_auth_request_handler
        self.jwt_encode_callback = _default_jwt_encode_handler
        self.jwt_decode_callback = _default_jwt_decode_handler
        self.jwt_headers_callback = _default_jwt_headers_handler
        self.jwt_payload_callback = _default_jwt_payload_handler
        self.jwt_error_callback = _default_jwt_error_handler
        self.request_callback = _default_request_handler
        self._exemptions = Exemptions(OPEN_VIEWS)
        self._store = store
        self._clock = clock
        # A tuple, because the guard compares the option at each request: a tuple is compared at
        # once, and the items of a list one by one.
        self._issuers = issuers if issuers is None or callable(issuers) else tuple(issuers)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set up *app*. Several applications may share one extension object.

        Another call for the same application changes nothing.

        :raises ConfigError: if the configuration is invalid, or *app* already has another JWT
        """
        if not hasattr(app, "extensions"):
            raise ConfigError(
                f"The application must be a Flask object, not a {type(app).__name__}: write "
                "JWT(app, authentication_handler, identity_handler)"
            )
        if (present := app.extensions.get(STATE_KEY)) is not None:
            if present.handlers is not self:
                raise ConfigError(
                    "This application has a JWT already, another object; create one for each "
                    "application."
                )
            _ = present.settings  # raises ConfigError if an option has an invalid value by now
            app.extensions["jwt"] = self
            return
        if app.config.get("JWT_ISSUERS") is None:
            app.config["JWT_ISSUERS"] = self._issuers
        state = AppState(
            app,
            self,
            Clock(self._clock),
            self.profile,
            translate_error=self.translate_error,
            issues_for_users=lambda: self.issues_for_users,
        )
        _warn_of_mistakes(app)
        if self._store is not None or state.settings.storage_uri is not None:
            # Imported here, so that applications without sessions don't load their modules.
            from .session_wiring import bind_sessions

            bind_sessions(state, self._store)
            finish_response_last(state)
        prepare_limits(state)  # they count in the store of the sessions
        protect_responses(state)
        _check_keys(state)
        if state.settings.issuers:
            if self.jwt_decode_callback is not _default_jwt_decode_handler:
                reject_decode_handler()
            check_handlers(state)
        check_cookies(state)
        app.extensions[STATE_KEY] = state
        # Flask-JWT's key. Programs read and set handlers through it, and may replace the object,
        # so this package reads its own key, STATE_KEY.
        app.extensions["jwt"] = self
        app.register_error_handler(JWTError, partial(handle_jwt_error, state))
        app.jinja_env.globals.setdefault("jwt_csrf_field", jwt_csrf_field)
        app.context_processor(get_template_context)
        _add_rules(state)
        check_views_at_first_request(state, self._exemptions)
        if state.settings.required_by_default:
            app.before_request(partial(verify_unless_exempt, state, self._exemptions))

    @property
    def sessions(self) -> SessionManager:
        """Return the session manager of the current application.

        :raises ConfigError: if the application has no session store
        """
        return require_sessions(app_state())

    @property
    def issues_for_users(self) -> bool:
        """Return whether a refresh issues tokens for what the identity handler returns.

        Otherwise it issues them for the identity in the refresh token.
        """
        return True

    def close(self, app: Flask | None = None) -> None:
        """Close the connections to the session store, for example at the end of a test.

        The next use of the store opens new ones. Without a store this does nothing.

        :param app: the application; default: the current one
        :raises ConfigError: if the application has no JWT
        """
        state = app_state(app)
        if state.sessions is not None:
            state.sessions.close()

    def translate_error(self, error: JWTError) -> Exception:
        """Return *error* in the class that this extension class has for it."""
        return error

    def authenticate(self, username: Any, password: Any) -> Any:
        """Return the user with this name and password, for a custom login view.

        As in the login endpoint, failures count against ``JWT_LOGIN_LIMITS`` and the signals are
        sent. An error becomes the response if the view doesn't catch it::

            @app.post("/log-in")
            def log_in():
                body = request.get_json()
                user = jwt.authenticate(body["email"], body["password"])
                return jwt.log_in(user, label=body.get("device"))

        :raises InvalidCredentials: status 401, if the authentication handler returns no user
        :raises TooManyLoginAttempts: status 429, if too many logins have failed
        :raises CsrfFailed: status 403, if another site sent the form, and the response would set
            cookies
        """
        state = app_state()
        with rendering_errors(state):
            if has_request_context():
                reject_forged_login(state.settings)
            return authenticate(state, username, password)

    def log_in(
        self,
        identity: Any,
        *,
        label: str | None = None,
        keep: bool = False,
        remember: bool | None = None,
        scopes: RequiredNames | None = None,
        roles: RequiredNames | None = None,
        next_url: str | None = None,
    ) -> Response:
        """Return the login endpoint's response for a user who has just authenticated.

        Call it after :meth:`authenticate`, or after a sign-up. It starts a session if the
        application has a store::

            @app.post("/sign-up")
            def sign_up():
                return jwt.log_in(create_user(request.get_json()))

        :param label: the device's name, for its user to recognize
        :param keep: True: the session whose cookies the response replaces doesn't end, for example
            because an administrator logs in as a user for a while
        :param remember: True: the cookies of this login, and those that renew them, outlast the
            browser; False: they don't; default: as ``JWT_SESSION_COOKIE`` says
        :param scopes: the scopes of the access token, and of those that a refresh issues in the
            same session; default: those of the payload handler
        :param roles: likewise, the roles
        :param next_url: the path that a browser opens next, if the tokens are sent in cookies;
            default: ``next`` of the request. As there, only a path of this site counts
        :raises StoreUnavailable: status 503, if the store can't be reached
        :raises CsrfFailed: status 403, if another site sent the form, and the response would set
            cookies
        """
        state = app_state()
        with rendering_errors(state):
            reject_forged_login(state.settings)
            in_cookies = asks_for_cookies(state.settings)
            return log_in(
                state,
                identity,
                label,
                in_cookies=in_cookies,
                keep=keep,
                remember=remember,
                scopes=scopes,
                roles=roles,
                target=next_url,
            )

    def require(
        self,
        *,
        scopes: RequiredNames | None = None,
        roles: RequiredNames | None = None,
        **options: Any,
    ) -> Callable[[], Any]:
        """Return a guard of all requests to a blueprint, or to the application::

            admin = Blueprint("admin", __name__, url_prefix="/admin")
            admin.before_request(jwt.require(roles="admin"))

        The guards of the views themselves apply too.

        :param scopes: as for :func:`jwt_required`
        :param roles: likewise
        :param options: the other arguments of :func:`jwt_required`
        """

        @jwt_required(scopes=scopes, roles=roles, **options)
        def verify() -> None:
            """Let the request through to its view."""

        return verify

    def exempt(self, view: Exempt) -> Exempt:
        """Exempt *view* from ``JWT_REQUIRED_BY_DEFAULT``, which guards all other views.

        Decorate a function, a view class or a method of one, in any order with other decorators
        below the route decorator, or call it before or after :meth:`init_app`::

            jwt.exempt("openapi.spec")               # an endpoint
            jwt.exempt(public)                       # a blueprint, with those nested in it
            jwt.exempt(app.view_functions["doc"])    # also a method of one object

        If the view also has :func:`jwt_required`, that still guards it. A subclass of an exempt
        class is guarded. An endpoint or a blueprint that the application doesn't have is logged as
        an error at the first request.

        :returns: *view*
        :raises TypeError: if *view* is anything else
        """
        self._exemptions.add(view)
        return view


def _are_swapped(authenticate: object, identify: object) -> bool:
    return (
        callable(authenticate)
        and callable(identify)
        and not accepts(authenticate, "authentication_callback")
        and not accepts(identify, "identity_callback")
        and accepts(authenticate, "identity_callback")
        and accepts(identify, "authentication_callback")
    )


def _check_keys(state: AppState) -> None:
    handlers, settings = state.handlers, state.settings
    # An application that logs users in signs tokens, so a missing key pair is a mistake. Others may
    # get all keys from key loaders, which may be set later.
    logs_in = handlers.authentication_callback is not None and handlers.encode_key_callback is None
    if settings.has_key or (logs_in and not settings.is_symmetric):
        state.codecs.access()  # so that an invalid key is an error here, not at a request
    elif settings.issuers and not logs_in:
        pass  # the application only verifies their tokens
    elif handlers.decode_key_callback is None and settings.needs_secret:
        warnings.warn(NO_KEY, UserWarning, stacklevel=4)


def _add_rules(state: AppState) -> None:
    app, settings = state.app, state.settings
    if settings.auth_url_rule is not None:
        _add_login_rule(state, settings.auth_url_rule)
    if settings.jwks_url_rule is not None and settings.has_public_key:
        with _naming("JWT_JWKS_URL_RULE"):
            app.add_url_rule(settings.jwks_url_rule, "jwt_jwks", jwks_view)
    if state.sessions is None:
        return
    if rule := settings.expand_rule(settings.refresh_url_rule):
        with _naming("JWT_REFRESH_URL_RULE"):
            app.add_url_rule(rule, "jwt_refresh", refresh_view, methods=["POST"])
    if rule := settings.expand_rule(settings.logout_url_rule):
        with _naming("JWT_LOGOUT_URL_RULE"):
            app.add_url_rule(rule, "jwt_logout", logout_view, methods=["POST"])
    if rule := settings.expand_rule(settings.sessions_url_rule):
        with _naming("JWT_SESSIONS_URL_RULE"):
            app.add_url_rule(rule, "jwt_sessions", sessions_view, methods=["GET"])
            one_rule = f"{rule}/<sid>"
            app.add_url_rule(one_rule, "jwt_session", session_view, methods=["DELETE", "PATCH"])


def _add_login_rule(state: AppState, rule: str) -> None:
    app, settings = state.app, state.settings
    # Flask-JWT ignored JWT_AUTH_ENDPOINT and named the endpoint after the function. Its programs
    # compare request.endpoint with that name.
    handler = state.handlers.auth_request_callback
    is_chosen = "JWT_AUTH_ENDPOINT" in settings.explicit
    is_default = handler is _default_auth_request_handler
    endpoint = settings.auth_endpoint if is_chosen or not is_default else handler.__name__
    options: dict[str, Any] = {"methods": ["POST"], "endpoint": endpoint, "view_func": auth_view}
    options.update(settings.auth_url_options)
    with _naming("JWT_AUTH_URL_RULE", "JWT_AUTH_ENDPOINT", "JWT_AUTH_URL_OPTIONS"):
        app.add_url_rule(rule, **options)
    names = {settings.auth_endpoint, _default_auth_request_handler.__name__}
    names.add(getattr(options["view_func"], "__name__", endpoint))
    names.add(getattr(handler, "__name__", endpoint))

    def build_login_url(error: Exception, name: str, values: dict[str, Any]) -> str:
        if name not in names or name in app.view_functions:
            raise error
        return app.url_for(options["endpoint"], **values)

    app.url_build_error_handlers.append(build_login_url)


@contextmanager
def _naming(rule: str, endpoint: str | None = None, more: str | None = None) -> Iterator[None]:
    """Name the option in the error if Flask or Werkzeug rejects its value.

    :param rule: the option that holds the rule
    :param endpoint: the option that holds the endpoint, which another view may have
    :param more: the option that holds other arguments
    """
    try:
        yield
    except (AssertionError, LookupError, TypeError, ValueError) as error:
        # Flask raises an AssertionError for an endpoint that another view has.
        option = endpoint if isinstance(error, AssertionError) else None
        option = more if isinstance(error, TypeError) else option
        raise ConfigError(f"{option or rule} can't be used for an endpoint: {error}") from None


def _warn_of_mistakes(app: Flask) -> None:
    messages = unknown_keys(app.config)
    try:
        version("Flask-JWT")
    except PackageNotFoundError:
        pass
    else:
        messages.append(
            "Flask-JWT is installed beside Flask-JWT-Too, and both are imported as flask_jwt. Run: "
            "pip uninstall Flask-JWT, then pip install --force-reinstall Flask-JWT-Too"
        )
    for message in messages:
        warnings.warn(message, UserWarning, stacklevel=4)
