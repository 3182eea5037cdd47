"""Provide what programs import from Flask-JWT-Extended's module of this name."""

import json
from typing import Any

from flask import json as flask_json

from .._jose.claims import Claims, Header
from .._web.context import app_state
from .._web.guard import check_revocation
from ._imported_names import imported_names
from .exceptions import UserClaimsVerificationError, WrongTokenError


class JSONEncoder(json.JSONEncoder):
    """Write what the JSON provider of the current application writes."""

    def default(self, o: object) -> Any:
        # The provider only returns strings; json needs the value that the string stands for.
        return json.loads(flask_json.dumps(o))


def get_jwt_manager() -> Any:
    """Return the manager of the current application.

    :raises ConfigError: if it has none
    """
    return app_state().handlers


def get_json_encoder(app: object) -> type[json.JSONEncoder]:  # noqa: ARG001 - Flask-JWT-Extended's
    """Return the class that encodes claims."""
    return JSONEncoder


def verify_token_type(decoded_token: Claims, refresh: bool) -> None:
    """Check that a verified token is a refresh token, or that it is none.

    :raises WrongTokenError: otherwise
    """
    if refresh != (decoded_token["type"] == "refresh"):
        wanted = "refresh" if refresh else "non-refresh"
        raise WrongTokenError(f"Only {wanted} tokens are allowed")


def verify_token_not_blocklisted(jwt_header: Header, jwt_data: Claims) -> None:
    """Check that neither a verified token nor its session was revoked.

    :raises RevokedTokenError: otherwise
    """
    check_revocation(jwt_header, jwt_data)


def custom_verification_for_token(jwt_header: Header, jwt_data: Claims) -> None:
    """Check the claims of a verified token with the ``token_verification_loader``.

    :raises UserClaimsVerificationError: if it rejects them
    """
    is_valid = get_jwt_manager()._token_verification_callback
    if not app_state().call(is_valid, jwt_header, jwt_data):
        message = "User claims verification failed"
        raise UserClaimsVerificationError(message, jwt_header, jwt_data)


def has_user_lookup() -> bool:
    """Return whether there is a ``user_lookup_loader``."""
    return get_jwt_manager()._user_lookup_callback is not None


def user_lookup(jwt_header: Header, jwt_data: Claims) -> Any:
    """Return the user that the ``user_lookup_loader`` finds for a token; None without a loader."""
    lookup = get_jwt_manager()._user_lookup_callback
    return None if lookup is None else app_state().call(lookup, jwt_header, jwt_data)


__getattr__ = imported_names(__name__)
