"""The guard."""

from collections.abc import Callable, Sequence
from typing import Any

from .. import JWTError, get_jwt, get_jwt_header, guarded_by
from .. import verify_jwt_in_request as verify
from .exceptions import translated


def jwt_required(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: str | Sequence[str] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> Callable[[Any], Any]:
    """Guard a view, as :func:`flask_jwt.jwt_required` does; a TypeError without parentheses."""
    if callable(optional):
        raise TypeError("Write @jwt_required() with parentheses; without them it guards nothing.")
    ask = optional, fresh, refresh, locations, verify_type, skip_revocation_check
    # Looked up at each request: test suites replace verify_jwt_in_request in this module.
    return guarded_by(lambda: _GUARDS.get(verify_jwt_in_request, verify_jwt_in_request)(*ask))


def verify_jwt_in_request(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: str | Sequence[str] | None = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Do what :func:`jwt_required` does, and return header and claims; None where there is no token
    and needn't be.

    :raises JWTError: the refusal, one of :mod:`flask_jwt.extended.exceptions` or of PyJWT's
    """
    _verify(optional, fresh, refresh, locations, verify_type, skip_revocation_check)
    claims = get_jwt()
    return (get_jwt_header(), claims) if claims else None


def _verify(optional: Any, fresh: Any, refresh: Any, locations: Any, typed: Any, skip: Any) -> None:
    try:
        verify(
            optional=optional, fresh=fresh, refresh=refresh, locations=locations,
            verify_type=typed, skip_revocation_check=skip,
        )  # fmt: skip
    except JWTError as error:
        raise translated(error) from error.__cause__


_GUARDS: dict[Any, Any] = {verify_jwt_in_request: _verify}  # nobody looks at its answer
