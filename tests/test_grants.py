"""Guards that require scopes or roles (RFC 6750 section 3.1)."""

from __future__ import annotations

import json
import logging

import pytest
from flask import Blueprint

import flask_jwt
from flask_jwt import (
    JWT,
    ConfigError,
    Grants,
    any_of,
    create_access_token,
    current_grants,
    current_identity,
    extended,
    has_scope,
    jwt_required,
)
from flask_jwt._cli import jwt_cli
from flask_jwt.errors import InsufficientScope
from flask_jwt.testing import JWTClient, jwt_headers
from tests.support import ROOT, User, bearer, get, run_example, show_user
from tests.test_errors import FRAMEWORKS, class_of

READ = {"scopes": "orders:read"}
BOTH = {"scopes": ["orders:read", "orders:write"]}
STAFF = {"roles": any_of("admin", "support")}
ALL = {"scopes": "orders:write", "roles": "staff"}
GUARDS = {"/read": READ, "/both": BOTH, "/staff": STAFF, "/all": ALL, "/plain": {}}


@pytest.fixture(params=["native", "extended"])
def profile(request):
    return request.param


@pytest.fixture
def start(make_app, profile):
    """Return a function that makes an application of either extension class."""

    def start(guards=GUARDS, **config):
        if profile == "native":
            return make_app(guards=guards, **config)
        manager = make_app(extended.JWTManager, users=False, guards=guards, api=extended, **config)
        manager.jwt.user_lookup_loader(lambda header, claims: User(1))
        return manager

    return start


def token_for(app, **grants):
    with app.test_request_context():
        return create_access_token("1" if app.jwt.__class__ is not JWT else 1, **grants)


def statuses(app, **grants):
    token = token_for(app, **grants)
    return {path: get(app, path, token).status_code for path in GUARDS}


@pytest.mark.parametrize(("grants", "open_paths"), [
    ({}, set()),
    ({"scopes": "orders:read"}, {"/read"}),
    ({"scopes": "orders:read orders:write"}, {"/read", "/both"}),
    ({"scopes": ["orders:write"], "roles": ["staff"]}, {"/all"}),
    ({"roles": "support"}, {"/staff"}),
    ({"roles": ["admin", "support"], "scopes": []}, {"/staff"}),
    ({"scopes": "orders:READ orders:* orders", "roles": "Admin"}, set()),
], ids=str)  # fmt: skip
def test_a_guard_lets_in_who_has_what_it_requires(start, grants, open_paths):
    expected = {path: 200 if path in {*open_paths, "/plain"} else 403 for path in GUARDS}
    assert statuses(start(), **grants) == expected


