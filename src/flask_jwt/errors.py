"""Define every error that this package raises.

::

    class                             status  code                also a
    JWTError                          401                         werkzeug HTTPException
    └── AuthError
        ├── TokenMissing              401     token_missing
        ├── AuthorizationInvalid      401     token_invalid
        │   ├── SchemeUnsupported
        │   └── QueryMalformed
        ├── TokenInvalid              401     token_invalid       jwt.InvalidTokenError
        │   ├── TokenMalformed                                    jwt.DecodeError
        │   ├── SignatureInvalid                                  jwt.InvalidSignatureError
        │   ├── AlgorithmNotAllowed                               jwt.InvalidAlgorithmError
        │   ├── ClaimInvalid
        │   │   └── SubjectInvalid                                jwt.InvalidSubjectError
        │   ├── ClaimMissing                                      jwt.MissingRequiredClaimError
        │   ├── AudienceInvalid                                   jwt.InvalidAudienceError
        │   ├── IssuerInvalid                                     jwt.InvalidIssuerError
        │   ├── TokenNotYetValid                                  jwt.ImmatureSignatureError
        │   ├── TokenExpired                  token_expired       jwt.ExpiredSignatureError
        │   ├── TokenRevoked                  token_revoked
        │   ├── WrongTokenType                wrong_token_type
        │   ├── RefreshTokenReused            refresh_reused
        │   └── ClaimsRejected                token_refused
        ├── CsrfFailed                403     csrf_failed
        │   └── CsrfTokenMissing
        ├── InsufficientScope         403     insufficient_scope
        ├── ReauthenticationRequired  401     insufficient_user_authentication
        ├── UserNotFound              401     user_gone
        ├── MalformedLogin            400     login_malformed
        ├── InvalidCredentials        401     invalid_credentials
        ├── LoginNotFound             404     not_found
        ├── TooManyLoginAttempts      429     too_many_attempts
        ├── SessionNotFound           404     session_unknown
        ├── TextNotStorable           400     text_not_storable
        │   └── PasswordNotStorable                               ValueError
        ├── KeysUnavailable           503     keys_unavailable
        │   └── IssuerUnavailable             issuer_unavailable
        └── StoreUnavailable          503     store_unavailable

    ConfigError                                                   RuntimeError

A class without a status or a code in this table has that of its parent. The code of a JWTError
itself is named after its status, such as ``forbidden``. If PyJWT has an exception for the same
error, the class here also inherits from it, so ``except jwt.ExpiredSignatureError`` keeps working.
ConfigError reports a mistake of the developer and never reaches a client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import jwt
import jwt.exceptions
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response


class ConfigError(RuntimeError):
    """Raised when the configuration is invalid; the message says what to write instead."""


class InstanceStatus:
    """Return the status of an error, and None for the class."""

    def __get__(self, error: Any, owner: type[HTTPException]) -> int | None:
        # Flask first looks for a handler of the class's `code`. With a number here, an
        # errorhandler(401) that an application wrote for its pages would replace our response.
        # Flask falls back to handlers of the class, so errorhandler(JWTError) still works.
        status: int | None = None if error is None else error.status_code
        return status


class JWTError(HTTPException):
    """Raised to reject a request; holds the response to send.

    Because it is an :class:`~werkzeug.exceptions.HTTPException` with a response, Flask and every
    REST extension send that response unchanged, unless the program has an error handler for it.

    :param error: a short title, the ``error`` of the JSON body
    :param description: the reason, the ``description`` of the JSON body
    :param status_code: HTTP status
    :param headers: extra response headers
    """

    error_code: str | None = None
    """Stable machine-readable reason, the ``code`` of the JSON body; None: named by the status."""
    hint: str | None = None
    """Advice for the developer, the ``hint`` of the JSON body. It quotes nothing of the request."""
    challenge: str | None = None
    """RFC 6750 section 3.1 error code for ``WWW-Authenticate``."""
    code: Any = InstanceStatus()
    unbound_renderer: ClassVar[Callable[[JWTError], Response]]
    """Renders an error that a view has raised itself."""
    is_unhandled_in_restx: ClassVar[Callable[[JWTError], bool]] = staticmethod(lambda _error: False)
    """Returns whether Flask-RESTX responds to an error without a handler of the program."""

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
        # HTTPException.__init__ calls the next __init__ without arguments. In a subclass that also
        # inherits from PyJWT this is PyJWT's, which may require some, as MissingRequiredClaimError
        # does.
        Exception.__init__(self, error, description)
        self.description = description

    def __str__(self) -> str:
        return f"{self.error}. {self.description}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.error}"

    @property
    def body(self) -> dict[str, Any]:
        """Return the JSON body as a dict."""
        body = {
            "status_code": self.status_code,
            "error": self.error,
            "description": self.description,
            "code": self.error_code or _name_status(self.status_code),
        }
        return body if self.hint is None else {**body, "hint": self.hint}

    @property
    def response(self) -> Response:
        """Return the response; the application's error handler builds it on first access."""
        # Not in __init__: an error that the guard catches (an optional token) needs no response.
        if self._response is None:
            self._response = (self.renderer or JWTError.unbound_renderer)(self)
        return self._response

    @response.setter
    def response(self, response: Any) -> None:
        self._response = response

    @contextmanager
    def responding(self) -> Iterator[None]:
        """Let :attr:`response` be the usual JSON while an error handler makes another one of it."""
        before, self._response = self._response, json_response(self)
        try:
            yield
        finally:
            self._response = before

    @property
    def data(self) -> Any:
        """Pass the response on to Flask if no handler of the program has made one.

        Flask-RESTX reads this attribute last, and would create another response with it.

        :raises HTTPException: as :func:`flask.abort` does for a response
        """
        if JWTError.is_unhandled_in_restx(self):
            raise HTTPException(response=self.response)
        raise AttributeError("data")


