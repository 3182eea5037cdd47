"""Exceptions under ``JWTManager``: classes, texts, arguments and bases as Flask-JWT-Extended's.

Flask-JWT-Extended runs in the same test, and most of its exceptions are PyJWT's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt
from flask_jwt import errors
from flask_jwt import extended as ours
from flask_jwt._jose.encoding import b64encode
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock
from tests.support import SECRET, bearer, make_app

NOW = int(time.time())
CLAIMS = {
    "sub": "joe", "iat": NOW, "nbf": NOW, "exp": NOW + 600, "jti": "x", "type": "access",
    "fresh": False,
}  # fmt: skip
HEADER = {"typ": "JWT", "alg": "HS256"}
OPTIONS = {
    "default": {},
    "parties": {"JWT_DECODE_AUDIENCE": "me", "JWT_DECODE_ISSUER": "me"},
    "audiences": {"JWT_DECODE_AUDIENCE": ["me", "you"]},
    "leeway": {"JWT_DECODE_LEEWAY": 30},
}


def segment(value):
    return b64encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def sign(header, payload):
    message = f"{segment(header)}.{segment(payload)}"
    signature = hmac.digest(SECRET.encode(), message.encode(), hashlib.sha256)
    return f"{message}.{b64encode(signature)}"


def issue(**claims):
    """Return a token with these claims; a claim that is ``...`` is left out."""
    return sign(HEADER, {k: v for k, v in {**CLAIMS, **claims}.items() if v is not ...})


VALID = issue()
HEAD, PAYLOAD, SIGNATURE = VALID.split(".")
OTHER_SIGNATURE = f"{'B' if SIGNATURE[0] == 'A' else 'A'}{SIGNATURE[1:]}"
TOKENS = {
    "nothing": None, "a number": 7, "a list": [], "an object": {"a": 1}, "bytes": b"abc",
    "empty": "", "one segment": "abc", "two segments": "a.b", "short": "a.b.c", "xyz": "x.y.z",
    "four segments": f"{VALID}.x", "dots": "...", "not ASCII": "é.é.é",
    "a blank": f"{HEAD} .{PAYLOAD}.{SIGNATURE}",
    "header padding": f"a.{PAYLOAD}.{SIGNATURE}",
    "header not JSON": f"{segment(b'xx')}.{PAYLOAD}.{SIGNATURE}",
    "header not UTF-8": f"{segment(bytes([255, 254]))}.{PAYLOAD}.{SIGNATURE}",
    **{f"header {value!r}": sign(value, CLAIMS) for value in ([1], "x", 1, None)},
    "payload padding": f"{HEAD}.a.{SIGNATURE}",
    "payload not UTF-8": sign(HEADER, bytes([255, 254])),
    **{f"payload {value!r}": sign(HEADER, value) for value in (b"xx", b"", [1], "x", None)},
    "signature padding": f"{HEAD}.{PAYLOAD}.a", "no signature": f"{HEAD}.{PAYLOAD}.",
    "another signature": f"{HEAD}.{PAYLOAD}.{OTHER_SIGNATURE}",
    "another payload": f"{HEAD}.{segment({**CLAIMS, 'sub': 'eve'})}.{SIGNATURE}",
    **{f"cut by {n}": VALID[:-n] for n in (1, 2, 5)},
    **{
        f"alg {value!r}": sign({"typ": "JWT", "alg": value}, CLAIMS)
        for value in ("none", 1, "RS256", "HS512", "unknown", ["HS256"], None)
    },
    "no alg": sign({"typ": "JWT"}, CLAIMS),
    **{
        f"header {more}": sign({**HEADER, **more}, CLAIMS)
        for more in ({"kid": 1}, {"kid": "a"}, {"crit": ["x"]}, {"crit": []}, {"b64": False})
    },
    "expired": issue(exp=NOW - 60),
    "not yet valid": issue(nbf=NOW + 600), "from the future": issue(iat=NOW + 600),
    "both": issue(nbf=NOW + 600, iat=NOW + 600),
    "expired within 30 s": issue(exp=NOW - 10), "early by 10 s": issue(nbf=NOW + 10),
    **{
        f"{name} {value!r}": issue(**{name: value})
        for name in ("exp", "nbf", "iat", "sub", "jti", "iss", "type", "fresh")
        for value in (..., None, "x", 1, ["x"])
    },
    **{f"aud {value!r}": issue(aud=value) for value in (..., "x", "me", ["x"], ["x", "me"])},
    "iss me": issue(iss="me"), "for me": issue(aud="me", iss="me"),
    "expired refresh token": issue(type="refresh", exp=NOW - 60),
    "early refresh token": issue(type="refresh", nbf=NOW + 600),
    "expired, no sub": issue(exp=NOW - 60, sub=...),
    "expired, another's": issue(exp=NOW - 60, aud="y"),
    "early, another's": issue(nbf=NOW + 600, aud="y"),
}  # fmt: skip


def make(package, **options):
    app = Flask("tested")
    app.config.update(JWT_SECRET_KEY=SECRET, **options)
    app.manager = package.JWTManager(app)
    for path, arguments in {"/": {}, "/fresh": {"fresh": True}, "/new": {"refresh": True}}.items():
        view = package.jwt_required(**arguments)(lambda: "in")
        app.add_url_rule(path, path, view)
    return app


def describe(error):
    """Return what a program can tell of an exception."""
    bases = [each.__name__ for each in type(error).__mro__]
    attributes = {name: value for name, value in vars(error).items() if name[0] != "_"}
    return type(error).__name__, str(error), repr(error), error.args, bases, attributes


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:
        return describe(error)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", TOKENS)
def test_decode_token(name, options):
    results = []
    for package in (fje, ours):
        with make(package, **OPTIONS[options]).app_context():
            results.append(outcome(package.decode_token, TOKENS[name]))
    assert results[1] == results[0]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("path", ["/", "/fresh", "/new"])
def test_responses(path, options):
    """Compare the responses to all tokens that a header can hold."""
    results = []
    for package in (fje, ours):
        client = make(package, **OPTIONS[options]).test_client()
        tokens = {
            name: token for name, token in TOKENS.items()
            if isinstance(token, str) and token.isascii() and " " not in token
        }  # fmt: skip
        responses = {k: client.get(path, headers=bearer(v)) for k, v in tokens.items()}
        results.append({k: (each.status_code, each.text) for k, each in responses.items()})
    # A fresh claim that is no bool, or an identity in a list, is a server error there.
    expected = {name: r for name, r in results[0].items() if r[0] != 500}
    assert {name: results[1][name] for name in expected} == expected


@pytest.mark.parametrize("name", ["get_jti", "get_csrf_token", "get_unverified_jwt_headers"])
@pytest.mark.parametrize("token", [None, 7, [], "abc", "a.b.c"])
def test_other_functions_that_take_a_token(name, token):
    results = []
    for package in (fje, ours):
        with make(package).app_context():
            results.append(outcome(getattr(package, name), token))
    assert results[1] == results[0]


def reject(package, kind):
    """Return what verify_jwt_in_request raises in a request of one kind."""
    options, headers, arguments, path = {}, {}, {}, "/"
    if kind == "query parameter":
        options["JWT_QUERY_STRING_VALUE_PREFIX"] = "Bearer "
        arguments["locations"], path = "query_string", "/?jwt=x"
    elif kind == "no cookie":
        arguments["locations"] = "cookies"
    elif kind == "CSRF value":
        options["JWT_ACCESS_COOKIE_NAME"] = "at"
        headers["Cookie"] = f"at={issue(csrf='y')}"
        arguments["locations"] = "cookies"
    else:
        token = {"refresh": issue(type="refresh"), "header": ""}.get(kind, VALID)
        headers = {} if kind == "no token" else {"Authorization": f"Bearer {token}".strip()}
    arguments.update({"not fresh": {"fresh": True}, "access": {"refresh": True}}.get(kind, {}))
    app = make(package, **options)
    if kind == "revoked":
        app.manager.token_in_blocklist_loader(lambda header, claims: True)
    elif kind == "claims":
        app.manager.token_verification_loader(lambda header, claims: False)
    elif kind == "user":
        app.manager.user_lookup_loader(lambda header, claims: None)
    with app.test_request_context(path, headers=headers, method="POST"):
        return outcome(lambda: package.verify_jwt_in_request(**arguments))


KINDS = [
    "no token", "header", "query parameter", "no cookie", "CSRF value", "refresh", "access",
    "not fresh", "revoked", "claims", "user",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_verify_jwt_in_request(kind):
    expected = reject(fje, kind)
    assert expected[0].endswith(("Error", "Required"))
    assert reject(ours, kind) == expected


@pytest.mark.parametrize("name", [n for n in dir(fje.exceptions) if n[0].isupper()])
def test_exceptions_that_a_program_makes(name):
    arguments = {"RevokedTokenError": ({"a": 1}, {"b": 2})}
    for each in ("FreshTokenRequired", "UserLookupError", "UserClaimsVerificationError"):
        arguments[each] = ("why", {"a": 1}, {"b": 2})
    made = [
        getattr(package.exceptions, name)(*arguments.get(name, ("why", "more")))
        for package in (fje, ours)
    ]
    assert describe(made[1]) == describe(made[0])


# Under JWT


@pytest.mark.parametrize("token", [None, 7, 1.5, [], {}, object()])
def test_jwt_s_decode_handler_takes_only_strings(token):
    """Programs pass on what ``request_callback`` returns, and catch PyJWT's DecodeError."""
    app = make_app()
    with app.app_context():
        for decode in (flask_jwt.decode_token, app.jwt.jwt_decode_callback):
            with pytest.raises(pyjwt.DecodeError, match="Token must be"):
                decode(token)
        with pytest.raises(errors.TokenMalformed):
            flask_jwt.get_csrf_token(token)


