"""A key for one algorithm: parse its material once, sign, verify and serialize it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jwt.algorithms
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from ..errors import ConfigError
from .encoding import b64decode, b64encode, b64encode_bytes, parse_json
from .key_text import explain_encoding, is_encoded_public_key, is_key_text, load_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Jwk = dict[str, Any]
"""The members of a JWK by name (RFC 7517 section 4)."""

JwkView = Mapping[str, Any]
"""A JWK that the function only reads."""


class _Family(NamedTuple):
    kty: str
    detail: str | int  # the curve, or the shortest secret in bytes (RFC 7518 section 3.2)
    pyjwt: str


#: Each accepted ``alg`` and the key material that it needs. RFC 9864 renamed EdDSA with Ed25519
#: keys to "Ed25519", so a key of either name verifies both.
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

#: The members that a thumbprint is made of, in the order of RFC 7638 section 3.2.
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}

MIN_RSA_BITS = 2048
"""The shortest RSA key that RFC 7518 section 3.3 allows."""

#: The exceptions that PyJWT and cryptography raise for invalid key material.
_MATERIAL_ERRORS = (PyJWTError, ValueError, TypeError, KeyError, AttributeError)


class InvalidKey(ConfigError):
    """Key material is invalid. The message never contains the material."""


class UnsuitableKey(InvalidKey):
    """A JWK says itself that it is not for the signatures of tokens, or not for this algorithm.

    Identity providers publish such keys beside those that sign, and a token may name any of them.
    So a key loader that returns one is no mistake of the developer.
    """


def _engine(algorithm: str) -> jwt.algorithms.Algorithm:
    try:
        return jwt.algorithms.get_default_algorithms()[ALGORITHMS[algorithm].pyjwt]
    except KeyError:
        raise InvalidKey(
            f"{algorithm} needs the cryptography package: pip install 'Flask-JWT-Too[crypto]'"
        ) from None


def _require_cryptography() -> None:
    """Raise an error if there is no cryptography package, before a key's type is known."""
    try:
        import cryptography  # noqa: F401
    except ModuleNotFoundError:
        raise InvalidKey(
            "Key pairs need the cryptography package: pip install 'Flask-JWT-Too[crypto]'"
        ) from None


