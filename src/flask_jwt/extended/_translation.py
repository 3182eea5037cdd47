"""Translate errors of :mod:`flask_jwt.errors` to those that Flask-JWT-Extended raises."""

# The implementation raises errors of flask_jwt.errors only, and knows nothing of this package.
# They are translated last, just before an error leaves it for the application. So a feature is
# built once, with one error, and Flask-JWT-Extended's messages are all in this module.

from functools import singledispatch

from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidTokenError,
    MissingRequiredClaimError,
)

from .. import errors
from ._answered import answered_class
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


def translate_error(error: errors.JWTError) -> Exception:
    """Return the exception that Flask-JWT-Extended raises for *error*: one of its own or PyJWT's.

    Return *error* itself if Flask-JWT-Extended has no such error.
    """
    raised = error.pyjwt_error if isinstance(error, errors.TokenInvalid) else None
    if raised is None:
        translated: Exception = _translate(error)
    else:
        translated = answered_class(type(raised))(*raised.args)
    if translated is not error:
        # It has what these classes lack: a status, a challenge, and whether to redirect a browser.
        vars(translated)["_flask_jwt_rejection"] = error
    if isinstance(translated, ExpiredSignatureError) and isinstance(error, errors.AuthError):
        vars(translated).update(jwt_header=error.jwt_header, jwt_data=error.jwt_data)
    return translated


# Chooses the function by the class of the error; the most specific class counts.
@singledispatch
def _translate(error: errors.JWTError) -> Exception:
    return error


@_translate.register
def _translate_to_pyjwt(error: errors.TokenInvalid) -> Exception:
    classes = [each for each in type(error).__mro__ if issubclass(each, InvalidTokenError)]
    pyjwt_class = next(each for each in classes if not issubclass(each, errors.JWTError))
    translated: Exception = answered_class(pyjwt_class)(str(error.description))
    return translated


@_translate.register(errors.TokenMissing)
@_translate.register(errors.SchemeUnsupported)
def _translate_absence(error: errors.AuthError) -> Exception:
    return NoAuthorizationError(_describe_absence(error))


@_translate.register
def _translate_header(_error: errors.AuthorizationInvalid) -> Exception:
    return InvalidHeaderError(f"Bad {config.header_name} header. {_expected_header()}")


@_translate.register
def _translate_query(error: errors.QueryMalformed) -> Exception:
    return InvalidQueryParamError(str(error.description))


@_translate.register
def _translate_wrong_csrf(_error: errors.CsrfFailed) -> Exception:
    return CSRFError("CSRF double submit tokens do not match")


@_translate.register
def _translate_missing_csrf(_error: errors.CsrfTokenMissing) -> Exception:
    return CSRFError("Missing CSRF token")


@_translate.register
def _translate_missing_claim(error: errors.ClaimMissing) -> Exception:
    # Flask-JWT-Extended checks the identity claim itself and leaves the others to PyJWT.
    if error.claim == config.identity_claim_key:
        return _missing_identity()
    translated: Exception = answered_class(MissingRequiredClaimError)(error.claim)
    return translated


@_translate.register
def _translate_early_token(error: errors.TokenNotYetValid) -> Exception:
    # Under JWT, the message is that of PyJWT's first version, which Flask-JWT used.
    translated: Exception = answered_class(ImmatureSignatureError)(
        f"The token is not yet valid ({error.claim})"
    )
    return translated


@_translate.register
def _translate_type(error: errors.WrongTokenType) -> Exception:
    # The other checks of the claims come first there.
    if error.jwt_data and config.identity_claim_key not in error.jwt_data:
        return _missing_identity()
    wanted = "refresh" if error.wanted == "refresh" else "non-refresh"
    return WrongTokenError(f"Only {wanted} tokens are allowed")


@_translate.register
def _translate_stale_login(error: errors.ReauthenticationRequired) -> Exception:
    return FreshTokenRequired("Fresh token required", error.jwt_header, error.jwt_data)


# Flask-JWT-Extended's message contains the identity; the client can read it in its token anyway.
@_translate.register
def _translate_missing_user(error: errors.UserNotFound) -> Exception:
    identity = error.jwt_data.get(config.identity_claim_key)
    message = f"user_lookup returned None for {identity}"
    return UserLookupError(message, error.jwt_header, error.jwt_data)


@_translate.register
def _translate_rejected_claims(error: errors.ClaimsRejected) -> Exception:
    message = "User claims verification failed"
    return UserClaimsVerificationError(message, error.jwt_header, error.jwt_data)


@_translate.register(errors.TokenRevoked)
@_translate.register(errors.RefreshTokenReused)
def _translate_revocation(error: errors.AuthError) -> Exception:
    return RevokedTokenError(error.jwt_header, error.jwt_data)


def _missing_identity() -> JWTDecodeError:
    return JWTDecodeError(f"Missing claim: {config.identity_claim_key}")


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
