"""Test applications: request headers, a client that logs in, and a clock that tests control."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ._config.settings import Settings
from ._issuers.fake import FakeIssuer
from ._jose.claims import Claims, ClaimsView
from ._jose.codec import as_token
from ._jose.grants import RequiredNames, replace_grants
from ._web.app_state import AppState
from ._web.context import app_state, require_sessions
from ._web.grants import grant_claims
from ._web.issue import login_context, signing_codec
from .errors import ConfigError

__all__ = ["Clock", "FakeIssuer", "JWTClient", "freeze", "jwt_headers"]


class Clock:
    """Return a time that only :meth:`tick` advances, in seconds since the epoch.

    :param now: the time at first: seconds since the epoch, or a datetime with a time zone; default
        a fixed time in 2027
    :raises ValueError: for a datetime without a time zone
    """

    def __init__(self, now: float | datetime = 1_800_000_000.0) -> None:
        if isinstance(now, datetime):
            if now.tzinfo is None:
                raise ValueError("Give the datetime a time zone: datetime(…, tzinfo=timezone.utc)")
            now = now.timestamp()
        self.now: float = now

    def __call__(self) -> float:
        return self.now

    def tick(self, by: float | timedelta) -> None:
        """Advance the clock by seconds, or by a timedelta."""
        self.now += by.total_seconds() if isinstance(by, timedelta) else by


@contextmanager
def freeze(app: Flask, at: float | datetime | None = None) -> Iterator[Clock]:
    """Stop the time for the tokens, sessions and keys of *app*.

    Use the returned clock's :meth:`Clock.tick` to advance the time. When the ``with`` block ends,
    the application has its own clock again.

    :param at: the time at first, as for :class:`Clock`; default the current time, in whole seconds
    """
    state = app_state(app)
    # Rounded up, so that keys and sessions created just now are not created in the future.
    clock = Clock(float(math.ceil(state.clock.now())) if at is None else at)
    original = state.clock.now, state.clock.monotonic
    state.clock.now = state.clock.monotonic = clock
    try:
        yield clock
    finally:
        state.clock.now, state.clock.monotonic = original
        # The counters hold times of the other clock; the next login creates the limits anew.
        if state.limits is not None:
            state.limits[1].forget()
        state.limits = None


def jwt_headers(
    identity: object,
    *,
    app: Flask | None = None,
    fresh: bool = True,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
    **claims: object,
) -> dict[str, str]:
    """Return the request header with an access token for *identity*.

    The token is that of a login without a session, so it can't be refreshed or revoked.

    :param identity: what an authentication handler returns: a user object or dict with an ``id``,
        or the id itself
    :param app: the application; default the current one
    :param fresh: whether the token counts as fresh, as after a login with the password
    :param scopes: the scopes of the token: a string, or several strings
    :param roles: its roles
    :param claims: claims that replace those of the login: ``exp=0`` creates an expired token
    :raises RuntimeError: if no application is given and none is current
    :raises ConfigError: if the application has no JWT, accepts no token in a header, or has a
        ``grants_loader``, so that the scopes and roles of a token have no effect
    """
    with _app_context(app):
        state = app_state()
        settings = state.settings
        if "headers" not in settings.locations:
            raise ConfigError(
                "jwt_headers() has no effect here, because JWT_TOKEN_LOCATION is "
                f"{list(settings.locations)}, without 'headers'. {_ALTERNATIVE}"
            )
        granted, token = _granted(state, scopes, roles), _token_of_login(state, identity, fresh)
        token = _with_claims(state, identity, token, granted, claims)
    return {settings.header_name: _header(settings, token)}


class JWTClient(FlaskClient):
    """Send test requests as a user who logs in; anonymous at first.

    Create it with ``JWTClient(app)``, or with ``app.test_client()`` after
    ``app.test_client_class = JWTClient``. While it is logged in, each request carries the access
    token in the header or, if ``JWT_TOKEN_LOCATION`` has no ``headers``, in a cookie. Headers
    passed with a request replace those of the client.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Browsers send this header from a page of the application itself. Without it the CSRF
        # check would reject the requests that carry the token in a cookie.
        self.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        self.access_token: str | None = None
        self.refresh_token: str | None = None

    def login(
        self, username: str, password: str, *, url: str | None = None, **fields: Any
    ) -> TestResponse:
        """Log in as a user does, at the application's login endpoint.

        :param url: the URL of a custom login view, which responds with JSON or cookies as the
            built-in endpoint does
        :param fields: more members of the JSON body, such as ``label``
        :raises AssertionError: if the login is rejected, with the reason
        :raises ConfigError: if there is no login endpoint and no *url*
        """
        # Otherwise pytest would show this function's arguments, with the password, on failure.
        __tracebackhide__ = True
        settings = app_state(self.application).settings
        url = _url(url or settings.auth_url_rule, "login")
        self.use_tokens(None)
        body = {settings.username_key: username, settings.password_key: password, **fields}
        return self._keep_tokens(self.post(url, json=body), secret=password)

    def login_as(
        self,
        identity: Any,
        *,
        scopes: RequiredNames | None = None,
        roles: RequiredNames | None = None,
        **claims: Any,
    ) -> None:
        """Log in as *identity* without a password.

        This starts a session if the application has a session store. The authentication handler
        isn't called; guards verify the token as usual.

        :param identity: what an authentication handler returns, as for :func:`jwt_headers`
        :param scopes: the scopes of the token, until the next refresh
        :param roles: its roles, until the next refresh
        :param claims: claims that replace those of the login, until the next refresh
        :raises ConfigError: for *scopes* and *roles*, as for :func:`jwt_headers`
        """
        with _app_context(self.application):
            state, refresh_token = app_state(), None
            if state.sessions is None:
                token = _token_of_login(state, identity)
            else:
                token, refresh_token, *_ = state.sessions.start(identity)
            granted = _granted(state, scopes, roles)
            token = _with_claims(state, identity, token, granted, claims)
        self.use_tokens(token, refresh_token)

    def refresh(self, *, url: str | None = None) -> TestResponse:
        """Exchange the refresh token for new tokens, at the application's refresh endpoint.

        :param url: the URL of a custom refresh view
        :raises AssertionError: if the request is rejected, with the reason
        :raises ConfigError: if there is no refresh endpoint and no *url*
        """
        __tracebackhide__ = True
        state = app_state(self.application)
        if url is None and require_sessions(state):
            url = state.settings.expand_rule(state.settings.refresh_url_rule)
        url = _url(url, "refresh")
        # An access token in the header would be rejected before the refresh cookie is read.
        key = _environ_key(state.settings)
        access_header = {key: self.environ_base.pop(key)} if key in self.environ_base else {}
        try:
            response = self.post(url, headers=self._refresh_headers())
        finally:
            self.environ_base.update(access_header)
        return self._keep_tokens(response)

    def logout(self, *, url: str | None = None, **fields: Any) -> None:
        """Log out and become anonymous.

        This calls the application's logout endpoint if the application has sessions.

        :param url: the URL of a custom logout view
        :param fields: members of the JSON body, such as ``scope="global"``; with
            ``scope="others"`` this client stays logged in
        :raises AssertionError: if the request is rejected, with the reason
        :raises ConfigError: if there are sessions but no logout endpoint, and no *url*
        """
        __tracebackhide__ = True
        state = app_state(self.application)
        if url is not None:
            _check(self.post(url, json=fields))
        elif state.sessions is not None:
            url = _url(state.settings.expand_rule(state.settings.logout_url_rule), "logout")
            _check(self.post(url, json=fields, headers=self._refresh_headers()))
        if fields.get("scope") != "others":
            self.use_tokens(None)

    def use_tokens(self, access_token: str | None, refresh_token: str | None = None) -> None:
        """Send these tokens with every following request; None to send no token.

        :raises ConfigError: if the application accepts tokens in neither headers nor cookies
        """
        settings = app_state(self.application).settings
        self.access_token = self.refresh_token = None
        self.environ_base.pop(_environ_key(settings), None)
        if "cookies" in settings.locations:
            for name, scope in self._cookies_of(settings):
                self.delete_cookie(name, **scope)
        if access_token is not None or refresh_token is not None:
            self._carry(settings, access_token, refresh_token)

    def _carry(
        self, settings: Settings, access_token: str | None, refresh_token: str | None
    ) -> None:
        tokens = self.access_token, self.refresh_token = access_token, refresh_token
        if "headers" in settings.locations:
            if access_token is not None:
                self.environ_base[_environ_key(settings)] = _header(settings, access_token)
        elif "cookies" in settings.locations:
            is_host_only = settings.cookie_domain is None
            for token, (name, scope) in zip(tokens, self._cookies_of(settings), strict=True):
                if token is not None:
                    self.set_cookie(name, token, **scope, origin_only=is_host_only)
        else:
            raise ConfigError(
                "JWTClient sends tokens in headers or cookies, but JWT_TOKEN_LOCATION is "
                f"{list(settings.locations)}, without either. {_ALTERNATIVE}"
            )

    def _cookies_of(self, settings: Settings) -> list[tuple[str, dict[str, str]]]:
        """Return the name, domain and path of the access and of the refresh cookie."""
        host = (self.application.config["SERVER_NAME"] or "localhost").partition(":")[0]
        domain = (settings.cookie_domain or host).lstrip(".")
        return [
            (settings.access_cookie_name, {"domain": domain, "path": settings.access_cookie_path}),
            (
                settings.refresh_cookie_name,
                {"domain": domain, "path": settings.refresh_cookie_path},
            ),
        ]

    def _refresh_headers(self) -> dict[str, str]:
        settings = app_state(self.application).settings
        if self.refresh_token is None or "headers" not in settings.locations:
            return {}
        return {settings.header_name: _header(settings, self.refresh_token)}

    def _keep_tokens(self, response: TestResponse, secret: str = "") -> TestResponse:
        """Send the tokens of *response* from now on; the client keeps its cookies anyway."""
        __tracebackhide__ = True
        _check(response, secret)
        body, settings = _json(response), app_state(self.application).settings
        cookie = f"{settings.access_cookie_name}="
        if "access_token" in body:
            refresh_token = body.get("refresh_token", self.refresh_token)
            self._carry(settings, body["access_token"], refresh_token)
        elif not any(line.startswith(cookie) for line in response.headers.getlist("Set-Cookie")):
            raise AssertionError(
                f"{_describe(response)} without an access_token in JSON or in a cookie. Pass the "
                "token of the response to use_tokens()."
            )
        return response


