"""``flask jwt doctor`` on the programs in tests/programs, each in a process of its own.

docs/migrating/doctor.md shows what these tests print. After a change of the output, run
``UPDATE_DOCS=1 pytest tests/test_doctor.py`` and read the difference.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time

import jwt as pyjwt
import pytest

from flask_jwt._cli.diagnosis.advice import MIGRATION

from .support import ROOT

PROGRAMS = ROOT / "tests/programs"
pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/migrating/doctor.md"
SHOWN = ["tutorial", "shop", "old_shop", "notes"]
SHOP_SECRET = "the secret of this shop, 32 bytes"


@pytest.fixture
def program(tmp_path):
    """Copy a program; by its name, or from the contents of its files."""

    def make(name=None, **files):
        folder = tmp_path / "program"
        if name is not None:
            shutil.copytree(PROGRAMS / name, folder)
        folder.mkdir(exist_ok=True)
        for module, content in files.items():
            (folder / f"{module}.py").write_text(content)
        return folder

    return make


def run(folder, *arguments, app="app", check=None, stdin=None, path=()):
    environment = {name: value for name, value in os.environ.items() if "FLASK" not in name}
    paths = [*map(str, path), environment.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", app, "jwt", "doctor", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, input=stdin, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done.stdout


def report(folder, *arguments, **options):
    return json.loads(run(folder, "--json", *arguments, **options))


def list_findings(result, kind):
    found = [finding for finding in result["findings"] if finding["kind"] == kind]
    return [(finding["where"], finding["text"]) for finding in found]


# The page


@pytest.mark.parametrize("name", SHOWN)
def test_the_documentation_shows_what_is_printed(name, program):
    folder = program(name)
    output = run(folder)
    block = f"<!-- doctor: {name} -->\n```console\n$ flask jwt doctor\n{output}```\n"
    page = PAGE.read_text()
    pattern = rf"<!-- doctor: {name} -->\n```console\n.*?```\n"
    assert re.search(pattern, page, re.DOTALL)
    updated = re.sub(pattern, lambda match: block, page, flags=re.DOTALL)
    if updated != page and os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(updated)
    else:
        assert updated == page, "run UPDATE_DOCS=1 pytest tests/test_doctor.py"


def test_the_documentation_shows_only_these():
    assert re.findall(r"<!-- doctor: (\w+) -->", PAGE.read_text()) == SHOWN


@pytest.mark.parametrize("name", SHOWN)
def test_lines_are_no_longer_than_a_terminal(name, program):
    """Except the lines to write, which are copied."""
    lines = [line for line in run(program(name)).splitlines() if "write: " not in line]
    assert [line for line in lines if len(line) > 80] == []


def test_the_line_to_write_changes_files_whose_path_has_a_blank(tmp_path):
    file = tmp_path / "my shop/the app.py"
    file.parent.mkdir()
    file.write_text("from flask_jwt_extended import JWTManager\n")
    subprocess.run(["bash", "-ec", MIGRATION], cwd=tmp_path, check=True)
    assert file.read_text() == "from flask_jwt.extended import JWTManager\n"


def test_what_only_a_request_shows_is_not_denied(tmp_path):
    """The last line once was "Nothing is rejected", also of a program whose every token is."""
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom flask_jwt.extended import JWTManager, create_access_token\n"
        "app = Flask(__name__)\napp.secret_key = 'a-secret-of-32-bytes-for-testing'\n"
        "jwt = JWTManager(app)\n\n@app.post('/login')\ndef login():\n"
        "    return {'access_token': create_access_token(7)}\n"
    )
    last = run(tmp_path).splitlines()[-1]
    assert last == "No request was made. Nothing was found that would be rejected."


# Programs that can't be imported


def test_the_tutorial_lacks_exactly_one_name(program):
    result = report(program("tutorial"), check=1)
    assert not result["imported"]
    assert result["reason"] == {
        "where": "security.py:1",
        "text": "ImportError: cannot import name 'safe_str_cmp' from 'werkzeug.security'",
    }
    text = "werkzeug.security has no safe_str_cmp"
    assert list_findings(result, "rejected") == [("security.py:1", text)]
    assert list_findings(result, "differs") == []


def test_the_tutorial_works_with_the_line_to_write(program):
    folder = program("tutorial")
    (line,) = [f["write"] for f in report(folder)["findings"] if f["kind"] == "rejected"]
    security = folder / "security.py"
    content = security.read_text().replace("from werkzeug.security import safe_str_cmp", line)
    security.write_text(content.replace("safe_str_cmp(", "compare_digest("))
    result = report(folder, check=0)
    assert result["imported"]
    assert list_findings(result, "rejected") == []
    assert result["routes"] == [
        {"rule": "/auth", "methods": "POST", "guard": "-"},
        {"rule": "/protected", "methods": "GET", "guard": "jwt_required"},
    ]


FAILURES = {
    "raise ValueError('no \\x1b[31mdatabase')": "ValueError: no",
    "import nothing_of_this_name": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "print 'Python 2'": "SyntaxError",
    "x = 1": "Failed to find Flask application",
    "from flask import Flask\ndef create_app(): raise KeyError('DATABASE')": "KeyError: 'DATABASE'",
    "def create_app(name): pass": "factory",
    "from flask import Flask\nfrom flask_jwt import JWT\napp = Flask('a')\n"
    "app.config['JWT_LEEWAY'] = 'x'\nJWT(app)": "ConfigError: Invalid configuration:\n  JWT_LEEWAY",
}


@pytest.mark.parametrize("code", FAILURES)
def test_why_a_program_cannot_be_imported(code, program):
    folder = program(app=code)
    result = report(folder, check=1)
    assert FAILURES[code] in result["reason"]["text"]
    assert result["routes"] == []
    output = run(folder, check=1)
    assert output.startswith("The program can't be imported, so only its sources were read.")
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("installed", "where"),
    [
        (".venv/lib/python3.11/site-packages", "app.py:2"),
        ("venv/lib/python3.11/site-packages", "app.py:2"),
        ("lib", "lib/library.py:2"),
    ],
)
def test_a_failure_in_an_installed_package_is_that_of_the_line_that_calls_it(
    installed, where, program
):
    folder = program(app="import library\nlibrary.fail()")
    packages = folder / installed
    packages.mkdir(parents=True)
    (packages / "library.py").write_text("def fail():\n    raise ValueError('no')")
    assert report(folder, check=1, path=[packages])["reason"]["where"] == where


def test_a_program_that_does_not_exist(program):
    result = report(program(), app="nowhere", check=1)
    assert "Could not import 'nowhere'" in result["reason"]["text"]


def test_what_a_program_prints_is_no_part_of_the_report(program):
    code = (
        "from flask import Flask\nfrom flask_jwt import JWT\nprint('hello')\napp = Flask('a')\n"
        "app.secret_key = 'x' * 40\nJWT(app, lambda u, p: None, lambda p: None)"
    )
    report(program(app=code), check=0)


def test_a_program_whose_package_is_not_installed(program):
    """Flask-JWT-Extended is often uninstalled first."""
    folder = program("shop")
    (folder / "flask_jwt_extended.py").write_text("raise ModuleNotFoundError('no', name=__name__)")
    output = run(folder, check=1)
    assert "write: grep -rl --null flask_jwt_extended" in output.partition("Works:")[0]


# Programs of Flask-JWT-Extended


def test_a_program_of_flask_jwt_extended(program):
    result = report(program("shop"), check=0)
    works = dict(list_findings(result, "works"))
    assert "JWT_TOKEN_LOCATION" in works["configuration"]
    assert list_findings(result, "works")[-1][0] == "handlers"
    assert result["routes"] == [
        {"rule": "/basket", "methods": "GET", "guard": "jwt_required optional"},
        {"rule": "/login", "methods": "POST", "guard": "-"},
        {"rule": "/logout", "methods": "POST", "guard": "jwt_required"},
        {"rule": "/orders", "methods": "POST", "guard": "jwt_required fresh"},
        {"rule": "/refresh", "methods": "POST", "guard": "jwt_required refresh"},
    ]


def test_the_same_program_with_its_import_changed(program):
    folder = program("shop")
    app = folder / "app.py"
    app.write_text(app.read_text().replace("flask_jwt_extended", "flask_jwt.extended"))
    result = report(folder, check=0)
    guards = [route["guard"] for route in result["routes"]]
    assert guards == [
        "jwt_required optional", "-", "jwt_required", "jwt_required fresh", "jwt_required refresh",
    ]  # fmt: skip


def test_an_invalid_configuration_of_flask_jwt_extended(program):
    """The program starts today, and would not with this package."""
    app = (PROGRAMS / "shop/app.py").read_text()
    app = app.replace('["JWT_COOKIE_SECURE"] = False', '["JWT_COOKIE_SECURE"] = "False"')
    app = app.replace("timedelta(minutes=15)", "0")
    result = report(program(app=app), check=1)
    assert result["imported"]
    rejected = [text for where, text in list_findings(result, "rejected")]
    assert [text.partition(":")[0] for text in rejected] == [
        "JWT_ACCESS_TOKEN_EXPIRES", "JWT_COOKIE_SECURE",
    ]  # fmt: skip


SUBCLASS = """
from flask import Flask
from {package} import {base}

