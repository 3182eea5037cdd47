"""The guard."""

from collections.abc import Callable, Sequence
from typing import Any

import flask_jwt


def jwt_required(
    optional: bool = False, fresh: bool = False, refresh: bool = False,
    locations: str | Sequence[str] | None = None, verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> Callable[[Any], Any]:  # fmt: skip
    """Guard a view, as :func:`flask_jwt.jwt_required` does; a TypeError without parentheses."""
    if callable(optional):
        raise TypeError("Write @jwt_required() with parentheses; without them it guards nothing.")
    ask = optional, fresh, refresh, locations, verify_type, skip_revocation_check
    # Looked up at each request: test suites replace verify_jwt_in_request in this module.
    return flask_jwt.guarded_by(lambda: verify_jwt_in_request(*ask))


def verify_jwt_in_request(
    optional: bool = False, fresh: bool = False, refresh: bool = False,
    locations: str | Sequence[str] | None = None, verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]] | None:  # fmt: skip
    """Do what :func:`jwt_required` does, and return header and claims; None without a token.

    :raises JWTError: the refusal, one of :mod:`flask_jwt.extended.exceptions` or of PyJWT's
    """
    flask_jwt.verify_jwt_in_request(
        optional=optional, fresh=fresh, refresh=refresh, locations=locations,
        verify_type=verify_type, skip_revocation_check=skip_revocation_check,
    )  # fmt: skip
    claims = flask_jwt.get_jwt()
    return (flask_jwt.get_jwt_header(), claims) if claims else None
