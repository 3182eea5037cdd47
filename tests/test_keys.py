"""Keys: where they come from, how they rotate, what is published, and the commands for them."""

from __future__ import annotations

import json
import os
import stat
import time

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask

from flask_jwt import ConfigError
from flask_jwt._cli import generate_keys as generate
from flask_jwt._cli import jwt_cli
from flask_jwt._jose.keys import ALGORITHMS, Key
from flask_jwt.testing import Clock
from tests.support import SECRET, get, issue, make_app, private_pem, public_pem, rsa_key

PRIVATE = {
    "RS256": rsa_key(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
UNTIMED = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
"""Options of PyJWT, which has the time of the machine. The tests' clock stands still in 2027."""


def status(app, token):
    return get(app, "/protected", token).status_code


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "keys.json"
    result = Flask("tool").test_cli_runner().invoke(generate, ["--file", str(path)])
    assert result.exit_code == 0, result.output
    return path


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, list(arguments))


# PEM


@pytest.mark.parametrize("algorithm", PRIVATE)
@pytest.mark.parametrize("form", ["string", "escaped", "path", "bytes"])
def test_a_private_key_may_be_a_string_a_path_or_bytes(algorithm, form, tmp_path):
    pem = private_pem(PRIVATE[algorithm])
    path = tmp_path / "key.pem"
    path.write_text(pem)
    path.chmod(0o600)
    given = {
        "string": pem, "escaped": pem.replace("\n", "\\n"), "path": path, "bytes": pem.encode(),
    }[form]  # fmt: skip
    app = make_app(JWT_PRIVATE_KEY=given)
    token = issue(app)
    assert pyjwt.get_unverified_header(token)["alg"] == algorithm
    assert status(app, token) == 200


@pytest.mark.parametrize(
    "algorithm", [name for name, family in ALGORITHMS.items() if family.kty != "oct"]
)
def test_each_algorithm_is_that_of_pyjwt(algorithm):
    private = PRIVATE.get(algorithm) or PRIVATE["EdDSA" if algorithm == "Ed25519" else "RS256"]
    clock = Clock()
    app = make_app(clock=clock, JWT_PRIVATE_KEY=private_pem(private), JWT_ALGORITHM=algorithm)
    verifier = make_app(clock=clock, JWT_PUBLIC_KEY=public_pem(private), JWT_ALGORITHM=algorithm)
    token = issue(app)
    assert status(verifier, token) == 200
    theirs = "EdDSA" if algorithm == "Ed25519" else algorithm
    claims = {"identity": 1, "exp": clock() + 60, "iat": clock(), "nbf": clock()}
    assert status(app, pyjwt.encode(claims, private, algorithm=theirs)) == 200
    if theirs == algorithm:
        assert pyjwt.decode(token, private.public_key(), algorithms=[theirs], options=UNTIMED)


def test_a_public_key_verifies_but_does_not_issue():
    app = make_app(JWT_PUBLIC_KEY=public_pem(PRIVATE["ES256"]))
    with pytest.raises(ConfigError, match="no key to sign with"):
        issue(app)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_PRIVATE_KEY": "/no/such/file"}, "JWT_PRIVATE_KEY.*No such file"),
        ({"JWT_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "JWT_PRIVATE_KEY"),
        ({"JWT_PRIVATE_KEY": public_pem(PRIVATE["ES256"])}, "put it into JWT_PUBLIC_KEY"),
        ({"JWT_PRIVATE_KEY": private_pem(PRIVATE["ES256"]), "JWT_ALGORITHM": "RS256"}, "can't be used with RS256"),
        ({"JWT_PRIVATE_KEY": private_pem(PRIVATE["ES256"]), "JWT_PUBLIC_KEY": public_pem(PRIVATE["ES384"])}, "public key of"),
        ({"JWT_PRIVATE_KEY": private_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))}, "2048 bits"),
        ({"JWT_PRIVATE_KEY": private_pem(ec.generate_private_key(ec.SECP256K1()))}, "secp256k1"),
        ({"SECRET_KEY": public_pem(PRIVATE["ES256"])}, "asymmetric key"),
        ({"JWT_KEY_FILE": "/no/such/keys.json"}, "flask jwt keys generate --file"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)  # fmt: skip
def test_unusable_keys_are_reported_at_start(config, message):
    with pytest.raises(ConfigError, match=message):
        make_app(**config)


def test_a_repr_never_shows_key_material():
    key = Key.from_secret(SECRET.encode())
    assert SECRET not in repr(key)
    assert SECRET not in str(key.kid)
    assert Key.from_secret(SECRET.encode()).kid == key.kid != Key.generate("HS256").kid


def test_the_kid_is_the_rfc_7638_thumbprint():
    """The example of RFC 7638 section 3.1."""
    key = Key.from_jwk(
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
        }
    )  # fmt: skip
    assert key.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


