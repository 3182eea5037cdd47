"""Provide Flask-JWT-Extended's names: ``from flask_jwt.extended import …``."""

from typing import NoReturn

from .jwt_manager import JWTManager
from .utils import (
    create_access_token,
    create_refresh_token,
    current_user,
    decode_token,
    get_csrf_token,
    get_current_user,
    get_jti,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_request_location,
    get_unverified_jwt_headers,
    set_access_cookies,
    set_refresh_cookies,
    unset_access_cookies,
    unset_jwt_cookies,
    unset_refresh_cookies,
)
from .view_decorators import jwt_required, verify_jwt_in_request

__version__ = "4.7.4"
"""The version of Flask-JWT-Extended whose names these are; programs compare it."""


def __getattr__(name: str) -> NoReturn:
    from .._former_names import OF_EXTENDED, describe_import

    # An ImportError, because "from … import" replaces the message of an AttributeError.
    if error := describe_import(__name__, name, OF_EXTENDED):
        raise error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "JWTManager",
    "create_access_token",
    "create_refresh_token",
    "current_user",
    "decode_token",
    "get_csrf_token",
    "get_current_user",
    "get_jti",
    "get_jwt",
    "get_jwt_header",
    "get_jwt_identity",
    "get_jwt_request_location",
    "get_unverified_jwt_headers",
    "jwt_required",
    "set_access_cookies",
    "set_refresh_cookies",
    "unset_access_cookies",
    "unset_jwt_cookies",
    "unset_refresh_cookies",
    "verify_jwt_in_request",
]
