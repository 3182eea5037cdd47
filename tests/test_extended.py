"""``flask_jwt.extended``: the names and behaviour of Flask-JWT-Extended, beside the original.

scripts/conformance runs the original's own tests; these specify what it does not test.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from flask import Flask, g, jsonify, make_response

import flask_jwt.extended as ours
from flask_jwt._web.context import checked_config
from flask_jwt.extended import exceptions
from flask_jwt.extended.config import config
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.testing import Clock
from tests.support import ROOT, SECRET, bearer, body_of, make_app, private_pem, public_pem, rsa_key

PACKAGE = Path(ours.__file__).parent


GUARDS = {
    "/protected": {},
    "/optional": {"optional": True},
    "/fresh": {"fresh": True},
    "/refresh": {"refresh": True},
}


def build(package=ours, manager=None, **options):
    """Make the same application with either package."""

    def show():
        return jsonify(id=package.get_jwt_identity(), claims=package.get_jwt())

    app = make_app(
        manager or package.JWTManager(), api=package, guards=GUARDS, show=show,
        **{"TESTING": True, "JWT_SECRET_KEY": SECRET, "SECRET_KEY": None, **options},
    )  # fmt: skip
    app.manager = app.jwt

    @app.get("/tokens")
    def tokens():
        return jsonify(
            access_token=package.create_access_token("joe", fresh=True),
            refresh_token=package.create_refresh_token("joe"),
        )

    @app.post("/login")
    def login():
        response = jsonify(ok=True)
        package.set_access_cookies(response, package.create_access_token("joe"))
        package.set_refresh_cookies(response, package.create_refresh_token("joe"))
        return response

    return app


@pytest.fixture
def app():
    return build()


@pytest.fixture
def client(app):
    return app.test_client()


def token(app, *args, **options):
    with app.test_request_context():
        return ours.create_access_token(*(args or ("joe",)), **options)


# The same names


def test_every_public_name_of_the_original_exists():
    names = [name for name in vars(fje) if not name.startswith("_") and name.islower()]
    modules = {"config", "exceptions", "internal_utils", "utils", "view_decorators"}
    modules |= {"jwt_manager", "typing", "tokens", "default_callbacks"}
    assert not [name for name in names if name not in modules and not hasattr(ours, name)]
    for name, value in vars(fje.exceptions).items():
        if isinstance(value, type):
            assert hasattr(exceptions, name)


SUBMODULES = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
LEFT_OUT = {"tokens"}


def test_the_names_that_submodules_lack_are_documented():
    """The submodules hold all other public names of the original's."""
    lacking = set()
    for path in Path(fje.__file__).parent.glob("*.py"):
        if path.stem in SUBMODULES:
            theirs = importlib.import_module(f"flask_jwt_extended.{path.stem}")
            here = importlib.import_module(f"flask_jwt.extended.{path.stem}")
            own = [n for n, v in vars(theirs).items() if is_defined_in(v, theirs)]
            lacking |= {f"{path.stem}.{n}" for n in own if n[0] != "_" and not hasattr(here, n)}
        elif path.stem != "__init__":
            lacking.add(path.stem)
    assert lacking == LEFT_OUT
    page = (ROOT / "docs/migrating/flask-jwt-extended.md").read_text()
    assert not [name for name in LEFT_OUT if name.rpartition(".")[2] not in page]


def is_defined_in(value, module):
    return getattr(value, "__module__", None) == module.__name__


CALLBACKS = sorted(name for name in vars(fje.JWTManager()) if name.endswith("_callback"))


@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_are_attributes(name, app, monkeypatch):
    """A program may read each of them, replace it, and restore the default."""
    theirs, here = getattr(fje.JWTManager(), name), getattr(app.manager, name)
    assert getattr(here, "__name__", None) == getattr(theirs, "__name__", None)
    before = {key: value for key, value in vars(app.manager).items() if key.endswith("_callback")}
    with monkeypatch.context() as patch:
        patch.setattr(app.manager, name, replacement := lambda *args: None)
        assert getattr(app.manager, name) is replacement
    assert getattr(app.manager, name) is here
    after = {key: value for key, value in vars(app.manager).items() if key.endswith("_callback")}
    # Guards do not call a default that was restored.
    assert {key: value for key, value in after.items() if value} == {
        key: value for key, value in before.items() if value
    }


