"""What programs and test suites written for Flask-JWT-Extended import, set and read.

Flask-JWT-Extended itself runs beside ``flask_jwt.extended`` in these tests, so nothing here says
what it does.
"""

from __future__ import annotations

import importlib
import pickle
from types import FunctionType, ModuleType
from uuid import uuid4

import pytest
import yaml
from flask import Flask, jsonify

from flask_jwt.errors import ConfigError

from .support import ROOT, SECRET, bearer

# Private names that are missing on purpose; docs/migrating/flask-jwt-extended.md names them.
MISSING = {
    "internal_utils": {"HAS_JSON_PROVIDER", "TYPE_CHECKING"},
    "jwt_manager": {"_decode_jwt", "_encode_jwt"},
    "view_decorators": {
        "_decode_jwt_from_cookies",
        "_decode_jwt_from_headers",
        "_decode_jwt_from_json",
        "_decode_jwt_from_query_string",
        "_verify_token_is_fresh",
    },
}
MODULES = [
    "config", "default_callbacks", "exceptions", "internal_utils", "jwt_manager", "typing", "utils",
    "view_decorators",
]  # fmt: skip
PACKAGES = ["flask_jwt_extended", "flask_jwt.extended"]

both = pytest.mark.parametrize("package", PACKAGES)


def load(package, module=None):
    return importlib.import_module(package if module is None else f"{package}.{module}")


def make(package, **config):
    """Make an application with a guarded view and one that sets the cookies of a login."""
    api = load(package)
    app = Flask("tested")
    app.config.update(JWT_SECRET_KEY=SECRET, **config)
    app.jwt = api.JWTManager(app)

    @app.get("/p")
    @api.jwt_required()
    def show():
        return {"identity": api.get_jwt_identity()}

    @app.get("/cookies")
    def cookies():
        response = jsonify(ok=True)
        api.set_access_cookies(response, api.create_access_token("1"))
        return response

    return app, api


def issue(app, api, identity="1", **arguments):
    with app.app_context():
        return api.create_access_token(identity, **arguments)


def get(app, token):
    response = app.test_client().get("/p", headers=bearer(token))
    return response.status_code, response.get_json()


# Names


def names_of(module):
    return [name for name in vars(load("flask_jwt_extended", module)) if not name.startswith("__")]


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in MODULES for name in names_of(module)]
)
def test_each_name_of_each_module_can_be_imported(module, name):
    ours = load("flask_jwt.extended", module)
    if name in MISSING.get(module, ()):
        assert not hasattr(ours, name)
        return
    theirs = getattr(load("flask_jwt_extended", module), name)
    assert hasattr(ours, name)
    # Our JSONEncoder encodes what Flask-JWT-Extended's does, not what json's does.
    is_foreign = isinstance(theirs, (type, FunctionType, ModuleType)) and not is_of_package(theirs)
    if is_foreign and name != "JSONEncoder":
        assert getattr(ours, name) is theirs


def is_of_package(value):
    return (getattr(value, "__module__", None) or value.__name__).startswith("flask_jwt_extended")


def test_the_missing_names_are_documented():
    page = (ROOT / "docs/migrating/flask-jwt-extended.md").read_text()
    names = set().union(*MISSING.values()) - {"TYPE_CHECKING"}
    assert [name for name in names if f"{name}`" not in page] == []


@pytest.mark.parametrize("name", ["flask", "nothing", "_nothing"])
@pytest.mark.parametrize("module", MODULES)
def test_other_names_are_missing(module, name):
    assert not hasattr(load("flask_jwt.extended", module), name)


def test_the_version_is_flask_jwt_extendeds():
    assert load("flask_jwt.extended").__version__ == load("flask_jwt_extended").__version__


# Attributes of the manager

CALLBACKS = [name for name in vars(load("flask_jwt_extended").JWTManager()) if "callback" in name]


@both
@pytest.mark.parametrize("name", CALLBACKS)
def test_each_callback_can_be_read(package, name):
    defaults = load(package, "default_callbacks")
    callback = getattr(load(package).JWTManager(), name)
    if callback is not None:
        assert callback is getattr(defaults, callback.__name__)
        assert getattr(load("flask_jwt_extended").JWTManager(), name).__name__ == callback.__name__
    else:
        assert name == "_user_lookup_callback"


