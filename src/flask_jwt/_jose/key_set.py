"""Keys together: one of a set signs, all of it verify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import ConfigError
from .keys import InvalidKey, Key

KeyState = Literal["pending", "active", "retired", "expired"]


class KeySet:
    """Keys by name: the newest that may sign signs, all of them verify.

    :param keys: HMAC secrets and public keys don't share a set, and kids are unique, so that no
        token can choose how it is verified
    :raises InvalidKey: otherwise
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = tuple(keys)
        if len({key.is_secret for key in self.keys}) > 1:
            raise InvalidKey(
                "HMAC secrets and public keys don't share a key set: keep them in two, "
                "one for each kind"
            )
        kids = [key.kid for key in self.keys]
        repeated = {kid for kid in kids if kids.count(kid) > 1}
        if repeated:
            raise InvalidKey(f"Each key of a set needs its own kid; repeated: {sorted(repeated)}")
        self._by_kid: dict[tuple[str, str | None], tuple[Key, ...]] = {}
        self._by_name: dict[str, tuple[Key, ...]] = {}
        for key in self.keys:
            for name in key.names:
                self._by_name[name] = (*self._by_name.get(name, ()), key)
                self._by_kid[name, key.kid] = (key,)

    @classmethod
    def from_jwks(cls, document: Any) -> KeySet:
        """The keys of a JWKS document (RFC 7517 section 5), with the dates of a key file.

        :raises InvalidKey: if any key of it can't be used
        """
        keys = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(keys, list) or not all(isinstance(jwk, Mapping) for jwk in keys):
            raise InvalidKey('A key set is a JSON object with a list "keys" of JWKs')
        return cls(Key.from_jwk(jwk, **_dates(jwk)) for jwk in keys)

    def candidates(self, algorithm: str, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have signed a token with this header.

        A kid that no key has finds only keys that don't put theirs into tokens. A token without
        one, issued before keys had names, may be any key's of its algorithm.
        """
        if kid is not None and (named := self._by_kid.get((algorithm, kid))):
            return named
        keys = self._by_name.get(algorithm, ())
        return keys if kid is None else tuple(key for key in keys if not key.publish_kid)

    def active(self, now: float) -> Key:
        """The key that signs at *now*: of those whose time to sign has come, the newest.

        :raises ConfigError: if there is none
        """
        ready = [
            key
            for key in self.keys
            if key.can_sign
            and key.sign_from <= now
            and (key.verify_until is None or now < key.verify_until)
        ]
        if not ready:
            raise ConfigError(
                "There is no key to sign with: set JWT_SECRET_KEY, JWT_PRIVATE_KEY or "
                "JWT_KEY_FILE. `flask jwt secret` prints a good secret."
            )
        return max(ready, key=lambda key: key.sign_from)

    def state(self, key: Key, now: float) -> KeyState:
        """What *key* does at *now*; only one key is active."""
        if key.verify_until is not None and key.verify_until <= now:
            return "expired"
        if key.sign_from > now:
            return "pending"
        return "active" if key.can_sign and key is self.active(now) else "retired"

    def public_jwks(self, now: float) -> dict[str, Any] | None:
        """The JWKS to publish (public halves of keys not gone), or None for a set of secrets."""
        if not self.keys or self.keys[0].is_secret:
            return None
        return {
            "keys": [key.public_jwk() for key in self.keys if self.state(key, now) != "expired"],
        }


def _dates(jwk: Mapping[str, Any]) -> dict[str, float]:
    """Return from when a key of a key file signs, and until when it verifies."""
    dates = {name: jwk[name] for name in ("sign_from", "verify_until") if name in jwk}
    if not all(type(date) in (int, float) for date in dates.values()):
        raise InvalidKey("sign_from and verify_until are seconds since the epoch")
    return dates
