"""docs/operate: blocks are files that parse, commands and options exist, and log lines are complete.

The servers of these pages run in test_operate_servers, test_operate_stores and test_reverse_proxies.
"""

from __future__ import annotations

import ast
import configparser
import json
import logging.config
import re
import shlex
import subprocess
import sys
from itertools import pairwise

import pytest
import yaml
from werkzeug.test import Client

from flask_jwt import signals
from flask_jwt._cli import jwt_cli
from flask_jwt._config.settings import OPTIONS
from flask_jwt.testing import Clock
from tests.support import (
    OTHER_SECRET,
    ROOT,
    SECRET,
    Browser,
    bearer,
    code,
    get,
    issue,
    login,
    make_app,
    run_example,
    token_of,
)

FILES = ROOT / "examples/operate"
PAGES = [
    *sorted((ROOT / "docs/operate").glob("*.md")),
    *sorted((ROOT / "docs/security").glob("*.md")),
    ROOT / "docs/troubleshooting.md",
]
FENCE = re.compile(r"(?:<!-- (\S+) -->\n)?^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def fences(page):
    """Yield the file, the language and the text of each block."""
    for name, indent, language, text in FENCE.findall(page.read_text()):
        yield name, language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


@every_page
def test_each_block_is_a_file_or_a_command(page):
    assert page.read_text().count("```") == 2 * len(list(fences(page)))
    for name, language, text in fences(page):
        if language == "sh":
            assert not name
            checked = subprocess.run(
                ["bash", "-n"], input=text, text=True, capture_output=True, check=False
            )
            assert not checked.stderr, text
        else:
            assert name.startswith("examples/"), text
            assert text == (ROOT / name).read_text(), f"copy {name} into {page.name}"


def test_each_file_is_in_a_page():
    shown = {name for page in PAGES for name, _, _ in fences(page)}
    files = {f"examples/operate/{path.name}" for path in FILES.iterdir() if path.is_file()}
    assert files <= shown


def test_the_formats_are_those_that_the_files_claim():
    assert len(list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))) == 2
    parser = configparser.ConfigParser()
    parser.read_string((FILES / "pgbouncer.ini").read_text())
    assert parser["pgbouncer"]["pool_mode"] == "transaction"


COMMAND = re.compile(r"flask jwt ([^`\n|]*)")


@every_page
def test_each_command_exists(page):
    for text in COMMAND.findall(page.read_text()):
        command = jwt_cli
        for word in shlex.split(text.rstrip(".,"), comments=True):
            if not hasattr(command, "get_command"):
                break
            found = command.get_command(None, word.rstrip(".,)"))
            assert found, f"flask jwt {text}"
            command = found
        options = {name for each in command.params for name in each.opts}
        assert set(re.findall(r"--[a-z-]+", text)) <= options, text


OTHER_NAMES = {"JWT_SECRET_KEY"}


@every_page
def test_each_option_exists(page):
    names = set(re.findall(r"\bJWT_[A-Z_]+[A-Z]\b", page.read_text().replace("FLASK_JWT", " JWT")))
    assert names <= {*OPTIONS, *OTHER_NAMES}


@every_page
def test_each_test_that_a_page_names_exists(page):
    files = set(re.findall(r"tests/(?:unit/)?test_\w+\.py", page.read_text()))
    assert all((ROOT / name).exists() for name in files)


def test_signals_of_the_alarms_exist():
    text = (ROOT / "docs/operate/outages.md").read_text()
    names = re.findall(r"^\| signal `(\w+)`", text, re.MULTILINE)
    assert names
    assert all(hasattr(signals, name) for name in names)


# Logs


