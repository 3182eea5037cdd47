"""Every form of a key, in every place that takes one, under both extension classes.

PyJWT is the oracle: each token is verified with it first, or made by it. Where Flask-JWT-Extended
takes a form, its response is compared too.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, ConfigError, create_access_token, jwt_required
from tests.support import bearer, rsa_key

PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
OPENSSH = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
TRADITIONAL = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
KIDS = [None, "the-provider-s-own"]


def generate(algorithm, number):
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa_key(number if algorithm == "RS256" else number + 3)


KEYS = {name: generate(name, 0) for name in ("RS256", "PS256", "ES256", "EdDSA")}
OTHERS = {name: generate(name, 1) for name in KEYS}
STRANGERS = {name: generate(name, 2) for name in KEYS}


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key, form=PKCS8):
    return key.private_bytes(*form).decode()


def certify(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "login.example")])
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))  # its dates are the developer's concern
    )
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm)


def jwk(key, algorithm, **members):
    engine = pyjwt.algorithms.get_default_algorithms()[algorithm]
    document = engine.to_jwk(key, as_dict=True)
    document.pop("key_ops", None)
    return {**document, **members}


PUBLIC = {
    "PEM": lambda key, algorithm: public_pem(key),
    "PEM bytes": lambda key, algorithm: public_pem(key).encode(),
    "PEM with \\n": lambda key, algorithm: public_pem(key).replace("\n", "\\n"),
    "PEM with \\r\\n": lambda key, algorithm: public_pem(key).replace("\n", "\\r\\n"),
    "PEM in quotes": lambda key, algorithm: f'"{public_pem(key)}"',
    "private PEM": lambda key, algorithm: private_pem(key),
    "certificate": lambda key, algorithm: certify(key).public_bytes(Encoding.PEM).decode(),
    "certificate chain": lambda key, algorithm: "".join(
        certify(one).public_bytes(Encoding.PEM).decode() for one in (key, OTHERS[algorithm])
    ),
    "certificate object": lambda key, algorithm: certify(key),
    "OpenSSH": lambda key, algorithm: (
        key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    ),
    "OpenSSH with comment": lambda key, algorithm: (
        PUBLIC["OpenSSH"](key, algorithm) + " joe@host\n"
    ),
    "key object": lambda key, algorithm: key.public_key(),
    "PyJWK": lambda key, algorithm: pyjwt.PyJWK(
        jwk(key.public_key(), algorithm, alg=algorithm, kid="k1")
    ),
    "JWK": lambda key, algorithm: jwk(key.public_key(), algorithm, alg=algorithm, kid="k1"),
    "JWK without alg and kid": lambda key, algorithm: jwk(key.public_key(), algorithm),
    "JWK as JSON": lambda key, algorithm: json.dumps(jwk(key.public_key(), algorithm)),
}
TEXTS = [name for name, make in PUBLIC.items() if isinstance(make(KEYS["ES256"], "ES256"), str)]


def native_app(config, loader):
    app = Flask("native")
    app.config.update(config, JWT_REQUIRED_CLAIMS=["exp"])
    jwt = JWT()
    if loader is not None:
        jwt.decode_key_loader(lambda header, payload: loader)
    jwt.init_app(app)
    app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
    return app


def extended_app(config, loader, package=ours):
    app = Flask("extended")
    app.config.update(config)
    jwt = package.JWTManager(app)
    if loader is not None:
        jwt.decode_key_loader(lambda header, payload: loader)
    app.add_url_rule("/", "view", package.jwt_required()(lambda: "in"))
    return app


APPS = {"JWT": (native_app, 401), "JWTManager": (extended_app, 422)}


def status(app, token):
    return app.test_client().get("/", headers=bearer(token)).status_code


def foreign_token(key, algorithm, kid=None):
    """Return a token as identity providers make them: without nbf, with an aud and a kid."""
    headers = {"kid": kid} if kid else None
    claims = {"sub": "joe", "exp": time.time() + 300}
    token = pyjwt.encode(claims, key, algorithm, headers=headers)
    assert pyjwt.decode(token, key.public_key(), [algorithm]) == claims
    return token


def place(name, material, algorithm, tmp_path):
    """Return the configuration and the loader's key that put *material* into a place."""
    config = {"JWT_ALGORITHM": algorithm}
    if name == "loader":
        return config, material
    if name == "path":
        path = tmp_path / "key"
        path.write_text(material)
        path.chmod(0o600)
        material = path
    elif name == "list":
        material = [public_pem(OTHERS[algorithm]), material]
    return {**config, "JWT_PUBLIC_KEY": material}, None


