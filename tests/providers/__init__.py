"""Real identity providers, whose tokens this package has to accept.

A test module loads the fixtures with ``pytest_plugins = ["tests.providers.fixtures"]``.
"""

from __future__ import annotations

import jwt as pyjwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def jwk_of(token, jwks):
    """Return the JWK that *token* names in its header."""
    kid = pyjwt.get_unverified_header(token)["kid"]
    (jwk,) = (jwk for jwk in jwks["keys"] if jwk["kid"] == kid)
    return jwk


def pem_of(jwk):
    """Return the public half of *jwk* as PEM, which has no kid."""
    key = pyjwt.PyJWK(jwk).key
    if "d" in jwk:
        key = key.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
