"""Messages: what they say about typical mistakes and their neighbours, and what they never say."""

from __future__ import annotations

import base64
import json
import logging
import re
import subprocess
import sys
import warnings
from functools import partial
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask, render_template_string
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import flask_jwt
import flask_jwt.extended
from flask_jwt import JWT, ConfigError, JWTError, current_identity, jwt_required
from flask_jwt._config.settings import OPTIONS
from flask_jwt._former_names import (
    OF_CONFIG,
    OF_EXTENDED,
    OF_EXTENDED_ONLY,
    OF_EXTENSION,
    OF_FLASK_JWT,
)
from flask_jwt._jose.malformed import explain_malformed
from flask_jwt._web.handlers import SIGNATURES
from flask_jwt._web.header_hints import explain_scheme
from flask_jwt.extended import JWTManager
from flask_jwt.stores._location import describe_location
from tests import mistakes
from tests.mistakes import EC_DER, EC_KEY, EC_PEM, PASSWORD, ObjectId, app_of, observe
from tests.support import ROOT, SECRET, bearer, issue, make_app, rsa_key

BOTH = pytest.mark.parametrize("extension", [JWT, JWTManager])


# The table


@pytest.fixture(scope="module")
def outcomes():
    return mistakes.observe_all()


@pytest.fixture(scope="module")
def before():
    return json.loads(mistakes.BEFORE.read_text())


def test_the_pages_are_up_to_date(outcomes, before):
    """Write them: python -m tests.mistakes."""
    # What Python 3.13 and newer add to a message.
    added = ". Did you mean 'methods'?"
    page = mistakes.write_page(outcomes).replace(added, "")
    comparison = mistakes.write_comparison(outcomes, before).replace(added, "")
    assert mistakes.PAGE.read_text() == page
    assert mistakes.COMPARISON.read_text() == comparison