class Key:
    """Sign and verify with one key and one algorithm.

    The constructor parses the material once; ``repr()`` doesn't show it.

    :param algorithm: one of :data:`ALGORITHMS`
    :param signing: the prepared private key or secret, or None for a key that only verifies
    :param verifying: the prepared public key or secret
    :param kid: defaults to the RFC 7638 thumbprint; for a secret, to a digest that doesn't reveal
        the secret
    :param publish_kid: whether tokens carry the kid. False for a secret, as in Flask-JWT
    :param match_kid: verify only tokens with this kid or without a kid. False verifies tokens
        whatever their kid, which another issuer may choose as it likes (RFC 7515 section 4.1.4)
    :param fixed_algorithm: whether the material itself names its algorithm, as the ``alg`` of a JWK
        does, so that it must not be used with another one
    :param sign_from: seconds since the epoch; until then the key is published but doesn't sign
    :param verify_until: seconds since the epoch at which the key expires; None never expires
    :param weakness: why the key is too weak, if a weak key is allowed
    """

    __slots__ = (
        "_engine", "_mac", "_signing", "_verifying",
        "algorithm", "fixed_algorithm", "kid", "match_kid", "publish_kid", "sign_from",
        "verify_until", "weakness",
    )  # fmt: skip

    def __init__(
        self,
        algorithm: str,
        signing: PrivateKeyTypes | bytes | None,
        verifying: PublicKeyTypes | bytes,
        *,
        kid: str | None = None,
        publish_kid: bool = True,
        match_kid: bool = False,
        fixed_algorithm: bool = False,
        sign_from: float = 0,
        verify_until: float | None = None,
        weakness: str | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.weakness = weakness
        self.publish_kid = publish_kid
        self.match_kid = match_kid
        self.fixed_algorithm = fixed_algorithm
        self.sign_from = sign_from
        self.verify_until = verify_until
        self._engine = _engine(algorithm)
        # Any, because only the engine knows which of the types its keys have.
        self._signing: Any = signing
        self._verifying: Any = verifying
        # HMAC begins by hashing the secret. That is done once, here, and the state is copied for
        # each token.
        secret = cast(bytes, verifying)
        self._mac = hmac.new(secret, digestmod=f"sha{algorithm[2:]}") if self.is_secret else None
        self.kid = self.thumbprint() if kid is None else kid

    def __repr__(self) -> str:
        return f"<Key {self.algorithm} {self.kid}>"

    @classmethod
    def from_secret(cls, secret: bytes, algorithm: str = "HS256", **state: Any) -> Key:
        """Make an HMAC key.

        :param state: the keyword arguments of :class:`Key`
        :raises InvalidKey: if *secret* is empty, or is a PEM key by mistake
        """
        if ALGORITHMS[algorithm].kty != "oct":
            raise InvalidKey(
                f"{algorithm} signs with a private key, not a secret: set JWT_PRIVATE_KEY"
            )
        if is_encoded_public_key(secret):
            raise InvalidKey(
                "Invalid secret: this is a public key or a certificate, with which anyone could "
                f"sign tokens. {explain_encoding(secret) or ''}".strip()
            )
        try:
            prepared = _engine(algorithm).prepare_key(secret)
        except _MATERIAL_ERRORS as error:
            advice = ""
            if is_key_text(secret):
                advice = " Set JWT_PUBLIC_KEY to a public key, JWT_PRIVATE_KEY to a private one."
            raise InvalidKey(f"Invalid secret: {error}{advice}") from None
        return cls(algorithm, prepared, prepared, **state)

    @classmethod
    def from_any(
        cls,
        material: object,
        algorithms: Sequence[str] = (),
        *,
        allow_weak: bool = False,
        **state: Any,
    ) -> Key:
        """Make a key of any form of material.

        :param material: a key, a certificate or a JWK as a string or bytes, a key object or a
            certificate object of the cryptography package, a PyJWK, or a JWK as a dict
        :param algorithms: the algorithms to choose from, the preferred one first; the key gets the
            first that fits. Without any, the type of the key determines the algorithm
        :param allow_weak: accept a weak key and set its :attr:`weakness`
        :raises UnsuitableKey: if *material* is a JWK that is for something else
        :raises InvalidKey: if *material* is invalid, too weak, or fits none of *algorithms*
        """
        if isinstance(material, (str, bytes)):
            data = material.encode() if isinstance(material, str) else material
            if not data.lstrip().startswith(b"{"):
                return cls.from_pem(data, algorithms, allow_weak=allow_weak, **state)
            try:
                material = parse_json(data)
            except ValueError as error:
                raise InvalidKey(f"This is not a JWK: {error}") from None
        if isinstance(material, Mapping):
            return cls.from_jwk(material, algorithms, allow_weak=allow_weak, **state)
        if isinstance(material, PyJWK):
            return cls._from_pyjwk(material, algorithms, allow_weak=allow_weak, **state)
        return cls.from_material(material, algorithms, allow_weak=allow_weak, **state)

    @classmethod
    def from_pem(
        cls,
        pem: str | bytes,
        algorithms: Sequence[str] = (),
        *,
        allow_weak: bool = False,
        **state: Any,
    ) -> Key:
        """Parse a key or a certificate in PEM format, or an OpenSSH key.

        :raises InvalidKey: if *pem* holds no unencrypted key, or doesn't fit *algorithms*
        """
        _require_cryptography()
        try:
            material = load_key(pem.encode() if isinstance(pem, str) else pem)
        except ValueError as error:
            raise InvalidKey(str(error)) from None
        return cls.from_material(material, algorithms, allow_weak=allow_weak, **state)

    @classmethod
    def from_jwk(
        cls,
        jwk: JwkView,
        algorithms: Sequence[str] = (),
        *,
        allow_weak: bool = False,
        **state: Any,
    ) -> Key:
        """Parse a JWK (RFC 7517).

        :param algorithms: the algorithms to choose from if the JWK has no ``alg``, and those that
            its ``alg`` must be one of; without any, every algorithm is accepted
        :raises UnsuitableKey: if ``use``, ``key_ops``, ``alg`` or the type of the key don't allow
            signatures with one of *algorithms*
        :raises InvalidKey: if the material is invalid, doesn't fit ``alg`` or is too weak
        """
        algorithm, kid = _check_jwk(jwk, algorithms)
        state.update(kid=kid, fixed_algorithm="alg" in jwk)
        if ALGORITHMS[algorithm].kty == "oct":
            return cls._from_oct(jwk, algorithm, **state)
        engine: Any = _engine(algorithm)
        try:
            material = engine.from_jwk(dict(jwk))
        except _MATERIAL_ERRORS as error:
            raise InvalidKey(f"JWK {kid}: {error}") from None
        key = cls.from_material(material, [algorithm], allow_weak=allow_weak, **state)
        # A private key is parsed from its private members. If the public members belonged to
        # another key, this application would publish a JWKS that verifies none of its tokens.
        public = key.public_jwk() if key.can_sign else {}
        if any(jwk.get(name) != public[name] for name in "xyn" if name in public):
            raise InvalidKey(f"JWK {kid}: the private and public members belong to different keys")
        return key

    @classmethod
    def _from_pyjwk(
        cls, jwk: PyJWK, algorithms: Sequence[str], *, allow_weak: bool = False, **state: Any
    ) -> Key:
        # A PyJWK has no alg of its own only if its constructor chose one by the type of the key.
        algorithm, kid = jwk.algorithm_name, jwk.key_id
        _check_algorithm(algorithm, algorithms, kid)
        state.update(kid=kid, fixed_algorithm=True)
        if isinstance(jwk.key, bytes):
            return cls.from_secret(jwk.key, algorithm, **state)
        return cls.from_material(jwk.key, [algorithm], allow_weak=allow_weak, **state)

    @classmethod
    def _from_oct(cls, jwk: JwkView, algorithm: str, **state: Any) -> Key:
        try:
            secret = b64decode(jwk["k"].encode("ascii"))
        except _MATERIAL_ERRORS:
            raise InvalidKey(f'JWK {state["kid"]}: "k" is not base64url') from None
        min_length = ALGORITHMS[algorithm].detail
        if isinstance(min_length, int) and len(secret) < min_length:
            raise InvalidKey(
                f"JWK {state['kid']}: {algorithm} needs a secret of {min_length} bytes, this one "
                f"has {len(secret)}"
            )
        return cls.from_secret(secret, algorithm, **state)

    @classmethod
    def from_material(
        cls,
        material: Any,
        algorithms: Sequence[str] = (),
        *,
        allow_weak: bool = False,
        **state: Any,
    ) -> Key:
        """Make a key of a key object or a certificate object of the cryptography package.

        :param algorithms: as for :meth:`from_any`
        :raises InvalidKey: if *material* isn't one, fits none of *algorithms*, or is too weak
        """
        # A certificate has a public_key() too, so only private_bytes() shows a private key.
        is_private = hasattr(material, "private_bytes")
        public = material.public_key() if hasattr(material, "public_key") else material
        key_type, weakness = _examine_public_key(public)
        algorithm = _choose_algorithm(key_type, algorithms)
        if algorithm is None and algorithms:
            names = " or ".join(algorithms)
            fitting = _DEFAULT_ALGORITHM.get(key_type)
            advice = f": set JWT_ALGORITHM to {fitting}, or remove it" if fitting else ""
            raise InvalidKey(f"A key of type {key_type} can't be used with {names}{advice}")
        if algorithm is None:
            raise InvalidKey(f"Keys of type {key_type} are not supported")
        if weakness and not allow_weak:
            raise InvalidKey(weakness)
        return cls(algorithm, material if is_private else None, public, weakness=weakness, **state)

    def public(self) -> Key:
        """Return a copy that verifies but doesn't sign."""
        return Key(
            self.algorithm, None, self._verifying, kid=self.kid, publish_kid=self.publish_kid,
            match_kid=self.match_kid, fixed_algorithm=self.fixed_algorithm,
            sign_from=self.sign_from, verify_until=self.verify_until, weakness=self.weakness,
        )  # fmt: skip

    def with_algorithm(self, algorithm: str) -> Key:
        """Return a copy that verifies, but doesn't sign, with another algorithm of its key type."""
        return Key(
            algorithm, None, self._verifying, kid=f"{self.kid}.{algorithm}", publish_kid=False
        )

    @classmethod
    def generate(cls, algorithm: str = "EdDSA", **state: Any) -> Key:
        """Generate a random key."""
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
        """Return whether this is an HMAC key, which must never be published."""
        return ALGORITHMS[self.algorithm].kty == "oct"

    @property
    def can_sign(self) -> bool:
        """Return whether this key has a private key or a secret."""
        return self._signing is not None

    @property
    def alg_values(self) -> tuple[str, ...]:
        """Return the ``alg`` values of the tokens that this key verifies."""
        if ALGORITHMS[self.algorithm].kty == "OKP":
            return ("EdDSA", "Ed25519")
        return (self.algorithm,)

    @property
    def missing_bytes(self) -> int:
        """Return how many bytes a secret is shorter than its hash (RFC 7518 section 3.2)."""
        min_length = ALGORITHMS[self.algorithm].detail
        return max(0, min_length - len(self._verifying)) if isinstance(min_length, int) else 0

    def replace(self, *, sign_from: float | None = None, verify_until: float | None = None) -> Key:
        """Return a copy with other timestamps; None keeps the current one."""
        return Key(
            self.algorithm,
            self._signing,
            self._verifying,
            kid=self.kid,
            publish_kid=self.publish_kid,
            match_kid=self.match_kid,
            fixed_algorithm=self.fixed_algorithm,
            sign_from=self.sign_from if sign_from is None else sign_from,
            verify_until=self.verify_until if verify_until is None else verify_until,
            weakness=self.weakness,
        )

    def sign(self, message: bytes) -> bytes:
        """Return the signature of *message*."""
        if self._mac is not None:
            mac = self._mac.copy()
            mac.update(message)
            return mac.digest()
        return self._engine.sign(message, self._signing)

    def verify(self, message: bytes, segment: bytes) -> bool:
        """Return whether *segment* holds this key's signature of *message*, in base64url."""
        if self._mac is not None:
            # Comparing the encoded signatures rejects every encoding but the canonical one without
            # decoding the segment.
            return hmac.compare_digest(b64encode_bytes(self.sign(message)), segment)
        try:
            signature = b64decode(segment)
        except ValueError:
            return False
        return self._engine.verify(message, self._verifying, signature)

    def public_jwk(self) -> Jwk:
        """Return the public JWK (RFC 7517), which a JWKS endpoint may publish.

        :raises InvalidKey: if this is a secret
        """
        if self.is_secret:
            raise InvalidKey("A secret has no public key to publish")
        material: Jwk = self._engine.to_jwk(self._verifying, as_dict=True)
        members = {name: material[name] for name in _THUMBPRINT[material["kty"]]}
        return {**members, "alg": self.algorithm, "use": "sig", "kid": self.kid}

    def private_jwk(self) -> Jwk:
        """Return the JWK for a key file, with the private members and the timestamps."""
        if self.is_secret:
            jwk: Jwk = {"kty": "oct", "k": b64encode(self._signing)}
        else:
            jwk = self._engine.to_jwk(self._signing or self._verifying, as_dict=True)
        jwk = {name: jwk[name] for name in jwk if name != "key_ops"}
        jwk.update(alg=self.algorithm, use="sig", kid=self.kid, sign_from=self.sign_from)
        if self.verify_until is not None:
            jwk["verify_until"] = self.verify_until
        return jwk

    def thumbprint(self) -> str:
        """Return the RFC 7638 thumbprint; of a secret, a digest that doesn't reveal it."""
        if self.is_secret:
            # The kid is public, so it is an HMAC: it reveals no more of the secret than the
            # signature of a token does.
            return b64encode(hmac.digest(self._signing, b"Flask-JWT-Too kid", "sha256")[:12])
        jwk = self._engine.to_jwk(self._verifying, as_dict=True)
        members = {name: jwk[name] for name in _THUMBPRINT[jwk["kty"]]}
        return b64encode(
            hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        )


_DEFAULT_ALGORITHM = {
    "RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA",
    "oct": "HS256",
}  # fmt: skip


def _choose_algorithm(key_type: str, algorithms: Sequence[str]) -> str | None:
    """Return the first of *algorithms* that keys of *key_type* fit, without any the default."""
    if not algorithms:
        return _DEFAULT_ALGORITHM.get(key_type)
    fitting = (
        name for name in algorithms if key_type in (ALGORITHMS[name].kty, ALGORITHMS[name].detail)
    )
    return next(fitting, None)


def _examine_public_key(public: object) -> tuple[str, str | None]:
    """Return the type of a public key (RSA or its curve) and its weakness, if it has one.

    :raises InvalidKey: if the key verifies signatures that nobody made with a private key
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return "RSA", _find_rsa_weakness(public.key_size, public.public_numbers().e)
    if isinstance(public, ec.EllipticCurvePublicKey):
        curves = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return curves.get(public.curve.name, public.curve.name), None
    if isinstance(public, ed25519.Ed25519PublicKey):
        if _has_small_order(public.public_bytes_raw()):
            raise InvalidKey("This Ed25519 key has a small order: anyone can forge its signatures")
        return "Ed25519", None
    return type(public).__name__, None


_FIELD = 2**255 - 19
_ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
#: The y coordinates of the eight points of Ed25519 whose order divides 8: of the neutral element,
#: of the point of order 2, of the two points of order 4, and of the four points of order 8.
_SMALL_ORDER_Y = frozenset({1, _FIELD - 1, 0, _ORDER_8, _FIELD - _ORDER_8})


def _has_small_order(encoded: bytes) -> bool:
    """Return whether an Ed25519 public key is one of the points that RFC 8032 keys never are.

    With such a key, one signature verifies for every eighth message or even for all of them. The
    cryptography package accepts these keys, and their encodings that aren't canonical.
    """
    y = int.from_bytes(encoded, "little") % 2**255  # the highest bit is the sign of x
    return y % _FIELD in _SMALL_ORDER_Y


def _find_rsa_weakness(bits: int, exponent: int) -> str | None:
    if bits < MIN_RSA_BITS:
        return f"An RSA key needs {MIN_RSA_BITS} bits, this one has {bits}"
    if exponent < 3 or exponent % 2 == 0:
        return f"An RSA key with the public exponent {exponent} is not secure"
    return None


def _check_jwk(jwk: JwkView, algorithms: Sequence[str]) -> tuple[str, str | None]:
    """Check the members of a JWK that say what it is for, and return its algorithm and ``kid``."""
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and kid):
        raise InvalidKey('The "kid" of a JWK must be a non-empty string')
    key_type = jwk.get("kty") if jwk.get("kty") in ("RSA", "oct") else jwk.get("crv")
    algorithm = jwk.get("alg")
    if algorithm is None and isinstance(key_type, str):
        algorithm = _choose_algorithm(key_type, algorithms)
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        names = ", ".join(algorithms or ALGORITHMS)
        raise UnsuitableKey(f'JWK {kid} needs an "alg", one of {names}, or fits none of them')
    _check_algorithm(algorithm, algorithms, kid)
    if jwk.get("use", "sig") != "sig":
        raise UnsuitableKey(f"JWK {kid}: its \"use\" is {jwk['use']!r}, not 'sig'")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"sign", "verify"} & set(map(str, operations)):
        raise UnsuitableKey(f'JWK {kid}: its "key_ops" include neither "sign" nor "verify"')
    family = ALGORITHMS[algorithm]
    if jwk.get("kty") != family.kty:
        raise UnsuitableKey(f'JWK {kid}: {algorithm} needs "kty" {family.kty}')
    if family.kty in ("EC", "OKP") and jwk.get("crv") != family.detail:
        raise UnsuitableKey(f'JWK {kid}: {algorithm} needs "crv" {family.detail}')
    return algorithm, kid


def _check_algorithm(algorithm: str, algorithms: Sequence[str], kid: str | None) -> None:
    """Reject a JWK for an *algorithm* that is none of *algorithms*."""
    accepted = {ALGORITHMS[name].pyjwt for name in algorithms or ALGORITHMS}
    if algorithm not in ALGORITHMS or ALGORITHMS[algorithm].pyjwt not in accepted:
        raise UnsuitableKey(
            f"JWK {kid} is for {algorithm}, not for {' or '.join(algorithms or ALGORITHMS)}"
        )
