"""Iterators as option values: they are empty when the options are parsed a second time."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError

from .support import make_app


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("JWT_VERIFY_CLAIMS", ["signature", "exp", "nbf", "iat"]),
        ("JWT_REQUIRED_CLAIMS", ["exp"]),
        ("JWT_CSRF_METHODS", ["POST"]),
        ("JWT_TOKEN_LOCATION", ["headers"]),
        ("JWT_DECODE_ALGORITHMS", ["HS256"]),
        ("JWT_DECODE_AUDIENCE", ["shop"]),
        ("JWT_ENCODE_AUDIENCE", ["shop"]),
    ],
)
def test_an_iterator_is_rejected_at_the_start(option, value):
    """Parsed again after another change, it would have turned the check of exp or CSRF off."""
    for iterator in (iter(value), map(str, value), (name for name in value)):
        with pytest.raises(ConfigError, match=option):
            make_app(**{option: iterator})
    make_app(**{option: dict.fromkeys(value).keys()})
