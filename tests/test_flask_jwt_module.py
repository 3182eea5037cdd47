"""What programs and test suites written for Flask-JWT 0.3.2 import, patch and set."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from flask import Blueprint, Flask, current_app, has_app_context, request, url_for
from flask.globals import request_ctx

import flask_jwt
from flask_jwt import JWT, ConfigError, JWTError, current_identity, jwt_required
from flask_jwt.extended import JWTManager
from flask_jwt.extended import create_access_token as create_extended_token
from flask_jwt.extended import jwt_required as extended_jwt_required
from flask_jwt.stores.memory import MemoryStore

from .support import SECRET, get, issue, login, make_app, token_of

# Every name of the module of Flask-JWT 0.3.2, without those that every module has:
# sorted(n for n in vars(flask_jwt) if not n.startswith("__")), run with Python 3.7 on 2026-11-28.
NAMES = [
    "CONFIG_DEFAULTS",
    "JWT",
    "JWTError",
    "LocalProxy",
    "OrderedDict",
    "_default_auth_request_handler",
    "_default_auth_response_handler",
    "_default_jwt_decode_handler",
    "_default_jwt_encode_handler",
    "_default_jwt_error_handler",
    "_default_jwt_headers_handler",
    "_default_jwt_payload_handler",
    "_default_request_handler",
    "_jwt",
    "_jwt_required",
    "_request_ctx_stack",
    "current_app",
    "current_identity",
    "datetime",
    "encode_token",
    "jsonify",
    "jwt",
    "jwt_required",
    "logger",
    "logging",
    "request",
    "timedelta",
    "warnings",
    "wraps",
]


# Names


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_module_can_be_imported(name):
    """Programs import what Flask-JWT itself had only imported, too."""
    namespace = {}
    exec(f"from flask_jwt import {name}", namespace)
    assert namespace[name] is not None


def test_imported_names_are_those_of_their_modules():
    import jwt
    from flask import jsonify

    assert flask_jwt.jwt is jwt
    assert flask_jwt.jsonify is jsonify
    assert flask_jwt.current_app is current_app
    assert flask_jwt.request is request
    assert flask_jwt.timedelta is timedelta
    assert flask_jwt.logger.name == "flask_jwt"


def test_a_star_imports_the_public_names_only():
    namespace = {}
    exec("from flask_jwt import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(flask_jwt.__all__)


def test_the_names_cost_nothing_until_they_are_used():
    """``warnings`` aside, which Python itself loads: no name is in the module at first."""
    code = (
        "import flask_jwt; names = {'jsonify', 'timedelta', 'jwt', 'wraps', 'OrderedDict'};"
        "assert not names & set(vars(flask_jwt)); from flask_jwt import jsonify, jwt, wraps"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_function_that_never_worked_says_so():
    with pytest.raises(ConfigError, match=r"write create_access_token\(user\)"):
        flask_jwt.encode_token()


# Test suites replace the guard


@pytest.fixture
def app():
    return make_app()


def test_a_patched_guard_lets_requests_in(app):
    client = app.test_client()
    assert client.get("/protected").status_code == 401
    with patch("flask_jwt._jwt_required") as required:
        assert client.get("/protected").get_json() == {"user": None}
    required.assert_called_once_with("Login Required")
    assert client.get("/protected").status_code == 401


def test_monkeypatch_replaces_the_guard_too(app, monkeypatch):
    monkeypatch.setattr(flask_jwt, "_jwt_required", lambda realm: None)
    assert app.test_client().get("/protected").status_code == 200


def test_a_replacement_may_reject_requests(app):
    error = JWTError("Mine", "no", 418)
    with patch("flask_jwt._jwt_required", side_effect=error):
        assert app.test_client().get("/protected").status_code == 418


def test_a_replacement_may_call_the_original(app):
    with patch("flask_jwt._jwt_required", wraps=flask_jwt._jwt_required) as required:
        assert app.test_client().get("/protected").status_code == 401
        assert get(app, "/protected", issue(app)).get_json() == {"user": 1}
    assert required.call_count == 2


@pytest.mark.parametrize(
    "options",
    [
        {"optional": True}, {"fresh": True}, {"refresh": True}, {"locations": "headers"},
        {"verify_type": False}, {"skip_revocation_check": True}, {"renew": False},
        {"scopes": "a"}, {"roles": ["admin"]},
    ],
    ids=str,
)  # fmt: skip
def test_guards_that_flask_jwt_did_not_have_are_not_replaced(options):
    """A replacement could not know what they require."""
    app = make_app(guards={"/protected": options})
    with patch("flask_jwt._jwt_required") as required:
        response = get(app, "/protected", "not-a-token")
    assert not required.called
    assert response.status_code == 401


def test_a_guard_with_a_realm_is_replaced_and_gets_it():
    app = make_app(guards={"/protected": {"realm": "Mine"}})
    with patch("flask_jwt._jwt_required") as required:
        assert app.test_client().get("/protected").status_code == 200
    required.assert_called_once_with("Mine")


def test_a_patched_guard_counts_where_views_are_guarded_by_default():
    """The guard is called before the request's other hooks there."""
    app = make_app(JWT_REQUIRED_BY_DEFAULT=True)
    app.add_url_rule("/unguarded", view_func=lambda: "in", endpoint="unguarded")
    with patch("flask_jwt._jwt_required"):
        assert app.test_client().get("/protected").status_code == 200
        assert app.test_client().get("/unguarded").status_code == 401


