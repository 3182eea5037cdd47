"""Provide ``JWTManager``, the extension class with Flask-JWT-Extended's names and defaults."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, jsonify
from jwt.exceptions import (
    DecodeError,
    ExpiredSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidTokenError,
    MissingRequiredClaimError,
)

from .. import JWT, JWTError
from .._config.profile import Profile
from .._jose.claims import Claims, Header
from .._web.context import app_state
from ._imported_names import imported_names
from ._responses import handle_error
from ._translation import translate_error
from .config import EXEMPT_METHODS, config
from .default_callbacks import (
    default_additional_claims_callback,
    default_blocklist_callback,
    default_decode_key_callback,
    default_encode_key_callback,
    default_expired_token_callback,
    default_invalid_token_callback,
    default_jwt_headers_callback,
    default_needs_fresh_token_callback,
    default_revoked_token_callback,
    default_token_verification_callback,
    default_token_verification_failed_callback,
    default_unauthorized_callback,
    default_user_identity_callback,
    default_user_lookup_error_callback,
)
from .exceptions import (
    CSRFError,
    FreshTokenRequired,
    InvalidHeaderError,
    InvalidQueryParamError,
    JWTDecodeError,
    NoAuthorizationError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)
from .typing import ExpiresDelta, Fresh
from .utils import (
    create_access_token,
    create_refresh_token,
    current_user_context_processor,
    decode_token,
    get_jwt_header,
)

if TYPE_CHECKING:
    from .. import Issuer
    from ..stores import SessionStore

# What a callback returns is Any, because it may be an ``async`` function.
IdentityCallback = Callable[[Any], Any]
"""Takes what ``create_access_token`` was called with."""
TokenCallback = Callable[[Header, Claims], Any]
"""Takes the header and the claims of a token."""
MessageCallback = Callable[[str], Any]
"""Takes the reason why a request was rejected."""

TokenLoader = TypeVar("TokenLoader", bound=TokenCallback)
MessageLoader = TypeVar("MessageLoader", bound=MessageCallback)

HANDLED_ERRORS: tuple[type[Exception], ...] = (
    CSRFError,
    DecodeError,
    ExpiredSignatureError,
    FreshTokenRequired,
    InvalidAudienceError,
    InvalidHeaderError,
    InvalidIssuerError,
    InvalidQueryParamError,
    InvalidTokenError,
    JWTDecodeError,
    MissingRequiredClaimError,
    NoAuthorizationError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)


class JWTManager(JWT):
    """Provide Flask-JWT-Extended's loaders, and everything that :class:`flask_jwt.JWT` has.

    The attributes ``_expired_token_callback`` and so on are the functions that the loaders set.
    Programs may read and set them as well.

    :param app: the application, or None to call :meth:`init_app` later
    :param add_context_processor: add ``current_user`` to the context of templates
    :param store: as for :class:`flask_jwt.JWT`
    :param clock: as for :class:`flask_jwt.JWT`
    :param issuers: as for :class:`flask_jwt.JWT`
    """

    # Each entry keeps a program of Flask-JWT-Extended's running unchanged. A new default of
    # flask_jwt.JWT that is stricter needs one here.
    profile = Profile(
        defaults={
            "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=15),
            "JWT_AUTH_URL_RULE": None,
            "JWT_COOKIE_SAMESITE": None,
            "JWT_COOKIE_SECURE": False,
            "JWT_CSRF_CHECK_FORM": False,
            "JWT_DECODE_LEEWAY": 0,
            "JWT_HEADER_TYPE": "Bearer",
            "JWT_IDENTITY_CLAIM": "sub",
            "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=30),
            "JWT_REQUIRED_CLAIMS": [],
            "JWT_VERIFY_SUB": True,
        },
        algorithm_names_key=True,
        allows_weak_keys=True,
        checks_issued_parties=False,
        any_access_type=True,
        checks_identity=False,
        rejects_unusable_cookies=False,
        exempt_methods=EXEMPT_METHODS,
        absent_claims={"type": "access", "fresh": False, "jti": None},
        keeps_pyjwt_errors=True,
        more_claims=frozenset({"csrf", "fresh"}),
        has_message_errors=True,
    )

    def __init__(
        self,
        app: Flask | None = None,
        add_context_processor: bool = False,
        *,
        store: SessionStore | None = None,
        clock: Callable[[], float] = time.time,
        issuers: Sequence[Issuer | Mapping[str, Any]]
        | Callable[[str], Issuer | None]
        | None = None,
    ) -> None:
        super().__init__(store=store, clock=clock, issuers=issuers)
        self.user_identity_callback = default_user_identity_callback
        self.jwt_error_callback = self._respond
        self._user_lookup: TokenCallback | None = None
        self._expired_token_callback: TokenCallback = default_expired_token_callback
        self._invalid_token_callback: MessageCallback = default_invalid_token_callback
        self._needs_fresh_token_callback: TokenCallback = default_needs_fresh_token_callback
        self._revoked_token_callback: TokenCallback = default_revoked_token_callback
        self._token_verification_failed_callback: TokenCallback = (
            default_token_verification_failed_callback
        )
        self._unauthorized_callback: MessageCallback = default_unauthorized_callback
        self._user_lookup_error_callback: TokenCallback = default_user_lookup_error_callback
        if app is not None:
            self.init_app(app, add_context_processor)

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:
        """Bind this object to *app*, as :meth:`flask_jwt.JWT.init_app` does.

        :param add_context_processor: add ``current_user`` to the context of templates
        :raises ConfigError: if the configuration is invalid, or *app* has a JWT already
        """
        # With a default, because what isn't an application is reported by the next line.
        is_new = getattr(app, "extensions", {}).get("flask-jwt-extended") is not self
        super().init_app(app)
        if add_context_processor:
            app.context_processor(current_user_context_processor)
        if not is_new:
            return
        app.extensions["flask-jwt-extended"] = self
        # Flask-JWT-Extended registers a handler for each of these classes, so the handlers that the
        # program has for others, such as a base class, don't get these errors.
        handler = partial(handle_error, app_state(app))
        for error_class in HANDLED_ERRORS:
            app.register_error_handler(error_class, handler)

    # Loaders; those that flask_jwt.JWT has too are inherited

    def user_lookup_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the user of a token, or None if there is none."""
        self._user_lookup_callback = callback
        return callback

    def expired_token_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the response to an expired token.

        The default responds 401 "Token has expired".
        """
        self._expired_token_callback = callback
        return callback

    def invalid_token_loader(self, callback: MessageLoader) -> MessageLoader:
        """Set ``(reason)`` -> the response to an invalid token.

        The default responds 422 with the reason.
        """
        self._invalid_token_callback = callback
        return callback

    def unauthorized_loader(self, callback: MessageLoader) -> MessageLoader:
        """Set ``(reason)`` -> the response to a request without a token.

        The default responds 401 with the reason.
        """
        self._unauthorized_callback = callback
        return callback

    def needs_fresh_token_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the response to a token that is not fresh.

        The default responds 401 "Fresh token required".
        """
        self._needs_fresh_token_callback = callback
        return callback

    def revoked_token_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the response to a revoked token.

        The default responds 401 "Token has been revoked".
        """
        self._revoked_token_callback = callback
        return callback

    def user_lookup_error_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the response if the user lookup finds no user.

        The default responds 401 "Error loading the user …".
        """
        self._user_lookup_error_callback = callback
        return callback

    def token_verification_failed_loader(self, callback: TokenLoader) -> TokenLoader:
        """Set ``(jwt_header, jwt_payload)`` -> the response if the claims are rejected.

        The default responds 400 "User claims verification failed".
        """
        self._token_verification_failed_callback = callback
        return callback

    # Private methods that programs call

    def _encode_jwt_from_config(
        self,
        identity: Any,
        token_type: str,
        claims: Claims | None = None,
        fresh: Fresh = False,
        expires_delta: ExpiresDelta | None = None,
        headers: Header | None = None,
    ) -> str:
        """Create a token, as ``create_access_token`` and ``create_refresh_token`` do."""
        if token_type == "refresh":
            return create_refresh_token(identity, expires_delta, claims, headers)
        return create_access_token(identity, fresh, expires_delta, claims, headers)

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
    ) -> Claims:
        """Verify a token, as ``decode_token`` does."""
        return decode_token(encoded_token, csrf_value, allow_expired)

    @staticmethod
    def _set_default_configuration_options(app: Flask) -> None:
        """Do nothing: ``init_app`` has set the defaults."""

    # Flask-JWT-Extended's names for handlers of flask_jwt.JWT, where None means that there is no
    # such handler. Setting the default function again, as monkeypatch does, removes the handler.

    @property
    def _user_identity_callback(self) -> IdentityCallback:
        return self.user_identity_callback

    @_user_identity_callback.setter
    def _user_identity_callback(self, callback: IdentityCallback) -> None:
        self.user_identity_callback = callback

    @property
    def _user_claims_callback(self) -> IdentityCallback:
        return self.additional_claims_callback or default_additional_claims_callback

    @_user_claims_callback.setter
    def _user_claims_callback(self, callback: IdentityCallback) -> None:
        is_default = callback is default_additional_claims_callback
        self.additional_claims_callback = None if is_default else callback

    @property
    def _jwt_additional_header_callback(self) -> IdentityCallback:
        return self.additional_headers_callback or default_jwt_headers_callback

    @_jwt_additional_header_callback.setter
    def _jwt_additional_header_callback(self, callback: IdentityCallback) -> None:
        is_default = callback is default_jwt_headers_callback
        self.additional_headers_callback = None if is_default else callback

    @property
    def _encode_key_callback(self) -> IdentityCallback:
        return self.encode_key_callback or default_encode_key_callback

    @_encode_key_callback.setter
    def _encode_key_callback(self, callback: IdentityCallback) -> None:
        is_default = callback is default_encode_key_callback
        self.encode_key_callback = None if is_default else callback

    @property
    def _decode_key_callback(self) -> TokenCallback:
        return self.decode_key_callback or default_decode_key_callback

    @_decode_key_callback.setter
    def _decode_key_callback(self, callback: TokenCallback) -> None:
        is_default = callback is default_decode_key_callback
        self.decode_key_callback = None if is_default else callback

    @property
    def _token_in_blocklist_callback(self) -> TokenCallback:
        return self.blocklist_callback or default_blocklist_callback

    @_token_in_blocklist_callback.setter
    def _token_in_blocklist_callback(self, callback: TokenCallback) -> None:
        is_default = callback is default_blocklist_callback
        self.blocklist_callback = None if is_default else callback

    @property
    def _token_verification_callback(self) -> TokenCallback:
        return self.verification_callback or default_token_verification_callback

    @_token_verification_callback.setter
    def _token_verification_callback(self, callback: TokenCallback) -> None:
        is_default = callback is default_token_verification_callback
        self.verification_callback = None if is_default else callback

    @property
    def _user_lookup_callback(self) -> TokenCallback | None:
        return self._user_lookup

    @_user_lookup_callback.setter
    def _user_lookup_callback(self, callback: TokenCallback | None) -> None:
        self._user_lookup = callback
        self.identity_callback = None if callback is None else self._load_user

    # What flask_jwt.JWT leaves to its subclasses

    @property
    def issues_for_users(self) -> bool:
        return self.user_identity_callback is not default_user_identity_callback

    def translate_error(self, error: JWTError) -> Exception:
        """Return the exception that Flask-JWT-Extended raises for *error*."""
        return translate_error(error)

    def _load_user(self, payload: Claims) -> Any:
        try:
            header = get_jwt_header()
        except RuntimeError:
            # A session is refreshed outside of a verified request: only its claims are known.
            header = {}
        lookup = self._user_lookup_callback
        return None if lookup is None else lookup(header, payload)

    def _respond(self, error: Exception) -> Any:
        """Return what the callback for *error* returns; the caller awaits it if necessary."""
        if isinstance(error, JWTError):  # Flask-JWT-Extended has no such error
            body = {config.error_msg_key: str(error.description)}
            return jsonify(body), error.status_code, dict(error.headers or {})
        if isinstance(error, (NoAuthorizationError, CSRFError)):
            return self._unauthorized_callback(str(error))
        callback = self._find_token_callback(error)
        if callback is None:
            return self._invalid_token_callback(str(error))
        header = getattr(error, "jwt_header", None) or {}
        claims = getattr(error, "jwt_data", None) or {}
        return callback(header, claims)

    def _find_token_callback(self, error: Exception) -> TokenCallback | None:
        """Return the callback that takes the token *error* is about; None if it takes a message."""
        # Not a constant, because programs may set other callbacks at any time.
        callbacks: dict[type[Exception], TokenCallback] = {
            ExpiredSignatureError: self._expired_token_callback,
            FreshTokenRequired: self._needs_fresh_token_callback,
            RevokedTokenError: self._revoked_token_callback,
            UserClaimsVerificationError: self._token_verification_failed_callback,
            UserLookupError: self._user_lookup_error_callback,
        }
        for error_class, callback in callbacks.items():
            if isinstance(error, error_class):
                return callback
        return None

    def _set_error_handler_callbacks(self, app: Flask) -> None:
        """Do nothing.

        Programs call this so that REST extensions respond as Flask does. Here they always do.
        """


__getattr__ = imported_names(__name__)
