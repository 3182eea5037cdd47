"""For the tests of applications: headers, a client that logs in, a clock that stands still."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ._config.settings import Settings
from ._jose.codec import as_token
from ._web.app_state import AppState
from ._web.context import app_state, require_sessions
from ._web.issue import login_context, signing_codec
from .errors import ConfigError

__all__ = ["Clock", "JWTClient", "freeze", "jwt_headers"]


class Clock:
    """Seconds since the epoch that pass only when told to.

    :param now: seconds since the epoch, or a datetime with a time zone; by default a moment in
        2027 that is always the same
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
        """Let time pass: seconds, or a timedelta."""
        self.now += by.total_seconds() if isinstance(by, timedelta) else by


@contextmanager
def freeze(app: Flask, at: float | datetime | None = None) -> Iterator[Clock]:
    """Within this context time stands still for *app*'s tokens, sessions and keys.

    It passes by :meth:`Clock.tick` of the clock that this gives. Afterwards the application has
    its own clock again.

    :param at: as :class:`Clock` takes it; by default the present moment, as a whole second
    """
    state = _state_of(app)
    # Rounded up: keys and sessions made just now must not come from the future.
    clock = Clock(float(math.ceil(state.clock.now())) if at is None else at)
    own = state.clock.now, state.clock.monotonic
    state.clock.now = state.clock.monotonic = clock
    try:
        yield clock
    finally:
        state.clock.now, state.clock.monotonic = own
        state.limits = None  # its waits end at times of the other clock


def jwt_headers(
    identity: Any, *, app: Flask | None = None, fresh: bool = True, **claims: Any
) -> dict[str, str]:
    """The header with an access token for *identity*, as a login without a session gives it.

    :param identity: what an authentication handler returns: a user object or dict with an ``id``,
        or the id itself
    :param app: the application, where none is current
    :param fresh: whether the password counts as just given
    :param claims: claims that replace those of the login: ``exp=0`` makes an expired token
    :raises RuntimeError: if no application is given and none is current
    :raises ConfigError: if the application has no JWT, or takes no token from a header
    """
    with _within(app):
        state = app_state()
        settings = state.settings
        if "headers" not in settings.locations:
            raise ConfigError(
                "jwt_headers() is of no use here: JWT_TOKEN_LOCATION, "
                f"{list(settings.locations)}, has no 'headers'. {_OTHERWISE}"
            )
        token = _with_claims(state, identity, _token_of_login(state, identity, fresh), claims)
    return {settings.header_name: _header(settings, token)}


