"""Say what replaces a name that another package, or an earlier version of one, has had."""

from __future__ import annotations

from collections.abc import Mapping

_EXTENDED = "from flask_jwt.extended import {0}"

#: Names of Flask-JWT-Extended before version 4, for both modules.
_FJE_3 = {
    "jwt_refresh_token_required": "write @jwt_required(refresh=True)",
    "fresh_jwt_required": "write @jwt_required(fresh=True)",
    "jwt_optional": "write @jwt_required(optional=True)",
    "verify_fresh_jwt_in_request": "call verify_jwt_in_request(fresh=True)",
    "verify_jwt_in_request_optional": "call verify_jwt_in_request(optional=True)",
    "verify_jwt_refresh_token_in_request": "call verify_jwt_in_request(refresh=True)",
    "get_raw_jwt": "call get_jwt()",
    "get_raw_jwt_header": "call get_jwt_header()",
    "get_jwt_claims": "call get_jwt(), which contains the additional claims",
}

_FJE_2 = (
    "revoke_token", "unrevoke_token", "get_stored_token", "get_stored_tokens",
    "get_all_stored_tokens",
)  # fmt: skip

OF_FLASK_JWT: Mapping[str, str] = {
    **_FJE_3,
    # Flask-JWT-Extended's, which are in flask_jwt.extended
    **{
        name: f"write: {_EXTENDED.format(name)}"
        for name in ("JWTManager", "get_jti", "get_unverified_jwt_headers")
    },
    "current_user": f"write current_identity, or: {_EXTENDED.format('current_user')}",
    "get_current_user": f"write current_identity, or: {_EXTENDED.format('get_current_user')}",
    # Flask-JWT's before version 0.3
    "verify_jwt": "call verify_jwt_in_request(), or write @jwt_required()",
    "generate_token": "call create_access_token()",
    "JWTAuthView": "set JWT_AUTH_URL_RULE = None, and register a view that calls "
    "jwt.authenticate() and jwt.log_in()",
    # what is in a module
    "InvalidCredentials": "write: from flask_jwt.errors import InvalidCredentials",
    "TokenExpired": "write: from flask_jwt.errors import TokenExpired",
    "TokenInvalid": "write: from flask_jwt.errors import TokenInvalid",
    "SessionStore": "write: from flask_jwt.stores import SessionStore",
}
"""Names that ``flask_jwt`` doesn't have, and what to do instead."""

OF_EXTENDED: Mapping[str, str] = {
    **_FJE_3,
    "JWT": "write: from flask_jwt import JWT; or JWTManager",
    "current_identity": "write current_user, or with JWT: from flask_jwt import current_identity",
    "ConfigError": "write: from flask_jwt import ConfigError",
    "JWTError": "write: from flask_jwt import JWTError",
    "hash_password": "write: from flask_jwt import hash_password",
    "check_password": "write: from flask_jwt import check_password",
    # version 2, which had a store of revoked tokens
    **dict.fromkeys(
        _FJE_2, "use a session store (JWT_STORAGE_URI), or a token_in_blocklist_loader"
    ),
}
"""Names that ``flask_jwt.extended`` doesn't have, and what to do instead."""

OF_EXTENSION: Mapping[str, str] = {
    # Flask-JWT's before version 0.3
    "user_handler": "write @jwt.identity_handler",
    "payload_handler": "write @jwt.jwt_payload_handler",
    "encode_handler": "write @jwt.jwt_encode_handler",
    "decode_handler": "write @jwt.jwt_decode_handler",
    "response_handler": "write @jwt.auth_response_handler",
    "error_handler": "write @jwt.jwt_error_handler",
    # Flask-JWT-Extended's before version 4
    "user_loader_callback_loader": "write @jwt.user_lookup_loader (JWTManager) or "
    "@jwt.identity_handler (JWT)",
    "user_loader_error_loader": "write @jwt.user_lookup_error_loader",
    "user_claims_loader": "write @jwt.additional_claims_loader",
    "token_in_blacklist_loader": "write @jwt.token_in_blocklist_loader, for a function of "
    "(jwt_header, jwt_payload)",
    "claims_verification_loader": "write @jwt.token_verification_loader, for a function of "
    "(jwt_header, jwt_payload)",
    "claims_verification_failed_loader": "write @jwt.token_verification_failed_loader",
}
"""Attributes that the extension objects don't have, and what to write instead."""

OF_EXTENDED_ONLY = frozenset(
    {
        "user_lookup_loader", "user_lookup_error_loader", "expired_token_loader",
        "invalid_token_loader", "unauthorized_loader", "needs_fresh_token_loader",
        "revoked_token_loader", "token_verification_failed_loader",
    }
)  # fmt: skip
"""Loaders that ``JWTManager`` has and ``JWT`` doesn't."""

OF_CONFIG: Mapping[str, str] = {
    "JWT_BLACKLIST_ENABLED": "a token_in_blocklist_loader is always called, so remove the option",
    "JWT_BLACKLIST_TOKEN_CHECKS": "both types of tokens are checked, so remove the option, and "
    'look at jwt_payload["type"] in the token_in_blocklist_loader',
    "JWT_USER_CLAIMS": "additional claims stand in the payload itself, so remove the option",
    "JWT_USER_CLAIMS_IN_REFRESH_TOKEN": "write the claims into the refresh token with "
    "create_refresh_token(additional_claims=…), and remove the option",
    "JWT_CLAIMS_IN_REFRESH_TOKEN": "write the claims into the refresh token with "
    "create_refresh_token(additional_claims=…), and remove the option",
    "JWT_SECRET": "did you mean JWT_SECRET_KEY?",
    "JWT_USER_CLAIMS_KEY": "additional claims stand in the payload itself, so remove the option",
    "JWT_EXPIRES": "did you mean JWT_ACCESS_TOKEN_EXPIRES?",
    "JWT_TTL": "did you mean JWT_ACCESS_TOKEN_EXPIRES?",
}
"""Options that this package doesn't have, and what to do instead."""


def describe_import(module: str, name: str, names: Mapping[str, str]) -> ImportError | None:
    """Return the error for the import of *name*, or None if *names* says nothing about it."""
    advice = names.get(name)
    if advice is None:
        return None
    return ImportError(f"{module} has no {name}; {advice}", name=module)


def describe_attribute(owner: str, name: str, existing: frozenset[str]) -> str:
    """Return the message of an AttributeError for *name*.

    :param existing: the names of the handlers that the object has
    """
    message = f"{owner!r} object has no attribute {name!r}"
    if advice := OF_EXTENSION.get(name):
        return f"{message}; {advice}"
    if name in OF_EXTENDED_ONLY:
        return f"{message}, but JWTManager has it: {_EXTENDED.format('JWTManager')}"
    import difflib  # imported here because only a misspelled name needs it

    similar = difflib.get_close_matches(name, existing, n=1, cutoff=0.7)
    return f"{message}; did you mean {similar[0]}?" if similar else message
