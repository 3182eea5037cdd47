"""Measure what the guards cost in OpenAPI documents of 500 routes, in five libraries."""

from __future__ import annotations

import gc
import importlib.metadata
import time
from collections.abc import Callable
from typing import Any

import flask_restx
import flask_smorest
import spectree
from apiflask import APIFlask
from flask import Flask
from flask_openapi3 import OpenAPI

from flask_jwt import JWT, jwt_required
from flask_jwt.openapi import secure

from .measure import Plan, Section, Spread, Table, interleave

ROUTES = 500
VARIANTS = ("plain", "secured")
LIMIT = 20
"""Percent by which a document may take longer."""

GUARDS: tuple[dict[str, Any] | None, ...] = (
    {}, {"scopes": "orders:read"}, {"roles": "admin"}, {"optional": True}, None,
)  # fmt: skip
"""Each route has one of these guards, or none."""

Application = tuple[Flask, Callable[[], Any], str]
"""An application, what generates its document, and the path at which it serves it."""


def run(plan: Plan) -> Section:
    rounds = plan.choose(5, 30)
    tasks: dict[str, Callable[[], float]] = {}
    first = {}
    for library, make in LIBRARIES.items():
        for variant in VARIANTS:
            app, generate, path = make(variant == "secured")
            document = timed(app, generate)
            first[f"{library}, {variant}"] = document()
            tasks[f"{library}, generated, {variant}"] = document
            tasks[f"{library}, served, {variant}"] = timed(app, get(app, path, generate))
    interleave(tasks, 1)
    gc.freeze()  # the applications, so that a collection doesn't take longer than a document
    samples = interleave(tasks, rounds)
    spreads = {label: Spread.of(samples[label]) for label in tasks}
    rows, more = [], {}
    for library in LIBRARIES:
        for what in ("generated", "served"):
            plain, secured = (spreads[f"{library}, {what}, {one}"].median for one in VARIANTS)
            more[f"{library}, {what}"] = 100 * (secured / plain - 1)
            rows.append(
                cells(f"{library} {importlib.metadata.version(library)}, {what}", plain, secured)
            )
        plain, secured = (first[f"{library}, {one}"] for one in VARIANTS)
        rows.append(cells("  the first one of the process", plain, secured))
    data = {
        "rounds": rounds,
        "routes": ROUTES,
        "ms": {label: spread._asdict() for label, spread in spreads.items()},
        "first_ms": first,
        "more_percent": more,
        "limit_percent": LIMIT,
    }
    notes = [
        f"Medians of {rounds} interleaved rounds; a document may take {LIMIT} % longer.",
        "generated: what the library does for a document, without its own cache. flask-smorest",
        "describes views when they are registered, and later only joins the parts.",
        "served: generated, and sent to a client as JSON, of which there is more with the guards.",
        "first: measured once; the guards of all routes are found then.",
    ]
    title = f"OpenAPI documents of {ROUTES} routes, ms"
    columns = ["", "without secure()", "with it", "more", ""]
    return Section(data, [Table(title, columns, rows, notes)])


def cells(label: str, plain: float, secured: float) -> list[str]:
    more = f"{100 * (secured / plain - 1):+.0f} %"
    return [label, f"{plain:.2f}", f"{secured:.2f}", f"{secured - plain:+.2f}", more]


def timed(app: Flask, action: Callable[[], Any]) -> Callable[[], float]:
    def task() -> float:
        with app.test_request_context():
            gc.collect()
            gc.disable()
            start = time.perf_counter()
            action()
            duration = time.perf_counter() - start
            gc.enable()
        return 1000 * duration

    return task


def get(app: Flask, path: str, generate: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that requests the document from an application that hasn't served it."""
    client = app.test_client()

    def request() -> None:
        # Each library but flask-smorest keeps the document that it has generated first.
        generate()
        assert client.get(path).status_code == 200

    return request


def make_app(flask: Any = Flask, **config: Any) -> Flask:
    app: Flask = flask("bench")
    app.config.update(SECRET_KEY="x" * 32, **config)
    JWT(app)
    return app


def guard(number: int) -> Callable[[Any], Any]:
    options = GUARDS[number % len(GUARDS)]
    return (lambda view: view) if options is None else jwt_required(**options)


def make_view(number: int) -> Callable[..., Any]:
    def view(*_: Any, **arguments: Any) -> dict[str, Any]:
        """Show an order."""
        return arguments

    view.__name__ = f"show{number}"
    return view


SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


def make_apiflask(is_secured: bool) -> Application:
    app: Any = make_app(APIFlask)
    for number in range(ROUTES):
        decorated = app.output(SCHEMA)(guard(number)(make_view(number)))
        app.get(f"/orders{number}/<int:id>")(decorated)
    if is_secured:
        secure(app)
    return app, lambda: app.spec, "/openapi.json"


def make_flask_smorest(is_secured: bool) -> Application:
    app = make_app(
        API_TITLE="Bench", API_VERSION="1", OPENAPI_VERSION="3.1.0", OPENAPI_URL_PREFIX="/"
    )
    api = flask_smorest.Api(app)
    blueprint = flask_smorest.Blueprint("orders", "orders")
    for number in range(ROUTES):
        decorated = blueprint.response(200)(guard(number)(make_view(number)))
        blueprint.route(f"/orders{number}/<int:id>")(decorated)
    api.register_blueprint(blueprint)
    if is_secured:
        secure(api)

    def generate() -> Any:
        return api.spec.to_dict()

    return app, generate, "/openapi.json"


def make_flask_openapi3(is_secured: bool) -> Application:
    from pydantic import BaseModel

    class Order(BaseModel):
        id: int

    app: Any = make_app(OpenAPI)
    for number in range(ROUTES):
        view = make_view(number)
        # The library reads the annotations of the view.
        view = _with_path(view, Order)
        app.get(f"/orders{number}/<int:id>", responses={200: Order})(guard(number)(view))
    if is_secured:
        secure(app)
    return app, app.generate_spec_json, "/openapi/openapi.json"


def _with_path(view: Callable[..., Any], model: Any) -> Callable[..., Any]:
    def show(path: Any) -> Any:
        return view(path.id)

    show.__name__ = view.__name__
    show.__annotations__ = {"path": model}
    return show


def make_spectree(is_secured: bool) -> Application:
    from pydantic import BaseModel

    class Order(BaseModel):
        id: int

    app = make_app()
    spec: Any = spectree.SpecTree("flask")
    for number in range(ROUTES):
        validate = spec.validate(resp=spectree.Response(HTTP_200=Order))
        app.get(f"/orders{number}/<int:id>")(validate(guard(number)(make_view(number))))
    if is_secured:
        secure(spec)
    spec.register(app)

    def generate() -> Any:
        vars(spec).pop("_spec", None)
        return spec.spec

    return app, generate, "/apidoc/openapi.json"


def make_flask_restx(is_secured: bool) -> Application:
    app = make_app()
    api: Any = flask_restx.Api(app)
    for number in range(ROUTES):

        class View(flask_restx.Resource):
            get = guard(number)(make_view(number))

        api.add_resource(View, f"/orders{number}/<int:id>", endpoint=f"show{number}")
    if is_secured:
        secure(api)

    def generate() -> Any:
        api._schema = None
        vars(api).pop("__schema__", None)
        return api.__schema__

    return app, generate, "/swagger.json"


LIBRARIES = {
    "apiflask": make_apiflask,
    "flask-smorest": make_flask_smorest,
    "flask-openapi3": make_flask_openapi3,
    "spectree": make_spectree,
    "flask-restx": make_flask_restx,
}
