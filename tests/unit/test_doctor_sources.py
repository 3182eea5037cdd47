"""``flask jwt doctor`` reads sources: nothing is imported or executed here."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

import flask_jwt._cli.diagnosis
from flask_jwt._cli.diagnosis.advice import MIGRATION, Installed, examine_sources
from flask_jwt._cli.diagnosis.findings import Kind
from flask_jwt._cli.diagnosis.sources import find_files, read_sources
from tests.support import ROOT

THERE = {
    "markupsafe": {"escape"},
    "flask": {"Flask", "request", "g", "jsonify"},
    "flask_jwt": {"JWT", "jwt_required", "current_identity", "_jwt_required", "jwt"},
    "flask_jwt.extended": {"JWTManager", "jwt_required", "get_jwt", "create_access_token"},
    "flask_jwt.extended.utils": {"get_jwt"},
    "flask_jwt.extended.view_decorators": {"jwt_required"},
    "jwt": {"encode", "decode", "PyJWKClient"},
    "werkzeug": {"security"},
    "werkzeug.security": {"generate_password_hash"},
}


def has(module, name):
    return module in THERE and (name is None or name in THERE[module])


INSTALLED = Installed(
    has, {"JWT_SECRET_KEY", "JWT_TOKEN_LOCATION"},
    {"identity_handler", "jwt_error_handler", "token_in_blocklist_loader", "user_lookup_loader"},
)  # fmt: skip


@pytest.fixture
def examine(tmp_path):
    """Return the findings about a program, without those that say what works."""

    def examine(*contents, works=False):
        for number, content in enumerate(contents):
            (tmp_path / f"m{number}.py").write_text(content)
        findings = examine_sources(read_sources(tmp_path), INSTALLED)
        return [f for f in findings if works or f.kind is not Kind.works]

    return examine


GONE = {
    "from werkzeug.security import safe_str_cmp": "werkzeug.security has no safe_str_cmp",
    "import werkzeug.security\nwerkzeug.security.safe_str_cmp": "werkzeug.security has no safe_str_cmp",
    "from werkzeug import security\nsecurity.safe_str_cmp": "werkzeug.security has no safe_str_cmp",
    "from werkzeug import security as s\ns.safe_str_cmp": "werkzeug.security has no safe_str_cmp",
    "from werkzeug.contrib.fixers import ProxyFix": "werkzeug has no contrib",
    "import flask.ext.sqlalchemy": "flask has no ext",
    "from flask import escape": "flask has no escape",
    "import flask\nflask._request_ctx_stack.top": "flask has no _request_ctx_stack",
    "from flask import _request_ctx_stack as s": "flask has no _request_ctx_stack",
    "from flask_jwt import current_user": "flask_jwt has no current_user",
    "import flask_jwt\nflask_jwt.verify_jwt()": "flask_jwt has no verify_jwt",
    "import flask_jwt as j\nj.verify_jwt()": "flask_jwt has no verify_jwt",
    "from flask_jwt_extended import jwt_optional": "flask_jwt_extended has no jwt_optional",
    "import flask_jwt_extended as e\ne.jwt_optional": "flask_jwt_extended has no jwt_optional",
    "from flask_jwt_extended.utils import nothing": "flask_jwt_extended.utils has no nothing",
    "from flask_jwt_extended.tokens import _encode_jwt": "flask_jwt_extended has no tokens",
    "patch('flask_jwt_extended.utils.nothing')": "flask_jwt_extended.utils has no nothing",
    "monkeypatch.setattr('flask_jwt.nothing', 1)": "flask_jwt has no nothing",
    "def f():\n  from flask import escape": "flask has no escape",
    "import itsdangerous": "itsdangerous is not installed",
    "class A:\n  def f(self):\n    import jwt\n    jwt.ExpiredSignature": "jwt has no ExpiredSignature",
}


@pytest.mark.parametrize("code", GONE)
def test_a_name_that_is_gone(code, examine):
    text = GONE[code]
    (finding,) = examine(code)
    assert finding.kind is Kind.rejected
    assert finding.where == f"m0.py:{code.count(chr(10)) + 1}"
    assert finding.text == text


@pytest.mark.parametrize("code", [
    "from werkzeug.security import generate_password_hash",
    "from flask import request\nrequest.authorization.nothing",
    "from flask_jwt import current_identity\ncurrent_identity.id",
    "from flask_jwt import jwt\njwt.encode",
    "patch('flask_jwt._jwt_required')",
    "import other\nother.nothing",
    "from other.flask import nothing",
    "from . import flask\nflask.nothing",
    "from .flask import escape",
    "from flask import *",
    "from flask import request\nimport other as request\nrequest.nothing",
    "import jwt\njwt = JWT()\njwt.user_loader",
    "import jwt\nfrom extensions import jwt\njwt.user_loader",
    "try:\n  from werkzeug.security import safe_str_cmp\nexcept ImportError:\n  safe_str_cmp = None",
    "try:\n  from flask import escape\nexcept (ImportError, ValueError):\n  from markupsafe import escape",
    "try:\n  import flask.ext.x\nexcept:\n  pass",
    "if sys.version_info < (3,):\n  from flask import escape",
    "if flask.__version__ < '2':\n  from flask import escape",
    "getattr(flask, 'escape')",
    "'from flask import escape'",
    "# from flask import escape",
])  # fmt: skip
def test_a_name_that_is_there_or_is_another(code, examine):
    assert examine(code) == []


def test_an_import_in_the_handler_of_another_is_checked(examine):
    (finding,) = examine("try:\n  import a\nexcept ImportError:\n  from flask import escape")
    assert finding.text == "flask has no escape"


def test_an_import_that_only_another_error_follows_is_checked(examine):
    (finding,) = examine("try:\n  from flask import escape\nexcept ValueError:\n  pass")
    assert finding.text == "flask has no escape"


def test_what_to_write_instead(examine):
    (finding,) = examine("from werkzeug.security import safe_str_cmp")
    assert finding.write == (
        "from hmac import compare_digest  # compare_digest(a.encode(), b.encode())"
    )
    (finding,) = examine("from flask_jwt_extended.view_decorators import jwt_optional")
    assert finding.write == "@jwt_required(optional=True)"


@pytest.mark.parametrize("create", [
    "from flask_jwt import JWT\njwt = JWT()", "import flask_jwt\njwt = flask_jwt.JWT(app)",
    "from flask_jwt_extended import JWTManager as M\njwt: M = M()",
    "from flask_jwt.extended import JWTManager\nself.jwt = JWTManager(app)",
])  # fmt: skip
@pytest.mark.parametrize(("name", "write"), [
    ("error_handler", "@jwt.jwt_error_handler"),
    ("token_in_blacklist_loader", "@jwt.token_in_blocklist_loader, for a function of (jwt_header, jwt_payload)"),
    ("user_loader_error_loader", "@jwt.user_lookup_error_loader"),
    ("identity_handlr_handler", "@jwt.identity_handler"),
    ("quite_another_loader", None),
])  # fmt: skip
def test_a_handler_that_is_none(create, name, write, examine):
    """Also if another file creates the extension object."""
    use = f"from m0 import jwt\n@jwt.{name}\ndef mine(): pass"
    (finding,) = examine(create, use)
    assert finding == (Kind.rejected, "m1.py:2", f"there is no handler {name}", write)


def test_handlers_that_are_there_and_of_others(examine):
    code = "from flask_jwt import JWT\njwt = JWT()\n@jwt.identity_handler\ndef f(): pass"
    other = "@login_manager.user_loader\ndef g(): pass\n@api.error_handler\ndef h(): pass"
    assert examine(code, other) == []
    assert (Kind.works, "1 handler", "identity_handler", None) in examine(works=True)


@pytest.mark.parametrize("code", [
    "app.config['JWT_SECRT_KEY'] = 1", "app.config.update(JWT_SECRT_KEY=1)",
    "app.config.from_mapping({'JWT_SECRT_KEY': 1})", "class Config:\n  JWT_SECRT_KEY = 1",
    "JWT_SECRT_KEY: str = 'x'", "app.config.setdefault('JWT_SECRT_KEY', 1)",
])  # fmt: skip
def test_an_option_that_is_none(code, examine):
    (finding,) = examine(code)
    text = "there is no option JWT_SECRT_KEY; it has no effect: did you mean JWT_SECRET_KEY?"
    assert (finding.kind, finding.text, finding.write) == (Kind.differs, text, None)


def test_an_option_that_is_gone(examine):
    (finding,) = examine("app.config['JWT_BLACKLIST_ENABLED'] = True")
    assert finding.text.endswith("remove the option")


@pytest.mark.parametrize("code", [
    "app.config['JWT_SECRET_KEY'] = 1", "x = config['JWT_NOTHING']", "JWT_x = 1", "NOT_JWT_X = 1",
    "environ.get('JWT_NOTHING')", "d.update(**options)",
])  # fmt: skip
def test_options_that_are_there_or_are_none(code, examine):
    assert examine(code) == []


FROM = "from flask_jwt import jwt_required\n"


def test_a_guard_without_parentheses(examine):
    (finding,) = examine(FROM + "@app.route('/')\n@jwt_required\ndef view(): pass")
    assert (finding.where, finding.write) == ("m0.py:3", "@jwt_required()")


@pytest.mark.parametrize("route", ["app.route('/')", "bp.get('/')", "ns.post('/', a=1)"])
@pytest.mark.parametrize("define", ["def", "async def"])
def test_a_guard_above_its_route(route, define, examine):
    (finding,) = examine(FROM + f"@jwt_required()\n@x\n@{route}\n{define} view(): pass")
    assert (finding.kind, finding.where) == (Kind.rejected, "m0.py:2")
    assert "guards nothing" in finding.text


@pytest.mark.parametrize("decorators", [
    "@app.route('/')\n@jwt_required()", "@jwt_required()", "@jwt_required()\n@cache.cached",
    "@app.route('/a')\n@app.route('/b')\n@jwt_required()", "@other_required\n@app.route('/')",
])  # fmt: skip
def test_guards_in_the_right_place(decorators, examine):
    assert examine(FROM + f"{decorators}\ndef view(): pass") == []


@pytest.mark.parametrize("create", [
    "JWT(app, authenticate, identity)", "JWT(app, authentication_handler=authenticate)",
    "JWT(app, auth.authenticate)",
])  # fmt: skip
def test_an_authentication_that_returns_true(create, examine):
    functions = "def authenticate(name, password):\n  if name: return True"
    (finding,) = examine(f"from flask_jwt import JWT\n{create}", functions)
    assert finding.where == "m1.py:1"
    assert "returns True" in finding.text


@pytest.mark.parametrize(
    ("result", "may_be_true"),
    [
        ("True", True),
        ("name == 'joe' and password == 'pass'", True),
        ("(name, password) == ('joe', 'pass')", True),
        ("user and check_password_hash(user.hash, password)", True),
        ("hmac.compare_digest(user.password.encode(), password.encode())", True),
        ("bool(user)", True),
        ("not user.is_locked", True),
        ("user.is_admin or True", True),
        ("password == 'pass' if user else None", True),
        ("user", False),
        ("None", False),
        ("False", False),
        ("user if password == 'pass' else None", False),
        ("password == 'pass' and user", False),
        ("users.get(name) or load(name)", False),
        ("", False),
    ],
)
def test_a_result_of_an_authentication(result, may_be_true, examine):
    functions = f"def authenticate(name, password):\n  return {result}"
    findings = examine("from flask_jwt import JWT\nJWT(app, authenticate)", functions)
    assert [finding.where for finding in findings] == ["m1.py:1"] * may_be_true


def test_other_functions_may_return_true(examine):
    functions = "def is_ada(name):\n  return True\ndef authenticate(n, p): return user"
    assert examine("from flask_jwt import JWT\nJWT(app, authenticate)", functions) == []


@pytest.mark.parametrize("environment", [".venv", "venv", "env", "work/.tox/py311"])
def test_the_command_for_imports_changes_the_program_only(environment, tmp_path):
    """The README puts the virtual environment into the folder of the program."""
    installed = tmp_path / environment / "lib/python3.11/site-packages/flask_jwt_extended"
    installed.mkdir(parents=True)
    before = "from flask_jwt_extended import jwt_required\n"
    files = [tmp_path / "app.py", tmp_path / "views/orders.py", installed / "__init__.py"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text(before)
    subprocess.run(MIGRATION, shell=True, cwd=tmp_path, check=True)
    after = before.replace("flask_jwt_extended", "flask_jwt.extended")
    assert [file.read_text() for file in files] == [after, after, before]


def test_the_command_for_imports_is_that_of_the_page():
    assert f"\n{MIGRATION}\n" in (ROOT / "docs/migrating/flask-jwt-extended.md").read_text()


def test_two_extension_classes(examine):
    (finding,) = examine(
        "from flask_jwt import JWT\nJWT(app)",
        "from flask_jwt.extended import JWTManager\nJWTManager(app)",
    )
    assert "can't both serve" in finding.text


# Files


@pytest.mark.parametrize(("content", "text"), [
    (b"print 'hello'", "not valid Python 3"), (b"\xff\xfe", "not valid Python 3"),
    (b"a = '\x00'", ""), (b"def f(:", "not valid Python 3"), (b"x = " + b"(" * 5000, ""),
    (b"x = " + b"-" * 100_000 + b"1", ""),
], ids=str)  # fmt: skip
def test_a_file_that_is_no_python(content, text, tmp_path):
    (tmp_path / "a.py").write_bytes(content[:200_000])
    (finding,) = examine_sources(read_sources(tmp_path), INSTALLED)
    assert (finding.kind, finding.where.partition(":")[0]) == (Kind.rejected, "a.py")
    assert text in finding.text


def test_a_file_that_is_too_large(tmp_path):
    (tmp_path / "a.py").write_bytes(b"#" * 2_000_001)
    (finding,) = examine_sources(read_sources(tmp_path), INSTALLED)
    assert "larger than" in finding.text


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "a.py").symlink_to("nowhere")
    (finding,) = examine_sources(read_sources(tmp_path), INSTALLED)
    assert finding.where == "a.py"


def test_other_encodings_and_warnings(tmp_path):
    (tmp_path / "a.py").write_bytes(b"# coding: latin-1\nx = '\xe4\\d'\n")
    assert examine_sources(read_sources(tmp_path), INSTALLED) == []


def test_virtual_environments_are_left_out(tmp_path):
    for folder in ("src", "venv/lib", ".venv", "env/x", "node_modules", "x/site-packages", ".git"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("")
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    (tmp_path / "env/conda-meta").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [path.relative_to(tmp_path) for path in find_files(tmp_path)] == [Path("src/a.py")]


def test_a_program_of_very_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("flask_jwt._cli.diagnosis.sources.MOST_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.py").write_text("")
    (finding,) = examine_sources(read_sources(tmp_path), INSTALLED)
    assert finding.text == "there are more files; only 3 were read"


def test_nothing_of_the_program_is_executed(tmp_path):
    (tmp_path / "a.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')\nraise SystemExit")
    read_sources(tmp_path)
    assert not (tmp_path / "made").exists()


def test_the_analysis_imports_no_flask():
    folder = Path(flask_jwt._cli.diagnosis.__file__).parent
    for name in ("sources", "findings", "replacements", "advice"):
        path = folder / f"{name}.py"
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            module = getattr(node, "module", None) or ""
            assert not {name.partition(".")[0] for name in (*names, module)} & {"flask", "werkzeug"}