def rejection_of(error: BaseException) -> JWTError | None:
    """Return the error of this package that *error* is, or that it was translated from."""
    if isinstance(error, JWTError):
        return error
    rejection: JWTError | None = getattr(error, "_flask_jwt_rejection", None)
    return rejection


def _name_status(status: int) -> str:
    """Return the ``code`` of an error that has none, such as ``forbidden`` for 403."""
    # Werkzeug's names, because Python 3.13 has renamed some of http.HTTPStatus.
    name = HTTP_STATUS_CODES.get(status, "error").lower()
    return "".join(c if c.isalnum() else "_" for c in name)


def json_response(error: JWTError) -> Response:
    """Return *error* as a JSON response; needs no application context."""
    body = json.dumps(error.body) + "\n"
    return Response(body, error.status_code, error.headers, mimetype="application/json")


JWTError.unbound_renderer = staticmethod(json_response)


class AuthError(JWTError):
    """Raised by this package itself; each subclass defines its title, status and codes.

    :param description: the reason; by default the ``default_description`` of the class
    :param headers: extra response headers
    :param hint: advice for the developer of the client or of the application
    :param ended_sid: the sid of the session, if the error means that the session has ended. The
        rejection of a single token doesn't; it is no reason to delete a browser's cookies
    """

    title = "Invalid token"
    status = 401
    default_description: ClassVar[str]

    def __init__(
        self,
        description: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        hint: str | None = None,
        ended_sid: str | None = None,
    ) -> None:
        description = description or self.default_description
        super().__init__(self.title, description, self.status, headers)
        self.hint = hint
        self.ended_sid = ended_sid
        self.jwt_header: dict[str, Any] = {}
        """The header of the rejected token, if its signature was valid."""
        self.jwt_data: Any = {}
        """The claims of that token."""


class TokenMissing(AuthError):
    """Raised when the request carries no token.

    :param location: the location that was searched
    :param absences: if several locations were searched, the error of each
    """

    title = "Authorization Required"
    error_code = "token_missing"
    # No challenge: RFC 6750 section 3.1 gives no error code to a request without a token.

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
    """Raised when the ``Authorization`` header, or the JSON member for the token, is malformed."""

    title = "Invalid JWT header"
    error_code = "token_invalid"
    challenge = "invalid_request"


class SchemeUnsupported(AuthorizationInvalid):
    """Raised when the ``Authorization`` header has another scheme, such as Basic.

    Such a header may be meant for a proxy, so an optional guard treats the request as anonymous.
    """

    default_description = "Unsupported authorization type"


class QueryMalformed(AuthorizationInvalid):
    """Raised when the query parameter lacks ``JWT_QUERY_STRING_VALUE_PREFIX``."""


class TokenInvalid(AuthError, jwt.InvalidTokenError):
    """Raised when the token is invalid; most reasons have a subclass."""

    error_code = "token_invalid"
    challenge = "invalid_token"
    pyjwt_error: jwt.PyJWTError | None = None
    """What PyJWT raises for the token, if an extension class raises PyJWT's exceptions."""