MISTAKES = [mistake for section in mistakes.MISTAKES.values() for mistake in section]
GOOD_BEFORE = {
    # The texts of these were right already; they are in the table for the reader.
    "no CSRF token",
    "a private key in DER",
    "`create_access_token(user)` with an ObjectId as `user.id`",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_more_than_before(outcomes, before, mistake):
    for name, after in outcomes[mistake].items():
        is_same = after == before[mistake][name]
        assert is_same is False or mistake in GOOD_BEFORE, name


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_predecessor_s_text_stays_letter_for_letter(outcomes, before, mistake):
    for name, after in outcomes[mistake].items():
        status, _, document = after["client"].partition(" ")
        old_status, _, old_document = before[mistake][name]["client"].partition(" ")
        if not document.startswith("{"):
            continue
        body, old = json.loads(document), json.loads(old_document)
        assert status == old_status
        if name == "JWTManager":
            # Before, some texts were those of JWT. tests/test_error_texts.py compares them.
            assert body == old or body["msg"].startswith("Invalid "), "advice is only in the log"
            assert body.keys() == old.keys()
        else:
            assert {**old, "hint": None, "code": None} == {**body, "hint": None, "code": None}
            assert body["code"] == old.get("code", "forbidden")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_has_one_message_and_no_secret(outcomes, mistake):
    for after in outcomes[mistake].values():
        assert len([line for line in after["log"] if not line.startswith("INFO")]) <= 1
        assert len([line for line in after["log"] if line.startswith("INFO")]) <= 1
        text = "\n".join([after["client"], *after["log"]])
        for secret in (PASSWORD, base64.b64encode(PASSWORD.encode()).decode(), SECRET, "eyJ"):
            assert secret not in text
        for material in (EC_PEM.split("\n")[1], EC_DER.hex(), base64.b64encode(EC_DER).decode()):
            assert material not in text
            assert material[:40] not in text


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_hint_is_in_the_log_of_both_profiles(outcomes, mistake):
    by_profile = outcomes[mistake]
    _, _, document = by_profile["JWT"]["client"].partition(" ")
    hint = json.loads(document).get("hint") if document.startswith("{") else None
    if hint is None or mistake.startswith("three rejections"):
        return
    for after in by_profile.values():
        assert any(f"Hint: {hint}" in line for line in after["log"])


# The neighbours: Authorization headers


TOKEN = "{}"
HEADERS = {
    # other wrong schemes
    "Basic am9lOnBhc3M=": "not Basic",
    "Digest username=joe": "not Digest",
    "Token {}": "not Token",
    "token {}": "not Token",
    "DPoP {}": "not DPoP",
    "OAuth {}": "not OAuth",
    "ApiKey {}": "not ApiKey",
    "Negotiate YII=": "not Negotiate",
    "AWS4-HMAC-SHA256 Credential=x": "expects the scheme",
    "Bear {}": "expects the scheme",
    "Barer {}": "expects the scheme",
    # none
    "{}": "has no scheme",
    "undefined": "has no scheme",
    "=": "has no scheme",
    # no blank after the scheme
    "Bearer: {}": "one blank",
    "Bearer={}": "one blank",
    "Bearer:{}": "one blank",
    "Bearer{}": "one blank",
    "bearer_{}": "one blank",
    # quotation marks around all
    '"Bearer {}"': "in quotation marks",
    "'Bearer {}'": "in quotation marks",
    "`Bearer {}`": "in quotation marks",
    "\u201cBearer {}\u201d": "in quotation marks",
    "\xab{}\xbb": "in quotation marks",
    "&quot;Bearer {}&quot;": "in quotation marks",
    # and around the token
    'Bearer "{}"': "around the token",
    "Bearer '{}'": "around the token",
    "Bearer `{}`": "around the token",
    "Bearer \u201c{}\u201d": "around the token",
    "Bearer <{}>": "around the token",
    "Bearer ({})": "around the token",
    "Bearer &quot;{}&quot;": None,
    "Bearer b'{}'": "token.decode()",
    'Bearer b"{}"': "token.decode()",
    "Bearer {};": "around the token",
    "Bearer {}=": "padding",
    "Bearer {}==": "padding",
    # no token
    "Bearer": "variable for the token is empty",
    "Bearer ": "variable for the token is empty",
    "bearer \t": "variable for the token is empty",
    # values of variables
    "Bearer undefined": '"undefined"',
    "Bearer null": '"null"',
    "Bearer None": '"None"',
    "Bearer nil": '"nil"',
    "Bearer NaN": '"NaN"',
    "Bearer false": '"false"',
    "Bearer true": '"true"',
    "Bearer [object Object]": '"[object Object]"',
    "Bearer [object Promise]": '"[object Promise]"',
    "Bearer token": '"token"',
    "Bearer access_token": '"access_token"',
    "Bearer <token>": "placeholder",
    "Bearer <your token>": "placeholder",
    "Bearer {{token}}": "placeholder",
    "Bearer ${TOKEN}": "placeholder",
    "Bearer $TOKEN": "placeholder",
    "Bearer %s": "placeholder",
    "Bearer :token": "placeholder",
    # documents
    'Bearer {"access_token":"x"}': "JSON document",
    'Bearer {"access_token": "x", "refresh_token": "y"}': "JSON document",
    'Bearer ["x"]': "JSON document",
    # twice
    "Bearer Bearer {}": "two schemes",
    "Bearer bearer {}": "two schemes",
    "Bearer JWT {}": "two schemes",
    "Bearer: Bearer {}": "one blank",
    "Bearer Bearer: {}": "two schemes",
    # other tokens
    "Bearer 2YotnFZFEjr1zCsicMWpAA": "opaque token",
    "Bearer sk_live_abcdef": "opaque token",
    "Bearer a.b.c.d.e": "encrypted",
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0": "cut off",
    "Bearer eyJh...": None,
    "Bearer eyJhbGci%2EeyJz%2Ec2ln": "URL-encoded",
    "Bearer a+b.c/d.e=f": "base64url",
}


@BOTH
@pytest.mark.parametrize(("value", "hint"), HEADERS.items(), ids=HEADERS)
def test_a_wrong_header_gets_a_hint(extension, value, hint):
    app = app_of(extension)
    token = issue(app, "joe")
    sent = value if "{{" in value else value.replace("{}", token)
    headers = {"Authorization": sent.encode().decode("latin-1")}
    client, log = observe(lambda: app.test_client().get("/protected", headers=headers))
    (line,) = log
    body = json.loads(client.partition(" ")[2])
    assert client[:3] in ("401", "422")
    if extension is JWTManager:
        assert list(body) == ["msg"]
    elif hint is not None:
        assert hint in body["hint"]
    if hint is not None:
        assert hint in line.partition("Hint: ")[2]
    for part in token.split("."):
        assert part not in line
        assert part not in client


@BOTH
@pytest.mark.parametrize("missing", [0, 1, 2, 3, 20, 42, 43])
def test_a_token_without_its_end_gets_a_hint(extension, missing):
    """It still has its two dots, so nothing else says that it was not copied whole."""
    app = app_of(extension)
    token = issue(app, "joe")
    another = issue(make_app(SECRET_KEY="b" * 32), "joe")
    sent = token[:-missing] if missing else another
    client, (line,) = observe(lambda: app.test_client().get("/protected", headers=bearer(sent)))
    assert client[:3] in ("401", "422")
    assert ("signature was cut off" in line) is bool(missing)
    assert ("signature was cut off" in client) is bool(missing and extension is JWT)


@BOTH
def test_a_wrong_header_gets_a_hint_beside_other_locations(extension):
    app = app_of(extension, JWT_TOKEN_LOCATION=["cookies", "headers", "query_string"])
    headers = {"Authorization": f"Token {issue(app, 'joe')}"}
    _, (line,) = observe(lambda: app.test_client().get("/protected", headers=headers))
    assert "not Token" in line.partition("Hint: ")[2]
    _, (line,) = observe(lambda: app.test_client().get("/protected"))
    assert "Hint" not in line


@pytest.mark.parametrize("sent", ["body", "header"])
def test_a_malformed_refresh_token_gets_a_hint(sent):
    app = app_of(JWT, JWT_STORAGE_URI="memory://")
    options = {"json": {"refresh_token": "undefined"}}
    if sent == "header":
        options = {"headers": {"Authorization": "Bearer undefined"}}
    response = app.test_client().post("/auth/refresh", **options)
    assert response.status_code == 401
    assert 'sent "undefined"' in response.get_json()["hint"]


def test_a_correct_header_needs_no_hint():
    app = app_of(JWT)
    for scheme in ("Bearer", "bearer", "JWT", "jwt", "BEARER"):
        headers = {"Authorization": f"{scheme} {issue(app, 'joe')}"}
        outcome = observe(
            lambda headers=headers: app.test_client().get("/protected", headers=headers)
        )
        assert outcome == ('200 {"user": "joe"}', [])


@pytest.mark.parametrize(
    ("config", "header", "hint"),
    [
        ({"JWT_AUTH_HEADER_PREFIX": "Shop"}, "Bearer {}", "the scheme shop, not Bearer"),
        ({"JWT_AUTH_HEADER_PREFIX": "JWT"}, "Bearer {}", "the scheme JWT, not Bearer"),
        ({"JWT_AUTH_HEADER_PREFIX": "JWT"}, "{}", "Send: JWT <token>"),
        ({"JWT_HEADER_TYPE": "Token"}, "Bearer {}", "the scheme Token, not Bearer"),
        ({"JWT_HEADER_TYPE": ""}, "Bearer {}", "the token alone"),
        ({"JWT_HEADER_TYPE": ""}, "undefined", '"undefined"'),
    ],
)
def test_a_hint_names_the_scheme_of_the_application(config, header, hint):
    app = app_of(JWT, **config)
    headers = {"Authorization": header.replace("{}", issue(app, "joe"))}
    assert hint in app.test_client().get("/protected", headers=headers).get_json()["hint"]


TOKENS_ELSEWHERE = {
    "{}\n": "line break",
    "\n{}": "line break",
    "{}\r\n": "line break",
    " {} ": "line break",
    "\t{}": "line break",
    "Bearer {}": "without 'Bearer'",
    "bearer {}": "without 'Bearer'",
    "JWT {}": "without 'Bearer'",
    '"{}"': "around the token",
    "undefined": '"undefined"',
    '{"access_token": "{}"}': "JSON document",
}


@pytest.mark.parametrize("place", ["json", "query_string", "cookies"])
@pytest.mark.parametrize(
    ("value", "hint"), TOKENS_ELSEWHERE.items(), ids=map(repr, TOKENS_ELSEWHERE)
)
def test_a_malformed_token_elsewhere_gets_a_hint(place, value, hint):
    if place == "cookies" and not value.isprintable():
        pytest.skip("no cookie has control characters")
    app = app_of(JWT, JWT_TOKEN_LOCATION=[place], JWT_COOKIE_CSRF_PROTECT=False)
    sent = value.replace("{}", issue(app, "joe"))
    client = app.test_client()
    if place == "json":
        response = client.post("/protected", json={"access_token": sent})
    elif place == "query_string":
        response = client.get("/protected", query_string={"jwt": sent})
    else:
        client.set_cookie("access_token_cookie", sent)
        response = client.get("/protected")
    if place == "cookies" and response.status_code == 200:
        return  # the client has stripped it
    assert response.status_code == 401
    assert hint in response.get_json()["hint"]


texts = st.text(max_size=200) | st.text("ab.=\"'<>{}$% \n\t:[]", max_size=60)


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from([("bearer",), ("jwt", "bearer"), ("shop",)]))
def test_no_hint_quotes_what_was_sent(text, prefixes):
    secret = "Zq7-SECRET_pw8"
    for sent in (text, text + secret, secret + text, f"{secret}.{secret}.{secret}{text}"):
        assert secret not in (explain_malformed(sent) or "")
        assert secret not in explain_scheme(sent, prefixes)