# A key of another type takes another way through the code, so two types serve while working; the
# whole table is for `scripts/test --all`.
ALGORITHMS = [
    "RS256",
    "EdDSA",
    pytest.param("PS256", marks=pytest.mark.slow),
    pytest.param("ES256", marks=pytest.mark.slow),
]

PLACES = [
    *((form, name) for form in PUBLIC for name in ("option", "list", "loader")),
    *((form, "path") for form in TEXTS),
]


@pytest.mark.parametrize("extension", APPS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("form", "where"), PLACES)
def test_a_public_key_verifies_whatever_the_kid(form, where, algorithm, extension, tmp_path):
    make_app, rejected = APPS[extension]
    material = PUBLIC[form](KEYS[algorithm], algorithm)
    app = make_app(*place(where, material, algorithm, tmp_path))
    for kid in [*KIDS, "k1"]:
        assert status(app, foreign_token(KEYS[algorithm], algorithm, kid)) == 200, kid
        assert status(app, foreign_token(STRANGERS[algorithm], algorithm, kid)) == rejected, kid


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("where", ["option", "loader"])
@pytest.mark.parametrize("form", PUBLIC)
def test_flask_jwt_extended_takes_no_form_that_is_rejected_here(form, where, algorithm, tmp_path):
    material = PUBLIC[form](KEYS[algorithm], algorithm)
    config, loaded = place(where, material, algorithm, tmp_path)
    token = foreign_token(KEYS[algorithm], algorithm, "k1")
    try:
        theirs = status(extended_app(config, loaded, fje), token)
    except Exception:
        theirs = 500
    assert theirs in (500, status(extended_app(config, loaded), token))


PRIVATE = {
    "PKCS 8": lambda key, algorithm: private_pem(key),
    "PKCS 8 bytes": lambda key, algorithm: private_pem(key).encode(),
    "PKCS 8 with \\n": lambda key, algorithm: private_pem(key).replace("\n", "\\n"),
    "OpenSSH": lambda key, algorithm: private_pem(key, OPENSSH),
    "OpenSSL": lambda key, algorithm: private_pem(
        key, PKCS8 if algorithm == "EdDSA" else TRADITIONAL
    ),
    "below its certificate": lambda key, algorithm: (
        certify(key).public_bytes(Encoding.PEM).decode() + private_pem(key)
    ),
    "below curve parameters": lambda key, algorithm: (
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        + private_pem(key)
    ),
    "key object": lambda key, algorithm: key,
    "PyJWK": lambda key, algorithm: pyjwt.PyJWK(jwk(key, algorithm, alg=algorithm, kid="k1")),
    "JWK": lambda key, algorithm: jwk(key, algorithm, alg=algorithm, kid="k1"),
    "JWK as JSON": lambda key, algorithm: json.dumps(jwk(key, algorithm)),
}


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("form", "where"),
    [
        (form, where)
        for form, make in PRIVATE.items()
        for where in ("option", "loader", "path")
        if where != "path" or isinstance(make(KEYS["ES256"], "ES256"), str)
    ],
)
def test_a_private_key_signs(form, where, algorithm, extension, tmp_path):
    material = PRIVATE[form](KEYS[algorithm], algorithm)
    if where == "path":
        path = tmp_path / "key"
        path.write_text(material)
        path.chmod(0o600)
        material = str(path)
    app = Flask("issuer")
    app.config["JWT_ALGORITHM"] = algorithm
    jwt = extension()
    if where == "loader":
        jwt.encode_key_loader(lambda identity: material)
        jwt.decode_key_loader(lambda header, payload: KEYS[algorithm].public_key())
    else:
        app.config["JWT_PRIVATE_KEY"] = material
    jwt.init_app(app)
    app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
    with app.app_context():
        token = create_access_token("joe")
    assert pyjwt.decode(token, KEYS[algorithm].public_key(), [algorithm])["sub"] == "joe"
    assert status(app, token) == 200


# Choice of the algorithm


def test_without_a_configured_algorithm_the_type_of_the_loaded_key_decides():
    for algorithm in ("RS256", "ES256", "EdDSA"):
        for form, make in PUBLIC.items():
            app = native_app({}, make(KEYS[algorithm], algorithm))
            assert status(app, foreign_token(KEYS[algorithm], algorithm)) == 200, form


