"""Public keys that look fine and protect nothing."""

from __future__ import annotations

from typing import Any

MIN_RSA_BITS = 2048


def examine(public: Any) -> tuple[str, str | None]:
    """The kind of a public key (RSA or its curve), and what is wrong with it."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return "RSA", _rsa_weakness(public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        curves = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return curves.get(public.curve.name, public.curve.name), None
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "Ed25519", None
    return type(public).__name__, None


def _rsa_weakness(public: Any) -> str | None:
    numbers = public.public_numbers()
    if public.key_size < MIN_RSA_BITS:
        return f"An RSA key needs {MIN_RSA_BITS} bits, this one has {public.key_size}"
    if numbers.e < 3 or numbers.e % 2 == 0:
        return f"An RSA key with the public exponent {numbers.e} protects nothing"
    if _has_roca_fingerprint(numbers.n):
        return "This RSA key has the ROCA weakness (CVE-2017-15361): make a new one"
    return None


_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


def _has_roca_fingerprint(modulus: int) -> bool:
    # Primes of the flawed generator are powers of 65537 modulo many small primes, and so are
    # their products. A sound key passes by chance about once in 2^27.
    return all(
        modulus % prime in {pow(65537, power, prime) for power in range(prime)}
        for prime in _ROCA_PRIMES
    )
