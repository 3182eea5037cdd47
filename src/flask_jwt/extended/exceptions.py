"""Define Flask-JWT-Extended's exceptions.

They are no HTTPExceptions. ``JWTManager`` registers an error handler for each class. Errors that
PyJWT has a class for are raised as that class.
"""

from functools import cached_property
from typing import Any, TypeVar

from ..errors import JWTError
from ._answered import answered_class

Raised = TypeVar("Raised", bound="JWTExtendedException")


class JWTExtendedException(Exception):
    """Catch this class to handle all exceptions of this module."""

    def __new__(cls: type[Raised], *args: Any, **_arguments: Any) -> Raised:
        """Return an exception that REST extensions don't turn into a server error."""
        error: Raised = Exception.__new__(answered_class(cls), *args)
        return error

    @cached_property
    def _flask_jwt_rejection(self) -> JWTError:
        """Return the error that this exception was translated from, or an equivalent one."""
        return JWTError(type(self).__name__, str(self), self._status)

    _status = 422


class JWTDecodeError(JWTExtendedException):
    """Raised when a required claim is missing."""


class InvalidHeaderError(JWTExtendedException):
    """Raised when the header has the right scheme, but no token."""


class InvalidQueryParamError(JWTExtendedException):
    """Raised when the query parameter lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class NoAuthorizationError(JWTExtendedException):
    """Raised when the request carries no token."""

    _status = 401


class CSRFError(JWTExtendedException):
    """Raised when the CSRF token is missing, or does not belong to the cookie."""

    _status = 401


class WrongTokenError(JWTExtendedException):
    """Raised for an access token where a refresh token is required, or the reverse."""


class RevokedTokenError(JWTExtendedException):
    """Raised when the token was revoked.

    :param jwt_header: the header of the rejected token
    :param jwt_data: its claims
    """

    _status = 401

    def __init__(self, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__("Token has been revoked")
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data


class FreshTokenRequired(JWTExtendedException):
    """Raised when the token is valid, but not fresh.

    The parameters of this and the next two classes are the reason, the header of the rejected token
    and its claims.
    """

    _status = 401

    def __init__(self, message: Any, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__(message)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data


class UserLookupError(JWTExtendedException):
    """Raised when the ``user_lookup_loader`` finds no user."""

    _status = 401

    def __init__(self, message: Any, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__(message)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data


class UserClaimsVerificationError(JWTExtendedException):
    """Raised when the ``token_verification_loader`` rejects the claims."""

    def __init__(self, message: Any, jwt_header: Any, jwt_data: Any) -> None:
        super().__init__(message)
        self.jwt_header = jwt_header
        self.jwt_data = jwt_data
