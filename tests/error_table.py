"""Applications in which a program handles the errors of a guard, for tests/test_error_handlers.py.

This module also runs on Python 3.7 with Flask-JWT 0.3.2, where it records how that responds::

    python3.7 -m venv /tmp/flask-jwt
    /tmp/flask-jwt/bin/pip install Flask-JWT==0.3.2 PyJWT==1.4.2 Flask==1.0.4 Werkzeug==0.16.1 \
        'Jinja2<3' 'MarkupSafe<2' 'itsdangerous<2' 'click<8' Flask-RESTful==0.3.10 flask-restx==0.5.1
    PYTHONPATH= /tmp/flask-jwt/bin/python tests/error_table.py Flask RESTful RESTX > part1.json

flask-smorest and APIFlask need Flask 1.1, so they are recorded in a second environment, with Flask
1.1.4, Werkzeug 1.0.1, flask-smorest 0.30.0 and APIFlask 0.12.0. ``tests/flask_jwt_0_3_2.json`` has
both parts, and the versions of each.
"""

import json
import sys
import time

import jwt as pyjwt
from flask import Blueprint, Flask
from flask.views import MethodView
from werkzeug.exceptions import HTTPException

SECRET = "a-secret-of-32-bytes-for-testing"

FRAMEWORKS = ["Flask", "RESTful", "RESTX", "smorest", "APIFlask"]
MODES = {
    "default": {},
    "debug": {"DEBUG": True},
    "testing": {"TESTING": True},
    "propagate": {"PROPAGATE_EXCEPTIONS": True},
}
WHAT = ["class", "base", "HTTPException", "Exception"]
# Where a program has an error handler, and for what.
HANDLERS = [("nowhere", "nothing")] + [
    (where, what) for where in ("app", "blueprint") for what in [*WHAT, "401"]
]
MORE_HANDLERS = {
    "RESTful": [("errors", what) for what in ("class", "base", "no status")],
    "RESTX": [
        *[("api", what) for what in [*WHAT, "everything"]],
        *[("namespace", what) for what in WHAT],
    ],
}


def rows(frameworks=FRAMEWORKS):
    """Return each framework with each of its handlers and each mode."""
    return [
        (framework, where, what, mode)
        for framework in frameworks
        for where, what in HANDLERS + MORE_HANDLERS.get(framework, [])
        for mode in MODES
    ]


def expired_token():
    now = int(time.time())
    claims = {"identity": 1, "sub": "1", "iat": now - 99, "nbf": now - 99, "exp": now - 60}
    token = pyjwt.encode(claims, SECRET, "HS256")
    return token.decode() if isinstance(token, bytes) else token


def requests():
    """Return the headers of each request that a guard rejects."""
    tokens = {"malformed": "abc", "expired": expired_token()}
    headers = {name: {"Authorization": "JWT " + token} for name, token in tokens.items()}
    return {"missing": {}, **headers}


def make_app(framework, where, what, mode, extend, guard, classes):
    """Make an application with one error handler of the program and one guarded view.

    :param extend: sets up the extension
    :param guard: decorates the view
    :param classes: the exceptions that "class" and "base" stand for
    """
    if framework == "APIFlask":
        from apiflask import APIFlask

        app = APIFlask("tested")
    else:
        app = Flask("tested")
    app.config.update(SECRET_KEY=SECRET, **MODES[mode])
    extend(app)
    view = guard(lambda: json.dumps({"user": 1}))
    install = {"RESTful": install_restful, "RESTX": install_restx, "smorest": install_smorest}
    holders, finish = install.get(framework, install_flask)(
        app, view, errors=make_errors(where, what, classes), on_blueprint=where == "blueprint"
    )
    known = {"HTTPException": [HTTPException], "Exception": [Exception], "401": [401]}
    if what == "everything":
        holders[where].errorhandler(make_handler(what))
    elif where in holders:
        handler = make_handler(what) if where in ("api", "namespace") else make_response(what)
        for target in known.get(what) or classes[what]:
            holders[where].errorhandler(target)(handler)
    finish()
    return app


