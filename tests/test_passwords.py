"""Passwords: which hashes are made, which are read, when they are replaced, and the commands."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import shutil
import subprocess
import sys
from collections import Counter

import argon2
import bcrypt
import pytest
import sqlalchemy as sa
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from flask_jwt import JWT, PasswordCheck, check_password, hash_password
from flask_jwt._cli import jwt_cli
from flask_jwt._login import passwords as _passwords
from flask_jwt._login.passwords import KINDS, kind_of
from flask_jwt.extended import JWTManager
from tests.guides import example
from tests.support import ROOT, SECRET, bearer, make_app, run_example

PASSWORD = "correct horse"
NEW = re.compile(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}")


@pytest.fixture(autouse=True)
def _no_warning_logged_yet():
    _passwords._warn_once.cache_clear()


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, "flask_jwt")
    return caplog


def cheap_argon2(**parameters):
    parameters = {"time_cost": 1, "memory_cost": 8, "parallelism": 1, **parameters}
    return argon2.PasswordHasher(**parameters).hash(PASSWORD)


def passlib_pbkdf2(digest, ident, rounds=29, salt=b"\xfb\xff salt"):
    def encode(data):
        return base64.b64encode(data).decode().rstrip("=").replace("+", ".")

    checksum = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), salt, rounds)
    return f"${ident}${rounds}${encode(salt)}${encode(checksum)}"


def django_pbkdf2(rounds=31, salt="seasalt"):
    checksum = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt.encode(), rounds)
    return f"pbkdf2_sha256${rounds}${salt}${base64.b64encode(checksum).decode()}"


def bcrypt_hash(password=PASSWORD, ident="2b"):
    made = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    return made.replace("$2b$", f"${ident}$", 1)


OLD = {
    "scrypt": generate_password_hash(PASSWORD),
    "scrypt, weaker": generate_password_hash(PASSWORD, "scrypt:1024:8:1"),
    "pbkdf2": generate_password_hash(PASSWORD, "pbkdf2:sha256:10"),
    "pbkdf2 sha512": generate_password_hash(PASSWORD, "pbkdf2:sha512:10"),
    "pbkdf2 passlib": passlib_pbkdf2("sha256", "pbkdf2-sha256"),
    "pbkdf2 passlib sha512": passlib_pbkdf2("sha512", "pbkdf2-sha512"),
    "pbkdf2 passlib sha1": passlib_pbkdf2("sha1", "pbkdf2"),
    "pbkdf2 Django": django_pbkdf2(),
    "bcrypt": bcrypt_hash(),
    "bcrypt 2a": bcrypt_hash(ident="2a"),
    "bcrypt 2y": bcrypt_hash(ident="2y"),
    "argon2, weaker": cheap_argon2(),
    "argon2, weaker: one pass": cheap_argon2(memory_cost=19456),
    "argon2, weaker: argon2i": cheap_argon2(memory_cost=19456, time_cost=2, type=argon2.Type.I),
    "argon2, weaker: short": cheap_argon2(memory_cost=19456, time_cost=2, hash_len=8),
}
CURRENT = {
    "ours": hash_password(PASSWORD),
    "argon2-cffi's default": argon2.PasswordHasher().hash(PASSWORD),
    "OWASP, more memory": cheap_argon2(memory_cost=47104, time_cost=1),
    "OWASP, less memory": cheap_argon2(memory_cost=7168, time_cost=5),
}
DAMAGED = {
    "cut off": passlib_pbkdf2("sha256", "pbkdf2-sha256")[:-10],
    "salt is no base64": "$pbkdf2-sha256$10$aaaaa$" + "a" * 43,
    "no such digest": "pbkdf2:nothing:10$salt$" + "0" * 64,
    "no rounds": "pbkdf2:sha256:0$salt$" + "0" * 64,
    "odd": "pbkdf2:sha256:10$salt$" + "0" * 63,
    "no power of two": "scrypt:3:8:1$salt$" + "0" * 128,
    "zeros": "scrypt:0:0:0$salt$" + "0" * 128,
    "salt is no text": "scrypt:16:1:1$\ud800$" + "0" * 128,
    "argon2 salt": "$argon2id$v=19$m=8,t=1,p=1$AAAA$" + "A" * 43,
    "argon2 bits": f"$argon2id$v=19$m=8,t=1,p=1${'A' * 21}B${'A' * 43}",
    "bcrypt bits": "$2b$04$" + "a" * 53,
}


def asking_argon2(memory, passes=1, lanes=1):
    return f"$argon2id$v=19$m={memory},t={passes},p={lanes}${'A' * 22}${'A' * 43}"


def asking_scrypt(n, r=8, p=1):
    return f"scrypt:{n}:{r}:{p}$salt$" + "0" * 128


#: Each asks for the least that is too much, or for far more.
TOO_COSTLY = {
    "argon2, memory": asking_argon2(2**19 + 1),
    "argon2, memory and passes": asking_argon2(2**19, 9),
    "argon2, passes": asking_argon2(8, 2**19 + 1),
    "argon2, lanes": asking_argon2(8 * 65, lanes=65),
    "argon2, digits": asking_argon2(9999999999, 9999999999),
    "bcrypt": "$2b$16$" + "a" * 53,
    "bcrypt, its most": "$2y$31$" + "a" * 53,
    "werkzeug pbkdf2": "pbkdf2:sha256:10000001$salt$" + "0" * 64,
    "werkzeug pbkdf2, digits": "pbkdf2:sha1:99999999999999999999$salt$" + "0" * 40,
    "passlib pbkdf2": "$pbkdf2-sha256$10000001$aaaa$" + "a" * 43,
    "django pbkdf2": "pbkdf2_sha256$10000001$salt$" + "a" * 43 + "=",
    "scrypt, memory": asking_scrypt(2**20),
    "scrypt, blocks": asking_scrypt(2, 2**22),
    "scrypt, lanes": asking_scrypt(2**15, p=64),
    "scrypt, digits": asking_scrypt(2**60, 8),
}
STILL_COMPUTED = {
    "argon2, memory": asking_argon2(2**19, 8),
    "argon2, lanes": asking_argon2(8 * 64, lanes=64),
    "scrypt": asking_scrypt(2**19),
    "bcrypt": "$2b$15$" + "." * 53,
    "pbkdf2": "pbkdf2:sha256:10000000$salt$" + "0" * 64,
}
UNKNOWN = {
    "crypt": "$6$rounds=5000$salt$" + "a" * 86,
    "salted SHA-1 of old Werkzeug": "sha1$salt$" + "0" * 40,
    "LDAP": "{SSHA}c2VjcmV0",
    "MD5": "5f4dcc3b5aa765d61d8327deb882cf99",
    "MySQL": "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
    "argon2, cut off": "$argon2id$v=19$m=19456",
    "scrypt, cut off": "scrypt:32768:8:1$salt",
    "bcrypt, cut off": "$2b$04$abc",
    "phpass": "$P$B12345678abcdefghijklmnopqrstu.",
    "PostgreSQL's md5": "md5a3556571e93b0d20722ba62be61e8c2d",
    "SCRAM": "SCRAM-SHA-256$4096:c2FsdA==$" + "A" * 43 + "=:" + "B" * 43 + "=",
    "hex:salt": "5f4dcc3b5aa765d61d8327deb882cf99:Zx9",
    "salt:hex": "Zx9:5f4dcc3b5aa765d61d8327deb882cf99",
    "hex of bytea": "\\x5f4dcc3b5aa765d61d8327deb882cf99",
    "MySQL 4": "5d2e19393cc5ef67",
    "ASP.NET Identity": "AQAAAAEAACcQAAAAE" + "Zx9+" * 16 + "A==",
    "str(bytes)": "b'$2b$04$" + "a" * 53 + "'",
    "quoted": '"$2b$04$' + "a" * 53 + '"',
    "padded bcrypt": "$2b$04$" + "a" * 53 + "   ",
    "padded with NUL": "$2b$04$" + "a" * 53 + "\0\0",
    "leading blanks": "  $6$salt$" + "a" * 86,
    "byte order mark": "\ufeff{SSHA}c2VjcmV0",
    "bytes": b"correct horse",
    "a number": 17,
}


# what is made


def test_a_new_hash_is_argon2id_with_owasp_s_parameters():
    assert NEW.fullmatch(CURRENT["ours"])
    assert hash_password(PASSWORD) != CURRENT["ours"], "each has its own salt"


@pytest.mark.parametrize("password", ["x" * 4097, "é" * 2049, "\ud800", None, 17, b"bytes"])
def test_an_invalid_password_is_not_hashed_and_not_shown(password):
    with pytest.raises(ValueError, match="4096") as caught:
        hash_password(password)
    assert str(password) not in str(caught.value)
    assert str(caught.value) == "A password must be a string of at most 4096 bytes in UTF-8"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("extension", "key"), [(JWT, "description"), (JWTManager, "msg")])
@pytest.mark.parametrize("password", ["x" * 4097, 17])
def test_an_invalid_password_of_a_client_is_a_400(extension, key, password):
    """A sign-up whose author didn't think of it is no server error."""
    app = make_app(extension)
    app.add_url_rule(
        "/sign-up", view_func=lambda: hash_password(request.json["password"]), methods=["POST"]
    )
    response = app.test_client().post("/sign-up", json={"password": password})
    assert response.status_code == 400
    assert "at most 4096 bytes" in response.get_json()[key]


