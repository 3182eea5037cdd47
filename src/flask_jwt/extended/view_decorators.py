"""Guard views with ``jwt_required``, and requests with ``verify_jwt_in_request``."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import flask_jwt

from .._config.options import TokenLocation
from .._jose.claims import Claims, Header
from .._jose.grants import RequiredNames, parse_requirement
from .._web.foreign_tokens import parse_issuer_names
from .._web.guard import make_guard
from .._web.guarded_views import GuardOptions
from ._imported_names import imported_names
from .config import config
from .exceptions import UserLookupError
from .internal_utils import has_user_lookup, user_lookup

View = TypeVar("View", bound=Callable[..., Any])
LocationType = TokenLocation | Sequence[TokenLocation] | None


def jwt_required(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: LocationType = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
    *,
    renew: bool = True,
    issuers: Any = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
) -> Callable[[View], View]:
    """Guard a view, as :func:`flask_jwt.jwt_required` does. Write the parentheses.

    :param optional: also allow requests without a token; an invalid token is still rejected
    :param fresh: require a fresh token
    :param refresh: require a refresh token instead of an access token
    :param locations: where to find the token; default ``JWT_TOKEN_LOCATION``
    :param verify_type: False: accept access and refresh tokens
    :param skip_revocation_check: also accept a revoked token
    :param renew: False to verify the refresh cookie without renewing it, as in
        :func:`flask_jwt.jwt_required`
    :param issuers: accept only tokens of these issuers, as in :func:`flask_jwt.jwt_required`
    :param scopes: the scopes that the user must have, as in :func:`flask_jwt.jwt_required`
    :param roles: the roles that the user must have
    :raises TypeError: without parentheses
    """
    # @jwt_required without parentheses passes the view as `optional`.
    if callable(optional):
        raise TypeError("Write @jwt_required() with parentheses; without them nothing is guarded.")

    # A test suite's replacement of verify_jwt_in_request may know only Flask-JWT-Extended's
    # arguments.
    more: dict[str, Any] = {} if renew else {"renew": False}
    if issuers is not None:
        more["issuers"] = issuers
    more.update({"scopes": scopes} if scopes is not None else {})
    more.update({"roles": roles} if roles is not None else {})

    def verify() -> None:
        # Read from the module at each request, because test suites replace it there.
        verify_jwt_in_request(
            optional, fresh, refresh, locations, verify_type, skip_revocation_check, **more
        )

    places = (locations,) if isinstance(locations, str) else locations
    options = GuardOptions(
        None, optional, fresh, refresh, places, verify_type, skip_revocation_check, renew,
        issuers=parse_issuer_names(issuers),
        scopes=parse_requirement("scopes", scopes), roles=parse_requirement("roles", roles),
    )  # fmt: skip
    return make_guard(verify, options)


def verify_jwt_in_request(
    optional: bool = False,
    fresh: bool = False,
    refresh: bool = False,
    locations: LocationType = None,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
    *,
    renew: bool = True,
    issuers: Any = None,
    scopes: RequiredNames | None = None,
    roles: RequiredNames | None = None,
) -> tuple[Header, Claims] | None:
    """Verify the token of the current request, and return its header and its claims.

    Return None if the request has no token and *optional* allows that. The arguments are those of
    :func:`jwt_required`.

    :raises Exception: one of :mod:`flask_jwt.extended.exceptions` or of PyJWT's exceptions
    """
    flask_jwt.verify_jwt_in_request(
        optional=optional,
        fresh=fresh,
        refresh=refresh,
        locations=locations,
        verify_type=verify_type,
        skip_revocation_check=skip_revocation_check,
        renew=renew,
        issuers=issuers,
        scopes=scopes,
        roles=roles,
    )
    claims = flask_jwt.get_jwt()
    return (flask_jwt.get_jwt_header(), claims) if claims else None


# Programs call these private functions of Flask-JWT-Extended in custom decorators. Those that
# return a token without verifying it are missing on purpose.


def _decode_jwt_from_request(
    locations: LocationType = None,
    fresh: bool = False,
    refresh: bool = False,
    verify_type: bool = True,
    skip_revocation_check: bool = False,
) -> tuple[Claims, Header, TokenLocation | None]:
    """Verify the current request, and return the claims, the header and the location of its token.

    The arguments and errors are those of :func:`verify_jwt_in_request`.
    """
    flask_jwt.verify_jwt_in_request(
        fresh=fresh,
        refresh=refresh,
        locations=locations or None,
        verify_type=verify_type,
        skip_revocation_check=skip_revocation_check,
    )
    location = flask_jwt.get_jwt_request_location()
    return flask_jwt.get_jwt(), flask_jwt.get_jwt_header(), location


def _load_user(jwt_header: Header, jwt_data: Claims) -> dict[str, Any] | None:
    """Return the user of a verified token as ``loaded_user``; None without a loader.

    :raises UserLookupError: if there is no such user
    """
    if not has_user_lookup():
        return None
    user = user_lookup(jwt_header, jwt_data)
    if user is None:
        message = f"user_lookup returned None for {jwt_data[config.identity_claim_key]}"
        raise UserLookupError(message, jwt_header, jwt_data)
    return {"loaded_user": user}


__getattr__ = imported_names(__name__)