DEFAULTS = [
    ("default_additional_claims_callback", ["joe"]),
    ("default_blocklist_callback", [{}, {}]),
    ("default_decode_key_callback", [{}, {}]),
    ("default_encode_key_callback", ["joe"]),
    ("default_expired_token_callback", [{}, {}]),
    ("default_invalid_token_callback", ["because"]),
    ("default_jwt_headers_callback", ["joe"]),
    ("default_needs_fresh_token_callback", [{}, {}]),
    ("default_revoked_token_callback", [{}, {}]),
    ("default_token_verification_callback", [{}, {}]),
    ("default_token_verification_failed_callback", [{}, {}]),
    ("default_unauthorized_callback", ["because"]),
    ("default_user_identity_callback", ["joe"]),
    ("default_user_lookup_error_callback", [{}, {"sub": "joe"}]),
]


@pytest.mark.parametrize(("name", "arguments"), DEFAULTS, ids=str)
def test_default_callbacks_return_what_the_original_s_do(name, arguments):
    def call(package):
        with build(package, JWT_ERROR_MESSAGE_KEY="why").app_context():
            module = importlib.import_module(f"{package.__name__}.default_callbacks")
            returned = getattr(module, name)(*arguments)
            if isinstance(returned, tuple):
                return returned[0].get_json(), int(returned[1])
            return returned

    assert call(ours) == call(fje)


@pytest.mark.parametrize("package", [fje, ours], ids=["theirs", "ours"])
def test_callbacks_may_be_set_as_attributes(package):
    app = build(package)
    manager, client = app.manager, app.test_client()
    manager._user_identity_callback = str.upper
    manager._user_claims_callback = lambda identity: {"role": "x"}
    manager._jwt_additional_header_callback = lambda identity: {"kid": "1"}
    manager._user_lookup_callback = lambda header, payload: f"{header['kid']} {payload['sub']}"
    app.add_url_rule(
        "/me", view_func=package.jwt_required()(lambda: str(package.get_current_user()))
    )
    headers = bearer(token_of(package, app))
    assert client.get("/me", headers=headers).text == "1 JOE"
    assert client.get("/protected", headers=headers).get_json()["claims"]["role"] == "x"
    manager._user_lookup_callback = lambda header, payload: None
    manager._user_lookup_error_callback = lambda header, payload: (f"no {payload['sub']}", 404)
    response = client.get("/me", headers=headers)
    assert (response.status_code, response.text) == (404, "no JOE")
    manager._user_lookup_callback = None
    assert client.get("/protected", headers=headers).status_code == 200
    manager._token_verification_callback = lambda header, payload: payload["role"] != "x"
    manager._token_verification_failed_callback = lambda header, payload: (payload["role"], 418)
    response = client.get("/protected", headers=headers)
    assert (response.status_code, response.text) == (418, "x")
    manager._token_in_blocklist_callback = lambda header, payload: True
    manager._revoked_token_callback = lambda header, payload: ("gone", 410)
    assert client.get("/protected", headers=headers).status_code == 410
    manager._decode_key_callback = lambda header, payload: "another-secret-of-32-bytes-or-so"
    manager._invalid_token_callback = lambda reason: (reason, 400)
    response = client.get("/protected", headers=headers)
    assert (response.status_code, response.text) == (400, "Signature verification failed")
    manager._encode_key_callback = lambda identity: "another-secret-of-32-bytes-or-so"
    headers = bearer(token_of(package, app))
    assert client.get("/protected", headers=headers).status_code == 410


