"""OpenAPI documents say what guards each operation, and that is what happens."""

from __future__ import annotations

import copy
import json
import logging
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta

import apiflask
import flask_openapi3
import flask_restx
import flask_smorest
import jsonschema
import pytest
import spectree
from flask import Blueprint, Flask
from openapi_spec_validator import validate
from werkzeug.routing import Rule
from werkzeug.serving import make_server

import flask_jwt.extended
from flask_jwt import (
    any_of,
    create_access_token,
    create_refresh_token,
    guarded_by,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt.errors import ConfigError, JWTError
from flask_jwt.extended import JWTManager
from flask_jwt.openapi import annotate, secure
from flask_jwt.openapi.bases import Bases
from flask_jwt.openapi.document import Document
from flask_jwt.openapi.routes import get_routes
from tests.openapi_apps import EXPECTED, LIBRARIES, TOKEN, make_flask_smorest
from tests.support import ANYONE, SECRET, bearer, issue, login, make_app

METHODS = ("get", "post", "put", "patch", "delete")
VERSIONS = {
    "3.1": {"openapi": "3.1.0"},
    "3.0": {"openapi": "3.0.3"},
    "2.0": {"swagger": "2.0"},
}


# Five libraries


@pytest.fixture(params=[False, True], ids=["", "by default"])
def by_default(request):
    return request.param


@pytest.fixture(params=LIBRARIES)
def library_app(request, by_default):
    return LIBRARIES[request.param](JWT_REQUIRED_BY_DEFAULT=by_default)


def serve(app):
    """Return the document as a client gets it."""
    response = app.test_client().get(app.document_path)
    assert response.status_code == 200, response.text
    return response.get_json()


def list_security(document):
    return {
        (path, method): operation.get("security")
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_documents_of_libraries_are_valid_and_state_the_guards(library_app, by_default):
    document = serve(library_app)
    validate(document)
    found = list_security(document)
    expected = {**EXPECTED}
    if by_default:
        expected["/default", "get"] = TOKEN
    if "swagger" in document:
        expected["/scoped", "get"] = TOKEN
        assert document["paths"]["/scoped"]["get"]["x-required-scopes"] == ["orders:read"]
    assert {key: found[key] for key in expected} == expected
    assert document["paths"]["/roles"]["get"]["x-required-roles"] == [["admin", "staff"]]
    for (path, method), security in expected.items():
        statuses = document["paths"][path][method]["responses"].keys()
        assert {"401", "503"} <= statuses if security else not {"401", "503"} & statuses, path
        assert ("403" in statuses) is (path in ("/scoped", "/roles")), path


def test_documents_of_libraries_describe_what_happens(library_app):
    """Each operation is called without a token and with one that has all grants."""
    client, document = library_app.test_client(), serve(library_app)
    token = bearer(issue(library_app, "joe", scopes="orders:read", roles=["admin"]))
    for path, method in EXPECTED:
        operation = document["paths"][path][method]
        url = library_app.base + path.replace("{id}", "1")
        status = client.open(url, method=method.upper()).status_code
        needs_token = bool(operation.get("security")) and {} not in operation["security"]
        assert status == (401 if needs_token else 200), path
        assert client.open(url, method=method.upper(), headers=token).status_code == 200


def test_our_endpoints_are_in_the_document(library_app):
    document = serve(library_app)
    operations = list_security(document)
    if library_app.base:  # Swagger 2.0 can't describe what is not below its basePath
        assert not any(path.startswith("/auth") for path, _ in operations)
        return
    assert operations["/auth", "post"] is None
    assert operations["/auth/refresh", "post"] == [{}, {"refreshToken": []}]
    either = [*TOKEN, {"refreshToken": []}]
    assert operations["/auth/sessions", "get"] == either
    assert operations["/auth/sessions/{sid}", "delete"] == either
    body = document["paths"]["/auth"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["required"] == ["username", "password"]
    assert "200" not in document["paths"]["/auth/sessions/{sid}"]["delete"]["responses"]


def test_the_document_may_be_generated_again(library_app):
    first = serve(library_app)
    assert serve(library_app) == first
    with library_app.test_request_context():
        again = annotate(first, library_app)
    assert again == first


def test_securing_twice_changes_nothing():
    app = make_flask_smorest()
    before = serve(app)
    secure(app.extensions["flask-smorest"]["apis"][""]["ext_obj"])
    assert serve(app) == before


@pytest.mark.parametrize("version", ["3.0.3", "2.0"])
def test_scopes_in_earlier_versions(version):
    document = serve(make_flask_smorest(version))
    validate(document)
    operation = document["paths"]["/scoped"]["get"]
    assert operation["security"] == TOKEN
    assert operation["x-required-scopes"] == ["orders:read"]
    assert operation["description"] == 'Requires the scope "orders:read".'


def test_apiflask_lets_the_spec_processor_run_last():
    app = make_app(flask=apiflask.APIFlask, guards={"/guarded": {}})
    secure(app)

    @app.spec_processor
    def change(spec):
        assert spec["paths"]["/guarded"]["get"]["security"] == TOKEN
        spec["paths"]["/guarded"]["get"]["security"] = []
        return spec

    with app.test_request_context():
        assert app.spec["paths"]["/guarded"]["get"]["security"] == []


@pytest.mark.parametrize("as_object", [False, True])
def test_apiflask_in_yaml_and_as_an_object(as_object):
    app = make_app(
        flask=apiflask.APIFlask, guards={"/guarded": {}}, SPEC_FORMAT="yaml",
        SPEC_PROCESSOR_PASS_OBJECT=as_object,
    )  # fmt: skip
    app.spec_processor(lambda spec: spec)
    secure(app)
    assert "- bearerAuth: []" in app.test_client().get("/openapi.json").text


class Renamed(apiflask.APIFlask):
    pass


def test_a_subclass_is_known():
    app = make_app(flask=Renamed, guards={"/guarded": {}})
    secure(app)
    with app.test_request_context():
        assert app.spec["paths"]["/guarded"]["get"]["security"] == TOKEN


def test_several_restx_apis_keep_their_documents_apart():
    app = make_app(guards={})
    apis = []
    for name in ("one", "two"):
        blueprint = Blueprint(name, name)
        api = flask_restx.Api(blueprint)
        apis.append(api)

        @api.route(f"/{name}")
        class View(flask_restx.Resource):
            @jwt_required()
            def get(self):
                return {}

        app.register_blueprint(blueprint, url_prefix=f"/{name}")
    secure(apis[0])
    client = app.test_client()
    first, second = (client.get(f"/{name}/swagger.json").get_json() for name in ("one", "two"))
    assert first["paths"]["/one"]["get"]["security"] == TOKEN
    assert "security" not in second["paths"]["/two"]["get"]
    assert type(apis[1]) is flask_restx.Api


def test_restx_validates_with_its_document():
    app = make_app(guards={})
    api = flask_restx.Api(app, validate=True)
    secure(api)
    model = api.model("Order", {"count": flask_restx.fields.Integer(required=True)})

    @api.route("/orders")
    class Orders(flask_restx.Resource):
        @jwt_required()
        @api.expect(model)
        def post(self):
            return {}

    client, headers = app.test_client(), bearer(issue(app))
    assert client.post("/orders", json={"count": 1}, headers=headers).status_code == 200
    assert client.post("/orders", json={"count": "x"}, headers=headers).status_code == 400


# Changes while the application runs


def add_view(app):
    app.get("/new")(jwt_required()(lambda: "new"))


def replace_view(app):
    app.view_functions["open"] = jwt_required(roles="a")(app.view_functions["open"])


def replace_view_again(app):
    app.view_functions["open"] = lambda: "open"


CHANGES = [
    (add_view, {"/new": TOKEN}),
    (replace_view, {"/open": TOKEN}),
    (replace_view_again, {"/open": None}),
    (lambda app: app.config.update(JWT_HEADER_NAME="X-Token"), {"/view": [{"tokenHeader": []}]}),
    (lambda app: app.config.update(JWT_HEADER_NAME="Authorization"), {"/view": TOKEN}),
    (lambda app: app.before_request(app.jwt.require(scopes="a")),
     {"/open": [{"bearerAuth": ["a"]}]}),
]  # fmt: skip


def test_a_document_shows_the_application_as_it_is():
    """What was found for an earlier document counts only as long as nothing has changed."""
    app = make_app(guards={"/view": {}})
    app.get("/open", endpoint="open")(lambda: "open")
    document = doc({"/view": ["get"], "/open": ["get"], "/new": ["get"]})
    routes = [None]
    for change, expected in CHANGES:
        annotate(document, app)
        change(app)
        annotated = annotate(document, app)["paths"]
        assert {path: annotated[path]["get"].get("security") for path in expected} == expected
        routes.append(app.extensions["flask-jwt"].routes[1])
        assert routes[-1] is not routes[-2]
        assert annotate(document, app)["paths"] == annotated
        assert app.extensions["flask-jwt"].routes[1] is routes[-1]


def test_an_exemption_after_the_first_document():
    app = make_app(guards={}, JWT_REQUIRED_BY_DEFAULT=True)
    app.get("/open", endpoint="open")(lambda: "open")
    document = doc({"/open": ["get"]})
    assert annotate(document, app)["paths"]["/open"]["get"]["security"] == TOKEN
    app.jwt.exempt("open")
    assert "security" not in annotate(document, app)["paths"]["/open"]["get"]


def test_documents_with_other_servers_are_kept_apart():
    app = make_app(guards={"/api/view": {}, "/view": {"roles": "a"}})
    for _ in range(2):
        operation, document = operation_of(app, servers=[{"url": "/api"}])
        assert "x-required-roles" not in operation
        assert document["paths"]["/auth"]["servers"] == [{"url": "/"}]
        operation, document = operation_of(app)
        assert operation["x-required-roles"] == ["a"]
        assert "servers" not in document["paths"]["/auth"]


PLACES = [
    # A view outside of the servers' path, before and after, in one document and in an earlier one.
    ({"/health": ["get"], "/items": ["get"]}, {}),
    ({"/items": ["get"], "/health": ["get"]}, {}),
    ({"/items": ["get"]}, {"/health": ["get"]}),
]


@pytest.mark.parametrize(("paths", "earlier"), PLACES)
def test_a_path_is_relative_to_the_server_whatever_other_paths_are(paths, earlier):
    app = make_app(guards={"/api/items": {}, "/api/orders": {}})
    for path in "/items", "/health":
        app.get(path, endpoint=path)(lambda: "open")
    servers = [{"url": "https://x.example/gateway/api"}]
    annotate(doc(earlier, servers=servers), app)
    annotated = annotate(doc({**paths, "/orders": ["get"]}, servers=servers), app)["paths"]
    assert annotated["/items"]["get"]["security"] == TOKEN
    assert annotated["/auth"]["servers"] == [{"url": "/"}]


def test_a_path_is_relative_to_each_server_before_a_part_of_one():
    app = make_app(guards={"/v2/view": {}})
    app.post("/view", endpoint="open")(lambda: "open")
    servers = [{"url": "/gateway/v1"}, {"url": "/gateway/v2"}]
    assert operation_of(app, servers=servers)[0]["security"] == TOKEN


def test_documents_leave_nothing_behind_but_the_guards():
    """A document's servers may contain a prefix that a client has sent."""
    app = make_app(guards={"/view": {}})
    app.post("/<id>/view")(jwt_required()(lambda id: {}))

    def count():
        routes = vars(app.extensions["flask-jwt"].routes[1])
        return {name: len(str(value)) for name, value in routes.items()}

    operation_of(app)
    document = doc({"/view": ["post"], "/{id}/view": ["post"]})
    annotate(document, app)
    before = count()
    for number in range(20):
        servers = [{"url": f"/p{number}"}, {"url": f"/{{p{number}}}"}]
        assert operation_of(app, servers=servers)[0]["security"] == TOKEN
        annotate(doc({f"/{{p{number}}}/view": ["post"]}), app)
    assert count() == before


def test_a_long_prefix_is_tried_once():
    app = make_app(guards={"/view": {}})
    servers = [{"url": "/a" * 4000}]
    document = Document(doc({"/view": ["post"]}, servers=servers))
    bases = Bases(document, get_routes(app.extensions["flask-jwt"]))
    assert list(bases._uses) == [""]
    assert operation_of(app, servers=servers)[0]["security"] == TOKEN


def test_what_a_caller_changes_in_a_document_is_not_in_the_next():
    app = make_app(guards={key: {"roles": any_of("a", "b")} for key in ("/view", "/other")})
    document = doc({"/view": ["get"], "/other": ["get"]})
    first = annotate(document, app)
    expected = copy.deepcopy(first)
    operation = first["paths"]["/view"]["get"]
    operation["security"][0]["bearerAuth"].append("x")
    operation["security"].append({})
    operation["x-required-roles"].append("x")
    operation["responses"].clear()
    assert first["paths"]["/other"] == expected["paths"]["/other"]
    first["components"]["securitySchemes"].clear()
    first["components"]["responses"]["Unauthorized"]["description"] = "x"
    assert annotate(document, app) == expected


# What is unknown


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: apiflask.APIFlask("x"), "_generate_spec"),
        (lambda: flask_openapi3.OpenAPI("x"), "generate_spec_json"),
        (flask_smorest.Api, "_init_spec"),
        (lambda: spectree.SpecTree("flask"), "_generate_spec"),
        (flask_restx.Api, "__schema__"),
    ],
)
def test_a_version_without_the_attribute_is_an_error_at_once(make, name, monkeypatch):
    api = make()
    owner = next(cls for cls in type(api).__mro__ if name in vars(cls))
    monkeypatch.delattr(owner, name)
    with pytest.raises(ConfigError, match=rf"has no {name}\. It was tested with \S+ \d"):
        secure(api)


