"""The key file: a JWKS with private keys that can change while applications use it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection
from typing import Any

from .._clock import Clock
from ..errors import ConfigError
from .encoding import parse_json
from .key_set import KeySet
from .keys import InvalidKey, Key

logger = logging.getLogger(__name__)

PUBLISHED_FOR = 600
"""Seconds that clients may keep a copy of the JWKS, and so how long before it signs a new key
must be published."""


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
    import tempfile  # only commands that write need it

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
    waiting = [key for key, state in states.items() if state == "pending"]
    if waiting and delay:
        raise InvalidKey(
            f"A rotation is under way: key {waiting[0].kid} has not begun to sign. "
            "Wait for it, or write --now to sign with a new key at once."
        )
    starts = now + delay
    kept = [
        key if key.verify_until is not None else key.replace(verify_until=starts + lifetime)
        for key, state in states.items()
        if state in ("active", "retired")
    ]
    return KeySet([*kept, new.replace(sign_from=starts)])


def prune(keys: KeySet, kids: Collection[str], *, now: float) -> KeySet:
    """*keys* without those gone at *now* and without those named by *kids*.

    :raises InvalidKey: if there is no key of such a name, or none would be left to sign
    """
    unknown = set(kids) - {key.kid for key in keys.keys}
    if unknown:
        raise InvalidKey(f"There is no key {', '.join(sorted(unknown))}; see: flask jwt keys list")
    left = KeySet(
        key for key in keys.keys if key.kid not in kids and keys.state(key, now) != "expired"
    )
    left.active(now)
    return left
