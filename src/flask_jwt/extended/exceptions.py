"""Flask-JWT-Extended's exceptions, and which of them each refusal of the machine becomes.

Each is a :class:`~flask_jwt.JWTError`, so one that a view raises itself gets the manager's answer
in every REST extension. What PyJWT has a class for stays that class.
"""

from __future__ import annotations

from typing import Any

from .. import checked_config, errors


class JWTExtendedException(errors.JWTError):
    """Base of all of these, each with the callback that answers it, or else the status and the
    message of the answer: the exception's own where it is None."""

    callback = "_invalid_token_callback"
    status = 422
    answer: str | None = None

    def __init__(self, message: str, jwt_header: Any = None, jwt_data: Any = None) -> None:
        super().__init__(type(self).__name__, message, self.status)
        self.jwt_header, self.jwt_data = jwt_header, jwt_data

    def __str__(self) -> str:
        return str(self.description)


class JWTDecodeError(JWTExtendedException):
    """A claim that has to be there is missing."""


class InvalidHeaderError(JWTExtendedException):
    """The header is ours, but holds no token."""


class InvalidQueryParamError(JWTExtendedException):
    """The query parameter lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class WrongTokenError(JWTExtendedException):
    """An access token for a refresh token, or the reverse."""


class NoAuthorizationError(JWTExtendedException):
    callback, status = "_unauthorized_callback", 401


class CSRFError(JWTExtendedException):
    callback, status = "_unauthorized_callback", 401


class FreshTokenRequired(JWTExtendedException):
    callback, status, answer = "_needs_fresh_token_callback", 401, "Fresh token required"


class UserLookupError(JWTExtendedException):
    callback, status, answer = "_user_lookup_error_callback", 401, "Error loading the user {}"


class UserClaimsVerificationError(JWTExtendedException):
    callback, status = "_token_verification_failed_callback", 400
    answer = "User claims verification failed"


class RevokedTokenError(JWTExtendedException):
    callback, status, answer = "_revoked_token_callback", 401, "Token has been revoked"

    def __init__(self, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__("Token has been revoked", jwt_header, jwt_data)


_NAMES: dict[type[errors.AuthError], tuple[type[JWTExtendedException], str]] = {
    errors.TokenMissing: (NoAuthorizationError, "{absence}"),
    errors.SchemeUnsupported: (NoAuthorizationError, "{absence}"),
    errors.QueryMalformed: (InvalidQueryParamError, "{error.description}"),
    errors.AuthorizationInvalid: (InvalidHeaderError, "Bad {header} header. {expected}"),
    errors.CsrfMissing: (CSRFError, "Missing CSRF token"),
    errors.CsrfFailed: (CSRFError, "CSRF double submit tokens do not match"),
    errors.WrongTokenType: (WrongTokenError, "Only {type} tokens are allowed"),
    errors.ReauthenticationRequired: (FreshTokenRequired, "Fresh token required"),
    errors.UserGone: (UserLookupError, "user_lookup returned None for {identity}"),
    errors.ClaimsRefused: (UserClaimsVerificationError, "User claims verification failed"),
}


def translated(error: errors.JWTError) -> errors.JWTError:
    """*error* as Flask-JWT-Extended names it; itself, where PyJWT has the name."""
    claim, header = checked_config("JWT_IDENTITY_CLAIM"), checked_config("JWT_HEADER_NAME")
    named: JWTExtendedException
    kind = next((kind for kind in _NAMES if isinstance(error, kind)), None)
    if isinstance(error, (errors.TokenRevoked, errors.RefreshReused)):
        named = RevokedTokenError(error.jwt_header, error.jwt_data)
    elif isinstance(error, errors.ClaimMissing) and error.claim == claim:
        named = JWTDecodeError(f"Missing claim: {claim}", error.jwt_header, error.jwt_data)
    elif kind is not None and isinstance(error, errors.AuthError):
        exception, message = _NAMES[kind]
        identity = error.jwt_data.get(claim) if isinstance(error.jwt_data, dict) else None
        wanted = "refresh" if getattr(error, "wanted", "") == "refresh" else "non-refresh"
        parts = {"absence": _absence(error), "header": header, "expected": _expected()}
        text = message.format(error=error, identity=identity, type=wanted, **parts)
        named = exception(text, error.jwt_header, error.jwt_data)
    else:
        return error
    named.challenge, named.realm = error.challenge, error.realm
    return named


def _expected() -> str:
    scheme = checked_config("JWT_HEADER_TYPE")
    return f"Expected '{checked_config('JWT_HEADER_NAME')}: {scheme and scheme + ' '}<JWT>'"


def _absence(error: errors.AuthError) -> str:
    header, scheme = checked_config("JWT_HEADER_NAME"), checked_config("JWT_HEADER_TYPE")
    if isinstance(error, errors.SchemeUnsupported):
        return f"Missing '{scheme}' type in '{header}' header. {_expected()}"
    if not isinstance(error, errors.TokenMissing) or error.location != "headers":
        return str(error.description)
    if not error.absences:
        return f"Missing {header} Header"
    *others, last = [getattr(absence, "location", "headers") for absence in error.absences]
    reasons = "; ".join(map(_absence, error.absences))
    return f"Missing JWT in {', '.join(others)} or {last} ({reasons})"
