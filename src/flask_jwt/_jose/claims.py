"""Check the claims of a token (RFC 7519 section 4)."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any
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

Claims = dict[str, Any]
"""The claims of a token by name; a value is anything that JSON can represent."""

ClaimsView = Mapping[str, Any]
"""Claims that the function only reads."""

Header = dict[str, Any]
"""The parameters of a JOSE header by name (RFC 7515 section 4)."""

HeaderView = Mapping[str, Any]
"""Header parameters that the function only reads."""

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
    :param any_access_type: accept every ``type`` but ``refresh`` as an access token, because
        other issuers use the claim for purposes of their own
    :param required: claims that must be present
    :param unchecked: time claims (``exp``, ``nbf``, ``iat``) that aren't compared with the clock
    :param leeway: seconds by which clocks may differ
    :param ahead: seconds by which ``iat`` and ``nbf`` may be ahead of the clock; default *leeway*
    :param audience: accepted values of ``aud``; None rejects every token that has an ``aud``
    :param any_audience: accept every ``aud`` if *audience* is None
    :param issuer: accepted values of ``iss``; None accepts every issuer
    :param absent_parties: accept a token without ``aud`` or ``iss``, whatever is accepted
    :param string_claims: claims that must be strings if they are present
    """

    __slots__ = (
        "absent_parties", "ahead", "any_access_type", "any_audience", "audience", "issuer",
        "leeway",
        "required", "string_claims", "type", "unchecked",
    )  # fmt: skip

    def __init__(
        self,
        type: str | None = "access",  # noqa: A002  the claim's name
        required: frozenset[str] = frozenset({"exp", "iat", "nbf"}),
        *,
        any_access_type: bool = False,
        unchecked: frozenset[str] = frozenset(),
        leeway: float = 10,
        ahead: float | None = None,
        audience: frozenset[str] | None = None,
        any_audience: bool = False,
        issuer: frozenset[str] | None = None,
        absent_parties: bool = False,
        string_claims: frozenset[str] = frozenset(),
    ) -> None:
        self.type = type
        self.any_access_type = any_access_type and type == "access"
        self.required = required
        self.unchecked = unchecked
        self.leeway = leeway
        self.ahead = leeway if ahead is None else ahead
        self.audience = audience
        self.any_audience = any_audience
        self.issuer = issuer
        self.absent_parties = absent_parties
        self.string_claims = string_claims

    # One list of checks, read from top to bottom, is clearer than several short ones.
    def check(self, claims: ClaimsView, now: float) -> tuple[float, float]:
        """Verify *claims* at the time *now*.

        The caller may cache the result: the claims stay valid from the first returned timestamp
        until just before the second.

        :returns: ``(valid_from, valid_until)``, in seconds since the epoch
        :raises TokenInvalid: the subclass names the invalid claim
        """
        # A token without a type is an access token, because Flask-JWT's tokens had no type.
        if self.type is not None and claims.get("type", "access") != self.type:
            self._check_other_type(claims)
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
            raise TokenNotYetValid("iat" if now < iat - self.ahead else "nbf")
        # This check must stay the last one. decode_token(allow_expired=True) accepts a token that
        # raised TokenExpired, so every other check must have passed by then.
        if now >= valid_until:
            raise TokenExpired
        return valid_from, valid_until

    def _read_times(self, claims: ClaimsView) -> tuple[float, float, float]:
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

    def _check_other_type(self, claims: ClaimsView) -> None:
        if self.any_access_type and claims["type"] != "refresh":
            return
        # The message must not repeat whatever a client wrote into the claim.
        actual = next((t for t in ("access", "refresh") if claims.get("type") == t), "unknown")
        raise WrongTokenType(
            f"Expected a token of type {self.type}, not {actual}", wanted=str(self.type)
        )

    def _check_strings(self, claims: ClaimsView) -> None:
        for name in self.string_claims:
            if not isinstance(claims.get(name, ""), str):
                if name == "sub":
                    raise SubjectInvalid
                raise ClaimInvalid(f'The "{name}" claim must be a string')

    def _check_issuer(self, claims: ClaimsView, accepted: frozenset[str]) -> None:
        if self.absent_parties and "iss" not in claims:
            return
        issuer = claims.get("iss")
        if issuer is None:
            raise ClaimMissing("iss")
        if not isinstance(issuer, str) or issuer not in accepted:
            raise IssuerInvalid

    # Not split: one list of checks.
    def _check_audience(self, claims: ClaimsView) -> None:
        if "aud" not in claims:
            if self.absent_parties:
                return
            raise ClaimMissing("aud")
        audience = claims["aud"]
        named = [audience] if isinstance(audience, str) else audience
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise AudienceInvalid('The "aud" claim must be a string or a list of strings')
        if self.audience is None and self.any_audience:
            return
        if self.audience is None or self.audience.isdisjoint(named):
            raise AudienceInvalid


class ForeignSubject(str):
    """The subject of a token of another issuer.

    It is equal to the plain string, but it is never taken for the identity of one of the
    application's own users: a user is the issuer and the subject together.

    :param issuer: the issuer of the token
    """

    issuer: str

    def __new__(cls, subject: object, issuer: str) -> ForeignSubject:
        self = super().__new__(cls, subject)
        self.issuer = issuer
        return self


class InvalidIdentity(ConfigError):
    """Report a value that is neither a user nor the id of one.

    :param description: the value or its type
    :param message: a format string for the description and for what is wanted instead
    :param expression: what a user_identity_loader may return for the value, as source code
    """

    def __init__(
        self,
        description: str,
        message: str = "The identity is {}; pass {}",
        expression: str | None = None,
    ) -> None:
        text = message.format(description, _WANTED_IDENTITY)
        if expression is not None:
            text += f". Or set a user_identity_loader:\n{_LOADER.format(expression)}"
        super().__init__(text)
        self.description = description
        self.expression = expression

    def with_message(self, message: str) -> InvalidIdentity:
        """Return the error with another *message*, which says where the value came from."""
        return InvalidIdentity(self.description, message, self.expression)


