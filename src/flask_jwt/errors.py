"""Every refusal, as one tree.

::

    JWTError                          401  werkzeug HTTPException; the one to raise and to catch
    └── AuthError                          what this package raises itself
        ├── TokenMissing              401  token_missing
        ├── AuthorizationInvalid      401  token_invalid
        │   ├── SchemeUnsupported
        │   └── QueryMalformed
        ├── TokenInvalid              401  token_invalid      jwt.InvalidTokenError
        │   ├── TokenMalformed                                jwt.DecodeError
        │   ├── SignatureInvalid                              jwt.InvalidSignatureError
        │   ├── AlgorithmNotAllowed                              jwt.InvalidAlgorithmError
        │   ├── ClaimInvalid
        │   ├── SubjectInvalid                                jwt.InvalidSubjectError
        │   ├── ClaimMissing                                  jwt.MissingRequiredClaimError
        │   ├── AudienceInvalid                               jwt.InvalidAudienceError
        │   ├── IssuerInvalid                                 jwt.InvalidIssuerError
        │   ├── TokenNotYetValid                              jwt.ImmatureSignatureError
        │   ├── TokenExpired               token_expired      jwt.ExpiredSignatureError
        │   ├── TokenRevoked               token_revoked
        │   ├── WrongTokenType             wrong_token_type
        │   ├── RefreshTokenReused              refresh_reused
        │   └── ClaimsRejected              token_refused
        ├── CsrfFailed                403  csrf_failed
        │   └── CsrfTokenMissing
        ├── ReauthenticationRequired  401  insufficient_user_authentication
        ├── UserNotFound                  401  user_gone
        ├── MalformedLogin            400  login_malformed
        ├── InvalidCredentials        401  invalid_credentials
        ├── LoginNotFound             404  not_found
        ├── TooManyLoginAttempts              429  too_many_attempts
        ├── SessionNotFound            404  session_unknown
        └── StoreUnavailable          503  store_unavailable

    ConfigError                            RuntimeError: the developer's to mend, never a client's

Where PyJWT has an exception for the same thing ours inherits from it, so
``except jwt.ExpiredSignatureError`` keeps working.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import jwt
import jwt.exceptions
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response


class ConfigError(RuntimeError):
    """The application is set up in a way that can't work; the text says what to write instead."""


class _RenderedStatus:
    """The status that the client will see, which an application's error handler may choose.

    None on the class: Flask looks handlers up by the *class's* ``code`` first, so an application's
    own errorhandler(401), written for its pages, would replace our answer.
    """

    # Flask-RESTX looks the status up in a table of its own, and fails where it isn't there.
    known = frozenset(HTTPStatus) - {103, 418, 421, 425, 451}

    def __get__(self, error: JWTError | None, owner: type[JWTError]) -> int | None:
        if error is None:
            return None
        rendered = error.response.status_code
        return rendered if rendered in self.known else error.status_code