OPTIONS = [
    {},
    {"JWT_TOKEN_LOCATION": "cookies"},
    {"JWT_TOKEN_LOCATION": ["json", "headers"], "JWT_SESSION_COOKIE": False},
    {"JWT_ACCESS_TOKEN_EXPIRES": 5, "JWT_REFRESH_TOKEN_EXPIRES": False, "JWT_VERIFY_SUB": False},
    {"JWT_ALGORITHM": "HS512", "JWT_DECODE_ALGORITHMS": ["HS256"], "JWT_SECRET_KEY": 2 * SECRET},
    {"JWT_ENCODE_ISSUER": "me", "JWT_DECODE_ISSUER": "me", "JWT_DECODE_AUDIENCE": ["a", "b"]},
    {"JWT_HEADER_TYPE": "", "JWT_HEADER_NAME": "X-Token", "JWT_IDENTITY_CLAIM": "id"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=",".join)
def test_config_has_the_values_of_the_original(options):
    theirs, here = build(fje, **options), build(**options)
    theirs_config = fje.config.config
    names = [name for name in dir(theirs_config) if name[0] != "_" and name != "json_encoder"]
    assert len(names) > 40
    for name in names:
        with theirs.app_context():
            wanted = getattr(theirs_config, name)
        with here.app_context():
            found = getattr(config, name)
        assert found == (tuple(wanted) if isinstance(found, tuple) else wanted), name


def test_every_option_of_the_original_has_its_default():
    theirs, here = Flask("theirs"), Flask("ours")
    fje.JWTManager(theirs)
    with pytest.warns(UserWarning, match="no secret"):
        ours.JWTManager(here)
    with here.app_context():
        for name in set(theirs.config) - set(Flask("none").config):
            wanted = theirs.config[name]
            found = checked_config(name)
            assert found == (tuple(wanted) if isinstance(found, tuple) else wanted), name


def test_it_does_not_import_the_original():
    code = "import flask_jwt.extended, sys; print('flask_jwt_extended' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Side by side with the original


def pem(key):
    return {"JWT_PRIVATE_KEY": private_pem(key), "JWT_PUBLIC_KEY": public_pem(key)}


KEYS = {
    "HS256": dict,
    "RS256": lambda: pem(rsa_key()),
    "ES256": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
}


@pytest.fixture(scope="module", params=list(KEYS))
def key_options(request):
    return {"JWT_ALGORITHM": request.param, **KEYS[request.param]()}


@pytest.mark.parametrize(("issuer", "acceptor"), [(fje, ours), (ours, fje)], ids=["theirs", "ours"])
def test_a_token_of_either_is_accepted_by_the_other(key_options, issuer, acceptor):
    tokens = build(issuer, **key_options).test_client().get("/tokens").get_json()
    client = build(acceptor, **key_options).test_client()
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    for path, headers, status in (
        ("/protected", access, 200),
        ("/fresh", access, 200),
        ("/refresh", refresh, 200),
        ("/protected", refresh, 422),
        ("/refresh", access, 422),
        ("/protected", bearer(tokens["access_token"][:-8]), 422),
    ):
        response = client.get(path, headers=headers)
        assert response.status_code == status, (path, response.text)
    body = client.get("/protected", headers=access).get_json()
    assert body["id"] == "joe"
    assert set(body["claims"]) == {
        "fresh", "iat", "jti", "type", "sub", "nbf", "csrf", "exp",
    }  # fmt: skip


@pytest.mark.parametrize(("issuer", "acceptor"), [(fje, ours), (ours, fje)], ids=["theirs", "ours"])
def test_a_cookie_of_either_is_accepted_by_the_other(key_options, issuer, acceptor):
    options = {**key_options, "JWT_TOKEN_LOCATION": ["cookies"]}
    browser = build(issuer, **options).test_client()
    browser.post("/login")
    client = build(acceptor, **options).test_client()
    values = {}
    for token_type in ("access", "refresh"):
        for name in (f"{token_type}_token_cookie", f"csrf_{token_type}_token"):
            values[name] = browser.get_cookie(name).value
            client.set_cookie(name, values[name])
    assert client.get("/protected").status_code == 200
    assert body_of(client.post("/protected")) == (401, {"msg": "Missing CSRF token"})
    for token_type, path in (("access", "/protected"), ("refresh", "/refresh")):
        proof = {"X-CSRF-TOKEN": values[f"csrf_{token_type}_token"]}
        assert client.post(path, headers=proof).status_code == 200
    response = client.post("/protected", headers={"X-CSRF-TOKEN": "wrong"})
    assert body_of(response) == (401, {"msg": "CSRF double submit tokens do not match"})


def with_token(package, app, token_type="access", **options):
    with app.test_request_context():
        return bearer(getattr(package, f"create_{token_type}_token")("joe", **options))


def rejections(package):
    """The response to each request that a guard can reject, by what is wrong with it."""
    past = timedelta(seconds=-9)
    app = build(package, JWT_QUERY_STRING_VALUE_PREFIX="Bearer ")
    client, responses = app.test_client(), {}
    for name, path, headers in [
        ("no token", "/protected", {}),
        ("scheme", "/protected", {"Authorization": "Basic x"}),
        ("no token in the header", "/protected", {"Authorization": "Bearer"}),
        ("refresh token", "/protected", with_token(package, app, "refresh")),
        ("access token", "/refresh", with_token(package, app)),
        ("not fresh", "/fresh", with_token(package, app)),
        ("expired", "/protected", with_token(package, app, expires_delta=past)),
        ("no sub", "/protected", bearer(pyjwt.encode({"type": "access"}, SECRET))),
    ]:
        responses[name] = client.get(path, headers=headers)

    headers = with_token(package, app)
    app.manager.token_verification_loader(lambda header, payload: False)
    responses["claims"] = client.get("/protected", headers=headers)
    app.manager.token_in_blocklist_loader(lambda header, payload: True)
    responses["revoked"] = client.get("/protected", headers=headers)
    app = build(package)
    app.manager.user_lookup_loader(lambda header, payload: None)
    responses["user"] = app.test_client().get("/protected", headers=headers)

    app = build(package, JWT_TOKEN_LOCATION=["cookies"])
    client = app.test_client()
    responses["no cookie"] = client.get("/protected")
    client.post("/login")
    responses["no CSRF token"] = client.post("/protected")
    responses["CSRF token"] = client.post("/protected", headers={"X-CSRF-TOKEN": "x"})
    app = build(
        package, JWT_TOKEN_LOCATION=["query_string"], JWT_QUERY_STRING_VALUE_PREFIX="Bearer "
    )
    responses["no query parameter"] = app.test_client().get("/protected")
    responses["query parameter"] = app.test_client().get("/protected?jwt=x")
    client = build(package, JWT_TOKEN_LOCATION=["json"]).test_client()
    responses["no JSON"] = client.post("/protected")
    responses["no JSON key"] = client.post("/protected", json={})
    client = build(package, JWT_TOKEN_LOCATION=["headers", "cookies", "json"]).test_client()
    responses["nowhere"] = client.post("/protected")
    client = build(package, JWT_HEADER_TYPE="", JWT_HEADER_NAME="X-Token").test_client()
    responses["no scheme"] = client.get("/protected", headers={"X-Token": "x y"})
    return {name: body_of(response) for name, response in responses.items()}


def test_both_reject_with_the_same_responses():
    assert rejections(ours) == rejections(fje)


@pytest.mark.parametrize("package", [fje, ours], ids=["theirs", "ours"])
def test_exceptions_have_the_messages_of_the_original(package):
    app = build(package)
    with app.test_request_context(headers=with_token(package, app)):
        with pytest.raises(package.exceptions.FreshTokenRequired) as stale:
            package.verify_jwt_in_request(fresh=True)
        assert (str(stale.value), stale.value.jwt_data["sub"]) == ("Fresh token required", "joe")
        app.manager.token_in_blocklist_loader(lambda header, payload: True)
        with pytest.raises(package.exceptions.RevokedTokenError, match="Token has been revoked"):
            package.verify_jwt_in_request()


def test_a_rejection_keeps_its_challenge(app, client):
    app.manager.token_in_blocklist_loader(lambda header, payload: True)
    response = client.get("/protected", headers=with_token(ours, app))
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_refresh_token_used_again_counts_as_revoked():
    clock = Clock()
    manager = ours.JWTManager(store=MemoryStore(), clock=clock)
    app = build(manager=manager, JWT_REFRESH_URL_RULE="/renew")
    with app.test_request_context():
        old = manager.sessions.start("joe").refresh_token
        manager.sessions.refresh(old)
    clock.tick(60)
    response = app.test_client().post("/renew", headers=bearer(old))
    assert body_of(response) == (401, {"msg": "Token has been revoked"})


HEADERS = [
    None,
    "Bearer",
    "Bearer x",
    "Bearer x y",
    "Basic x",
    "Bearer x, Basic y",
    "Foo 1, Bar 2",
    "Bearer a.b.c",
    "Bearer ,,0",
    "x",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("path", ["/protected", "/optional"])
def test_both_respond_alike_to_an_invalid_header(header, path):
    headers = {} if header is None else {"Authorization": header}
    theirs = build(fje).test_client().get(path, headers=headers)
    here = build().test_client().get(path, headers=headers)
    assert body_of(here) == body_of(theirs)


# Where the original has faults


def test_a_header_of_commas_holds_no_token(client):
    assert client.get("/protected", headers={"Authorization": " , ,"}).status_code == 401


def test_the_scheme_is_case_insensitive(app, client):
    headers = {"Authorization": f"bEARER {token(app)}"}
    assert client.get("/protected", headers=headers).status_code == 200


def test_a_401_has_a_challenge(client):
    assert client.get("/protected").headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_an_invalid_cookie_does_not_hide_a_valid_header():
    app = build(JWT_TOKEN_LOCATION=["cookies", "headers"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", "rubbish")
    assert client.get("/protected", headers=bearer(token(app))).status_code == 200
    client.set_cookie("access_token_cookie", token(app))
    assert client.post("/protected", headers=bearer(token(app))).status_code == 200


def test_locations_may_be_a_set():
    app = build(JWT_TOKEN_LOCATION={"headers", "cookies"})
    assert app.test_client().get("/protected").status_code == 401


def test_reading_config_changes_nothing(app):
    app.config["JWT_DECODE_ALGORITHMS"] = algorithms = ["HS512"]
    with app.app_context():
        assert config.decode_algorithms == ["HS512", "HS256"]
        assert algorithms == ["HS512"]
        with pytest.raises(AttributeError):
            config.no_such_option  # noqa: B018
        assert config.access_expires == timedelta(minutes=15)


def test_the_dict_of_a_claims_loader_is_not_changed(app):
    constant = {"role": "user"}
    app.manager.additional_claims_loader(lambda identity: constant)
    token(app, additional_claims={"secret": 1})
    assert constant == {"role": "user"}


def test_an_error_of_pyjwt_that_a_view_raises_is_the_view_s(app):
    app.testing = False

    @app.get("/other")
    def other():
        pyjwt.decode("x", "k" * 32, ["HS256"])

    assert app.test_client().get("/other").status_code == 500


def test_a_second_manager_on_an_application_is_an_error(app):
    with pytest.raises(RuntimeError, match="already"):
        ours.JWTManager(app)


def test_an_application_without_a_manager_is_an_error():
    with Flask("bare").app_context(), pytest.raises(RuntimeError, match="You must initialize"):
        ours.create_access_token("joe")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 401),
        ({"Origin": "http://evil.example"}, 401),
        ({}, 401),
    ],
    ids=str,
)
def test_a_request_from_the_same_origin_needs_no_csrf_token(headers, status):
    client = build(JWT_TOKEN_LOCATION=["cookies"]).test_client()
    client.post("/login")
    assert client.post("/protected", headers=headers).status_code == status


def test_names_of_cookies_that_browsers_would_drop_are_an_error():
    for options in ({}, {"JWT_COOKIE_SECURE": True, "JWT_ACCESS_COOKIE_PATH": "/api"}):
        with pytest.raises(RuntimeError, match="__Host-at"):
            build(JWT_ACCESS_COOKIE_NAME="__Host-at", **options)


def test_removed_options_are_reported():
    with pytest.warns(UserWarning, match="JWT_BLACKLIST_ENABLED is not an option"):
        build(JWT_BLACKLIST_ENABLED=True)


@pytest.mark.parametrize("value", ["é", "\xff", "x", "'"])
def test_an_invalid_csrf_value_is_rejected(value):
    app = build(JWT_TOKEN_LOCATION=["cookies"])
    client = app.test_client()
    client.post("/login")
    response = client.post("/protected", headers={"X-CSRF-TOKEN": value})
    assert body_of(response) == (401, {"msg": "CSRF double submit tokens do not match"})


@pytest.mark.parametrize("claim", [1, None, ["x"], {}])
def test_an_invalid_csrf_claim_is_rejected(claim):
    app = build(JWT_TOKEN_LOCATION=["cookies"])
    client = app.test_client()
    client.set_cookie("access_token_cookie", token(app, additional_claims={"csrf": claim}))
    assert client.post("/protected", headers={"X-CSRF-TOKEN": "1"}).status_code == 401


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"true", b"null", b"1", b'{"access_token": [1]}'])
def test_a_json_body_without_a_usable_token_is_rejected(body):
    app = build(JWT_TOKEN_LOCATION=["json"])
    response = app.test_client().post("/protected", data=body, content_type="application/json")
    assert response.status_code in (401, 422)