@pytest.mark.parametrize("password", ["", "a\0b", "é" * 2048, "пароль 😀"])
def test_a_password_may_be_any_string(password):
    assert check_password(hash_password(password), password)


def test_passwords_are_not_normalized():
    """Composed and decomposed é are two passwords, as they are to Werkzeug."""
    assert not check_password(hash_password("caf\u00e9"), "cafe\u0301")
    assert not check_password(hash_password("pass"), "pass ")
    assert not check_password(hash_password("a\0b"), "a\0c")


# the result


@pytest.mark.parametrize("stored", CURRENT.values(), ids=CURRENT)
def test_a_current_hash_is_kept(stored):
    assert check_password(stored, PASSWORD) == (True, None)
    assert check_password(stored, "wrong") == (False, None)


@pytest.mark.parametrize("stored", OLD.values(), ids=OLD)
def test_an_old_hash_is_replaced_if_the_password_is_correct(stored):
    correct, new_hash = check_password(stored, PASSWORD)
    assert correct is True
    assert NEW.fullmatch(new_hash)
    assert check_password(new_hash, PASSWORD) == (True, None)


@pytest.mark.parametrize("stored", OLD.values(), ids=OLD)
def test_an_old_hash_is_kept_if_the_password_is_wrong(stored):
    assert check_password(stored, "wrong") == (False, None)
    assert check_password(stored, "") == (False, None)


