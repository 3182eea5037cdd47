"""Explain why a string is not a token, for the ``hint`` of an error.

No explanation quotes the string, because a part of it may be a valid token.
"""

from __future__ import annotations

from .encoding import ALPHABET

#: What programs write in place of a variable that has no value. These may be quoted.
_EMPTY_VALUES = {
    "undefined", "null", "none", "nil", "nan", "false", "true", "[object object]",
    "[object promise]", "token", "access_token", "jwt",
}  # fmt: skip
_PLACEHOLDERS = ("<", "{{", "${", "$", "%", ":", "[")
_CHARACTERS = frozenset(ALPHABET.decode("ascii"))
_ENDS_OF_LINES = frozenset(" \t\r\n\v\f")

_SEND = 'Send the "access_token" of the login\'s response'
_NOT_A_JWT = (
    "A JWT has three parts with dots between them, and this is one word, perhaps an opaque token, "
    "an API key or a session id. Another issuer may issue JWTs only for a requested audience. Of "
    f"this application: {_SEND[0].lower()}{_SEND[1:]}"
)
_CUT_OFF = (
    "A JWT has three parts with dots between them. A part of this one is missing: it was cut off"
)
_ENCRYPTED = (
    "This token has five parts, so it is encrypted (JWE, RFC 7516). Have the issuer issue signed "
    "access tokens (JWS)"
)

_SHORTEST_SIGNATURE = 43  # of HS256, in base64url


def explain_signature(segment: bytes) -> str | None:
    """Return that the signature in *segment* was cut off, if it is shorter than any signature."""
    if len(segment) < _SHORTEST_SIGNATURE:
        return "The end of this token is missing: its signature was cut off"
    return None


def explain_malformed(token: str) -> str | None:
    """Return what is wrong with *token* and what to send instead, or None if that isn't clear."""
    # One list of mistakes, the most specific ones first.
    bare = token.strip()
    if bare.lower() in _EMPTY_VALUES:
        return (
            f'The client sent "{bare}" in place of a token: its variable has no value yet. {_SEND}'
        )
    if bare.startswith(("{", "[")) and '"' in bare:
        return (
            'The client sent a JSON document in place of a token. Send only its "access_token", '
            "without quotation marks"
        )
    if bare.lower().startswith(("bearer", "jwt ")):
        return "The scheme stands in the token. Send the token alone here, without 'Bearer'"
    core = _strip_surroundings(token)
    if core.count(".") == 2 and core != token and _CHARACTERS.issuperset(core.replace(".", "")):
        return _explain_surroundings(token, core)
    if bare.startswith(_PLACEHOLDERS):
        return "The client sent a placeholder in place of a token: nothing has replaced it"
    return _explain_content(token)


def _strip_surroundings(token: str) -> str:
    """Return *token* without the characters around it that no token has."""
    start = 1 if token[:2] in ("b'", 'b"') else 0
    return token[start:].strip("".join(set(token) - _CHARACTERS - {"."}))


def _explain_surroundings(token: str, core: str) -> str:
    start, _, end = token.partition(core)
    if start[:1] == "b":
        return "This is str() of bytes. Decode them before sending: token.decode()"
    if _ENDS_OF_LINES.issuperset(start + end):
        return "There is a line break or a blank beside the token. Strip it before sending"
    if start == "" and _ENDS_OF_LINES.issuperset(end.replace("=", "")):
        return "The token ends with padding (=), which a JWT doesn't have (RFC 7515 section 2)"
    return "There are other characters around the token, such as quotation marks. Send it alone"


def _explain_content(token: str) -> str | None:
    characters = set(token) - {"."}
    if not _CHARACTERS.issuperset(characters):
        if "%" in characters:
            return "The token is URL-encoded. Decode it, or don't encode it: it needs no encoding"
        if not _ENDS_OF_LINES.isdisjoint(characters):
            return "There are blanks or line breaks in the token. Send it in one piece"
        if characters <= _CHARACTERS | set("+/="):
            return "The token is in base64, but a JWT is in base64url: - for +, _ for /, and no ="
        return None
    dots = token.count(".")
    if dots == 0:
        return _NOT_A_JWT
    return {1: _CUT_OFF, 4: _ENCRYPTED}.get(dots)
