"""What the claims of a token must say (RFC 7519 section 4)."""

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
"""Claims whose meaning is this package's; extra claims don't replace them by accident."""

REFRESH_CLAIMS = frozenset({"sid", "gen", "sub", "payload", "auth_time", "iat", "exp"})
"""The claims of each refresh token that belongs to a session."""

_NUMBERS = frozenset({int, float})
_ALWAYS, _NEVER = -math.inf, math.inf


class ClaimsPolicy:
    """The rules for one application's tokens of one type.

    :param type: the ``type`` they must have; None: any
    :param required: claims that must be there
    :param unchecked: time claims (``exp``, ``nbf``, ``iat``) whose value isn't compared
    :param leeway: seconds by which clocks may differ
    :param audience: accepted ``aud``; None: a token for a named audience isn't for us
    :param any_audience: where *audience* is None, let a token for a named audience pass
    :param issuer: accepted ``iss``; None: any
    :param texts: claims that must be texts where they are there
    """

    __slots__ = (
        "any_audience", "audience", "issuer", "leeway", "required", "texts", "type", "unchecked",
    )  # fmt: skip

    def __init__(
        self,
        type: str | None = "access",  # noqa: A002  the claim's name
        required: frozenset[str] = frozenset({"exp", "iat", "nbf"}),
        *,
        unchecked: frozenset[str] = frozenset(),
        leeway: float = 10,
        audience: frozenset[str] | None = None,
        any_audience: bool = False,
        issuer: frozenset[str] | None = None,
        texts: frozenset[str] = frozenset(),
    ) -> None:
        self.type = type
        self.required = required
        self.unchecked = unchecked
        self.leeway = leeway
        self.audience = audience
        self.any_audience = any_audience
        self.issuer = issuer
        self.texts = texts

    # One list of checks, read from top to bottom, is clearer than several short ones.
    def check(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        """Judge *claims* at *now* and return from when until when that verdict holds.

        :raises TokenInvalid: or the subclass that says what is wrong
        """
        if self.type is not None and claims.get("type", "access") != self.type:
            self._refuse_type(claims)
        for name in self.required:
            if name not in claims:
                raise ClaimMissing(name)
        exp, nbf, iat = self._times(claims)
        try:
            valid_from, valid_until = (nbf if nbf > iat else iat) - self.leeway, exp + self.leeway
        except OverflowError:
            raise ClaimInvalid("A time claim is out of range") from None
        if self.texts:
            self._check_strings(claims)
        if self.audience is not None or "aud" in claims:
            self._check_audience(claims)
        if self.issuer is not None:
            self._check_issuer(claims, self.issuer)
        if now < valid_from:
            raise TokenNotYetValid("nbf" if nbf >= iat else "iat")
        # Last: decode_token(allow_expired=True) accepts a token of which only this is wrong.
        if now >= valid_until:
            raise TokenExpired
        return valid_from, valid_until

    def _times(self, claims: Mapping[str, Any]) -> tuple[float, float, float]:
        """Return ``exp``, ``nbf`` and ``iat``; a claim that is missing or not checked excludes no
        time."""
        exp = claims.get("exp", _NEVER)
        nbf, iat = claims.get("nbf", _ALWAYS), claims.get("iat", _ALWAYS)
        if not (type(exp) in _NUMBERS and type(nbf) in _NUMBERS and type(iat) in _NUMBERS):
            raise ClaimInvalid("The claims exp, nbf and iat must be numbers of seconds")
        if self.unchecked:
            exp = _NEVER if "exp" in self.unchecked else exp
            nbf = _ALWAYS if "nbf" in self.unchecked else nbf
            iat = _ALWAYS if "iat" in self.unchecked else iat
        return exp, nbf, iat

    def _refuse_type(self, claims: Mapping[str, Any]) -> NoReturn:
        # A token without a type is an access token: Flask-JWT's carried none.
        other = next((t for t in ("access", "refresh") if claims.get("type") == t), "unknown")
        raise WrongTokenType(
            f"This needs a token of type {self.type}, not {other}", wanted=str(self.type)
        )

    def _check_strings(self, claims: Mapping[str, Any]) -> None:
        for name in self.texts:
            if not isinstance(claims.get(name, ""), str):
                raise SubjectInvalid if name == "sub" else ClaimInvalid(f"{name} must be a string")

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
            raise AudienceInvalid('The "aud" claim must be a text or a list of texts')
        if self.audience is None and self.any_audience:
            return
        if self.audience is None or self.audience.isdisjoint(named):
            raise AudienceInvalid


def identity_of(identity: Any) -> Any:
    """The id of a user: its ``id`` attribute or item, or *identity* where it is an id itself.

    :raises ConfigError: if there is none that JSON can hold
    """
    if hasattr(identity, "id"):
        found = identity.id
    elif isinstance(identity, Mapping):
        found = identity.get("id")
    else:
        found = identity
    if type(found) in (str, int):
        return found
    if isinstance(found, UUID):
        found = str(found)
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigError(
            f"An identity of type {type(found).__name__} can't go into a token. Return an object "
            "with an id that JSON can hold from the authentication handler, or write a "
            "jwt_payload_handler."
        ) from None
    if found is None:
        raise ConfigError(
            "The identity has no id. Return an object with an id attribute, or a dict with an "
            "'id', from the authentication handler, or write a jwt_payload_handler."
        )
    return found


def claimed_identity(claims: Any, claim: str | None) -> Any:
    """Return the identity in *claims*: the claim of that name; None: ``identity``, else ``sub``.

    :param claims: what a decode handler returned; None where that is no dict
    """
    if type(claims) is not dict:
        return None
    if claim is not None:
        return claims.get(claim)
    return claims["identity"] if "identity" in claims else claims.get("sub")


def subject_of(user_id: Any) -> str:
    """*user_id* as the text of a ``sub`` claim (RFC 7519 section 4.1.2)."""
    if isinstance(user_id, str):
        return user_id
    return str(user_id) if type(user_id) is int else json.dumps(user_id, separators=(",", ":"))