@pytest.mark.parametrize("fresh", [None, "yes", [], {}, 10**400, "0"])
def test_an_invalid_fresh_claim_is_no_server_error(app, client, fresh):
    headers = bearer(token(app, additional_claims={"fresh": fresh}))
    assert client.get("/fresh", headers=headers).status_code in (200, 401, 422)
    assert client.get("/protected", headers=headers).status_code in (200, 422)


@pytest.mark.parametrize("path", ["/protected", "/optional", "/fresh"])
def test_an_options_request_has_no_claims(client, path):
    assert body_of(client.options(path)) == (200, {"id": None, "claims": {}})


def test_forgotten_parentheses_are_an_error():
    with pytest.raises(TypeError, match="parentheses"):

        @ours.jwt_required
        def view():
            pass


def test_a_pem_key_is_parsed_once(monkeypatch):
    from cryptography.hazmat.primitives import serialization

    parsed = []
    real = serialization.load_pem_private_key
    monkeypatch.setattr(
        serialization, "load_pem_private_key", lambda *a, **k: parsed.append(1) or real(*a, **k)
    )
    app = build(JWT_ALGORITHM="EdDSA", **KEYS["EdDSA"]())
    client = app.test_client()
    for _ in range(3):
        tokens = client.get("/tokens").get_json()
        assert client.get("/protected", headers=bearer(tokens["access_token"])).status_code == 200
    assert len(parsed) == 1


