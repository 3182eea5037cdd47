"""Install each extra alone into a new environment, and request a view over HTTP."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .building import ROOT, Failed, make_environment, run

APP = Path(__file__).with_name("app.py")
NO_EXTRA = "none"
BCRYPT_HASH = "$2b$10$cNrCEi/XLqokhM1a6WXmXe3.9Gr.ZBYOAGlFNrj09V795EgqhFJIu"
"""A hash of "pass"."""


def names() -> list[str]:
    """Return the extras that pyproject.toml has for applications, and the name for none of them."""
    text = (ROOT / "pyproject.toml").read_text()
    (section,) = re.findall(
        r"^\[project\.optional-dependencies\]\n(.*?)(?=^\[)", text, re.MULTILINE | re.DOTALL
    )
    found = re.findall(r"^(\w+) =", section, re.MULTILINE)
    return [NO_EXTRA, *(extra for extra in found if extra != "docs")]


def check(wheel: Path, extra: str, folder: Path) -> None:
    """Fail unless an application that needs *extra* works with it, and without the others."""
    python = make_environment(folder, str(wheel) if extra == NO_EXTRA else f"{wheel}[{extra}]")
    shutil.copy(APP, folder / "app.py")
    if extra not in CHECKS:
        raise Failed(f"scripts/release_suite/extras.py has no check of the extra {extra}")
    settings, expect = CHECKS[extra]
    if "FLASK_JWT_KEY_FILE" in settings:
        run(python, "-m", "flask", "jwt", "keys", "generate", "--file", "keys.json", cwd=folder)
    with served(python, folder, settings) as url:
        try:
            expect(url)
        except AssertionError as error:
            raise Failed(f"extra {extra}: {error}") from error
    shutil.rmtree(folder)


@contextmanager
def served(python: Path, folder: Path, settings: dict[str, str]) -> Iterator[str]:
    """Serve the application with no other settings than these, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(
            [python, "-W", "error", "-m", "flask", "run", "--port", str(port)],
            cwd=folder, env={"PATH": "/usr/bin:/bin", **settings}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(port: int, server: subprocess.Popen[bytes], log: object) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    log.seek(0)
    raise Failed(f"The server did not start:\n{log.read()}")


def send(url: str, *, body: object = None, token: str | None = None) -> tuple[int, dict]:
    """Send a request, and return the status and the JSON of the response, {} if it has none."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        is_json = error.headers.get_content_type() == "application/json"
        return error.code, json.load(error) if is_json else {}


def log_in(url: str) -> dict:
    """Log in and request the guarded view; return both responses' members."""
    status, tokens = send(f"{url}/auth", body={"username": "joe", "password": "pass"})
    assert status == 200, f"POST /auth responded {status}: {tokens}"
    status, user = send(f"{url}/me", token=tokens["access_token"])
    assert (status, user.get("id")) == (200, "joe"), f"GET /me responded {status}: {user}"
    status, body = send(f"{url}/me")
    assert status == 401, f"GET /me without a token responded {status}: {body}"
    return {**tokens, **user}


def expect_argon2(url: str) -> None:
    stored = log_in(url)["hash"]
    assert stored.startswith("$argon2id$"), f"the hash is {stored}"


def expect_key_pair(url: str) -> None:
    token = log_in(url)["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert header["alg"] == "EdDSA", f"the header of the token is {header}"


def expect_session(url: str) -> None:
    tokens = log_in(url)
    assert "refresh_token" in tokens, f"there is no session: {sorted(tokens)}"
    status, body = send(f"{url}/auth/refresh", body={}, token=tokens["refresh_token"])
    assert status == 200, f"POST /auth/refresh responded {status}: {body}"


def expect_unavailable(url: str) -> None:
    """Expect that Redis is asked: nothing listens on its port."""
    status, body = send(f"{url}/auth", body={"username": "joe", "password": "pass"})
    assert status == 503, f"POST /auth responded {status}: {body}"


def expect_issuer(url: str) -> None:
    token = send(f"{url}/foreign")[1]["access_token"]
    status, user = send(f"{url}/me", token=token)
    assert (status, user.get("id")) == (200, "joe"), f"GET /me responded {status}: {user}"


KEY_FILE = {"FLASK_JWT_KEY_FILE": "keys.json"}
SQLITE = {"FLASK_JWT_STORAGE_URI": "sqlite:///sessions.db"}

CHECKS: dict[str, tuple[dict[str, str], Callable[[str], object]]] = {
    NO_EXTRA: ({}, log_in),
    "crypto": (KEY_FILE, expect_key_pair),
    "oidc": ({"WITH_ISSUER": "1"}, expect_issuer),
    "sql": (SQLITE, expect_session),
    "redis": ({"FLASK_JWT_STORAGE_URI": "redis://127.0.0.1:1/0"}, expect_unavailable),
    "argon2": ({}, expect_argon2),
    "bcrypt": ({"STORED_HASH": BCRYPT_HASH}, log_in),
    "limits": ({}, log_in),
    "all": ({**KEY_FILE, **SQLITE}, expect_session),
}
"""The settings with which an extra is needed, and what its application has to do."""