def test_the_example_of_passlib():
    """From its documentation of pbkdf2_sha256."""
    stored = (
        "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M"
    )
    assert check_password(stored, "password")
    assert not check_password(stored, "Password")


def test_bcrypt_compares_72_bytes_and_the_new_hash_all_of_them():
    long = "x" * 80
    correct, new_hash = check_password(bcrypt_hash(long), long)
    assert correct
    assert check_password(new_hash, long)
    assert not check_password(new_hash, long[:72])
    assert not check_password(bcrypt_hash(long), "x" * 71)
    assert check_password(bcrypt_hash("é" * 40), "é" * 40), "cut within a character, too"


def test_a_result_is_true_if_the_password_is_correct():
    results = check_password(OLD["bcrypt"], PASSWORD), check_password(OLD["bcrypt"], "wrong")
    assert [bool(result) for result in results] == [True, False]
    assert [result.is_correct for result in results] == [True, False]
    assert all(isinstance(result, PasswordCheck) for result in results)


def test_a_repr_shows_no_hash():
    result = check_password(OLD["bcrypt"], PASSWORD)
    for text in repr(result), str(result), f"{result}", f"{result!r}":
        assert text == "PasswordCheck(is_correct=True, new_hash=…)"
    assert repr(check_password(None, PASSWORD)) == "PasswordCheck(is_correct=False, new_hash=None)"


@pytest.mark.parametrize("given", ["x" * 4097, "x" * 10**7, "\ud800", None, 17, b"pass", ["pass"]])
@pytest.mark.parametrize(
    "stored", [None, CURRENT["ours"], OLD["bcrypt"]], ids=["unknown", "argon2", "bcrypt"]
)
def test_an_invalid_password_is_wrong_whether_or_not_there_is_a_user(stored, given, log):
    assert check_password(stored, given, accept_plain_text=True) == (False, None)
    assert not log.records


# unknown users


@pytest.fixture
def verified(monkeypatch):
    """The hashes that argon2 has compared."""
    hashes = []
    verify = argon2.PasswordHasher.verify

    def counted(self, hash, password):
        hashes.append(hash)
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", None)
    return hashes