def test_insecure_cookies_warn_once_in_production():
    app = build(JWT_TOKEN_LOCATION=["cookies"])
    app.testing = False
    with pytest.warns(UserWarning, match="JWT_COOKIE_SECURE"):
        app.test_client().post("/login")
    app.test_client().post("/login")  # A second warning would be an error here.


def test_an_identity_that_will_be_rejected_is_reported_when_it_is_issued(app):
    with pytest.warns(UserWarning, match="JWT_VERIFY_SUB"):
        token(app, 1234)


# What public programs do


def test_a_test_suite_may_replace_the_check(client, monkeypatch):
    monkeypatch.setattr("flask_jwt.extended.view_decorators.verify_jwt_in_request", lambda *a: None)
    assert client.application.view_functions["protected"] is not None
    with pytest.raises(RuntimeError, match="jwt_required"):
        client.get("/protected")  # the view runs, and there are no claims


def test_a_test_suite_may_replace_the_current_user(app, monkeypatch):
    monkeypatch.setattr("flask_jwt.extended.utils.get_jwt", lambda: {"sub": "ann"})
    monkeypatch.setattr("flask_jwt.extended.utils.get_current_user", lambda: "Ann")
    with app.test_request_context():
        assert ours.get_jwt_identity() == "ann"
        assert ours.current_user == "Ann"