@pytest.mark.parametrize("extension", APPS)
def test_a_loader_returns_a_secret_or_a_public_key_as_the_token_needs(extension):
    secret = "the-secret-of-this-application-32-bytes"
    make_app, rejected = APPS[extension]
    app = make_app(
        {"JWT_DECODE_ALGORITHMS": ["RS256"], "JWT_SECRET_KEY": secret}, None
    )  # JWT_ALGORITHM is HS256
    keys = {"mine": secret, "theirs": public_pem(KEYS["RS256"])}
    app.extensions["jwt"].decode_key_callback = lambda header, payload: keys[header["kid"]]
    claims = {"sub": "joe", "exp": time.time() + 300}
    own = pyjwt.encode(claims, secret, "HS256", headers={"kid": "mine"})
    assert status(app, own) == 200
    assert status(app, foreign_token(KEYS["RS256"], "RS256", "theirs")) == 200
    # The classic confusion: a public key, which everybody knows, as the secret of an HMAC.
    key = pyjwt.utils.force_bytes(keys["theirs"])
    header, payload = pyjwt.utils.base64url_encode, json.dumps(claims).encode()
    message = b".".join([header(b'{"alg":"HS256","kid":"theirs"}'), header(payload)])
    forged = message + b"." + header(pyjwt.algorithms.HMACAlgorithm(
        pyjwt.algorithms.HMACAlgorithm.SHA256).sign(message, key))  # fmt: skip
    assert status(app, forged.decode()) == rejected


@pytest.mark.parametrize("extension", APPS)
def test_a_jwk_s_algorithm_is_the_only_one_it_verifies(extension):
    make_app, rejected = APPS[extension]
    key = KEYS["RS256"]
    for material in (
        jwk(key.public_key(), "RS256", alg="RS256"),
        pyjwt.PyJWK(jwk(key.public_key(), "RS256", alg="RS256")),
    ):
        for config, loaded in (({"JWT_PUBLIC_KEY": material}, None), ({}, material)):
            algorithms = {"JWT_ALGORITHM": "RS256", "JWT_DECODE_ALGORITHMS": ["PS256"]}
            app = make_app({**config, **algorithms}, loaded)
            assert status(app, foreign_token(key, "RS256")) == 200
            assert status(app, foreign_token(key, "PS256")) == rejected
    app = make_app({**algorithms, "JWT_PUBLIC_KEY": public_pem(key)}, None)
    assert status(app, foreign_token(key, "PS256")) == 200


# A list of public keys


def test_a_list_rotates_a_key_pair_in_the_environment(monkeypatch):
    old, new = KEYS["ES256"], OTHERS["ES256"]

    def start(private, public):
        monkeypatch.setenv("FLASK_JWT_PRIVATE_KEY", private_pem(private))
        monkeypatch.setenv("FLASK_JWT_PUBLIC_KEY", json.dumps(list(map(public_pem, public))))
        app = Flask("rotating")
        app.config.from_prefixed_env()
        JWT(app)
        app.add_url_rule("/", "view", jwt_required()(lambda: "in"))
        return app

    def issue(app):
        with app.app_context():
            return create_access_token(1)

    steps = [start(old, [old]), start(old, [new, old]), start(new, [old, new]), start(new, [new])]
    tokens = list(map(issue, steps))
    assert [[status(app, token) for token in tokens] for app in steps] == [
        [200, 200, 401, 401],
        [200, 200, 200, 200],
        [200, 200, 200, 200],
        [401, 401, 200, 200],
    ]
    published = steps[1].test_client().get("/.well-known/jwks.json").get_json()["keys"]
    kids = {pyjwt.get_unverified_header(token)["kid"] for token in tokens}
    assert {key["kid"] for key in published} == kids
    assert not any("d" in key for key in published)


def test_a_list_may_hold_the_keys_of_others_only():
    app = native_app({"JWT_PRIVATE_KEY": private_pem(KEYS["RS256"]),
                      "JWT_PUBLIC_KEY": [public_pem(OTHERS["RS256"])]}, None)  # fmt: skip
    for key in (KEYS["RS256"], OTHERS["RS256"]):
        assert status(app, foreign_token(key, "RS256")) == 200


def test_a_list_may_mix_types_and_forms_and_repeat_a_key():
    material = [PUBLIC[form](KEYS[name], name) for form in PUBLIC for name in ("RS256", "EdDSA")]
    app = native_app({"JWT_PUBLIC_KEY": material}, None)
    for name in ("RS256", "EdDSA"):
        assert status(app, foreign_token(KEYS[name], name)) == 200
    assert len(app.test_client().get("/.well-known/jwks.json").get_json()["keys"]) == 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_PRIVATE_KEY": KEYS["RS256"], "JWT_PUBLIC_KEY": public_pem(OTHERS["RS256"])}, "not the public key"),
        ({"JWT_PUBLIC_KEY": [public_pem(KEYS["RS256"]), ""]}, "empty"),
        ({"JWT_PUBLIC_KEY": [public_pem(KEYS["RS256"]), 5]}, "write a PEM key"),
        ({"JWT_PUBLIC_KEY": [public_pem(KEYS["RS256"]), "nonsense"]}, "JWT_PUBLIC_KEY 2: .*nor the path"),
        ({"JWT_PRIVATE_KEY": [KEYS["RS256"]]}, "write a PEM key"),
        ({"JWT_PRIVATE_KEY": KEYS["RS256"].public_key()}, "put it into JWT_PUBLIC_KEY"),
        ({"JWT_PRIVATE_KEY": {"kty": "oct", "k": "A" * 43}}, "JWT_SECRET_KEY"),
        ({"JWT_PUBLIC_KEY": {"keys": []}}, "needs an .alg."),
    ],
)  # fmt: skip
def test_a_pair_that_can_not_work_stops_the_start(config, message):
    with pytest.raises(ConfigError, match=message):
        native_app(config, None)


