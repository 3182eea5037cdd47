"""The fixtures of all tests, and the markers that follow from them."""

from __future__ import annotations

import gc
import sys

import pytest
from flask.globals import app_ctx

from flask_jwt.testing import Clock
from tests import support

# Part of the release tools, for jsonschema, which goes without. Flask-RESTX imports jsonschema, and
# this module's grammars take two seconds in each process.
sys.modules.setdefault("rfc3987_syntax", None)

pytest_plugins = ["tests.servers"]

SERVERS = {"tests.servers", "tests.providers.fixtures"}
"""Modules with fixtures that start servers."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Don't search the tests for garbage: there are a million objects, and all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """Mark the tests that use servers, and leave out those that soak."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(each.func.__module__ in SERVERS for defs in fixtures for each in defs):
            item.add_marker("servers")
    if "soak" not in config.option.markexpr:
        soaking = [item for item in items if item.get_closest_marker("soak")]
        if soaking:
            config.hook.pytest_deselected(items=soaking)
            items[:] = [item for item in items if item not in soaking]


@pytest.fixture(autouse=True)
def _no_context_left_pushed():
    """Fail if a test leaves an application context, which would lend its user to the next one."""
    yield
    left = []
    while app_ctx:
        left.append(app_ctx._get_current_object())
        left[-1].pop()
    assert not left, f"contexts left pushed: {left}"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_app(clock):
    """Make applications of :func:`tests.support.make_app`, which are closed after the test."""
    apps = []

    def make_app(*args, **options):
        apps.append(support.make_app(*args, **{"clock": clock, **options}))
        return apps[-1]

    yield make_app
    for app in apps:
        app.jwt.close(app)


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def make_pages(make_app):
    """Make applications with pages, a sign-in page and sessions, which take tokens in cookies."""

    def make_pages(**options):
        defaults = {
            "JWT_TOKEN_LOCATION": ["cookies"],
            "JWT_LOGIN_VIEW": "sign_in",
            "JWT_STORAGE_URI": "memory://",
        }
        app = make_app(guards={}, **{**defaults, **options})
        support.add_pages(app)
        return app

    return make_pages


@pytest.fixture
def pages(make_pages):
    return make_pages()


@pytest.fixture
def browser(pages):
    return support.Browser(pages)