def reject_foreign_subject(identity: object) -> None:
    """Raise a ConfigError if *identity* is the subject of a token of another issuer.

    As an identity of this application, it would be the user who has the same id here by accident.
    """
    if isinstance(identity, ForeignSubject):
        raise ConfigError(
            f"This identity is the subject of a token of {identity.issuer}. A user is the issuer "
            "and the subject together, so it is no user of this application: write an "
            "identity_handler that finds the user by get_jwt_issuer() and payload['sub']."
        )


_WANTED_IDENTITY = (
    "the user (an object or dict with an id), or the id itself: a string, an integer or a UUID"
)

_LOADER = """
    @jwt.user_identity_loader
    def user_identity(user):
        return {}
"""


def identity_of(identity: Any) -> str | int:
    """Return the id of a user.

    The id is the ``id`` attribute or the ``"id"`` item of *identity*. An *identity* without either
    is taken for the id itself.

    :raises InvalidIdentity: if *identity* is neither a user nor a string, an integer or a UUID
    :raises ConfigError: if the id of the user is not a string, an integer or a UUID
    """
    if hasattr(type(identity), "_get_current_object"):  # a proxy, such as current_identity
        identity = identity._get_current_object()
    reject_foreign_subject(identity)
    if hasattr(identity, "id"):
        user_id, expression = identity.id, "user.id"
    elif isinstance(identity, Mapping) and "id" in identity:
        user_id, expression = identity["id"], 'user["id"]'
    else:
        user_id, expression = identity, None
    plain = plain_id(user_id)
    # True is an int that is equal to 1, so a token for True would be accepted as user 1's.
    if isinstance(plain, (str, int)) and not isinstance(plain, bool):
        return plain
    if expression is None:
        raise InvalidIdentity(_describe(user_id), expression=find_id(user_id))
    if user_id is None or isinstance(user_id, bool):
        # No loader is suggested, because str() would give many users the id "None" or "True".
        raise ConfigError(f"The id of the user is {user_id}; return a user with an id of their own")
    raise ConfigError(
        f"The id of the user is {_describe(user_id)}, not a string, an integer or a UUID. Set a "
        f"user_identity_loader:\n{_LOADER.format(f'str({expression})')}"
    )


def find_id(user: object) -> str | None:
    """Return source code for the id of *user* as a string, or None if none is found.

    MongoDB's documents have an ``_id``. An object of another type, such as an ObjectId, may be the
    id itself.
    """
    for name in ("id", "_id", "pk", "user_id", "uid"):
        if isinstance(user, Mapping) and name in user:
            return f"str(user[{json.dumps(name)}])"
        if not isinstance(user, type) and hasattr(user, name):
            return f"str(user.{name})"
    return "str(user)" if _may_be_id(user) else None


def _may_be_id(value: object) -> bool:
    # str() of these would be the same for many users, or not what the developer expects.
    is_plain = value is None or isinstance(value, (bool, int, float, complex, bytes, bytearray))
    if is_plain or isinstance(value, (Mapping, Collection)) or callable(value):
        return False
    return type(value).__str__ is not object.__str__


def plain_id(user_id: object) -> object:
    """Convert an instance of a subclass of str, int or UUID to the string or integer it stands for.

    Other values, and bools, are returned as they are.
    """
    # The methods are called on the base classes, because an enum's own __str__ returns its name.
    if type(user_id) in (str, int, bool):
        return user_id
    if isinstance(user_id, str):
        return str.__str__(user_id)
    if isinstance(user_id, int):
        return int.__int__(user_id)
    return UUID.__str__(user_id) if isinstance(user_id, UUID) else user_id


def _describe(value: object) -> str:
    """Return *value* itself if it can't be a secret or personal data, or else its type."""
    if value is None or isinstance(value, bool):
        return str(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def claimed_identity(claims: object, claim: str | None) -> Any:
    """Return the identity in *claims*, or None if there is none.

    :param claims: the result of a decode handler; anything but a dict has no identity
    :param claim: the name of the claim; None reads ``identity``, or ``sub`` if that is missing
    """
    if type(claims) is not dict:
        return None
    if claim is not None:
        return claims.get(claim)
    return claims["identity"] if "identity" in claims else claims.get("sub")


def has_bool_identity(claims: ClaimsView, claim: str | None) -> bool:
    """Return whether the identity in *claims* is True or False.

    :param claim: as for :func:`claimed_identity`
    """
    names = ("identity", "sub") if claim is None else (claim,)
    return any(isinstance(claims.get(name), bool) for name in names)


def subject_of(user_id: object) -> str:
    """Convert *user_id* to the string of a ``sub`` claim (RFC 7519 section 4.1.2).

    Equal ids have the same string, so the order of the keys of a dict is of no consequence.

    :raises TypeError: if JSON can't represent *user_id*
    :raises ValueError: likewise, for NaN and infinities
    """
    if isinstance(user_id, ForeignSubject):
        return json.dumps([user_id.issuer, str.__str__(user_id)], separators=(",", ":"))
    user_id = plain_id(user_id)
    if isinstance(user_id, str):
        return user_id
    if type(user_id) is int:
        return str(user_id)
    # Keys that aren't strings become strings first, so that those of an id sort as they do in a
    # verified token.
    canonical = json.loads(json.dumps(user_id, allow_nan=False))
    return json.dumps(canonical, separators=(",", ":"), sort_keys=True)
