"""Claims of another issuer that no float can hold, and claims of the wrong type for a key loader."""

from __future__ import annotations

import base64
import json
from collections import UserDict
from datetime import timedelta

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from flask_jwt import JWT
from flask_jwt.extended import JWTManager
from flask_jwt.stores.memory import MemoryStore

from .support import code, get, make_app, public_pem

PRIVATE = ed25519.Ed25519PrivateKey.generate()


def sign(clock, **claims):
    """Sign claims that PyJWT would not write."""

    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    times = {"iat": clock(), "nbf": clock(), "exp": clock() + 60}
    claims = {"sub": "1", **times, **claims}
    message = encode(b'{"alg":"EdDSA"}') + b"." + encode(json.dumps(claims).encode())
    return (message + b"." + encode(PRIVATE.sign(message))).decode()


@pytest.fixture
def verifier(clock):
    return make_app(
        JWT_PUBLIC_KEY=public_pem(PRIVATE),
        SECRET_KEY=None,
        clock=clock,
        users=False,
        store=MemoryStore(),
        guards={"/recent": {"fresh": timedelta(minutes=2)}, "/protected": {}},
    )


@pytest.mark.parametrize(("huge", "status"), [(10**400, 200), (-(10**400), 401)])
def test_a_huge_auth_time_is_no_server_error(verifier, clock, huge, status):
    token = sign(clock, auth_time=huge)
    assert get(verifier, "/recent", token).status_code == status


@pytest.mark.parametrize("huge", [10**400, -(10**400)])
def test_a_huge_iat_is_no_server_error(verifier, clock, huge):
    verifier.config["JWT_VERIFY_CLAIMS"] = ["signature", "exp", "nbf"]
    with pytest.warns(UserWarning, match="iat"):
        response = get(verifier, "/protected", sign(clock, iat=huge, sid="0" * 32))
    assert response.status_code in (200, 401)


@pytest.mark.parametrize("issuer", [[], {}, None, 1])
@pytest.mark.parametrize(("extension", "status"), [(JWT, 401), (JWTManager, 422)])
def test_a_key_loader_gets_an_issuer_that_is_a_string(clock, extension, status, issuer):
    """A loader that chooses among issuers uses it as the key of a dict; a list is a TypeError."""
    app = make_app(extension, clock=clock, users=False)
    app.jwt.decode_key_loader(lambda header, payload: {"x": "y"}[payload["iss"]])
    app.config["PROPAGATE_EXCEPTIONS"] = True
    assert code(get(app, "/protected", sign(clock, iss=issuer)))[0] == status


def test_a_key_that_a_loader_changes_in_place_counts_at_once(clock):
    first, second = (
        pyjwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        for key in (PRIVATE, ed25519.Ed25519PrivateKey.generate())
    )
    app = make_app(clock=clock, users=False)
    jwk = UserDict(first)
    app.jwt.decode_key_loader(lambda header, payload: jwk)
    token = sign(clock)
    assert get(app, "/protected", token).status_code == 200
    jwk.update(second)
    assert get(app, "/protected", token).status_code == 401