_ALTERNATIVE = (
    "Create a token with flask_jwt.create_access_token(…), and send it where the application "
    "expects it."
)


def _token_of_login(state: AppState, identity: object, fresh: bool = True) -> str:
    with login_context(state.clock.now() if fresh else 0):
        return as_token(state.call(state.handlers.jwt_encode_callback, identity))


def _granted(state: AppState, scopes: RequiredNames | None, roles: RequiredNames | None) -> Claims:
    if state.handlers.grants_callback is not None and (scopes is not None or roles is not None):
        raise ConfigError(
            "The scopes and roles of a token have no effect here, because the grants_loader of "
            "this application replaces them. Give the user the scopes and roles instead."
        )
    return grant_claims(state.settings, scopes, roles)


def _with_claims(
    state: AppState, identity: object, token: str, granted: ClaimsView, claims: ClaimsView
) -> str:
    """Return *token*, signed again with *granted* replacing its scopes and roles, and *claims* its
    claims of the same names."""
    if not granted and not claims:
        return token
    header, payload = state.codecs.decode_unverified(token)
    codec = signing_codec(state, identity)
    payload = replace_grants(payload, granted, state.settings.grant_claims)
    return codec.issue({**payload, **claims}, header, now=state.clock.now())


def _environ_key(settings: Settings) -> str:
    return f"HTTP_{settings.header_name.upper().replace('-', '_')}"