@pytest.mark.parametrize("api", [None, Flask("x"), {"openapi": "3.1.0"}])
def test_another_library_is_an_error_at_once(api):
    with pytest.raises(TypeError, match="annotate"):
        secure(api)


def test_a_failure_is_logged_and_the_document_served(caplog):
    app = apiflask.APIFlask("x")  # without a JWT
    app.get("/open")(lambda: "open")
    secure(app)
    response = app.test_client().get("/openapi.json")
    assert "/open" in response.get_json()["paths"]
    assert "did you forget to call init_app" in caplog.text.lower()


def test_a_path_without_a_view_is_left_alone_and_warned_of_once(caplog):
    app = make_app(guards={})
    app.url_map.add(Rule("/lost", endpoint="lost", methods=["GET"]))
    document = doc({"/lost": ["get"], "/other": ["get"]})
    caplog.set_level(logging.WARNING, "flask_jwt")
    for _ in range(2):
        assert annotate(document, app, endpoints=False) == document
    assert [record.args for record in caplog.records] == [("GET", "/lost"), ("GET", "/other")]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"openapi": "3.1.0"},
        {"openapi": "3.1.0", "paths": None, "components": None},
        {"openapi": "3.1.0", "paths": {"/guarded": None, "/x": {"get": None}}},
        {"openapi": "3.1.0", "paths": {"/guarded": {"$ref": "#/x", "summary": "y"}}},
        {"openapi": "3.1.0", "paths": {"/guarded": {"get": {"responses": None}}}, "servers": None},
        {"openapi": "3.1.0", "paths": {"/guarded": {"get": {}}}, "servers": [{"url": "//[x"}, 1]},
        {"swagger": "2.0", "basePath": None, "paths": {"/guarded": {"get": {}}}},
        {"openapi": 3.1, "paths": {"/guarded": {"get": {"security": None}}}},
        {"openapi": "3.1.0", "components": {"securitySchemes": {"x": None, "y": {}}},
         "paths": {"/guarded": {"get": {}}}},
    ],
)  # fmt: skip
def test_odd_documents_are_no_error(document):
    app = make_app(guards={"/guarded": {}}, JWT_STORAGE_URI="memory://")
    before = copy.deepcopy(document)
    annotate(document, app)
    assert document == before


