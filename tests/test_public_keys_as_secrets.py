"""Public keys in forms that aren't PEM: anyone knows them, so none may become an HMAC secret."""

from __future__ import annotations

import base64
import os

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from flask_jwt import JWT, ConfigError
from flask_jwt._jose.keys import Key
from flask_jwt.extended import JWTManager

from .support import get, make_app, rsa_key

RSA = rsa_key()
ED25519 = ed25519.Ed25519PrivateKey.generate()


def _public(key, encoding, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(encoding, form)


SSH = _public(RSA, Encoding.OpenSSH, PublicFormat.OpenSSH)
FORMS = {
    "der": _public(RSA, Encoding.DER),
    "pkcs1": _public(RSA, Encoding.DER, PublicFormat.PKCS1),
    "base64 of der": base64.b64encode(_public(RSA, Encoding.DER)),
    "base64 of der in lines": base64.encodebytes(_public(RSA, Encoding.DER)),
    "base64 of pkcs1": base64.b64encode(_public(RSA, Encoding.DER, PublicFormat.PKCS1)),
    "base64 of ed25519": base64.b64encode(_public(ED25519, Encoding.DER)),
    "base64 of pem": base64.b64encode(_public(RSA, Encoding.PEM)),
    "ssh after a byte order mark": b"\xef\xbb\xbf" + SSH,
    "ssh with options": b"restrict " + SSH,
    "ssh base64": SSH.split()[1],
}


@pytest.fixture(params=FORMS.values(), ids=FORMS.keys())
def material(request):
    return request.param


@pytest.mark.parametrize("extension", [JWT, JWTManager])
def test_nobody_signs_with_a_public_key_that_a_loader_returns(extension, material, clock):
    """Keycloak's realms publish the base64 part of their key, which such a loader returns."""
    app = make_app(extension, JWT_AUTH_URL_RULE="/auth", clock=clock, users=False)
    app.jwt.decode_key_loader(lambda header, payload: material)
    claims = {"sub": "1", "identity": "1", "iat": clock(), "nbf": clock(), "exp": clock() + 60}
    # Signed by hand, because PyJWT rejects some of these secrets itself.
    forged = pyjwt.encode(claims, "x" * 32, "HS256").rpartition(".")[0]
    signature = pyjwt.algorithms.HMACAlgorithm(pyjwt.algorithms.HMACAlgorithm.SHA256)
    forged += "." + pyjwt.utils.base64url_encode(signature.sign(forged.encode(), material)).decode()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert get(app, "/protected", forged).status_code == 500


def test_it_is_rejected_at_the_start(material):
    with pytest.raises(ConfigError, match="Invalid secret"):
        make_app(JWT_SECRET_KEY=material)


def test_other_secrets_are_accepted():
    """Random secrets, and private keys, which no one else knows."""
    private = RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for secret in [os.urandom(64), base64.b64encode(os.urandom(64)), base64.b64encode(private)]:
        Key.from_secret(secret)
    for start in (b"0", b"0\x30", b"0\x82\x01\x22\x30"):
        Key.from_secret(start + os.urandom(60))