@pytest.mark.parametrize("token", [None, 7, []])
def test_a_refresh_token_that_a_client_sends_may_be_anything(token):
    app = make_app(store=MemoryStore())
    with app.app_context(), pytest.raises(errors.TokenMalformed):
        app.jwt.sessions.refresh(token)


def test_jwt_asks_pyjwt_for_nothing(monkeypatch):
    monkeypatch.setattr(pyjwt, "decode", lambda *arguments, **options: pytest.fail("asked"))
    app = make_app()
    with app.app_context(), pytest.raises(errors.TokenMalformed) as raised:
        flask_jwt.decode_token("a.b.c")
    assert raised.value.pyjwt_error is None


def test_times_are_those_of_the_application_s_clock():
    """PyJWT, which has another clock, would call each of these tokens expired."""
    clock = Clock(1_000_000)
    app = make_app(ours.JWTManager(clock=clock), api=ours, users=False, JWT_DECODE_AUDIENCE="me")
    with app.app_context():
        token = ours.create_access_token("joe")
        with pytest.raises(pyjwt.MissingRequiredClaimError):
            ours.decode_token(token)
        clock.tick(-60)
        with pytest.raises(pyjwt.ImmatureSignatureError):
            ours.decode_token(token)


def test_a_long_token_is_not_parsed(monkeypatch):
    app = make(ours)
    monkeypatch.setattr(pyjwt, "decode", lambda *arguments, **options: pytest.fail("parsed"))
    with app.app_context(), pytest.raises(pyjwt.DecodeError, match="longer than 8192"):
        ours.decode_token("a." * 5000)


def test_an_exception_keeps_nothing_of_the_token():
    app = make(ours)
    token = sign(HEADER, b"not JSON, but secret")
    with app.app_context(), pytest.raises(pyjwt.DecodeError) as raised:
        ours.decode_token(token)
    rejection = errors.rejection_of(raised.value)
    assert rejection.pyjwt_error.__cause__ is rejection.pyjwt_error.__traceback__ is None