class TokenMalformed(TokenInvalid, jwt.DecodeError):
    """Raised when the token is not a compact JWS of JSON objects (RFC 7515 section 3.1)."""


class SignatureInvalid(TokenInvalid, jwt.InvalidSignatureError):
    """Raised when none of the configured keys verifies the signature."""

    default_description = "Signature verification failed"


class AlgorithmNotAllowed(TokenInvalid, jwt.InvalidAlgorithmError):
    """Raised when the keys don't allow ``alg``, or another parameter of the header."""

    default_description = "The specified alg value is not allowed"


class ClaimInvalid(TokenInvalid):
    """Raised when a claim has an invalid type or value."""


class SubjectInvalid(ClaimInvalid, jwt.exceptions.InvalidSubjectError):
    """Raised when ``sub`` is not a string (RFC 7519 section 4.1.2)."""

    default_description = "Subject must be a string"


class ClaimMissing(TokenInvalid, jwt.MissingRequiredClaimError):
    """Raised when the token lacks a required claim, which the attribute ``claim`` names."""

    def __init__(self, claim: str) -> None:
        self.claim = claim
        # PyJWT's wording: Flask-JWT-Extended sends it to clients, and its test suite asserts it.
        super().__init__(f'Token is missing the "{claim}" claim')


class AudienceInvalid(TokenInvalid, jwt.InvalidAudienceError):
    """Raised when ``aud`` names no accepted audience (RFC 7519 section 4.1.3)."""

    default_description = "Audience doesn't match"


class IssuerInvalid(TokenInvalid, jwt.InvalidIssuerError):
    """Raised when ``iss`` is not an accepted issuer (RFC 7519 section 4.1.1)."""

    default_description = "Invalid issuer"


class TokenNotYetValid(TokenInvalid, jwt.ImmatureSignatureError):
    """Raised when ``nbf`` or ``iat`` is in the future."""

    def __init__(self, claim: str) -> None:
        self.claim = claim
        # The message of PyJWT's first version, which Flask-JWT used.
        reason = "Issued At claim (iat) cannot be in the future."
        super().__init__(reason if claim == "iat" else f"The token is not yet valid ({claim})")


class TokenExpired(TokenInvalid, jwt.ExpiredSignatureError):
    """Raised when ``exp`` is in the past."""

    error_code = "token_expired"
    default_description = "Signature has expired"


class TokenRevoked(TokenInvalid):
    """Raised when the token, or its session, was revoked."""

    error_code = "token_revoked"
    default_description = "Token has been revoked"


class WrongTokenType(TokenInvalid):
    """Raised when the token has another ``type`` than the guard requires.

    :param wanted: the required type
    """

    error_code = "wrong_token_type"

    def __init__(self, description: str, *, wanted: str = "access") -> None:
        super().__init__(description)
        self.wanted = wanted


class RefreshTokenReused(TokenInvalid):
    """Raised when a refresh token is used again after its grace period.

    The token may have been stolen, so its session is revoked.
    """

    error_code = "refresh_reused"
    default_description = "Refresh token has already been used; log in again"


class ClaimsRejected(TokenInvalid):
    """Raised when the application's own check rejects the claims."""

    error_code = "token_refused"
    default_description = "The claims of the token were rejected"


class CsrfFailed(AuthError):
    """Raised when a cookie came without proof that a page of this application sent it."""

    title = "Forbidden"
    status = 403
    error_code = "csrf_failed"


class CsrfTokenMissing(CsrfFailed):
    """Raised when the request contains no CSRF token at all."""


class InsufficientScope(AuthError):
    """Raised when the user lacks a scope or a role (RFC 6750 section 3.1).

    :param scopes: the scopes that are needed, for the challenge
    """

    title = "Forbidden"
    status = 403
    error_code = "insufficient_scope"
    challenge = "insufficient_scope"

    def __init__(self, description: str, *, scopes: Sequence[str] = ()) -> None:
        super().__init__(description)
        self.scopes = tuple(scopes)


class ReauthenticationRequired(AuthError):
    """Raised when the user's last login is too long ago for the view (RFC 9470).

    :param max_age: the highest allowed age of the login, in seconds
    """

    title = "Authorization Required"
    error_code = "insufficient_user_authentication"
    challenge = "insufficient_user_authentication"

    def __init__(self, max_age: int | None = None) -> None:
        self.max_age = max_age
        super().__init__("More recent authentication is required")