# What isn't a key is explained, and never quoted


DER = KEYS["RS256"].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
BASE64 = public_pem(KEYS["RS256"]).split("-----")[2]
ENCRYPTED = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
LOCKED = (
    Encoding.PEM,
    PrivateFormat.OpenSSH,
    PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(b"pw"),
)


CRYPTOGRAPHY = int(version("cryptography").split(".")[0])

NO_KEYS = {
    "base64 of DER": (BASE64, "-----BEGIN PUBLIC KEY----- above it"),
    "base64 of DER, one line": (BASE64.replace("\n", ""), "-----BEGIN PUBLIC KEY----- above it"),
    "base64 of a short DER": (public_pem(KEYS["EdDSA"]).split("-----")[2], "above it"),
    "DER": (DER, "openssl pkey -inform DER"),
    "base64 of PEM": (pyjwt.utils.base64url_encode(public_pem(KEYS["RS256"]).encode()), "base64 -d"),
    "PEM cut short": (public_pem(KEYS["RS256"])[:200], "was cut off"),
    "PEM without its body": ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "PEM key"),
    "encrypted": (private_pem(KEYS["RS256"], ENCRYPTED), "is encrypted"),
    "encrypted OpenSSH": (private_pem(KEYS["EdDSA"], LOCKED), "is encrypted"),
    "OpenSSH cut short": ("ssh-rsa AAAAB3NzaC1yc2E joe", "PEM key"),
    "DSA": (public_pem(dsa.generate_private_key(1024)), "DSA|RSA"),
    "JSON cut short": ('{"kty": "RSA"', "not a JWK"),
    "JWK without members": ('{"kty": "RSA", "alg": "RS256"}', "JWK"),
    "long nonsense": ("no key at all, " * 400, "nor the path|PEM key"),
    "a NUL": ("key\0", "not a path|PEM key"),
}  # fmt: skip


@pytest.mark.parametrize("where", ["JWT_PUBLIC_KEY", "JWT_PRIVATE_KEY", "path", "loader"])
@pytest.mark.parametrize(("material", "message"), NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_explained(material, message, where, tmp_path):
    if message == "is encrypted" and CRYPTOGRAPHY < 45:
        message += "|not an unencrypted PEM key"  # it says no more about an OpenSSH key
    if where == "path":
        path = tmp_path / "key"
        path.write_bytes(material if isinstance(material, bytes) else material.encode())
        path.chmod(0o600)
        config, loaded = {"JWT_PUBLIC_KEY": path}, None
        message += "|can't be used"
    elif where == "loader":
        config, loaded = {}, material
    else:
        config, loaded = {where: material}, None
    with pytest.raises(ConfigError, match=message) as caught:
        app = native_app({**config, "JWT_ALGORITHM": "RS256"}, loaded)
        with app.test_request_context(headers=bearer(foreign_token(KEYS["RS256"], "RS256"))):
            app.view_functions["view"]()
    assert "File name too long" not in str(caught.value)
    assert BASE64[100:120] not in str(caught.value)


@pytest.mark.parametrize("option", ["JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"])
@pytest.mark.parametrize(("mode", "is_accepted"), [
    (0o600, True), (0o400, True), (0o440, True), (0o640, True),
    (0o644, False), (0o660, False), (0o604, False), (0o602, False), (0o666, False),
])  # fmt: skip
def test_a_file_with_a_private_key_must_be_private(mode, is_accepted, option, tmp_path):
    path = tmp_path / "key"
    path.write_text(private_pem(KEYS["ES256"]))
    path.chmod(mode)
    if is_accepted:
        native_app({option: path}, None)
    else:
        with pytest.raises(ConfigError, match=f"{option}: {path}.*chmod 600 {path}"):
            native_app({option: path}, None)


def test_a_file_with_a_public_key_may_be_read_by_all(tmp_path):
    path = tmp_path / "key"
    path.write_text(public_pem(KEYS["ES256"]))
    path.chmod(0o644)
    native_app({"JWT_PUBLIC_KEY": path}, None)
