"""Invalid tokens: whatever a client sends, the response is a 401 that says why."""

from __future__ import annotations

import base64
import json

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_jwt import JWT, get_jwt, get_jwt_header, jwt_required
from flask_jwt._jose.key_file import create_key_file
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import Key
from flask_jwt.testing import Clock
from tests.support import SECRET, bearer, issue, make_app, private_pem, public_pem

CLOCK = Clock()
KEY = Key.from_secret(SECRET.encode())
EC_KEY = ec.generate_private_key(ec.SECP256R1())
VALID = {"identity": 1, "exp": int(CLOCK()) + 300, "iat": int(CLOCK()), "nbf": int(CLOCK())}


def b64(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header, payload, key=KEY):
    """Make a token with a valid signature; its header and payload may be any bytes."""
    header = header if isinstance(header, (str, bytes)) else json.dumps(header)
    payload = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    message = f"{b64(header)}.{b64(payload)}"
    return f"{message}.{b64(key.sign(message.encode()))}"


HS256 = {"typ": "JWT", "alg": "HS256"}


@pytest.fixture(scope="module")
def app():
    def show():
        return {"claims": get_jwt(), "header": get_jwt_header()}

    guards = {"/protected": {}}
    return make_app(users=False, clock=CLOCK, guards=guards, show=show, JWT_MAX_TOKEN_SIZE=2**21)


def send(app, authorization):
    """Send a header of raw bytes, as a WSGI server hands them over."""
    if isinstance(authorization, bytes):
        authorization = authorization.decode("latin-1")
    return app.test_client().get(
        "/protected", environ_overrides={"HTTP_AUTHORIZATION": authorization}
    )


def assert_rejected(app, authorization):
    response = send(app, authorization)
    assert response.status_code == 401, response.text
    body = response.get_json()
    assert body["description"]
    assert body["code"]
    return body["description"]


def test_the_valid_token_is_valid(app):
    assert send(app, f"JWT {sign(HS256, VALID)}").status_code == 200


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ['"1900000000"', "true", "false", "null", "[]", "{}", "NaN", "Infinity", "-Infinity", "1e400",
     "-1e400", "1" * 400, "1" * 5000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_times_that_are_no_numbers(app, claim, value):
    others = {name: VALID[name] for name in VALID if name != claim}
    payload = json.dumps(others)[:-1] + f', "{claim}": {value}}}'
    response = send(app, f"JWT {sign(HS256, payload)}")
    assert response.status_code == 401


@pytest.mark.parametrize(
    "payload",
    [
        "", "null", "[]", '"text"', "1", "{", '{"a": 1}}', "{}{}",
        json.dumps(VALID)[:-1] + ', "exp": 1900000000}',
        json.dumps(VALID)[:-1] + ', "deep": {"a": 1, "a": 2}}',
        json.dumps(VALID)[:-1] + ', "x": "\\ud800"}',
        json.dumps(VALID)[:-1] + ', "\\udfff": 1}',
        json.dumps(VALID)[:-1] + ', "x": NaN}',
        json.dumps(VALID)[:-1] + ', "x": 1e400}',
        json.dumps(VALID)[:-1] + ', "x": ' + "[" * 100 + "]" * 100 + "}",
        json.dumps(VALID)[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        json.dumps(VALID).encode("utf-16"),
        json.dumps(VALID).encode("utf-16-le"),
        json.dumps(VALID).encode("utf-32"),
        b"\xef\xbb\xbf" + json.dumps(VALID).encode(),
        json.dumps(VALID).encode()[:-1] + b', "x": "\xff"}',
        json.dumps(VALID).encode()[:-1] + b', "x": "\xed\xa0\x80"}',
        b"\x00" * 50,
    ],
    ids=lambda data: repr(data[-30:]),
)  # fmt: skip
def test_payloads_that_are_no_strict_json_object(app, payload):
    assert_rejected(app, f"JWT {sign(HS256, payload)}")


def test_emoji_and_paired_surrogates_are_valid(app):
    payload = json.dumps({**VALID, "name": "\N{GRINNING FACE}"})
    assert "\\ud83d" in payload
    response = send(app, f"JWT {sign(HS256, payload)}")
    assert response.get_json()["claims"]["name"] == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    "header",
    [
        "", "null", "[]", '"HS256"', "1", "{}", '{"alg": "HS256", "alg": "HS256"}',
        {"alg": "none"}, {"alg": "None"}, {"alg": "NONE"}, {"alg": "nOnE"}, {"alg": ""},
        {"alg": "hs256"}, {"alg": "HS256 "}, {"alg": None}, {"alg": 5}, {"alg": ["HS256"]},
        {"alg": "HS384"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": "ES256"}, {"alg": "EdDSA"},
        {"alg": "dir", "enc": "A256GCM"},
        {**HS256, "crit": ["exp"]}, {**HS256, "crit": []}, {**HS256, "crit": None},
        {**HS256, "b64": False, "crit": ["b64"]}, {**HS256, "b64": False}, {**HS256, "b64": 0},
        {**HS256, "kid": 1}, {**HS256, "kid": ["a"]}, {**HS256, "kid": {"a": 1}},
        '{"alg": "HS256", "x": "\\ud800"}', '{"alg": "HS256", "x": NaN}', '{"alg": "\\ud800"}',
        '{"alg": "HS256", "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        json.dumps(HS256).encode("utf-16"), b"\xef\xbb\xbf" + json.dumps(HS256).encode(),
    ],
    ids=lambda header: repr(header)[:40],
)  # fmt: skip
def test_headers_that_are_invalid_or_not_understood(app, header):
    assert_rejected(app, f"JWT {sign(header, VALID)}")


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/"}, {"x5c": ["AA"]},
        {"jwk": {"kty": "oct", "k": b64(b"attacker-" * 5)}},
    ],
    ids=lambda extra: next(iter(extra)),
)  # fmt: skip
def test_keys_that_the_token_names_or_holds_are_never_used(app, extra):
    attacker = Key.from_secret(b"attacker-" * 5)
    assert_rejected(app, f"JWT {sign({**HS256, **extra}, VALID, attacker)}")
    assert send(app, f"JWT {sign({**HS256, **extra}, VALID)}").status_code == 200