def log_calls():
    """Yield level and message of each call of a logger in src, with … for what differs."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("logger"), attr=level),
                    args=[ast.Constant(str(message)), *_],
                ):
                    level = {"exception": "error"}.get(level, level)
                    yield level.upper(), re.sub(r"%(\.0f|[sdr])", "…", message)


def log_rows():
    text = (ROOT / "docs/operate/logs-and-audit.md").read_text()
    return re.findall(r"^\| ([A-Z]+) \| `(.*?)` \|", text, re.MULTILINE)


def fits(row, message):
    parts = [re.escape(part) for part in re.split(" ?…", row)]
    return re.fullmatch(".*".join(parts), message, re.DOTALL)


def test_every_line_of_the_log_is_in_the_table_with_its_level():
    rows = log_rows()
    for level, message in log_calls():
        if message != "…":
            assert any(level == each and fits(row, message) for each, row in rows), message


def test_every_line_of_the_table_is_in_the_code():
    calls, known = list(log_calls()), strings()
    for level, row in log_rows():
        of_a_call = any(level == each and fits(row, message) for each, message in calls)
        of_a_string = any(fits(row, text) for text in known)
        assert of_a_call or of_a_string, row


def strings():
    """Return all strings of src, with … for what differs."""
    found = set()
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"%(\.0f|[sdr])", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                found.add("".join(parts))
    return found


def test_logs_example(monkeypatch, tmp_path, capsys):
    before = logging.getLogger("flask_jwt").level, logging.root.level, logging.root.handlers[:]
    try:
        run_example("operate/logs.py", tmp_path, monkeypatch)
        logging.root.handlers[0].setStream(sys.stderr)
        app = make_app()
        get(app, "/protected", "no.token.this")
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
        assert (line["level"], line["logger"]) == ("INFO", "flask_jwt")
        assert line["message"].startswith("401 Invalid token.")
    finally:
        logging.captureWarnings(False)
        logging.getLogger("flask_jwt").setLevel(before[0])
        logging.getLogger("audit").setLevel(logging.NOTSET)
        logging.root.setLevel(before[1])
        logging.root.handlers[:] = before[2]


# Several hosts


def rotation():
    """Return the configurations of the steps to rotate a secret, as the page has them."""
    page = (ROOT / "docs/operate/several-hosts.md").read_text()
    lines = re.findall(r"^export FLASK_SECRET_KEY=.*$", page, re.MULTILINE)
    steps = [{"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": []}]
    for line in lines:
        printed = subprocess.run(
            ["bash", "-c", f"{line}; env -0"], check=True, capture_output=True, text=True,
            env={"OLD": SECRET, "NEW": OTHER_SECRET, "PATH": "/usr/bin:/bin"},
        ).stdout  # fmt: skip
        values = dict(item.split("=", 1) for item in printed.split("\0") if "=" in item)
        fallbacks = json.loads(values.get("FLASK_SECRET_KEY_FALLBACKS", "[]"))
        step = {"SECRET_KEY": values["FLASK_SECRET_KEY"], "SECRET_KEY_FALLBACKS": fallbacks}
        steps.append(step)
    return steps


def test_hosts_accept_each_other_s_tokens_at_each_step_of_a_rotation():
    steps = rotation()
    assert len(steps) == 4
    for before, after in list(pairwise(steps))[:2]:
        for one, other in ((before, after), (after, before)):
            token = token_of(make_app(**one).test_client())
            assert get(make_app(**other), "/protected", token).status_code == 200
    # Step 3 ends the tokens of the old secret, and going from the first to the last does so at once.
    old = token_of(make_app(**steps[1]).test_client())
    assert get(make_app(**steps[3]), "/protected", old).status_code == 401
    new = token_of(make_app(**steps[3]).test_client())
    assert get(make_app(**steps[2]), "/protected", new).status_code == 200
    assert get(make_app(**steps[0]), "/protected", new).status_code == 401


# Two applications


@pytest.fixture
def two(tmp_path, monkeypatch):
    for name in ("SHOP", "ADMIN"):
        monkeypatch.setenv(f"{name}_JWT_STORAGE_URI", f"sqlite:///{tmp_path}/sessions.db")
    names = run_example("operate/two_applications.py", tmp_path, monkeypatch)
    yield names
    for name in ("shop", "admin"):
        names[name].extensions["jwt"].close(names[name])


def test_two_applications_keep_their_cookies_sessions_and_tokens(two):
    names = {key for app in (two["shop"], two["admin"]) for key in cookie_names(app)}
    assert len(names) == 10
    shop, admin = Browser(two["shop"]), Browser(two["admin"])
    admin._cookies = shop._cookies  # one browser
    assert shop.sign_in().status_code == admin.sign_in().status_code == 303
    assert shop.get("/me").get_json() == {"application": "shop", "name": "joe"}
    assert admin.get("/me").get_json() == {"application": "admin", "name": "joe"}
    token = shop.cookies["__Host-shop-access"]
    assert code(get(two["admin"], "/me", token)) == (401, "token_invalid")
    logout = shop.post("/auth/logout", json={"scope": "global"}, accept="*/*")
    assert logout.get_json() == {"revoked": 1}
    assert admin.get("/me").status_code == 200


def test_applications_on_sibling_domains_share_a_login(tmp_path):
    """With the options that docs/operate/two-applications.md names, on two hosts."""
    page = (ROOT / "docs/operate/two-applications.md").read_text()
    domain = re.search(r'`JWT_COOKIE_DOMAIN = "(.*)"`', page)[1]
    options = {
        "JWT_TOKEN_LOCATION": ["headers", "cookies"],
        "JWT_STORAGE_URI": f"sqlite:///{tmp_path}/sessions.db",
        "JWT_REVOCATION_CHECK": "always",
        "JWT_COOKIE_DOMAIN": domain,
    }
    shop, admin = (Browser(make_app(**options)) for _ in range(2))
    admin._cookies = shop._cookies  # one browser
    at_shop, at_admin = (f"https://{name}.{domain}" for name in ("shop", "admin"))
    assert shop.post("/auth", data=LOGIN, base_url=at_shop).status_code == 303
    assert admin.get("/protected", base_url=at_admin).get_json() == {"user": 1}
    assert code(admin.get("/protected", base_url="https://other.example")) == (401, "token_missing")
    assert admin.post("/auth/logout", base_url=at_admin).status_code == 303
    assert code(shop.get("/protected", base_url=at_shop)) == (401, "token_missing")
    for each in (shop, admin):
        each.application.jwt.close(each.application)


LOGIN = {"username": "joe", "password": "pass"}


def cookie_names(app):
    options = [f"JWT_{kind}_COOKIE_NAME" for kind in
               ("ACCESS", "REFRESH", "ACCESS_CSRF", "REFRESH_CSRF")]  # fmt: skip
    return [app.config[name] for name in (*options, "SESSION_COOKIE_NAME")]


def test_two_applications_with_one_key_do_not_accept_each_other_s_tokens(monkeypatch, tmp_path):
    for name in ("SHOP", "ADMIN"):
        monkeypatch.setenv(f"{name}_SECRET_KEY", SECRET)
    two = run_example("operate/two_applications.py", tmp_path, monkeypatch)
    token = token_of(two["shop"].test_client())
    assert get(two["shop"], "/me", token).status_code == 200
    assert code(get(two["admin"], "/me", token)) == (401, "token_invalid")
    below = Client(two["application"]).get("/admin/me", headers=bearer(token))
    assert below.status_code == 401


def test_with_the_default_names_a_login_replaces_the_other_one():
    shop, admin = (Browser(make_app(JWT_TOKEN_LOCATION=["cookies"], SECRET_KEY=s))
                   for s in (SECRET, OTHER_SECRET))  # fmt: skip
    admin._cookies = shop._cookies
    shop.sign_in()
    admin.sign_in()
    assert shop.get("/protected").status_code == 401


# Clocks


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, (200, None)), (309, (200, None)), (311, (401, "token_expired")),
        (-9, (200, None)), (-11, (401, "token_invalid")),
    ],
)  # fmt: skip
def test_what_a_clock_that_is_wrong_does(ahead, expected):
    issuer = make_app()
    verifier = make_app(clock=Clock(issuer.clock() + ahead))
    response = get(verifier, "/protected", token_of(issuer.test_client()))
    assert code(response) == expected
    if expected[0] == 401:
        page = (ROOT / "docs/operate/clocks.md").read_text()
        assert response.get_json()["description"] in page


# Stores


@pytest.mark.parametrize(("check", "status"), [(10, 200), ("always", 401)])
def test_an_empty_store_asks_for_logins(tmp_path, check, status):
    path = tmp_path / "sessions.db"
    app = make_app(JWT_STORAGE_URI=f"sqlite:///{path}", JWT_REVOCATION_CHECK=check)
    client = app.test_client()
    tokens = login(client).get_json()
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    app.jwt.close(app)
    path.unlink()
    refreshed = client.post("/auth/refresh", headers=bearer(tokens["refresh_token"]))
    assert code(refreshed)[0] == 401
    assert get(app, "/protected", tokens["access_token"]).status_code == status
    assert login(client).status_code == 200
    app.clock.tick(311)
    assert get(app, "/protected", tokens["access_token"]).status_code == 401
    app.jwt.close(app)


def test_a_store_that_is_down_leaves_open_views_and_stateless_tokens_alone():
    app = make_app(JWT_STORAGE_URI="redis://127.0.0.1:1")
    app.add_url_rule("/open", "open", lambda: "open")
    client = app.test_client()
    assert code(login(client)) == (503, "store_unavailable")
    assert client.get("/open").text == "open"
    assert get(app, "/protected", issue(app)).status_code == 200
    app.jwt.close(app)
