"""Passwords: hash a new one, check a given one, tell which stored hashes are old.

What was stored says how it was made::

    $argon2id$v=19$m=…,t=…,p=…$salt$hash     argon2-cffi, passlib     extra [argon2]
    scrypt:n:r:p$salt$hash                   Werkzeug
    pbkdf2:sha256:rounds$salt$hash           Werkzeug
    $pbkdf2-sha256$rounds$salt$hash          passlib
    pbkdf2_sha256$rounds$salt$hash           Django
    $2b$cost$salt-and-hash                   bcrypt, passlib          extra [bcrypt]

New hashes are argon2id where argon2-cffi is installed, otherwise Werkzeug's scrypt.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from werkzeug.security import check_password_hash, generate_password_hash

from ..errors import ConfigError

logger = logging.getLogger("flask_jwt")

MAX_PASSWORD_BYTES = 4096
"""Bytes of a password in UTF-8; a longer one is refused unread."""

ARGON2ID, ARGON2_WEAKER = "argon2id", "argon2, weaker"
SCRYPT, SCRYPT_WEAKER = "scrypt", "scrypt, weaker"
PBKDF2, BCRYPT = "pbkdf2", "bcrypt"
UNKNOWN, NONE = "plain text or unknown", "no password"
KINDS = (
    ARGON2ID, ARGON2_WEAKER, SCRYPT, SCRYPT_WEAKER, PBKDF2, BCRYPT, UNKNOWN, NONE,
)  # fmt: skip
"""What :func:`kind_of` tells apart."""

#: (memory in KiB, passes) that OWASP's Password Storage Cheat Sheet holds to be equally strong.
OWASP_ARGON2ID = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
ARGON2_MEMORY, ARGON2_PASSES = OWASP_ARGON2ID[1]
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1  # Werkzeug's own

# A stored hash that asks for more than this, or seconds to minutes of work, was damaged.
MOST_ARGON2_KIB_PASSES = 2**22
MOST_SCRYPT_BLOCKS = 2**23
MOST_PBKDF2_ROUNDS = 10**7

BCRYPT_BYTES = 72  # bcrypt reads no further

# Nobody's: no known password has them. Checking one is the same work as checking a user's.
NOBODYS_HASH = {
    ARGON2ID: f"$argon2id$v=19$m={ARGON2_MEMORY},t={ARGON2_PASSES},p=1${'A' * 22}${'A' * 43}",
    SCRYPT: f"scrypt:{SCRYPT_N}:{SCRYPT_R}:{SCRYPT_P}${'A' * 16}${'0' * 128}",
}

#: What is a hash of some sort is never taken for plain text: whoever stole it could log in with it.
LOOKS_HASHED = (
    r"\$[\w-]+\$.*"  # $6$…, also one that was cut off
    r"|[\w:.+-]+\$[^$]*\$.*"  # sha1$salt$…
    r"|(scrypt|pbkdf2|bcrypt|argon2)\w*[:$].*"
    r"|\{[\w.-]+\}.*"  # {SSHA}…
    r"|\*?[0-9a-f]{32,}"  # MD5, SHA-1, MySQL's
)

UNREADABLE = (
    "A stored password is of no known format, so its user can't log in; 'flask jwt passwords "
    "check' counts such. If they are plain text, call check_password(…, accept_plain_text=True) "
    "until each was replaced by new_hash."
)
DAMAGED = (
    "A stored password hash is damaged (cut off?) or can't be computed: its user can't log in."
)
PLAIN_TEXT = (
    "A password was stored as plain text and compared as such (accept_plain_text=True). Store "
    "the new_hash; hash the passwords of those who don't log in too; then take the argument out."
)


class PasswordCheck(NamedTuple):
    """The verdict on a given password. It is true if the password is right.

    ``correct, new_hash = check_password(…)`` works too. Its repr shows no hash.
    """

    is_correct: bool
    """Whether it is the password."""
    new_hash: str | None
    """What to store in place of the old hash; None if there is nothing to do."""

    def __bool__(self) -> bool:
        return self.is_correct

    def __repr__(self) -> str:
        new_hash = "None" if self.new_hash is None else "…"
        return f"PasswordCheck(is_correct={self.is_correct}, new_hash={new_hash})"


def hash_password(password: str) -> str:
    """The hash to store for *password*: argon2id with OWASP's parameters.

    Without the extra ``[argon2]`` it is Werkzeug's scrypt. The password is hashed as it is given,
    in UTF-8: neither stripped nor normalized, as in Werkzeug, so an accented letter and the same
    letter in two code points are two passwords.

    :raises ValueError: if it is longer than 4096 bytes or can't be written in UTF-8
    """
    if not _can_be_hashed(password):
        raise ValueError(f"A password is text of at most {MAX_PASSWORD_BYTES} bytes in UTF-8")
    if _new_kind() == SCRYPT:
        return generate_password_hash(password, f"scrypt:{SCRYPT_N}:{SCRYPT_R}:{SCRYPT_P}")
    from argon2 import PasswordHasher

    return PasswordHasher(
        time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY, parallelism=1
    ).hash(password)  # fmt: skip


def check_password(
    stored: str | None, given: str, *, accept_plain_text: bool = False
) -> PasswordCheck:
    """Tell whether *given* is the password of *stored*, and what to store instead, if anything.

    For a user who doesn't exist pass None: it is never right, and takes as long as a wrong password
    against a hash that :func:`hash_password` makes. A hash of an older kind takes its own time. A
    stored value that can't be read is never right; the log says so, once. A password longer than
    4096 bytes, or that is no text, is never right.

    ``new_hash`` is there only when the password is right and the stored hash is of an older kind or
    of weaker parameters. bcrypt compares the first 72 bytes only; the new hash is of all of them.

    :param stored: the user's hash; None if there is no such user, None or empty if no password
    :param given: the password of the login
    :param accept_plain_text: for a migration only: compare a *stored* that is no hash at all as
        plain text, with a warning in the log. What looks like a hash is never compared so.
    :raises ConfigError: if the extra that reads this hash isn't installed
    """
    if not _can_be_hashed(given):
        return PasswordCheck(False, None)
    is_correct = _verify(stored, given)
    if is_correct is None:
        _verify(NOBODYS_HASH[_new_kind()], given)
        is_correct = _is_plain_text(stored, given, accept_plain_text)
    is_old = is_correct and not is_current(kind_of(stored))
    return PasswordCheck(is_correct, hash_password(given) if is_old else None)


def kind_of(stored: object) -> str:
    """Which of :data:`KINDS` a stored value is; needs no password and no extra."""
    if stored is None or stored == "":
        return NONE
    found = _find(stored)
    return UNKNOWN if found is None else found[0].kind(found[1])


def is_current(kind: str) -> bool:
    """Whether hashes of *kind* are as strong as new ones."""
    return kind in (ARGON2ID, _new_kind())


@cache
def _new_kind() -> str:
    try:
        import argon2  # noqa: F401
    except ModuleNotFoundError:
        return SCRYPT
    return ARGON2ID


def _can_be_hashed(password: object) -> bool:
    try:
        return isinstance(password, str) and len(password.encode()) <= MAX_PASSWORD_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        return False


def _verify(stored: object, given: str) -> bool | None:
    """Whether *given* is right; None if *stored* is no hash that can be read."""
    found = _find(stored)
    if found is None:
        return None
    reader, match = found
    try:
        return reader.verify(match, given)
    except ValueError:  # its text could quote the hash
        _warn_once(DAMAGED)
        return None


def _is_plain_text(stored: str | None, given: str, is_accepted: bool) -> bool:
    if not stored or _find(stored) is not None:  # no password, or damaged, which was said
        return False
    is_text = is_accepted and isinstance(stored, str)
    if not is_text or re.fullmatch(LOOKS_HASHED, stored, re.IGNORECASE | re.DOTALL):
        _warn_once(UNREADABLE)
        return False
    _warn_once(PLAIN_TEXT)
    return hmac.compare_digest(stored.encode("utf-8", "surrogatepass"), given.encode())


@cache
def _warn_once(sentence: str) -> None:
    logger.warning("%s", sentence)


# What reads each format. A verifier raises ValueError for a hash that is damaged.


def _argon2_kind(match: re.Match[str]) -> str:
    variant, version, memory, passes, tag = match.groups()
    is_strong = any(int(memory) >= m and int(passes) >= t for m, t in OWASP_ARGON2ID)
    is_modern = variant == "id" and version == "19" and len(tag) >= 22  # 16 bytes
    return ARGON2ID if is_strong and is_modern else ARGON2_WEAKER


def _verify_argon2(match: re.Match[str], given: str) -> bool:
    try:
        from argon2 import PasswordHasher
        from argon2.exceptions import VerificationError, VerifyMismatchError
    except ModuleNotFoundError:
        raise _missing("argon2-cffi", "argon2") from None
    if int(match[3]) * int(match[4]) > MOST_ARGON2_KIB_PASSES:
        raise ValueError("too much work")
    try:
        return PasswordHasher().verify(match[0], given)
    except VerifyMismatchError:
        return False
    except VerificationError as error:
        raise ValueError from error


def _scrypt_kind(match: re.Match[str]) -> str:
    n, r, p = int(match[1]), int(match[2]), int(match[3])
    is_strong = n * r >= SCRYPT_N * SCRYPT_R and p >= SCRYPT_P
    return SCRYPT if is_strong else SCRYPT_WEAKER


def _verify_scrypt(match: re.Match[str], given: str) -> bool:
    if int(match[1]) * int(match[2]) * int(match[3]) > MOST_SCRYPT_BLOCKS:
        raise ValueError("too much work")
    return check_password_hash(match[0], given)


def _pbkdf2_of(
    salt_of: Callable[[str], bytes], hash_of: Callable[[str], bytes]
) -> Callable[[re.Match[str], str], bool]:
    """A verifier of PBKDF2 for one way to write salt and hash."""

    def verify(match: re.Match[str], given: str) -> bool:
        digest, rounds = match[1] or "sha1", int(match[2])
        if rounds > MOST_PBKDF2_ROUNDS:
            raise ValueError("too much work")
        expected = hash_of(match[4])
        found = hashlib.pbkdf2_hmac(digest, given.encode(), salt_of(match[3]), rounds)
        if len(found) != len(expected):
            raise ValueError("cut off")
        return hmac.compare_digest(found, expected)

    return verify


def _adapted_base64(text: str) -> bytes:
    """Passlib's base64: a dot for the plus, no padding."""
    return b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)


