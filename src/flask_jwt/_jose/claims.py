"""Check the claims of a token (RFC 7519 section 4)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

from ..errors import (
    AudienceInvalid,
    ClaimInvalid,
    ClaimMissing,
    ConfigError,
    IssuerInvalid,
    SubjectInvalid,
    TokenExpired,
    TokenNotYetValid,
    WrongTokenType,
)

TIME_CLAIMS = ("exp", "nbf", "iat")

RESERVED_CLAIMS = frozenset(
    {
        "exp",
        "nbf",
        "iat",
        "jti",
        "iss",
        "aud",
        "sub",
        "identity",
        "type",
        "sid",
        "auth_time",
        "fresh",
    }
)
"""Claims that this package defines; additional claims can't replace them by accident."""

REFRESH_CLAIMS = frozenset({"sid", "gen", "sub", "payload", "auth_time", "iat", "exp"})
"""The claims that every refresh token of a session has."""

# Compared with type(), so that True and False, which are instances of int, are no timestamps.
_NUMBERS = frozenset({int, float})
_ALWAYS, _NEVER = -math.inf, math.inf


class ClaimsPolicy:
    """Check the claims of one application's tokens of one type.

    :param type: the required ``type``; None accepts every type
    :param required: claims that must be present
    :param unchecked: time claims (``exp``, ``nbf``, ``iat``) that aren't compared with the clock
    :param leeway: seconds by which clocks may differ
    :param ahead: seconds by which ``iat`` and ``nbf`` may be ahead of the clock; default *leeway*
    :param audience: accepted values of ``aud``; None rejects every token that has an ``aud``
    :param any_audience: accept every ``aud`` if *audience* is None
    :param issuer: accepted values of ``iss``; None accepts every issuer
    :param string_claims: claims that must be strings if they are present
    """

    __slots__ = (
        "ahead", "any_audience", "audience", "issuer", "leeway", "required", "string_claims",
        "type", "unchecked",
    )  # fmt: skip

    def __init__(
        self,
        type: str | None = "access",  # noqa: A002  the claim's name
        required: frozenset[str] = frozenset({"exp", "iat", "nbf"}),
        *,
        unchecked: frozenset[str] = frozenset(),
        leeway: float = 10,
        ahead: float | None = None,
        audience: frozenset[str] | None = None,
        any_audience: bool = False,
        issuer: frozenset[str] | None = None,
        string_claims: frozenset[str] = frozenset(),
    ) -> None:
        self.type = type
        self.required = required
        self.unchecked = unchecked
        self.leeway = leeway
        self.ahead = leeway if ahead is None else ahead
        self.audience = audience
        self.any_audience = any_audience
        self.issuer = issuer
        self.string_claims = string_claims

    # One list of checks, read from top to bottom, is clearer than several short ones.
    def check(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        """Verify *claims* at the time *now*.

        The caller may cache the result: the claims stay valid from the first returned timestamp
        until just before the second.

        :returns: ``(valid_from, valid_until)``, in seconds since the epoch
        :raises TokenInvalid: the subclass names the invalid claim
        """
        # A token without a type is an access token, because Flask-JWT's tokens had no type.
        if self.type is not None and claims.get("type", "access") != self.type:
            self._reject_type(claims)
        for name in self.required:
            if name not in claims:
                raise ClaimMissing(name)
        exp, nbf, iat = self._read_times(claims)
        try:
            valid_from, valid_until = (nbf if nbf > iat else iat) - self.ahead, exp + self.leeway
        except OverflowError:  # an int of many digits can't be added to a float
            raise ClaimInvalid("A time claim is out of range") from None
        if self.string_claims:
            self._check_strings(claims)
        if self.audience is not None or "aud" in claims:
            self._check_audience(claims)
        if self.issuer is not None:
            self._check_issuer(claims, self.issuer)
        if now < valid_from:
            raise TokenNotYetValid("nbf" if nbf >= iat else "iat")
        # This check must stay the last one. decode_token(allow_expired=True) accepts a token that
        # raised TokenExpired, so every other check must have passed by then.
        if now >= valid_until:
            raise TokenExpired
        return valid_from, valid_until

    def _read_times(self, claims: Mapping[str, Any]) -> tuple[float, float, float]:
        """Return ``exp``, ``nbf`` and ``iat``.

        A claim that is missing or not checked becomes an infinity that excludes no time.
        """
        exp = claims.get("exp", _NEVER)
        nbf, iat = claims.get("nbf", _ALWAYS), claims.get("iat", _ALWAYS)
        if not (type(exp) in _NUMBERS and type(nbf) in _NUMBERS and type(iat) in _NUMBERS):
            raise ClaimInvalid('The "exp", "nbf" and "iat" claims must be numbers')
        if self.unchecked:
            exp = _NEVER if "exp" in self.unchecked else exp
            nbf = _ALWAYS if "nbf" in self.unchecked else nbf
            iat = _ALWAYS if "iat" in self.unchecked else iat
        return exp, nbf, iat

    def _reject_type(self, claims: Mapping[str, Any]) -> NoReturn:
        # The message must not repeat whatever a client wrote into the claim.
        actual = next((t for t in ("access", "refresh") if claims.get("type") == t), "unknown")
        raise WrongTokenType(
            f"Expected a token of type {self.type}, not {actual}", wanted=str(self.type)
        )

    def _check_strings(self, claims: Mapping[str, Any]) -> None:
        for name in self.string_claims:
            if not isinstance(claims.get(name, ""), str):
                if name == "sub":
                    raise SubjectInvalid
                raise ClaimInvalid(f'The "{name}" claim must be a string')

    def _check_issuer(self, claims: Mapping[str, Any], accepted: frozenset[str]) -> None:
        issuer = claims.get("iss")
        if issuer is None:
            raise ClaimMissing("iss")
        if not isinstance(issuer, str) or issuer not in accepted:
            raise IssuerInvalid

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        if "aud" not in claims:
            raise ClaimMissing("aud")
        audience = claims["aud"]
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise AudienceInvalid('The "aud" claim must be a string or a list of strings')
        if self.audience is None and self.any_audience:
            return
        if self.audience is None or self.audience.isdisjoint(named):
            raise AudienceInvalid


def identity_of(identity: Any) -> Any:
    """Return the id of a user.

    The id is the ``id`` attribute or the ``"id"`` item of *identity*. An *identity* without either
    is taken for the id itself.

    :raises ConfigError: if there is no id, or JSON can't represent it
    """
    if hasattr(identity, "id"):
        user_id = identity.id
    elif isinstance(identity, Mapping):
        user_id = identity.get("id")
    else:
        user_id = identity
    if type(user_id) in (str, int):
        return user_id
    if isinstance(user_id, UUID):
        user_id = str(user_id)
    try:
        json.dumps(user_id, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(
            f"JSON can't represent an identity of type {type(user_id).__name__}, so no token can "
            "hold it. Return an object whose id is a string or an integer from the authentication "
            "handler, or write a jwt_payload_handler."
        ) from None
    if user_id is None:
        raise ConfigError(
            "The identity has no id. Return an object with an id attribute, or a dict with an "
            "'id', from the authentication handler, or write a jwt_payload_handler."
        )
    return user_id


def claimed_identity(claims: Any, claim: str | None) -> Any:
    """Return the identity in *claims*, or None if there is none.

    :param claims: the result of a decode handler; anything but a dict has no identity
    :param claim: the name of the claim; None reads ``identity``, or ``sub`` if that is missing
    """
    if type(claims) is not dict:
        return None
    if claim is not None:
        return claims.get(claim)
    return claims["identity"] if "identity" in claims else claims.get("sub")


def subject_of(user_id: Any) -> str:
    """Convert *user_id* to the string of a ``sub`` claim (RFC 7519 section 4.1.2)."""
    if isinstance(user_id, str):
        return user_id
    return str(user_id) if type(user_id) is int else json.dumps(user_id, separators=(",", ":"))
