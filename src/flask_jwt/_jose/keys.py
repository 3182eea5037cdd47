"""A signing key: one algorithm, material parsed once and never shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt.algorithms
from jwt.exceptions import PyJWTError

from ..errors import ConfigError
from .encoding import b64decode, b64encode, b64encode_bytes


class _Family(NamedTuple):
    kty: str
    detail: str | int  # the curve, or the shortest secret in bytes (RFC 7518 section 3.2)
    pyjwt: str


#: Each accepted ``alg`` and the key material it needs. Ed25519 is EdDSA under the name RFC 9864
#: gave it; a key of either name verifies both.
ALGORITHMS: dict[str, _Family] = {
    "HS256": _Family("oct", 32, "HS256"),
    "HS384": _Family("oct", 48, "HS384"),
    "HS512": _Family("oct", 64, "HS512"),
    "RS256": _Family("RSA", "", "RS256"),
    "RS384": _Family("RSA", "", "RS384"),
    "RS512": _Family("RSA", "", "RS512"),
    "PS256": _Family("RSA", "", "PS256"),
    "PS384": _Family("RSA", "", "PS384"),
    "PS512": _Family("RSA", "", "PS512"),
    "ES256": _Family("EC", "P-256", "ES256"),
    "ES384": _Family("EC", "P-384", "ES384"),
    "ES512": _Family("EC", "P-521", "ES512"),
    "EdDSA": _Family("OKP", "Ed25519", "EdDSA"),
    "Ed25519": _Family("OKP", "Ed25519", "EdDSA"),
}

#: The members that make a thumbprint, in RFC 7638's order.
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}

MIN_RSA_BITS = 2048

#: The kinds of error that PyJWT and cryptography raise for key material they can't use.
_MATERIAL_ERRORS = (PyJWTError, ValueError, TypeError, KeyError, AttributeError)


class InvalidKey(ConfigError):
    """Key material that can't be used, and why. The text never holds the material."""


def _engine(algorithm: str) -> jwt.algorithms.Algorithm:
    try:
        return jwt.algorithms.get_default_algorithms()[ALGORITHMS[algorithm].pyjwt]
    except KeyError:
        raise InvalidKey(
            f"{algorithm} needs the cryptography package: pip install 'Flask-JWT-Too[crypto]'"
        ) from None


