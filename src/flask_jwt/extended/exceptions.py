"""Flask-JWT-Extended's exceptions.

Each is a :class:`~flask_jwt.JWTError`, so one that a view raises itself gets the manager's response
under every REST extension. Errors that PyJWT has a class for are raised as that class.
"""

from typing import Any

from .. import errors


class JWTExtendedException(errors.JWTError):
    """Base of all exceptions in this module.

    :param message: the reason, as the client gets it
    :param jwt_header: the header of the rejected token
    :param jwt_data: its claims
    """

    status = 422

    def __init__(self, message: str, jwt_header: Any = None, jwt_data: Any = None) -> None:
        super().__init__(type(self).__name__, message, self.status)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data

    def __str__(self) -> str:
        return str(self.description)


class JWTDecodeError(JWTExtendedException):
    """A required claim is missing."""


class InvalidHeaderError(JWTExtendedException):
    """The header has the right scheme, but no token."""


class InvalidQueryParamError(JWTExtendedException):
    """The query parameter lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class WrongTokenError(JWTExtendedException):
    """An access token was sent instead of a refresh token, or the reverse."""


class NoAuthorizationError(JWTExtendedException):
    """The request carries no token."""

    status = 401


class CSRFError(JWTExtendedException):
    """The CSRF token is missing, or isn't the one that belongs to the cookie."""

    status = 401


class FreshTokenRequired(JWTExtendedException):
    """The token is valid, but not fresh."""

    status = 401


class UserLookupError(JWTExtendedException):
    """The ``user_lookup_loader`` found no user."""

    status = 401


class UserClaimsVerificationError(JWTExtendedException):
    """The ``token_verification_loader`` rejected the claims."""

    status = 400


class RevokedTokenError(JWTExtendedException):
    """The token was revoked."""

    status = 401

    def __init__(self, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__("Token has been revoked", jwt_header, jwt_data)
