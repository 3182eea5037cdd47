"""Read, write and rotate the key file, a JWKS with private keys.

The file may change while applications use it.
"""

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
"""Seconds for which clients may cache the JWKS.

A new key must be published for that long before it signs, or a client with a cached JWKS would
reject its tokens.
"""


def check_mode(path: str) -> None:
    """Reject a file that other users may read or write.

    :raises InvalidKey: with the ``chmod`` command that fixes the mode
    """
    mode = os.stat(path).st_mode
    if os.name == "posix" and mode & 0o077:
        raise InvalidKey(
            f"{path} holds private keys, but other users can access it; run: chmod 600 {path}"
        )


class KeyFile:
    """Follow a JWKS file with private keys, and reload it when it changes.

    :param path: the path of the file, whose mode must be 0600
    :param clock: limits the checks for a change to one per second
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._checked_at = clock.monotonic()
        # The stamp is taken before the file is read. If the file changes in between, the stamp is
        # too old and the file is read once more; the other order would miss that change.
        self._stamp = self._read_stamp()
        self.keys = read_key_file(path)

    def reload(self) -> bool:
        """Replace :attr:`keys` if the file has changed, and return whether they were replaced.

        If the file can't be read or holds an invalid key, the current keys are kept and a warning
        is logged.
        """
        now = self._clock.monotonic()
        if 0 <= now - self._checked_at < 1:  # negative if a test has replaced the clock
            return False
        self._checked_at = now
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return False
            keys = read_key_file(self.path)
        except (OSError, ConfigError) as error:
            logger.warning("Could not reload the key file, keeping the current keys: %s", error)
            return False
        self._stamp = stamp
        self.keys = keys
        return True

    def _read_stamp(self) -> tuple[int, int, int]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        # write_key_file replaces the file, so the inode changes even if a coarse mtime does not.
        return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"JWT_KEY_FILE {path} can't be read: {error.strerror}. "
        f"To make a key file, run: flask jwt keys generate --file {path}"
    )


def read_key_file(path: str) -> KeySet:
    """Read the keys in the file at *path*.

    :raises ConfigError: if the file can't be read, other users can read it, or a key is invalid
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
    """Replace the file at *path* atomically; only its owner can read the new file."""
    document: dict[str, Any] = {"keys": [key.private_jwk() for key in keys.keys]}
    import tempfile  # imported here because only CLI commands write key files

    # mkstemp makes the file with mode 0600. It must be in the same folder, because os.replace is
    # atomic only within one file system.
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
    """Return a copy of *keys* in which *new* signs from *delay* seconds on.

    The keys that sign until then keep verifying for *lifetime* more seconds. Expired keys are
    removed. With a delay of 0, pending keys are removed too.

    :param lifetime: the longest lifetime of a token, in seconds
    :raises InvalidKey: if *delay* isn't 0 and another key is pending
    """
    states = {key: keys.state(key, now) for key in keys.keys}
    pending = [key for key, state in states.items() if state == "pending"]
    if pending and delay:
        raise InvalidKey(
            f"A rotation is in progress: key {pending[0].kid} has not started to sign. "
            "Wait until it has, or use --now to sign with a new key immediately."
        )
    sign_from = now + delay
    kept = [
        key if key.verify_until is not None else key.replace(verify_until=sign_from + lifetime)
        for key, state in states.items()
        if state in ("active", "retired")
    ]
    return KeySet([*kept, new.replace(sign_from=sign_from)])


def prune(keys: KeySet, kids: Collection[str], *, now: float) -> KeySet:
    """Return *keys* without the ones that have expired at *now* and the ones named in *kids*.

    :raises InvalidKey: if a kid is unknown
    :raises ConfigError: if no key would be left to sign
    """
    unknown = set(kids) - {key.kid for key in keys.keys}
    if unknown:
        raise InvalidKey(f"There is no key {', '.join(sorted(unknown))}; see: flask jwt keys list")
    remaining = KeySet(
        key for key in keys.keys if key.kid not in kids and keys.state(key, now) != "expired"
    )
    remaining.active(now)  # raises if no key is left to sign
    return remaining