@pytest.mark.parametrize("stored", [None, "", "plain", *DAMAGED.values()])
def test_an_unknown_user_takes_the_work_of_a_wrong_password(stored, verified):
    """From the first call on: nothing is computed beforehand."""
    assert check_password(stored, PASSWORD) == (False, None)
    assert NEW.fullmatch(verified[-1])
    del verified[:]
    assert check_password(CURRENT["ours"], "wrong") == (False, None)
    assert len(verified) == 1


@pytest.mark.parametrize("password", ["", "A", "pass"])
def test_an_unknown_user_has_no_password(password):
    assert not check_password(None, password)
    assert not check_password("", password, accept_plain_text=True)


# hashes that can't be read


@pytest.mark.parametrize("stored", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_hash_matches_nothing_and_is_logged_once(stored, log):
    for _ in range(2):
        assert check_password(stored, PASSWORD, accept_plain_text=True) == (False, None)
        assert check_password(stored, stored, accept_plain_text=True) == (False, None)
    (record,) = log.records
    assert record.levelname == "WARNING"
    assert "damaged" in record.getMessage()
    assert stored not in record.getMessage()


@pytest.mark.parametrize("stored", UNKNOWN.values(), ids=UNKNOWN)
def test_a_hash_of_an_unknown_format_is_never_plain_text(stored, log):
    """A thief of the hash could log in with it."""
    given = stored if isinstance(stored, str) else PASSWORD
    for _ in range(2):
        assert check_password(stored, given, accept_plain_text=True) == (False, None)
        assert check_password(stored, given) == (False, None)
    (record,) = log.records
    assert "accept_plain_text=True" in record.getMessage()
    assert str(stored) not in record.getMessage()


DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s")
ENCODINGS = {
    "hex": bytes.hex,
    "HEX": lambda digest: digest.hex().upper(),
    "base64": lambda digest: base64.b64encode(digest).decode(),
    "base64url": lambda digest: base64.urlsafe_b64encode(digest).decode(),
    "base64, no padding": lambda digest: base64.b64encode(digest).decode().rstrip("="),
    "salted LDAP": lambda digest: base64.b64encode(digest + b"salt").decode(),
    "salted LDAP, 8 bytes": lambda digest: base64.b64encode(digest + b"saltsalt").decode(),
}
AROUND = [
    "{}", "{}:salt", "salt:{}", "{}$salt", "salt${}", "{};salt", "salt|{}", "{}.salt", "{}   ",
    "  {}", "\t{}\n", "{}\0\0", "'{}'", '"{}"', "b'{}'", "  b'{}' ", "{} salt",
]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(DIGESTS), st.binary(max_size=20), st.sampled_from([*ENCODINGS]),
    st.sampled_from(AROUND),
)  # fmt: skip
def test_a_digest_is_never_plain_text_however_it_is_written(digest, password, encoding, around):
    value = hashlib.new(digest, password).digest()
    stored = around.format(ENCODINGS[encoding](value))
    with pytest.MonkeyPatch.context() as patch:
        count_computations(patch)
        assert not check_password(stored, stored, accept_plain_text=True)
        assert not check_password(stored, stored.strip(), accept_plain_text=True)


@pytest.mark.parametrize("stored", TOO_COSTLY.values(), ids=TOO_COSTLY)
def test_a_hash_that_asks_for_too_much_is_rejected_before_it_is_computed(stored, log, monkeypatch):
    computed = count_computations(monkeypatch)
    assert check_password(stored, PASSWORD, accept_plain_text=True) == (False, None)
    # The hash of an unknown user is computed instead, so that the time shows nothing.
    assert computed == [_passwords.DUMMY_HASHES["argon2id"]]
    (record,) = log.records
    assert "asks for too much" in record.getMessage()
    assert stored not in record.getMessage()


@pytest.mark.parametrize("stored", STILL_COMPUTED.values(), ids=STILL_COMPUTED)
def test_a_hash_that_asks_for_as_much_as_is_allowed_is_computed(stored, log, monkeypatch):
    computed = count_computations(monkeypatch)
    assert check_password(stored, PASSWORD) == (False, None)
    assert len(computed) == 1
    assert not log.records


