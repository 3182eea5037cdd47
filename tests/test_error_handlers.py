"""A program's own error handlers win, wherever its framework asks them.

One table has every framework with every place for a handler, in every mode, for both extension
classes. The oracle for ``JWTManager`` is Flask-JWT-Extended in the same test; for ``JWT`` it is
what Flask-JWT 0.3.2 did, as tests/error_table.py has recorded it.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from pathlib import Path

import flask_jwt_extended as fje
import jwt as pyjwt
import pytest

import flask_jwt
from flask_jwt import errors
from flask_jwt import extended as ours
from tests import error_table

RECORDED = json.loads((Path(__file__).parent / "flask_jwt_0_3_2.json").read_text())["responses"]
ROWS = error_table.rows()
NATIVE = {
    "class": [errors.TokenMissing, errors.TokenMalformed, errors.TokenExpired],
    "base": [errors.JWTError],
}


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_native(framework, where, what, mode):
    app = error_table.make_app(
        framework, where, what, mode,
        lambda app: flask_jwt.JWT(app, lambda name, password: None, lambda payload: payload),
        flask_jwt.jwt_required(), NATIVE,
    )  # fmt: skip
    found = error_table.responses(app)
    for _, body in found.values():
        if isinstance(body, dict):  # what is new, and nothing else
            body.pop("code", None)
            body.pop("hint", None)
    return found


def run_extended(package, framework, where, what, mode):
    def extend(app):
        app.config["JWT_HEADER_TYPE"] = "JWT"
        package.JWTManager(app)

    exceptions = package.exceptions
    classes = {
        "class": [exceptions.NoAuthorizationError, pyjwt.DecodeError, pyjwt.ExpiredSignatureError],
        "base": [exceptions.JWTExtendedException, pyjwt.PyJWTError],
    }
    app = error_table.make_app(
        framework, where, what, mode, extend, package.jwt_required(), classes
    )
    return error_table.responses(app)


@cache
def usual(run):
    """Return the responses of this package if the program has no handler."""
    return run("Flask", "nowhere", "nothing", "default")


def run_ours(*row):
    return run_extended(ours, *row)


def correct(expected, run, what):
    """Return *expected*, but with the usual responses for what became a server error there."""
    for name, (status, _) in expected.items():
        if status == 500:
            expected[name] = usual(run)[name]
            if what == "no status":  # the program's message, and the status that it left out
                expected[name] = [expected[name][0], {"message": "mine"}]
    return expected


def test_the_table_is_complete():
    """Print the number of combinations; ``pytest -s`` shows it."""
    profiles = 2
    combinations = len(ROWS) * profiles
    print(f"{combinations} combinations, {combinations * len(error_table.requests())} responses")
    assert len(RECORDED) == len(ROWS) == len(set(ROWS)) == 268
    assert {row[0] for row in ROWS} == set(error_table.FRAMEWORKS)


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_under_jwtmanager_as_flask_jwt_extended(row):
    expected = correct(run_extended(fje, *row), run_ours, row[2])
    assert run_ours(*row) == expected


@pytest.mark.parametrize("row", ROWS, ids="-".join)
def test_under_jwt_as_flask_jwt(row):
    framework, where, what, mode = row
    # A JWTError is an HTTPException here, so these handlers get it as those for Exception did.
    recorded = "Exception" if what == "HTTPException" else what
    expected = {
        name: [status, {**body, "mine": what} if "mine" in body else body]
        for name, (status, body) in RECORDED[f"{framework} {where} {recorded} {mode}"].items()
    }
    assert run_native(*row) == correct(expected, run_native, what)


def test_the_usual_responses():
    assert {name: status for name, (status, _) in usual(run_ours).items()} == {
        "missing": 401, "malformed": 422, "expired": 401,
    }  # fmt: skip
    assert usual(run_ours) == run_extended(fje, "Flask", "nowhere", "nothing", "default")
    assert usual(run_native) == RECORDED["Flask nowhere nothing default"]
