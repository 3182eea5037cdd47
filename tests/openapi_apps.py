"""One application in each of five libraries that generate OpenAPI documents.

Each has the same views, as programs of the library write them; :data:`EXPECTED` says what their
operations require. ``app.document()`` returns the document in a request, ``app.document_path`` is
where the application serves it, and ``app.base`` is what its paths are relative to.
"""

from __future__ import annotations

import flask_restx
import flask_smorest
import spectree
from apiflask import APIFlask
from apiflask.views import MethodView as APIFlaskMethodView
from flask import Blueprint, Flask
from flask.views import MethodView
from flask_openapi3 import APIView, OpenAPI
from pydantic import BaseModel

from flask_jwt import any_of, jwt_required
from flask_jwt.openapi import secure
from tests.support import ANYONE, make_app

TOKEN = [{"bearerAuth": []}]
EXPECTED = {
    ("/guarded/{id}", "get"): TOKEN,
    ("/optional", "get"): [{}, *TOKEN],
    ("/scoped", "get"): [{"bearerAuth": ["orders:read"]}],
    ("/roles", "get"): TOKEN,
    ("/exempt", "get"): None,
    ("/default", "get"): None,
    ("/class", "get"): TOKEN,
    ("/class", "post"): None,
}
"""The ``security`` of each operation in OpenAPI 3.1, without ``JWT_REQUIRED_BY_DEFAULT``."""


class Shown(BaseModel):
    shown: bool


class Item(BaseModel):
    id: int


def list_functions(app):
    """Return the name of each view that is a function, and its decorator."""
    return {
        "optional": jwt_required(optional=True),
        "scoped": jwt_required(scopes="orders:read"),
        "roles": jwt_required(roles=any_of("admin", "staff")),
        "exempt": app.jwt.exempt,
        "default": lambda view: view,
    }


def make(flask=Flask, **config):
    app = make_app(
        flask=flask, users=ANYONE, guards={}, JWT_STORAGE_URI="memory://",
        JWT_LOGIN_LIMITS=None, **config,
    )  # fmt: skip
    app.base = ""
    return app


def make_apiflask(**config):
    app = make(APIFlask, **config)
    secure(app)
    schema = {"type": "object", "properties": {"shown": {"type": "boolean"}}}

    @app.get("/guarded/<int:id>")
    @app.output(schema)
    @jwt_required()
    def guarded(id):
        return {"shown": True}

    for name, decorate in list_functions(app).items():

        @app.get(f"/{name}", endpoint=name)
        @decorate
        @app.output(schema)
        def view():
            return {"shown": True}

    class Both(APIFlaskMethodView):
        @app.output(schema)
        @jwt_required()
        def get(self):
            return {"shown": True}

        @app.jwt.exempt
        @app.output(schema)
        def post(self):
            return {"shown": True}

    app.add_url_rule("/class", view_func=Both.as_view("class"))
    app.jwt.exempt("openapi.spec")
    app.document_path = "/openapi.json"
    app.document = lambda: app.spec
    return app


def make_flask_smorest(openapi_version="3.1.0", **config):
    app = make(
        Flask, API_TITLE="Tested", API_VERSION="1", OPENAPI_VERSION=openapi_version,
        OPENAPI_URL_PREFIX="/docs", **config,
    )  # fmt: skip
    api = flask_smorest.Api()
    secure(api)  # before init_app(), as in a factory
    api.init_app(app)
    blueprint = flask_smorest.Blueprint("views", "views")

    @blueprint.route("/guarded/<int:id>")
    @blueprint.response(200)
    @jwt_required()
    def guarded(id):
        return {"shown": True}

    for name, decorate in list_functions(app).items():

        @blueprint.route(f"/{name}", endpoint=name)
        @decorate
        @blueprint.response(200)
        def view():
            return {"shown": True}

    @blueprint.route("/class")
    class Both(MethodView):
        @blueprint.response(200)
        @jwt_required()
        def get(self):
            return {"shown": True}

        @app.jwt.exempt
        @blueprint.response(200)
        def post(self):
            return {"shown": True}

    api.register_blueprint(blueprint)
    app.jwt.exempt("api-docs.openapi_json")
    app.document_path = "/docs/openapi.json"
    app.document = api.spec.to_dict
    return app


def make_flask_openapi3(**config):
    app = make(OpenAPI, **config)
    secure(app)

    @app.get("/guarded/<int:id>", responses={200: Shown, 404: None})
    @jwt_required()
    def guarded(path: Item):
        return {"shown": True}

    for name, decorate in list_functions(app).items():

        @app.get(f"/{name}", endpoint=name, responses={200: Shown})
        @decorate
        def view():
            return {"shown": True}

    views = APIView()

    @views.route("/class")
    class Both:
        @views.doc(responses={200: Shown})
        @jwt_required()
        def get(self):
            return {"shown": True}

        @app.jwt.exempt
        @views.doc(responses={200: Shown})
        def post(self):
            return {"shown": True}

    app.register_api_view(views)
    app.jwt.exempt("openapi.doc_url")
    app.document_path = "/openapi/openapi.json"
    app.document = lambda: app.api_doc
    return app


def make_spectree(**config):
    app = make(Flask, **config)
    spec = spectree.SpecTree("flask")
    secure(spec)
    responses = spectree.Response(HTTP_200=Shown)

    @app.get("/guarded/<int:id>")
    @spec.validate(resp=spectree.Response("HTTP_404", HTTP_200=Shown))
    @jwt_required()
    def guarded(id):
        return {"shown": True}

    for name, decorate in list_functions(app).items():

        @app.get(f"/{name}", endpoint=name)
        @decorate
        @spec.validate(resp=responses)
        def view():
            return {"shown": True}

    class Both(MethodView):
        @spec.validate(resp=responses)
        @jwt_required()
        def get(self):
            return {"shown": True}

        @app.jwt.exempt
        @spec.validate(resp=responses)
        def post(self):
            return {"shown": True}

    app.add_url_rule("/class", view_func=Both.as_view("class"))
    spec.register(app)
    app.jwt.exempt("openapi_apidoc")
    app.document_path = "/apidoc/openapi.json"
    app.document = lambda: spec.spec
    return app


def make_flask_restx(**config):
    app = make(Flask, **config)
    blueprint = Blueprint("api", "api")
    api = flask_restx.Api(blueprint)
    secure(api)

    @api.route("/guarded/<int:id>")
    class Guarded(flask_restx.Resource):
        @api.response(200, "Shown")
        @api.response(404, "Not found")
        @jwt_required()
        def get(self, id):
            return {"shown": True}

    for name, decorate in list_functions(app).items():

        @api.route(f"/{name}", endpoint=name)
        class View(flask_restx.Resource):
            @decorate
            @api.doc(id=f"get_{name}")
            def get(self):
                return {"shown": True}

    @api.route("/class")
    class Both(flask_restx.Resource):
        @jwt_required()
        def get(self):
            return {"shown": True}

        @app.jwt.exempt
        def post(self):
            return {"shown": True}

    app.register_blueprint(blueprint, url_prefix="/api")
    app.jwt.exempt("api.specs")
    app.document_path = "/api/swagger.json"
    app.document = lambda: api.__schema__
    app.base = "/api"
    return app


LIBRARIES = {
    "APIFlask": make_apiflask,
    "flask-smorest": make_flask_smorest,
    "flask-openapi3": make_flask_openapi3,
    "spectree": make_spectree,
    "Flask-RESTX": make_flask_restx,
}