@pytest.mark.parametrize("install", FRAMEWORKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(("guard", "needed", "scope"), [
    (READ, 'the scope "orders:read"', 'scope="orders:read"'),
    (BOTH, 'the scopes "orders:read" and "orders:write"', 'scope="orders:read orders:write"'),
    (STAFF, 'one of the roles "admin", "support"', None),
    (ALL, 'the scope "orders:write" and the role "staff"', 'scope="orders:write"'),
], ids=["scope", "scopes", "roles", "all"])  # fmt: skip
def test_the_response_is_the_same_under_every_framework(
    make_app, install, debug, guard, needed, scope
):
    app = make_app(flask=class_of(install), guards={}, DEBUG=debug)
    install(app, jwt_required(**guard)(show_user))
    response = get(app, "/protected", token_for(app, scopes="secret", roles="secret"))
    assert response.status_code == 403
    assert response.get_json() == {
        "status_code": 403, "error": "Forbidden", "code": "insufficient_scope",
        "description": f"This needs {needed}",
    }  # fmt: skip
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('JWT realm="Login Required", error="insufficient_scope"')
    assert (scope in challenge) if scope else ("scope=" not in challenge)
    assert "secret" not in challenge + response.text
    assert get(app, "/protected", "x").status_code == 401
    assert app.test_client().get("/protected").status_code == 401


@pytest.mark.parametrize("install", FRAMEWORKS, ids=lambda f: f.__name__)
def test_the_response_of_extended(make_app, install):
    app = make_app(extended.JWTManager, users=False, flask=class_of(install), guards={})
    install(app, extended.jwt_required(scopes="orders:read")(show_user))
    response = get(app, "/protected", token_for(app))
    assert (response.status_code, response.get_json()) == (
        403, {"msg": 'This needs the scope "orders:read"'},
    )  # fmt: skip
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


def test_extended_takes_them_by_keyword_only(make_app):
    with pytest.raises(TypeError):
        extended.jwt_required(False, False, False, None, True, False, "orders:read")


def test_an_optional_guard(start):
    app = start({"/read": {"optional": True, **READ}})
    assert app.test_client().get("/read").get_json() == {"user": None}
    assert get(app, "/read", token_for(app)).status_code == 403
    assert get(app, "/read", token_for(app, scopes="orders:read")).status_code == 200


def test_verify_jwt_in_request(start, profile):
    app = start({})
    verify = (extended if profile == "extended" else flask_jwt).verify_jwt_in_request

    @app.get("/orders")
    def orders():
        verify(scopes="orders:read", roles=any_of("a", "b"))
        return "orders"

    assert get(app, "/orders", token_for(app, scopes="orders:read")).status_code == 403
    token = token_for(app, scopes="orders:read", roles="b")
    assert get(app, "/orders", token).status_code == 200


def test_a_blueprint(start):
    app = start({})
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.before_request(app.jwt.require(roles="admin"))
    admin.add_url_rule("/users", view_func=lambda: "users", methods=["GET", "POST"])
    app.register_blueprint(admin)
    assert app.test_client().get("/admin/users").status_code == 401
    assert app.test_client().options("/admin/users").status_code == 200
    assert get(app, "/admin/users", token_for(app)).status_code == 403
    assert get(app, "/admin/users", token_for(app, roles="admin")).status_code == 200


def test_the_grants_of_the_current_request(start):
    app = start({})

    @app.get("/orders")
    @jwt_required(optional=True)
    def orders():
        names = sorted(current_grants.scopes), sorted(current_grants.roles)
        return json.dumps([*names, has_scope("orders:read"), has_scope("orders")])

    token = token_for(app, scopes="orders:read", roles=["b", "a"])
    assert get(app, "/orders", token).json is None
    assert json.loads(get(app, "/orders", token).text) == [["orders:read"], ["a", "b"], True, False]
    assert json.loads(app.test_client().get("/orders").text) == [[], [], False, False]


def test_outside_of_a_verified_request(make_app):
    app = make_app()
    assert current_grants == Grants()
    with app.test_request_context(), pytest.raises(RuntimeError, match=r"has_scope\(\) needs"):
        has_scope("orders:read")


# Where grants come from


@pytest.mark.parametrize("claims", [
    {"scope": 5}, {"scope": {"orders:read": True}}, {"scope": ["orders:read", 1]},
    {"scope": True}, {"scope": [["orders:read"]]}, {"scope": "orders:read", "scp": 1},
], ids=str)  # fmt: skip
def test_a_claim_of_a_wrong_type_grants_nothing(start, claims):
    app = start()
    assert get(app, "/read", token_for(app, claims=claims)).status_code == 403


@pytest.mark.parametrize(("config", "claims"), [
    ({}, {"scp": "orders:read"}),  # Entra ID
    ({}, {"scp": ["orders:read"]}),  # Okta
    ({}, {"scope": "openid", "permissions": ["orders:read"]}),  # Auth0
    ({"JWT_SCOPE_CLAIMS": "https://shop/scopes"}, {"https://shop/scopes": "orders:read"}),
    ({"JWT_SCOPE_CLAIMS": [("shop", "grants")]}, {"shop": {"grants": ["orders:read"]}}),
], ids=["Entra", "Okta", "Auth0", "own", "nested"])  # fmt: skip
def test_the_claims_are_configured(start, config, claims):
    app = start(**config)
    assert get(app, "/read", token_for(app, claims=claims)).status_code == 200


def test_the_claims_may_change_while_the_application_runs(start):
    app = start()
    token = token_for(app, claims={"scope": "orders:read"})
    assert get(app, "/read", token).status_code == 200
    app.config["JWT_SCOPE_CLAIMS"] = ["permissions"]
    assert get(app, "/read", token).status_code == 403
    assert app.config["JWT_SCOPE_CLAIMS"].append("scope") is None  # in place
    assert get(app, "/read", token).status_code == 200


def test_a_claim_that_the_guard_does_not_read_is_not_issued(start):
    app = start(JWT_SCOPE_CLAIMS=["permissions"], JWT_ROLE_CLAIMS=[["realm_access", "roles"]])
    with pytest.raises(ConfigError, match="JWT_SCOPE_CLAIMS doesn't contain 'scope'"):
        token_for(app, scopes="orders:read")
    with pytest.raises(ConfigError, match="JWT_ROLE_CLAIMS doesn't contain 'roles'"):
        token_for(app, roles="admin")


def test_scopes_stand_in_one_place(start):
    with pytest.raises(ValueError, match="scope stands in claims too"):
        token_for(start(), scopes="a", claims={"scope": "b"})


def test_scope_and_roles_are_no_reserved_claims(start):
    app = start()
    app.jwt.additional_claims_loader(lambda user: {"roles": ["admin"], "scope": "orders:read"})
    assert statuses(app) == {"/read": 200, "/both": 403, "/staff": 200, "/all": 403, "/plain": 200}
    assert get(app, "/staff", token_for(app, roles="guest")).status_code == 403


def test_scopes_of_a_token_replace_all_of_the_additional_claims(start):
    app = start()
    app.jwt.additional_claims_loader(lambda user: {"permissions": ["orders:read"], "scp": "b"})
    assert get(app, "/read", token_for(app)).status_code == 200
    assert get(app, "/read", token_for(app, scopes=[])).status_code == 403
    assert get(app, "/read", token_for(app, roles=[])).status_code == 200


def test_a_loader_replaces_the_claims(start):
    app = start()
    granted, calls = Grants(scopes="orders:read"), []

    @app.jwt.grants_loader
    def load(identity, claims):
        calls.append((identity.id, claims["sub"]))
        return granted

    token = token_for(app, scopes="orders:write", roles="staff")
    expected = {"/read": 200, "/both": 403, "/staff": 403, "/all": 403, "/plain": 200}
    assert {path: get(app, path, token).status_code for path in GUARDS} == expected
    assert calls == [(1, "1")] * 4  # /plain needs no grants
    granted = Grants(roles="admin")
    assert get(app, "/staff", token).status_code == 200


def test_a_loader_is_called_once_for_a_request(make_app):
    app = make_app(guards={})
    calls = []
    app.jwt.grants_loader(lambda identity, claims: calls.append(1) or Grants("a"))

    @app.get("/orders")
    @jwt_required(scopes="a")
    def orders():
        return str((has_scope("a") and has_scope("b")) or len(current_grants.scopes))

    assert get(app, "/orders", token_for(app)).text == "1"
    assert len(calls) == 1


@pytest.mark.parametrize("returned", [None, True, {"scopes": ["a"]}, "a", ["a"], object], ids=repr)
def test_a_loader_that_returns_no_grants_lets_no_one_in(start, returned, caplog):
    app = start()
    app.jwt.grants_loader(lambda identity, claims: returned)
    assert get(app, "/read", token_for(app, scopes="orders:read")).status_code == 500
    assert "return flask_jwt.Grants(scopes=…, roles=…)" in caplog.text


def test_a_loader_that_fails_lets_no_one_in(start):
    app = start()
    app.jwt.grants_loader(lambda identity, claims: 1 / 0)
    response = get(app, "/read", token_for(app, scopes="orders:read"))
    assert response.status_code == 500


def test_an_asynchronous_loader(start):
    app = start()

    @app.jwt.grants_loader
    async def load(identity, claims):
        return Grants("orders:read")

    assert get(app, "/read", token_for(app)).status_code == 200


@pytest.mark.parametrize("decoded", [
    {"identity": 1, "scope": "orders:read"}, {"identity": 1, "scope": 5}, {"identity": 1},
], ids=["scope", "wrong type", "none"])  # fmt: skip
def test_a_decode_handler(make_app, decoded):
    app = make_app(guards=GUARDS)
    app.jwt.jwt_decode_handler(lambda token: decoded)
    expected = 200 if decoded.get("scope") == "orders:read" else 403
    assert get(app, "/read", "anything").status_code == expected


# Browsers


def test_a_browser_gets_the_page_and_is_not_sent_to_log_in(make_app):
    app = make_app(guards={"/read": READ}, JWT_LOGIN_VIEW="/login", JWT_TOKEN_LOCATION="cookies")

    @app.errorhandler(InsufficientScope)
    def show(error):
        return f"Not for you, {current_identity.id}", 403

    client = app.test_client()
    client.set_cookie("access_token_cookie", token_for(app))
    response = client.get("/read", headers={"Accept": "text/html"})
    assert (response.status_code, "Location" in response.headers) == (403, False)


def test_of_two_valid_cookies_the_first_decides(make_app):
    app = make_app(guards=GUARDS, JWT_TOKEN_LOCATION="cookies")
    poor, rich = token_for(app), token_for(app, scopes="orders:read")
    for cookies, status in {(poor, rich): 403, (rich, poor): 200}.items():
        header = "; ".join(f"access_token_cookie={token}" for token in cookies)
        client = app.test_client(use_cookies=False)
        response = client.get("/read", headers={"Cookie": header})
        assert response.status_code == status


# Tests of applications


def test_scopes_in_tests_replace_all_of_the_additional_claims(make_app):
    app = make_app(guards=GUARDS)
    app.jwt.additional_claims_loader(lambda user: {"permissions": ["orders:read"]})
    client = JWTClient(app)
    for scopes, status in ((None, 200), ([], 403)):
        client.login_as(1, scopes=scopes)
        assert client.get("/read").status_code == status
        headers = jwt_headers(1, app=app, scopes=scopes)
        assert app.test_client().get("/read", headers=headers).status_code == status


def test_login_as(make_app):
    app = make_app(guards=GUARDS)
    client = JWTClient(app)
    client.login_as(1, scopes="orders:write", roles=["staff"])
    assert client.get("/all").status_code == 200
    assert client.get("/read").status_code == 403
    headers = jwt_headers(1, app=app, scopes=["orders:read"])
    assert app.test_client().get("/read", headers=headers).status_code == 200


def test_login_as_says_that_the_loader_decides(make_app):
    app = make_app(guards=GUARDS)
    app.jwt.grants_loader(lambda identity, claims: Grants())
    with pytest.raises(ConfigError, match="no effect here"):
        JWTClient(app).login_as(1, scopes="orders:read")
    JWTClient(app).login_as(1)


def test_the_log_does_not_say_what_the_user_has(make_app, caplog):
    app = make_app(guards=GUARDS)
    with caplog.at_level(logging.INFO):
        get(app, "/read", token_for(app, scopes="mine"))
    assert "mine" not in caplog.text


# The page "Roles and scopes"


@pytest.fixture
def example(tmp_path, monkeypatch):
    return run_example("roles/app.py", tmp_path, monkeypatch)["create_app"]()


def test_the_example(example):
    client = example.test_client()
    page = (ROOT / "docs/guides/roles-and-scopes.md").read_text()

    def ask(method, path, name, password):
        login = client.post("/auth", json={"username": name, "password": password})
        headers = bearer(login.get_json()["access_token"])
        return client.open(path, method=method, headers=headers)

    assert ask("GET", "/orders", "joe", "pass").get_json() == {"orders": [1, 2], "may_add": False}
    assert ask("GET", "/orders", "ann", "word").get_json() == {"orders": [1, 2], "may_add": True}
    rejected = ask("POST", "/orders", "joe", "pass")
    assert rejected.status_code == 403
    assert json.dumps(rejected.get_json(), indent=2, sort_keys=True) in page
    assert ask("POST", "/orders", "ann", "word").get_json() == {"added_by": 2}
    assert ask("GET", "/admin/users", "joe", "pass").status_code == 403
    assert ask("GET", "/admin/users", "ann", "word").status_code == 200


def test_what_the_page_says_about_tests_of_the_example(tmp_path, monkeypatch):
    example = run_example("roles/app.py", tmp_path, monkeypatch)
    app, joe = example["create_app"](), example["users"]["joe"]
    with pytest.raises(ConfigError, match="Give the user the scopes and roles instead"):
        JWTClient(app).login_as(joe, roles=["support"])
    with pytest.raises(ConfigError, match="Give the user the scopes and roles instead"):
        jwt_headers(joe, app=app, scopes="orders:read")


def test_the_routes_of_the_example(example):
    output = example.test_cli_runner().invoke(jwt_cli, ["routes"]).stdout
    page = (ROOT / "docs/guides/roles-and-scopes.md").read_text()
    assert f"```text\n{output}" in page, output