class Mine({base}):
    def __init__(self, app, name):
        super().__init__(app)
        self.name = name

app = Flask("a")
app.config["JWT_SECRET_KEY"] = app.secret_key = "x" * 40
Mine(app, "shop").{loader}(lambda *arguments: None)
"""


@pytest.mark.parametrize(
    ("package", "base", "loader", "handler"),
    [
        ("flask_jwt", "JWT", "identity_handler", "identity"),
        ("flask_jwt.extended", "JWTManager", "token_in_blocklist_loader", "blocklist"),
        ("flask_jwt_extended", "JWTManager", "token_in_blocklist_loader", "blocklist"),
    ],
)
def test_a_subclass_of_the_extension_class(package, base, loader, handler, program):
    result = report(program(app=SUBCLASS.format(package=package, base=base, loader=loader)))
    assert result["imported"]
    assert list_findings(result, "rejected") == []
    assert dict(list_findings(result, "works"))["handlers"] == handler


# Programs without the extension


def test_a_program_without_jwt(program):
    result = report(program(app="from flask import Flask\napp = Flask('a')"), check=1)
    ((_, text),) = list_findings(result, "rejected")
    assert "init_app was not called" in text


ISSUERS = """
from flask import Flask
from flask_jwt import JWT, Issuer

app = Flask("a")
JWT(app, issuers={issuers})
"""


@pytest.mark.parametrize(
    "issuers",
    ["[Issuer.auth0('acme.eu.auth0.com', audience='https://api.acme.dev')]", "lambda iss: None"],
)
def test_a_program_that_only_verifies_tokens_of_issuers_needs_no_secret(issuers, program):
    result = report(program(app=ISSUERS.format(issuers=issuers)), check=0)
    assert list_findings(result, "rejected") == []
    keys = dict(list_findings(result, "works"))["keys"]
    assert keys == "none of its own, so only tokens of JWT_ISSUERS are accepted"


def test_a_secret_is_never_printed(program):
    for name in ("shop", "notes", "old_shop"):
        folder = program(name)
        assert "the secret of" not in run(folder) + run(folder, "--json")
        shutil.rmtree(folder)


# Tokens


def sign(secret=SHOP_SECRET, **claims):
    now = int(time.time())
    return pyjwt.encode({"sub": "1", "iat": now, "exp": now + 9999, **claims}, secret)


NATIVE = (
    "from flask import Flask\nfrom flask_jwt import JWT\napp = Flask('a')\n"
    f"app.secret_key = {SHOP_SECRET!r}\nJWT(app, lambda u, p: None, lambda p: None)\n"
)
REASONS = {
    None: lambda: sign(nbf=0),
    "Signature verification failed": lambda: sign("another secret of 32 bytes ------"),
    "Signature has expired": lambda: sign(exp=1, nbf=0, iat=0),
    "Issued At claim (iat) cannot be in the future.": lambda: sign(iat=2**33, nbf=0),
    "Not enough segments": lambda: "abc",
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_token_is_explained(reason, program):
    folder = program(app=NATIVE)
    token = REASONS[reason]()
    result = report(folder, "--token", token, check=0 if reason is None else 1)["token"]
    assert (result["reason"], result["unchecked"]) == (reason, None)
    if "." in token:
        assert result["claims"]["sub"] == "1"
        assert result["header"]["alg"] == "HS256"
    output = run(folder, "--token", "-", stdin=token)
    assert "It is accepted." in output if reason is None else reason in output


def test_a_token_of_a_program_that_cannot_be_imported(program):
    result = report(program("tutorial"), "--token", sign(), check=1)["token"]
    assert result["claims"]["sub"] == "1"
    assert "can't be imported" in result["unchecked"]


def test_a_token_whose_key_a_loader_chooses(program):
    """The loader may need the network, so it isn't called."""
    app = (PROGRAMS / "shop/app.py").read_text()
    app = app.replace("if payload.get", "raise SystemExit\n    if payload.get")
    result = report(program(app=app), "--token", sign(iss="https://id.example.com"))["token"]
    assert "decode_key_loader" in result["unchecked"]


