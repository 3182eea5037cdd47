"""What a token grants, and what a guard requires."""

from __future__ import annotations

import random

import pytest

from flask_jwt import Grants, any_of
from flask_jwt._jose.grants import GrantClaims, parse_requirement, read_grants


@pytest.mark.parametrize(("claims", "scopes"), {
    "a string": ({"scope": "a b"}, {"a", "b"}),
    "several spaces": ({"scope": " a  b "}, {"a", "b"}),
    "an empty string": ({"scope": ""}, set()),
    "a tab is no separator": ({"scope": "a\tb"}, {"a\tb"}),
    "a list": ({"scope": ["a", "b"]}, {"a", "b"}),
    "an empty list": ({"scope": []}, set()),
    "null": ({"scope": None, "permissions": ["a"]}, {"a"}),
    "three claims": ({"scope": "a", "scp": ["b"], "permissions": ["c"]}, {"a", "b", "c"}),
    "another claim": ({"scopes": "a"}, set()),
    "a number": ({"scope": 1}, set()),
    "true": ({"scope": True}, set()),
    "an object": ({"scope": {"a": True}}, set()),
    "a list with a number": ({"scope": ["a", 1]}, set()),
    "a list in a list": ({"scope": [["a"]]}, set()),
    "a wrong type beside a right one": ({"scope": "a", "permissions": 1}, set()),
}.values(), ids=str)  # fmt: skip
def test_the_scopes_of_a_token(claims, scopes):
    assert read_grants(claims, GrantClaims()).scopes == scopes


@pytest.mark.parametrize(("claims", "roles"), {
    "one role, which may contain a space": ({"roles": "store manager"}, {"store manager"}),
    "a list": ({"roles": ["admin", "staff"]}, {"admin", "staff"}),
    "a member of a claim": ({"realm_access": {"roles": ["a"]}}, {"a"}),
    "both": ({"roles": ["b"], "realm_access": {"roles": ["a"]}}, {"a", "b"}),
    "a member that is missing": ({"realm_access": {}}, set()),
    "a claim that is no object": ({"roles": ["b"], "realm_access": ["roles"]}, set()),
    "a claim with a colon": ({"cognito:groups": ["a"]}, {"a"}),
}.values(), ids=str)  # fmt: skip
def test_the_roles_of_a_token(claims, roles):
    sources = GrantClaims(roles=(("roles",), ("realm_access", "roles"), ("cognito:groups",)))
    assert read_grants(claims, sources).roles == roles


@pytest.mark.parametrize(("written", "names", "is_any"), [
    ("a", ("a",), False),
    ("a b", ("a", "b"), False),
    (["a", "b", "a"], ("a", "b"), False),
    (("a", "b"), ("a", "b"), False),
    ({"b", "a"}, ("a", "b"), False),
    (any_of("a", "b"), ("a", "b"), True),
    (iter(["a"]), ("a",), False),
], ids=["one", "two", "list", "tuple", "set", "any_of", "iterator"])  # fmt: skip
def test_what_a_guard_may_require(written, names, is_any):
    requirement = parse_requirement("scopes", written)
    assert (requirement.names, requirement.is_any) == (names, is_any)


def test_a_role_may_contain_spaces():
    assert parse_requirement("roles", "store manager").names == ("store manager",)


@pytest.mark.parametrize("type", ["scopes", "roles"])
@pytest.mark.parametrize("written", ["", [], (), set(), any_of(), [""], any_of("a", "")], ids=repr)
def test_a_requirement_without_a_name_is_an_error(type, written):
    with pytest.raises(ValueError, match=r"has no names; write at least one|can't be a"):
        parse_requirement(type, written)


@pytest.mark.parametrize("type", ["scopes", "roles"])
@pytest.mark.parametrize("written", [5, True, b"a", {"a": 1}, [5], [None], [any_of("a")]], ids=repr)
def test_anything_else_is_a_type_error(type, written):
    with pytest.raises(TypeError, match=rf"{type} must be"):
        parse_requirement(type, written)


@pytest.mark.parametrize("scope", ['a"', "a\\", "ä", ["a b"], "a\x7f", ["a\n"]], ids=repr)
def test_a_scope_has_only_characters_that_a_challenge_can_hold(scope):
    with pytest.raises(ValueError, match="printable ASCII"):
        parse_requirement("scopes", scope)


def test_grants_are_compared_and_never_changed():
    grants = Grants("a b", ["admin"])
    assert grants == Grants({"b", "a"}, "admin")
    assert grants.scopes == {"a", "b"}
    with pytest.raises(AttributeError):
        grants.scopes = frozenset()


def is_allowed(claims, names, is_any):
    """Decide as a reader of RFC 6749 would: the reference of the next test."""
    granted = set()
    for value in (claims.get(name) for name in ("scope", "scp", "permissions")):
        if isinstance(value, str):
            granted |= set(value.split(" ")) - {""}
        elif isinstance(value, list) and all(isinstance(name, str) for name in value):
            granted |= set(value)
        elif value is not None:
            return False
    return any(n in granted for n in names) if is_any else all(n in granted for n in names)


def test_10_000_random_pairs_equal_the_reference():
    chance = random.Random(1)
    names = ["a", "b", "A", "a:b", "a.b", "b*", "*"]
    allowed = 0

    def some():
        return chance.sample(names, chance.randint(0, 4))

    kinds = [lambda: " ".join(some()), some, some, lambda: chance.choice([None, 5, {}, [1]])]
    for _ in range(10_000):
        present = [n for n in ("scope", "scp", "permissions") if chance.random() < 0.6]
        claims = {name: chance.choice(kinds)() for name in present}
        required, is_any = chance.sample(names, chance.randint(1, 3)), chance.random() < 0.5
        requirement = parse_requirement("scopes", any_of(*required) if is_any else required)
        result = bool(requirement.is_met_by(read_grants(claims, GrantClaims()).scopes))
        assert result == is_allowed(claims, required, is_any), (claims, required, is_any)
        allowed += result
    assert 1_000 < allowed < 9_000  # both outcomes are tested
