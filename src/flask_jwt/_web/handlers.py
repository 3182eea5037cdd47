"""The functions by which an application decides who logs in, who a token is for, and so on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from .._jose.claims import identity_of

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers:
    """The handlers of an application, as attributes and as decorators that set them.

    Each may be a plain or an ``async`` function, and may be set before or after ``init_app``. The
    attributes have Flask-JWT's names; None means that there is no such handler.
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

    def __init__(self) -> None:
        self.user_identity_callback = identity_of

    def authentication_handler(self, callback: Handler) -> Handler:
        """Set ``(username, password)`` -> the user, or something false to refuse the login."""
        self.authentication_callback = callback
        return callback

    def identity_handler(self, callback: Handler) -> Handler:
        """Set ``(payload)`` -> the user of a good token, or None if there is none any more."""
        self.identity_callback = callback
        return callback

    def jwt_error_handler(self, callback: Handler) -> Handler:
        """Set ``(error)`` -> the response to a :class:`JWTError`."""
        self.jwt_error_callback = callback
        return callback

    def auth_response_handler(self, callback: Handler) -> Handler:
        """Set ``(access_token, identity)`` -> the response to a good login."""
        self.auth_response_callback = callback
        return callback

    def auth_request_handler(self, callback: Handler) -> Handler:
        """Set ``()`` -> the response of the login endpoint, replacing all it does.

        Deprecated, as it was in Flask-JWT: set ``JWT_AUTH_URL_RULE = None`` and register a view.
        """
        warnings.warn(
            "auth_request_handler is deprecated: set JWT_AUTH_URL_RULE = None and register a view "
            "of your own that calls create_access_token().",
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
        """Set ``(token)`` -> its payload; it verifies, raising ``jwt.InvalidTokenError``."""
        self.jwt_decode_callback = callback
        return callback

    def jwt_payload_handler(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> the claims of its token, issued exactly as returned."""
        self.jwt_payload_callback = callback
        return callback

    def jwt_headers_handler(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> extra header parameters of its token, or None."""
        self.jwt_headers_callback = callback
        return callback

    def user_identity_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> what a token says of it: anything that JSON can hold."""
        self.user_identity_callback = callback
        return callback

    def additional_claims_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> a dict of more claims for its tokens."""
        self.additional_claims_callback = callback
        return callback

    def additional_headers_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> a dict of more header parameters for its tokens."""
        self.additional_headers_callback = callback
        return callback

    def encode_key_loader(self, callback: Handler) -> Handler:
        """Set ``(identity)`` -> the key that signs its tokens: a secret or PEM text."""
        self.encode_key_callback = callback
        return callback

    def decode_key_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> the key that has to have signed this token.

        Both are *not verified* when it is called: choose a key by them, and trust nothing else.
        """
        self.decode_key_callback = callback
        return callback

    def token_in_blocklist_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> whether this good token was revoked; asked each time."""
        self.blocklist_callback = callback
        return callback

    def token_verification_loader(self, callback: Handler) -> Handler:
        """Set ``(header, payload)`` -> whether this good token is good enough; asked each time."""
        self.verification_callback = callback
        return callback