# secrets


def test_secret_key_fallbacks_verify_and_do_not_sign():
    clock = Clock()
    old = "an-older-secret-of-32-bytes-long"
    token = issue(make_app(clock=clock, SECRET_KEY=old))
    app = make_app(clock=clock)
    assert status(app, token) == 401
    app.config["SECRET_KEY_FALLBACKS"] = [old]
    assert status(app, token) == 200
    assert pyjwt.decode(issue(app), SECRET, algorithms=["HS256"], options=UNTIMED)
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert status(app, token) == 401, "cached or not"


def test_fallbacks_belong_to_secret_key_and_not_to_jwt_secret_key():
    old = "an-older-secret-of-32-bytes-long"
    token = issue(make_app(SECRET_KEY=old))
    app = make_app(JWT_SECRET_KEY="own-secret-for-tokens-of-32-byte", SECRET_KEY_FALLBACKS=[old])
    assert status(app, token) == 401


# algorithms


def test_decode_algorithms_are_accepted_beside_that_of_issued_tokens(clock):
    app = make_app(clock=clock, JWT_DECODE_ALGORITHMS=["HS512"], JWT_SECRET_KEY=SECRET * 2)
    now = int(clock())
    claims = {"identity": 1, "iat": now, "nbf": now, "exp": now + 60}
    for algorithm, expected in (("HS512", 200), ("HS256", 200), ("HS384", 401)):
        assert status(app, pyjwt.encode(claims, SECRET * 2, algorithm)) == expected


# publishing