KIDS = ["../../etc/passwd", "' OR 1=1 --", "a\0b", "", "x" * 5000, "\N{GRINNING FACE}", "http://x/"]


@pytest.mark.parametrize("kid", KIDS)
def test_a_kid_is_only_a_hint(app, kid):
    """A single secret has no published kid, so a kid in a token chooses nothing."""
    assert send(app, f"JWT {sign({**HS256, 'kid': kid}, VALID)}").status_code == 200
    attacker = Key.from_secret(b"\0" * 40)
    assert_rejected(app, f"JWT {sign({**HS256, 'kid': kid}, VALID, attacker)}")


@pytest.fixture(scope="module")
def ec_app():
    return make_app(clock=CLOCK, JWT_PRIVATE_KEY=private_pem(EC_KEY))


@pytest.mark.parametrize("kid", [*KIDS, "0" * 43])
def test_a_key_of_a_key_file_is_found_by_its_kid_only(tmp_path, kid):
    path = tmp_path / "keys.json"
    key = Key.from_pem(private_pem(EC_KEY))
    create_key_file(str(path), KeySet([key]))
    app = Flask("key file")
    app.config.update(JWT_KEY_FILE=path)
    JWT(app, clock=CLOCK)
    app.add_url_rule("/protected", view_func=jwt_required()(lambda: "in"))
    for header in ({"kid": key.kid}, {}):
        token = sign({"alg": "ES256", **header}, VALID, key)
        assert send(app, f"JWT {token}").status_code == 200
    assert_rejected(app, f"JWT {sign({'alg': 'ES256', 'kid': kid}, VALID, key)}")


@pytest.mark.parametrize("strip", [False, True])
def test_a_public_key_is_not_an_hmac_secret(ec_app, strip):
    pem = public_pem(EC_KEY)
    material = (pem.strip() if strip else pem).encode()
    forger = Key("HS256", material, material)
    kid = pyjwt.get_unverified_header(issue(ec_app))["kid"]
    for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": kid}):
        assert_rejected(ec_app, f"JWT {sign(header, VALID, forger)}")


def test_the_secret_key_signs_nothing_if_there_is_a_key_pair(ec_app):
    assert_rejected(ec_app, f"JWT {sign(HS256, VALID)}")


def valid_token():
    return sign(HS256, VALID)


def spliced(position, text):
    token = valid_token().split(".")
    token[position] = text(token[position])
    return ".".join(token)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s + "=", lambda s: s + "==", lambda s: s[:3] + "\n" + s[3:], lambda s: s[:3] + "\t" + s[3:],
        lambda s: s + "A", lambda s: s + "AA", lambda s: s + "AAAA", lambda s: s[:-1],
        lambda s: s[:-1] + "+", lambda s: s[:-1] + "/", lambda s: s[:5] + "?" + s[5:],
        lambda s: s[:5] + "\u00e9" + s[5:], lambda s: s[:5] + "\0" + s[5:], lambda s: "",
        lambda s: s * 2, lambda s: s.swapcase(),
    ],
)  # fmt: skip
def test_segments_that_are_not_canonical_base64url(app, position, change):
    assert_rejected(app, f"JWT {spliced(position, change)}")


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("character", "?+/=~.\0\x7f")
def test_signed_segments_with_characters_that_are_not_base64url(app, position, character):
    """Four at once, too: a decoder that skips them would still see complete groups."""
    assert send(app, f"JWT {valid_token()}").status_code == 200  # its header is cached from now on
    for count in (1, 4):
        segments = valid_token().split(".")[:2]
        segments[position] = segments[position][:8] + character * count + segments[position][8:]
        message = ".".join(segments)
        token = f"{message}.{b64(KEY.sign(message.encode()))}"
        assert_rejected(app, f"JWT {token}")