# Documents that were written by hand


def doc(paths, version="3.1", **members):
    """Return a document with operations that say nothing of guards."""
    item = {"responses": {"200": {"description": "Shown"}}}
    return {
        **VERSIONS[version],
        "info": {"title": "Tested", "version": "1"},
        **members,
        "paths": {
            path: {method: copy.deepcopy(item) for method in methods}
            for path, methods in paths.items()
        },
    }


def operation_of(app, path="/view", method="post", version="3.1", **members):
    """Return an operation and the document after annotation, which must be valid."""
    document = doc({path: [method]}, version, **members)
    parameters = [
        {"name": name, "in": "path", "required": True,
         **({"type": "string"} if version == "2.0" else {"schema": {"type": "string"}})}
        for name in ("id", "x") if f"{{{name}}}" in path
    ]  # fmt: skip
    if parameters:
        document["paths"][path]["parameters"] = parameters
    annotated = annotate(document, app)
    validate(annotated)
    return annotated["paths"][path][method], annotated


def schemes_of(app, version="3.1", **arguments):
    operation, document = operation_of(app, version=version, **arguments)
    components = document.get("components", {})
    schemes = document.get("securityDefinitions", components.get("securitySchemes", {}))
    used = {name for requirement in operation["security"] for name in requirement}
    summary = {
        name: " ".join(
            str(scheme[key]) for key in ("type", "scheme", "in", "name") if key in scheme
        )
        for name, scheme in schemes.items()
        if name in used
    }
    return operation["security"], summary


