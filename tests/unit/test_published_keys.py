"""Key sets as issuers publish them, with everything that is in them."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from flask_jwt._issuers.published_keys import MAX_KEYS, PublishedKeys
from flask_jwt._jose.keys import Key

ALGORITHMS = ("RS256", "ES256", "EdDSA")
RSA = Key.generate("RS256", kid="rsa")
EC = Key.generate("ES256", kid="ec")
ED = Key.generate("EdDSA", kid="ed")


def jwk(key=EC, **members):
    """Return the public JWK of *key*, with other members; None removes one."""
    changed = {**key.public_jwk(), **members}
    return {name: value for name, value in changed.items() if value is not None}


def parse(*keys, algorithms=ALGORITHMS):
    return PublishedKeys.parse({"keys": list(keys)}, algorithms)


def test_keys():
    keys = parse(jwk(RSA), jwk(EC), jwk(ED))
    assert [(key.kid, key.algorithm) for key in keys.keys] == [
        ("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA"),
    ]  # fmt: skip
    assert not any(key.can_sign for key in keys.keys)
    assert keys.ignored == 0
    assert keys.kids() == {"rsa", "ec", "ed"}


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_without_alg(key, algorithm):
    """Microsoft's keys have none."""
    (parsed,) = parse(jwk(key, alg=None, use=None)).keys
    assert parsed.algorithm == algorithm


def test_without_alg_the_first_algorithm_that_fits():
    (parsed,) = parse(jwk(RSA, alg=None), algorithms=("ES256", "PS256", "RS256")).keys
    assert parsed.algorithm == "PS256"


def rsa_key(bits=2048, exponent=65537):
    return RSAAlgorithm.to_jwk(rsa.generate_private_key(exponent, bits).public_key(), as_dict=True)


WEAK = rsa_key(1024)
SECP = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key(), as_dict=True)
IGNORED = {
    "a secret": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I", "alg": "HS256"},
    "a secret without alg": {"kty": "oct", "k": "c2VjcmV0"},
    "a secret that says RS256": {"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
    "for encryption": jwk(RSA, use="enc"),
    "for key wrapping": jwk(RSA, alg="RSA-OAEP", use="enc"),
    "alg of encryption": jwk(RSA, alg="RSA-OAEP", use=None),
    "another alg": jwk(RSA, alg="RS512"),
    "PS256": jwk(RSA, alg="PS256"),
    "HS256 with a public key": jwk(RSA, alg="HS256"),
    "none": jwk(RSA, alg="none"),
    "alg of another type": jwk(EC, alg="RS256"),
    "alg is a list": jwk(EC, alg=["ES256"]),
    "use is a list": jwk(EC, use=["sig"]),
    "key_ops to sign": jwk(EC, key_ops=["sign"]),
    "key_ops to encrypt": jwk(EC, key_ops=["encrypt"]),
    "key_ops is a string": jwk(EC, key_ops="verify"),
    "another curve": {**SECP, "kid": "k"},
    "P-384": jwk(Key.generate("ES384")),
    "X25519": {"kty": "OKP", "crv": "X25519", "x": ED.public_jwk()["x"]},
    "post-quantum": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "unknown kty": {"kty": "LWE", "kid": "x"},
    "kty is a number": {"kty": 1},
    "1024 bits": WEAK,
    "exponent 1": {**jwk(RSA), "e": "AQ"},
    "no modulus": jwk(RSA, n=None),
    "modulus is a number": jwk(RSA, n=1),
    "not base64": jwk(RSA, n="!!!"),
    "not on the curve": jwk(EC, x="AAAA"),
    "small order": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
    "kid is a number": jwk(EC, kid=1),
    "kid is empty": jwk(EC, kid=""),
    "a string": "key",
    "null": None,
    "a list": [],
    "empty": {},
    "nested": {"kty": {"kty": {}}},
}


@pytest.mark.parametrize("other", IGNORED.values(), ids=IGNORED)
def test_ignored_keys(other):
    keys = parse(other, jwk(ED))
    assert keys.kids() == {"ed"}
    assert keys.ignored == 1
    with pytest.raises(ValueError, match="none of its 1 keys verifies signatures with RS256, ES"):
        parse(other)


def test_private_members_are_not_read():
    (key,) = parse({**EC.private_jwk(), "kid": "ec"}).keys
    assert not key.can_sign
    assert "d" not in key.public_jwk()


@pytest.mark.parametrize(
    "document", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": []}, "x"]
)
def test_no_key_set(document):
    with pytest.raises(ValueError, match="keys"):
        PublishedKeys.parse(document, ALGORITHMS)


def test_two_keys_of_one_kid():
    other = Key.generate("ES256", kid="ec")
    keys = parse(jwk(EC), jwk(other))
    assert [key.thumbprint() for key in keys.candidates("ES256", "ec")] == [
        EC.thumbprint(), other.thumbprint(),
    ]  # fmt: skip


def test_a_token_without_kid_may_be_of_any_key_of_its_algorithm():
    other = Key.generate("ES256", kid="other")
    keys = parse(jwk(EC), jwk(RSA), jwk(other))
    assert [key.kid for key in keys.candidates("ES256", None)] == ["ec", "other"]
    assert keys.candidates("ES256", "unknown") == ()


@pytest.mark.parametrize("kid", ["x", None])
def test_a_key_without_kid_may_have_signed_any_token(kid):
    keys = parse(jwk(EC, kid=None), jwk(RSA))
    assert len(keys.candidates("ES256", kid)) == 1


def test_only_the_first_keys_are_read():
    keys = parse(jwk(ED), *[{"kty": "oct"}] * (MAX_KEYS - 1), jwk(EC))
    assert keys.kids() == {"ed"}
    assert keys.ignored == MAX_KEYS


def test_fingerprints():
    keys = parse(jwk(RSA), jwk(EC))
    assert keys.fingerprints == parse(jwk(EC, x5t="x"), {"kty": "oct"}, jwk(RSA)).fingerprints
    for changed in (jwk(EC, kid="x"), jwk(Key.generate("ES256", kid="ec")), jwk(EC, issuer="x")):
        assert keys.fingerprints != parse(jwk(RSA), changed).fingerprints


@pytest.mark.parametrize("bits", [16384, 16392, 400_000])
def test_a_huge_key_verifies_nothing_quickly(bits):
    """OpenSSL verifies with keys of up to 16,384 bits."""
    public = RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    (key,) = parse({**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "huge"}).keys
    started = time.thread_time()  # other processes may have the processor meanwhile
    assert key.verify(b"message", b"A" * (-(-bits // 6))) is False
    assert time.thread_time() - started < 1