class JWTClient(FlaskClient):
    """Flask's test client, logged in as somebody or, at first, as nobody.

    It is ``JWTClient(app)``, or what ``app.test_client()`` gives after
    ``app.test_client_class = JWTClient``. While it is logged in, each request carries the access
    token where ``JWT_TOKEN_LOCATION`` says: in the header, or else in a cookie. Headers passed
    with a request replace the client's own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What a browser sends from a page of the application itself: proof against CSRF.
        self.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        self.access_token: str | None = None
        self.refresh_token: str | None = None

    def login(
        self, username: str, password: str, *, url: str | None = None, **fields: Any
    ) -> TestResponse:
        """Log in as a user does, at the application's login endpoint.

        :param url: of a login view of your own, which answers with JSON or cookies as ours does
        :param fields: more for the JSON body, such as ``label``
        :raises AssertionError: if the login is refused, with the reason
        :raises ConfigError: if there is no login endpoint and no *url*
        """
        __tracebackhide__ = True  # lest pytest show the password that this was called with
        settings = _state_of(self.application).settings
        url = _url(url or settings.auth_url_rule, "login")
        self.use_tokens(None)
        body = {settings.username_key: username, settings.password_key: password, **fields}
        return self._keep(self.post(url, json=body), secret=password)

    def login_as(self, identity: Any, **claims: Any) -> None:
        """Be logged in as *identity* without a password: in a session, where there is a store.

        The authentication handler isn't asked. All that guards ask is asked as ever.

        :param identity: what an authentication handler returns, as for :func:`jwt_headers`
        :param claims: claims that replace those of the login, until the next refresh
        """
        with _within(self.application):
            state, refresh_token = app_state(), None
            if state.sessions is None:
                token = _token_of_login(state, identity)
            else:
                token, refresh_token, *_ = state.sessions.start(identity)
            token = _with_claims(state, identity, token, claims)
        self.use_tokens(token, refresh_token)

    def refresh(self, *, url: str | None = None) -> TestResponse:
        """Exchange the refresh token for new tokens, at the application's endpoint.

        :param url: of a refresh view of your own
        :raises AssertionError: if it is refused, with the reason
        :raises ConfigError: if there is no refresh endpoint and no *url*
        """
        __tracebackhide__ = True
        state = _state_of(self.application)
        if url is None and require_sessions(state):
            url = state.settings.expand_rule(state.settings.refresh_url_rule)
        url = _url(url, "refresh")
        # Where no refresh token is known it is in a cookie: the access token must not stand for it.
        key = _environ_key(state.settings)
        carried = {key: self.environ_base.pop(key)} if key in self.environ_base else {}
        try:
            answer = self.post(url, headers=self._refresh_headers())
        finally:
            self.environ_base.update(carried)
        return self._keep(answer)

    def logout(self, *, url: str | None = None, **fields: Any) -> None:
        """Log out, at the application's endpoint where there are sessions, and be nobody.

        :param url: of a logout view of your own
        :param fields: for the JSON body, such as ``scope="global"``; with ``"others"`` this client
            stays logged in
        :raises AssertionError: if it is refused, with the reason
        :raises ConfigError: if there are sessions but no logout endpoint, and no *url*
        """
        __tracebackhide__ = True
        state = _state_of(self.application)
        if url is not None:
            _check(self.post(url, json=fields))
        elif state.sessions is not None:
            url = _url(state.settings.expand_rule(state.settings.logout_url_rule), "logout")
            _check(self.post(url, json=fields, headers=self._refresh_headers()))
        if fields.get("scope") != "others":
            self.use_tokens(None)

    def use_tokens(self, access_token: str | None, refresh_token: str | None = None) -> None:
        """Carry tokens got elsewhere from the next request on, or none.

        :raises ConfigError: if the application takes tokens from neither headers nor cookies
        """
        settings = _state_of(self.application).settings
        self.access_token = self.refresh_token = None
        self.environ_base.pop(_environ_key(settings), None)
        if "cookies" in settings.locations:
            for name, place in self._cookies_of(settings):
                self.delete_cookie(name, **place)
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
            for token, (name, place) in zip(tokens, self._cookies_of(settings), strict=True):
                if token is not None:
                    self.set_cookie(name, token, **place, origin_only=is_host_only)
        else:
            raise ConfigError(
                "JWTClient carries tokens in headers or cookies; JWT_TOKEN_LOCATION, "
                f"{list(settings.locations)}, has neither. {_OTHERWISE}"
            )

    def _cookies_of(self, settings: Settings) -> list[tuple[str, dict[str, str]]]:
        """The names of the access and the refresh cookie, and where they apply."""
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
        settings = _state_of(self.application).settings
        if self.refresh_token is None or "headers" not in settings.locations:
            return {}
        return {settings.header_name: _header(settings, self.refresh_token)}

    def _keep(self, answer: TestResponse, secret: str = "") -> TestResponse:
        """Carry the tokens of *answer*, beside the cookies that it has set."""
        __tracebackhide__ = True
        _check(answer, secret)
        body, settings = _json(answer), _state_of(self.application).settings
        cookie = f"{settings.access_cookie_name}="
        if "access_token" in body:
            refresh_token = body.get("refresh_token", self.refresh_token)
            self._carry(settings, body["access_token"], refresh_token)
        elif not any(line.startswith(cookie) for line in answer.headers.getlist("Set-Cookie")):
            raise AssertionError(
                f"{_what(answer)} but without an access_token, in JSON or a cookie: pass the "
                "token that it holds to use_tokens()."
            )
        return answer


_OTHERWISE = "Send what flask_jwt.create_access_token(…) gives where your application expects it."


def _token_of_login(state: AppState, identity: Any, fresh: bool = True) -> str:
    with login_context(state.clock.now() if fresh else 0):
        return as_token(state.call(state.handlers.jwt_encode_callback, identity))


def _with_claims(state: AppState, identity: Any, token: str, claims: Mapping[str, Any]) -> str:
    """*token*, signed again with *claims* in place of its own."""
    if not claims:
        return token
    header, payload = state.codecs.decode_unverified(token)
    codec = signing_codec(state, identity)
    return codec.issue({**payload, **claims}, header, now=state.clock.now())


def _environ_key(settings: Settings) -> str:
    return f"HTTP_{settings.header_name.upper().replace('-', '_')}"


def _header(settings: Settings, token: str) -> str:
    scheme = settings.scheme if settings.prefixes[0] else ""
    return f"{scheme} {token}".lstrip()


def _url(url: str | None, name: str) -> str:
    if url is None:
        raise ConfigError(
            f"This application has no {name} endpoint. Name a view of your own, "
            f"client.{name}(…, url='/…'), or do without: client.login_as(user), "
            "client.use_tokens(access_token, refresh_token), client.use_tokens(None)."
        )
    return url


def _json(answer: TestResponse) -> dict[str, Any]:
    body = answer.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _what(answer: TestResponse) -> str:
    return f"{answer.request.method} {answer.request.path} answered {answer.status}"


def _check(answer: TestResponse, secret: str = "") -> None:
    __tracebackhide__ = True
    if answer.status_code < 400:
        return
    body = _json(answer)
    reason = "; ".join(str(body[name]) for name in _REASONS if name in body)
    if secret:
        reason = reason.replace(secret, "…")
    raise AssertionError(f"{_what(answer)}: {reason or 'without a reason in JSON'}")


_REASONS = ("code", "error", "description", "msg", "message")
"""Members of a JSON body that may say why: others may hold anything."""


def _state_of(app: Flask) -> AppState:
    return app_state(app)


def _within(app: Flask | None) -> AbstractContextManager[Any]:
    """A context of *app*: the current one, if it is that, since a new one's end may close what a
    test has open."""
    if current_app and app in (None, current_app):
        return nullcontext()
    if app is None:
        raise RuntimeError(
            "Which application? Write jwt_headers(user, app=app), or call it within "
            "`with app.app_context():`."
        )
    return app.app_context()
