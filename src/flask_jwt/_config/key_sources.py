"""Make key sets of configured keys and of the keys that a key loader returns."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from .._jose.key_file import check_mode, read_regular_file
from .._jose.key_set import KeySet
from .._jose.key_text import explain_encoding, is_key_text
from .._jose.keys import ALGORITHMS, InvalidKey, Key
from ..errors import ConfigError
from .settings import Settings

NO_KEY = (
    "There is no secret to sign tokens with. Generate one with `flask jwt secret` and set "
    "SECRET_KEY or JWT_SECRET_KEY to it. An application that only verifies tokens of another "
    "issuer needs JWT_PUBLIC_KEY, or a decode_key_loader that is set before init_app()."
)

#: SHA-256 digests of the secrets that this package's documentation and examples have shown. Anyone
#: can sign tokens with them. Digests, so that a search for a secret doesn't lead here.
DOCUMENTED_SECRETS = frozenset(
    {
        "143b48eda445a2b9e52d54cb1e7d8ef10177f8018c4852b74d1c843a369ad2df",
        "5ec3719b2bea1b3751c442c5c72c429e08fe6a03b0b47a56bde9dd4b0b344863",
    }
)


def load_configured_keys(settings: Settings, *, allow_documented: bool = False) -> KeySet:
    """Return the secrets or the key pair in *settings*, which must not name a key file.

    :param allow_documented: accept the secrets that stand in the documentation
    :raises ConfigError: if there is no valid key; the message names the option to change
    """
    is_symmetric = settings.is_symmetric
    has_pair = bool(settings.private_key or settings.public_key)
    if has_pair and not (is_symmetric and settings.profile.algorithm_names_key):
        return KeySet(_load_pair(settings))
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
    if not allow_documented:
        _reject_documented(secrets)
    # The key with the highest sign_from signs, and these low timestamps passed long ago: the
    # current secret signs and the earlier ones only verify.
    newest_first = range(len(secrets), 0, -1)
    keys = []
    for secret, order in zip(secrets, newest_first, strict=True):
        try:
            key = Key.from_secret(secret, settings.algorithm, publish_kid=False, sign_from=order)
        except InvalidKey as error:
            raise InvalidKey(f"{_name_secret(secret, settings)}: {error}") from None
        keys.append(key)
    return KeySet(_add_algorithms(keys, settings.decode_algorithms))


def _name_secret(secret: bytes, settings: Settings) -> str:
    """Return the option that *secret* stands in."""
    if secret == settings.flask_secret:
        return "SECRET_KEY"
    return "JWT_SECRET_KEY" if secret == settings.secret else "SECRET_KEY_FALLBACKS"


def _reject_documented(secrets: Iterable[bytes]) -> None:
    for secret in secrets:
        # A secret that was read from a file may end with a line break.
        if hashlib.sha256(secret.strip()).hexdigest() in DOCUMENTED_SECRETS:
            raise ConfigError(
                "This secret stands in the documentation of Flask-JWT-Too, so anyone can sign "
                "tokens with it. `flask jwt secret` prints a new one; set SECRET_KEY or "
                "JWT_SECRET_KEY to it."
            )


def load_returned_keys(material: object, settings: Settings) -> KeySet:
    """Make a key set of the key that a key loader returned.

    :param material: any form that :meth:`.Key.from_any` takes, or a secret
    :raises UnsuitableKey: if *material* is a JWK that is for something else
    :raises InvalidKey: if *material* is invalid, or fits none of the algorithms
    """
    algorithms: tuple[str, ...] = ()
    if "JWT_ALGORITHM" in settings.explicit or settings.decode_algorithms:
        algorithms = tuple(dict.fromkeys((settings.algorithm, *settings.decode_algorithms)))
    if isinstance(material, (str, bytes)):
        data = material.encode() if isinstance(material, str) else material
        accepted = algorithms or (settings.algorithm,)
        symmetric = [name for name in accepted if ALGORITHMS[name].kty == "oct"]
        # The form decides, and never the token: a PEM key is not taken for a secret, with which
        # anyone could sign who knows the public key.
        if symmetric and not is_key_text(data):
            key = Key.from_secret(data, symmetric[0], publish_kid=False)
            return KeySet(_add_algorithms([key], symmetric))
    allow_weak = settings.profile.allows_weak_keys
    return KeySet(_parse_key(material, algorithms, algorithms, allow_weak=allow_weak))


def _parse_key(
    material: object, algorithms: Sequence[str], more: Sequence[str], *, allow_weak: bool
) -> list[Key]:
    """Parse a key, and copy it for each of the algorithms in *more* that it fits."""
    key = Key.from_any(material, algorithms, allow_weak=allow_weak)
    return _add_algorithms([key], more)


def _add_algorithms(keys: list[Key], algorithms: Sequence[str]) -> list[Key]:
    """Add copies of *keys* for those of *algorithms* that fit them.

    Each key has one algorithm (RFC 8725 section 3.1), so a second algorithm needs a second key.
    """
    copies = [
        key.with_algorithm(other)
        for key in keys
        if not key.fixed_algorithm
        for other in dict.fromkeys(algorithms)
        if other != key.algorithm and _use_same_keys(other, key.algorithm)
    ]
    return [*keys, *copies]


def _use_same_keys(algorithm: str, other: str) -> bool:
    first, second = ALGORITHMS[algorithm], ALGORITHMS[other]
    return first.kty == second.kty and (first.kty in ("oct", "RSA") or first == second)


def _load_pair(settings: Settings) -> list[Key]:
    """Return the private key, if there is one, and the public keys that verify beside it."""
    # Not split further: the two options are judged together, in the order of this list.
    # JWT_ALGORITHM's default, HS256, doesn't fit a key pair. If it isn't set, the type of the key
    # determines the algorithm.
    signing = (settings.algorithm,) if "JWT_ALGORITHM" in settings.explicit else ()
    verifying = (*signing, *settings.decode_algorithms) if signing else ()
    is_list = isinstance(settings.public_key, tuple)
    listed = settings.public_key if is_list else (settings.public_key,)
    private = _read_pair_key("JWT_PRIVATE_KEY", settings.private_key, signing, settings)
    keys = {} if private is None else {private.thumbprint(): private}
    if private is not None and not private.can_sign:
        raise InvalidKey("JWT_PRIVATE_KEY holds a public key: put it into JWT_PUBLIC_KEY")
    for number, material in enumerate(listed, 1):
        option = f"JWT_PUBLIC_KEY {number}" if is_list else "JWT_PUBLIC_KEY"
        if (key := _read_pair_key(option, material, verifying, settings)) is not None:
            keys.setdefault(key.thumbprint(), key.public())
    # With a list, the private key may be replaced first and the list later.
    if private is not None and len(keys) > 1 and not is_list:
        raise InvalidKey("JWT_PUBLIC_KEY is not the public key of JWT_PRIVATE_KEY")
    return _add_algorithms(list(keys.values()), settings.decode_algorithms)


def _read_pair_key(
    option: str, material: Any, algorithms: Sequence[str], settings: Settings
) -> Key | None:
    if material is None:
        return None
    try:
        content, status = material, None
        if isinstance(material, (str, bytes)):
            content, status = read_key(material)
        key = Key.from_any(content, algorithms, allow_weak=settings.profile.allows_weak_keys)
        if status is not None and key.can_sign:
            check_mode(os.fsdecode(material), status)
    except InvalidKey as error:
        raise InvalidKey(f"{option}: {error}") from None
    if key.is_secret:
        raise InvalidKey(f"{option} holds a secret: put it into JWT_SECRET_KEY")
    return key


def read_key(key_or_path: str | bytes) -> tuple[bytes, os.stat_result | None]:
    """Return a key unchanged, or read it from the file at a path.

    :returns: the key, and the status of the file
    :raises InvalidKey: if the argument is neither a key nor the path of a readable file
    """
    data = key_or_path.encode() if isinstance(key_or_path, str) else key_or_path
    if is_key_text(data):
        return data, None
    try:
        content, status = read_regular_file(data)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a path"
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            reason = "it has no -----BEGIN line"
        if isinstance(error, FileNotFoundError) and data.endswith(_KEY_SUFFIXES):
            # Other values aren't quoted: they may be secrets.
            reason = f"there is no file {os.path.abspath(os.fsdecode(data))}"
        raise InvalidKey(
            explain_encoding(data)
            or f"The value is neither a PEM key nor the path of a readable file: {reason}"
        ) from None
    if not content.strip():
        raise InvalidKey("The file is empty")
    return content, status


_KEY_SUFFIXES = (b".pem", b".key", b".pub", b".crt", b".cer", b".der", b".json")