def test_hints_of_long_values_take_no_time():
    """Each takes a millisecond; a quadratic search would take minutes."""
    for text in ("a" * 200_000, "." * 200_000, "a." * 100_000, '"' * 200_000, "b'" * 100_000):
        explain_malformed(text)
        explain_scheme(text, ("bearer",))


# Logins


@BOTH
@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"email": "joe", "password": PASSWORD}, 'lacks "username".'),
        ({"username": "joe", "pass": PASSWORD}, 'lacks "password".'),
        ({}, 'lacks "username" and "password".'),
        ({"username": None, "password": PASSWORD}, 'lacks "username".'),
        ({"USERNAME": "joe", "password": PASSWORD}, 'lacks "username".'),
        ({"user": {"username": "joe", "password": PASSWORD}}, 'lacks "username" and "password".'),
        ({"username": "", "password": PASSWORD}, '"username" must be a string'),
        ({"username": 17, "password": PASSWORD}, '"username" must be a string'),
        ({"username": ["joe"], "password": True}, '"username" and "password" must be a string'),
        ({"username": "jo\0e", "password": PASSWORD}, '"username" must be a string'),
    ],
)
def test_a_login_without_its_fields_says_which(extension, body, hint):
    app = app_of(extension)
    client, log = observe(lambda: app.test_client().post("/auth", json=body))
    assert "Invalid credentials" in client
    assert (hint in json.loads(client[4:]).get("hint", "")) is (extension is JWT)
    (line,) = log
    assert hint in line
    assert PASSWORD not in line


def test_a_wrong_password_gets_no_hint():
    app = app_of(JWT)
    response = app.test_client().post("/auth", json={"username": "joe", "password": PASSWORD})
    assert "hint" not in response.get_json()


def test_the_names_of_the_fields_are_the_application_s():
    app = app_of(JWT, JWT_AUTH_USERNAME_KEY="email")
    response = app.test_client().post("/auth", json={"username": "joe", "password": "pass"})
    assert 'lacks "email".' in response.get_json()["hint"]


# Handlers


