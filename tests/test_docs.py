"""What the docs show is what is run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_jwt._options import OPTIONS
from tests.conftest import bearer

ROOT = Path(__file__).parent.parent
DOCS = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"<!-- (examples/\S+\.py) -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.name)
def test_examples_in_the_docs_are_the_files(page):
    text = page.read_text()
    for name, code in BLOCK.findall(text):
        assert code == (ROOT / name).read_text(), f"copy {name} into {page.name}"
    if page.name != "README.md":
        assert text.count("```python") == len(BLOCK.findall(text)), "an example that is no file"


def run(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    space = {"__name__": "example"}
    exec(compile((ROOT / "examples" / name).read_text(), name, "exec"), space)
    return space


def test_sessions_example(tmp_path, monkeypatch):
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run("sessions.py", tmp_path, monkeypatch)["app"]
    client = app.test_client()
    body = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    assert client.get("/me", headers=bearer(body["access_token"])).get_json() == {"name": "joe"}
    changed = client.post("/password", headers=bearer(body["access_token"]))
    assert changed.get_json() == {"logged_out": 1}
    assert client.get("/me", headers=bearer(body["access_token"])).status_code == 401
    app.extensions["jwt"].sessions.store.store.engine.dispose()


def test_audit_example(tmp_path, monkeypatch, caplog):
    app = run("sessions.py", tmp_path, monkeypatch)["app"]
    run("audit.py", tmp_path, monkeypatch)["connect"](app)
    caplog.set_level("INFO", "audit")
    client = app.test_client()
    body = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    client.post("/auth/logout", headers=bearer(body["access_token"]))
    assert [
        record.message.split('"')[3] for record in caplog.records if record.name == "audit"
    ] == [
        "session_started",
        "session_revoked",
    ]
    app.extensions["jwt"].sessions.store.store.engine.dispose()


def test_every_option_is_documented():
    text = (ROOT / "docs/configuration.md").read_text()
    for name in OPTIONS:
        assert f"`{name}`" in text, name
