"""Read, write and rotate the key file, a JWKS with private keys.

The file may change while applications use it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from .._clock import Clock
from ..errors import ConfigError
from .encoding import parse_json
from .key_set import KeySet
from .keys import InvalidKey, Key

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

PUBLISHED_FOR = 600
"""Seconds for which clients may cache the JWKS.

A new key must be published for that long before it signs, or a client with a cached JWKS would
reject its tokens.
"""


def check_mode(path: str, status: os.stat_result) -> None:
    """Reject a file of private keys that the wrong users can access.

    Its group may read it, as the group of a container may read a Kubernetes secret (mode 0440),
    but not write it. Other users may do neither.

    :param status: of the open file, so that the checked file is the one that is read
    :raises InvalidKey: with the ``chmod`` command that fixes the mode
    """
    if os.name == "posix" and status.st_mode & 0o027:
        raise InvalidKey(
            f"{path} holds private keys, but other users can access it; run: chmod 600 {path}"
        )


MOST_BYTES = 2**20
"""The size of the largest file that is read; a key has a few thousand bytes."""


def read_regular_file(path: str | bytes) -> tuple[bytes, os.stat_result]:
    """Return the content of the file at *path* and its status.

    A FIFO or a device is rejected: to read it may never end, and a second time it has other
    content.

    :raises OSError: if it can't be read, is no regular file, or is too large for a key
    """
    # Opening a FIFO waits for a writer, unless it is opened with O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if status.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, "it is too large for a key")
        return file.read(), status


class KeyFile:
    """Follow a JWKS file with private keys, and reload it when it changes.

    :param path: the path of the file, which other users must not be able to read
    :param clock: limits the checks for a change to one per second
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._checked_at = clock.monotonic()
        self._reported: object = None
        # The stamp is taken before the file is read. If the file changes in between, the stamp is
        # too old and the file is read once more; the other order would miss that change.
        self._stamp = self._read_stamp()
        self.keys = read_key_file(path)

    def reload(self) -> bool:
        """Replace :attr:`keys` if the file has changed, and return whether they were replaced.

        If the file can't be read or holds an invalid key, the current keys are kept, and a warning
        is logged once for each change.
        """
        now = self._clock.monotonic()
        if 0 <= now - self._checked_at < 1:  # negative if a test has replaced the clock
            return False
        self._checked_at = now
        stamp = None
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                self._reported = None
                return False
            keys = read_key_file(self.path)
        except ConfigError as error:
            # The file is read again at the next check, because a full disk or a missing permission
            # may be over by then. Only the log has to be spared.
            if (stamp, str(error)) != self._reported:
                self._reported = stamp, str(error)
                logger.warning("Could not reload the key file, keeping the current keys: %s", error)
            return False
        self._reported = None
        self._stamp = stamp
        self.keys = keys
        return True

    def _read_stamp(self) -> tuple[int, ...]:
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from None
        # A writer replaces the file, so the inode changes even if a coarse mtime does not.
        return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: str, error: OSError) -> ConfigError:
    message = f"JWT_KEY_FILE {path} can't be read: {error.strerror}"
    if isinstance(error, FileNotFoundError):
        message += f". To make a key file, run: flask jwt keys generate --file {path}"
    return ConfigError(message)


def read_key_file(path: str) -> KeySet:
    """Read the keys in the file at *path*.

    :raises ConfigError: if the file can't be read, other users can read it, or a key is invalid
    """
    return _parse(path, _read(path))


