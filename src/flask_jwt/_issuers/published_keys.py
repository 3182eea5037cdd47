"""Read the usable keys of the key set that an issuer publishes; ignore all else in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .._jose.key_set import KeySet
from .._jose.keys import Key

MAX_KEYS = 100
"""The most keys of a document that are read."""

#: Neither the private members, which an issuer may have published by mistake, nor secrets.
_MEMBERS = ("kty", "crv", "n", "e", "x", "y", "alg", "use", "key_ops", "kid")


class PublishedKeys(KeySet):
    """Hold the keys that an issuer publishes.

    It is lenient about which keys appear: keys for encryption, of unknown types, or for other
    algorithms are ignored, and several keys may have the same kid, or none. It is strict about what
    a key may verify: signatures of one algorithm, which is one of the issuer's.

    :param issuers: the ``issuer`` that a key is restricted to, which Microsoft adds to keys
    :param ignored: the number of keys of the document that are not in the set
    """

    def __init__(
        self, keys: Iterable[Key], issuers: Mapping[Key, object] | None = None, ignored: int = 0
    ) -> None:
        super().__init__(keys, repeated_kids=True)
        self.issuers = dict(issuers or {})
        self.ignored = ignored
        self.fingerprints = frozenset(
            (key.kid, key.algorithm, key.thumbprint(), str(self.issuers.get(key)))
            for key in self.keys
        )
        """A value that differs between two different sets."""

    @classmethod
    def parse(cls, document: object, algorithms: Sequence[str]) -> PublishedKeys:
        """Return the keys of *document*, a JWKS, that verify with one of *algorithms*.

        :raises ValueError: if *document* is no JWKS, or none of its keys is usable
        """
        jwks = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(jwks, list):
            raise ValueError('it has no list of keys as "keys"')  # noqa: TRY004
        keys: list[Key] = []
        issuers: dict[Key, object] = {}
        for jwk in jwks[:MAX_KEYS]:
            key = _parse_key(jwk, algorithms)
            if key is None:
                continue
            keys.append(key)
            if "issuer" in jwk:
                issuers[key] = jwk["issuer"]
        if not keys:
            raise ValueError(
                f"none of its {len(jwks)} keys verifies signatures with {', '.join(algorithms)}"
            )
        return cls(keys, issuers, len(jwks) - len(keys))

    def kids(self) -> frozenset[str]:
        """Return the ids of the keys."""
        return frozenset(key.kid for key in self.keys)


def _parse_key(jwk: object, algorithms: Sequence[str]) -> Key | None:
    """Return the key of *jwk*, or None if it is for something else or unusable."""
    if not isinstance(jwk, Mapping):
        return None
    members = {name: jwk[name] for name in _MEMBERS if name in jwk}
    operations = members.pop("key_ops", ["verify"])
    is_for_verifying = isinstance(operations, list) and "verify" in operations
    if not is_for_verifying:
        return None
    # A key with a kid verifies only tokens that name it; one without may have signed any token.
    has_kid = jwk.get("kid") is not None
    if not has_kid:
        members.pop("kid", None)
    try:
        return Key.from_jwk(members, algorithms, match_kid=has_kid)
    # An issuer may publish anything. What this package, PyJWT or cryptography fails to read is
    # ignored, whatever the exception is.
    except Exception:  # noqa: BLE001
        return None