def warned(action):
    """Return the warnings of *action*."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return [str(each.message) for each in caught if each.category is UserWarning]


def set_attribute(jwt, attribute, name, function):
    setattr(jwt, attribute, function)


def decorate(jwt, attribute, name, function):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # auth_request_handler
        getattr(jwt, name)(function)


OF_ARITY = {
    0: lambda: None,
    1: lambda a: None,
    2: lambda a, b: None,
    3: lambda a, b, c: None,
}


@pytest.mark.parametrize("set_handler", [set_attribute, decorate])
@pytest.mark.parametrize(("attribute", "signature"), SIGNATURES.items(), ids=SIGNATURES)
def test_a_handler_of_another_arity_is_reported_when_it_is_set(attribute, signature, set_handler):
    name, parameters = signature
    jwt = JWT() if hasattr(JWT, name) else JWTManager()
    for arity, function in OF_ARITY.items():
        messages = warned(partial(set_handler, jwt, attribute, name, function))
        if arity == len(parameters):
            assert messages == []
        else:
            (message,) = messages
            assert f"The {name} is " in message
            assert f"({', '.join(parameters)})" in message


class Callable2:
    def __call__(self, username, password): ...

    def method(self, username, password): ...

    @classmethod
    def of_class(cls, username, password): ...


async def asynchronous(username, password): ...


def test_handlers_that_can_be_called_are_not_reported():
    fine = [
        lambda username, password: None,
        lambda *args: None,
        lambda username, password, more=None: None,
        lambda username=None, password=None: None,
        partial(lambda app, username, password: None, "app"),
        Callable2(), Callable2().method, Callable2.of_class, asynchronous, Mock(), print, max, dict,
        None,
    ]  # fmt: skip
    for handler in fine:
        assert warned(lambda handler=handler: JWT().authentication_handler(handler)) == [], handler


@pytest.mark.parametrize(
    "handler",
    [
        lambda username: None,
        lambda username, *, password: None,
        lambda username, password, totp: None,
        partial(lambda a, b: None, "a"),
        Callable2.method,
        "authenticate",
        17,
    ],
)
def test_handlers_that_can_t_be_called_are_reported_once(handler):
    (message,) = warned(lambda: JWT(None, handler, lambda payload: None))
    assert "authentication_handler" in message
    assert "(username, password)" in message


def test_the_default_of_a_parameter_is_not_shown():
    (message,) = warned(lambda: JWT().identity_handler(lambda a, b, key=PASSWORD: None))
    assert PASSWORD not in message
    assert "(a, b, key)" in message


@pytest.mark.parametrize("asynchronous", [False, True])
def test_swapped_handlers_are_one_mistake(asynchronous):
    def authenticate(username, password): ...
    def identify(payload): ...
    async def authenticate_later(username, password): ...
    async def identify_later(payload): ...

    pair = (identify_later, authenticate_later) if asynchronous else (identify, authenticate)
    (message,) = warned(lambda: JWT(None, *pair))
    assert "swapped" in message
    assert warned(lambda: JWT(None, *reversed(pair))) == []
    # These could be called either way.
    assert warned(lambda: JWT(None, lambda *args: None, lambda *args: None)) == []
    # Only one is wrong.
    (message,) = warned(lambda: JWT(None, identify, identify))
    assert "The handlers are swapped" not in message


@pytest.mark.parametrize("wrong", [lambda: None, "app", None.__class__, {}, 7])
@BOTH
def test_the_application_must_be_one(extension, wrong):
    with pytest.raises(ConfigError, match="must be a Flask object"):
        extension().init_app(wrong)


@BOTH
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("identity_handlr", "identity_handler"),
        ("identity_handle", "identity_handler"),
        ("identityhandler", "identity_handler"),
        ("authenticate_handler", "authentication_handler"),
        ("authentification_handler", "authentication_handler"),
        ("request_handlers", "request_handler"),
        ("user_identity_loaders", "user_identity_loader"),
        ("token_in_blocklist", "token_in_blocklist_loader"),
        ("session", "sessions"),
        ("initapp", "init_app"),
    ],
)
def test_a_misspelled_name_is_corrected(extension, name, meant):
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}'; did you mean {meant}\?"):
        getattr(extension(), name)
    assert not hasattr(extension(), name)


def test_any_other_name_is_only_missing():
    with pytest.raises(AttributeError, match="has no attribute 'zzz'$"):
        JWT().zzz  # noqa: B018
    assert getattr(JWT(), "identity_handlr", 7) == 7


@pytest.mark.parametrize("name", OF_EXTENSION)
@BOTH
def test_an_earlier_handler_names_the_present_one(extension, name):
    with pytest.raises(AttributeError) as caught:
        getattr(extension(), name)
    decorators = re.findall(r"@jwt\.(\w+)", str(caught.value))
    assert decorators
    assert all(hasattr(JWTManager(), each) for each in decorators)


@pytest.mark.parametrize("name", OF_EXTENDED_ONLY)
def test_a_loader_of_the_other_class_names_it(name):
    assert hasattr(JWTManager(), name)
    with pytest.raises(AttributeError, match=r"JWTManager has it: from flask_jwt\.extended"):
        getattr(JWT(), name)


# Imports


@pytest.mark.parametrize("module", [flask_jwt, flask_jwt.extended])
def test_a_former_name_says_what_to_write(module):
    names = OF_FLASK_JWT if module is flask_jwt else OF_EXTENDED
    for name, advice in names.items():
        assert name not in dir(module), "the advice is out of date"
        with pytest.raises(ImportError) as caught:
            exec(f"from {module.__name__} import {name}", {})
        assert str(caught.value) == f"{module.__name__} has no {name}; {advice}"
        with pytest.raises(ImportError):
            getattr(module, name)
        # What the advice says works.
        for line in re.findall(r"from [\w.]+ import \w+", advice):
            exec(line, {})
        for function in re.findall(r"@?(\w+)\(", advice):
            exists = hasattr(module, function) or hasattr(JWT, function)
            assert exists, (name, function)


@pytest.mark.parametrize("module", [flask_jwt, flask_jwt.extended])
def test_any_other_name_is_missing_as_usual(module):
    assert not hasattr(module, "nonsense")
    assert getattr(module, "__wrapped__", None) is None
    with pytest.raises(ImportError, match="cannot import name"):
        exec(f"from {module.__name__} import nonsense", {})


def test_an_option_of_another_package_says_what_to_do():
    for key, advice in OF_CONFIG.items():
        assert key not in OPTIONS
        (message,) = warned(lambda key=key: make_app(users=False, **{key: "x"}))
        assert message == f"{key} is not an option of Flask-JWT-Too; {advice}"
        for option in re.findall(r"JWT_\w+(?=\?)", advice):
            assert option in OPTIONS


# The user


@pytest.fixture
def app():
    app = make_app()
    app.testing = True
    return app


USES = {
    "item": (lambda user: user["id"], TypeError),
    "attribute": (lambda user: user.id, AttributeError),
    "iteration": (list, TypeError),
    "dict()": (dict, TypeError),
    "unpacking": (lambda user: {**user}, TypeError),
}


@pytest.mark.parametrize(("use", "error"), USES.values(), ids=USES)
def test_a_user_who_isn_t_there_says_why(app, use, error):
    @app.get("/open")
    def open_view():
        use(current_identity)

    @app.get("/either")
    @jwt_required(optional=True)
    def either():
        use(current_identity)

    for path, reason in (
        ("/open", "put @jwt_required() on the view"),
        ("/either", "optional=True"),
    ):
        with pytest.raises(error) as caught:
            app.test_client().get(path)
        message = str(caught.value)
        if use is USES["unpacking"][0]:  # the text is Python's
            assert "current_identity" in message
        else:
            assert "NoneType" in message
            assert reason in message


def test_a_user_who_isn_t_there_is_none_all_the_same(app):
    with app.test_request_context():
        assert not current_identity
        assert current_identity == None  # noqa: E711
        assert not hasattr(current_identity, "id")
        assert getattr(current_identity, "id", 7) == 7
        assert repr(current_identity) == "None"
        assert (
            render_template_string("{{ current_identity.id }}|{{ current_identity['x'] }}") == "|"
        )
        assert isinstance(current_identity, type(None))


def test_the_errors_of_a_user_are_its_own(app):
    @app.get("/user")
    @jwt_required()
    def user():
        assert current_identity.username == "joe"
        with pytest.raises(AttributeError, match="'User' object has no attribute 'nothing'$"):
            current_identity.nothing  # noqa: B018
        with pytest.raises(TypeError, match="'User' object is not subscriptable$"):
            current_identity["id"]
        return "ok"

    response = app.test_client().get("/user", headers=bearer(issue(app)))
    assert response.text == "ok"


@BOTH
def test_a_proxy_in_json_says_what_to_write(extension):
    app = app_of(extension)
    app.jwt.identity_handler(lambda payload: {"id": payload["sub"]})
    users = [current_identity]
    if extension is JWTManager:
        app.jwt.user_lookup_loader(lambda header, payload: {"id": payload["sub"]})
        users.append(flask_jwt.extended.current_user)

    @app.get("/json")
    @jwt_required()
    def to_json():
        for user in users:
            for document in (user, [user], {"user": user}):
                with pytest.raises(TypeError, match="use its fields, such as"):
                    app.json.dumps(document)
        return "ok"

    assert app.test_client().get("/json", headers=bearer(issue(app, "joe"))).text == "ok"


class Document:
    """Has an id of the kind that MongoEngine's documents have."""

    def __init__(self, **fields):
        vars(self).update(fields)


