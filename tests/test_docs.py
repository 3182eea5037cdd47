"""The documentation: its examples are files, the files work, and its links lead somewhere."""

from __future__ import annotations

import json
import re

import pytest

from flask_jwt._config.settings import OPTIONS
from tests.support import ROOT, SECRET, Browser, bearer, run_example

DOCS = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
BLOCK = re.compile(r"<!-- (examples/\S+\.py) -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_the_docs_are_the_files(page):
    text = page.read_text()
    for name, code in BLOCK.findall(text):
        assert code == (ROOT / name).read_text(), f"copy {name} into {page.name}"
    if page.name != "README.md":
        assert text.count("```python") == len(BLOCK.findall(text)), "an example that is no file"


def test_sessions_example(tmp_path, monkeypatch):
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run_example("sessions.py", tmp_path, monkeypatch)["app"]
    client = app.test_client()
    body = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    assert client.get("/me", headers=bearer(body["access_token"])).get_json() == {"name": "joe"}
    changed = client.post("/password", headers=bearer(body["access_token"]))
    assert changed.get_json() == {"logged_out": 1}
    assert client.get("/me", headers=bearer(body["access_token"])).status_code == 401
    app.extensions["flask-jwt"].sessions.close()


def test_audit_example(tmp_path, monkeypatch, caplog):
    app = run_example("sessions.py", tmp_path, monkeypatch)["app"]
    run_example("audit.py", tmp_path, monkeypatch)["connect"](app)
    caplog.set_level("INFO", "audit")
    client = app.test_client()
    client.post("/auth", json={"username": "joe", "password": "se-cret"})
    body = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    fresh = client.post("/auth/refresh", headers=bearer(body["refresh_token"])).get_json()
    client.post("/auth/logout", headers=bearer(fresh["access_token"]))
    lines = [json.loads(r.message) for r in caplog.records if r.name == "audit"]
    assert [line["event"] for line in lines] == [
        "authentication_failed",
        "authenticated",
        "session_started",
        "session_refreshed",
        "session_revoked",
    ]
    for secret in ("se-cret", *body.values(), *fresh.values()):
        assert not (isinstance(secret, str) and len(secret) > 6 and secret in caplog.text)
    app.extensions["flask-jwt"].sessions.close()


def test_pages_example(tmp_path, monkeypatch):
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run_example("pages.py", tmp_path, monkeypatch)["app"]
    browser = Browser(app)
    page = browser.get("/?a=1", follow_redirects=True)
    assert 'name="next" value="/?a=1"' in page.text
    form = {"username": "joe", "password": "no", "next": "/?a=1"}
    page = browser.post("/auth", data=form, follow_redirects=True)
    assert "alert" in page.text
    form["password"] = "pass"
    page = browser.post("/auth", data=form, follow_redirects=True)
    assert (page.request.full_path, "Hello, joe." in page.text) == ("/?a=1", True)
    page = browser.post("/auth/logout", follow_redirects=True)
    assert page.request.path == "/sign-in"
    app.extensions["flask-jwt"].sessions.close()


def test_login_view_example(tmp_path, monkeypatch):
    app = run_example("login_view.py", tmp_path, monkeypatch)["app"]
    browser, other = Browser(app), Browser(app)
    joe = {"name": "joe", "password": "long enough"}
    assert browser.post("/sign-up", data={"name": "joe"}).status_code == 400
    page = browser.post("/sign-up", data=joe, follow_redirects=True)
    assert page.get_json() == {"name": "joe"}
    assert other.get("/").headers["Location"] == "/sign-in?next=%2F"
    for _ in range(10):
        page = other.post("/sign-in", data={**joe, "password": "no"})
        assert (page.status_code, "Invalid credentials" in page.text) == (401, True)
        assert 'value="joe"' in page.text
    page = other.post("/sign-in", data=joe)
    assert (page.status_code, "try again in" in page.text) == (429, True)
    page = browser.post("/sign-in?next=/", data={**joe, "name": "x"})
    assert page.status_code == 401


def test_openapi_examples(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", SECRET)
    app = run_example("openapi.py", tmp_path, monkeypatch)["app"]
    client = app.test_client()
    document = client.get("/openapi.json").get_json()
    operations = document["paths"]["/orders"]
    assert operations["get"]["security"] == [{"bearerAuth": []}]
    assert operations["post"]["security"] == [{"bearerAuth": ["orders:write"]}]
    assert "security" not in document["paths"]["/prices"]["get"]
    token = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    headers = bearer(token["access_token"])
    assert client.get("/orders", headers=headers).get_json() == {"orders": [1, 2], "of": "joe"}
    page = (ROOT / "docs/guides/openapi.md").read_text()
    shown = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])
    assert shown == {key: operations["post"][key] for key in shown}

    written = {"openapi": "3.1.0", "paths": {"/orders/{order_id}": {"get": {}}}}
    (tmp_path / "openapi.json").write_text(json.dumps(written))
    app = run_example("openapi_file.py", tmp_path, monkeypatch)["app"]
    document = app.test_client().get("/openapi.json").get_json()
    assert document["paths"]["/orders/{order_id}"]["get"]["security"] == [{"bearerAuth": []}]


def test_cookies_example(tmp_path, monkeypatch):
    app = run_example("cookies.py", tmp_path, monkeypatch)["app"]
    login, here = {"username": "joe", "password": "pass"}, {"base_url": "https://localhost"}
    client = app.test_client()
    token = client.post("/auth", json=login).get_json()["access_token"]
    assert client.post("/transfer", headers=bearer(token), **here).get_json() == {"from": "joe"}
    assert client.post("/auth", data=login, **here).status_code in (204, 303)
    assert client.get_cookie("__Host-access").secure
    assert client.post("/transfer", **here).status_code == 403
    assert client.post("/transfer", headers={"Sec-Fetch-Site": "same-origin"}, **here).is_json
    proof = {"X-CSRF-TOKEN": client.get_cookie("csrf_access_token").value}
    assert client.post("/transfer", headers=proof, **here).get_json() == {"from": "joe"}
    client.post("/goodbye", **here)
    assert client.post("/transfer", headers=proof, **here).status_code == 401


def test_typed_example(tmp_path, monkeypatch):
    client = run_example("typed.py", tmp_path, monkeypatch)["app"].test_client()
    assert client.get("/greeting").get_json() == {"hello": "stranger"}
    token = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    headers = bearer(token["access_token"])
    assert client.get("/greeting", headers=headers).get_json() == {"hello": "joe"}
    assert client.get("/me", headers=headers).get_json() == {"name": "joe"}


LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page):
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_option_is_documented():
    text = (ROOT / "docs/reference/options.md").read_text()
    for name in OPTIONS:
        assert f"`{name}`" in text, name
