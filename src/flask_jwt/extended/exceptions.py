"""Flask-JWT-Extended's exceptions, and which of them each refusal of the machine becomes.

Each is a :class:`~flask_jwt.JWTError`, so one that a view raises itself gets the manager's answer
in every REST extension. What PyJWT has a class for stays that class.
"""

from typing import Any

from .. import errors
from .config import config


class JWTExtendedException(errors.JWTError):
    """Base of all of these, each with the loader whose function answers it."""

    loader, status = "invalid_token", 422

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
    loader, status = "unauthorized", 401


class CSRFError(JWTExtendedException):
    loader, status = "unauthorized", 401


class FreshTokenRequired(JWTExtendedException):
    loader, status = "needs_fresh_token", 401


class UserLookupError(JWTExtendedException):
    loader, status = "user_lookup_error", 401


class UserClaimsVerificationError(JWTExtendedException):
    loader, status = "token_verification_failed", 400


class RevokedTokenError(JWTExtendedException):
    loader, status = "revoked_token", 401

    def __init__(self, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__("Token has been revoked", jwt_header, jwt_data)


_NAMES: dict[type[errors.AuthError], tuple[type[JWTExtendedException], str]] = {
    errors.TokenMissing: (NoAuthorizationError, "{absence}"),
    errors.SchemeUnsupported: (NoAuthorizationError, "{absence}"),
    errors.QueryMalformed: (InvalidQueryParamError, "{error.description}"),
    errors.AuthorizationInvalid: (InvalidHeaderError, "Bad {header} header. {expected}"),
    errors.CsrfMissing: (CSRFError, "Missing CSRF token"),
    errors.CsrfFailed: (CSRFError, "CSRF double submit tokens do not match"),
    errors.ClaimMissing: (JWTDecodeError, "Missing claim: {error.claim}"),
    errors.WrongTokenType: (WrongTokenError, "Only {type} tokens are allowed"),
    errors.ReauthenticationRequired: (FreshTokenRequired, "Fresh token required"),
    errors.UserGone: (UserLookupError, "user_lookup returned None for {identity}"),
    errors.ClaimsRefused: (UserClaimsVerificationError, "User claims verification failed"),
}


def translated(error: errors.JWTError) -> errors.JWTError:
    """*error* as Flask-JWT-Extended names it; itself, where PyJWT has the name."""
    named, claim = error, config.identity_claim_key
    name = next((name for kind, name in _NAMES.items() if isinstance(error, kind)), None)
    if isinstance(error, (errors.TokenRevoked, errors.RefreshReused)):
        named = RevokedTokenError(error.jwt_header, error.jwt_data)
    elif isinstance(error, errors.AuthError) and name and getattr(error, "claim", claim) == claim:
        header, scheme = config.header_name, config.header_type
        expected = f"Expected '{header}: {scheme and scheme + ' '}<JWT>'"
        text = name[1].format(
            error=error, header=header, expected=expected, absence=_absence(error, expected),
            identity=error.jwt_data.get(claim),
            type="refresh" if getattr(error, "wanted", "") == "refresh" else "non-refresh",
        )  # fmt: skip
        named = name[0](text, error.jwt_header, error.jwt_data)
    named.challenge, named.realm = error.challenge, error.realm
    return named


def _absence(error: errors.AuthError, expected: str) -> str:
    header = config.header_name
    if isinstance(error, errors.SchemeUnsupported):
        return f"Missing '{config.header_type}' type in '{header}' header. {expected}"
    if not isinstance(error, errors.TokenMissing) or error.location != "headers":
        return str(error.description)
    if not error.absences:
        return f"Missing {header} Header"
    *others, last = [getattr(absence, "location", "headers") for absence in error.absences]
    reasons = "; ".join(_absence(absence, expected) for absence in error.absences)
    return f"Missing JWT in {', '.join(others)} or {last} ({reasons})"
