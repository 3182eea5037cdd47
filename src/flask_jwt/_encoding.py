"""Strict base64url and strict JSON: one text, one meaning.

Python's own decoders forgive what RFC 7515 doesn't (padding, other alphabets,
stray bits, UTF-16, NaN, repeated members). Forgiving parsers that disagree
about the same bytes are how forged tokens get through, so these don't.
"""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

MAX_DEPTH = 64
"""Objects and arrays may be nested this deep."""


def b64encode(data: bytes) -> str:
    """*data* as base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64decode(segment: str) -> bytes:
    """The bytes of a base64url *segment*.

    :raises ValueError: for anything :func:`b64encode` would not have written: padding, white
        space, another alphabet, bits set beyond the last byte
    """
    encoded = segment.encode("ascii")
    data = urlsafe_b64decode(encoded + b"==")
    if urlsafe_b64encode(data).rstrip(b"=") != encoded:
        raise ValueError("not canonical base64url")
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
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def check_depth(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise ValueError where *value* is nested deeper than *depth*."""
    if isinstance(value, (dict, list)):
        if depth == 0:
            raise ValueError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            check_depth(item, depth - 1)