BEARER = "http bearer"
LOCATIONS = [
    ({}, {}, [{"bearerAuth": []}], {"bearerAuth": BEARER}),
    ({"JWT_AUTH_HEADER_PREFIX": "JWT"}, {}, [{"tokenHeader": []}],
     {"tokenHeader": "apiKey header Authorization"}),
    ({"JWT_AUTH_HEADER_PREFIX": "Bearer"}, {}, [{"bearerAuth": []}], {"bearerAuth": BEARER}),
    ({"JWT_HEADER_NAME": "X-Token"}, {}, [{"tokenHeader": []}],
     {"tokenHeader": "apiKey header X-Token"}),
    ({"JWT_HEADER_TYPE": ""}, {}, [{"tokenHeader": []}],
     {"tokenHeader": "apiKey header Authorization"}),
    ({"JWT_TOKEN_LOCATION": "cookies"}, {}, [{"accessCookie": [], "csrfHeader": []}],
     {"accessCookie": "apiKey cookie access_token_cookie",
      "csrfHeader": "apiKey header X-CSRF-TOKEN"}),
    ({"JWT_TOKEN_LOCATION": "cookies", "JWT_COOKIE_CSRF_PROTECT": False}, {},
     [{"accessCookie": []}], {"accessCookie": "apiKey cookie access_token_cookie"}),
    ({"JWT_TOKEN_LOCATION": ["headers", "query_string"]}, {},
     [{"bearerAuth": []}, {"tokenInQuery": []}],
     {"bearerAuth": BEARER, "tokenInQuery": "apiKey query jwt"}),
    ({}, {"refresh": True}, [{"refreshToken": []}], {"refreshToken": BEARER}),
    ({"JWT_TOKEN_LOCATION": "cookies"}, {"refresh": True},
     [{"refreshCookie": [], "refreshCsrfHeader": []}],
     {"refreshCookie": "apiKey cookie refresh_token_cookie",
      "refreshCsrfHeader": "apiKey header X-CSRF-TOKEN"}),
    ({}, {"optional": True}, [{}, {"bearerAuth": []}], {"bearerAuth": BEARER}),
    ({"JWT_TOKEN_LOCATION": ["headers", "cookies"]}, {"locations": "headers"},
     [{"bearerAuth": []}], {"bearerAuth": BEARER}),
    ({}, {"locations": ["cookies"]}, [{"accessCookie": [], "csrfHeader": []}],
     {"accessCookie": "apiKey cookie access_token_cookie",
      "csrfHeader": "apiKey header X-CSRF-TOKEN"}),
    ({}, {"scopes": "a b"}, [{"bearerAuth": ["a", "b"]}], {"bearerAuth": BEARER}),
    ({}, {"scopes": any_of("a", "b")}, [{"bearerAuth": ["a"]}, {"bearerAuth": ["b"]}],
     {"bearerAuth": BEARER}),
    ({}, {"optional": True, "scopes": "a"}, [{}, {"bearerAuth": ["a"]}], {"bearerAuth": BEARER}),
]  # fmt: skip