IDENTITIES = {
    "ObjectId": (ObjectId("65a1"), "str(user)"),
    "document": ({"_id": ObjectId("65a1")}, 'str(user["_id"])'),
    "object with id": (Document(id=ObjectId("65a1")), "str(user.id)"),
    "dict with id": ({"id": ObjectId("65a1")}, 'str(user["id"])'),
    "object with _id": (Document(_id=ObjectId("65a1")), "str(user._id)"),
    "object with pk": (Document(pk=7), "str(user.pk)"),
    "dict with user_id": ({"user_id": 7}, 'str(user["user_id"])'),
}


@BOTH
@pytest.mark.parametrize(("user", "expression"), IDENTITIES.values(), ids=IDENTITIES)
def test_an_id_that_json_can_t_hold_names_the_loader(extension, user, expression):
    app = app_of(extension)

    def create():
        with app.app_context():
            flask_jwt.create_access_token(user)

    client, log = observe(create)
    if extension is JWTManager:
        if isinstance(user, dict) and "user_id" in user:
            return  # JSON can hold this one, and Flask-JWT-Extended issues it
        assert client.startswith("TypeError: Object of type "), "Flask-JWT-Extended's"
        (message,) = log
    else:
        message = client
        assert log == []
    assert "user_identity_loader" in message
    assert f"return {expression}" in message
    # What the message suggests works.
    app.jwt.user_identity_loader(eval(f"lambda user: {expression}"))
    assert observe(create) == ("", [])


@pytest.mark.parametrize("identity", [None, True, 1.5, [1], b"joe", object(), {}, {"name": "joe"}])
def test_no_loader_is_suggested_for_what_is_no_user(identity):
    app = app_of(JWT)
    with app.app_context(), pytest.raises(ConfigError) as caught:
        flask_jwt.create_access_token(identity)
    assert "user_identity_loader" not in str(caught.value)


# Errors of views, and the log


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"), (401, "unauthorized"), (402, "payment_required"), (403, "forbidden"),
        (404, "not_found"), (409, "conflict"), (418, "i_m_a_teapot"), (422, "unprocessable_entity"),
        (429, "too_many_requests"), (499, "error"), (503, "service_unavailable"),
    ],
)  # fmt: skip
def test_every_native_body_has_a_code(app, status, code):
    @app.get("/raises")
    def raises():
        raise JWTError("Title", "Reason", status)

    response = app.test_client().get("/raises")
    assert response.status_code == status
    assert response.get_json() == {
        "status_code": status, "error": "Title", "description": "Reason", "code": code,
    }  # fmt: skip


