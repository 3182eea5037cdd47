"""Whatever a client sends as a token, the answer is a 4xx with a reason."""

from __future__ import annotations

import base64
import json

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_jwt import JWT, create_access_token, get_jwt, get_jwt_header, jwt_required
from flask_jwt._jose.keys import Key
from tests.conftest import SECRET, Clock, bearer
from tests.test_keys import private_pem, public_pem

CLOCK = Clock()
KEY = Key.from_secret(SECRET.encode())
EC_KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = {"identity": 1, "exp": int(CLOCK()) + 300, "iat": int(CLOCK()), "nbf": int(CLOCK())}


def b64(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header, payload, key=KEY):
    """A token whose signature is right, of header and payload bytes that may be anything."""
    header = header if isinstance(header, (str, bytes)) else json.dumps(header)
    payload = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
    message = f"{b64(header)}.{b64(payload)}"
    return f"{message}.{b64(key.sign(message.encode()))}"


HS256 = {"typ": "JWT", "alg": "HS256"}


@pytest.fixture(scope="module")
def hostile_app():
    app = Flask("hostile")
    app.config.update(SECRET_KEY=SECRET, JWT_MAX_TOKEN_SIZE=2**21)
    JWT(app, clock=CLOCK)

    @app.get("/protected")
    @jwt_required()
    def protected():
        return {"claims": get_jwt(), "header": get_jwt_header()}

    return app


def answer(app, authorization):
    """The answer to raw header bytes, as a WSGI server hands them over."""
    if isinstance(authorization, bytes):
        authorization = authorization.decode("latin-1")
    return app.test_client().get(
        "/protected", environ_overrides={"HTTP_AUTHORIZATION": authorization}
    )


def assert_refused(app, authorization):
    response = answer(app, authorization)
    assert response.status_code == 401, response.text
    body = response.get_json()
    assert body["description"]
    assert body["code"]
    return body["description"]


def test_the_good_token_is_good(hostile_app):
    assert answer(hostile_app, f"JWT {sign(HS256, GOOD)}").status_code == 200


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ['"1900000000"', "true", "false", "null", "[]", "{}", "NaN", "Infinity", "-Infinity", "1e400",
     "-1e400", "1" * 400, "1" * 5000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_times_of_each_wrong_kind(hostile_app, claim, value):
    others = {name: GOOD[name] for name in GOOD if name != claim}
    payload = json.dumps(others)[:-1] + f', "{claim}": {value}}}'
    response = answer(hostile_app, f"JWT {sign(HS256, payload)}")
    assert response.status_code == 401


@pytest.mark.parametrize(
    "payload",
    [
        "", "null", "[]", '"text"', "1", "{", '{"a": 1}}', "{}{}",
        json.dumps(GOOD)[:-1] + ', "exp": 1900000000}',
        json.dumps(GOOD)[:-1] + ', "deep": {"a": 1, "a": 2}}',
        json.dumps(GOOD)[:-1] + ', "x": "\\ud800"}',
        json.dumps(GOOD)[:-1] + ', "\\udfff": 1}',
        json.dumps(GOOD)[:-1] + ', "x": NaN}',
        json.dumps(GOOD)[:-1] + ', "x": 1e400}',
        json.dumps(GOOD)[:-1] + ', "x": ' + "[" * 100 + "]" * 100 + "}",
        json.dumps(GOOD)[:-1] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode("utf-16-le"),
        json.dumps(GOOD).encode("utf-32"),
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        json.dumps(GOOD).encode()[:-1] + b', "x": "\xff"}',
        json.dumps(GOOD).encode()[:-1] + b', "x": "\xed\xa0\x80"}',
        b"\x00" * 50,
    ],
    ids=lambda data: repr(data[-30:]),
)  # fmt: skip
def test_payloads_no_one_should_write(hostile_app, payload):
    assert_refused(hostile_app, f"JWT {sign(HS256, payload)}")


def test_emoji_and_paired_surrogates_are_text(hostile_app):
    payload = json.dumps({**GOOD, "name": "\N{GRINNING FACE}"})
    assert "\\ud83d" in payload
    response = answer(hostile_app, f"JWT {sign(HS256, payload)}")
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
def test_headers_no_one_should_write(hostile_app, header):
    assert_refused(hostile_app, f"JWT {sign(header, GOOD)}")


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/"}, {"x5c": ["AA"]},
        {"jwk": {"kty": "oct", "k": b64(b"attacker-" * 5)}},
    ],
    ids=lambda extra: next(iter(extra)),
)  # fmt: skip
def test_keys_named_or_brought_by_the_token_are_never_used(hostile_app, extra):
    attacker = Key.from_secret(b"attacker-" * 5)
    assert_refused(hostile_app, f"JWT {sign({**HS256, **extra}, GOOD, attacker)}")
    assert answer(hostile_app, f"JWT {sign({**HS256, **extra}, GOOD)}").status_code == 200


