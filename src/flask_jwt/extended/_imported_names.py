"""Provide names that Flask-JWT-Extended's modules have only because they import them.

Programs import them from there, for example ``ExpiredSignatureError`` from ``jwt_manager``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

_ERRORS = ".exceptions"
_TYPES = dict.fromkeys(("Any", "Optional", "Tuple", "Type", "Union", "List"), "typing")

# Written as strings, so that nothing is loaded that no one asks for. A value of None stands for the
# module of that name.
_NAMES: dict[str, dict[str, str | None]] = {
    "jwt_manager": {
        **_TYPES,
        "datetime": None,
        "jwt": None,
        **dict.fromkeys(
            (
                "DecodeError", "ExpiredSignatureError", "InvalidAudienceError",
                "InvalidIssuerError", "InvalidTokenError", "MissingRequiredClaimError",
            ),
            "jwt",
        ),
        "ExpiresDelta": ".typing",
        "Fresh": ".typing",
    },
    "view_decorators": {
        **_TYPES,
        **dict.fromkeys(("current_app", "g", "request"), "flask"),
        **dict.fromkeys(("datetime", "timezone"), "datetime"),
        **dict.fromkeys(
            (
                "CSRFError", "FreshTokenRequired", "InvalidHeaderError", "InvalidQueryParamError",
                "NoAuthorizationError", "UserLookupError",
            ),
            _ERRORS,
        ),
        **dict.fromkeys(
            (
                "custom_verification_for_token", "has_user_lookup", "user_lookup",
                "verify_token_not_blocklisted", "verify_token_type",
            ),
            ".internal_utils",
        ),
        "BadRequest": "werkzeug.exceptions",
        "config": ".config",
        "decode_token": ".utils",
        "get_unverified_jwt_headers": ".utils",
        "split": "re",
        "wraps": "functools",
    },
    "utils": {
        **_TYPES,
        "LocalProxy": "werkzeug.local",
        "Response": "flask",
        "get_jwt_manager": ".internal_utils",
        "jwt": None,
    },
    "default_callbacks": {
        "HTTPStatus": "http",
        "ResponseReturnValue": "flask.typing",
    },
    "internal_utils": {
        **_TYPES,
        **dict.fromkeys(("Flask", "current_app"), "flask"),
        **dict.fromkeys(
            ("RevokedTokenError", "UserClaimsVerificationError", "WrongTokenError"), _ERRORS
        ),
        "DefaultJSONProvider": "flask.json.provider",
    },
    "config": {
        **_TYPES,
        **dict.fromkeys(("datetime", "timezone"), "datetime"),
        "current_app": "flask",
        "get_json_encoder": ".internal_utils",
        "requires_cryptography": "jwt.algorithms",
    },
    "typing": {**_TYPES, "Literal": "typing"},
}  # fmt: skip


def imported_names(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module (PEP 562)."""
    package, _, name_of_module = module.rpartition(".")
    names = _NAMES[name_of_module]

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        source = names[name]
        if source is None:
            return import_module(name)
        return getattr(import_module(source, package), name)

    return get