def test_unused_bits_of_the_last_character_must_be_zero(app):
    """43 characters hold 258 bits, two more than the signature."""
    token = valid_token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    position = alphabet.index(token[-1])
    first = position - position % 4
    for other in range(first, first + 4):
        variant = token[:-1] + alphabet[other]
        expected = 200 if other == position else 401
        assert send(app, f"JWT {variant}").status_code == expected


@pytest.mark.parametrize(
    "authorization",
    [
        "", " ", "\t", ",", ", ,", "JWT", "JWT ", "JWT  ", "JWT .", "JWT ..", "JWT ...", "JWT ....",
        "JWT a.b.c.d", "JWT a.b.c.d.e", "JWT " + "." * 5000, "JWT " + "a" * 2**20,
        "JWT " + "a.b.c" * 2**18, "Bearer", "JWT JWT JWT", b"JWT \xff.\xfe.\xfd", b"\xff\xfe",
        "JWT \u00a0a.b.c", "JWT\x00a.b.c", "Basic am9lOnBhc3M=", "Digest x", "jwt\tx",
        "JWT null", "JWT undefined", "JWT [object Object]", 'JWT "a.b.c"', "JWT <script>",
        "JWT eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA",
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_invalid_authorization_headers(app, authorization):
    assert_rejected(app, authorization)


def test_two_authorization_headers(app):
    """Servers join them with a comma; neither of them counts."""
    for joint in (",", ", "):
        assert_rejected(app, f"JWT {valid_token()}{joint}JWT {valid_token()}")


def test_a_token_longer_than_the_limit(make_app, clock):
    app = make_app()
    token = sign(HS256, {**VALID, "x": "x" * 8000})
    response = app.test_client().get("/protected", headers=bearer(token))
    assert response.status_code == 401
    assert response.get_json()["description"] == "Token is longer than 8192 bytes"
    app.config["JWT_MAX_TOKEN_SIZE"] = 20_000
    assert app.test_client().get("/protected", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "token_type", [None, "ACCESS", "Access", "", "refresh", [], ["access"], {}, 1, True]
)
def test_types_other_than_access(app, token_type):
    token = sign(HS256, {**VALID, "type": token_type})
    response = send(app, f"JWT {token}")
    assert response.status_code == 401
    assert response.get_json()["code"] == "wrong_token_type"
    assert send(app, f"JWT {token}").status_code == 401, "cached or not"


@pytest.mark.parametrize(
    "audience", [None, 1, True, {}, [], ["shop", 1], [None], "", "Shop", ["a", "b"], "\ud83d\ude00"]
)
def test_audiences_that_are_invalid(app, audience):
    assert_rejected(app, f"JWT {sign(HS256, {**VALID, 'aud': audience})}")


def test_errors_and_logs_never_show_the_token(app, caplog):
    caplog.set_level("DEBUG")
    for token in (
        valid_token()[:-4],
        valid_token() + "x",
        sign(HS256, {**VALID, "exp": 5}),
        sign("{", VALID),
    ):
        response = send(app, f"JWT {token}")
        signature = token.rpartition(".")[2]
        for output in (response.text, str(response.headers), caplog.text):
            assert signature not in output


@pytest.mark.parametrize("size", [0, 10_000])
def test_the_result_is_the_same_cached_or_not(size, clock):
    app = make_app(clock=clock, JWT_CACHE_SIZE=size)
    token = issue(app, expires_delta=100)
    statuses = []
    for step in (0, 0, -20, 20, 100, 10, 0, -50):
        clock.tick(step)
        statuses.append(send(app, f"JWT {token}").status_code)
    assert statuses == [200, 200, 401, 200, 200, 401, 401, 200]


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.data())
def test_a_mutated_token_is_rejected(app, data):
    token = valid_token()
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 5)))
    text = data.draw(st.text(st.characters(codec="latin-1"), max_size=5))
    mutated = token[:start] + text + token[end:]
    # A comma ends a field of a joined header. What follows belongs to another scheme.
    if mutated.replace(",", " ").split()[:1] == [token]:
        return
    assert_rejected(app, f"JWT {mutated}")


@FUZZ
@given(st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_string_as_authorization(app, text):
    assert_rejected(app, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
CLAIMS = st.sampled_from(
    ["exp", "nbf", "iat", "type", "aud", "iss", "sub", "identity", "jti", "sid"]
)


@FUZZ
@given(st.dictionaries(CLAIMS, JSON))
def test_signed_claims_of_any_type_are_no_server_error(app, claims):
    response = send(app, f"JWT {sign(HS256, {**VALID, **claims})}")
    assert response.status_code in (200, 401), response.text


@FUZZ
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "cty"]), JSON))
def test_signed_headers_of_any_type_are_no_server_error(app, header):
    response = send(app, f"JWT {sign({**HS256, **header}, VALID)}")
    assert response.status_code in (200, 401), response.text