@pytest.mark.parametrize(("config", "guard", "security", "schemes"), LOCATIONS)
def test_where_the_token_is_expected(config, guard, security, schemes):
    app = make_app(guards={"/view": guard}, **config)
    assert schemes_of(app) == (security, schemes)


@pytest.mark.parametrize(("config", "guard", "security", "schemes"), LOCATIONS)
@pytest.mark.parametrize("version", ["3.0", "2.0"])
def test_where_the_token_is_expected_in_earlier_versions(config, guard, security, schemes, version):
    """Each operation has security there too; scopes are an extension, and cookies a header."""
    app = make_app(guards={"/view": guard}, **config)
    found, summary = schemes_of(app, version)
    expected = [{name: [] for name in requirement} for requirement in security]
    assert found == [one for n, one in enumerate(expected) if one not in expected[:n]]
    assert summary.keys() == schemes.keys()
    if version == "2.0" and "accessCookie" in summary:
        assert summary["accessCookie"] == "apiKey header Cookie"


def test_safe_methods_need_no_csrf_header():
    app = make_app(guards={"/view": {}}, JWT_TOKEN_LOCATION="cookies")
    operation, _ = operation_of(app, method="get")
    assert operation["security"] == [{"accessCookie": []}]
    assert "403" not in operation["responses"]
    assert "403" in operation_of(app, method="post")[0]["responses"]


def test_a_token_in_a_json_body_is_described_in_words():
    app = make_app(guards={"/view": {}}, JWT_TOKEN_LOCATION=["headers", "json"])
    operation, _ = operation_of(app)
    assert operation["security"] == TOKEN
    assert operation["description"] == "The token may be the member `access_token` of a JSON body."


