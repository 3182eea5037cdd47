"""``KeySet``: which keys may verify a token, which one signs, and the state of each."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import InvalidKey, Key

NOW = 1000.0


def secret(kid=None, *, algorithm="HS256", **state):
    return Key.from_secret(
        f"secret of {kid or 'nobody'}, 64 bytes".ljust(64).encode(), algorithm, kid=kid, **state
    )


def key_pair(kid, **state):
    return Key.generate("EdDSA", kid=kid, **state)


A, B = secret("a", match_kid=True), secret("b", match_kid=True)
UNPUBLISHED = secret("c", publish_kid=False)
HS512 = secret("d", algorithm="HS512", match_kid=True)
KEYS = KeySet([A, B, UNPUBLISHED, HS512])


# Verifying


@pytest.mark.parametrize(
    ("algorithm", "kid", "candidates"),
    [
        ("HS256", "a", [A, UNPUBLISHED]),
        ("HS256", "b", [B, UNPUBLISHED]),
        ("HS512", "d", [HS512]),
        ("HS256", "c", [UNPUBLISHED]),
        ("HS256", None, [A, B, UNPUBLISHED]),
        ("HS512", None, [HS512]),
        ("HS256", "unknown", [UNPUBLISHED]),
        ("HS256", "", [UNPUBLISHED]),
        ("HS512", "a", []),
        ("HS512", "unknown", []),
        ("HS384", None, []),
        ("none", None, []),
        ("EdDSA", "a", []),
    ],
)
def test_candidates_have_the_algorithm_and_the_kid_of_the_token(algorithm, kid, candidates):
    assert list(KEYS.candidates(algorithm, kid)) == candidates


def test_a_key_pair_for_eddsa_has_the_name_ed25519_too():
    key = key_pair("a")
    keys = KeySet([key])
    assert keys.candidates("EdDSA", "a") == keys.candidates("Ed25519", "a") == (key,)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([secret("a"), key_pair("b")], "both HMAC secrets and public keys"),
        ([secret("a"), secret("a")], "repeated: .'a'."),
        ([key_pair("a"), key_pair("b"), key_pair("a")], "repeated: .'a'."),
    ],
    ids=["secrets and key pairs", "two secrets", "two of three"],
)
def test_no_token_can_choose_how_it_is_verified(keys, message):
    with pytest.raises(InvalidKey, match=message):
        KeySet(keys)


# Signing

OLD = key_pair("old", sign_from=100, verify_until=NOW + 50)
PRESENT = key_pair("present", sign_from=500)
NEXT = key_pair("next", sign_from=NOW + 100)
EXPIRED = key_pair("expired", sign_from=0, verify_until=NOW)
PUBLIC = Key.from_jwk(key_pair("public", sign_from=900).public_jwk())
ROTATING = KeySet([OLD, PRESENT, NEXT, EXPIRED, PUBLIC])


@pytest.mark.parametrize(
    ("now", "states"),
    [
        (NOW - 950, ["pending", "pending", "pending", "active", "retired"]),
        (NOW - 600, ["active", "pending", "pending", "retired", "retired"]),
        (NOW - 500, ["retired", "active", "pending", "retired", "retired"]),
        (NOW - 1, ["retired", "active", "pending", "retired", "retired"]),
        (NOW, ["retired", "active", "pending", "expired", "retired"]),
        (NOW + 50, ["expired", "active", "pending", "expired", "retired"]),
        (NOW + 99, ["expired", "active", "pending", "expired", "retired"]),
        (NOW + 100, ["expired", "retired", "active", "expired", "retired"]),
    ],
)
def test_the_newest_key_whose_time_has_come_is_active(now, states):
    assert [ROTATING.state(key, now) for key in ROTATING.keys] == states
    assert ROTATING.keys[states.index("active")] is ROTATING.active(now)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "no key to sign with"),
        ([PUBLIC], "no key to sign with"),
        # Setting another option would not help here.
        ([NEXT], "pending or has expired.*keys rotate --now"),
        ([EXPIRED], "pending or has expired.*keys rotate --now"),
    ],
    ids=["none", "public", "pending", "expired"],
)
def test_without_an_active_key_signing_is_an_error(keys, message):
    with pytest.raises(ConfigError, match=message):
        KeySet(keys).active(NOW)


# Publishing


def test_public_keys_are_published_until_they_expire():
    def kids(now):
        return [jwk["kid"] for jwk in ROTATING.public_jwks(now)["keys"]]

    assert kids(NOW - 1) == ["old", "present", "next", "expired", "public"]
    assert kids(NOW) == ["old", "present", "next", "public"]
    assert kids(NOW + 50) == ["present", "next", "public"]


@pytest.mark.parametrize("keys", [[], [A, B]], ids=["none", "secrets"])
def test_secrets_are_never_published(keys):
    assert KeySet(keys).public_jwks(NOW) is None


# JWKS documents


def test_a_document_holds_keys_and_their_dates():
    jwk = {**A.private_jwk(), "sign_from": 5, "verify_until": 6.5}
    (key,) = KeySet.from_jwks({"keys": [jwk]}).keys
    assert (key.kid, key.sign_from, key.verify_until) == ("a", 5, 6.5)


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"keys": None}, {"keys": {}}, {"keys": ["x"]}, {"keys": [{}]},
        {"keys": [{**A.private_jwk(), "sign_from": "now"}]},
        {"keys": [{**A.private_jwk(), "verify_until": True}]},
    ],
    ids=lambda document: str(document)[:30].replace("'", ""),
)  # fmt: skip
def test_a_document_that_is_no_key_set_is_an_error(document):
    with pytest.raises(InvalidKey):
        KeySet.from_jwks(document)