def test_extended_guards_are_not_replaced():
    app = Flask("extended")
    app.config["JWT_SECRET_KEY"] = SECRET
    JWTManager(app)
    app.add_url_rule("/p", view_func=extended_jwt_required()(lambda: "in"))
    with patch("flask_jwt._jwt_required"):
        assert app.test_client().get("/p").status_code == 401
    with app.app_context():
        assert get(app, "/p", create_extended_token("1")).status_code == 200


def test_the_former_stack_can_be_patched(app):
    with patch("flask_jwt._jwt_required"), patch("flask_jwt._request_ctx_stack") as stack:
        stack.top.current_identity = app.users[0]
        assert app.test_client().get("/protected").get_json() == {"user": 1}
    with app.test_request_context():
        assert not current_identity


# Programs set the user


def set_request_ctx(user):
    request_ctx.current_identity = user


def set_stack(user):
    flask_jwt._request_ctx_stack.top.current_identity = user


@pytest.mark.parametrize("set_user", [set_request_ctx, set_stack])
def test_a_program_may_set_the_user(app, set_user):
    with app.test_request_context():
        assert flask_jwt._request_ctx_stack.top.current_identity is None
        set_user("ann")
        assert current_identity == "ann"
        assert request_ctx.current_identity == "ann"
        assert flask_jwt._request_ctx_stack.top.current_identity == "ann"
        assert flask_jwt._request_ctx_stack.top.request is request_ctx.request
    assert flask_jwt._request_ctx_stack.top is None
    with app.test_request_context():
        assert not current_identity


@pytest.mark.parametrize("set_user", [set_request_ctx, set_stack])
def test_a_guard_replaces_the_user_that_a_program_has_set(app, set_user):
    """The last one who sets the user counts, and a rejected request has none."""
    seen = []
    app.before_request(lambda: set_user("ann"))
    app.after_request(
        lambda response: seen.append(current_identity._get_current_object()) or response
    )
    client = app.test_client()
    assert get(app, "/protected", issue(app)).get_json() == {"user": 1}
    assert client.get("/protected").status_code == 401
    assert client.get("/optional").get_json() == {"user": None}
    assert [getattr(user, "id", user) for user in seen] == [1, None, None]


def test_a_user_set_after_the_guard_counts(app):
    @app.get("/switch")
    @jwt_required()
    def switch():
        set_request_ctx("bob")
        return {"user": current_identity._get_current_object()}

    assert get(app, "/switch", issue(app)).get_json() == {"user": "bob"}


def test_the_former_stack_shows_the_user_of_the_guard(app):
    @app.get("/top")
    @jwt_required()
    def top():
        return {"user": flask_jwt._request_ctx_stack.top.current_identity.id}

    assert get(app, "/top", issue(app)).get_json() == {"user": 1}


def test_a_set_user_is_not_the_user_of_another_application(app):
    other = make_app()
    with app.test_request_context():
        set_request_ctx("ann")
        with other.app_context():
            assert current_identity._get_current_object() is None
        assert current_identity == "ann"
    assert not has_app_context()


# The login's endpoint


def build(app, name, **values):
    with app.test_request_context():
        return url_for(name, **values)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"JWT_AUTH_ENDPOINT": "sign-in"},
        {"JWT_AUTH_ENDPOINT": "jwt"},
        {"JWT_AUTH_URL_OPTIONS": {"endpoint": "mine"}},
        {"JWT_AUTH_URL_RULE": "/log-in"},
    ],
)
def test_the_login_has_one_rule_and_both_names(config):
    app = make_app(guards={}, **config)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    assert len(rules) == 1
    path = config.get("JWT_AUTH_URL_RULE", "/auth")
    assert build(app, "_default_auth_request_handler") == path
    assert build(app, config.get("JWT_AUTH_ENDPOINT", "jwt")) == path
    assert build(app, "_default_auth_request_handler", next="/x", _external=True) == (
        f"http://localhost{path}?next=/x"
    )