def test_a_subclass_of_a_program_keeps_its_code():
    class Full(JWTError):
        error_code = "shop_full"
        hint = "Come back later"

    body = Full("Full", "The shop is full", 503).body
    assert (body["code"], body["hint"]) == ("shop_full", "Come back later")


@BOTH
def test_rejections_are_logged_once_by_default_and_each_one_at_info(extension):
    app = app_of(extension)
    client = app.test_client()

    def reject():
        for header in ("Bearer undefined", "Bearer null", "Basic eA=="):
            client.get("/protected", headers={"Authorization": header})
        return client.get("/protected")

    _, log = observe(reject, logging.WARNING)
    (line,) = log
    assert 'logging.getLogger("flask_jwt").setLevel("INFO")' in line
    assert observe(reject, logging.WARNING).log == [], "once per application"
    _, log = observe(reject)
    assert [line.partition(":")[0] for line in log] == ["INFO"] * 4
    # Another application says it again.
    other = app_of(extension)
    assert len(observe(lambda: other.test_client().get("/protected"), logging.WARNING).log) == 1


def test_a_handler_of_the_application_doesn_t_hide_the_rejection():
    app = app_of(JWT)
    app.jwt.jwt_error_handler(lambda error: ("no", 418))
    _, log = observe(lambda: app.test_client().get("/protected"))
    assert log == ["INFO: 418 Authorization Required. Request does not contain an access token"]


def test_a_redirect_to_the_login_page_is_no_warning():
    app = make_app(JWT_LOGIN_VIEW="sign_in", JWT_TOKEN_LOCATION=["cookies"])
    app.add_url_rule("/sign-in", "sign_in", lambda: "")
    page = {"Accept": "text/html"}
    client, log = observe(
        lambda: app.test_client().get("/protected", headers=page), logging.WARNING
    )
    assert (client, log) == ("303", [])


def test_the_log_has_one_line_for_a_description_that_quotes_the_request(app):
    @app.get("/raises")
    def raises():
        raise JWTError("No", "no\nINFO: forged\x1b[2J\u2028x", 403)

    _, (line,) = observe(lambda: app.test_client().get("/raises"))
    assert line == "INFO: 403 No. no INFO: forged [2J x"


