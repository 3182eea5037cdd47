"""``ClaimsPolicy.check()``: which claims are accepted, and when."""

from __future__ import annotations

import math

import pytest

from flask_jwt._jose.claims import ClaimsPolicy
from flask_jwt.errors import (
    AudienceInvalid,
    ClaimInvalid,
    ClaimMissing,
    IssuerInvalid,
    SubjectInvalid,
    TokenExpired,
    TokenNotYetValid,
    WrongTokenType,
)

NOW = 10_000
VALID = {"iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300, "sub": "1"}


def check(claims, now=NOW, **policy):
    return ClaimsPolicy(**policy).check(claims, now)


def without(name):
    return {key: value for key, value in VALID.items() if key != name}


# The times between which claims are accepted

FOREVER = math.inf


@pytest.mark.parametrize(
    ("changes", "policy", "interval"),
    [
        ({}, {}, (NOW - 20, NOW + 310)),
        ({}, {"leeway": 0}, (NOW - 10, NOW + 300)),
        ({"nbf": NOW - 5}, {"leeway": 0}, (NOW - 5, NOW + 300)),
        ({"iat": NOW - 5}, {"leeway": 0}, (NOW - 5, NOW + 300)),
        ({"exp": NOW + 0.5}, {"leeway": 0}, (NOW - 10, NOW + 0.5)),
        ({"exp": 0}, {"unchecked": frozenset({"exp"})}, (NOW - 20, FOREVER)),
        ({"nbf": 9e9}, {"unchecked": frozenset({"nbf"})}, (NOW - 20, NOW + 310)),
        ({"iat": 9e9}, {"unchecked": frozenset({"iat"})}, (NOW - 20, NOW + 310)),
    ],
)
def test_the_interval_in_which_claims_are_valid(changes, policy, interval):
    assert check({**VALID, **changes}, **policy) == interval


def test_times_that_are_not_required_and_missing_limit_nothing():
    assert check({}, required=frozenset()) == (-FOREVER, FOREVER)


@pytest.mark.parametrize(
    ("now", "leeway", "error"),
    [
        (NOW - 11, 0, TokenNotYetValid),
        (NOW - 10, 0, None),
        (NOW + 299, 0, None),
        (NOW + 299.9, 0, None),
        (NOW + 300, 0, TokenExpired),
        (NOW - 21, 10, TokenNotYetValid),
        (NOW - 20, 10, None),
        (NOW + 309, 10, None),
        (NOW + 310, 10, TokenExpired),
    ],
)
def test_when_claims_are_valid(now, leeway, error):
    if error is None:
        check(VALID, now, leeway=leeway)
    else:
        with pytest.raises(error):
            check(VALID, now, leeway=leeway)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_the_error_names_the_later_of_nbf_and_iat(claim):
    with pytest.raises(TokenNotYetValid, match=rf"\({claim}\)"):
        check({**VALID, claim: NOW + 100})


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", True, None, [], {}, float], ids=str)
def test_times_must_be_numbers(claim, value):
    with pytest.raises(ClaimInvalid):
        check({**VALID, claim: value})


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_no_float_can_hold_is_an_error(claim):
    with pytest.raises(ClaimInvalid):
        check({**VALID, claim: 10**400}, leeway=10.0)


# The other claims

SHOP, DESK = frozenset({"shop"}), frozenset({"shop", "desk"})


@pytest.mark.parametrize(
    ("claims", "policy", "error"),
    [
        # type
        ({}, {}, None),
        ({"type": "access"}, {}, None),
        ({"type": "refresh"}, {}, WrongTokenType),
        ({"type": None}, {}, WrongTokenType),
        ({"type": ["access"]}, {}, WrongTokenType),
        ({}, {"type": "refresh"}, WrongTokenType),
        ({"type": "refresh"}, {"type": "refresh"}, None),
        ({"type": "anything"}, {"type": None}, None),
        # aud
        ({"aud": "shop"}, {}, AudienceInvalid),
        ({"aud": "shop"}, {"any_audience": True}, None),
        ({"aud": 5}, {"any_audience": True}, AudienceInvalid),
        ({"aud": "shop"}, {"audience": SHOP}, None),
        ({"aud": ["x", "shop"]}, {"audience": SHOP}, None),
        ({"aud": "desk"}, {"audience": DESK}, None),
        ({"aud": "Shop"}, {"audience": SHOP}, AudienceInvalid),
        ({"aud": []}, {"audience": SHOP}, AudienceInvalid),
        ({"aud": ["shop", 1]}, {"audience": SHOP}, AudienceInvalid),
        ({"aud": None}, {"audience": SHOP}, AudienceInvalid),
        ({}, {"audience": SHOP}, ClaimMissing),
        ({}, {"audience": SHOP, "any_audience": True}, ClaimMissing),
        # iss
        ({"iss": "anyone"}, {}, None),
        ({"iss": "shop"}, {"issuer": SHOP}, None),
        ({"iss": "desk"}, {"issuer": SHOP}, IssuerInvalid),
        ({"iss": ["shop"]}, {"issuer": SHOP}, IssuerInvalid),
        ({"iss": None}, {"issuer": SHOP}, ClaimMissing),
        ({}, {"issuer": SHOP}, ClaimMissing),
        # sub
        ({"sub": 5}, {}, None),
        ({"sub": 5}, {"string_claims": frozenset({"sub"})}, SubjectInvalid),
        ({"sub": "5"}, {"string_claims": frozenset({"sub"})}, None),
        ({"jti": 5}, {"string_claims": frozenset({"jti"})}, ClaimInvalid),
    ],
    ids=str,
)
def test_which_claims_are_accepted(claims, policy, error):
    claims = {**VALID, **claims}
    if error is None:
        check(claims, **policy)
    else:
        with pytest.raises(error):
            check(claims, **policy)


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
def test_a_required_claim_must_be_there(name):
    with pytest.raises(ClaimMissing, match=name):
        check(without(name))
    check(without(name), required=frozenset())


def test_a_required_claim_may_be_any_claim():
    with pytest.raises(ClaimMissing, match="tenant"):
        check(VALID, required=frozenset({"tenant"}))
    check({**VALID, "tenant": None}, required=frozenset({"tenant"}))


def test_expiry_is_checked_last():
    """``decode_token(allow_expired=True)`` accepts a token with which only this is wrong."""
    expired = {**VALID, "exp": 1}
    with pytest.raises(TokenExpired):
        check(expired)
    for claims, policy in (
        ({"type": "refresh"}, {}),
        ({"aud": "x"}, {}),
        ({"iss": "x"}, {"issuer": SHOP}),
        ({"nbf": NOW + 100}, {}),
        ({"sub": 5}, {"string_claims": frozenset({"sub"})}),
    ):
        with pytest.raises(Exception, match=".") as caught:
            check({**expired, **claims}, **policy)
        assert not isinstance(caught.value, TokenExpired), claims