@pytest.mark.parametrize("package", [fje, ours], ids=["theirs", "ours"])
def test_a_program_may_handle_an_exception(package):
    """A handler for one exception is called; one for the base class never was, and is not."""
    app = build(package)
    app.register_error_handler(package.exceptions.JWTExtendedException, lambda e: ("base", 400))
    client = app.test_client()
    assert body_of(client.get("/protected")) == (401, {"msg": "Missing Authorization Header"})
    assert client.get("/fresh", headers=bearer(token_of(package, app))).status_code == 401
    app = build(package)
    app.register_error_handler(package.exceptions.NoAuthorizationError, lambda e: (str(e), 400))
    response = app.test_client().get("/protected")
    assert (response.status_code, response.text) == (400, "Missing Authorization Header")


@pytest.mark.parametrize("package", [fje, ours], ids=["theirs", "ours"])
def test_a_program_may_handle_exceptions_of_pyjwt(package):
    """Handlers for tokens are called; one for the base class of all is not."""
    app = build(package)
    app.register_error_handler(pyjwt.ExpiredSignatureError, lambda e: (f"old: {e.jwt_data}", 400))
    app.register_error_handler(pyjwt.InvalidTokenError, lambda e: ("bad", 400))
    app.register_error_handler(pyjwt.PyJWTError, lambda e: ("any", 400))
    client = app.test_client()
    with app.app_context():
        old = package.create_access_token("joe", expires_delta=timedelta(seconds=-9))
        early = package.create_access_token("joe", additional_claims={"nbf": 4_000_000_000})
    response = client.get("/protected", headers=bearer(old))
    assert (response.status_code, response.text[:6]) == (400, "old: {")
    assert client.get("/protected", headers=bearer(early)).text == "bad"
    app = build(package)
    app.register_error_handler(pyjwt.PyJWTError, lambda e: ("any", 400))
    assert app.test_client().get("/protected", headers=bearer("x.y.z")).status_code == 422


