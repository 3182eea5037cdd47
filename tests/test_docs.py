"""The documentation: its examples are files, the files work, and its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import timedelta

import click
import pytest
from flask import request

from flask_jwt import JWT, create_access_token, current_identity, decode_token, jwt_required
from flask_jwt._cli import jwt_cli
from flask_jwt.testing import freeze
from tests.doc_blocks import read_blocks
from tests.support import ROOT, SECRET, Browser, bearer, make_app, run_example

DOCS = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
PROGRAMS = {"python", "javascript", "html", "mako"}


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_in_the_docs_are_the_files(page):
    for block in read_blocks(page):
        if block.file is not None:
            code = (ROOT / block.file).read_text()
            assert block.text == code, f"copy {block.file} into {page.name}"
        elif page.name != "README.md":
            assert block.language not in PROGRAMS, f"{page.name}:{block.line}: not a file"


def test_sessions_example(tmp_path, monkeypatch):
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run_example("sessions/app.py", tmp_path, monkeypatch)["app"]
    client = app.test_client()
    body = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    other = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    here, there = bearer(body["access_token"]), bearer(other["access_token"])
    assert client.get("/me", headers=here).get_json() == {"name": "joe"}
    assert client.post("/password", headers=here).status_code == 400
    changed = client.post("/password", data={"new_password": "better"}, headers=here)
    assert changed.get_json() == {"logged_out": 1}
    assert client.get("/me", headers=here).status_code == 200
    assert client.get("/me", headers=there).status_code == 401
    login = {"username": "joe", "password": "better"}
    assert client.post("/auth", json=login).status_code == 200
    app.extensions["flask-jwt"].sessions.close()


def test_a_change_of_the_password_without_a_store():
    """What docs/guides/sessions.md says of iat and the identity handler."""
    app = make_app()
    joe = app.users[0]
    joe.changed_at = 0
    app.jwt.identity_handler(lambda claims: joe if claims["iat"] >= joe.changed_at else None)

    def log_in():
        login = {"username": "joe", "password": "pass"}
        return bearer(app.test_client().post("/auth", json=login).get_json()["access_token"])

    @app.post("/password")
    @jwt_required(fresh=timedelta(minutes=5))
    def change_password():
        joe.changed_at = int(app.clock())
        return {"token": create_access_token(current_identity, fresh=True)}

    before = log_in()
    app.clock.tick(1.5)
    tokens = before, log_in()
    changed = app.test_client().post("/password", headers=before).get_json()
    after = bearer(changed["token"])
    assert [status_of(app, headers) for headers in (*tokens, after)] == [401, 200, 200]
    assert app.test_client().post("/password", headers=after).status_code == 200


def status_of(app, headers):
    return app.test_client().get("/protected", headers=headers).status_code


def test_claims_that_are_missing_at_a_refresh():
    page = (ROOT / "docs/guides/sessions.md").read_text()
    missing = re.search(r"The claims (.*) are missing", page)[1]
    app, payloads = make_app(JWT_STORAGE_URI="memory://"), []
    app.jwt.identity_handler(lambda payload: payloads.append(payload) or app.users[0])
    client = app.test_client()
    login = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    assert status_of(app, bearer(login["access_token"])) == 200
    refreshed = client.post("/auth/refresh", headers=bearer(login["refresh_token"]))
    assert refreshed.status_code == 200
    request, refresh = payloads
    fresh = {"fresh"}  # in tokens that create_access_token(fresh=True) has issued
    assert request.keys() - refresh.keys() == set(re.findall(r"`(\w+)`", missing)) - fresh
    assert refresh.keys() - {"identity", "sub"} == {"sid", "auth_time", "jti", "iat", "exp"}


def test_audit_example(tmp_path, monkeypatch, caplog):
    app = run_example("sessions/app.py", tmp_path, monkeypatch)["app"]
    run_example("login/audit.py", tmp_path, monkeypatch)["connect"](app)
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


def test_audit_example_without_any_configuration_of_logging(tmp_path):
    """In another process, because pytest configures the logging of this one."""
    program = "from app import app; app.test_client().post('/auth', json={'username': 'joe', 'password': 'x'})"
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "examples/login")])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines] == ["authentication_failed"]


def test_pages_example(tmp_path, monkeypatch):
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run_example("pages/app.py", tmp_path, monkeypatch)["app"]
    browser = Browser(app)
    page = browser.get("/?a=1", follow_redirects=True)
    assert 'name="next" value="/?a=1"' in page.text
    form = {"username": "joe", "password": "no", "next": "/?a=1"}
    page = browser.post("/auth", data=form, follow_redirects=True)
    assert "The user name or password is wrong." in page.text
    form["password"] = "pass"
    page = browser.post("/auth", data=form, follow_redirects=True)
    assert (page.request.full_path, "Hello, joe." in page.text) == ("/?a=1", True)
    page = browser.post("/auth/logout", follow_redirects=True)
    assert page.request.path == "/sign-in"
    app.extensions["flask-jwt"].sessions.close()


def test_login_page_of_the_pages_example_shows_each_error(tmp_path, monkeypatch):
    """Without a message, a user takes the right password for a wrong one."""
    import flask

    monkeypatch.setattr(flask.Flask, "auto_find_instance_path", lambda self: str(tmp_path))
    app = run_example("pages/app.py", tmp_path, monkeypatch)["app"]
    sessions = app.extensions["flask-jwt"].sessions

    def sign_in(password="pass"):
        browser = Browser(app)
        form = {"username": "joe", "password": password}
        return browser, browser.post("/auth", data=form, follow_redirects=True)

    (browser, page), (thief, _) = sign_in(), sign_in()
    assert "alert" not in page.text
    with app.app_context():
        sessions.revoke_all(1)
    page = browser.get("/", follow_redirects=True)
    assert page.request.args["error"] == "token_revoked"
    assert "You have been signed out." in page.text

    browser, _ = sign_in()
    thief = Browser(app)
    stolen = browser.get_cookie("refresh_token_cookie").value
    with freeze(app) as clock:
        for _ in range(2):
            clock.tick(400)
            assert browser.get("/").status_code == 200
        thief.set_cookie("refresh_token_cookie", stolen)
        page = thief.get("/", follow_redirects=True)
    assert page.request.args["error"] == "refresh_reused"
    assert "You have been signed out." in page.text

    for _ in range(11):
        _, page = sign_in("wrong")
    assert page.request.args["error"] == "too_many_attempts"
    assert "Too many wrong passwords." in page.text
    sessions.close()


def test_login_view_example(tmp_path, monkeypatch):
    app = run_example("pages/login_view.py", tmp_path, monkeypatch)["app"]
    browser, other = Browser(app), Browser(app)
    joe = {"name": "joe", "password": "long enough"}
    assert browser.post("/sign-up", data={"name": "joe"}).status_code == 400
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert browser.post("/sign-up", data=joe, headers=foreign).status_code == 403
    page = browser.post("/sign-up", data=joe, follow_redirects=True)
    assert "Hello, joe." in page.text
    assert other.get("/").headers["Location"] == "/sign-in?next=%2F"
    for _ in range(10):
        page = other.post("/sign-in", data={**joe, "password": "no"})
        assert (page.status_code, "Invalid credentials" in page.text) == (401, True)
        assert 'value="joe"' in page.text
    page = other.post("/sign-in", data=joe)
    assert (page.status_code, "try again in" in page.text) == (429, True)
    page = browser.post("/sign-in?next=/", data={**joe, "name": "x"})
    assert page.status_code == 401
    assert browser.post("/sign-out").headers["Location"] == "/sign-in"
    assert browser.get("/").headers["Location"] == "/sign-in?next=%2F"


def test_openapi_examples(tmp_path, monkeypatch):
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    app = run_example("openapi_document/app.py", tmp_path, monkeypatch)["app"]
    client = app.test_client()
    document = client.get("/openapi.json").get_json()
    operations = document["paths"]["/orders"]
    assert operations["get"]["security"] == [{"bearerAuth": []}]
    assert operations["post"]["security"] == [{"bearerAuth": ["orders:write"]}]
    assert "security" not in document["paths"]["/prices"]["get"]
    token = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    headers = bearer(token["access_token"])
    assert client.get("/orders", headers=headers).get_json() == {"orders": [1, 2], "of": "joe"}
    page = (ROOT / "docs/guides/openapi.md").read_text().split("## What is written")[1]
    shown = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])
    assert shown == {key: operations["post"][key] for key in shown}

    shutil.copy(ROOT / "examples/openapi_document/openapi.json", tmp_path)
    app = run_example("openapi_document/annotated.py", tmp_path, monkeypatch)["app"]
    document = app.test_client().get("/openapi.json").get_json()
    assert document["paths"]["/orders/{order_id}"]["get"]["security"] == [{"bearerAuth": []}]


def test_a_key_pair_is_replaced_as_the_keys_page_says(tmp_path, monkeypatch):
    """Its lines, in their order: a token of the old key is accepted until the last of them."""
    page = (ROOT / "docs/guides/keys.md").read_text().partition("**Without a key file**")[2]
    commands = re.search(r"```sh\n(.*?)```", page, re.DOTALL)[1].splitlines()
    for name in ("jwt", "new"):
        made = [command.replace("new", name) for command in commands[:2]]
        subprocess.run(["bash", "-ec", "\n".join(made)], cwd=tmp_path, check=True)
    token, seen = None, []
    for command in ["", *commands[2:]]:
        words = shlex.split(command, comments=True)
        if words[:1] == ["export"]:
            monkeypatch.setenv(*words[1].split("=", 1))
        elif words:
            monkeypatch.delenv(words[1])
        app = run_example("keys/shop.py", tmp_path, monkeypatch)["app"]
        client = app.test_client()
        login = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
        token = token or login["access_token"]
        published = len(client.get("/.well-known/jwks.json").get_json()["keys"])
        for one in (login["access_token"], token):
            seen.append((published, client.get("/me", headers=bearer(one)).status_code))
        app.extensions["flask-jwt"].sessions.close()
    assert seen == [(1, 200), (1, 200), *[(2, 200)] * 4, (1, 200), (1, 401)]


def test_openapi_document_and_its_pages_can_be_exempt(tmp_path, monkeypatch):
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    monkeypatch.setenv("FLASK_JWT_REQUIRED_BY_DEFAULT", "true")
    names = run_example("openapi_document/app.py", tmp_path, monkeypatch)
    paths = ["/openapi.json", "/docs", "/docs/oauth2-redirect", "/prices"]
    page = (ROOT / "docs/guides/openapi.md").read_text()
    exec(re.search(r"`(jwt\.exempt\(.*\))`", page)[1], names)
    client = names["app"].test_client()
    assert [client.get(path).status_code for path in paths] == [200, 200, 200, 401]


def test_cookies_example(tmp_path, monkeypatch):
    app = run_example("locations/app.py", tmp_path, monkeypatch)["app"]
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
    client = run_example("login/typed.py", tmp_path, monkeypatch)["app"].test_client()
    assert client.get("/greeting").get_json() == {"hello": "stranger"}
    token = client.post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    headers = bearer(token["access_token"])
    assert client.get("/greeting", headers=headers).get_json() == {"hello": "joe"}
    assert client.get("/me", headers=headers).get_json() == {"name": "joe"}


LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def test_the_example_of_data_in_tokens(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples/login")
    client = run_example("login/app.py", tmp_path, monkeypatch)["app"].test_client()
    token = client.post("/auth", json={"username": "joe", "password": "pass"}).json["access_token"]
    assert client.get("/plan").json == {"plan": "free"}
    assert client.get("/plan", headers=bearer(token)).json == {"plan": "pro"}
    rejected = client.get("/plan", headers=bearer(token[:-43] + "A" * 43))
    assert (rejected.status_code, rejected.json) == (
        401,
        {"message": "Signature verification failed", "code": "token_invalid", "hint": None},
    )
    assert "WWW-Authenticate" in rejected.headers
    for _ in range(11):
        failed = client.post("/auth", json={"username": "joe", "password": "wrong"})
    assert failed.status_code == 429
    assert failed.json.keys() == {"message", "code", "hint"}
    assert int(failed.headers["Retry-After"]) > 0


def test_a_claim_of_one_login():
    """What docs/guides/login.md says of it: the identity handler gets it back at each refresh."""
    app = make_app(
        JWT(
            None,
            lambda username, password: {"id": 1, "tenant": request.get_json().get("tenant")},
            lambda payload: {"id": 1, "tenant": payload.get("tenant")},
        ),
        JWT_STORAGE_URI="memory://",
    )
    login, client = {"username": "joe", "password": "pass"}, app.test_client()
    before = client.post("/auth", json=login).json
    app.jwt.additional_claims_loader(lambda user: {"tenant": user["tenant"]})
    assert client.post("/auth", json=login).status_code == 200
    assert status_of(app, bearer(before["access_token"])) == 200
    refresh = {"refresh_token": before["refresh_token"]}
    assert client.post("/auth/refresh", json=refresh).status_code == 200
    logins = [client.post("/auth", json={**login, "tenant": each}).json for each in ("a", "b")]
    for _ in range(3):
        with app.app_context():
            claims = [decode_token(tokens["access_token"]) for tokens in logins]
        assert [each["tenant"] for each in claims] == ["a", "b"]
        logins = [
            client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json
            for tokens in logins
        ]
    with app.app_context():
        assert app.jwt.sessions.revoke_all(1) == 4
    assert status_of(app, bearer(logins[0]["access_token"])) == 401


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    missing = []
    for link in LINK.findall(page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in link and (not target.exists() or (anchor and anchor not in slugs(target))):
            missing.append(link)
    assert not missing


def slugs(page):
    """Return the anchors of the headings of a page, as forges name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_can_be_read_without_the_site(page):
    """Forges show directives as they are written. Only docstrings and menus may be written so."""
    text = re.sub(r"^```\{.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert text.startswith("# ")
    assert len(text.split()) > 8


def blocks_of(*languages):
    """Return the blocks of all pages, as parameters with an id such as ``start.md:12``."""
    pages = [*DOCS, ROOT / "CONTRIBUTING.md", ROOT / "examples/store/README.md"]
    return [
        pytest.param(block, id=f"{page.name}:{block.line}")
        for page in pages
        for block in read_blocks(page)
        if block.language in languages
    ]


@pytest.mark.parametrize("block", blocks_of("json"))
def test_json_can_be_parsed(block):
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks_of("sh"))
def test_shell_commands_are_as_they_are_written(block):
    """The syntax is bash's; `flask jwt` has these commands and options; extras and scripts exist."""
    bash = shutil.which("bash") or pytest.skip("needs bash")
    subprocess.run([bash, "-n"], input=block.text, text=True, check=True)
    for line in block.text.replace("\\\n", " ").splitlines():
        check_command(re.split(r"\s#\s", line)[0])


