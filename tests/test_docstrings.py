"""Run the examples in the docstrings of the public names that are used most."""

from __future__ import annotations

import ast
import doctest
import hashlib
import inspect
import textwrap
from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Blueprint, Flask, redirect, request

import flask_jwt
from flask_jwt import JWT, SessionManager, create_access_token, verify_jwt_in_request
from flask_jwt._web import current_user

EXAMPLES = {
    "JWT": JWT,
    "JWT.authenticate": JWT.authenticate,
    "JWT.log_in": JWT.log_in,
    "SessionManager.revoke_all": SessionManager.revoke_all,
    **{
        name: getattr(flask_jwt, name)
        for name in (
            "check_password",
            "create_access_token",
            "decode_token",
            "get_jwt",
            "get_jwt_identity",
            "guarded_by",
            "hash_password",
            "issued_tokens",
            "jwt_required",
            "set_access_cookies",
            "verify_jwt_in_request",
        )
    },
    "current_identity": flask_jwt.current_identity,
}


class User:
    id = 7


def docstring(name):
    if name != "current_identity":
        return inspect.getdoc(EXAMPLES[name])
    # A proxy has the docstring of its object, so this one stands below its assignment.
    body = ast.parse(inspect.getsource(current_user)).body
    for statement, following in pairwise(body):
        if isinstance(statement, ast.AnnAssign) and statement.target.id == name:
            return inspect.cleandoc(following.value.value)
    raise AssertionError(name)


def code_blocks(doc):
    """Yield the indented lines after each line that ends with ``::``."""
    lines = doc.splitlines()
    for number, line in enumerate(lines, 1):
        if line.endswith("::"):
            block = []
            for following in lines[number:]:
                if following and not following.startswith("    "):
                    break
                block.append(following)
            yield textwrap.dedent("\n".join(block))


@pytest.fixture
def namespace():
    """Return the names that the examples use, within a request with a verified token."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="k" * 32, JWT_STORAGE_URI="memory://")
    names = {name: getattr(flask_jwt, name) for name in flask_jwt.__all__}
    names.update(
        __name__=__name__,
        Flask=Flask,
        app=app,
        blueprint=Blueprint("orders", __name__),
        create_user=dict,
        find_user=str,
        jwt=JWT(app),
        orders_of=list,
        redirect=redirect,
        request=request,
        timedelta=timedelta,
        user=User,
        users={},
    )
    with app.app_context():
        token = create_access_token(7)
    with app.test_request_context(headers={"Authorization": f"JWT {token}"}):
        verify_jwt_in_request()
        yield names


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(name, namespace):
    doc = docstring(name)
    blocks = list(code_blocks(doc))
    tests = doctest.DocTestParser().get_doctest(doc, namespace, name, None, None)
    assert blocks or tests.examples, "there is no example"
    for block in blocks:
        assert block.strip()
        exec(compile(block, name, "exec"), dict(namespace))
    failures = []
    result = doctest.DocTestRunner(verbose=False).run(tests, out=failures.append)
    assert result.failed == 0, "".join(failures)


def test_the_password_example_replaces_old_hashes(namespace):
    (block,) = code_blocks(docstring("check_password"))
    old = {"password": "pbkdf2:sha256:1000$salt$" + pbkdf2("right", "salt", 1000)}
    namespace["users"]["joe"] = old
    exec(block, namespace)
    assert namespace["authenticate"]("joe", "wrong") is None
    assert namespace["authenticate"]("ann", "right") is None
    assert namespace["authenticate"]("joe", "right") is old
    assert not old["password"].startswith("pbkdf2")
    assert namespace["authenticate"]("joe", "right") is old


def pbkdf2(password, salt, rounds):

    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), rounds).hex()