def _read(path: str) -> bytes:
    try:
        data, status = read_regular_file(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:  # a NUL in the path
        raise _unreadable(path, OSError(errno.EINVAL, os.strerror(errno.EINVAL))) from None
    check_mode(path, status)
    return data


def _parse(path: str, data: bytes) -> KeySet:
    if not data.strip():
        raise InvalidKey(f"JWT_KEY_FILE {path} is empty")
    try:
        keys = KeySet.from_jwks(parse_json(data))
    except (InvalidKey, ValueError) as error:
        raise InvalidKey(f"JWT_KEY_FILE {path}: {error}") from None
    if not keys.keys:
        raise InvalidKey(f"JWT_KEY_FILE {path} holds no keys")
    return keys


def create_key_file(path: str, keys: KeySet) -> None:
    """Make a key file, and its folder if that is missing. Only their owner can access them.

    :raises ConfigError: if the file exists or can't be written
    """
    if not os.path.basename(path):
        raise ConfigError(f"{path!r} is not the path of a file; add the name of the file")
    with _explain_write_errors(path):
        target = os.path.realpath(path)
        _make_folder(os.path.dirname(target))
        with _locked(target):
            if os.path.lexists(target):
                raise ConfigError(
                    f"{path} already exists. To add a key to it, run: flask jwt keys rotate"
                )
            _replace(target, keys)


def change_key_file(
    path: str,
    change: Callable[[KeySet], KeySet],
    *,
    before_waiting: Callable[[], object] | None = None,
) -> KeySet:
    """Replace the keys in the file at *path* with what *change* makes of them, and return that.

    A lock keeps other writers out from the first read to the replacement. Without it, a rotation
    that began before a leaked key was pruned would write that key back.

    :param before_waiting: called if another process holds the lock
    :raises ConfigError: if the file can't be read or written, or a writer without the lock has
        changed it meanwhile
    """
    # A symbolic link stays: the file that it leads to is replaced.
    target = os.path.realpath(path)
    with _explain_write_errors(path), _locked(target, before_waiting):
        before = _read(path)
        keys = change(_parse(path, before))
        _replace(target, keys, before)
    return keys


@contextmanager
def _explain_write_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from None
    except ValueError:  # a NUL, or what the file system can't encode
        raise ConfigError(f"{path} can't be written: it is not a path") from None


def _make_folder(folder: str) -> None:
    if folder and not os.path.isdir(folder):
        _make_folder(os.path.dirname(folder))  # os.makedirs() would let others list the parents
        with suppress(FileExistsError):  # another process was faster
            os.mkdir(folder, 0o700)


@contextmanager
def _locked(target: str, before_waiting: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the lock of the folder of *target*: the file itself is replaced, and a lock with it.

    :param before_waiting: called if another process holds the lock

    Where there is no ``fcntl`` (Windows), or the file system has no locks, nothing is locked.
    """
    if fcntl is None:
        yield
        return
    folder = os.open(os.path.dirname(target), os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if before_waiting is not None:
                before_waiting()
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(folder)  # which releases the lock


def _replace(target: str, keys: KeySet, before: bytes | None = None) -> None:
    """Write *keys* to *target* atomically.

    :param before: the content that the file must still have; the new file gets its owner and mode
    :raises ConfigError: if it has other content
    """
    document = {"keys": [key.private_jwk() for key in keys.keys]}
    import tempfile  # imported here because only CLI commands write key files

    # mkstemp makes the file with mode 0600. It must be in the same folder, because os.replace is
    # atomic only within one file system.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".jwt-keys-")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            _check_unchanged(target, before)
            _copy_access(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _check_unchanged(target: str, before: bytes) -> None:
    if _read(target) != before:
        raise ConfigError(
            f"{target} was changed while this command ran, so nothing was written. Run the command "
            "again."
        )


def _copy_access(source: str, target: str) -> None:
    """Give *target* the owner, group and mode of *source*, or leave it readable by its owner only.

    An application that reads the keys by its group must be able to read the new file too.
    """
    if os.name != "posix":
        return
    status, own = os.stat(source), os.stat(target)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        try:
            os.chown(target, status.st_uid, status.st_gid)
        except OSError:
            logger.warning(
                "The new %s belongs to another user or group than before, and only its owner can "
                "read it. Check that the application can.", source,
            )  # fmt: skip
            return
    os.chmod(target, stat.S_IMODE(status.st_mode))


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
    if not kids:
        remaining.active(now)  # raises if no key is left to sign
        return remaining
    try:
        remaining.active(now)
    except ConfigError:
        raise ConfigError(
            "No key that can sign would be left. Rotate first, then prune: flask jwt keys rotate "
            "--now"
        ) from None
    return remaining
