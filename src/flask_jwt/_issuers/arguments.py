"""Parse the arguments of an Issuer that are strings, or names of claims."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from .._jose.grants import ClaimPath
from ..errors import ConfigError

Path = str | ClaimPath
"""The name of a claim, or the names that lead to a member of one."""


def parse_paths(name: str, value: object) -> tuple[ClaimPath, ...]:
    """Return paths of claims: each item is the name of a claim, or several that lead to a member.

    :param name: the argument, for the message of the error
    :raises ConfigError: if *value* is anything else
    """
    if isinstance(value, str) and value:
        return ((value,),)
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ConfigError(
            f"Issuer: {name} must be a list of names of claims; a sequence of names leads to a "
            "member: [('realm_access', 'roles')]"
        )
    return tuple(
        (path,) if isinstance(path, str) and path else parse_strings(name, path) for path in value
    )


def parse_strings(name: str, value: object) -> tuple[str, ...]:
    """Return one or more strings, in their order.

    :param name: the argument, for the message of the error
    :raises ConfigError: if *value* is anything else
    """
    strings = (value,) if isinstance(value, str) else value
    if not isinstance(strings, Collection) or isinstance(strings, (bytes, Mapping)):
        strings = ()
    if not strings or not all(isinstance(text, str) and text for text in strings):
        raise ConfigError(f"Issuer: {name} must be a string, or a list of one or more of them")
    return tuple(strings if isinstance(strings, Sequence) else sorted(strings))
