"""Define the callbacks that a :class:`~flask_jwt.extended.JWTManager` has by default."""

# Programs import these functions by name, and test suites compare them, so names and parameters
# are Flask-JWT-Extended's.

from typing import Any

from flask import Response, jsonify

from .._jose.claims import Claims, Header
from ._imported_names import imported_names
from .config import config


def default_additional_claims_callback(userdata: object) -> Claims:
    """Add no claims."""
    return {}


def default_jwt_headers_callback(default_headers: object) -> Header:
    """Add no header parameters."""
    return {}


def default_user_identity_callback(userdata: Any) -> Any:
    """Return what ``create_access_token`` was called with."""
    return userdata


def default_encode_key_callback(identity: object) -> Any:
    """Return the configured key that signs tokens."""
    return config.encode_key


def default_decode_key_callback(
    jwt_header: Header,
    jwt_data: Claims,
) -> Any:
    """Return the configured key that verifies tokens."""
    return config.decode_key


def default_blocklist_callback(
    jwt_headers: Header,
    jwt_data: Claims,
) -> bool:
    """Return False: no token is revoked."""
    return False


def default_token_verification_callback(_jwt_header: Header, _jwt_data: Claims) -> bool:
    """Accept any claims."""
    return True


def default_expired_token_callback(
    _expired_jwt_header: Header, _expired_jwt_data: Claims
) -> tuple[Response, int]:
    """Respond 401 to a request with an expired token."""
    return _message("Token has expired", 401)


def default_invalid_token_callback(error_string: str) -> tuple[Response, int]:
    """Respond 422, with the reason, to a request with an invalid token."""
    return _message(error_string, 422)


def default_unauthorized_callback(error_string: str) -> tuple[Response, int]:
    """Respond 401, with the reason, to a request without a token."""
    return _message(error_string, 401)


def default_needs_fresh_token_callback(
    jwt_header: Header,
    jwt_data: Claims,
) -> tuple[Response, int]:
    """Respond 401 to a request with a token that is not fresh."""
    return _message("Fresh token required", 401)


def default_revoked_token_callback(
    jwt_header: Header,
    jwt_data: Claims,
) -> tuple[Response, int]:
    """Respond 401 to a request with a revoked token."""
    return _message("Token has been revoked", 401)


def default_user_lookup_error_callback(
    _jwt_header: Header, jwt_data: Claims
) -> tuple[Response, int]:
    """Respond 401 to a request whose user was not found."""
    identity = jwt_data.get(config.identity_claim_key)
    return _message(f"Error loading the user {identity}", 401)


def default_token_verification_failed_callback(
    _jwt_header: Header, _jwt_data: Claims
) -> tuple[Response, int]:
    """Respond 400 to a request whose claims were rejected."""
    return _message("User claims verification failed", 400)


def _message(message: str, status: int) -> tuple[Response, int]:
    return jsonify({config.error_msg_key: message}), status


__getattr__ = imported_names(__name__)
