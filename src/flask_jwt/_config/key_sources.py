"""Make key sets of configured keys and of the keys that a key loader returns."""

from __future__ import annotations

from typing import Any

from .._jose.key_set import KeySet
from .._jose.keys import ALGORITHMS, InvalidKey, Key
from ..errors import ConfigError
from .settings import Settings

NO_KEY = (
    "There is no secret to sign tokens with. Generate one with `flask jwt secret` and set "
    "SECRET_KEY or JWT_SECRET_KEY to it."
)


def load_configured_keys(settings: Settings) -> KeySet:
    """Return the secrets or the key pair in *settings*, which must not name a key file.

    :raises ConfigError: if there is no valid key; the message names the option to change
    """
    is_symmetric = ALGORITHMS[settings.algorithm].kty == "oct"
    has_pair = bool(settings.private_key or settings.public_key)
    if has_pair and not (is_symmetric and settings.profile.algorithm_names_key):
        return _add_decode_algorithms(KeySet([_load_pem_key(settings)]), settings)
    if not is_symmetric:
        raise ConfigError(
            f"JWT_ALGORITHM {settings.algorithm} needs a key pair: set JWT_PRIVATE_KEY to a PEM "
            "key or the path of one, or run `flask jwt keys generate` and set JWT_KEY_FILE."
        )
    if settings.secret is None:
        raise ConfigError(NO_KEY)
    # The fallbacks are earlier values of SECRET_KEY, so they never verify tokens of a separate
    # JWT_SECRET_KEY.
    earlier = settings.flask_fallbacks if settings.secret == settings.flask_secret else ()
    secrets = dict.fromkeys((settings.secret, *earlier))
    # The key with the highest sign_from signs, and these low timestamps passed long ago: the
    # current secret signs and the earlier ones only verify.
    newest_first = range(len(secrets), 0, -1)
    keys = KeySet(
        Key.from_secret(secret, settings.algorithm, publish_kid=False, sign_from=order)
        for secret, order in zip(secrets, newest_first, strict=True)
    )
    return _add_decode_algorithms(keys, settings)


def loaded_keys(material: Any, settings: Settings) -> KeySet:
    """Make a key set of the key that a key loader returned.

    :param material: a key object of the cryptography package, or a string or bytes, which
        ``JWT_ALGORITHM`` says to read as a secret or as a PEM key
    :raises InvalidKey: if *material* is none of them
    """
    allow_weak = settings.profile.allows_weak_keys
    if not isinstance(material, (str, bytes)):
        key = Key.from_material(material, settings.algorithm, allow_weak=allow_weak)
    elif ALGORITHMS[settings.algorithm].kty == "oct":
        secret = material.encode() if isinstance(material, str) else material
        key = Key.from_secret(secret, settings.algorithm, publish_kid=False)
    else:
        key = Key.from_pem(material, settings.algorithm, allow_weak=allow_weak)
    return _add_decode_algorithms(KeySet([key]), settings)


def _add_decode_algorithms(keys: KeySet, settings: Settings) -> KeySet:
    """Add copies of *keys* for those algorithms in ``JWT_DECODE_ALGORITHMS`` that fit them."""
    # Each key has one algorithm (RFC 8725 section 3.1), so a second algorithm needs a second key.
    return KeySet(
        [
            *keys.keys,
            *(
                key.with_algorithm(other)
                for key in keys.keys
                for other in dict.fromkeys(settings.decode_algorithms)
                if other != key.algorithm and _use_same_keys(other, key.algorithm)
            ),
        ]
    )


def _use_same_keys(algorithm: str, other: str) -> bool:
    first, second = ALGORITHMS[algorithm], ALGORITHMS[other]
    return first.kty == second.kty and (first.kty in ("oct", "RSA") or first == second)


def _load_pem_key(settings: Settings) -> Key:
    # JWT_ALGORITHM's default, HS256, doesn't fit a key pair. If it isn't set, the type of the key
    # determines the algorithm.
    algorithm = settings.algorithm if "JWT_ALGORITHM" in settings.explicit else None
    keys = {}
    for name, pem in (
        ("JWT_PRIVATE_KEY", settings.private_key),
        ("JWT_PUBLIC_KEY", settings.public_key),
    ):
        if pem is None:
            continue
        try:
            keys[name] = Key.from_pem(
                read_pem(pem), algorithm, allow_weak=settings.profile.allows_weak_keys
            )
        except InvalidKey as error:
            raise InvalidKey(f"{name}: {error}") from None
    if len({key.kid for key in keys.values()}) > 1:
        raise InvalidKey("JWT_PUBLIC_KEY is not the public key of JWT_PRIVATE_KEY")
    private = keys.get("JWT_PRIVATE_KEY")
    if private is not None and not private.can_sign:
        raise InvalidKey("JWT_PRIVATE_KEY holds a public key: put it into JWT_PUBLIC_KEY")
    return private or keys["JWT_PUBLIC_KEY"]


def read_pem(pem_or_path: str | bytes) -> bytes:
    """Return a PEM key unchanged, or read it from the file at a path.

    :raises InvalidKey: if the argument is neither a PEM key nor the path of a readable file
    """
    data = pem_or_path.encode() if isinstance(pem_or_path, str) else pem_or_path
    if b"-----BEGIN" in data:
        return data
    try:
        with open(data, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise InvalidKey(
            f"The value is neither a PEM key nor the path of a readable file: {reason}"
        ) from None
