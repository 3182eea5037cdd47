"""Token authentication for Flask: Flask-JWT alive again, on one fast, strict machine."""

from ._config.profile import Spelling
from ._config.settings import CONFIG_DEFAULTS
from ._login.passwords import PasswordCheck, check_password, hash_password
from ._web.context import (
    _jwt,
    checked_config,
    current_identity,
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_request_location,
    issued_tokens,
)
from ._web.cookies import (
    check_csrf_token,
    get_csrf_token,
    set_access_cookies,
    set_refresh_cookies,
    unset_access_cookies,
    unset_jwt_cookies,
    unset_refresh_cookies,
)
from ._web.extension import JWT
from ._web.guard import (
    _default_jwt_decode_handler,
    _jwt_required,
    decode_token,
    guarded_by,
    jwt_required,
    verify_jwt_in_request,
)
from ._web.issue import (
    _default_jwt_encode_handler,
    _default_jwt_headers_handler,
    _default_jwt_payload_handler,
    create_access_token,
    create_refresh_token,
)
from ._web.request_token import _default_request_handler
from ._web.responses import _default_jwt_error_handler
from ._web.views import _default_auth_request_handler, _default_auth_response_handler
from .errors import ConfigError, JWTError

__version__ = "1.0.0.dev0"

__all__ = [
    "CONFIG_DEFAULTS",
    "JWT",
    "ConfigError",
    "JWTError",
    "PasswordCheck",
    "Spelling",
    "_default_auth_request_handler",
    "_default_auth_response_handler",
    "_default_jwt_decode_handler",
    "_default_jwt_encode_handler",
    "_default_jwt_error_handler",
    "_default_jwt_headers_handler",
    "_default_jwt_payload_handler",
    "_default_request_handler",
    "_jwt",
    "_jwt_required",
    "check_csrf_token",
    "check_password",
    "checked_config",
    "create_access_token",
    "create_refresh_token",
    "current_identity",
    "decode_token",
    "get_csrf_token",
    "get_jwt",
    "get_jwt_header",
    "get_jwt_identity",
    "get_jwt_request_location",
    "guarded_by",
    "hash_password",
    "issued_tokens",
    "jwt_required",
    "set_access_cookies",
    "set_refresh_cookies",
    "unset_access_cookies",
    "unset_jwt_cookies",
    "unset_refresh_cookies",
    "verify_jwt_in_request",
]
