"""Strict base64url and strict JSON: one text, one meaning.

Python's own decoders forgive what RFC 7515 doesn't (padding, other alphabets,
stray bits, UTF-16, NaN, repeated members). Forgiving parsers that disagree
about the same bytes are how forged tokens get through, so these don't.
"""

from __future__ import annotations

import json
import math
from binascii import Error, a2b_base64, b2a_base64
from typing import Any

MAX_DEPTH = 64
"""Objects and arrays may be nested this deep."""

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PADDING = (b"", b"=", b"==", b"")
_TO_URL = bytes.maketrans(b"+/", b"-_")
#: What isn't base64url becomes what isn't base64 either.
_FROM_URL = bytes(byte if byte in ALPHABET else ord("!") for byte in range(256)).translate(
    bytes.maketrans(b"-_", b"+/")
)
#: What the last character may be where that many are missing to a group of four: its bits beyond
#: the last byte are zero.
_LAST = {1: ALPHABET[::4], 2: ALPHABET[::16], 3: b""}


def b64encode(data: bytes) -> str:
    """*data* as base64url without padding (RFC 7515 section 2)."""
    return b64encode_bytes(data).decode("ascii")


def b64encode_bytes(data: bytes) -> bytes:
    """:func:`b64encode`, not yet text."""
    return b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def b64decode(segment: bytes) -> bytes:
    """The bytes of a base64url *segment*.

    :raises ValueError: for anything :func:`b64encode` would not have written: padding, white
        space, another alphabet, bits set beyond the last byte
    """
    missing = -len(segment) % 4
    if missing and segment[-1] not in _LAST[missing]:
        raise ValueError("not canonical base64url")
    try:
        data = a2b_base64(segment.translate(_FROM_URL) + _PADDING[missing])
    except Error:
        raise ValueError("not base64url") from None
    if len(data) != len(segment) * 3 // 4:  # it skips characters that it doesn't know
        raise ValueError("not base64url")
    return data


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise ValueError("a number is out of range")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant
)


def parse_json(data: bytes) -> Any:
    """The value of a UTF-8 JSON text.

    :raises ValueError: also for a byte order mark, another encoding, NaN and infinities, numbers
        out of range, repeated members, lone surrogates, and nesting past :data:`MAX_DEPTH`
    """
    text = data.decode("utf-8")
    try:
        value = _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("{") + text.count("[") > MAX_DEPTH:
        check_depth(value)
    if "\\" in text and ("\\ud" in text or "\\uD" in text):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check_depth(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise ValueError where *value* is nested deeper than *depth*."""
    if isinstance(value, (dict, list)):
        if depth == 0:
            raise ValueError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, (dict, list)):
                check_depth(item, depth - 1)