def _verify_bcrypt(match: re.Match[str], given: str) -> bool:
    try:
        import bcrypt
    except ModuleNotFoundError:
        raise _missing("bcrypt", "bcrypt") from None
    # bcrypt 5 refuses what is longer; whatever made this hash left it out.
    return bcrypt.checkpw(given.encode()[:BCRYPT_BYTES], match[0].encode())


def _missing(package: str, extra: str) -> ConfigError:
    return ConfigError(
        f"Reading a stored password hash needs {package}: pip install 'Flask-JWT-Too[{extra}]'"
    )


class _Reader(NamedTuple):
    """One format: its pattern, which kind it is, and how a password is compared with it."""

    pattern: str
    kind: Callable[[re.Match[str]], str]
    verify: Callable[[re.Match[str], str], bool]


def _always(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda _: kind


READERS = (
    _Reader(
        r"\$argon2(id|i|d)\$(?:v=(\d+)\$)?m=(\d{1,7}),t=(\d{1,3}),p=\d{1,3}"
        r"\$[\w+/]+\$([\w+/]+)",
        _argon2_kind,
        _verify_argon2,
    ),
    _Reader(
        r"scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3})\$[^$]*\$[0-9a-f]{128}",
        _scrypt_kind,
        _verify_scrypt,
    ),
    _Reader(
        r"pbkdf2:(\w+):(\d{1,8})\$([^$]*)\$([0-9a-f]+)",
        _always(PBKDF2),
        _pbkdf2_of(str.encode, bytes.fromhex),
    ),
    _Reader(
        r"\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,8})\$([\w./]*)\$([\w./]+)",
        _always(PBKDF2),
        _pbkdf2_of(_adapted_base64, _adapted_base64),
    ),
    _Reader(
        r"pbkdf2_(sha1|sha256)\$(\d{1,8})\$([^$]*)\$([\w+/]+=*)",
        _always(PBKDF2),
        _pbkdf2_of(str.encode, b64decode),
    ),
    _Reader(r"\$2[aby]\$(?:0[4-9]|1\d)\$[\w./]{53}", _always(BCRYPT), _verify_bcrypt),
)


def _find(stored: object) -> tuple[_Reader, re.Match[str]] | None:
    if isinstance(stored, str):
        for reader in READERS:
            match = re.fullmatch(reader.pattern, stored, re.ASCII)
            if match is not None:
                return reader, match
    return None