LOADERS = {
    "_expired_token_callback": ("expired_token_loader", lambda header, payload: ("mine", 499)),
    "_invalid_token_callback": ("invalid_token_loader", lambda reason: ("mine", 499)),
    "_unauthorized_callback": ("unauthorized_loader", lambda reason: ("mine", 499)),
}


@both
@pytest.mark.parametrize("name", CALLBACKS)
def test_each_callback_can_be_set(package, name):
    jwt = load(package).JWTManager()

    def mine(*args):
        return "mine", 499

    setattr(jwt, name, mine)
    assert getattr(jwt, name) is mine


@both
@pytest.mark.parametrize(
    ("name", "token"),
    [("_unauthorized_callback", None), ("_invalid_token_callback", "a.b.c"),
     ("_expired_token_callback", "expired")],
)  # fmt: skip
def test_a_callback_that_was_set_responds(package, name, token):
    app, api = make(package)
    setattr(app.jwt, name, lambda *args: ("mine", 499))
    if token == "expired":
        from datetime import timedelta

        token = issue(app, api, expires_delta=timedelta(seconds=-1))
    response = app.test_client().get("/p", headers=bearer(token) if token else {})
    assert (response.status_code, response.text) == (499, "mine")


@both
def test_callbacks_that_decide_may_be_set(package):
    app, api = make(package)
    token = issue(app, api)
    assert get(app, token)[0] == 200
    app.jwt._token_in_blocklist_callback = lambda header, payload: True
    assert get(app, token) == (401, {"msg": "Token has been revoked"})
    app.jwt._token_in_blocklist_callback = lambda header, payload: False
    app.jwt._token_verification_callback = lambda header, payload: False
    assert get(app, token) == (400, {"msg": "User claims verification failed"})
    app.jwt._token_verification_callback = lambda header, payload: True
    app.jwt._user_lookup_callback = lambda header, payload: None
    assert get(app, token) == (401, {"msg": "Error loading the user 1"})
    app.jwt._user_claims_callback = lambda identity: {"color": "red"}
    app.jwt._jwt_additional_header_callback = lambda identity: {"x": "y"}
    app.jwt._user_identity_callback = lambda user: f"user {user}"
    token = issue(app, api)
    with app.app_context():
        assert api.decode_token(token)["color"] == "red"
        assert api.decode_token(token)["sub"] == "user 1"
        assert api.get_unverified_jwt_headers(token)["x"] == "y"


@both
@pytest.mark.parametrize("token_type", ["access", "refresh"])
def test_private_methods_issue_and_decode(package, token_type):
    app, api = make(package)
    with app.app_context():
        token = app.jwt._encode_jwt_from_config("1", token_type, {"a": 1}, headers={"x": "y"})
        claims = app.jwt._decode_jwt_from_config(token)
        assert (claims["sub"], claims["type"], claims["a"]) == ("1", token_type, 1)
        assert api.get_unverified_jwt_headers(token)["x"] == "y"


# Private functions


@both
def test_the_token_of_a_request_can_be_decoded(package):
    app, api = make(package)
    decode = load(package, "view_decorators")._decode_jwt_from_request
    with app.test_request_context("/", headers=bearer(issue(app, api))):
        claims, header, location = decode(locations=None, fresh=False)
    assert (claims["sub"], header["alg"], location) == ("1", "HS256", "headers")
    NoAuthorizationError = load(package, "exceptions").NoAuthorizationError
    with app.test_request_context("/"), pytest.raises(NoAuthorizationError):
        decode(locations=["headers"], fresh=False)
    FreshTokenRequired = load(package, "exceptions").FreshTokenRequired
    request = app.test_request_context("/", headers=bearer(issue(app, api)))
    with request, pytest.raises(FreshTokenRequired):
        decode(locations=["headers"], fresh=True)


