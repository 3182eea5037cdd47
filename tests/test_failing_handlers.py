"""Handlers that fail, call abort() or return a proxy: no rejected token leaves a user behind."""

from __future__ import annotations

import pytest
from flask import abort
from werkzeug.local import LocalProxy

import flask_jwt
from flask_jwt import current_identity, get_jwt, get_jwt_identity
from tests.support import bearer, get, issue

HANDLERS = ["token_in_blocklist_loader", "token_verification_loader", "identity_handler"]


def show_state():
    return f"{get_jwt_identity()} {get_jwt()} {current_identity}"


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_error_handler_sees_no_user_after_a_handler_has_called_abort(make_app, handler):
    app = make_app()
    getattr(app.jwt, handler)(lambda *arguments: abort(403))
    app.register_error_handler(403, lambda error: (show_state(), 403))
    response = get(app, "/protected", issue(app))
    assert (response.status_code, response.text) == (403, "None {} None")


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_view_that_catches_the_error_of_a_handler_has_no_user(make_app, handler):
    app = make_app()

    def fail(*arguments):
        raise LookupError("the database is down")

    getattr(app.jwt, handler)(fail)

    @app.get("/caught")
    def caught():
        with pytest.raises(LookupError):
            flask_jwt.verify_jwt_in_request(optional=True)
        return show_state()

    assert get(app, "/caught", issue(app)).text == "None {} None"


@pytest.mark.parametrize(
    ("handler", "value", "status"),
    [
        ("token_in_blocklist_loader", False, 200),
        ("token_in_blocklist_loader", True, 401),
        ("token_verification_loader", True, 200),
        ("token_verification_loader", False, 401),
        ("identity_handler", "ann", 200),
        ("identity_handler", None, 401),
    ],
)
def test_a_proxy_counts_as_what_it_stands_for(make_app, handler, value, status):
    """Every LocalProxy has ``__await__``, and none is None."""
    app = make_app()
    getattr(app.jwt, handler)(lambda *arguments: LocalProxy(lambda: value))
    client = app.test_client()
    response = client.get("/protected", headers=bearer(issue(app)))
    assert response.status_code == status
