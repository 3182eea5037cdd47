"""The rules of docs/architecture.md that a reader of one file can't see."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flask_jwt

PACKAGE = Path(flask_jwt.__file__).parent

# Each module may import those above it only.
TEXT = """
errors _encoding _keys _key_sets _claims _options _settings _keyring _tokens stores _revocations _sessions _availability _throttle _passwords
signals _app_state _context _pages _responses _csrf _locations _cookies _renewal _issue _binding _login _guard _default_guard _views _extension __init__ extended _cli_tables _cli_sessions _cli_passwords _cli testing
"""
ORDER = TEXT.split()
FRAMEWORK_FREE = ORDER[: ORDER.index("signals")]
FRAMEWORKS = {"flask", "werkzeug", "blinker", "click"}
# Werkzeug is imported as a library, which needs no application: an error is a ready response, and
# Werkzeug's password hashes are read by Werkzeug.
WERKZEUG_IN = {"errors": "werkzeug.", "_passwords": "werkzeug.security"}
DRIVERS_OF = {
    "stores.sql": {"sqlalchemy"},
    "stores.redis": {"redis"},
    "_passwords": {"argon2", "bcrypt"},
    "_throttle": {"limits"},
    "_cli_passwords": {"sqlalchemy"},
}
DRIVERS = {"sqlalchemy", "redis", "argon2", "bcrypt", "limits"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """``stores.sql`` for stores/sql.py, ``stores`` for its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imports(path, at_run_time_only=True):
    tree = ast.parse(path.read_text())
    if at_run_time_only:
        tree.body = [
            node for node in tree.body
            if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ]  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_dependencies_point_upward(path):
    room = name_of(path).split(".")[0]
    for level, name in imports(path):
        is_of_the_same_room = level == 1 and path.parent != PACKAGE
        for target in [name.split(".")[0]] if name else ["signals"] if level else []:
            if room == "extended" and level == 2:
                assert target in {"errors", "signals"}, "a name of another spelling than the public"
            elif level and not is_of_the_same_room:
                assert ORDER.index(target) < ORDER.index(room), f"{room} imports {target}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_upper_half_knows_no_framework(path):
    room = name_of(path).split(".")[0]
    if room in FRAMEWORK_FREE:
        found = {
            module.split(".")[0]
            for level, module in imports(path)
            if not level and not module.startswith(WERKZEUG_IN.get(room, "no module"))
        }
        assert not found & FRAMEWORKS


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_current_app_is_named_in_few_places(path):
    named = any(
        isinstance(node, (ast.Name, ast.alias)) and "current_app" in ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert not named or path.stem in {"_context", "_cli", "testing"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_drivers_are_imported_only_in_their_own_module(path):
    found = {module.split(".")[0] for level, module in imports(path) if not level}
    assert not found & DRIVERS - DRIVERS_OF.get(name_of(path), set())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_names_and_sizes(path):
    names_are_another_s = path.parent.name == "extended"  # Flask-JWT-Extended's modules
    assert names_are_another_s or path.stem.strip("_") not in {"utils", "helpers", "common"}
    source = path.read_text()
    assert source.count("\n") <= 400, "a module this long wants a reason, or to be two"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 60, f"{node.name} is long"


def test_public_names_are_listed():
    exported = {
        alias.asname or alias.name
        for node in ast.parse((PACKAGE / "__init__.py").read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(flask_jwt.__all__) == exported


@pytest.mark.parametrize("name", [n for n in flask_jwt.__all__ if n not in {"CONFIG_DEFAULTS"}])
def test_public_names_are_documented(name):
    value = vars(flask_jwt)[name]
    assert type(value).__name__ == "LocalProxy" or value.__doc__, name