def count_computations(monkeypatch):
    """Record each stored hash that is computed, and compute none."""
    computed = []

    def compute(self, stored, given):
        computed.append(stored)
        raise argon2.exceptions.VerifyMismatchError

    monkeypatch.setattr(argon2.PasswordHasher, "verify", compute)
    monkeypatch.setattr(bcrypt, "checkpw", lambda _, stored: bool(computed.append(stored)))
    monkeypatch.setattr(
        _passwords, "check_password_hash", lambda stored, _: bool(computed.append(stored))
    )

    def pbkdf2(*arguments):
        computed.append(arguments)
        return b"\1" * 32

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", pbkdf2)
    return computed


# Numbers have one digit, because what can be read is also computed.
salts = st.text("AZaz09+./$=", max_size=24)
hashes = st.one_of(
    st.text(max_size=80),
    st.builds("$argon2{}$v=19$m={}{},t={},p={}${}${}".format,
              st.sampled_from(["i", "d", "id", "x"]), st.integers(0, 9), st.integers(0, 9),
              st.integers(0, 9), st.integers(0, 9), salts, salts),
    st.builds("scrypt:{}:{}:{}${}${}".format, st.integers(0, 9), st.integers(0, 9),
              st.integers(0, 9), salts, st.sampled_from(["0" * 128, "0", ""])),
    st.builds("pbkdf2{}{}{}{}${}${}".format, st.sampled_from([":", "_"]),
              st.sampled_from(["sha1", "sha256", "shake_128", "x"]), st.sampled_from([":", "$"]),
              st.integers(0, 9), salts, st.sampled_from(["0" * 64, "0" * 40, "0", ""])),
    st.builds("$pbkdf2{}${}${}${}".format, st.sampled_from(["", "-sha256", "-sha512"]),
              st.integers(0, 9), salts, salts),
    st.builds("$2{}$0{}${}".format, st.sampled_from("abxy"), st.integers(0, 5),
              st.text("./AZaz09", min_size=52, max_size=54)),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(hashes, st.text(max_size=80))
def test_a_check_never_raises_whatever_is_stored(stored, password):
    assert kind_of(stored) in KINDS
    assert check_password(stored, password) == (False, None)


# plain text


def test_plain_text_is_compared_only_if_it_is_accepted(log):
    assert check_password("pass", "pass") == (False, None)
    assert "accept_plain_text=True" in log.text
    correct, new_hash = check_password("pass", "pass", accept_plain_text=True)
    assert correct
    assert NEW.fullmatch(new_hash)
    assert check_password("pass", "wrong", accept_plain_text=True) == (False, None)
    assert len(log.records) == 2, "each is logged once"
    assert "plain text" in log.records[1].getMessage()


@pytest.mark.parametrize(
    "password",
    [
        "пароль",
        "$money",
        "a$b",
        "deadbeef",
        "{curly",
        "correct horse battery staple",
        "b'c'",
        "Pässe",
        "1234567890123456",
        "Password12345",
        "hunter2!",
        "ünïcödepässwörtermitlängé",
        "abc:def",
    ],
)
def test_plain_text_may_be_any_string(password, log):
    assert check_password(password, password, accept_plain_text=True)
    assert password not in log.text


def test_hashes_stay_hashes_if_plain_text_is_accepted():
    assert check_password(OLD["bcrypt"], PASSWORD, accept_plain_text=True)
    assert not check_password(OLD["bcrypt"], OLD["bcrypt"], accept_plain_text=True)


# extras that aren't installed


def without(package, script):
    """Return what a script prints if *package* isn't installed."""
    start = f"import sys; sys.modules[{package!r}] = None\nfrom flask_jwt import *\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", start + script],
        cwd=ROOT, env={"PYTHONPATH": ":".join(sys.path)}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@pytest.mark.slow
def test_werkzeug_makes_new_hashes_without_argon2():
    """They have Werkzeug's parameters. If Werkzeug raises them, this test fails."""
    script = f"""
stored = hash_password("pass")
print(stored.split("$")[0])
print(tuple(check_password(stored, "pass")), check_password(None, "pass").is_correct)
correct, new_hash = check_password({OLD["scrypt, weaker"]!r}, {PASSWORD!r})
print(correct, new_hash.split("$")[0])
try:
    check_password({CURRENT["ours"]!r}, "pass")
except ConfigError as error:
    print(error)
"""
    method = generate_password_hash("").split("$")[0]
    assert without("argon2", script).splitlines() == [
        method,
        "(True, None) False",
        f"True {method}",
        "This stored password hash needs argon2-cffi: pip install 'Flask-JWT-Too[argon2]'",
    ]


