"""Find out what PyJWT would raise for a token that this package has rejected.

Flask-JWT-Extended leaves the verification to PyJWT, and programs written for it know PyJWT's
classes and messages. PyJWT is asked afterwards, and only for these: the token stays rejected.
"""

from __future__ import annotations

import math

import jwt
from jwt.types import Options

from ..errors import (
    AlgorithmNotAllowed,
    SignatureInvalid,
    TokenExpired,
    TokenInvalid,
    WrongTokenType,
)
from .claims import ClaimsPolicy, ClaimsView


def keep_pyjwt_error(
    token: object,
    error: TokenInvalid,
    max_size: int,
    policy: ClaimsPolicy | None = None,
    now: float = math.inf,
) -> None:
    """Set ``error.pyjwt_error`` to the exception that PyJWT raises for *token*.

    It stays None if PyJWT would accept the token, or the token has only expired.

    :param error: the reason why this package has rejected the token
    :param max_size: a longer token isn't parsed
    :param policy: the policy by which its claims were checked at the time *now*; None: they weren't
    """
    # A token is found to have expired after all other checks, as Flask-JWT-Extended does it.
    if isinstance(error, TokenExpired) or not isinstance(token, str) or len(token) > max_size:
        return
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        jwt.get_unverified_header(token)
        if isinstance(error, AlgorithmNotAllowed):
            jwt.decode(token, "", algorithms=["another"])
        elif policy is not None and not isinstance(error, SignatureInvalid):
            _check_not_early(claims, policy, now)
            _check_other_claims(token, policy)
            if isinstance(error, WrongTokenType) and policy.required <= claims.keys():
                _check_not_expired(claims, policy, now)
    except jwt.PyJWTError as found:
        # A new one, because the causes and frames of this one quote the token.
        error.pyjwt_error = type(found)(*found.args)
    except Exception:  # noqa: BLE001  PyJWT may fail for a token, which is rejected all the same
        return


def _get_time(claims: ClaimsView, policy: ClaimsPolicy, name: str) -> float | None:
    time = claims.get(name)
    return time if type(time) in (int, float) and name not in policy.unchecked else None


# PyJWT itself would compare the times with another clock than the application's.


def _check_not_early(claims: ClaimsView, policy: ClaimsPolicy, now: float) -> None:
    for name in ("iat", "nbf"):
        time = _get_time(claims, policy, name)
        if time is not None and time > now + policy.ahead:
            raise jwt.ImmatureSignatureError(f"The token is not yet valid ({name})")


def _check_not_expired(claims: ClaimsView, policy: ClaimsPolicy, now: float) -> None:
    time = _get_time(claims, policy, "exp")
    if time is not None and time <= now - policy.leeway:
        raise jwt.ExpiredSignatureError("Signature has expired")


def _check_other_claims(token: str, policy: ClaimsPolicy) -> None:
    options: Options = {
        "verify_signature": False,
        "verify_iat": True,
        "verify_nbf": True,
        "verify_exp": True,
        "verify_iss": True,
        "verify_aud": policy.audience is not None,
        "verify_sub": "sub" in policy.string_claims,
        "verify_jti": "jti" in policy.string_claims,
    }
    # With this leeway PyJWT checks only the types of the times.
    jwt.decode(
        token, options=options, audience=policy.audience, issuer=policy.issuer, leeway=math.inf
    )