class UserNotFound(AuthError):
    """Raised when the token is valid, but its user no longer exists."""

    # A code is never changed, not even with the name of its class, because clients compare it.
    title = "Invalid JWT"
    error_code = "user_gone"
    challenge = "invalid_token"
    default_description = "User does not exist"


class MalformedLogin(AuthError):
    """Raised when the body of a login is not a JSON object.

    It is also raised for the other requests to this package's endpoints that are not as described,
    such as a session's label that is a number.
    """

    title = "Bad Request"
    status = 400
    error_code = "login_malformed"


class InvalidCredentials(AuthError):
    """Raised when the user name or the password is wrong.

    The response doesn't say which, so that clients can't find out who has an account.
    """

    # Flask-JWT's title, although the status is 401.
    title = "Bad Request"
    error_code = "invalid_credentials"
    default_description = "Invalid credentials"


class LoginNotFound(AuthError):
    """Raised by the login endpoint if the application has no authentication handler, and by the
    refresh endpoint if it has only a public key."""

    title = "Not Found"
    status = 404
    error_code = "not_found"
    default_description = "This application has no login"


class TooManyLoginAttempts(AuthError):
    """Raised when too many logins failed.

    :param retry_after: seconds until the next attempt is allowed
    """

    title = "Too Many Requests"
    status = 429
    error_code = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        headers = {"Retry-After": str(retry_after)}
        super().__init__(f"Too many failed logins; try again in {retry_after} s", headers=headers)


class SessionNotFound(AuthError):
    """Raised when there is no such session, or it belongs to another user."""

    title = "Not Found"
    status = 404
    # The same for another user's session, so that clients can't find out which ids exist.
    error_code = "session_unknown"
    default_description = "Session not found"


class TextNotStorable(AuthError):
    """Raised when the session store can't hold a string, such as one that is too long."""

    title = "Bad Request"
    status = 400
    error_code = "text_not_storable"
    default_description = "The session store can't hold a string of this request"


class PasswordNotStorable(TextNotStorable, ValueError):
    """Raised by :func:`hash_password` for a string that is too long, or for no string."""

    default_description = "A password must be a string of at most 4096 bytes in UTF-8"

    def __str__(self) -> str:
        """Return the description alone, as programs show that of a ValueError."""
        return self.default_description


class KeysUnavailable(AuthError):
    """Raised when a key loader can't fetch the keys of the token. A later request may succeed."""

    title = "Service Unavailable"
    status = 503
    error_code = "keys_unavailable"
    default_description = "The keys that verify this token can't be fetched; try again"

    def __init__(self, description: str | None = None) -> None:
        super().__init__(description, headers={"Retry-After": "2"})


class IssuerUnavailable(KeysUnavailable):
    """Raised when the keys of one of ``JWT_ISSUERS`` can't be fetched. Retry later.

    :param retry_after: seconds until the next attempt to fetch them
    """

    error_code = "issuer_unavailable"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(retry_after)}


class StoreUnavailable(AuthError):
    """Raised when the session store can't be reached. The request is rejected; retry later."""

    title = "Service Unavailable"
    status = 503
    error_code = "store_unavailable"
    lost_connection = False
    """True if the server closed the connection, so that a new connection may succeed at once."""
    was_attempted = True
    """False if the store was not called, because an earlier call had just failed."""
    is_outage = True
    """False if the server has responded, so that other calls may succeed."""
    is_conflict = False
    """True if the server has rolled the call back because of another one; it may be repeated."""
    reason = ""
    """The server's response, in a few words for the log; never part of a row."""

    def __init__(self, description: str = "Session store is unavailable; try again later") -> None:
        super().__init__(description, headers={"Retry-After": "2"})

    @classmethod
    def because(
        cls,
        cause: Exception,
        *,
        lost_connection: bool = False,
        is_conflict: bool = False,
        reason: str = "",
    ) -> StoreUnavailable:
        """Return an error for a driver's *cause*, which is chained but not shown to the client.

        :param reason: the server's response in a few words; if there is one, this is no outage
        """
        error = cls()
        error.lost_connection = lost_connection
        error.is_conflict = is_conflict
        error.reason = reason
        error.is_outage = not reason
        error.__cause__ = cause
        return error