def test_the_error_without_bcrypt_says_what_to_install():
    script = f"""
try:
    check_password({OLD["bcrypt"]!r}, "pass")
except ConfigError as error:
    print(error)
"""
    assert "pip install 'Flask-JWT-Too[bcrypt]'" in without("bcrypt", script)


# flask jwt passwords

COLUMN = [*OLD.values(), *CURRENT.values(), UNKNOWN["crypt"], "secret", None, ""]
FOUND = {
    "argon2id": 4, "argon2, weaker": 4, "scrypt": 1, "scrypt, weaker": 1, "pbkdf2": 6, "bcrypt": 3,
    "plain text or unknown": 2,
}  # fmt: skip


def passwords(*arguments, app=None, **options):
    runner = (app or Flask("tool")).test_cli_runner()
    return runner.invoke(jwt_cli, ["passwords", *arguments], **options)


def fill(engine, table="users", column="password"):
    users = sa.Table(
        table,
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(column, sa.Text),
    )
    with engine.begin() as connection:
        users.drop(connection, checkfirst=True)
        users.create(connection)
        connection.execute(users.insert(), [{column: value} for value in COLUMN])
    engine.dispose()


def assert_counted(result):
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {kind["kind"]: kind["count"] for kind in found["kinds"]} == FOUND
    assert [kind["kind"] for kind in found["kinds"] if kind["current"]] == ["argon2id"]
    assert (found["hashes"], found["old"], found["without_password"]) == (21, 17, 2)


def test_check_counts_the_hashes_of_a_column(tmp_path):
    uri = f"sqlite:///{tmp_path}/users.db"
    fill(sa.create_engine(uri))
    where = ["check", "--table", "users", "--column", "password", "--database", uri]
    assert_counted(passwords(*where, "--json"))
    result = passwords(*where)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "TYPE                   HASHES",
        "argon2id               4       current",
        "argon2, weaker         4       old",
    ]
    assert lines[-2].startswith("17 of 21 hashes are old.")
    assert "Reading" in result.stderr
    assert not any(value in result.output for value in COLUMN if value)


@pytest.mark.parametrize("column", ["password", "Hash of it"])
def test_check_counts_the_hashes_of_a_column_on_postgresql(postgres_url, column):
    """``user`` is a reserved word there."""
    fill(sa.create_engine(postgres_url), "user", column)
    where = ["check", "--column", column, "--database", postgres_url]
    assert_counted(passwords(*where, "--table", "user", "--json"))
    assert_counted(passwords(*where, "--table", "public.user", "--json"))