KIDS = ["../../etc/passwd", "' OR 1=1 --", "a\0b", "", "x" * 5000, "\N{GRINNING FACE}", "http://x/"]


@pytest.mark.parametrize("kid", KIDS)
def test_kid_is_only_a_name(hostile_app, kid):
    """A lone secret has no published name, so a kid chooses nothing."""
    assert answer(hostile_app, f"JWT {sign({**HS256, 'kid': kid}, GOOD)}").status_code == 200
    attacker = Key.from_secret(b"\0" * 40)
    assert_refused(hostile_app, f"JWT {sign({**HS256, 'kid': kid}, GOOD, attacker)}")


@pytest.fixture(scope="module")
def ec_app():
    app = Flask("ec")
    app.config.update(SECRET_KEY=SECRET, JWT_PRIVATE_KEY=private_pem(EC_KEY))
    JWT(app, clock=CLOCK)
    app.add_url_rule("/protected", view_func=jwt_required()(lambda: "in"))
    return app


@pytest.mark.parametrize("kid", [*KIDS, "0" * 43])
def test_a_named_key_is_found_by_its_name_only(ec_app, kid):
    key = Key.from_pem(private_pem(EC_KEY))
    assert (
        answer(ec_app, f"JWT {sign({'alg': 'ES256', 'kid': key.kid}, GOOD, key)}").status_code
        == 200
    )
    assert answer(ec_app, f"JWT {sign({'alg': 'ES256'}, GOOD, key)}").status_code == 200
    assert_refused(ec_app, f"JWT {sign({'alg': 'ES256', 'kid': kid}, GOOD, key)}")


@pytest.mark.parametrize("strip", [False, True])
def test_a_public_key_is_not_an_hmac_secret(ec_app, strip):
    pem = public_pem(EC_KEY)
    material = (pem.strip() if strip else pem).encode()
    forger = Key("HS256", material, material)
    with ec_app.app_context():
        kid = pyjwt.get_unverified_header(create_access_token(1))["kid"]
    for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": kid}):
        assert_refused(ec_app, f"JWT {sign(header, GOOD, forger)}")


def test_secret_key_signs_nothing_where_there_is_a_key_pair(ec_app):
    assert_refused(ec_app, f"JWT {sign(HS256, GOOD)}")


def good():
    return sign(HS256, GOOD)


def spliced(position, text):
    token = good().split(".")
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
def test_segments_that_are_not_canonical_base64url(hostile_app, position, change):
    assert_refused(hostile_app, f"JWT {spliced(position, change)}")


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("character", "?+/=~.\0\x7f")
def test_a_character_that_base64url_lacks_in_what_was_signed(hostile_app, position, character):
    """Four of them too: a decoder that skips them would still see whole groups."""
    assert answer(hostile_app, f"JWT {good()}").status_code == 200  # its header is known from now
    for count in (1, 4):
        segments = good().split(".")[:2]
        segments[position] = segments[position][:8] + character * count + segments[position][8:]
        message = ".".join(segments)
        token = f"{message}.{b64(KEY.sign(message.encode()))}"
        assert_refused(hostile_app, f"JWT {token}")