def token_of(package, app):
    with app.test_request_context():
        return package.create_access_token("joe")


def test_arguments_may_be_positional(app):
    with app.test_request_context():
        access = ours.create_access_token("joe", True, False, {"role": "x", "sub": "ann"}, {"k": 1})
        refresh = ours.create_refresh_token("joe", timedelta(hours=1), {"role": "y"}, {"k": 2})
        claims = ours.decode_token(access, None, False)
        assert (claims["sub"], claims["role"], claims["fresh"]) == ("ann", "x", True)
        assert "exp" not in claims
        assert ours.get_unverified_jwt_headers(refresh)["k"] == 2
        assert ours.decode_token(refresh)["type"] == "refresh"
    app.add_url_rule(
        "/all", view_func=ours.jwt_required(True, False, False, "headers", False, True)(lambda: "")
    )
    assert app.test_client().get("/all", headers=bearer(refresh)).status_code == 200


def test_claims_may_be_set_in_g(app):
    with app.test_request_context():
        g._jwt_extended_jwt = {"sub": "ann", "role": "x"}
        g._jwt_extended_jwt_header = {"alg": "none"}
        g._jwt_extended_jwt_user = {"loaded_user": "Ann"}
        assert ours.get_jwt_identity() == "ann"
        assert ours.get_jwt()["role"] == "x"
        assert ours.get_jwt_header() == {"alg": "none"}
        assert ours.current_user == "Ann"


def test_verify_jwt_in_request_returns_header_and_claims(app):
    with app.test_request_context(headers=bearer(token(app))):
        header, claims = ours.verify_jwt_in_request()
        assert (header["alg"], claims["sub"]) == ("HS256", "joe")
    with app.test_request_context():
        assert ours.verify_jwt_in_request(True) is None
        with pytest.raises(exceptions.NoAuthorizationError, match="Missing Authorization Header"):
            ours.verify_jwt_in_request()


def test_except_clauses_catch_the_same_classes(app):
    with app.test_request_context(headers=bearer("x.y.z")), pytest.raises(pyjwt.DecodeError):
        ours.verify_jwt_in_request()
    with app.test_request_context():
        with pytest.raises(exceptions.JWTDecodeError, match="Missing claim: csrf"):
            ours.decode_token(pyjwt.encode({"sub": "x"}, SECRET), csrf_value="x")
        with pytest.raises(exceptions.CSRFError):
            ours.decode_token(token(app), csrf_value="\ud800")
        old = ours.create_access_token("joe", expires_delta=timedelta(seconds=-5))
        with pytest.raises(pyjwt.ExpiredSignatureError) as expired:
            ours.decode_token(old)
        assert expired.value.jwt_data["sub"] == "joe"
        assert ours.get_jti(token(app)) is not None
        assert ours.get_unverified_jwt_headers(old)["alg"] == "HS256"


