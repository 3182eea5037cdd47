"""Strings of clients, made fit to be stored, logged and shown."""

from __future__ import annotations


def printable(text: str | None, size: int) -> str | None:
    """Return the printable characters of *text*, *size* at most; None where none is left."""
    if text is None:
        return None
    return "".join(character for character in text if character.isprintable())[:size] or None