def test_stray_bits_of_the_last_character(hostile_app):
    """43 characters hold 258 bits, two more than the signature: only one spelling is right."""
    token = good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = alphabet.index(token[-1])
    for other in range(place - place % 4, place - place % 4 + 4):
        spelling = token[:-1] + alphabet[other]
        expected = 200 if other == place else 401
        assert answer(hostile_app, f"JWT {spelling}").status_code == expected


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
def test_authorization_headers_of_every_kind(hostile_app, authorization):
    assert_refused(hostile_app, authorization)


def test_two_authorization_headers(hostile_app):
    """Servers join them with a comma; neither counts."""
    for joint in (",", ", "):
        assert_refused(hostile_app, f"JWT {good()}{joint}JWT {good()}")


def test_a_token_longer_than_the_limit(make_app, clock):
    app = make_app()
    token = sign(HS256, {**GOOD, "x": "x" * 8000})
    response = app.test_client().get("/protected", headers=bearer(token))
    assert response.status_code == 401
    assert response.get_json()["description"] == "Token is longer than 8192 bytes"
    app.config["JWT_MAX_TOKEN_SIZE"] = 20_000
    assert app.test_client().get("/protected", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "kind", [None, "ACCESS", "Access", "", "refresh", [], ["access"], {}, 1, True]
)
def test_types_other_than_access(hostile_app, kind):
    token = sign(HS256, {**GOOD, "type": kind})
    response = answer(hostile_app, f"JWT {token}")
    assert response.status_code == 401
    assert response.get_json()["code"] == "wrong_token_type"
    assert answer(hostile_app, f"JWT {token}").status_code == 401, "seen before or not"


@pytest.mark.parametrize(
    "audience", [None, 1, True, {}, [], ["shop", 1], [None], "", "Shop", ["a", "b"], "\ud83d\ude00"]
)
def test_audiences_of_each_wrong_kind(hostile_app, audience):
    assert_refused(hostile_app, f"JWT {sign(HS256, {**GOOD, 'aud': audience})}")


def test_refusals_never_repeat_the_token(hostile_app, caplog):
    caplog.set_level("DEBUG")
    for token in (good()[:-4], good() + "x", sign(HS256, {**GOOD, "exp": 5}), sign("{", GOOD)):
        response = answer(hostile_app, f"JWT {token}")
        signature = token.rpartition(".")[2]
        for place in (response.text, str(response.headers), caplog.text):
            assert signature not in place


@pytest.mark.parametrize("size", [0, 10_000])
def test_a_verdict_is_the_same_seen_or_not(size, clock):
    app = Flask("cached")
    app.config.update(SECRET_KEY=SECRET, JWT_CACHE_SIZE=size)
    JWT(app, clock=clock)
    app.add_url_rule("/protected", view_func=jwt_required()(lambda: "in"))
    with app.app_context():
        token = create_access_token(1, expires_delta=100)
    verdicts = []
    for step in (0, 0, -20, 20, 100, 10, 0, -50):
        clock.tick(step)
        verdicts.append(answer(app, f"JWT {token}").status_code)
    assert verdicts == [200, 200, 401, 200, 200, 401, 401, 200]


FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(st.data())
def test_a_mutated_token_is_refused(hostile_app, data):
    token = good()
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 5)))
    text = data.draw(st.text(st.characters(codec="latin-1"), max_size=5))
    mutated = token[:start] + text + token[end:]
    # A comma ends a field of a joined header: what follows it is another scheme's, and left alone.
    if mutated.replace(",", " ").split()[:1] == [token]:
        return
    assert_refused(hostile_app, f"JWT {mutated}")


@FUZZ
@given(st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_text_as_authorization(hostile_app, text):
    assert_refused(hostile_app, text)


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
def test_signed_claims_of_any_kind_never_break_the_server(hostile_app, claims):
    response = answer(hostile_app, f"JWT {sign(HS256, {**GOOD, **claims})}")
    assert response.status_code in (200, 401), response.text


@FUZZ
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jku", "cty"]), JSON))
def test_signed_headers_of_any_kind_never_break_the_server(hostile_app, header):
    response = answer(hostile_app, f"JWT {sign({**HS256, **header}, GOOD)}")
    assert response.status_code in (200, 401), response.text
