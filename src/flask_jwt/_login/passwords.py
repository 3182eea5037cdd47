"""Hash new passwords, check given ones, and find out which stored hashes should be replaced.

A stored hash states its format::

    $argon2id$v=19$m=…,t=…,p=…$salt$hash     argon2-cffi, passlib     extra [argon2]
    scrypt:n:r:p$salt$hash                   Werkzeug
    pbkdf2:sha256:rounds$salt$hash           Werkzeug
    $pbkdf2-sha256$rounds$salt$hash          passlib
    pbkdf2_sha256$rounds$salt$hash           Django
    $2b$cost$salt-and-hash                   bcrypt, passlib          extra [bcrypt]

New hashes are argon2id if argon2-cffi is installed, otherwise Werkzeug's scrypt.
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

from ..errors import ConfigError, PasswordNotStorable

logger = logging.getLogger("flask_jwt")

MAX_PASSWORD_BYTES = 4096
"""Bytes of a password in UTF-8; a longer one is rejected without being hashed."""

ARGON2ID, ARGON2_WEAKER = "argon2id", "argon2, weaker"
SCRYPT, SCRYPT_WEAKER = "scrypt", "scrypt, weaker"
PBKDF2, BCRYPT = "pbkdf2", "bcrypt"
UNKNOWN, NONE = "plain text or unknown", "no password"
KINDS = (
    ARGON2ID, ARGON2_WEAKER, SCRYPT, SCRYPT_WEAKER, PBKDF2, BCRYPT, UNKNOWN, NONE,
)  # fmt: skip
"""The results of :func:`kind_of`."""

#: (memory in KiB, passes), equally strong according to OWASP's Password Storage Cheat Sheet.
OWASP_ARGON2ID = ((47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5))
ARGON2_MEMORY, ARGON2_PASSES = OWASP_ARGON2ID[1]
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1  # Werkzeug's own

# A stored hash that requires more than this is rejected: to compute it would occupy a worker, or
# all memory, at each login. Anyone who can write one hash could stop the whole application.
MOST_ARGON2_KIB = 2**19  # 512 MiB
MOST_ARGON2_KIB_PASSES = 2**22  # 4 GiB in all
MOST_ARGON2_LANES = 64  # each is a thread
MOST_SCRYPT_BYTES = 2**29  # 512 MiB
MOST_SCRYPT_BLOCKS = 2**23
MOST_PBKDF2_ROUNDS = 10**7
MOST_BCRYPT_COST = 15

BCRYPT_BYTES = 72  # bcrypt ignores the rest

# Valid hashes without a known password. Checking one takes as long as checking a user's hash, so
# the time of the response doesn't show whether the user exists.
DUMMY_HASHES = {
    ARGON2ID: f"$argon2id$v=19$m={ARGON2_MEMORY},t={ARGON2_PASSES},p=1${'A' * 22}${'A' * 43}",
    SCRYPT: f"scrypt:{SCRYPT_N}:{SCRYPT_R}:{SCRYPT_P}${'A' * 16}${'0' * 128}",
}

_BESIDE = r"[:;,|.$*\s]"
"""The characters that may separate a digest from its salt."""

#: What looks like a hash is never compared as plain text: whoever stole the hash could log in by
#: sending it as the password. It is matched after :func:`_unwrap`. A few plain passwords look like
#: a hash too, such as one of exactly 22 letters; their users have to set a new one.
HASH_LIKE = (
    r"\$[\w-]+\$.*"  # $6$…, also one that was cut off
    r"|[\w:.+-]+\$[^$]*\$.*"  # sha1$salt$…
    r"|(scrypt|pbkdf2|bcrypt|argon2)\w*[:$].*"
    r"|\{[\w.-]+\}.*"  # {SSHA}…
    r"|.*[0-9a-f]{32}.*"  # MD5 and longer ones, also md5…, \x…, hex:salt and salt:hex
    r"|(?=.*[a-f])(?=.*[0-9])[0-9a-f]{16}"  # MySQL's until version 4
    # base64: MD5, SHA-1 and so on with and without padding, or any that is longer, beside a salt
    rf"|(.*{_BESIDE})?([\w+/-]{{22}}(==)?|[\w+/-]{{27}}=?|[\w+/-]{{32}}|[\w+/-]{{38}}(==)?"
    rf"|[\w+/-]{{40,}}={{0,2}}|[\w+/-]{{19,}}={{1,2}})({_BESIDE}.*)?"
)

UNREADABLE = (
    "A stored password has an unknown format, so its user can't log in. Count such passwords with "
    "'flask jwt passwords check'. If they are plain text, call check_password(…, "
    "accept_plain_text=True) until each one has been replaced by its new_hash."
)
DAMAGED = (
    "A stored password hash is damaged, for example cut off, so its user can't log in. Check the "
    "length of the database column, and have the user set a new password."
)
TOO_COSTLY = (
    "A stored password hash asks for too much memory or time, so its user can't log in: argon2 may "
    "use 512 MiB, 4 GiB in all passes and 64 lanes, scrypt 512 MiB, PBKDF2 10 million rounds, and "
    "bcrypt the cost 15. Such a hash is damaged, or someone wants to overload this server. Have "
    "the user set a new password."
)
PLAIN_TEXT = (
    "A stored password is plain text and was compared as such (accept_plain_text=True). Store its "
    "new_hash, hash the passwords of users who don't log in too, then remove the argument."
)


class PasswordCheck(NamedTuple):
    """The result of :func:`check_password`. It is true if the password is correct.

    It can also be unpacked: ``is_correct, new_hash = check_password(…)``.
    """

    is_correct: bool
    """Whether the password is correct."""
    new_hash: str | None
    """The hash to store in place of the old one, or None if the old one needs no replacement."""

    def __bool__(self) -> bool:
        return self.is_correct

    # Without the hash: a repr ends up in logs and error reports.
    def __repr__(self) -> str:
        new_hash = "None" if self.new_hash is None else "…"
        return f"PasswordCheck(is_correct={self.is_correct}, new_hash={new_hash})"


def hash_password(password: str) -> str:
    """Return a hash of *password* to store: argon2id with OWASP's parameters.

    >>> stored = hash_password("correct horse battery staple")
    >>> bool(check_password(stored, "correct horse battery staple"))
    True

    Without the extra ``[argon2]`` the hash is Werkzeug's scrypt. The password is hashed in UTF-8,
    neither stripped nor normalized, as Werkzeug does; so an accented letter written as one code
    point is another password than the same letter written as two.

    :raises PasswordNotStorable: if *password* is longer than 4096 bytes or can't be encoded in
        UTF-8. It is a ValueError; where a view doesn't catch it, the client gets a 400 response
    """
    if not _can_be_hashed(password):
        raise PasswordNotStorable
    if _new_kind() == SCRYPT:
        return generate_password_hash(password, f"scrypt:{SCRYPT_N}:{SCRYPT_R}:{SCRYPT_P}")
    from argon2 import PasswordHasher

    return PasswordHasher(
        time_cost=ARGON2_PASSES, memory_cost=ARGON2_MEMORY, parallelism=1
    ).hash(password)  # fmt: skip


def check_password(
    stored: str | None, given: str, *, accept_plain_text: bool = False
) -> PasswordCheck:
    """Check the password *given* in a login against the user's *stored* hash.

    >>> check_password(hash_password("correct horse"), "wrong")
    PasswordCheck(is_correct=False, new_hash=None)

    For a user who doesn't exist pass None, so that the check takes as long as that of a wrong
    password::

        def authenticate(username, password):
            user = users.get(username)
            check = check_password(user and user["password"], password)
            if check.new_hash is not None:
                user["password"] = check.new_hash
            return user if check else None

    ``new_hash`` is set if the password is correct and the stored hash has an older algorithm or
    weaker parameters than new ones. A stored value in an unknown format never matches and is
    logged once. A password that is no string, or longer than 4096 bytes, is never correct. bcrypt
    compares only the first 72 bytes of a password; its ``new_hash`` covers all of them.

    :param stored: the user's hash; None if there is no such user, None or empty if the user has no
        password
    :param given: the password that the client sent
    :param accept_plain_text: for migrations: compare a stored value that doesn't look like a hash
        as plain text, and log a warning
    :raises ConfigError: if the extra that can verify this hash is not installed
    """
    if not _can_be_hashed(given):
        return PasswordCheck(False, None)
    is_correct = _verify(stored, given)
    if is_correct is None:
        _verify(DUMMY_HASHES[_new_kind()], given)
        is_correct = _is_plain_text(stored, given, accept_plain_text)
    is_old = is_correct and not is_current(kind_of(stored))
    return PasswordCheck(is_correct, hash_password(given) if is_old else None)


def kind_of(stored: object) -> str:
    """Return which of :data:`KINDS` a stored value is, without a password and without extras."""
    if stored is None or stored == "":
        return NONE
    parsed = _parse(stored)
    return UNKNOWN if parsed is None else parsed[0].kind_of(parsed[1])


def is_current(kind: str) -> bool:
    """Return whether hashes of *kind* are as strong as new ones."""
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
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can contain
        return False


def _verify(stored: object, given: str) -> bool | None:
    """Return whether *given* is correct, or None if *stored* is not a valid hash."""
    parsed = _parse(stored)
    if parsed is None:
        return None
    hash_format, match = parsed
    try:
        return hash_format.verify(match, given)
    except _TooCostly:
        _warn_once(TOO_COSTLY)
        return None
    except ValueError:  # which isn't logged, because its message may contain the hash
        _warn_once(DAMAGED)
        return None


def _is_plain_text(stored: str | None, given: str, is_accepted: bool) -> bool:
    if not stored or _parse(stored) is not None:  # no password, or a damaged hash
        return False
    is_candidate = is_accepted and isinstance(stored, str)
    if not is_candidate or _looks_like_hash(stored):
        _warn_once(UNREADABLE)
        return False
    _warn_once(PLAIN_TEXT)
    return hmac.compare_digest(stored.encode("utf-8", "surrogatepass"), given.encode())


def _looks_like_hash(stored: str) -> bool:
    unwrapped = _unwrap(stored)
    return re.fullmatch(HASH_LIKE, unwrapped, re.I | re.S | re.A) is not None


def _unwrap(stored: str) -> str:
    """Remove what databases and programs put around a hash.

    That is the padding of CHAR columns, quotation marks, and the ``b''`` of ``str(bytes)``.
    """
    bare = stored.strip(_PADDING)
    if bare[:2] in ("b'", 'b"'):
        bare = bare[1:]
    return bare.strip(_PADDING + "'\"`")


_PADDING = " \t\r\n\v\f\0\xa0\u200b\u2060\ufeff"


@cache
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


class _TooCostly(Exception):
    """Raised for a hash that would take too much memory or time to compute."""


# One verifier for each format. It raises ValueError if the hash is damaged.


def _argon2_kind(match: re.Match[str]) -> str:
    variant, version, memory, passes, _, tag = match.groups()
    is_strong = any(int(memory) >= m and int(passes) >= t for m, t in OWASP_ARGON2ID)
    is_modern = variant == "id" and version == "19" and len(tag) >= 22  # 16 bytes
    return ARGON2ID if is_strong and is_modern else ARGON2_WEAKER


def _verify_argon2(match: re.Match[str], given: str) -> bool:
    try:
        from argon2 import PasswordHasher
        from argon2.exceptions import VerificationError, VerifyMismatchError
    except ModuleNotFoundError:
        raise _missing("argon2-cffi", "argon2") from None
    memory, passes, lanes = int(match[3]), int(match[4]), int(match[5])
    if (
        memory > MOST_ARGON2_KIB
        or memory * passes > MOST_ARGON2_KIB_PASSES
        or lanes > MOST_ARGON2_LANES
    ):
        raise _TooCostly
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
    n, r, p = int(match[1]), int(match[2]), int(match[3])
    # It keeps n blocks of 128 r bytes, and p more.
    if 128 * r * (n + p) > MOST_SCRYPT_BYTES + 2**20 or n * r * p > MOST_SCRYPT_BLOCKS:
        raise _TooCostly
    return check_password_hash(match[0], given)


def _pbkdf2_verifier(
    decode_salt: Callable[[str], bytes], decode_hash: Callable[[str], bytes]
) -> Callable[[re.Match[str], str], bool]:
    """Return a verifier of PBKDF2 hashes, given the encodings of the salt and of the hash."""

    def verify(match: re.Match[str], given: str) -> bool:
        digest, rounds = match[1] or "sha1", int(match[2])
        if rounds > MOST_PBKDF2_ROUNDS:
            raise _TooCostly
        expected = decode_hash(match[4])
        computed = hashlib.pbkdf2_hmac(digest, given.encode(), decode_salt(match[3]), rounds)
        if len(computed) != len(expected):
            raise ValueError("cut off")
        return hmac.compare_digest(computed, expected)

    return verify


def _decode_adapted_base64(value: str) -> bytes:
    """Decode Passlib's variant of base64, which has a dot for the plus and no padding."""
    return b64decode(value.replace(".", "+") + "=" * (-len(value) % 4), validate=True)