def test_loaders_may_be_async(app, client):
    @app.manager.user_lookup_loader
    async def lookup(header, payload):
        return SimpleNamespace(name=payload["sub"].title())

    @app.manager.unauthorized_loader
    async def unauthorized(message):
        return {"oops": message}, 418

    @app.get("/me")
    @ours.jwt_required()
    def me():
        return ours.current_user.name

    assert client.get("/me", headers=bearer(token(app))).text == "Joe"
    assert body_of(client.get("/me")) == (418, {"oops": "Missing Authorization Header"})


def restful(app, view):
    from flask_restful import Api, Resource

    api = Api(app)
    app.manager._set_error_handler_callbacks(api)
    api.add_resource(type("Guarded", (Resource,), {"get": view}), "/rest")


def restx(app, view):
    from flask_restx import Api, Resource

    api = Api(app)
    app.manager._set_error_handler_callbacks(api)
    api.add_resource(type("Guarded", (Resource,), {"get": view}), "/rest")


@pytest.mark.parametrize("install", [restful, restx])
def test_responses_under_rest_extensions(install):
    app = build(JWT_ACCESS_TOKEN_EXPIRES=60)
    app.testing = False

    @ours.jwt_required()
    def view(self):
        if ours.get_jwt_identity() == "ghost":
            raise exceptions.UserLookupError("gone", {}, {"sub": "ghost"})
        return {"id": ours.get_jwt_identity()}

    install(app, view)
    client = app.test_client()
    expired = token(app, expires_delta=timedelta(seconds=-60))
    assert body_of(client.get("/rest")) == (401, {"msg": "Missing Authorization Header"})
    assert body_of(client.get("/rest", headers=bearer("x"))) == (
        422,
        {"msg": "Not enough segments"},
    )
    assert body_of(client.get("/rest", headers=bearer(expired))) == (
        401,
        {"msg": "Token has expired"},
    )
    assert body_of(client.get("/rest", headers=bearer(token(app, "ghost")))) == (
        401,
        {"msg": "Error loading the user ghost"},
    )
    app.manager.expired_token_loader(lambda header, data: make_response({"later": 1}, 403))
    assert body_of(client.get("/rest", headers=bearer(expired))) == (403, {"later": 1})


# What the original lacks


def test_sessions_start_refresh_and_end():
    clock = Clock()
    store = MemoryStore()
    manager = ours.JWTManager(store=store, clock=clock)
    app = build(manager=manager, JWT_REVOCATION_CHECK="always")
    manager.additional_claims_loader(lambda identity: {"role": "x"})

    @app.post("/sign-in")
    def sign_in():
        tokens = manager.sessions.start("joe", label="phone")
        return jsonify(access_token=tokens.access_token, refresh_token=tokens.refresh_token)

    @app.post("/sign-out")
    @ours.jwt_required()
    def sign_out():
        manager.sessions.revoke(ours.get_jwt()["sid"])
        return "", 204

    client = app.test_client()
    users = {"joe": SimpleNamespace(name="Joe")}
    manager.user_lookup_loader(lambda header, payload: users.get(payload["sub"]))
    tokens = client.post("/sign-in").get_json()
    access = bearer(tokens["access_token"])
    claims = client.get("/fresh", headers=access).get_json()["claims"]
    assert (claims["sub"], claims["role"], claims["fresh"]) == ("joe", "x", True)
    clock.tick(5)
    with app.test_request_context():
        renewed = manager.sessions.refresh(tokens["refresh_token"])
    stale = client.get("/fresh", headers=bearer(renewed.access_token))
    assert body_of(stale) == (401, {"msg": "Fresh token required"})
    claims = client.get("/protected", headers=bearer(renewed.access_token)).get_json()["claims"]
    assert (claims["role"], claims["fresh"]) == ("x", False)
    assert client.get("/refresh", headers=bearer(renewed.refresh_token)).status_code == 200
    assert client.post("/sign-out", headers=access).status_code == 204
    users.clear()
    assert client.get("/protected", headers=access).status_code == 401
    users["joe"] = SimpleNamespace(name="Joe")
    revoked = (401, {"msg": "Token has been revoked"})
    assert body_of(client.get("/protected", headers=access)) == revoked
    assert body_of(client.get("/refresh", headers=bearer(renewed.refresh_token))) == revoked