@both
def test_checks_can_be_called_one_by_one(package):
    app, _ = make(package)
    internal, errors = load(package, "internal_utils"), load(package, "exceptions")
    header, claims = {"alg": "HS256"}, {"sub": "1", "type": "access"}
    refresh = {**claims, "type": "refresh"}
    with app.app_context():
        internal.verify_token_type(claims, refresh=False)
        internal.verify_token_type(refresh, refresh=True)
        with pytest.raises(errors.WrongTokenError, match="^Only refresh tokens are allowed$"):
            internal.verify_token_type(claims, refresh=True)
        with pytest.raises(errors.WrongTokenError, match="^Only non-refresh tokens are allowed$"):
            internal.verify_token_type(refresh, refresh=False)
        internal.verify_token_not_blocklisted(header, claims)
        app.jwt.token_in_blocklist_loader(lambda header, payload: True)
        with pytest.raises(errors.RevokedTokenError, match="^Token has been revoked$") as caught:
            internal.verify_token_not_blocklisted(header, claims)
        assert (caught.value.jwt_header, caught.value.jwt_data) == (header, claims)
        internal.custom_verification_for_token(header, claims)
        app.jwt.token_verification_loader(lambda header, payload: False)
        with pytest.raises(errors.UserClaimsVerificationError, match="^User claims verification"):
            internal.custom_verification_for_token(header, claims)
        load_user = load(package, "view_decorators")._load_user
        assert load_user(header, claims) is None
        app.jwt.user_lookup_loader(lambda header, payload: "ann")
        assert load_user(header, claims) == {"loaded_user": "ann"}
        app.jwt.user_lookup_loader(lambda header, payload: None)
        with pytest.raises(errors.UserLookupError, match="^user_lookup returned None for 1$"):
            load_user(header, claims)


def test_the_check_of_the_blocklist_also_checks_sessions():
    """A program that makes this check itself must not accept the token of an ended session."""
    app, api = make("flask_jwt.extended", JWT_STORAGE_URI="memory://", JWT_REVOCATION_CHECK=0)
    internal = load("flask_jwt.extended", "internal_utils")
    with app.app_context():
        tokens = app.jwt.sessions.start("1")
        claims = api.decode_token(tokens.access_token)
        internal.verify_token_not_blocklisted({}, claims)
        app.jwt.sessions.revoke(claims["sid"])
        with pytest.raises(load("flask_jwt.extended", "exceptions").RevokedTokenError):
            internal.verify_token_not_blocklisted({}, claims)


# Options

SAME = [
    {"JWT_COOKIE_SAMESITE": "lax"},
    {"JWT_COOKIE_SAMESITE": "STRICT"},
    {"JWT_COOKIE_SAMESITE": "none", "JWT_COOKIE_SECURE": True},
    {"JWT_COOKIE_DOMAIN": ".example.com"},
    {"JWT_DECODE_ALGORITHMS": "HS256"},
    {"JWT_DECODE_ALGORITHMS": ""},
    {"JWT_DECODE_ALGORITHMS": ["HS256", "HS512"]},
    {"JWT_DECODE_ALGORITHMS": ("HS256",)},
    {"JWT_HEADER_TYPE": None},
    {"JWT_HEADER_TYPE": ""},
    {"JWT_SECRET_KEY": "", "SECRET_KEY": SECRET},
    {"JWT_SECRET_KEY": None, "SECRET_KEY": SECRET},
    {"JWT_ENCODE_AUDIENCE": ""},
    {"JWT_ENCODE_ISSUER": ""},
    {"JWT_IDENTITY_CLAIM": "user_id"},
    {"JWT_TOKEN_LOCATION": "headers"},
    {"JWT_TOKEN_LOCATION": {"headers", "cookies"}},
]


def try_options(package, config):
    """Return the response to a token in the header, and the attributes of the cookie."""
    config = {"JWT_TOKEN_LOCATION": ["headers", "cookies"], "JWT_SECRET_KEY": SECRET, **config}
    app = Flask("tested")
    app.config.update(config)
    api = load(package)
    api.JWTManager(app)
    guarded = api.jwt_required()(lambda: {"identity": api.get_jwt_identity()})
    app.add_url_rule("/p", view_func=guarded)

    @app.get("/cookies")
    def cookies():
        response = jsonify(ok=True)
        api.set_access_cookies(response, api.create_access_token("1"))
        return response

    scheme = config.get("JWT_HEADER_TYPE", "Bearer")
    token = issue(app, api)
    client = app.test_client()
    header = {"Authorization": f"{scheme} {token}" if scheme else token}
    response = client.get("/p", headers=header)
    sent = client.get("/cookies").headers.getlist("Set-Cookie")
    with app.app_context():
        algorithms = api.config.config.decode_algorithms
    return (
        response.status_code,
        response.get_json(),
        [cookie.partition("; ")[2] for cookie in sent],
        [algorithms] if isinstance(algorithms, str) else list(algorithms),
    )