def test_check_reads_the_database_of_the_application(tmp_path):
    app = Flask("tested", instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///in-the-instance-folder.db"
    db = SQLAlchemy(app)
    with app.app_context():
        fill(db.engine)
    assert_counted(
        passwords("check", "--table", "users", "--column", "password", "--json", app=app)
    )


def test_check_reads_the_option_without_flask_sqlalchemy(tmp_path):
    app = Flask("tested")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/users.db"
    fill(sa.create_engine(app.config["SQLALCHEMY_DATABASE_URI"]))
    assert_counted(
        passwords("check", "--table", "users", "--column", "password", "--json", app=app)
    )


def test_check_counts_the_hashes_of_a_file(tmp_path):
    text = "".join(f"{value or ''}\n" for value in COLUMN)
    path = tmp_path / "hashes"
    path.write_text(text)
    assert_counted(passwords("check", "--file", str(path), "--json"))
    assert_counted(passwords("check", "--file", "-", "--json", input=text))
    shown = passwords("check", "--file", str(path)), passwords("check", "--file", "-", input=text)
    assert shown[0].stdout == shown[1].stdout
    path.write_bytes(b"\xff\xfe\n")
    assert json.loads(passwords("check", "--file", str(path), "--json").stdout)["old"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--table and --column, or --file"),
        (["--table", "users"], "--table and --column, or --file"),
        (["--file", "x", "--table", "users"], "not both"),
        (["--file", "/nowhere/at/all"], "No such file"),
        (["--table", "users", "--column", "password"], "SQLALCHEMY_DATABASE_URI"),
        (["--table", "users", "--column", "x", "--database", "sqlite://"], "no such table: users"),
        (["--table", "u", "--column", "x", "--database", "gibberish-hunter2"], "URI"),
        (["--table", "u", "--column", "x", "--database", "postgresql://u:hunter2@h:x/d"], "URI"),
        (["--table", "u", "--column", "x", "--database", "no+such://u:hunter2@h/d"], "URI"),
        (["--table", "u", "--column", "x", "--database", "mysql+cymysql://u@h/d"], "pip install cymysql"),
    ],
)  # fmt: skip
def test_check_says_what_to_write_instead(arguments, message):
    result = passwords("check", *arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert "hunter2" not in result.output


def test_check_reports_a_missing_column(tmp_path):
    """SQLite would take an unknown quoted name for a string."""
    uri = f"sqlite:///{tmp_path}/users.db"
    fill(sa.create_engine(uri))
    result = passwords("check", "--table", "users", "--column", "Pass Word", "--database", uri)
    assert result.exit_code == 1
    assert "no such column" in result.output


def test_check_without_sqlalchemy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    result = passwords("check", "--table", "users", "--column", "password")
    assert "pip install 'Flask-JWT-Too[sql]'" in result.output


def test_hash_prints_a_hash_and_nothing_else():
    result = passwords("hash", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert NEW.fullmatch(result.stdout.strip())
    assert check_password(result.stdout.strip(), PASSWORD)
    assert PASSWORD not in result.output
    assert passwords("hash", input="one\nanother\n").exit_code == 1
    result = passwords("hash", input=f"{'x' * 5000}\n" * 2)
    assert (result.exit_code, "4096" in result.output) == (1, True)


# the example


def test_the_example_replaces_old_hashes(tmp_path, monkeypatch, caplog):
    space = run_example("passwords/app.py", tmp_path, monkeypatch)
    client = space["app"].test_client()
    users = space["users"]

    def log_in(username, password):
        return client.post("/auth", json={"username": username, "password": password})

    before = {name: user["password"] for name, user in users.items()}
    for name in before:
        assert log_in(name, "wrong").status_code == 401
    assert log_in("nobody", "pass").status_code == 401
    assert {name: user["password"] for name, user in users.items()} == before
    tokens = [log_in(name, "pass").get_json()["access_token"] for name in before]
    assert client.get("/me", headers=bearer(tokens[0])).get_json() == {"id": 1}
    assert all(NEW.fullmatch(user["password"]) for user in users.values())
    assert Counter(user["password"] == before[name] for name, user in users.items()) == {
        True: 1,
        False: 1,
    }
    assert log_in("ann", "pass").status_code == 200
    assert caplog.messages.count("User 2 has a new hash") == 1


@pytest.mark.parametrize("is_changed_meanwhile", [False, True])
def test_the_example_for_a_database_replaces_only_the_hash_it_has_checked(
    is_changed_meanwhile, tmp_path, monkeypatch
):
    """It is a module of the tutorial's program."""
    for name in ("tutorial/models.py", "tutorial/app.py", "passwords/security.py"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    with example(tmp_path, "app", "models", "security") as (program, models, security):
        database = f"sqlite:///{tmp_path}/users.db"
        app = program.create_app(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=database)
        db, user_table = models.db, models.User.__table__
        old, other = generate_password_hash("pass", "pbkdf2:sha256:1000"), hash_password("other")

        def check_meanwhile(stored, given):
            result = check_password(stored, given)
            if is_changed_meanwhile:
                with db.engine.begin() as connection:
                    connection.execute(user_table.update().values(password_hash=other))
            return result

        monkeypatch.setattr(security, "check_password", check_meanwhile)
        with app.app_context():
            db.session.add(models.User(username="ann", password_hash=old))
            db.session.commit()

        def log_in(username, password):
            form = {"username": username, "password": password}
            return app.test_client().post("/auth", json=form).status_code

        assert log_in("ann", "no") == log_in("bob", "pass") == 401
        with app.app_context():
            db.session.execute(user_table.update().values(password_hash=old))
            db.session.commit()
        assert log_in("ann", "pass") == 200
        with app.app_context():
            stored = db.session.scalar(db.select(models.User.password_hash))
            db.session.remove()
            db.engine.dispose()
    assert (stored == other) is is_changed_meanwhile
    assert NEW.fullmatch(stored)
