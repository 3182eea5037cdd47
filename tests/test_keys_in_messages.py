"""Secrets in the wrong option must not appear in the message about it."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from flask_jwt import JWT, ConfigError

JWK = {"d": "SENSITIVE", "kty": "OKP", "crv": "Ed25519", "x": "AAAA"}
PEM = "-----BEGIN PRIVATE KEY-----\nSENSITIVE\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("JWT_KEY_FILE", {"keys": [JWK]}),
        ("JWT_KEY_FILE", json.dumps({"keys": [JWK]})),
        ("JWT_KEY_FILE", json.dumps({"keys": [JWK]}, indent=2)),
        ("JWT_PUBLIC_KEY", ["", JWK]),
        ("JWT_PUBLIC_KEY", [None, PEM]),
        ("JWT_PRIVATE_KEY", [PEM]),
        ("JWT_STORAGE_URI", "SENSITIVE"),
    ],
)
def test_no_message_quotes_a_secret(option, value):
    app = Flask("tested")
    app.config[option] = value
    with pytest.raises(ConfigError, match=option) as caught:
        JWT(app)
    assert "SENSITIVE" not in str(caught.value)
