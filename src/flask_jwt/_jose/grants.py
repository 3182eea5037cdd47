"""Read the scopes and roles in a token, and compare them with those that a guard requires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .claims import Claims, ClaimsView

GrantType = Literal["scopes", "roles"]

ClaimPath = tuple[str, ...]
"""The name of a claim, or the names that lead to a member of it. It isn't a string with dots,
because names of claims may contain dots."""

_SCOPE_CHARACTERS = frozenset(map(chr, range(0x21, 0x7F))) - {'"', "\\"}
"""The characters of scopes (RFC 6749 section 3.3)."""


class AnyOf(tuple[str, ...]):
    """Names of which one is enough; :func:`any_of` makes it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"any_of({', '.join(map(repr, self))})"


def any_of(*names: str) -> AnyOf:
    """Return a requirement that one of *names* meets.

    A list, in contrast, requires all of its names::

        @app.delete("/orders/<int:order_id>")
        @jwt_required(roles=any_of("admin", "support"))
        def delete_order(order_id):
            return "", 204
    """
    return AnyOf(names)


RequiredNames = str | Iterable[str]
"""One name, several names that are all required, or :func:`any_of`."""


class _Grants(NamedTuple):
    scopes: frozenset[str]
    roles: frozenset[str]


class Grants(_Grants):
    """The scopes and the roles of a user. A ``grants_loader`` returns it::

        @jwt.grants_loader
        def load_grants(user, claims):
            return Grants(scopes=user.scopes, roles=user.roles)

    :param scopes: a string with spaces between the scopes, or several strings
    :param roles: one role, or several
    :raises TypeError: if a name is not a string
    """

    __slots__ = ()

    def __new__(cls, scopes: RequiredNames = (), roles: RequiredNames = ()) -> Grants:
        return super().__new__(
            cls, frozenset(list_names("scopes", scopes)), frozenset(list_names("roles", roles))
        )


class GrantClaims(NamedTuple):
    """Name the claims that hold the scopes and the roles."""

    scopes: tuple[ClaimPath, ...] = (("scope",), ("scp",), ("permissions",))
    roles: tuple[ClaimPath, ...] = (("roles",),)


DEFAULT_GRANT_CLAIMS = GrantClaims()


@dataclass(frozen=True, slots=True)
class Requirement:
    """Hold the scopes or the roles that a guard requires."""

    type: GrantType
    names: tuple[str, ...]
    is_any: bool
    """Whether one of the names is enough."""
    is_met_by: Callable[[frozenset[str]], object] = field(init=False, repr=False, compare=False)
    """Returns a true value if the granted names include all of *names*, or one of them if that is
    enough. Names are compared exactly: there are no wildcards and no hierarchy, and case counts."""

    def __post_init__(self) -> None:
        # A method of a set, because the guard calls it at each request.
        names = frozenset(self.names)
        is_met_by = names.intersection if self.is_any else names.issubset
        object.__setattr__(self, "is_met_by", is_met_by)

    def __str__(self) -> str:
        names = [f'"{name}"' for name in self.names]
        if len(names) == 1:
            return f"the {self.type.removesuffix('s')} {names[0]}"
        if self.is_any:
            return f"one of the {self.type} {', '.join(names)}"
        return f"the {self.type} {', '.join(names[:-1])} and {names[-1]}"


def parse_requirement(grant_type: GrantType, required: RequiredNames | None) -> Requirement | None:
    """Return the requirement that is written as *required*; None requires nothing.

    :raises TypeError: if it is not a string, several strings or :func:`any_of`
    :raises ValueError: if it has no names, or a scope has a character that no scope may have
    """
    if required is None:
        return None
    names = tuple(dict.fromkeys(list_names(grant_type, required)))
    if not names:
        # It would let everyone in, although it looks as if it let no one in.
        raise ValueError(
            f"{grant_type} has no names; write at least one, or leave {grant_type} out"
        )
    return Requirement(grant_type, names, isinstance(required, AnyOf))


def list_names(grant_type: GrantType, names: RequiredNames) -> list[str]:
    """Return *names* as a list.

    :raises TypeError: if they are neither a string nor several strings
    :raises ValueError: if a scope has a character that no scope may have
    """
    if isinstance(names, str):
        # A role may contain spaces, and a scope may not.
        names = names.split() if grant_type == "scopes" else [names]
    elif isinstance(names, (bytes, Mapping)) or not isinstance(names, Iterable):
        raise TypeError(f"{grant_type} must be a string or a list of strings, not {names!r}")
    listed = sorted(names, key=str) if isinstance(names, Set) else list(names)
    for name in listed:
        _check_name(grant_type, name)
    return listed


def _check_name(grant_type: GrantType, name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{grant_type} must be strings, not {name!r}")
    if not name or (grant_type == "scopes" and not _SCOPE_CHARACTERS.issuperset(name)):
        raise ValueError(
            f"{name!r} can't be a {grant_type.removesuffix('s')}: a role has at least one "
            "character, and a scope only printable ASCII without spaces, quotes and backslashes"
        )


def read_grants(claims: ClaimsView, sources: GrantClaims) -> Grants:
    """Return the grants in the verified *claims*.

    If a claim has an invalid type, no scopes (or no roles) are granted, because it is unknown what
    its issuer meant.
    """
    # Not with Grants(), which would raise an error for names that another issuer may use.
    return tuple.__new__(
        Grants, (_read(claims, sources.scopes, " "), _read(claims, sources.roles, None))
    )


def replace_grants(
    claims: ClaimsView, granted: ClaimsView, sources: GrantClaims = DEFAULT_GRANT_CLAIMS
) -> Claims:
    """Return *claims* with *granted* in place of all claims from which the same grants are read.

    A guard reads the union of several claims, so the others must not remain beside those given.

    :param granted: ``scope``, ``roles`` or both; an empty one takes away all
    """
    kept = dict(claims)
    for name, paths in (("scope", sources.scopes), ("roles", sources.roles)):
        if name in granted:
            for path in paths:
                kept = _remove_claim(kept, path)
    return {**kept, **granted}


def _remove_claim(claims: ClaimsView, path: ClaimPath) -> Claims:
    name, rest = path[0], path[1:]
    kept = {key: value for key, value in claims.items() if key != name}
    # Only the member is removed, because the others of its claim may be something else. What isn't
    # a mapping is removed as a whole: its JSON might be an object that has the member.
    if rest and isinstance(value := claims.get(name), Mapping):
        kept[name] = _remove_claim(value, rest)
    return kept


def _read(claims: ClaimsView, paths: Iterable[ClaimPath], separator: str | None) -> frozenset[str]:
    granted: set[str] = set()
    try:
        for path in paths:
            granted.update(_parse_names(_find_claim(claims, path), separator))
    except TypeError:
        return frozenset()
    granted.discard("")
    return frozenset(granted)


def _find_claim(claims: ClaimsView, path: ClaimPath) -> object:
    value: object = claims
    for name in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise TypeError
        value = value.get(name)
    return value


def _parse_names(value: object, separator: str | None) -> Iterable[str]:
    if value is None:  # null stands for an empty list in the JSON of some languages
        return ()
    if isinstance(value, str):
        return [value] if separator is None else value.split(separator)
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return value
    raise TypeError


NO_GRANTS = Grants()