def make_errors(where, what, classes):
    """Return what a program passes as ``Api(errors=...)``."""
    if where != "errors":
        return {}
    entry = {"message": "mine", "status": 409}
    if what == "no status":
        del entry["status"]
    return {each.__name__: entry for each in classes["base" if what == "base" else "class"]}


def make_handler(what):
    """Return a handler for Flask-RESTX."""

    def handle(error):
        return {"mine": what, "why": str(error)}, 409

    return handle


def make_response(what):
    """Return a handler for Flask. Flask 1.0 makes no JSON of a dict."""

    def handle(error):
        body, status = make_handler(what)(error)
        return json.dumps(body), status, {"Content-Type": "application/json"}

    return handle


# Each function returns the objects on which a program registers handlers, and what it does then:
# Flask takes no handlers for a blueprint that is registered.


def install_flask(app, view, errors, on_blueprint):
    blueprint = Blueprint("inner", __name__)
    (blueprint if on_blueprint else app).add_url_rule("/view", "view", view)
    return {"app": app, "blueprint": blueprint}, lambda: app.register_blueprint(blueprint)


def install_restful(app, view, errors, on_blueprint):
    from flask_restful import Api, Resource

    blueprint = Blueprint("inner", __name__)
    api = Api(blueprint if on_blueprint else app, errors=errors)
    api.add_resource(type("Guarded", (Resource,), {"get": lambda self: view()}), "/view")
    return {"app": app, "blueprint": blueprint}, lambda: app.register_blueprint(blueprint)


def install_restx(app, view, errors, on_blueprint):
    from flask_restx import Api, Resource

    blueprint = Blueprint("inner", __name__)
    api = Api(blueprint if on_blueprint else app)
    namespace = api.namespace("inner", path="/")
    namespace.add_resource(type("Guarded", (Resource,), {"get": lambda self: view()}), "/view")
    holders = {"app": app, "blueprint": blueprint, "api": api, "namespace": namespace}
    return holders, lambda: app.register_blueprint(blueprint)


def install_smorest(app, view, errors, on_blueprint):
    from flask_smorest import Api
    from flask_smorest import Blueprint as SmorestBlueprint

    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.0.2")
    api = Api(app)
    blueprint = SmorestBlueprint("inner", __name__)
    blueprint.route("/view")(type("Guarded", (MethodView,), {"get": lambda self: view()}))
    return {"app": app, "blueprint": blueprint}, lambda: api.register_blueprint(blueprint)


def responses(app):
    """Return the status and the body of each response."""
    client = app.test_client()
    found = {}
    for name, headers in requests().items():
        try:
            response = client.get("/view", headers=headers)
        except Exception as error:
            found[name] = [500, "raised {}".format(type(error).__name__)]  # noqa: UP032
            continue
        text = response.get_data(as_text=True)
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        found[name] = [response.status_code, body]
    return found


def record(frameworks):
    """Print how Flask-JWT 0.3.2 responds."""
    import logging
    import platform
    from datetime import date

    import pkg_resources

    import flask_jwt

    logging.disable(logging.CRITICAL)
    names = [
        "Flask-JWT", "PyJWT", "Flask", "Werkzeug", "Flask-RESTful", "flask-restx",
        "flask-smorest", "APIFlask",
    ]  # fmt: skip
    versions = {"Python": platform.python_version(), "date": date.today().isoformat()}
    installed = {each.key: each.version for each in pkg_resources.working_set}
    versions.update({name: installed[name.lower()] for name in names if name.lower() in installed})
    classes = {"class": [flask_jwt.JWTError], "base": [flask_jwt.JWTError]}
    found = {}
    for framework, where, what, mode in rows(frameworks):
        app = make_app(
            framework, where, what, mode,
            lambda app: flask_jwt.JWT(app, lambda name, password: None, lambda payload: payload),
            flask_jwt.jwt_required(), classes,
        )  # fmt: skip
        found[" ".join([framework, where, what, mode])] = responses(app)
    print(json.dumps({"versions": versions, "responses": found}))


if __name__ == "__main__":
    record(sys.argv[1:])