def test_the_endpoint_in_a_request_is_flask_jwts():
    """Programs let this endpoint pass in a before_request function of theirs."""
    app = make_app()
    seen = []
    app.before_request(lambda: seen.append(request.endpoint))
    login(app.test_client())
    assert seen == ["_default_auth_request_handler"]
    assert "_default_auth_request_handler" in app.view_functions


def test_a_chosen_endpoint_is_the_one_of_the_request():
    app = make_app(JWT_AUTH_ENDPOINT="sign-in")
    seen = []
    app.before_request(lambda: seen.append(request.endpoint))
    login(app.test_client())
    assert seen == ["sign-in"]


def test_a_handler_that_takes_the_place_of_the_login_names_it():
    jwt = JWT()

    with pytest.warns(DeprecationWarning, match="JWT_AUTH_URL_RULE"):

        @jwt.auth_request_handler
        def log_in():
            return "mine"

    app = make_app(jwt)
    for name in ("log_in", "jwt", "_default_auth_request_handler"):
        assert build(app, name) == "/auth"


def test_names_of_the_login_leave_other_endpoints_alone(app):
    app.add_url_rule("/mine/<int:number>", "jwt", lambda number: "mine")
    blueprint = Blueprint("b", "b")
    blueprint.add_url_rule("/_x", "jwt", lambda: "x")
    app.register_blueprint(blueprint)
    assert build(app, "jwt", number=1) == "/mine/1"
    assert build(app, "b.jwt") == "/_x"
    from werkzeug.routing import BuildError

    for name in ("jwt", "nothing", "b.nothing"):
        with pytest.raises(BuildError):
            build(app, name)


def test_without_a_login_there_are_no_names_of_it():
    from werkzeug.routing import BuildError

    app = make_app(JWT_AUTH_URL_RULE=None)
    with pytest.raises(BuildError):
        build(app, "_default_auth_request_handler")


# The payload


@pytest.mark.parametrize("get_payload", [
    lambda app, user: flask_jwt._default_jwt_payload_handler(user),
    lambda app, user: app.jwt.jwt_payload_callback(user),
    lambda app, user: app.extensions["jwt"].jwt_payload_callback(user),
], ids=["function", "attribute", "extension"])  # fmt: skip
def test_the_payload_has_naive_times_in_utc(app, get_payload):
    with app.test_request_context():
        payload = get_payload(app, app.users[0])
    now = datetime.fromtimestamp(app.clock(), tz=None).astimezone().utctimetuple()
    assert payload["iat"].utctimetuple()[:6] == now[:6]
    assert payload["iat"].tzinfo is payload["exp"].tzinfo is payload["nbf"].tzinfo is None
    assert payload["exp"] - payload["iat"] == timedelta(seconds=300)


def test_a_payload_handler_may_extend_the_lifetime(app):
    """The commonest payload handler of public programs: the default one's times, moved."""

    @app.jwt.jwt_payload_handler
    def payload(user):
        claims = flask_jwt._default_jwt_payload_handler(user)
        return {**claims, "exp": claims["iat"] + timedelta(days=30)}

    client = app.test_client()
    token = token_of(client)
    app.clock.tick(30 * 86400 - 1)
    assert get(app, "/protected", token).status_code == 200
    app.clock.tick(11)
    assert get(app, "/protected", token).status_code == 401


class IntSubclass(int):
    pass


@pytest.mark.parametrize("convert", [
    int, float, IntSubclass,
    lambda seconds: datetime(1970, 1, 1) + timedelta(seconds=seconds),
    lambda seconds: datetime.fromisoformat("1970-01-01T02:00:00+02:00") + timedelta(seconds=seconds),
], ids=["int", "float", "int subclass", "naive", "aware"])  # fmt: skip
@pytest.mark.parametrize("days", [1, 400])
def test_no_access_token_outlives_its_session(convert, days):
    """Whatever its payload handler says, in whatever form."""
    store = MemoryStore()
    app = make_app(store=store, JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=30))
    wanted = app.clock() + days * 86400
    app.jwt.jwt_payload_handler(
        lambda user: {"identity": 1, "iat": app.clock(), "nbf": 0, "exp": convert(wanted)}
    )
    token = token_of(app.test_client())
    with app.app_context():
        exp = flask_jwt.decode_token(token)["exp"]
    assert exp == min(wanted, app.clock() + 30 * 86400)


