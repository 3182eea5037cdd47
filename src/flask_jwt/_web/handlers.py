"""Declare the functions of an application that take part in logins, tokens and responses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, TypeVar

from .._former_names import describe_attribute
from .._jose.claims import identity_of

Handler = TypeVar("Handler", bound=Callable[..., Any])


#: The attributes that hold handlers, each with the name of its decorator and the parameters that it
#: is called with.
SIGNATURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "authentication_callback": ("authentication_handler", ("username", "password")),
    "identity_callback": ("identity_handler", ("payload",)),
    "auth_response_callback": ("auth_response_handler", ("access_token", "identity")),
    "auth_request_callback": ("auth_request_handler", ()),
    "jwt_encode_callback": ("jwt_encode_handler", ("identity",)),
    "jwt_decode_callback": ("jwt_decode_handler", ("token",)),
    "jwt_headers_callback": ("jwt_headers_handler", ("identity",)),
    "jwt_payload_callback": ("jwt_payload_handler", ("identity",)),
    "jwt_error_callback": ("jwt_error_handler", ("error",)),
    "request_callback": ("request_handler", ()),
    "user_identity_callback": ("user_identity_loader", ("identity",)),
    "additional_claims_callback": ("additional_claims_loader", ("identity",)),
    "additional_headers_callback": ("additional_headers_loader", ("identity",)),
    "encode_key_callback": ("encode_key_loader", ("identity",)),
    "decode_key_callback": ("decode_key_loader", ("header", "payload")),
    "blocklist_callback": ("token_in_blocklist_loader", ("header", "payload")),
    "verification_callback": ("token_verification_loader", ("header", "payload")),
    # of JWTManager
    "_user_lookup": ("user_lookup_loader", ("jwt_header", "jwt_payload")),
    "_expired_token_callback": ("expired_token_loader", ("jwt_header", "jwt_payload")),
    "_invalid_token_callback": ("invalid_token_loader", ("reason",)),
    "_needs_fresh_token_callback": ("needs_fresh_token_loader", ("jwt_header", "jwt_payload")),
    "_revoked_token_callback": ("revoked_token_loader", ("jwt_header", "jwt_payload")),
    "_token_verification_failed_callback": (
        "token_verification_failed_loader",
        ("jwt_header", "jwt_payload"),
    ),
    "_unauthorized_callback": ("unauthorized_loader", ("reason",)),
    "_user_lookup_error_callback": ("user_lookup_error_loader", ("jwt_header", "jwt_payload")),
}


def accepts(callback: object, attribute: str) -> bool:
    """Return whether *callback* can be called as the handler in *attribute* is."""
    if not callable(callback):
        return False
    try:
        bound = signature(callback)
    except (TypeError, ValueError):  # a callable of C, which doesn't state its parameters
        return True
    try:
        bound.bind(*SIGNATURES[attribute][1])
    except TypeError:
        return False
    return True


def _warn_of_parameters(callback: object, name: str, parameters: Sequence[str]) -> None:
    """Warn that *callback* can't be called as the handler with this *name* is."""
    called = getattr(callback, "__qualname__", type(callback).__qualname__)
    wanted = f"({', '.join(parameters)})"
    if not callable(callback):
        problem = f"is a {called}, which can't be called; write a function of {wanted}"
    else:
        problem = f"is {called}{_describe_parameters(callback)}, but it is called with {wanted}"
    warnings.warn(f"The {name} {problem}", UserWarning, stacklevel=4)


def _describe_parameters(callback: Callable[..., Any]) -> str:
    # Only the names: a default value may be a secret.
    names = [
        f"{'*' if each.kind is each.VAR_POSITIONAL else ''}{name}"
        for name, each in signature(callback).parameters.items()
    ]
    return f"({', '.join(names)})"


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

    def __setattr__(self, name: str, value: object) -> None:
        # Each way to set a handler leads here: arguments, decorators, and code that was written for
        # Flask-JWT, which sets the attributes. Such a mistake would show at the first request only.
        if name in SIGNATURES and value is not None and not accepts(value, name):
            _warn_of_parameters(value, *SIGNATURES[name])
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # or mypy would accept any name

        def __getattr__(self, name: str) -> Any:
            existing = frozenset(each for each in dir(type(self)) if not each.startswith("_"))
            raise AttributeError(describe_attribute(type(self).__name__, name, existing))

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