def test_the_key_set_holds_public_members_only(key_file):
    response = make_app(JWT_KEY_FILE=key_file).test_client().get("/.well-known/jwks.json")
    assert response.headers["Cache-Control"] == "max-age=600"
    (key,) = response.get_json()["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}


def test_the_published_key_verifies_tokens():
    app = make_app(JWT_PRIVATE_KEY=private_pem(PRIVATE["ES256"]))
    document = app.test_client().get("/.well-known/jwks.json").get_json()
    key = pyjwt.PyJWKSet.from_dict(document)[pyjwt.get_unverified_header(issue(app))["kid"]]
    assert pyjwt.decode(issue(app), key, algorithms=["ES256"], options=UNTIMED)["identity"] == 1


def test_no_secret_is_ever_published(tmp_path):
    assert make_app().test_client().get("/.well-known/jwks.json").status_code == 404
    path = tmp_path / "keys.json"
    Flask("tool").test_cli_runner().invoke(generate, ["--file", str(path), "--algorithm", "HS256"])
    app = make_app(JWT_KEY_FILE=path)
    assert status(app, issue(app)) == 200
    assert app.test_client().get("/.well-known/jwks.json").get_json() == {"keys": []}


def test_the_rule_of_the_key_set_can_be_changed_and_turned_off(key_file):
    assert (
        make_app(JWT_KEY_FILE=key_file, JWT_JWKS_URL_RULE="/keys")
        .test_client()
        .get("/keys")
        .status_code
        == 200
    )
    off = make_app(JWT_KEY_FILE=key_file, JWT_JWKS_URL_RULE=None)
    assert off.test_client().get("/.well-known/jwks.json").status_code == 404


# the key file


@pytest.fixture
def watched(key_file):
    """An application with a key file, its clock, and a function that lets a second pass."""
    clock, passed = Clock(), Clock(0)
    document = json.loads(key_file.read_text())
    document["keys"][0]["sign_from"] = clock() - 1000
    key_file.write_text(json.dumps(document))
    app = make_app(clock=clock, JWT_KEY_FILE=key_file)
    passed.tick(time.monotonic())
    app.extensions["flask-jwt"].clock.monotonic = passed
    return app, clock, lambda: passed.tick(1)


def states(app):
    return [key["state"] for key in json.loads(run(app, "keys", "list", "--json").output)]


def test_only_the_owner_can_read_a_generated_file_and_it_is_never_replaced(key_file):
    assert stat.S_IMODE(os.stat(key_file).st_mode) == 0o600
    before = key_file.read_bytes()
    result = Flask("tool").test_cli_runner().invoke(generate, ["--file", str(key_file)])
    assert result.exit_code == 1
    assert "already exists" in result.output
    assert key_file.read_bytes() == before


def test_a_file_that_others_can_read_is_an_error(key_file):
    key_file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        make_app(JWT_KEY_FILE=key_file)


def test_a_rotation_publishes_first_and_signs_after_the_cache_time(watched):
    app, clock, second = watched
    client = app.test_client()
    first = issue(app)
    result = run(app, "keys", "rotate")
    assert result.exit_code == 0, result.output
    assert states(app) == ["active", "pending"]
    second()
    kid = pyjwt.get_unverified_header(first)["kid"]
    assert len(client.get("/.well-known/jwks.json").get_json()["keys"]) == 2
    assert pyjwt.get_unverified_header(issue(app))["kid"] == kid
    clock.tick(600)
    late = issue(app)
    assert pyjwt.get_unverified_header(late)["kid"] != kid
    assert states(app) == ["retired", "active"]
    assert status(app, first) == 401, "it has expired"
    clock.tick(309)
    assert states(app) == ["retired", "active"]
    clock.tick(2)
    assert states(app) == ["expired", "active"]
    assert run(app, "keys", "prune").exit_code == 0
    assert states(app) == ["active"]


def test_no_token_is_rejected_before_it_expires_through_two_rotations(watched):
    app, clock, second = watched
    tokens = []
    for step in range(120):
        if step in (20, 70):
            assert run(app, "keys", "rotate").exit_code == 0
        second()
        tokens.append((clock(), issue(app)))
        for issued, token in tokens:
            is_alive = clock() - issued < 310
            assert (status(app, token) == 200) is is_alive, (
                f"{clock() - issued} s old at step {step}"
            )
        tokens = [(issued, token) for issued, token in tokens if clock() - issued < 320]
        clock.tick(30)


def test_a_second_rotation_waits_for_the_first_unless_it_is_forced(watched):
    app, clock, second = watched
    assert run(app, "keys", "rotate").exit_code == 0
    result = run(app, "keys", "rotate")
    assert result.exit_code == 1
    assert "rotation is in progress" in result.output
    assert run(app, "keys", "rotate", "--now").exit_code == 0
    assert states(app) == ["retired", "active"]


def test_tokens_of_a_pruned_key_are_rejected_at_once(watched):
    app, clock, second = watched
    cached, new = issue(app), issue(app)
    assert status(app, cached) == 200
    assert run(app, "keys", "rotate", "--now").exit_code == 0
    second()
    assert status(app, cached) == 200
    kid = pyjwt.get_unverified_header(cached)["kid"]
    assert run(app, "keys", "prune", kid).exit_code == 0
    second()
    assert [status(app, cached), status(app, new)] == [401, 401]


def test_cached_tokens_of_a_retired_key_end_with_it(watched):
    app, clock, second = watched
    token = issue(app, expires_delta=10_000)
    run(app, "keys", "rotate", "--now", "--keep-for", "100")
    second()
    assert status(app, token) == 200
    clock.tick(101)
    assert status(app, token) == 401


def test_the_last_key_is_not_pruned(watched):
    app, clock, second = watched
    kid = pyjwt.get_unverified_header(issue(app))["kid"]
    assert run(app, "keys", "prune", kid).exit_code == 1
    assert run(app, "keys", "prune", "nonesuch").exit_code == 1
    assert states(app) == ["active"]


def test_a_kid_may_begin_with_a_hyphen(watched, key_file):
    app, clock, second = watched
    document = json.loads(key_file.read_text())
    document["keys"][0]["kid"] = "-1CEqLeT"
    key_file.write_text(json.dumps(document))
    second()
    old = issue(app)
    assert run(app, "keys", "rotate", "--now").exit_code == 0
    result = run(app, "keys", "prune", "-1CEqLeT")
    assert result.exit_code == 0, result.output
    second()
    assert status(app, old) == 401
    assert run(app, "inspect", "-e.e.e").exit_code == 1


def test_a_file_that_becomes_invalid_is_logged_and_the_keys_are_kept(watched, key_file, caplog):
    app, clock, second = watched
    token = issue(app)
    key_file.write_text("{")
    second()
    assert status(app, token) == 200
    assert "Could not reload the key file" in caplog.text


def test_the_file_is_checked_once_a_second_at_most(watched, monkeypatch):
    import flask_jwt._jose.key_file as keyring

    app, clock, second = watched
    token = issue(app)
    checks = []
    real = os.stat
    monkeypatch.setattr(keyring.os, "stat", lambda *a, **k: checks.append(a) or real(*a, **k))
    for _ in range(20):
        status(app, token)
    assert checks == []
    second()
    for _ in range(20):
        status(app, token)
    assert len(checks) == 1


@pytest.mark.parametrize(
    "document",
    [
        "[]", "{}", '{"keys": {}}', '{"keys": [1]}', '{"keys": [{}]}', "\ufeff{}",
        '{"keys": [{"kty": "oct", "alg": "HS256", "k": "c2hvcnQ"}]}',
        '{"keys": [{"kty": "oct", "alg": "HS256", "k": "=", "kid": "a"}]}',
        '{"keys": [{"kty": "oct", "alg": "none", "k": ""}]}',
        '{"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "x": "AA", "y": "AA"}]}',
        '{"keys": [{"kty": "OKP", "crv": "X25519", "alg": "EdDSA", "x": "AA"}]}',
        '{"keys": [{"kty": "RSA", "alg": "RS256", "n": "AA", "e": "AQAB"}]}',
        '{"keys": [{"kty": "RSA", "alg": "RS256"}]}',
        '{"keys": [{"kty": "oct", "alg": "HS256", "k": "%s", "use": "enc"}]}' % ("A" * 43),
        '{"keys": [{"kty": "oct", "alg": "HS256", "k": "%s", "key_ops": ["encrypt"]}]}' % ("A" * 43),
        '{"keys": [{"kty": "oct", "alg": "HS256", "k": "%s", "sign_from": "now"}]}' % ("A" * 43),
    ],
)  # fmt: skip
def test_an_unusable_key_file_is_reported_at_start(tmp_path, document):
    path = tmp_path / "keys.json"
    path.write_text(document)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="keys.json"):
        make_app(JWT_KEY_FILE=path)


# inspect and secret


def test_inspect_prints_whether_a_token_is_accepted_and_why(make_app, clock):
    app = make_app()
    token = issue(app)
    valid = run(app, "inspect", token)
    assert valid.exit_code == 0
    assert "accepts the token" in valid.output
    assert "2027-01-15 08:05:00Z" in valid.output, "the date of exp"
    clock.tick(1000)
    late = run(app, "inspect", token, "--json")
    assert late.exit_code == 1
    assert json.loads(late.output)["reason"] == "Signature has expired"
    assert json.loads(late.output)["claims"]["identity"] == 1
    piped = app.test_cli_runner().invoke(jwt_cli, ["inspect", "-"], input="rubbish\n")
    assert piped.exit_code == 1
    assert "Not enough segments" in piped.output


def test_secret_prints_another_long_secret_each_time():
    secrets = {run(Flask("tool"), "secret").output.strip() for _ in range(3)}
    assert len(secrets) == 3
    assert min(map(len, secrets)) >= 64