def test_several_guards():
    app = make_app(guards={"/view": {"scopes": "b", "fresh": timedelta(minutes=5)}})
    app.before_request(app.jwt.require(scopes="a", roles="staff"))
    app.before_request(app.jwt.require(optional=True))
    operation, _ = operation_of(app)
    assert operation["security"] == [{"bearerAuth": ["a", "b"]}]
    assert operation["x-required-roles"] == ["staff"]
    assert operation["description"] == (
        'Requires the scope "a". Requires the role "staff". Requires the scope "b". '
        "Requires a login at most 300 seconds ago."
    )


def test_guards_that_need_different_tokens():
    app = make_app(guards={"/view": {"locations": "query_string"}})
    app.before_request(app.jwt.require(locations="headers"))
    assert operation_of(app)[0]["security"] == [{"bearerAuth": [], "tokenInQuery": []}]


def test_guards_written_with_guarded_by_and_inside_the_view():
    app = make_app(guards={})

    def verify():
        verify_jwt_in_request(scopes="a")

    app.post("/view")(guarded_by(verify)(lambda: "shown"))

    @app.post("/inside")
    def inside():
        verify_jwt_in_request()
        return {}

    assert operation_of(app)[0]["security"] == TOKEN
    assert operation_of(app, "/inside")[0]["security"] == TOKEN


def test_what_the_author_wrote_stays():
    app = make_app(guards={"/view": {"scopes": "a"}}, JWT_STORAGE_URI="memory://")
    document = doc({"/view": ["get", "post"], "/auth": ["post"]})
    get = document["paths"]["/view"]["get"]
    written = {"description": "Mine"}
    get.update(
        security=[{"mine": []}], description="Mine", responses={401: written, "403": written}
    )
    document["paths"]["/auth"]["post"] = {
        "summary": "Mine",
        "requestBody": {"content": {}},
        "responses": {"401": written, "200": written},
    }
    before = copy.deepcopy(document)
    annotated = annotate(document, app)
    assert document == before
    operation = annotated["paths"]["/view"]["get"]
    assert operation["security"] == [{"mine": []}]
    assert operation["responses"][401] == operation["responses"]["403"] == written
    assert operation["responses"].keys() == {401, "403", "503"}
    assert operation["description"].startswith("Mine\n\nRequires")
    login = annotated["paths"]["/auth"]["post"]
    assert (login["summary"], login["requestBody"]) == ("Mine", {"content": {}})
    assert login["responses"]["401"] == written


def test_security_of_the_whole_document_stays():
    app = make_app(guards={"/view": {}})
    document = annotate(doc({"/view": ["post"]}, security=[{"mine": []}]), app)
    assert "security" not in document["paths"]["/view"]["post"]
    assert "401" in document["paths"]["/view"]["post"]["responses"]


@pytest.mark.parametrize("name", ["bearerAuth", "Mine"])
def test_the_authors_scheme_is_used_if_it_means_the_same(name):
    mine = {"type": "http", "scheme": "Bearer", "description": "mine"}
    app = make_app(guards={"/view": {}, "/renew": {"refresh": True}})
    operation, document = operation_of(app, components={"securitySchemes": {name: mine}})
    assert operation["security"] == [{name: []}]
    assert document["components"]["securitySchemes"] == {name: mine}
    operation, document = operation_of(app, "/renew", components={"securitySchemes": {name: mine}})
    assert operation["security"] == [{"refreshToken": []}]


def test_names_that_the_author_uses_for_something_else_stay():
    mine = {
        "securitySchemes": {"bearerAuth": {"type": "apiKey", "in": "query", "name": "x"}},
        "responses": {"Unauthorized": {"description": "mine"}},
        "schemas": {"JWTError": {"type": "string"}},
    }
    app = make_app(guards={"/view": {}})
    operation, document = operation_of(app, components=mine)
    assert operation["security"] == [{"bearerAuth2": []}]
    assert operation["responses"]["401"] == {"$ref": "#/components/responses/Unauthorized2"}
    for section, entries in mine.items():
        assert document["components"][section].items() >= entries.items()


