"""Decide which user names, and which addresses, are counted as one."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

from .similar_letters import SIMILAR_LETTERS

# Many databases treat names as equal that differ in case, accents, width, punctuation or invisible
# characters. If each variant of "joe" ("Joe", "joe ", "jo\u00e9") had counters of its own, an
# attacker would get a full set of attempts for each. The cost is that users with similar names
# share counters, but only at an address from which neither of them has logged in before.

_LAST_OF_PLANE_0 = "\uffff"
_REPLACEMENT = "\ufffd"

# Collations of some languages take "ae" for the letter a with a diaeresis, "aa" for one with a
# ring, and a sharp s for one s or for two.
_E_AFTER_VOWEL = re.compile("(?<=[aou])e+")
_REPEATED = re.compile(r"([as])\1+")


def normalize_username(account: str) -> str:
    """Return the form of a user name under which its failures are counted."""
    # Character by character, so the time grows with the length only. Otherwise combining marks
    # would be sorted, which takes the square of it.
    return _merge_spellings("".join(map(_normalize_character, account)))


def normalize_astral(account: str) -> str | None:
    """Return a second form for a name with characters beyond U+FFFF, and None for other names.

    Older collations of MySQL and MariaDB take all of these characters for the same one, whereas
    others take some of them for letters.
    """
    if all(character <= _LAST_OF_PLANE_0 for character in account):
        return None
    replaced = (c if c <= _LAST_OF_PLANE_0 else _REPLACEMENT for c in account)
    return "astral " + normalize_username("".join(replaced))


def _merge_spellings(name: str) -> str:
    return _REPEATED.sub(r"\1", _E_AFTER_VOWEL.sub("", name))


@lru_cache(65536)
def _normalize_character(character: str) -> str:
    # The iota subscript would become a letter.
    decomposed = unicodedata.normalize("NFKD", character).replace("\u0345", "")
    folded = unicodedata.normalize("NFKD", decomposed.casefold())
    return "".join(map(_fold, folded))


def _fold(character: str) -> str:
    if character in SIMILAR_LETTERS:
        return SIMILAR_LETTERS[character]
    if character == _REPLACEMENT:
        return character
    category = unicodedata.category(character)
    # Control characters and marks are ignored by many collations; blanks, punctuation, symbols and
    # modifiers by those of ICU with "alternate shifted".
    if category[0] in "CMPSZ" or category == "Lm":
        return ""
    if category[0] == "N":
        number = unicodedata.numeric(character, -1)
        if number >= 0 and number == int(number):
            return str(int(number))
    return character if character <= _LAST_OF_PLANE_0 else _REPLACEMENT


def is_private(address: str) -> bool:
    """Return whether *address* is a loopback or private address, which suggests a proxy."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_private
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Return whether *address* is a loopback address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def normalize_address(address: str | None) -> str:
    """Return the string that identifies a client: an IPv4 address, or the /64 of an IPv6 address.

    A provider's customer usually has at least a /64, and can use any address in it.
    """
    bare = address or ""
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:  # some proxies add a port, which is different for each connection
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return address or "nowhere"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
