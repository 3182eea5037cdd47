"""Serve the API's OpenAPI document, and Swagger UI to send requests with."""

import json
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, abort, current_app, send_from_directory
from flask_jwt import jwt_required
from flask_jwt.openapi import annotate

from resources.pages import HEADERS, page

DOCUMENT = Path(__file__).parent.parent / "openapi.json"
# Swagger UI needs its own scripts, and images that are part of its style sheet.
CONTENT_SECURITY_POLICY = (
    HEADERS["Content-Security-Policy"].replace("img-src", "img-src data:")
    + "; script-src 'self'; connect-src 'self'"
)

blueprint = Blueprint("docs", __name__)


@blueprint.get("/openapi.json")
def openapi():
    """Return the document: what openapi.json describes, and what flask_jwt knows of guards."""
    document = annotate(json.loads(DOCUMENT.read_text()), current_app)
    for path, item in document["paths"].items():
        if path.startswith("/auth"):  # described by flask_jwt, which doesn't know our tags
            for operation in item.values():
                operation["tags"] = ["Sessions"]
    return document


@blueprint.get("/docs")
@jwt_required(optional=True)
def docs():
    """Show the endpoints, with Swagger UI if it is installed and the browser runs scripts."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, item in openapi()["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    html = page("docs.html", operations=operations, has_swagger_ui=swagger_ui() is not None)
    return html, {"Content-Security-Policy": CONTENT_SECURITY_POLICY}


@blueprint.get("/docs/swagger-ui/<name>")
def swagger_ui_file(name):
    """Serve a file of Swagger UI."""
    return send_from_directory(swagger_ui() or abort(404), name)


def swagger_ui():
    """Return the folder of Swagger UI, or None without ``pip install flask-swagger-ui``."""
    spec = find_spec("flask_swagger_ui")
    return Path(spec.origin).parent / "dist" if spec else None
