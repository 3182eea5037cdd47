"""JWT_REQUIRED_BY_DEFAULT: views that would be open by accident."""

from __future__ import annotations

import functools
from unittest import mock

import pytest
from flask import Blueprint, Flask, request
from flask.views import MethodView
from flask_cors import cross_origin

import flask_jwt
from flask_jwt import JWT, jwt_required
from tests.support import SECRET, bearer


def make_closed_app(**options):
    app = Flask("closed", **options)
    app.config.update(SECRET_KEY=SECRET, JWT_REQUIRED_BY_DEFAULT=True)
    app.jwt = JWT(app)
    return app


def wrapping(view):
    @functools.wraps(view)
    def wrapper(*args, **kwargs):
        return view(*args, **kwargs)

    return wrapper


# The first request


class HooksWithARequest(list):
    """Hooks over which the first request iterates twice; another request comes the second time."""

    def __init__(self, hooks, send):
        super().__init__(hooks)
        self.iterations = 0
        self.send = send

    def __iter__(self):
        self.iterations += 1
        if self.iterations == 2:
            self.send()
        return super().__iter__()


def test_a_request_beside_the_first_one_is_guarded():
    app = make_closed_app()
    app.add_url_rule("/view", "view", lambda: "page")
    statuses = []

    def send():
        statuses.append(app.test_client().get("/view").status_code)

    app.before_request_funcs[None] = HooksWithARequest(app.before_request_funcs[None], send)
    send()
    assert statuses == [401, 401]
    assert len(app.before_request_funcs[None]) == 1


# Static files


def private(**values):
    return "private"


def own_static_view(app):
    app.static_folder = "private"
    app.add_url_rule("/static/<filename>", "static", private)


def replaced_static_view(app):
    app.static_folder = "private"
    app.add_url_rule("/static/<filename>", "static", app.send_static_file)
    app.view_functions["static"] = private


@pytest.mark.parametrize("register", [own_static_view, replaced_static_view])
def test_a_view_of_the_program_named_static_is_guarded(register):
    app = make_closed_app(static_folder=None)
    register(app)
    assert app.test_client().get("/static/a").status_code == 401


def test_flask_s_own_static_views_are_open_also_under_a_decorator():
    app = make_closed_app()
    app.view_functions["static"] = wrapping(app.view_functions["static"])
    app.register_blueprint(Blueprint("b", __name__, static_folder="x", url_prefix="/b"))
    client = app.test_client()
    assert client.get("/static/none").status_code == 404
    assert client.get("/b/x/none").status_code == 404


# OPTIONS


def test_a_view_that_lists_options_itself_runs_only_with_a_token():
    app = make_closed_app()
    ran = []

    def view():
        ran.append(request.method)
        return "page"

    view.methods = ["GET", "OPTIONS"]
    view.provide_automatic_options = False
    app.add_url_rule("/view", "view", wrapping(view))
    response = app.test_client().options("/view")
    assert (response.status_code, response.text, ran) == (200, "", [])


def test_a_decorator_that_responds_to_options_is_called():
    app = make_closed_app()
    app.add_url_rule("/view", "view", wrapping(cross_origin()(lambda: "page")))
    response = app.test_client().options("/view", headers={"Origin": "https://example.com"})
    assert "Access-Control-Allow-Origin" in response.headers


# Views that are not functions


def test_the_guard_of_dispatch_request_counts_for_a_method_view():
    class Dispatching(MethodView):
        @jwt_required(refresh=True)
        def dispatch_request(self, **values):
            return super().dispatch_request(**values)

        def get(self):
            return "page"

    app = make_closed_app()
    app.add_url_rule("/view", view_func=wrapping(Dispatching.as_view("view")))
    with app.app_context():
        tokens = flask_jwt.create_refresh_token("ann"), flask_jwt.create_access_token("ann")
    client = app.test_client()
    assert [client.get("/view", headers=bearer(t)).status_code for t in tokens] == [200, 401]
    assert client.get("/view").status_code == 401


def test_a_mock_can_be_a_view():
    app = make_closed_app()
    view = mock.MagicMock(return_value="page")
    app.add_url_rule("/view", "view", view, methods=["GET"], provide_automatic_options=True)
    with app.app_context():
        headers = bearer(flask_jwt.create_access_token("ann"))
    client = app.test_client()
    assert client.get("/view").status_code == 401
    assert client.get("/view", headers=headers).text == "page"
