"""Ed25519 public keys that are points of small order verify forged signatures."""

from __future__ import annotations

import base64
import json

import jwt as pyjwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, ConfigError, decode_token
from flask_jwt._jose.keys import Key

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def recover_x(y):
    """Return an x of the points with this y (RFC 8032 section 5.1.3), or None."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_1 % P
    return x if x * x % P == square else None


def add(first, second):
    (x1, y1), (x2, y2) = first, second
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P


def has_small_order(encoded):
    """Decode a point as leniently as OpenSSL does, and multiply it by eight."""
    y = int.from_bytes(encoded, "little") % 2**255 % P
    x = recover_x(y)
    if x is None:
        return False
    point = (x, y)  # the sign of x changes the order of no point
    for _ in range(3):
        point = add(point, point)
    return point == (0, 1)


ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
ENCODINGS = {
    f"y = {name}{', x negative' if sign else ''}": (y + sign * 2**255).to_bytes(32, "little")
    for name, y in {
        "0": 0, "1": 1, "-1": P - 1, "p": P, "p + 1": P + 1, "of order 8": ORDER_8,
        "minus that": P - ORDER_8,
    }.items()
    for sign in (0, 1)
}  # fmt: skip


def test_the_list_is_complete():
    """Every y of these points, canonical or not, with both signs."""
    ys = {int.from_bytes(encoded, "little") % 2**255 for encoded in ENCODINGS.values()}
    assert len(ENCODINGS) == 14
    assert all(map(has_small_order, ENCODINGS.values()))
    small = {y % P for y in ys}
    assert ys == {y for one in small for y in (one, one + P) if y < 2**255}
    # Eight points: the neutral one, one of order 2, two of order 4, four of order 8.
    assert sum(1 if recover_x(y) == 0 else 2 for y in small) == 8


def as_pem(encoded):
    key = Ed25519PublicKey.from_public_bytes(encoded)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def as_openssh(encoded):
    key = Ed25519PublicKey.from_public_bytes(encoded)
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def as_jwk(encoded):
    x = base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA", "kid": "k1"}


FORMS = {
    "PEM": as_pem,
    "OpenSSH": as_openssh,
    "key object": Ed25519PublicKey.from_public_bytes,
    "JWK": as_jwk,
    "PyJWK": lambda encoded: pyjwt.PyJWK(as_jwk(encoded)),
}


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ENCODINGS)
def test_a_key_of_small_order_is_rejected(name, form, extension, tmp_path):
    material = FORMS[form](ENCODINGS[name])
    for config in (
        {"JWT_PUBLIC_KEY": material},
        {"JWT_PUBLIC_KEY": [Ed25519PrivateKey.generate().public_key(), material]},
    ):
        app = Flask("tested")
        app.config.update(config, JWT_ALGORITHM="EdDSA")
        with pytest.raises(ConfigError, match="small order"):
            extension(app)
    app = Flask("tested")
    app.config["JWT_ALGORITHM"] = "EdDSA"
    extension(app).decode_key_loader(lambda header, payload: material)
    token = pyjwt.encode({"sub": "joe"}, Ed25519PrivateKey.generate(), "EdDSA")
    with app.app_context(), pytest.raises(ConfigError, match="small order"):
        decode_token(token)


def test_a_key_file_with_a_key_of_small_order_is_rejected(tmp_path):
    path = tmp_path / "keys.json"
    for encoded in ENCODINGS.values():
        path.write_text(json.dumps({"keys": [as_jwk(encoded)]}))
        path.chmod(0o600)
        app = Flask("tested")
        app.config["JWT_KEY_FILE"] = path
        with pytest.raises(ConfigError, match="small order"):
            JWT(app)


def test_with_such_a_key_anybody_can_forge():
    """The reason: R and S below were made without a private key."""
    key = Ed25519PublicKey.from_public_bytes(ENCODINGS["y = 1"])
    key.verify(ENCODINGS["y = 1"] + bytes(32), b"any message")


def test_every_other_key_is_accepted():
    for _ in range(200):
        Key.from_material(Ed25519PrivateKey.generate().public_key())
    neighbours = [(2).to_bytes(32, "little"), (ORDER_8 + 1).to_bytes(32, "little")]
    for encoded in neighbours:
        assert not has_small_order(encoded)
        Key.from_material(Ed25519PublicKey.from_public_bytes(encoded))
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(neighbours[0]).verify(bytes(64), b"")