class JWTError(HTTPException):
    """A request refused, with its answer ready.

    Being an :class:`~werkzeug.exceptions.HTTPException` that carries its own response, it reaches
    the client unchanged through Flask and through each REST extension's error handling.

    :param error: a short title, the ``error`` of the JSON body
    :param description: what to do about it, the ``description`` of the body
    :param status_code: HTTP status
    :param headers: extra response headers
    """

    error_code: str | None = None
    """Stable machine-readable reason, the ``code`` of the JSON body."""
    challenge: str | None = None
    """RFC 6750 section 3.1 error code for ``WWW-Authenticate``."""
    code: Any = _RenderedStatus()
    unbound_renderer: ClassVar[Callable[[JWTError], Response]]
    """Renders an error that a view has raised itself."""

    def __init__(
        self,
        error: str,
        description: str,
        status_code: int = 401,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.error = error
        self.status_code = status_code
        self.headers = headers
        self.realm: str | None = None
        self.renderer: Callable[[JWTError], Response] | None = None
        self._response: Response | None = None
        # PyJWT's exceptions, which subclasses inherit from, take other arguments.
        Exception.__init__(self, error, description)
        self.description = description

    def __str__(self) -> str:
        return f"{self.error}. {self.description}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.error}"

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body as a dict."""
        title, description = self.error, self.description
        body = {"status_code": self.status_code, "error": title, "description": description}
        return body if self.error_code is None else {**body, "code": self.error_code}

    @property
    def response(self) -> Response:
        """The answer, built when first asked for, by the application's error handler if any."""
        if self._response is None:
            self._response = (self.renderer or JWTError.unbound_renderer)(self)
        return self._response

    @response.setter
    def response(self, response: Any) -> None:
        self._response = response

    @property
    def data(self) -> Any:
        """The answer's content, where Flask-RESTX looks for it."""
        parsed = self.response.get_json(silent=True)
        return self.response.get_data(as_text=True) if parsed is None else parsed


def json_response(error: JWTError) -> Response:
    """*error* as a JSON response; needs no application."""
    text = json.dumps(error.body) + "\n"
    return Response(text, error.status_code, error.headers, mimetype="application/json")


JWTError.unbound_renderer = staticmethod(json_response)


class AuthError(JWTError):
    """A refusal of this package's own: title, status, codes and text belong to the class."""

    title = "Invalid token"
    status = 401
    text: ClassVar[str]
    """The description, where the one who raises it gives none."""

    def __init__(
        self, description: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(self.title, description or self.text, self.status, headers)
        self.jwt_header: dict[str, Any] = {}
        """The header of the token refused, where its signature was good."""
        self.jwt_data: Any = {}
        """Its claims."""


class TokenMissing(AuthError):
    """The request carries no token.

    :param absences: where several locations were looked at, the refusal of each
    """

    title = "Authorization Required"
    error_code = "token_missing"

    def __init__(
        self,
        description: str = "Request does not contain an access token",
        *,
        location: str = "headers",
        absences: Sequence[AuthError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description, headers=headers)
        self.location = location
        self.absences = absences


class AuthorizationInvalid(AuthError):
    """There is an ``Authorization`` header, but not one with a token in it."""

    title = "Invalid JWT header"
    error_code = "token_invalid"
    challenge = "invalid_request"


class SchemeUnsupported(AuthorizationInvalid):
    """The ``Authorization`` header is of another scheme, and so perhaps not meant for us."""

    text = "Unsupported authorization type"


class QueryMalformed(AuthorizationInvalid):
    """The token in the query string lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class TokenInvalid(AuthError, jwt.InvalidTokenError):
    """The token can't be accepted."""

    error_code = "token_invalid"
    challenge = "invalid_token"


class TokenMalformed(TokenInvalid, jwt.DecodeError):
    """Not a compact JWS with JSON objects in it (RFC 7515 section 3.1)."""


class SignatureInvalid(TokenInvalid, jwt.InvalidSignatureError):
    """None of our keys made this signature."""

    text = "Signature verification failed"


class AlgorithmNotAllowed(TokenInvalid, jwt.InvalidAlgorithmError):
    """``alg``, or something else the header asks for, is not what our keys are for."""

    text = "The specified alg value is not allowed"


class ClaimInvalid(TokenInvalid):
    """A claim has a type or a value it can't have."""


class SubjectInvalid(ClaimInvalid, jwt.exceptions.InvalidSubjectError):
    """``sub`` isn't a text (RFC 7519 section 4.1.2)."""

    text = "Subject must be a string"


class ClaimMissing(TokenInvalid, jwt.MissingRequiredClaimError):
    """A required claim isn't there; :attr:`claim` names it."""

    def __init__(self, claim: str) -> None:
        self.claim = claim
        super().__init__(f'Token is missing the "{claim}" claim')


class AudienceInvalid(TokenInvalid, jwt.InvalidAudienceError):
    """``aud`` doesn't name us (RFC 7519 section 4.1.3)."""

    text = "Audience doesn't match"


class IssuerInvalid(TokenInvalid, jwt.InvalidIssuerError):
    """``iss`` isn't one we accept (RFC 7519 section 4.1.1)."""

    text = "Invalid issuer"


class TokenNotYetValid(TokenInvalid, jwt.ImmatureSignatureError):
    """``nbf`` or ``iat`` lies in the future."""

    def __init__(self, claim: str) -> None:
        super().__init__(f"The token is not yet valid ({claim})")


class TokenExpired(TokenInvalid, jwt.ExpiredSignatureError):
    """``exp`` has passed."""

    error_code = "token_expired"
    text = "Signature has expired"


class TokenRevoked(TokenInvalid):
    """The token's session was ended."""

    error_code = "token_revoked"
    text = "Token has been revoked"


class WrongTokenType(TokenInvalid):
    """A token of one ``type`` where another is needed."""

    error_code = "wrong_token_type"

    def __init__(self, description: str, *, wanted: str = "access") -> None:
        super().__init__(description)
        self.wanted = wanted


class RefreshTokenReused(TokenInvalid):
    """A refresh token was used again after its grace: it may be stolen, so its session is over."""

    error_code = "refresh_reused"
    text = "This refresh token was used before; log in again"


class ClaimsRejected(TokenInvalid):
    """The application's own check of the claims said no."""

    error_code = "token_refused"
    text = "The token's claims were refused"


class CsrfFailed(AuthError):
    """A cookie came without proof that a page of this application sent it."""

    title = "Forbidden"
    status = 403
    error_code = "csrf_failed"


class CsrfTokenMissing(CsrfFailed):
    """There was no proof at all."""


class ReauthenticationRequired(AuthError):
    """The password was given too long ago for this (RFC 9470)."""

    title = "Authorization Required"
    error_code = "insufficient_user_authentication"
    challenge = "insufficient_user_authentication"

    def __init__(self, max_age: int | None = None) -> None:
        self.max_age = max_age
        super().__init__("Log in again to do this")


class UserNotFound(AuthError):
    """The token is good, but its user is no more."""

    title = "Invalid JWT"
    error_code = "user_gone"
    challenge = "invalid_token"
    text = "User does not exist"


class MalformedLogin(AuthError):
    """The login request is not a JSON object."""

    title = "Bad Request"
    status = 400
    error_code = "login_malformed"


class InvalidCredentials(AuthError):
    """Wrong user name or password; on purpose it doesn't say which."""

    title = "Bad Request"
    error_code = "invalid_credentials"
    text = "Invalid credentials"


class LoginNotFound(AuthError):
    """The application has no authentication handler, so nobody can log in at its endpoint."""

    title = "Not Found"
    status = 404
    error_code = "not_found"
    text = "This application has no login"


class TooManyLoginAttempts(AuthError):
    """Too many logins failed; after :attr:`retry_after` seconds one may be tried again."""

    title = "Too Many Requests"
    status = 429
    error_code = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        headers = {"Retry-After": str(retry_after)}
        super().__init__(f"Too many failed logins; try again in {retry_after} s", headers=headers)


class SessionNotFound(AuthError):
    """There is no such session, or it is somebody else's."""

    title = "Not Found"
    status = 404
    error_code = "session_unknown"
    text = "You have no such session"


class StoreUnavailable(AuthError):
    """The session store can't be reached; nothing was allowed, and a later try may succeed."""

    title = "Service Unavailable"
    status = 503
    error_code = "store_unavailable"
    lost_connection = False
    """Whether a new connection may do: the server has closed the one that was used."""

    def __init__(self, description: str = "The session store does not answer; try again") -> None:
        super().__init__(description, headers={"Retry-After": "2"})

    @classmethod
    def because(cls, cause: Exception, *, lost_connection: bool = False) -> StoreUnavailable:
        """The refusal for a driver's error, which stays out of the answer."""
        error = cls()
        error.lost_connection = lost_connection
        error.__cause__ = cause
        return error