EXTRAS = re.findall(
    r"^(\w+) = \[",
    (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1],
    re.MULTILINE,
)


def check_command(line):
    if match := re.search(r"\bflask (?:--app \S+ )?jwt\s+([^|;)&>]*)", line):
        check_flask_jwt(shlex.split(match[1]))
    for extras in re.findall(r"Flask-JWT-Too\[([^\]]*)\]", line):
        assert set(extras.split(",")) <= {*EXTRAS}, extras
    for script in re.findall(r"(?:^|\s)(scripts/\w+)", line):
        assert (ROOT / script).exists(), script


def check_flask_jwt(arguments):
    """Parse the arguments of ``flask jwt`` as click does, and run nothing."""
    command, context = jwt_cli, click.Context(jwt_cli, info_name="jwt")
    while isinstance(command, click.Group):
        assert arguments, f"{command.name} needs a command"
        name, command, arguments = command.resolve_command(context, arguments)
        # Without resilient_parsing, a missing argument or an unknown option raises.
        context = click.Context(command, parent=context, info_name=name)
    command.parse_args(context, list(arguments))


@pytest.mark.parametrize(
    "line",
    [
        "flask jwt sessions lst",
        "flask jwt keys rotate --quick",
        "pip install 'Flask-JWT-Too[sqlite]'",
        "scripts/missing",
    ],
)
def test_wrong_commands_are_found(line):
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(line)