def test_a_refresh_token_is_verified_as_one(program):
    code = NATIVE.replace("JWT(app", "app.config['JWT_STORAGE_URI'] = 'memory://'\nJWT(app")
    code += (
        "with app.app_context():\n  print(app.extensions['jwt'].sessions.start(1).refresh_token)\n"
    )
    folder = program(app=code)
    (folder / "secret.txt").write_text("")
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    result = report(folder, "--token", done.stdout.strip(), check=0)["token"]
    assert (result["reason"], result["claims"]["type"]) == (None, "refresh")


@pytest.mark.parametrize("token", ["", "-x", "\x1b[31m", "é.é.é", "a" * 20_000, "eyJ9.e30."])
def test_what_is_no_token(token, program):
    folder = program(app=NATIVE)
    output = run(folder, "--token", "-", stdin=token, check=1)
    assert "It is rejected: " in output
    assert "\x1b" not in output


# Options


def test_the_sources_may_be_elsewhere(program, tmp_path):
    folder = program("tutorial")
    (tmp_path / "here").mkdir()
    result = report(tmp_path / "here", "--sources", str(folder), app=f"{folder}/app.py", check=1)
    assert result["reason"]["where"] == "security.py:1"
    assert list_findings(result, "rejected")[0][0] == "security.py:1"
