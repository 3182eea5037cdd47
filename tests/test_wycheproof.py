"""Wycheproof's JWS and JWK vectors, each a test (C2SP, version 1 files)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flask_jwt._jose.codec import TokenCodec
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import InvalidKey
from flask_jwt.errors import TokenInvalid

ROOT = Path(__file__).parent.parent
FOLDER = Path(os.environ.get("WYCHEPROOF", ROOT.parent / "shared/vectors/wycheproof"))

_JWE = "an encrypted token (JWE): this package verifies signatures only"
_ALG_BOUND = "the key is for PS256 and the token says PS384: here a key has one algorithm"
_ES521 = "the key's alg is ES521, which no RFC registers (P-521 is ES512's)"
_ALPHABET = "a '?' in a segment, which only a decoder that skips foreign characters accepts"

#: Valid according to the vectors, rejected here on purpose.
REJECTED = {
    "json_web_crypto-50": _JWE,
    "json_web_crypto-67": _JWE,
    "json_web_signature-346": _ALG_BOUND,
    "json_web_signature-347": _ES521,
    "json_web_signature-350": _ALG_BOUND,
    "json_web_signature-351": _ES521,
    "json_web_signature-372": _ALPHABET,
    "json_web_signature-373": _ALPHABET,
}

#: Called invalid for their padding, but the file lost it: byte for byte they are the valid 357.
SAME_AS_VALID = {"json_web_signature-367": 357, "json_web_signature-370": 357}

#: Invalid according to the vectors, accepted here on purpose: the signature is right, and the key has
#: the ROCA weakness (CVE-2017-15361), which is for those who make keys to look for.
ACCEPTED = {"json_web_crypto-46", "json_web_key-7"}


def cases():
    for path in sorted(FOLDER.glob("*_test.json")):
        for group in json.loads(path.read_text())["testGroups"]:
            for test in group["tests"]:
                name = f"{path.stem.removesuffix('_test')}-{test['tcId']}-{test['comment']}"
                keys = group.get("public") or group.get("private")
                yield pytest.param(keys, test, id=name)


CASES = list(cases())
TOKENS = {
    case.values[1]["tcId"]: case.values[1].get("jws")
    for case in CASES
    if case.id.startswith("json_web_signature")
}

pytestmark = pytest.mark.skipif(
    not CASES,
    reason="Wycheproof's vectors are not installed. Run: git clone --depth 1 "
    "https://github.com/C2SP/wycheproof; copy testvectors_v1/json_web_*_test.json into an empty "
    "folder; set the environment variable WYCHEPROOF to that folder (see docs/guides/keys.md)",
)


def payload_of(keys, token):
    """The payload if *token* is accepted."""
    jwks = keys if "keys" in keys else {"keys": [keys]}
    codec = TokenCodec(KeySet.from_jwks(jwks), policy=None)
    return codec.verify_signature(token, now=0)[1]


@pytest.mark.parametrize(("keys", "test"), CASES)
def test_vector(keys, test, request):
    name = "-".join(request.node.callspec.id.split("-")[:2])
    token = test.get("jws", test.get("jwe"))
    if name in SAME_AS_VALID:
        assert token == TOKENS[SAME_AS_VALID[name]]
    elif name in ACCEPTED or (test["result"] == "valid" and name not in REJECTED):
        assert isinstance(payload_of(keys, token), bytes)
    elif isinstance(token, str):
        with pytest.raises((TokenInvalid, InvalidKey)):
            payload_of(keys, token)
    else:
        assert not isinstance(token, str), "a JSON serialization can't be in a header"


def test_all_vectors_were_found():
    assert len(CASES) == 83 + 26 + 401
