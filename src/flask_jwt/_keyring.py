"""Where keys come from: the configuration, or a key file that can change while the app runs."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Collection
from typing import Any

from ._clock import Clock
from ._encoding import parse_json
from ._key_sets import KeySet
from ._keys import ALGORITHMS, InvalidKey, Key
from ._settings import Settings
from .errors import ConfigError

logger = logging.getLogger(__name__)

NO_KEY = (
    "There is no secret to sign tokens with. Set SECRET_KEY or JWT_SECRET_KEY; "
    "`flask jwt secret` prints a good one."
)

PUBLISHED_FOR = 600
"""Seconds that clients may keep a copy of the JWKS, and so how long before it signs a new key
must be published."""


def configured_keys(settings: Settings) -> KeySet:
    """The keys that *settings* name, when they don't name a key file.

    :raises ConfigError: naming the option to mend
    """
    is_symmetric = ALGORITHMS[settings.algorithm].kty == "oct"
    has_pair = bool(settings.private_key or settings.public_key)
    if has_pair and not (is_symmetric and settings.spelling.algorithm_names_key):
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
        Key.from_secret(secret, settings.algorithm, named=False, sign_from=order)
        for secret, order in zip(secrets, newest_first, strict=True)
    )
    return _with_other_algorithms(keys, settings)


def given_keys(material: Any, settings: Settings) -> KeySet:
    """The keys that a key loader returned: a secret or PEM text, by ``JWT_ALGORITHM``, or a key
    object of the cryptography package.

    :raises InvalidKey: if it is none of them
    """
    weak = settings.spelling.allows_weak_keys
    if not isinstance(material, (str, bytes)):
        key = Key.from_material(material, settings.algorithm, allow_weak=weak)
    elif ALGORITHMS[settings.algorithm].kty == "oct":
        secret = material.encode() if isinstance(material, str) else material
        key = Key.from_secret(secret, settings.algorithm, named=False)
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
                key.verifying_as(other)
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
    algorithm = settings.algorithm if "JWT_ALGORITHM" in settings.given else None
    keys = {}
    for name, pem in (
        ("JWT_PRIVATE_KEY", settings.private_key),
        ("JWT_PUBLIC_KEY", settings.public_key),
    ):
        if pem is None:
            continue
        try:
            keys[name] = Key.from_pem(
                read_pem(pem), algorithm, allow_weak=settings.spelling.allows_weak_keys
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


def check_mode(path: str) -> None:
    """Refuse a file that others may read or write.

    :raises InvalidKey: saying the ``chmod`` that mends it
    """
    mode = os.stat(path).st_mode
    if os.name == "posix" and mode & 0o077:
        raise InvalidKey(f"{path} holds private keys but others can read it: chmod 600 {path}")


class KeyFile:
    """A JWKS file with private keys, mode 0600, read again when it changes.

    :param path: of the file
    :param clock: the file is checked once a second at most
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._checked_at = clock.monotonic()
        self._stamp = self._stat()
        self.keys = read_key_file(path)

    def changed(self) -> bool:
        """Whether :attr:`keys` has just become another set.

        A file that can't be read, or not be used, leaves the keys as they were and is logged.
        """
        now = self._clock.monotonic()
        if 0 <= now - self._checked_at < 1:  # below 0: a test has replaced the clock
            return False
        self._checked_at = now
        try:
            stamp = self._stat()
            if stamp == self._stamp:
                return False
            keys = read_key_file(self.path)
        except (OSError, ConfigError) as error:
            logger.warning("Keys are as they were: the key file can't be used: %s", error)
            return False
        self._stamp = stamp
        self.keys = keys
        return True

    def _stat(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"JWT_KEY_FILE {path} can't be read: {error.strerror}. "
        f"Make one with: flask jwt keys generate --file {path}"
    )


def read_key_file(path: str) -> KeySet:
    """The keys in the file at *path*.

    :raises ConfigError: if it can't be read, others can read it, or a key in it can't be used
    """
    try:
        check_mode(path)
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        return KeySet.from_jwks(parse_json(data))
    except (InvalidKey, ValueError) as error:
        raise InvalidKey(f"JWT_KEY_FILE {path}: {error}") from None


def write_key_file(path: str, keys: KeySet) -> None:
    """Replace the file at *path* in one step, readable by its owner only."""
    document: dict[str, Any] = {"keys": [key.private_jwk() for key in keys.keys]}
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".jwt-keys-")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def rotate(keys: KeySet, new: Key, *, now: float, lifetime: float, delay: float) -> KeySet:
    """*keys* with *new* among them, to sign in *delay* seconds; the others then retire.

    Keys gone are left out, and with a delay of 0 those that wait to sign too.

    :param lifetime: seconds for which a token may live: so long a retired key still verifies
    :raises InvalidKey: if with a delay another key waits to sign already
    """
    states = {key: keys.state(key, now) for key in keys.keys}
    waiting = [key for key, state in states.items() if state == "next"]
    if waiting and delay:
        raise InvalidKey(
            f"A rotation is under way: key {waiting[0].kid} has not begun to sign. "
            "Wait for it, or write --now to sign with a new key at once."
        )
    starts = now + delay
    kept = [
        key if key.verify_until is not None else key.dated(verify_until=starts + lifetime)
        for key, state in states.items()
        if state in ("active", "retired")
    ]
    return KeySet([*kept, new.dated(sign_from=starts)])


def prune(keys: KeySet, kids: Collection[str], *, now: float) -> KeySet:
    """*keys* without those gone at *now* and without those named by *kids*.

    :raises InvalidKey: if there is no key of such a name, or none would be left to sign
    """
    unknown = set(kids) - {key.kid for key in keys.keys}
    if unknown:
        raise InvalidKey(f"There is no key {', '.join(sorted(unknown))}; see: flask jwt keys list")
    left = KeySet(
        key for key in keys.keys if key.kid not in kids and keys.state(key, now) != "gone"
    )
    left.active(now)
    return left