PATHS = [
    ("/view/<int:id>", "/view/{id}", {}),
    ("/view/<id>", "/view/{x}", {}),
    ("/view/<path:id>.json", "/view/{id}.json", {}),
    ("/view/<any(a, 'b:c'):id>", "/view/{id}", {}),
    ("/view/<string(length=2):id>/", "/view/{id}", {}),
    ("/api/view", "/view", {"servers": [{"url": "/api"}]}),
    ("/api/view", "/view", {"servers": [{"url": "https://x.example/api/"}]}),
    ("/api/view", "/view", {"servers": [{"url": "https://x.example/gateway/api"}]}),
    ("/view", "/view", {"servers": [{"url": "https://x.example/gateway"}]}),
    ("/v2/view", "/view",
     {"servers": [{"url": "/{v}", "variables": {"v": {"default": "v2"}}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "members"), PATHS)
def test_paths_are_found_by_their_shape(rule, path, members):
    app = make_app(guards={})
    app.post(rule)(jwt_required()(lambda id=None: {}))
    assert operation_of(app, path, **members)[0]["security"] == TOKEN


def test_paths_below_a_base_path():
    app = make_app(guards={"/api/view": {}}, JWT_AUTH_URL_RULE="/api/auth")
    operation, document = operation_of(app, version="2.0", basePath="/api")
    assert operation["security"] == TOKEN
    assert document["paths"].keys() == {"/view", "/auth"}


def test_our_endpoints_outside_of_the_servers_path_have_their_own():
    app = make_app(guards={"/api/view": {}})
    _, document = operation_of(app, servers=[{"url": "/api"}])
    assert document["paths"]["/auth"]["servers"] == [{"url": "/"}]


def test_rules_of_one_shape_are_told_apart_by_method_and_name():
    app = make_app(guards={})
    app.get("/view/<int:id>")(lambda id: {})
    app.add_url_rule("/view/<x>", "x", jwt_required()(lambda x: {}), methods=["POST"])
    app.add_url_rule("/view/<path:x>", "y", lambda x: {}, methods=["GET"])
    app.add_url_rule("/item/<int:id>", "i", lambda id: {}, methods=["POST"])
    app.add_url_rule("/item/<x>", "j", jwt_required()(lambda x: {}), methods=["POST"])
    assert operation_of(app, "/view/{id}")[0]["security"] == TOKEN
    assert "security" not in operation_of(app, "/view/{id}", "get")[0]
    assert operation_of(app, "/item/{x}")[0]["security"] == TOKEN
    assert "security" not in operation_of(app, "/item/{id}")[0]


def test_our_endpoints_may_be_left_out():
    app = make_app(guards={"/view": {}}, JWT_STORAGE_URI="memory://")
    document = annotate(doc({"/view": ["get"], "/auth": ["post"]}), app, endpoints=False)
    assert document["paths"].keys() == {"/view", "/auth"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("location", ["headers", "cookies"])
def test_our_endpoints_are_valid_alone(version, location):
    app = make_app(
        guards={}, JWT_STORAGE_URI="memory://", JWT_TOKEN_LOCATION=location,
        JWT_LOGIN_VIEW="/log-in",
    )  # fmt: skip
    document = annotate(doc({}, version), app)
    validate(document)
    assert len(list_security(document)) == 6
    login = document["paths"]["/auth"]["post"]["responses"].keys()
    assert ({"204", "303"} <= login) is (location == "cookies")


def test_a_login_that_does_not_exist_is_not_described():
    app = make_app(guards={}, users=False)
    assert annotate(doc({}), app)["paths"] == {}
    with pytest.warns(DeprecationWarning, match="auth_request_handler"):
        app.jwt.auth_request_handler(lambda: "tokens")
    operation = annotate(doc({}), app)["paths"]["/auth"]["post"]
    assert "requestBody" not in operation


# Errors


@contextmanager
def schemas_of(document):
    """Return a function that checks a response against what an operation says of it."""

    def check(operation, response):
        described = operation["responses"].get(str(response.status_code))
        assert described is not None, (response.status_code, response.text)
        while "$ref" in described:
            *_, section, name = described["$ref"].split("/")
            described = document["components"][section][name]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.validate(response.get_json(), {**schema, "components": document["components"]})
        for header, text in described.get("headers", {}).items():
            assert header in response.headers or "if " in text["description"], header

    yield check


@pytest.mark.parametrize("manager", [flask_jwt.JWT, JWTManager], ids=["JWT", "JWTManager"])
@pytest.mark.parametrize("key", ["msg", "message"])
def test_errors_are_described_as_they_are(manager, key):
    app = make_app(
        manager, users=ANYONE if manager is flask_jwt.JWT else False, guards={},
        JWT_TOKEN_LOCATION=["headers", "cookies", "query_string"], JWT_STORAGE_URI="memory://",
        JWT_ERROR_MESSAGE_KEY=key, JWT_SECRET_KEY=SECRET, JWT_QUERY_STRING_VALUE_PREFIX="T ",
    )  # fmt: skip
    app.post("/view")(jwt_required(scopes="a")(lambda: {"shown": True}))
    operation, document = operation_of(app)
    app.jwt.token_verification_loader(lambda header, claims: claims["sub"] != "rejected")
    if manager is JWTManager:
        operation, document = operation_of(app)
    with app.app_context():
        tokens = {
            "scope": create_access_token("joe"),
            "rejected": create_access_token("rejected"),
            "type": create_refresh_token("joe"),
            "invalid": "a.b.c",
        }
    requests = {name: {"headers": bearer(token)} for name, token in tokens.items()}
    requests |= {
        "none": {},
        "scheme": {"headers": {"Authorization": "Basic x"}},
        "header": {"headers": {"Authorization": "Bearer a b"}},
        "query": {"query_string": {"jwt": "x"}},
        "csrf": {"headers": {"Cookie": f"access_token_cookie={tokens['scope']}"}},
    }
    statuses = {}
    with schemas_of(document) as check:
        for name, arguments in requests.items():
            response = app.test_client().post("/view", **arguments)
            statuses[name] = response.status_code
            check(operation, response)
        app.clock.tick(3600)
        check(operation, app.test_client().post("/view", **requests["scope"]))
    assert 200 not in statuses.values()
    assert len(set(statuses.values())) >= 2, statuses


@pytest.mark.parametrize(
    "customize",
    [
        lambda app: app.jwt.jwt_error_handler(lambda error: ("no", 401)),
        lambda app: app.errorhandler(JWTError)(lambda error: ("no", 401)),
    ],
)
def test_bodies_of_the_application_have_no_schema(customize):
    app = make_app(guards={"/view": {}})
    assert "JWTError" in operation_of(app)[1]["components"]["schemas"]
    customize(app)
    _, document = operation_of(app)
    assert "content" not in document["components"]["responses"]["Unauthorized"]


def test_bodies_of_loaders_have_no_schema():
    app = make_app(JWTManager, users=False, guards={"/view": {}}, JWT_SECRET_KEY=SECRET)
    assert "JWTError" in operation_of(app)[1]["components"]["schemas"]
    app.jwt.unauthorized_loader(lambda message: ("no", 401))
    assert "schemas" not in operation_of(app)[1]["components"]


def test_a_login_page_is_described():
    app = make_app(guards={"/view": {}}, JWT_LOGIN_VIEW="/log-in")
    assert "303" in operation_of(app)[0]["responses"]


# Schemathesis


@contextmanager
def running(app):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# Not content_type_conformance: a 404 of Flask itself is HTML.
CHECKS = [
    "status_code_conformance", "ignored_auth", "not_a_server_error",
    "response_schema_conformance", "response_headers_conformance",
]  # fmt: skip


def run_schemathesis(url, token, folder):
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", url, "--checks", ",".join(CHECKS),
        "--header", f"Authorization: Bearer {token}", "--phases", "examples,coverage,fuzzing",
        "--max-examples", "15", "--seed", "1", "--generation-database", "none", "--no-color",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout
    assert "Undocumented" not in result.stdout
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("has_session", [False, True])
def test_schemathesis_finds_no_undocumented_status(name, has_session, tmp_path):
    app = LIBRARIES[name](JWT_REQUIRED_BY_DEFAULT=True)
    # A token without a session is valid until the end; with one, a logout ends it.
    token = issue(app, "joe", scopes="orders:read", roles=["admin"])
    if has_session:
        token = login(app.test_client()).get_json()["access_token"]
    with running(app) as url:
        run_schemathesis(url + app.document_path, token, tmp_path)


@pytest.mark.slow
def test_schemathesis_finds_what_is_not_annotated(tmp_path):
    """The test above can fail: without secure(), the statuses are not documented."""
    app = make_app(flask=apiflask.APIFlask, guards={"/guarded": {}})
    app.jwt.exempt("openapi.spec")
    with running(app) as url, pytest.raises(AssertionError, match="Undocumented"):
        run_schemathesis(url + "/openapi.json", "a.b.c", tmp_path)


def test_documents_are_json():
    app = make_app(guards={"/view": {"scopes": ["a"], "roles": any_of("b", "c")}})
    json.dumps(operation_of(app)[1])