def _header(settings: Settings, token: str) -> str:
    scheme = settings.scheme if settings.prefixes[0] else ""
    return f"{scheme} {token}".lstrip()


def _url(url: str | None, name: str) -> str:
    if url is None:
        raise ConfigError(
            f"This application has no {name} endpoint. Name a custom view, "
            f"client.{name}(…, url='/…'), or call none: client.login_as(user), "
            "client.use_tokens(access_token, refresh_token), client.use_tokens(None)."
        )
    return url


def _json(response: TestResponse) -> dict[str, Any]:
    body = response.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _describe(response: TestResponse) -> str:
    return f"{response.request.method} {response.request.path} returned {response.status}"


def _check(response: TestResponse, secret: str = "") -> None:
    """Raise AssertionError if *response* is an error; *secret* is left out of the message."""
    __tracebackhide__ = True
    if response.status_code < 400:
        return
    body = _json(response)
    reason = "; ".join(str(body[name]) for name in _REASONS if name in body)
    if secret:
        # A custom login view may quote the password in its error.
        reason = reason.replace(secret, "…")
    raise AssertionError(f"{_describe(response)}: {reason or 'without a reason in JSON'}")


# Only these members of a JSON body are shown, because others may hold anything, even secrets.
_REASONS = ("code", "error", "description", "msg", "message")


def _app_context(app: Flask | None) -> AbstractContextManager[object]:
    """Return a context manager that provides an application context of *app*."""
    # The current context is used if there is one. Leaving a new context would run the teardown
    # functions, which close what the test has open, such as a database session.
    if current_app and app in (None, current_app):
        return nullcontext()
    if app is None:
        raise RuntimeError(
            "jwt_headers() needs an application. Write jwt_headers(user, app=app), or call it "
            "within `with app.app_context():`."
        )
    return app.app_context()