class Key:
    """A key and what it is for. Material is parsed once, here, and never shown.

    :param algorithm: one of :data:`ALGORITHMS`
    :param signing: prepared material to sign with, or None
    :param verifying: prepared material to verify with
    :param kid: defaults to the RFC 7638 thumbprint, or for a secret to a digest that doesn't
        reveal it
    :param publish_kid: tokens carry the kid; False for a lone secret, as Flask-JWT had it
    :param sign_from: seconds since the epoch; before it the key is published but doesn't sign
    :param verify_until: seconds since the epoch, or None: from it on the key is gone
    :param weakness: why it should not be used, where that is allowed all the same
    """

    __slots__ = (
        "_engine", "_mac", "_signing", "_verifying",
        "algorithm", "kid", "publish_kid", "sign_from", "verify_until", "weakness",
    )  # fmt: skip

    def __init__(
        self,
        algorithm: str,
        signing: Any,
        verifying: Any,
        *,
        kid: str | None = None,
        publish_kid: bool = True,
        sign_from: float = 0,
        verify_until: float | None = None,
        weakness: str | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.weakness = weakness
        self.publish_kid = publish_kid
        self.sign_from = sign_from
        self.verify_until = verify_until
        self._engine = _engine(algorithm)
        # Prepared once and copied for each token, which spares hashing the secret every time.
        self._mac = hmac.new(verifying, digestmod=f"sha{algorithm[2:]}") if self.is_secret else None
        self._signing = signing
        self._verifying = verifying
        self.kid = self._thumbprint() if kid is None else kid

    def __repr__(self) -> str:
        return f"<Key {self.algorithm} {self.kid}>"

    @classmethod
    def from_secret(cls, secret: bytes, algorithm: str = "HS256", **state: Any) -> Key:
        """An HMAC key.

        :raises InvalidKey: if *secret* is empty, or is a public or private key by mistake
        """
        if ALGORITHMS[algorithm].kty != "oct":
            raise InvalidKey(
                f"{algorithm} signs with a private key, not a secret: set JWT_PRIVATE_KEY"
            )
        try:
            prepared = _engine(algorithm).prepare_key(secret)
        except _MATERIAL_ERRORS as error:
            raise InvalidKey(f"The secret can't be used: {error}") from None
        return cls(algorithm, prepared, prepared, **state)

    @classmethod
    def from_pem(
        cls,
        pem: str | bytes,
        algorithm: str | None = None,
        *,
        allow_weak: bool = False,
        **state: Any,
    ) -> Key:
        """A key from PEM text. Line breaks written as ``\\n``, as in ``.env`` files, are read too.

        :param algorithm: what it is for; by default RS256, ES256, ES384, ES512 or EdDSA by its kind
        :param allow_weak: let a weak key pass, with its :attr:`weakness` noted
        :raises InvalidKey: for text that is no unencrypted PEM key, or one not fit for *algorithm*
        """
        _engine("RS256")
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization

        data = (pem.encode() if isinstance(pem, str) else pem).replace(b"\\n", b"\n").strip()
        is_private = b"PRIVATE KEY" in data
        try:
            if is_private:
                material: Any = serialization.load_pem_private_key(data, password=None)
            else:
                material = serialization.load_pem_public_key(data)
        except (*_MATERIAL_ERRORS, UnsupportedAlgorithm):
            raise InvalidKey(
                "This is not an unencrypted PEM key. It begins with -----BEGIN PRIVATE KEY----- "
                "or -----BEGIN PUBLIC KEY-----."
            ) from None
        return cls.from_material(material, algorithm, allow_weak=allow_weak, **state)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], **state: Any) -> Key:
        """A key from a JWK (RFC 7517) that says its ``alg``.

        :raises InvalidKey: for ``use`` or ``key_ops`` other than signatures, an unknown or missing
            ``alg``, or material that doesn't fit it or is too weak
        """
        algorithm, kid = _check_jwk(jwk)
        if ALGORITHMS[algorithm].kty == "oct":
            return cls._from_oct(jwk, algorithm, kid=kid, **state)
        engine: Any = _engine(algorithm)
        try:
            material = engine.from_jwk(dict(jwk))
        except _MATERIAL_ERRORS as error:
            raise InvalidKey(f"JWK {kid}: {error}") from None
        key = cls.from_material(material, algorithm, kid=kid, **state)
        if any(jwk[name] != value for name, value in key.public_jwk().items() if name in "xyn"):
            raise InvalidKey(f"JWK {kid}: its private and public members don't belong together")
        return key

    @classmethod
    def _from_oct(cls, jwk: Mapping[str, Any], algorithm: str, **state: Any) -> Key:
        try:
            secret = b64decode(jwk["k"].encode("ascii"))
        except _MATERIAL_ERRORS:
            raise InvalidKey(f"JWK {state['kid']}: k is not base64url") from None
        shortest = ALGORITHMS[algorithm].detail
        if isinstance(shortest, int) and len(secret) < shortest:
            raise InvalidKey(
                f"JWK {state['kid']}: {algorithm} needs {shortest} bytes, it has {len(secret)}"
            )
        return cls.from_secret(secret, algorithm, **state)

    @classmethod
    def from_material(
        cls, material: Any, algorithm: str | None, *, allow_weak: bool = False, **state: Any
    ) -> Key:
        """A key from a private or public key object of the cryptography package.

        :raises InvalidKey: if it isn't one, isn't fit for *algorithm*, or is too weak
        """
        is_private = hasattr(material, "public_key")
        public = material.public_key() if is_private else material
        kind, weakness = _examine_public_key(public)
        algorithm = algorithm or _DEFAULT_ALGORITHM.get(kind)
        if algorithm is None:
            raise InvalidKey(f"A {kind} key is not one this package signs with")
        family = ALGORITHMS[algorithm]
        if kind not in (family.kty, family.detail):
            raise InvalidKey(f"A {kind} key is not one for {algorithm}")
        if weakness and not allow_weak:
            raise InvalidKey(weakness)
        return cls(algorithm, material if is_private else None, public, weakness=weakness, **state)

    def verifying_as(self, algorithm: str) -> Key:
        """This key's material to verify another algorithm of its kind, and not to sign."""
        return Key(
            algorithm, None, self._verifying, kid=f"{self.kid}.{algorithm}", publish_kid=False
        )

    @classmethod
    def generate(cls, algorithm: str = "EdDSA", **state: Any) -> Key:
        """A new random key."""
        family = ALGORITHMS[algorithm]
        if isinstance(family.detail, int):
            return cls.from_secret(secrets.token_bytes(family.detail), algorithm, **state)
        _engine(algorithm)
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        curves: dict[Any, Any] = {
            "P-256": ec.SECP256R1,
            "P-384": ec.SECP384R1,
            "P-521": ec.SECP521R1,
        }
        material: Any
        if family.kty == "RSA":
            material = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        elif family.kty == "EC":
            material = ec.generate_private_key(curves[family.detail]())
        else:
            material = ed25519.Ed25519PrivateKey.generate()
        return cls(algorithm, material, material.public_key(), **state)

    @property
    def is_secret(self) -> bool:
        """Whether this is an HMAC key, which must never be published."""
        return ALGORITHMS[self.algorithm].kty == "oct"

    @property
    def can_sign(self) -> bool:
        """Whether the private half, or the secret, is here."""
        return self._signing is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The ``alg`` values of tokens that this key verifies."""
        if ALGORITHMS[self.algorithm].kty == "OKP":
            return ("EdDSA", "Ed25519")
        return (self.algorithm,)

    @property
    def missing_bytes(self) -> int:
        """How many bytes a secret lacks to be as long as its hash (RFC 7518 section 3.2)."""
        shortest = ALGORITHMS[self.algorithm].detail
        return max(0, shortest - len(self._verifying)) if isinstance(shortest, int) else 0

    def replace(self, *, sign_from: float | None = None, verify_until: float | None = None) -> Key:
        """This key with other dates; None keeps the one it has."""
        return Key(
            self.algorithm,
            self._signing,
            self._verifying,
            kid=self.kid,
            publish_kid=self.publish_kid,
            sign_from=self.sign_from if sign_from is None else sign_from,
            verify_until=self.verify_until if verify_until is None else verify_until,
            weakness=self.weakness,
        )

    def sign(self, message: bytes) -> bytes:
        """The signature of *message*."""
        if self._mac is not None:
            mac = self._mac.copy()
            mac.update(message)
            return mac.digest()
        return self._engine.sign(message, self._signing)

    def verify(self, message: bytes, segment: bytes) -> bool:
        """Whether this key signed *message* with the signature in the base64url *segment*.

        A secret's is compared as text, in constant time: base64url has one profile for it.
        """
        if self._mac is not None:
            return hmac.compare_digest(b64encode_bytes(self.sign(message)), segment)
        try:
            signature = b64decode(segment)
        except ValueError:
            return False
        return self._engine.verify(message, self._verifying, signature)

    def public_jwk(self) -> dict[str, Any]:
        """The public JWK (RFC 7517): what a JWKS endpoint may show.

        :raises InvalidKey: for a secret, which has no public half
        """
        if self.is_secret:
            raise InvalidKey("A secret has no public half to publish")
        material: dict[str, Any] = self._engine.to_jwk(self._verifying, as_dict=True)
        members = {name: material[name] for name in _THUMBPRINT[material["kty"]]}
        return {**members, "alg": self.algorithm, "use": "sig", "kid": self.kid}

    def private_jwk(self) -> dict[str, Any]:
        """The whole JWK, private members and dates too: what a key file holds."""
        if self.is_secret:
            jwk: dict[str, Any] = {"kty": "oct", "k": b64encode(self._signing)}
        else:
            jwk = self._engine.to_jwk(self._signing or self._verifying, as_dict=True)
        jwk = {name: jwk[name] for name in jwk if name != "key_ops"}
        jwk.update(alg=self.algorithm, use="sig", kid=self.kid, sign_from=self.sign_from)
        if self.verify_until is not None:
            jwk["verify_until"] = self.verify_until
        return jwk

    def _thumbprint(self) -> str:
        if self.is_secret:
            return b64encode(hmac.digest(self._signing, b"Flask-JWT-Too kid", "sha256")[:12])
        jwk = self._engine.to_jwk(self._verifying, as_dict=True)
        members = {name: jwk[name] for name in _THUMBPRINT[jwk["kty"]]}
        return b64encode(
            hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        )


_DEFAULT_ALGORITHM = {
    "RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA",
}  # fmt: skip


def _examine_public_key(public: Any) -> tuple[str, str | None]:
    """Return the kind of a public key (RSA or its curve), and its weakness if it has one."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return "RSA", _find_rsa_weakness(public.key_size, public.public_numbers().e)
    if isinstance(public, ec.EllipticCurvePublicKey):
        curves = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return curves.get(public.curve.name, public.curve.name), None
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "Ed25519", None
    return type(public).__name__, None