@pytest.mark.filterwarnings("ignore")  # of cookies that aren't Secure, and of a short secret
@pytest.mark.parametrize("config", SAME, ids="-".join)
def test_options_mean_the_same(config):
    theirs, ours = (try_options(package, dict(config)) for package in PACKAGES)
    assert ours == theirs
    assert ours[0] == 200


@pytest.mark.filterwarnings("ignore")
def test_an_empty_cookie_domain_is_none():
    """Flask-JWT-Extended sends ``Domain=``, which browsers take for none as well (RFC 6265)."""
    _, _, theirs, _ = try_options("flask_jwt_extended", {"JWT_COOKIE_DOMAIN": ""})
    _, _, ours, _ = try_options("flask_jwt.extended", {"JWT_COOKIE_DOMAIN": ""})
    assert [cookie.replace("Domain=; ", "") for cookie in theirs] == ours


@pytest.mark.parametrize("value", ["none", "None"])
def test_samesite_none_needs_a_secure_cookie_in_any_case(value):
    with pytest.raises(ConfigError, match="JWT_COOKIE_SAMESITE is 'None'"):
        make("flask_jwt.extended", JWT_COOKIE_SAMESITE=value, JWT_COOKIE_SECURE=False)


# An identity of None


@both
@pytest.mark.parametrize("claim", ["sub", "user_id"])
def test_an_identity_of_none(package, claim):
    app, api = make(package, JWT_VERIFY_SUB=False, JWT_IDENTITY_CLAIM=claim)
    assert get(app, issue(app, api, None)) == (200, {"identity": None})


@both
def test_an_identity_of_none_is_no_user(package):
    """A lookup decides about it as about all others."""
    app, api = make(package, JWT_VERIFY_SUB=False)
    app.jwt.user_lookup_loader(lambda header, payload: payload["sub"])
    assert get(app, issue(app, api, None)) == (401, {"msg": "Error loading the user None"})
    app.jwt.user_lookup_loader(lambda header, payload: "guest")
    assert get(app, issue(app, api, None)) == (200, {"identity": None})


@both
def test_a_token_without_the_identity_claim_is_rejected(package):
    import jwt as pyjwt

    app, _ = make(package, JWT_VERIFY_SUB=False)
    token = pyjwt.encode({"exp": 2**33, "type": "access"}, SECRET)
    assert get(app, token) == (422, {"msg": "Missing claim: sub"})


# Tokens


@both
def test_tokens_are_plain_strings(package):
    app, api = make(package)
    with app.app_context():
        tokens = [
            api.create_access_token("1"),
            api.create_refresh_token("1"),
            app.jwt._encode_jwt_from_config("1", "access"),
        ]
    for token in tokens:
        assert type(token) is str
        assert yaml.safe_load(yaml.safe_dump(token)) == token
        assert b"flask_jwt" not in pickle.dumps(token)


@pytest.mark.parametrize("package", ["flask_jwt", "flask_jwt.extended"])
def test_tokens_of_sessions_are_plain_strings(package):
    app, _ = make("flask_jwt.extended", JWT_STORAGE_URI="memory://")
    with app.app_context():
        tokens = app.jwt.sessions.start("1")
        again = app.jwt.sessions.refresh(tokens.refresh_token)
    for token in (tokens, again):
        assert type(token.access_token) is type(token.refresh_token) is str


def test_native_tokens_can_be_decoded_as_bytes_were():
    import flask_jwt

    from .support import make_app

    app = make_app()
    with app.app_context():
        for token in (
            flask_jwt.create_access_token(1),
            flask_jwt.create_refresh_token(1),
            app.jwt.jwt_encode_callback(app.users[0]),
        ):
            assert token.decode("utf-8") == token


def test_the_old_form_of_a_jti_can_be_restored():
    """docs/migrating/flask-jwt-extended.md says how."""
    app, api = make("flask_jwt.extended")
    with app.app_context():
        jti = str(uuid4())
        token = api.create_access_token("1", additional_claims={"jti": jti})
        assert api.get_jti(token) == jti
