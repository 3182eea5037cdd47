"""JWT authentication and sessions for Flask, compatible with Flask-JWT and Flask-JWT-Extended."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._jose.grants import Grants, any_of
from ._web.context import (
    get_jwt,
    get_jwt_header,
    get_jwt_identity,
    get_jwt_issuer,
    get_jwt_request_location,
    issued_tokens,
)
from ._web.cookies import (
    check_csrf_token,
    get_csrf_proof,
    get_csrf_token,
    set_access_cookies,
    set_refresh_cookies,
    unset_access_cookies,
    unset_jwt_cookies,
    unset_refresh_cookies,
)
from ._web.current_user import current_identity
from ._web.extension import JWT
from ._web.grants import current_grants, has_scope
from ._web.guard import decode_token, guarded_by, jwt_required, verify_jwt_in_request
from ._web.issue import create_access_token, create_refresh_token
from .errors import ConfigError, JWTError

# isort: split
# Names that programs written for Flask-JWT import; not in __all__.
from ._config.settings import CONFIG_DEFAULTS as CONFIG_DEFAULTS
from ._web.context import _jwt as _jwt
from ._web.current_user import _request_ctx_stack as _request_ctx_stack
from ._web.guard import _default_jwt_decode_handler as _default_jwt_decode_handler
from ._web.guard import _jwt_required as _jwt_required
from ._web.issue import _default_jwt_encode_handler as _default_jwt_encode_handler
from ._web.issue import _default_jwt_headers_handler as _default_jwt_headers_handler
from ._web.issue import _default_jwt_payload_handler as _default_jwt_payload_handler
from ._web.issue import encode_token as encode_token
from ._web.request_token import _default_request_handler as _default_request_handler
from ._web.responses import _default_jwt_error_handler as _default_jwt_error_handler
from ._web.views import _default_auth_request_handler as _default_auth_request_handler
from ._web.views import _default_auth_response_handler as _default_auth_response_handler

if TYPE_CHECKING:
    from ._issuers.issuer import ANY_AUDIENCE, Issuer
    from ._login.passwords import PasswordCheck, check_password, hash_password
    from ._sessions.manager import SessionManager
    from ._sessions.rotation import Tokens
    from .stores import Session

_LOADED_AT_FIRST_USE = {
    "ANY_AUDIENCE": "_issuers.issuer",
    "Issuer": "_issuers.issuer",
    "PasswordCheck": "_login.passwords",
    "Session": "stores",
    "SessionManager": "_sessions.manager",
    "Tokens": "_sessions.rotation",
    "check_password": "_login.passwords",
    "hash_password": "_login.passwords",
    "logger": "_web.login",
}
"""Names that many applications don't use, and the modules that define them."""

_IMPORTS_OF_FLASK_JWT = {
    "LocalProxy": "werkzeug.local",
    "OrderedDict": "collections",
    "current_app": "flask",
    "datetime": "datetime",
    "jsonify": "flask",
    "request": "flask",
    "timedelta": "datetime",
    "wraps": "functools",
}
"""Names that Flask-JWT's module had only because it imported them, and where they are from.

Programs import them from here; test suites patch them.
"""

_MODULES_OF_FLASK_JWT = {"jwt", "logging", "warnings"}


# Importing these modules together with the package would slow the start of every application.
def __getattr__(name: str) -> Any:
    if name in _IMPORTS_OF_FLASK_JWT:
        return getattr(import_module(_IMPORTS_OF_FLASK_JWT[name]), name)
    if name in _MODULES_OF_FLASK_JWT:
        return import_module(name)
    if name not in _LOADED_AT_FIRST_USE:
        names = import_module("._former_names", __name__)
        # An ImportError, because "from … import" replaces the message of an AttributeError.
        if error := names.describe_import(__name__, name, names.OF_FLASK_JWT):
            raise error
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LOADED_AT_FIRST_USE[name]}", __name__), name)
    globals()[name] = value  # so that the next access doesn't come here
    return value


__version__ = "1.0.0"

__all__ = [
    "ANY_AUDIENCE",
    "JWT",
    "ConfigError",
    "Grants",
    "Issuer",
    "JWTError",
    "PasswordCheck",
    "Session",
    "SessionManager",
    "Tokens",
    "any_of",
    "check_csrf_token",
    "check_password",
    "create_access_token",
    "create_refresh_token",
    "current_grants",
    "current_identity",
    "decode_token",
    "get_csrf_proof",
    "get_csrf_token",
    "get_jwt",
    "get_jwt_header",
    "get_jwt_identity",
    "get_jwt_issuer",
    "get_jwt_request_location",
    "guarded_by",
    "has_scope",
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