def _verify_bcrypt(match: re.Match[str], given: str) -> bool:
    try:
        import bcrypt
    except ModuleNotFoundError:
        raise _missing("bcrypt", "bcrypt") from None
    if int(match[1]) > MOST_BCRYPT_COST:
        raise _TooCostly
    # bcrypt 5 rejects longer passwords; the implementation that made this hash cut them off.
    return bcrypt.checkpw(given.encode()[:BCRYPT_BYTES], match[0].encode())


def _missing(package: str, extra: str) -> ConfigError:
    return ConfigError(
        f"This stored password hash needs {package}: pip install 'Flask-JWT-Too[{extra}]'"
    )


class _Format(NamedTuple):
    """Describe a format of stored hashes: its pattern, its kind, and its verifier."""

    pattern: str
    kind_of: Callable[[re.Match[str]], str]
    verify: Callable[[re.Match[str], str], bool]


def _always(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda _: kind


FORMATS = (
    _Format(
        r"\$argon2(id|i|d)\$(?:v=(\d+)\$)?m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,8})"
        r"\$[\w+/]+\$([\w+/]+)",
        _argon2_kind,
        _verify_argon2,
    ),
    _Format(
        r"scrypt:(\d{1,20}):(\d{1,10}):(\d{1,10})\$[^$]*\$[0-9a-f]{128}",
        _scrypt_kind,
        _verify_scrypt,
    ),
    _Format(
        r"pbkdf2:(\w+):(\d{1,20})\$([^$]*)\$([0-9a-f]+)",
        _always(PBKDF2),
        _pbkdf2_verifier(str.encode, bytes.fromhex),
    ),
    _Format(
        r"\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,20})\$([\w./]*)\$([\w./]+)",
        _always(PBKDF2),
        _pbkdf2_verifier(_decode_adapted_base64, _decode_adapted_base64),
    ),
    _Format(
        r"pbkdf2_(sha1|sha256)\$(\d{1,20})\$([^$]*)\$([\w+/]+=*)",
        _always(PBKDF2),
        _pbkdf2_verifier(str.encode, b64decode),
    ),
    _Format(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[\w./]{53}", _always(BCRYPT), _verify_bcrypt),
)


def _parse(stored: object) -> tuple[_Format, re.Match[str]] | None:
    if isinstance(stored, str):
        for hash_format in FORMATS:
            match = re.fullmatch(hash_format.pattern, stored, re.ASCII)
            if match is not None:
                return hash_format, match
    return None
