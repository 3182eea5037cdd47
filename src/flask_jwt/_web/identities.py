"""The identity that a token contains: find it, check it, and write its claims."""

from __future__ import annotations

import json

from .._config.settings import Settings
from .._jose.claims import (
    Claims,
    ClaimsView,
    find_id,
    has_bool_identity,
    plain_id,
    reject_foreign_subject,
    subject_of,
)
from .._jose.encoding import parse_json
from ..errors import ConfigError
from .app_state import AppState


def get_user_id(state: AppState, identity: object) -> object:
    """Return the id that a token for *identity* contains.

    :raises ConfigError: if there is none, or JSON can't represent it
    """
    user_id = state.call(state.handlers.user_identity_callback, identity)
    reject_foreign_subject(user_id)
    if not state.profile.checks_identity:
        return user_id
    if user_id is None:
        # The guard would reject such a token, because None stands for a user who doesn't exist.
        raise ConfigError("The user_identity_loader returned None; return the id of the user")
    user_id = plain_id(user_id)
    try:
        # As the guard will read it, which rejects lone surrogates and repeated members, too: the
        # keys 1 and "1" of a dict are the same in JSON.
        parse_json(json.dumps(user_id, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "The user_identity_loader returned a value that JSON can't represent, so no token can "
            f"contain it: {error}. Return a string instead."
        ) from None
    return user_id


def identity_claims(state: AppState, settings: Settings, user_id: object) -> Claims:
    """Return the claims that hold the id of the user of a token."""
    if settings.identity_claim is None:
        return {"identity": user_id, "sub": subject_of(user_id)}
    if settings.verify_sub and settings.identity_claim == "sub" and type(user_id) is not str:
        _warn_of_identity(state, user_id)
    return {settings.identity_claim: user_id}


def _warn_of_identity(state: AppState, user_id: object) -> None:
    """Warn of an identity that no token, or only a rejected one, can contain.

    If JSON can't represent it, the TypeError that follows is the one of Flask-JWT-Extended.
    """
    name = type(user_id).__name__
    try:
        state.app.json.dumps(user_id)
    except (TypeError, ValueError):
        state.notices.warn(
            f"This identity is of type {name}, and JSON can't represent it or its content. Set a "
            "user_identity_loader that returns a string, for example: return "
            f"{find_id(user_id) or 'str(user.id)'}"
        )
        return
    state.notices.warn(
        f"This identity is of type {name}, so its token will be rejected: "
        '"sub" must be a string (RFC 7519 section 4.1.2). Write create_access_token(str(…)), '
        "or set JWT_VERIFY_SUB = False to issue and accept the identity unchanged."
    )


def check_identity(state: AppState, payload: ClaimsView) -> None:
    """Raise a ConfigError if the identity in *payload* is True or False."""
    claim = state.config.latest.identity_claim
    if state.profile.checks_identity and has_bool_identity(payload, claim):
        raise ConfigError(
            "The identity in the payload is True or False, and True is equal to 1 in Python, so "
            "the token would be accepted as user 1's. Return the user's id from the "
            "jwt_payload_handler or the user_identity_loader."
        )
