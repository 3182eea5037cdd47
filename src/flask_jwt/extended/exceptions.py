"""Define Flask-JWT-Extended's exceptions.

Each is a :class:`~flask_jwt.JWTError`, so an exception that a view raises itself gets the manager's
response under every REST extension. Errors that PyJWT has a class for are raised as that class.
"""

from typing import Any

from .. import errors


class JWTExtendedException(errors.JWTError):
    """Catch this class to handle all exceptions of this module.

    :param message: the reason, as the client gets it
    :param jwt_header: the header of the rejected token
    :param jwt_data: its claims
    """

    status = 422

    def __init__(self, message: str, jwt_header: Any = None, jwt_data: Any = None) -> None:
        super().__init__(type(self).__name__, message, self.status)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data

    # The message alone, because the original's callbacks and programs send str(error) to clients.
    def __str__(self) -> str:
        return str(self.description)


class JWTDecodeError(JWTExtendedException):
    """Raised when a required claim is missing."""


class InvalidHeaderError(JWTExtendedException):
    """Raised when the header has the right scheme, but no token."""


class InvalidQueryParamError(JWTExtendedException):
    """Raised when the query parameter lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class WrongTokenError(JWTExtendedException):
    """Raised for an access token where a refresh token is required, or the reverse."""


class NoAuthorizationError(JWTExtendedException):
    """Raised when the request carries no token."""

    status = 401


class CSRFError(JWTExtendedException):
    """Raised when the CSRF token is missing, or does not belong to the cookie."""

    status = 401


class FreshTokenRequired(JWTExtendedException):
    """Raised when the token is valid, but not fresh."""

    status = 401


class UserLookupError(JWTExtendedException):
    """Raised when the ``user_lookup_loader`` finds no user."""

    status = 401


class UserClaimsVerificationError(JWTExtendedException):
    """Raised when the ``token_verification_loader`` rejects the claims."""

    status = 400


class RevokedTokenError(JWTExtendedException):
    """Raised when the token was revoked."""

    status = 401

    def __init__(self, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__("Token has been revoked", jwt_header, jwt_data)