def test_a_real_process_shows_the_first_rejection_and_then_what_was_asked_for():
    program = f"""
import logging
from flask import Flask
from flask_jwt import JWT, jwt_required
app = Flask("shop")
app.secret_key = {SECRET!r}
JWT(app)
app.add_url_rule("/", "x", jwt_required()(lambda: ""))
client = app.test_client()
client.get("/")
client.get("/", headers={{"Authorization": "Bearer null"}})
logging.basicConfig(); logging.getLogger("flask_jwt").setLevel("INFO")
client.get("/", headers={{"Authorization": "Bearer undefined"}})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT / "src")}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    first, second = done.stderr.strip().split("\n")
    assert first.startswith("A request was rejected: 401 Authorization Required.")
    assert second.startswith("INFO:flask_jwt:401 Invalid token. Not enough segments. Hint: ")


# Cookies behind a proxy


@BOTH
@pytest.mark.parametrize(
    ("headers", "has_hint"),
    [
        ({"Origin": "https://shop.example"}, True),
        ({"Origin": "http://localhost:8080"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "https://shop.example", "X-CSRF-TOKEN": "wrong"}, True),
        ({}, False),
        # The browser has compared the origins itself, so no proxy is the reason.
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_a_csrf_failure_of_another_host_names_the_proxy(extension, headers, has_hint):
    app = app_of(extension, JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=False)
    client = app.test_client()
    client.set_cookie("access_token_cookie", issue(app, "joe"))
    answer, (line,) = observe(lambda: client.post("/protected", headers=headers))
    assert answer[:3] == ("403" if extension is JWT else "401")
    assert ("ProxyFix" in line) is ("proxy_set_header Host" in line) is has_hint
    assert "shop.example" not in line + answer


def test_a_login_form_of_another_host_names_the_proxy():
    app = app_of(JWT, JWT_TOKEN_LOCATION=["cookies"])
    form, headers = {"username": "joe", "password": "pass"}, {"Origin": "https://shop.example"}
    response = app.test_client().post("/auth", data=form, headers=headers)
    assert (response.status_code, "ProxyFix" in response.get_json()["hint"]) == (403, True)


# Stores


LOCATIONS = {
    "redis://127.0.0.1:6379/0": "redis://127.0.0.1:6379/0",
    f"redis://:{PASSWORD}@db:6379/0": "redis://db:6379/0",
    f"rediss://joe:{PASSWORD}@db/1?ssl_cert_reqs=none": "rediss://db/1",
    f"redis+sentinel://:{PASSWORD}@a:1,b:2/main/0": "redis+sentinel://a:1,b:2/main/0",
    f"redis+cluster://:{PASSWORD}@a:1,b:2": "redis+cluster://a:1,b:2",
    f"postgresql+psycopg://joe:{PASSWORD}@db/shop": "postgresql+psycopg://db/shop",
    f"postgresql://db/shop?user=joe&password={PASSWORD}": "postgresql://db/shop",
    f"mysql+pymysql://joe:{PASSWORD}@[::1]:3306/shop": "mysql+pymysql://[::1]:3306/shop",
    "sqlite:////var/shop.db": "sqlite:////var/shop.db",
    "sqlite:////nowhere/shop.db": "sqlite:////nowhere/shop.db (its folder was missing at start)",
    "sqlite:///shop.db": f"sqlite:///{ROOT}/shop.db",
    "sqlite://": "sqlite://",
    # what isn't encoded, and what isn't a URI
    f"redis://:a/{PASSWORD}@db/0": "redis://…",
    f"redis://:a?{PASSWORD}@db/0": "redis://…",
    f"redis://:a#{PASSWORD}@db/0": "redis://…",
    f"redis://:a@{PASSWORD}@db/0": "redis://…",
    f"redis://:{PASSWORD}": "redis://…",
    f"postgresql://joe:{PASSWORD}": "postgresql://…",
    PASSWORD: "…",
    f"joe:{PASSWORD}@db": "…",
}


@pytest.mark.parametrize(("uri", "shown"), LOCATIONS.items(), ids=LOCATIONS)
def test_a_store_is_named_without_its_password(uri, shown, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert describe_location(uri) == shown


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12), st.sampled_from(["redis", "postgresql+psycopg", "mysql+pymysql"]))
def test_no_password_is_shown_whatever_it_contains(text, scheme):
    assume("\n" not in text)
    for password in (text + PASSWORD, PASSWORD + text, PASSWORD):
        for uri in (f"{scheme}://joe:{password}@db:1/0", f"{scheme}://:{password}@db"):
            assert PASSWORD not in describe_location(uri)


@BOTH
def test_an_outage_names_the_store(extension, tmp_path):
    missing = tmp_path / "no" / "shop.db"
    for uri, shown in {
        f"sqlite:///{missing}": str(missing),
        f"redis://:{PASSWORD}@127.0.0.1:1/0": "redis://127.0.0.1:1/0",
        f"redis+sentinel://:{PASSWORD}@127.0.0.1:1/main": "redis+sentinel://127.0.0.1:1/main",
    }.items():
        app = app_of(extension, JWT_STORAGE_URI=uri, JWT_LOGIN_LIMITS=None)
        body = {"username": "joe", "password": "pass"}
        client, log = observe(lambda app=app, body=body: app.test_client().post("/auth", json=body))
        assert client[:3] == "503"
        (line,) = [line for line in log if line.startswith("ERROR")]
        assert shown in line
        assert PASSWORD not in client + "".join(log)
        app.jwt.close(app)


# Keys


def forms(key):
    """Return each form in which a private and a public key are put in by mistake."""
    private = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for option, der in (
        ("JWT_PRIVATE_KEY", key.private_bytes(*private)),
        ("JWT_PUBLIC_KEY", key.public_key().public_bytes(*public)),
    ):
        encoded = base64.b64encode(der).decode()
        label = "PRIVATE KEY" if option == "JWT_PRIVATE_KEY" else "PUBLIC KEY"
        pem = f"-----BEGIN {label}-----\n{encoded}\n-----END {label}-----\n"
        yield option, encoded, f"-----BEGIN {label}----- above it"
        yield option, base64.encodebytes(der).decode(), f"-----BEGIN {label}----- above it"
        yield option, encoded.replace("+", "-").replace("/", "_").rstrip("="), f"-----END {label}"
        yield option, der, "in DER format. Convert"
        yield option, der.decode("latin-1"), "in DER format. Convert"
        yield option, der.hex(), "in hex"
        yield option, der.hex().upper(), "in hex"
        yield option, base64.b64encode(pem.encode()).decode(), "PEM key in base64"
        yield option, pem.split("\n", maxsplit=1)[0], "was cut off"
        yield option, pem[: len(pem) // 2], "was cut off"
        yield option, pem.encode("utf-16"), "UTF-16"


KEYS = {
    "RSA": rsa_key(),
    "EC": EC_KEY,
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


@BOTH
@pytest.mark.parametrize("in_file", [False, True], ids=["", "file"])
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_in_another_form_says_what_to_do(extension, kind, in_file, tmp_path):
    for number, (option, material, message) in enumerate(forms(KEYS[kind])):
        value = material
        if in_file:
            path = tmp_path / f"{number}.txt"
            data = material.encode("latin-1") if isinstance(material, str) else material
            path.write_bytes(data)
            path.chmod(0o600)
            value = str(path)
        with pytest.raises(ConfigError) as caught:
            make_app(extension, users=False, JWT_ALGORITHM="RS256", **{option: value})
        text = str(caught.value)
        assert text.startswith(f"{option}: ")
        assert message in text
        assert not (piece := str(material)[30:70]) or piece not in text


def test_a_missing_file_is_named_only_if_it_looks_like_one():
    for value, is_shown in {
        "no/such.pem": True,
        "key.pub": True,
        PASSWORD: False,
        "a/b": False,
    }.items():
        with pytest.raises(ConfigError) as caught:
            make_app(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=value)
        assert (value in str(caught.value)) is is_shown


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", None])
@pytest.mark.parametrize("extension", ["JWT", "JWTManager"])
def test_without_cryptography_no_algorithm_is_named_that_wasn_t_meant(algorithm, extension):
    program = f"""
import sys
sys.modules["cryptography"] = None
from flask import Flask
from flask_jwt import JWT
from flask_jwt.extended import JWTManager
for option in ("JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY"):
    app = Flask("shop")
    app.config[option] = {EC_PEM!r}
    if {algorithm!r}:
        app.config["JWT_ALGORITHM"] = {algorithm!r}
    elif {extension!r} == "JWTManager":
        continue
    try:
        {extension}(app)
    except Exception as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    lines = done.stdout.strip().split("\n") if done.stdout else []
    assert len(lines) == (0 if algorithm is None and extension == "JWTManager" else 2)
    for line in lines:
        assert "pip install 'Flask-JWT-Too[crypto]'" in line
        assert "Key pairs need the cryptography package" in line


