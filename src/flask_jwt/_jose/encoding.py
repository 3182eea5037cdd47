"""Encode and decode base64url and JSON strictly.

Python's decoders accept input that RFC 7515 and RFC 8259 forbid: padding, characters outside the
alphabet, stray bits, UTF-16, NaN and repeated members. If two parsers read the same bytes
differently, an attacker can show a different token to each of them. The decoders here reject
everything that has more than one reading.
"""

from __future__ import annotations

import json
import math
from binascii import Error, a2b_base64, b2a_base64
from typing import Any, NoReturn

MAX_DEPTH = 64
"""The maximum nesting depth of objects and arrays."""

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PADDING = (b"", b"=", b"==", b"")
_TO_URL = bytes.maketrans(b"+/", b"-_")
#: Translates to the standard alphabet. "+" and "/", which base64url doesn't have, become "!" like
#: every other invalid byte, so that binascii skips them and the length check finds them.
_FROM_URL = bytes(byte if byte in ALPHABET else ord("!") for byte in range(256)).translate(
    bytes.maketrans(b"-_", b"+/")
)
#: The valid last characters, by the number of characters that are missing from the last group of
#: four. The unused low bits of the last character must be zero, or several strings would decode to
#: the same bytes. No encoding leaves a group of one character.
_VALID_LAST_CHARACTERS = {1: ALPHABET[::4], 2: ALPHABET[::16], 3: b""}


def b64encode(data: bytes) -> str:
    """Encode *data* as base64url without padding (RFC 7515 section 2)."""
    return b64encode_bytes(data).decode("ascii")


def b64encode_bytes(data: bytes) -> bytes:
    """Encode *data* like :func:`b64encode`, but return bytes."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def b64decode(segment: bytes) -> bytes:
    """Decode a base64url *segment*.

    :raises ValueError: if :func:`b64encode` could not have returned *segment*: it has padding,
        white space, characters outside the alphabet, or bits set beyond the last byte
    """
    missing = -len(segment) % 4
    if missing and segment[-1] not in _VALID_LAST_CHARACTERS[missing]:
        raise ValueError("not canonical base64url")
    try:
        data = a2b_base64(segment.translate(_FROM_URL) + _PADDING[missing])
    except Error:
        raise ValueError("not base64url") from None
    if len(data) != len(segment) * 3 // 4:  # binascii skips invalid characters silently
        raise ValueError("not base64url")
    return data


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _parse_finite(literal: str) -> float:
    number = float(literal)
    if math.isfinite(number):
        return number
    raise ValueError("a number is out of range")


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_float=_parse_finite, parse_constant=_reject_constant
)


def parse_json(data: bytes) -> Any:
    """Parse a JSON document in UTF-8.

    :raises ValueError: also for a byte order mark, another encoding, NaN and infinities, numbers
        out of range, repeated members, lone surrogates, and nesting past :data:`MAX_DEPTH`
    """
    document = data.decode("utf-8")
    try:
        # decode() also accepts white space around the value, for which it runs two regular
        # expressions. Tokens have none, which saves 1 % of a request that verifies a signature.
        try:
            value, end = _decoder.raw_decode(document)
        except json.JSONDecodeError:
            value, end = None, -1
        if end != len(document):
            value = _decoder.decode(document)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Counting brackets is cheap. Only a document with enough of them can be nested too deeply.
    if document.count("{") + document.count("[") > MAX_DEPTH:
        check_depth(value)
    # An escape such as \ud800 makes a lone surrogate, which UTF-8 can't encode.
    if "\\" in document and ("\\ud" in document or "\\uD" in document):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check_depth(value: object, depth: int = MAX_DEPTH) -> None:
    """Raise ValueError if *value* is nested deeper than *depth*."""
    if isinstance(value, (dict, list)):
        if depth == 0:
            raise ValueError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, (dict, list)):
                check_depth(item, depth - 1)
