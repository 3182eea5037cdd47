"""Find the token of a request and verify it. The guard decides what follows from the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flask import Request
from jwt import InvalidTokenError
from jwt.exceptions import (
    MissingCryptographyError,
    PyJWKClientConnectionError,
    PyJWKClientError,
    PyJWKError,
    PyJWKSetError,
)

from .._config.options import TokenLocation
from .._jose.codec import TokenCodec, VerifiedToken, check_header
from .._jose.keys import UnsuitableKey
from ..errors import (
    AuthError,
    CsrfFailed,
    IssuerInvalid,
    JWTError,
    KeysUnavailable,
    SchemeUnsupported,
    TokenInvalid,
    TokenMissing,
    UserNotFound,
    WrongTokenType,
    rejection_of,
)
from . import csrf
from .app_state import AppState
from .caching import note_headers, note_locations
from .context import RequestState, app_state, current_request, require_sessions
from .cookies import get_cookies
from .guarded_views import GuardOptions
from .locations import extract_token, parse_authorization
from .renewal import begin_renewal, has_refresh_cookie

if TYPE_CHECKING:
    from .._issuers.registry import Issuers

_NO_KEY = "There is no key to verify this token"


def verify_token(  # noqa: C901
    state: AppState,
    request: Request,
    current: RequestState,
    options: GuardOptions,
    is_default: bool,
) -> VerifiedToken:
    """Return the request's token, verified.

    :raises JWTError: if the request has no valid token
    """
    # Not split further, because it runs on each guarded request.
    handlers, codecs = state.handlers, state.codecs
    if handlers.request_callback is not _default_request_handler:
        note_headers(request, "Cookie")  # a custom handler may read cookies
        token = token_to_string(state.call(handlers.request_callback))
        if token is None:
            raise TokenMissing
        verified = _verify(state, current, options, token)
        check_found_token(state, token, verified, refresh=options.refresh)
        return verified
    if not is_default or handlers.decode_key_callback is not None:
        return find_token(state, current, options)
    codec, settings = codecs.access(), state.config.latest
    if settings.only_header is None:
        return find_token(state, current, options)
    # The common case: an access token in the one header.
    if settings.only_header != "HTTP_AUTHORIZATION":
        note_headers(request, settings.header_name)
    current.location = "headers"
    header: str | None = request.environ.get(settings.only_header)
    tokens = codecs.cache.tokens
    if tokens and header is not None:
        # A header in its usual form isn't parsed if its token was verified before. The cache holds
        # the tokens that parse_authorization() has returned, so the result is the same.
        scheme, _, token = header.partition(" ")
        if scheme in settings.canonical_prefixes:
            cached = tokens.get(token)
            if (
                cached is not None
                and (cached.codec is codec or cached.codec.is_current())
                and cached.valid_from <= state.clock.now() < cached.valid_until
            ):
                return cached
    parsed = parse_authorization(header, settings.prefixes)
    if parsed is None:
        raise TokenMissing
    if codecs.applied_issuers is not None:
        return _verify(state, current, options, parsed)
    return codecs.cache.verify(parsed, codec, state.clock.now())


def find_token(state: AppState, current: RequestState, options: GuardOptions) -> VerifiedToken:
    """Return the first valid token, in the order of the locations.

    An invalid token ends the search, unless it is in a cookie. If the search finds no valid token,
    and the access cookie is missing or invalid, the refresh cookie is verified, and a new access
    token is issued for its session.

    :raises JWTError: if there is no valid token
    """
    # Not split further: which of several errors counts is decided in this one loop.
    settings = state.settings
    locations = options.locations or settings.locations
    note_locations(current_request(), settings, locations)
    absences: list[AuthError] = []
    failure: JWTError | None = None
    for location in locations:
        try:
            return _verify_in_location(location, state, current, options)
        except (TokenMissing, SchemeUnsupported) as error:
            absences.append(error)
        except JWTError as error:
            # A cookie never ends the search: the browser adds it to every request, so it must not
            # prevent the use of a token that the client has chosen to send.
            if location != "cookies":
                raise
            failure = failure or error
    current.location = None if failure is None else "cookies"
    # Not after a missing CSRF value or an unavailable store: the access cookie may well be valid.
    is_unusable = failure is None or isinstance(failure, (TokenInvalid, UserNotFound))
    if is_unusable and "cookies" in locations and _can_rotate_session(state, options):
        current.location = "cookies"
        token = begin_renewal(state, current_request(), renew=options.renew)
        return codec_for(state, token, "access").verify(token, state.clock.now())
    raise failure or _combine_missing(absences, settings.header_name)


def _can_rotate_session(state: AppState, options: GuardOptions) -> bool:
    # An application that only verifies leaves it to the other one to renew the cookies.
    return (
        options.type == "access"
        and has_refresh_cookie(state, current_request())
        and state.codecs.refresh().keys.can_sign
    )


def _verify_in_location(
    location: TokenLocation, state: AppState, current: RequestState, options: GuardOptions
) -> VerifiedToken:
    token = extract_token(location, current_request(), state.settings, refresh=options.refresh)
    current.location = location
    if location == "cookies":
        return _verify_cookies(state, current, options)
    return _verify(state, current, options, token)


def _combine_missing(absences: Sequence[AuthError], header: str) -> AuthError:
    if len(absences) == 1:
        return absences[0]
    reasons = "; ".join(
        f'Missing header "{header}"' if _is_missing_header(error) else str(error.description)
        for error in absences
    )
    missing = TokenMissing(
        f"Request does not contain an access token: {reasons}", absences=absences
    )
    missing.hint = next((error.hint for error in absences if error.hint is not None), None)
    return missing


def _is_missing_header(error: AuthError) -> bool:
    return isinstance(error, TokenMissing) and error.location == "headers"


# Not split further: which of several errors counts is decided in this one loop.
def _verify_cookies(state: AppState, current: RequestState, options: GuardOptions) -> VerifiedToken:
    """Return the token of the first cookie that is valid, of those with the name.

    A browser sends an old cookie beside the current one if the domain or the path has changed.
    """
    settings, request = state.settings, current_request()
    needs_csrf = csrf.needs_value(request, settings, refresh=options.refresh)
    name = settings.refresh_cookie_name if options.refresh else settings.access_cookie_name
    rejected = current.rejected or {}
    failure = next(iter(rejected.values()), None)
    for token in get_cookies(request, name):
        if token in rejected:
            continue
        try:
            verified = _verify(state, current, options, token)
            if needs_csrf:
                _reject_foreign(verified)
                csrf.check_request(
                    request, settings, token, verified.claims, refresh=options.refresh
                )
        except (TokenInvalid, CsrfFailed) as error:
            failure = failure or error
        else:
            current.cookie = token
            return verified
    if isinstance(failure, CsrfFailed) and failure.hint is None:
        failure.hint = csrf.explain_origin(request, settings)
    raise failure or TokenMissing(location="cookies")


def _reject_foreign(verified: VerifiedToken) -> None:
    """Reject a token of another issuer that would need a CSRF value.

    Its claims mean nothing here, so only the origin that the browser states proves anything.

    :raises CsrfFailed: if another issuer has issued the token
    """
    if verified.issuer is not None:
        raise CsrfFailed(
            "A token of another issuer in a cookie is accepted only from a page of this origin"
        )


def _verify(
    state: AppState, current: RequestState, options: GuardOptions, token: str
) -> VerifiedToken:
    now = state.clock.now()
    codecs = state.codecs
    # Asked twice, because applying changed options costs something where there are no issuers.
    if codecs.applied_issuers and codecs.issuers() is not None and not options.refresh:
        cached = codecs.cache.get_foreign(token, now)
        if cached is not None:
            return cached
    if options.type != "access" and _is_session_refresh_token(state, options, token):
        current.session = require_sessions(state).verify(token)
        return state.codecs.refresh().verify(token, now)
    codec = codec_for(state, token, options.type)
    # A refresh token is shown once in a while: it isn't worth a place in the cache.
    if options.refresh:
        return codec.verify(token, now)
    return state.codecs.cache.verify(token, codec, now)


def _is_session_refresh_token(state: AppState, options: GuardOptions, token: str) -> bool:
    """Return whether *token*, which isn't verified yet, claims to be a session's refresh token.

    Of refresh tokens, only a session's has a ``sid``. The claims only choose the codec; the session
    manager then verifies the token with the codec for sessions.
    """
    if state.sessions is None:
        return False
    claims = state.codecs.decode_unverified(token)[1]
    return "sid" in claims and (options.refresh or claims.get("type") == "refresh")


def _find_foreign_codec(
    state: AppState, issuers: Issuers | None, token: str, token_type: str | None
) -> TokenCodec | None:
    """Return the codec of the issuer that *token* names, or None if it names none of *issuers*.

    The claim isn't verified. It chooses one codec, and there is no second try with another one.
    """
    if issuers is None:
        return None
    header, claims = state.codecs.decode_unverified(token)
    trusted = issuers.find(claims.get("iss"))
    if trusted is None:
        if state.config.latest.has_key or state.handlers.decode_key_callback is not None:
            return None
        raise IssuerInvalid  # the application has no tokens of its own
    if token_type == "refresh":
        raise WrongTokenType("This needs a token of type refresh", wanted="refresh")
    return trusted.codec_for(header)


def codec_for(state: AppState, token: str, token_type: str | None) -> TokenCodec:
    """Return the codec that verifies *token*: that of its issuer, or the application's own.

    For the application's own tokens, a decode key loader is asked first, so an application with a
    loader needs no configured key.

    :param token_type: the ``type`` that the codec requires; None: any
    :raises TokenInvalid: if there is a loader and *token* can't be decoded for it, or the loader
        has no key for the token or rejects it
    :raises KeysUnavailable: if the keys of the issuer, or those of the loader, can't be fetched now
    """
    codecs, load = state.codecs, state.handlers.decode_key_callback
    if load is not None:
        foreign = _find_foreign_codec(state, codecs.issuers(), token, token_type)
        return foreign or _load_codec(state, load, token, token_type)
    own = codecs.for_type(token_type)  # which applies changed options
    return _find_foreign_codec(state, codecs.applied_issuers, token, token_type) or own


def _load_codec(
    state: AppState, load: Callable[..., Any], token: str, token_type: str | None
) -> TokenCodec:
    """Return the codec for the key that the decode key loader returns for *token*."""
    # Not split: each error of a loader has its response, listed one after the other.
    header, claims = state.codecs.decode_unverified(token)
    # A loader may well use the kid or the issuer as the key of a dict.
    check_header(header)
    if not isinstance(claims.get("iss", ""), str):
        raise IssuerInvalid
    try:
        material = state.call(load, header, claims)
    except JWTError:
        raise
    except InvalidTokenError as error:
        raise rejection_of(error) or TokenInvalid(str(error)) from error
    except PyJWKClientConnectionError as error:
        raise KeysUnavailable from error
    except MissingCryptographyError:  # a PyJWKError, but the developer's fault
        raise
    # A client may write any kid into a token, so a kid without a key is the client's fault.
    except (LookupError, PyJWKClientError, PyJWKError, PyJWKSetError) as error:
        raise TokenInvalid(_NO_KEY) from error
    if not material:
        raise TokenInvalid(_NO_KEY)
    try:
        return state.codecs.with_key(material, token_type)
    except UnsuitableKey as error:
        raise TokenInvalid(_NO_KEY) from error


def token_to_string(token: object) -> str | None:
    """Return *token* as a string; Flask-JWT's request handlers may return bytes.

    :raises TypeError: if *token* is neither a string nor bytes nor None
    """
    if token is None or isinstance(token, str):
        return token
    if isinstance(token, bytes):
        return token.decode("latin-1")  # which never fails; the codec rejects what isn't ASCII
    raise TypeError(f"A token must be a string, not {type(token).__name__}")


def _default_request_handler() -> Any:
    """Return the current request's token from the first location that has one, or None.

    :raises CsrfFailed: if the only token is in a cookie, and the CSRF value is missing or wrong
    """
    state = app_state()
    return find_unverified_token(state, state.settings.locations)


def find_unverified_token(state: AppState, locations: Sequence[TokenLocation]) -> str | None:
    """Return the current request's token from the first of *locations* that has one, or None.

    :raises CsrfFailed: if the only token is in a cookie, and the CSRF value is missing or wrong
    """
    request = current_request()
    settings = state.settings
    note_locations(request, settings, locations)
    failure: CsrfFailed | None = None
    for location in locations:
        try:
            token = extract_token(location, request, settings, refresh=False)
            if location == "cookies":
                _check_header_value(state, request, token)
        except TokenMissing:
            continue
        except CsrfFailed as error:
            failure = error
        else:
            return token
    if failure is not None:
        raise failure
    return None


def _check_header_value(state: AppState, request: Request, token: str) -> None:
    """Check the CSRF value of a cookie that the application's handler is about to verify.

    A value in the form isn't read yet: :func:`check_found_token` does that, once the token is
    verified.
    """
    if not csrf.needs_value(request, state.settings, refresh=False):
        return
    value = csrf.get_header_value(request, state.settings, refresh=False)
    if value:
        csrf.check_value(value, token, state.codecs.decode_unverified(token)[1])


def check_found_token(
    state: AppState, token: str, verified: VerifiedToken | None = None, *, refresh: bool
) -> None:
    """Check that a page of this application sent a token that a handler has found in a cookie.

    :param verified: the verified token; None: the claims are read from the token, which the
        application's handler has verified
    :raises CsrfFailed: if another site may have sent it
    """
    request = current_request()
    settings = state.settings
    if not settings.csrf_protect or not csrf.came_in_cookie(request, token):
        return
    if csrf.needs_value(request, settings, refresh=refresh):
        if verified is None:
            claims = state.codecs.decode_unverified(token)[1]
        else:
            _reject_foreign(verified)
            claims = verified.claims
        csrf.check_request(request, settings, token, claims, refresh=refresh)