@BOTH
@pytest.mark.parametrize(
    ("config", "option"),
    [
        ({"SECRET_KEY": "{}"}, "SECRET_KEY"),
        ({"JWT_SECRET_KEY": "{}"}, "JWT_SECRET_KEY"),
        ({"SECRET_KEY_FALLBACKS": ["{}"]}, "SECRET_KEY_FALLBACKS"),
    ],
)
def test_a_key_as_a_secret_is_reported_under_its_option(extension, config, option):
    for material in (EC_PEM, base64.b64encode(EC_KEY.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()):  # fmt: skip
        values = {
            key: [material] if isinstance(value, list) else material
            for key, value in config.items()
        }
        with pytest.raises(ConfigError) as caught:
            make_app(extension, users=False, **values)
        assert str(caught.value).startswith(f"{option}: Invalid secret")
        assert material[40:80] not in str(caught.value)


# Options


INVALID = [object(), 5, 5.5, True, "x y\n", b"\xff", [], [1], {1: 2}, "\ud800", (), "-1", -1]


@BOTH
@pytest.mark.parametrize("key", OPTIONS)
def test_an_invalid_value_is_one_line_under_its_own_option(extension, key):
    """Whatever is invalid, and however options depend on each other."""
    rejected = 0
    for value in INVALID:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                make_app(extension, users=False, **{key: value})
            except ConfigError as error:
                lines = str(error).split("\n  ")
                if lines[0] == "Invalid configuration:":
                    lines.pop(0)
                assert len(lines) == 1, lines
                # JWT_STORAGE_URI … may also have its problem behind a blank.
                assert re.match(rf"{key}\b", lines[0]), lines
                rejected += 1
    assert rejected > 0, "no value is invalid for this option"


@BOTH
@pytest.mark.parametrize(
    ("config", "lines"),
    [
        ({"SECRET_KEY": 5}, ["SECRET_KEY: "]),
        ({"JWT_SECRET_KEY": 5}, ["JWT_SECRET_KEY: "]),
        ({"SECRET_KEY": 5, "JWT_SECRET_KEY": 6}, ["SECRET_KEY: ", "JWT_SECRET_KEY: "]),
        ({"JWT_COOKIE_SECURE": False, "JWT_COOKIE_SAMESITE": "None"}, ["JWT_COOKIE_SECURE: "]),
        (
            {
                "JWT_COOKIE_SECURE": False,
                "JWT_ACCESS_COOKIE_NAME": "__Host-a",
                "JWT_REFRESH_COOKIE_NAME": "__Secure-r",
            },
            ["JWT_COOKIE_SECURE: "],
        ),
        (
            {
                "JWT_ACCESS_COOKIE_NAME": "a",
                "JWT_REFRESH_COOKIE_NAME": "a",
                "JWT_ACCESS_CSRF_COOKIE_NAME": "a",
                "JWT_REFRESH_CSRF_COOKIE_NAME": "a",
            },
            ["JWT_ACCESS_COOKIE_NAME and JWT_REFRESH_COOKIE_NAME and "],
        ),
        (
            {"JWT_ACCESS_COOKIE_NAME": "b", "JWT_REFRESH_COOKIE_NAME": "b"},
            ["JWT_ACCESS_COOKIE_NAME and JWT_REFRESH_COOKIE_NAME are both"],
        ),
        (
            {
                "JWT_ACCESS_COOKIE_NAME": "a",
                "JWT_ACCESS_CSRF_COOKIE_NAME": "a",
                "JWT_REFRESH_COOKIE_NAME": "b",
                "JWT_REFRESH_CSRF_COOKIE_NAME": "b",
            },
            [
                "JWT_ACCESS_COOKIE_NAME and JWT_ACCESS_CSRF",
                "JWT_REFRESH_COOKIE_NAME and JWT_REFRESH_",
            ],
        ),
        (
            {"JWT_AUTH_URL_RULE": "/a<", "JWT_AUTH_URL_OPTIONS": {}},
            ["JWT_AUTH_URL_RULE can't"],
        ),
        ({"JWT_AUTH_URL_RULE": "/<nope:x>"}, ["JWT_AUTH_URL_RULE can't"]),
        (
            {"JWT_AUTH_URL_RULE": "/auth", "JWT_AUTH_URL_OPTIONS": {"methods": "POST"}},
            ["JWT_AUTH_URL_OPTIONS can't"],
        ),
        (
            {"JWT_AUTH_URL_RULE": "/auth", "JWT_AUTH_ENDPOINT": "static"},
            ["JWT_AUTH_ENDPOINT can't"],
        ),
    ],
)
def test_a_configuration_has_one_line_for_each_mistake(extension, config, lines):
    with pytest.raises(ConfigError) as caught:
        make_app(extension, users=False, **config)
    found = str(caught.value).removeprefix("Invalid configuration:\n  ").split("\n  ")
    assert len(found) == len(lines), found
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(start)


def test_flask_itself_is_not_needed_for_a_hint():
    """The hint is in the body of an error that no application renders."""
    from flask_jwt.errors import TokenMalformed

    error = TokenMalformed("Not enough segments", hint="Send a token")
    assert error.body["hint"] == "Send a token"
    assert "Send a token" not in str(error) + repr(error)
    assert Flask("shop").test_client().get("/").status_code == 404