def _find_rsa_weakness(bits: int, exponent: int) -> str | None:
    if bits < MIN_RSA_BITS:
        return f"An RSA key needs {MIN_RSA_BITS} bits, this one has {bits}"
    if exponent < 3 or exponent % 2 == 0:
        return f"An RSA key with the public exponent {exponent} protects nothing"
    return None


# One list of checks, each with its message.
def _check_jwk(jwk: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the ``alg`` and the ``kid`` of a JWK whose members say that it is for signatures.

    :raises InvalidKey: if one of them says otherwise
    """
    algorithm, kid = jwk.get("alg"), jwk.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidKey(f"A JWK needs an alg, one of {', '.join(ALGORITHMS)}")
    if kid is not None and not (isinstance(kid, str) and kid):
        raise InvalidKey("A JWK's kid is a text")
    if jwk.get("use", "sig") != "sig":
        raise InvalidKey(f"JWK {kid}: its use is {jwk['use']!r}, not 'sig'")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"sign", "verify"} & set(map(str, operations)):
        raise InvalidKey(f"JWK {kid}: its key_ops don't allow to verify")
    family = ALGORITHMS[algorithm]
    if jwk.get("kty") != family.kty:
        raise InvalidKey(f"JWK {kid}: {algorithm} needs kty {family.kty}")
    if family.kty in ("EC", "OKP") and jwk.get("crv") != family.detail:
        raise InvalidKey(f"JWK {kid}: {algorithm} needs crv {family.detail}")
    return algorithm, kid