@pytest.mark.parametrize("exp", [None, "4102444800", [1], object()])
def test_an_exp_that_cannot_be_compared_stops_a_login_with_a_session(exp):
    app = make_app(store=MemoryStore())
    app.jwt.jwt_payload_handler(lambda user: {"identity": 1, "iat": 0, "nbf": 0, "exp": exp})
    app.testing = True
    with pytest.raises(ConfigError, match='"exp" of the jwt_payload_handler'):
        token_of(app.test_client())


# Tokens from the future


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        # What Flask-JWT 0.3.2 (PyJWT 1.4.2, Flask 1.0.4, Python 3.7) said on 2026-11-28.
        ({"iat": 3600}, "Issued At claim (iat) cannot be in the future."),
        ({"nbf": 3600}, "The token is not yet valid (nbf)"),
        ({"iat": 3600, "nbf": 3600}, "Issued At claim (iat) cannot be in the future."),
        ({"iat": 3600, "nbf": 7200}, "Issued At claim (iat) cannot be in the future."),
        ({"iat": 7200, "nbf": 3600}, "Issued At claim (iat) cannot be in the future."),
        ({"iat": 3600, "exp": -50}, "Issued At claim (iat) cannot be in the future."),
        ({"exp": -50}, "Signature has expired"),
    ],
)
def test_a_token_from_the_future_has_flask_jwts_text(app, claims, description):
    import jwt as pyjwt

    now = int(app.clock())
    payload = {"identity": 1, "iat": now, "nbf": now, "exp": now + 9999}
    payload.update({name: now + seconds for name, seconds in claims.items()})
    response = get(app, "/protected", pyjwt.encode(payload, SECRET))
    assert response.get_json()["description"] == description


# The extension object


def make_native():
    jwt = JWT(authentication_handler=lambda name, password: name, identity_handler=lambda p: p)
    return jwt, jwt_required, "jwt"


def make_extended():
    return JWTManager(), extended_jwt_required, "flask-jwt-extended"


BOTH = pytest.mark.parametrize("make", [make_native, make_extended])


@BOTH
def test_init_app_twice_with_one_object(make):
    """Programs pass the application to the constructor, and call init_app as well."""
    jwt, required, slot = make()
    app = Flask("twice")
    app.config["SECRET_KEY"] = SECRET
    jwt.init_app(app)
    rules = len(list(app.url_map.iter_rules()))
    jwt.init_app(app)
    assert len(list(app.url_map.iter_rules())) == rules
    app.add_url_rule("/p", view_func=required()(lambda: "in"))
    assert app.extensions[slot] is app.extensions["jwt"] is jwt
    assert app.test_client().get("/p").status_code == 401
    jwt.init_app(app)  # also when the application is running
    assert get(app, "/p", issue(app, "1")).status_code == 200


@BOTH
def test_init_app_again_checks_the_configuration_again(make):
    jwt, _, _ = make()
    app = Flask("twice")
    app.config["SECRET_KEY"] = SECRET
    jwt.init_app(app)
    app.config["JWT_HEADER_NAME"] = 7
    with pytest.raises(ConfigError, match="JWT_HEADER_NAME"):
        jwt.init_app(app)


@BOTH
def test_two_objects_for_one_application_are_a_mistake(make):
    app = Flask("two")
    app.config["SECRET_KEY"] = SECRET
    make()[0].init_app(app)
    with pytest.raises(ConfigError, match="has a JWT already"):
        make()[0].init_app(app)


@BOTH
def test_a_program_may_put_the_object_into_extensions_itself(make):
    jwt, required, slot = make()
    app = Flask("slot")
    app.config["SECRET_KEY"] = SECRET
    jwt.init_app(app)
    for name in ("jwt", slot):
        app.extensions[name] = jwt
    app.add_url_rule("/p", view_func=required()(lambda: "in"))
    assert app.test_client().get("/p").status_code == 401
    assert get(app, "/p", issue(app, "1")).status_code == 200


def test_the_context_processor_may_be_asked_for_later():
    app = Flask("later")
    app.config["SECRET_KEY"] = SECRET
    jwt = JWTManager(app)
    jwt.user_lookup_loader(lambda header, payload: payload["sub"])
    jwt.init_app(app, add_context_processor=True)

    @app.get("/p")
    @extended_jwt_required()
    def p():
        return flask_render("{{ current_user }}")

    from flask import render_template_string as flask_render

    assert get(app, "/p", issue(app, "ann")).text == "ann"


def test_handlers_may_be_set_through_extensions(app):
    app.extensions["jwt"].jwt_payload_handler(
        lambda user: {"identity": 1, "iat": 0, "nbf": 0, "exp": 2**33, "color": "red"}
    )
    with app.app_context():
        assert flask_jwt.decode_token(token_of(app.test_client()))["color"] == "red"
