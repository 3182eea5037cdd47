"""Find the token of a request, and verify it; whether to let the request in is the guard's part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Request
from jwt import InvalidTokenError

from .._config.options import TokenLocation
from .._config.settings import Settings
from .._jose.codec import TokenCodec, VerifiedToken
from .._jose.encoding import parse_json
from ..errors import (
    AuthError,
    AuthorizationInvalid,
    ConfigError,
    CsrfFailed,
    JWTError,
    QueryMalformed,
    SchemeUnsupported,
    TokenInvalid,
    TokenMissing,
)
from . import csrf
from .app_state import AppState
from .context import RequestState, app_state, current_request
from .cookies import has_refresh_cookie, rotate_session


class GuardOptions(NamedTuple):
    """What a guard asks of a request."""

    realm: str | None = None
    optional: bool = False
    fresh: bool | timedelta = False
    refresh: bool = False
    locations: Sequence[TokenLocation] | None = None
    verify_type: bool = True
    skip_revocation_check: bool = False

    @property
    def type(self) -> str | None:
        if not self.verify_type:
            return None
        return "refresh" if self.refresh else "access"

    @property
    def checks_session(self) -> bool:
        """Whether a token of a session that has ended is rejected."""
        return not self.skip_revocation_check and not self.refresh

    @property
    def is_default(self) -> bool:
        """Whether it asks for an access token in the configured locations."""
        return self.verify_type and not self.refresh and not self.locations


def verify_token(
    state: AppState, current: RequestState, options: GuardOptions, is_default: bool
) -> VerifiedToken:
    """The token that the request carries, if it is good."""
    handlers = state.handlers
    codec, now = state.codecs.access(), state.clock.now()
    if handlers.request_callback is not _default_request_handler:
        token = token_text(state.call(handlers.request_callback))
        if token is None:
            raise TokenMissing
        return _verify(state, current, options, token)
    settings = state.config.latest
    if not is_default or settings.only_header is None or handlers.decode_key_callback is not None:
        return find_token(state, current, options)
    current.location = "headers"
    header = current.request.environ.get(settings.only_header)
    if (seen := codec.get_cached(header, now)) is not None:
        return seen
    token = token_in_header(header, settings.prefixes)
    if token is None:
        raise TokenMissing
    return codec.verify(token, now, header)


def find_token(state: AppState, current: RequestState, options: GuardOptions) -> VerifiedToken:
    """Return the first valid token, in the order of the locations.

    An invalid one ends the search, but not in a cookie: the browser sends it unasked, and it must
    not stand in the way of a token that a client has chosen to send.
    """
    # Not split further: which failure counts is decided in this one loop.
    settings = state.settings
    locations = options.locations or settings.locations
    absences: list[AuthError] = []
    failure: JWTError | None = None
    for location in locations:
        try:
            return _verify_in(location, state, current, options)
        except (TokenMissing, SchemeUnsupported) as error:
            absences.append(error)
        except JWTError as error:
            if location != "cookies":
                raise
            failure = failure or error
    current.location = None if failure is None else "cookies"
    is_over = failure is None or isinstance(failure, TokenInvalid)
    if is_over and "cookies" in locations and _may_renew(state, current, options):
        current.location = "cookies"
        token = rotate_session(state, current.request).access_token
        return state.codecs.access().verify(token, state.clock.now())
    raise failure or _absent(absences, settings.header_name)


def _may_renew(state: AppState, current: RequestState, options: GuardOptions) -> bool:
    return options.type == "access" and has_refresh_cookie(state, current.request)


def _verify_in(
    location: TokenLocation, state: AppState, current: RequestState, options: GuardOptions
) -> VerifiedToken:
    token = token_in(location, current.request, state.settings, refresh=options.refresh)
    current.location = location
    if location == "cookies":
        return _verify_cookie(state, current, options, token)
    return _verify(state, current, options, token)


def _absent(absences: Sequence[AuthError], header: str) -> AuthError:
    if len(absences) == 1:
        return absences[0]
    reasons = "; ".join(
        f'Missing header "{header}"' if _is_missing_header(error) else str(error.description)
        for error in absences
    )
    return TokenMissing(f"Request does not contain an access token: {reasons}", absences=absences)


def _is_missing_header(error: AuthError) -> bool:
    return isinstance(error, TokenMissing) and error.location == "headers"


def _verify_cookie(
    state: AppState, current: RequestState, options: GuardOptions, token: str
) -> VerifiedToken:
    proof = csrf.submitted(current.request, state.settings, refresh=options.refresh)
    verified = _verify(state, current, options, token)
    if proof is not None:
        csrf.check(proof, token, verified.claims)
    return verified


def _verify(
    state: AppState, current: RequestState, options: GuardOptions, token: str
) -> VerifiedToken:
    codec, now = codec_for(state, token, options.type), state.clock.now()
    if not options.refresh:
        return codec.get_cached(token, now) or codec.verify(token, now)
    # Only a session's refresh token has a sid; which session's, its own strict check finds out.
    if state.sessions is None or "sid" not in codec.decode_unverified(token)[1]:
        return codec.verify(token, now)
    current.session = state.sessions.verify(token)
    return state.codecs.refresh().verify(token, now)


def codec_for(state: AppState, token: str, token_type: str | None) -> TokenCodec:
    """Return the codec that verifies *token* as one of *token_type* (None: any): with the key that
    the decode key loader gives for it, if there is a loader.

    :raises TokenInvalid: if there is a loader and this is no token, or the loader says so
    """
    load = state.handlers.decode_key_callback
    if load is None:
        return state.codecs.for_type(token_type)
    header, claims = state.codecs.access().decode_unverified(token)
    try:
        material = state.call(load, header, claims)
    except JWTError:
        raise
    except InvalidTokenError as error:
        raise TokenInvalid(str(error)) from error
    return state.codecs.with_key(material, token_type)


def token_text(token: Any) -> str | None:
    if token is None or isinstance(token, str):
        return token
    if isinstance(token, bytes):
        return token.decode("latin-1")
    raise TypeError(f"A token is a text, not {type(token).__name__}")


def token_in_header(value: str | None, prefixes: tuple[str, ...]) -> str | None:
    """The token in the ``Authorization`` header *value* (RFC 6750 section 2.1).

    A proxy may have joined several headers with commas; the others are left alone.

    :param prefixes: accepted schemes, lower case; an empty one: the value is the token
    :raises AuthorizationInvalid: for another scheme, no token, or more than one
    """
    parts = value.split() if value else []
    if value and "," in value:
        parts = _own_field(value, prefixes)
    if not parts:
        return None
    if prefixes[0] == "":
        parts = ["", *parts]
    if parts[0].lower() not in prefixes:
        raise SchemeUnsupported
    if len(parts) == 1:
        raise AuthorizationInvalid("Token missing")
    if len(parts) > 2:
        raise AuthorizationInvalid("Token contains spaces")
    return parts[1]


def _own_field(value: str, prefixes: tuple[str, ...]) -> list[str]:
    fields = [field.split() for field in value.split(",") if field.strip()]
    own = [field for field in fields if prefixes[0] == "" or field[0].lower() in prefixes]
    if not own:
        raise SchemeUnsupported
    if len(own) > 1:
        raise AuthorizationInvalid("Token contains spaces")
    return own[0]


def _in_headers(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    return token_in_header(request.headers.get(settings.header_name), settings.prefixes)


def _in_cookies(request: Request, settings: Settings, refresh: bool) -> str | None:
    name = settings.refresh_cookie_name if refresh else settings.access_cookie_name
    if token := request.cookies.get(name):
        return token
    raise TokenMissing(f'Missing cookie "{name}"', location="cookies")


def _in_query_string(request: Request, settings: Settings, refresh: bool) -> str | None:  # noqa: ARG001
    name, prefix = settings.query_string_name, settings.query_string_prefix
    try:
        value = request.args.get(name)
    except UnicodeDecodeError:  # Werkzeug's, for a query string that isn't UTF-8
        value = None
    if not value:
        raise TokenMissing(f"Missing '{name}' query paramater", location="query_string")
    if not value.startswith(prefix):
        raise QueryMalformed(
            f"Invalid value for query parameter '{name}'. "
            f"Expected the value to start with '{prefix}'"
        )
    return value[len(prefix) :]


def _in_json(request: Request, settings: Settings, refresh: bool) -> str | None:
    if not request.is_json:
        raise TokenMissing("Invalid content-type. Must be application/json.", location="json")
    name = settings.refresh_json_key if refresh else settings.json_key
    try:
        body = parse_json(request.get_data())
    except ValueError:
        body = None
    token = body.get(name) if isinstance(body, dict) else None
    if not token:
        raise TokenMissing(f'Missing "{name}" key in json data.', location="json")
    if not isinstance(token, str):
        raise AuthorizationInvalid(f'"{name}" in the JSON data must be a text')
    return token


_FINDERS: dict[str, Callable[[Request, Settings, bool], str | None]] = {
    "headers": _in_headers,
    "cookies": _in_cookies,
    "query_string": _in_query_string,
    "json": _in_json,
}


def token_in(location: str, request: Request, settings: Settings, *, refresh: bool) -> str:
    """The token that *request* carries in *location*.

    :raises TokenMissing: if it carries none there
    :raises AuthorizationInvalid: if there is something, but no token
    :raises ConfigError: for a location that there isn't
    """
    finder = _FINDERS.get(location)
    if finder is None:
        raise ConfigError(f"{location!r} is not a valid location; write one of {[*_FINDERS]}")
    token = finder(request, settings, refresh)
    if token is None:
        raise TokenMissing
    return token


def _default_request_handler() -> Any:
    """The current request's token, or None without one, from the first location that has one.

    :raises CsrfFailed: if there is only a cookie, without proof that a page of ours sent it
    """
    state, request = app_state(), current_request()
    failure: CsrfFailed | None = None
    for location in state.settings.locations:
        try:
            token = token_in(location, request, state.settings, refresh=False)
            if location == "cookies":
                # Here, because it is handlers of the application's own that verify this token.
                proof = csrf.submitted(request, state.settings, refresh=False)
                if proof is not None:
                    csrf.check(proof, token, state.codecs.access().decode_unverified(token)[1])
        except TokenMissing:
            continue
        except CsrfFailed as error:
            failure = error
        else:
            return token
    if failure is not None:
        raise failure
    return None
