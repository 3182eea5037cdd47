"""Translate errors of :mod:`flask_jwt.errors` to those that Flask-JWT-Extended raises."""

# The implementation raises errors of flask_jwt.errors only, and knows nothing of this package.
# They are translated last, just before an error leaves it for the application. So a feature is
# built once, with one error, and Flask-JWT-Extended's messages are all in this module.

from functools import singledispatch

from .. import errors
from .config import config
from .exceptions import (
    CSRFError,
    FreshTokenRequired,
    InvalidHeaderError,
    InvalidQueryParamError,
    JWTDecodeError,
    NoAuthorizationError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)


def translate_error(error: errors.JWTError) -> errors.JWTError:
    """Return the exception that Flask-JWT-Extended raises for *error*.

    Return *error* itself if PyJWT has a class for it, because Flask-JWT-Extended raises that class,
    or if Flask-JWT-Extended has no such error.
    """
    translated = _translate(error)
    # The classes of extended.exceptions have no challenge: one of them stands for several errors.
    translated.challenge, translated.realm = error.challenge, error.realm
    translated.hint = error.hint  # for the log; the callbacks' bodies are Flask-JWT-Extended's
    return translated


# Chooses the function by the class of the error; the most specific class counts.
@singledispatch
def _translate(error: errors.JWTError) -> errors.JWTError:
    return error


@_translate.register(errors.TokenMissing)
@_translate.register(errors.SchemeUnsupported)
def _translate_absence(error: errors.AuthError) -> NoAuthorizationError:
    return NoAuthorizationError(_describe_absence(error), error.jwt_header, error.jwt_data)


@_translate.register
def _translate_header(error: errors.AuthorizationInvalid) -> InvalidHeaderError:
    message = f"Bad {config.header_name} header. {_expected_header()}"
    return InvalidHeaderError(message, error.jwt_header, error.jwt_data)


@_translate.register
def _translate_query(error: errors.QueryMalformed) -> InvalidQueryParamError:
    return InvalidQueryParamError(str(error.description), error.jwt_header, error.jwt_data)


@_translate.register
def _translate_wrong_csrf(error: errors.CsrfFailed) -> CSRFError:
    message = "CSRF double submit tokens do not match"
    return CSRFError(message, error.jwt_header, error.jwt_data)


@_translate.register
def _translate_missing_csrf(error: errors.CsrfTokenMissing) -> CSRFError:
    return CSRFError("Missing CSRF token", error.jwt_header, error.jwt_data)


@_translate.register
def _translate_missing_claim(error: errors.ClaimMissing) -> errors.JWTError:
    # Flask-JWT-Extended checks the identity claim itself and leaves the others to PyJWT.
    if error.claim != config.identity_claim_key:
        return error
    return JWTDecodeError(f"Missing claim: {error.claim}", error.jwt_header, error.jwt_data)


@_translate.register
def _translate_type(error: errors.WrongTokenType) -> WrongTokenError:
    wanted = "refresh" if error.wanted == "refresh" else "non-refresh"
    message = f"Only {wanted} tokens are allowed"
    return WrongTokenError(message, error.jwt_header, error.jwt_data)


@_translate.register
def _translate_stale_login(error: errors.ReauthenticationRequired) -> FreshTokenRequired:
    return FreshTokenRequired("Fresh token required", error.jwt_header, error.jwt_data)


# Flask-JWT-Extended's message contains the identity; the client can read it in its token anyway.
@_translate.register
def _translate_missing_user(error: errors.UserNotFound) -> UserLookupError:
    identity = error.jwt_data.get(config.identity_claim_key)
    message = f"user_lookup returned None for {identity}"
    return UserLookupError(message, error.jwt_header, error.jwt_data)


@_translate.register
def _translate_rejected_claims(error: errors.ClaimsRejected) -> UserClaimsVerificationError:
    message = "User claims verification failed"
    return UserClaimsVerificationError(message, error.jwt_header, error.jwt_data)


@_translate.register(errors.TokenRevoked)
@_translate.register(errors.RefreshTokenReused)
def _translate_revocation(error: errors.AuthError) -> RevokedTokenError:
    return RevokedTokenError(error.jwt_header, error.jwt_data)


def _describe_absence(error: errors.AuthError) -> str:
    """Return the reason why the request has no token, in one location or in any."""
    header = config.header_name
    if isinstance(error, errors.SchemeUnsupported):
        return f"Missing '{config.header_type}' type in '{header}' header. {_expected_header()}"
    if not isinstance(error, errors.TokenMissing) or error.location != "headers":
        return str(error.description)
    if not error.absences:
        return f"Missing {header} Header"
    # A header of another scheme is the only absence that doesn't name its location.
    *others, last = [getattr(absence, "location", "headers") for absence in error.absences]
    reasons = "; ".join(_describe_absence(absence) for absence in error.absences)
    return f"Missing JWT in {', '.join(others)} or {last} ({reasons})"


def _expected_header() -> str:
    scheme = f"{config.header_type} " if config.header_type else ""
    return f"Expected '{config.header_name}: {scheme}<JWT>'"
