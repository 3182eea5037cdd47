"""``subject_key``: two users have different keys, one user has one key."""

from __future__ import annotations

import enum
from itertools import combinations

import pytest

from flask_jwt._sessions.subjects import subject_key

DIFFERENT = [
    1, "1", True, 1.0, "True", "true", None, "None", "", "joe", "JOE", "joe ", "j\u00f6e",
    "jo\u0308e", "joe\0", "joe\ud800", '"joe"', ["joe"], {"id": "joe"}, {"id": 1}, {"id": "1"}, [],
    {}, 10**30, -1, "x" * 255, "x" * 256,
]  # fmt: skip


def test_different_identities_have_different_keys():
    keys = [subject_key("", identity) for identity in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)
    assert {len(key) for key in keys} == {64}
    assert all(key.isascii() and key == key.lower() for key in keys), "whatever the collation"


class Color(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x": [{"a": 1, "b": 2}]}, {"x": [{"b": 2, "a": 1}]}),
        ({1: "a", "b": 2}, {"b": 2, "1": "a"}),
        (("a", 1), ["a", 1]),
        (Color.RED, "red"),
        (Number.ONE, 1),
    ],
)
def test_what_is_equal_in_a_token_has_one_key(one, other):
    assert subject_key("shop", one) == subject_key("shop", other)


NAMESPACES = ["", "shop", "Shop", "shop ", '","', "https://shop.example"]


@pytest.mark.parametrize(("one", "other"), list(combinations(NAMESPACES, 2)))
def test_namespaces_keep_identities_apart(one, other):
    assert subject_key(one, "joe") != subject_key(other, "joe")
    assert subject_key(one, other + "joe") != subject_key(other, one + "joe")


@pytest.mark.parametrize("identity", [object(), {1, 2}, b"joe", float("nan"), [float("inf")]])
def test_what_json_can_not_represent_is_an_error(identity):
    with pytest.raises((TypeError, ValueError)):
        subject_key("", identity)
