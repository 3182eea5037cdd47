"""Declare the functions of an application that take part in logins, tokens and responses."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from .._jose.claims import identity_of

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers:
    """Hold an application's handlers, as attributes and as decorators that set them.

    Each handler may be a plain or an ``async`` function, and may be set before or after
    ``init_app``. The attributes have Flask-JWT's names; None means that there is no handler.
    """

    authentication_callback: Callable[..., Any] | None = None
    identity_callback: Callable[..., Any] | None = None
    auth_response_callback: Callable[..., Any]
    auth_request_callback: Callable[..., Any]
    jwt_encode_callback: Callable[..., Any]
    jwt_decode_callback: Callable[..., Any]
    jwt_headers_callback: Callable[..., Any]
    jwt_payload_callback: Callable[..., Any]
    jwt_error_callback: Callable[..., Any]
    request_callback: Callable[..., Any]
    user_identity_callback: Callable[..., Any]
    additional_claims_callback: Callable[..., Any] | None = None
    additional_headers_callback: Callable[..., Any] | None = None
    encode_key_callback: Callable[..., Any] | None = None
    decode_key_callback: Callable[..., Any] | None = None
    blocklist_callback: Callable[..., Any] | None = None
    verification_callback: Callable[..., Any] | None = None
    grants_callback: Callable[..., Any] | None = None

    def __init__(self) -> None:
        self.user_identity_callback = identity_of

    def authentication_handler(self, callback: Handler) -> Handler:
        """Set ``(username, password)`` -> the user, or a false value to reject the login."""
        self.authentication_callback = callback
        return callback

    def identity_handler(self, callback: Handler) -> Handler:
        """Set ``(payload)`` -> the user of a valid token, or None if the user no longer exists."""
        self.identity_callback = callback
        return callback

    def jwt_error_handler(self, callback: Handler) -> Handler:
        """Set ``(error)`` -> the response to a :class:`JWTError`."""
        self.jwt_error_callback = callback
        return callback

    def auth_response_handler(self, callback: Handler) -> Handler:
        """Set ``(access_token, identity)`` -> the response to a login or a refresh."""
        self.auth_response_callback = callback
        return callback

    def auth_request_handler(self, callback: Handler) -> Handler:
        """Set ``()`` -> the response of the login endpoint, in place of everything it does.

        Deprecated, as in Flask-JWT: set ``JWT_AUTH_URL_RULE = None`` and register a view instead.
        """
        warnings.warn(
            "auth_request_handler is deprecated: set JWT_AUTH_URL_RULE = None and register a login "
            "view that calls jwt.authenticate() and jwt.log_in().",
            DeprecationWarning,
            stacklevel=2,
        )
        self.auth_request_callback = callback
        return callback

    def request_handler(self, callback: Handler) -> Handler:
        """Set ``()`` -> the current request's token, or None."""
        self.request_callback = callback
        return callback

    def jwt_encode_handler(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> a signed token."""
        self.jwt_encode_callback = callback
        return callback

    def jwt_decode_handler(self, callback: Handler) -> Handler:
        """Set ``(token)`` -> its verified payload; raises ``jwt.InvalidTokenError``."""
        self.jwt_decode_callback = callback
        return callback

    def jwt_payload_handler(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> the claims of its token, issued exactly as returned."""
        self.jwt_payload_callback = callback
        return callback

    def jwt_headers_handler(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> additional header parameters of its token, or None."""
        self.jwt_headers_callback = callback
        return callback

    def user_identity_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> the id that its tokens hold, in any type that JSON has."""
        self.user_identity_callback = callback
        return callback

    def additional_claims_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> a dict of additional claims for its tokens."""
        self.additional_claims_callback = callback
        return callback

    def additional_headers_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> a dict of additional header parameters for its tokens."""
        self.additional_headers_callback = callback
        return callback

    def encode_key_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> the key that signs its tokens: a secret or a PEM string."""
        self.encode_key_callback = callback
        return callback

    def decode_key_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> the key that verifies this token.

        Both are *not yet verified* when the handler is called: use them only to choose a key.
        """
        self.decode_key_callback = callback
        return callback

    def token_in_blocklist_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> whether a valid token is revoked; called each time."""
        self.blocklist_callback = callback
        return callback

    def token_verification_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> whether to accept a valid token; called each time."""
        self.verification_callback = callback
        return callback

    def grants_loader(self, callback: Handler) -> Handler:
        """Set ``(identity, claims)`` -> the user's :class:`Grants`, in place of those in the token.

        It is called for each request whose view requires scopes or roles, or reads them.
        """
        self.grants_callback = callback
        return callback
