"""Where keys come from: the configuration, or a key file that can change while the app runs."""

from __future__ import annotations

import logging
from typing import Any

from .._jose.key_set import KeySet
from .._jose.keys import ALGORITHMS, InvalidKey, Key
from ..errors import ConfigError
from .settings import Settings

logger = logging.getLogger(__name__)

NO_KEY = (
    "There is no secret to sign tokens with. Set SECRET_KEY or JWT_SECRET_KEY; "
    "`flask jwt secret` prints a good one."
)


def configured_keys(settings: Settings) -> KeySet:
    """The keys that *settings* name, when they don't name a key file.

    :raises ConfigError: naming the option to mend
    """
    is_symmetric = ALGORITHMS[settings.algorithm].kty == "oct"
    has_pair = bool(settings.private_key or settings.public_key)
    if has_pair and not (is_symmetric and settings.profile.algorithm_names_key):
        return _with_other_algorithms(KeySet([_pem_key(settings)]), settings)
    if not is_symmetric:
        raise ConfigError(
            f"JWT_ALGORITHM {settings.algorithm} needs a key pair: set JWT_PRIVATE_KEY to PEM "
            "text or a path, or JWT_KEY_FILE; `flask jwt keys generate` makes one."
        )
    if settings.secret is None:
        raise ConfigError(NO_KEY)
    earlier = settings.flask_fallbacks if settings.secret == settings.flask_secret else ()
    secrets = dict.fromkeys((settings.secret, *earlier))
    newest_first = range(len(secrets), 0, -1)
    keys = KeySet(
        Key.from_secret(secret, settings.algorithm, publish_kid=False, sign_from=order)
        for secret, order in zip(secrets, newest_first, strict=True)
    )
    return _with_other_algorithms(keys, settings)


def given_keys(material: Any, settings: Settings) -> KeySet:
    """The keys that a key loader returned: a secret or PEM text, by ``JWT_ALGORITHM``, or a key
    object of the cryptography package.

    :raises InvalidKey: if it is none of them
    """
    weak = settings.profile.allows_weak_keys
    if not isinstance(material, (str, bytes)):
        key = Key.from_material(material, settings.algorithm, allow_weak=weak)
    elif ALGORITHMS[settings.algorithm].kty == "oct":
        secret = material.encode() if isinstance(material, str) else material
        key = Key.from_secret(secret, settings.algorithm, publish_kid=False)
    else:
        key = Key.from_pem(material, settings.algorithm, allow_weak=weak)
    return _with_other_algorithms(KeySet([key]), settings)


def _with_other_algorithms(keys: KeySet, settings: Settings) -> KeySet:
    """*keys*, and each of them once more for the other algorithms of its kind that
    ``JWT_DECODE_ALGORITHMS`` names."""
    return KeySet(
        [
            *keys.keys,
            *(
                key.with_algorithm(other)
                for key in keys.keys
                for other in dict.fromkeys(settings.decode_algorithms)
                if other != key.algorithm and _same_kind(other, key.algorithm)
            ),
        ]
    )


def _same_kind(one: str, other: str) -> bool:
    first, second = ALGORITHMS[one], ALGORITHMS[other]
    return first.kty == second.kty and (first.kty in ("oct", "RSA") or first == second)


def _pem_key(settings: Settings) -> Key:
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
        raise InvalidKey("JWT_PUBLIC_KEY is not the public half of JWT_PRIVATE_KEY")
    private = keys.get("JWT_PRIVATE_KEY")
    if private is not None and not private.can_sign:
        raise InvalidKey("JWT_PRIVATE_KEY holds a public key: put it into JWT_PUBLIC_KEY")
    return private or keys["JWT_PUBLIC_KEY"]


def read_pem(text_or_path: str | bytes) -> bytes:
    """PEM text as it is, or the content of the file it names.

    :raises InvalidKey: if it is neither
    """
    data = text_or_path.encode() if isinstance(text_or_path, str) else text_or_path
    if b"-----BEGIN" in data:
        return data
    try:
        with open(data, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise InvalidKey(f"It is neither PEM text nor a file that can be read: {reason}") from None
