"""A set of keys, one of which signs while all of them verify (RFC 7517 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import ConfigError
from .keys import InvalidKey, Jwk, JwkView, Key

LATEST_DATE = 253402300799
"""The last second of the year 9999, the latest one that a datetime can represent."""

KeyState = Literal["pending", "active", "retired", "expired"]


class KeySet:
    """Find the key that signs and the keys that may have signed a token.

    The newest key whose time to sign has come signs; all keys verify until they expire.

    :param repeated_kids: allow several keys of one kid, each of which is tried
    :raises InvalidKey: if HMAC secrets and public keys are mixed, or two keys have the same kid
    """

    def __init__(self, keys: Iterable[Key], *, repeated_kids: bool = False) -> None:
        self.keys = tuple(keys)
        # If a set held both, a token could ask for HMAC with a public key as the secret, the
        # "algorithm confusion" of RFC 8725 section 2.1.
        if len({key.is_secret for key in self.keys}) > 1:
            raise InvalidKey(
                "A key set can't hold both HMAC secrets and public keys: put them into two sets"
            )
        kids = [key.kid for key in self.keys]
        repeated = {kid for kid in kids if kids.count(kid) > 1}
        if repeated and not repeated_kids:
            raise InvalidKey(f"Each key of a set needs its own kid; repeated: {sorted(repeated)}")
        self._by_algorithm: dict[str, tuple[Key, ...]] = {}
        for key in self.keys:
            for alg in key.alg_values:
                self._by_algorithm[alg] = (*self._by_algorithm.get(alg, ()), key)

    @classmethod
    def from_jwks(cls, document: object) -> KeySet:
        """Parse a JWKS (RFC 7517 section 5) with the dates that key files add.

        :raises InvalidKey: if a key is invalid
        """
        keys = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(keys, list) or not all(isinstance(jwk, Mapping) for jwk in keys):
            raise InvalidKey('A JWKS must be a JSON object with a list of JWKs as "keys"')
        return cls(Key.from_jwk(jwk, match_kid=True, **_read_dates(jwk)) for jwk in keys)

    def candidates(self, algorithm: str, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed a token with this ``alg`` and ``kid``.

        The kid is only a hint (RFC 7515 section 4.1.4); the signature decides.
        """
        keys = self._by_algorithm.get(algorithm, ())
        # A token without a kid may have been issued before the keys had kids (Flask-JWT wrote
        # none), so each key of its algorithm is tried.
        if kid is None:
            return keys
        named = tuple(key for key in keys if key.kid == kid)
        # Another issuer names the keys of its tokens as it likes, so an unknown kid excludes only
        # the keys of a key file, whose tokens carry the kids that stand in the file.
        return named + tuple(key for key in keys if key.kid != kid and not key.match_kid)

    @property
    def can_sign(self) -> bool:
        """Return whether one of the keys may sign at some time, rather than only verify."""
        return any(key.can_sign for key in self.keys)

    def active(self, now: float) -> Key:
        """Return the key that signs at *now*, the newest one whose time to sign has come.

        :raises ConfigError: if there is none
        """
        ready = [
            key
            for key in self.keys
            if key.can_sign
            and key.sign_from <= now
            and (key.verify_until is None or now < key.verify_until)
        ]
        if not ready and self.can_sign:
            # For example after the clock was set back, or on a host whose clock is slow.
            raise ConfigError(
                "None of the keys can sign now: each is pending or has expired. Check the clock "
                "and `flask jwt keys list`, or run: "
                "flask jwt keys rotate --now --algorithm EdDSA"
            )
        if not ready:
            raise ConfigError(
                "There is no key to sign with: set JWT_SECRET_KEY, JWT_PRIVATE_KEY or "
                "JWT_KEY_FILE. `flask jwt secret` generates a secret."
            )
        return max(ready, key=lambda key: key.sign_from)

    def state(self, key: Key, now: float) -> KeyState:
        """Return the state of *key* at *now*; at most one key is active."""
        if key.verify_until is not None and key.verify_until <= now:
            return "expired"
        if key.sign_from > now:
            return "pending"
        return "active" if key.can_sign and key is self.active(now) else "retired"

    def public_jwks(self, now: float) -> dict[str, list[Jwk]] | None:
        """Return a JWKS of the public keys that have not expired, or None for a set of secrets."""
        if not self.keys or self.keys[0].is_secret:
            return None
        return {
            "keys": [key.public_jwk() for key in self.keys if self.state(key, now) != "expired"],
        }


def _read_dates(jwk: JwkView) -> dict[str, Any]:
    """Return the ``sign_from`` and ``verify_until`` that key files add to a JWK."""
    dates = {name: jwk[name] for name in ("sign_from", "verify_until") if name in jwk}
    for date in dates.values():
        if type(date) not in (int, float) or not 0 <= date <= LATEST_DATE:
            raise InvalidKey(
                "sign_from and verify_until must be numbers of seconds since the epoch"
            )
    return dates
