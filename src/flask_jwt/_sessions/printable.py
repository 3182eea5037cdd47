"""Clean strings that clients send, before they are stored, logged or shown."""

from __future__ import annotations


def printable(value: str | None, size: int) -> str | None:
    """Return at most *size* printable characters of *value*, or None if none is left."""
    if value is None:
        return None
    return "".join(character for character in value if character.isprintable())[:size] or None
