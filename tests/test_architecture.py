"""The rules of docs/architecture.md that a reader of one file can't see."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flask_jwt

PACKAGE = Path(flask_jwt.__file__).parent

# Each module may import those above it only.
TEXT = """
errors signals _clock _notices _encoding _keys _key_sets _claims _options _settings _live _keyring _tokens _codecs stores _revocations _sessions _availability _throttle _passwords
_handlers _app_state _context _pages _responses _csrf _cookies _request_token _issue _binding _login _guard _views _extension __init__ extended _cli_tables _cli_sessions _cli_passwords _cli testing
"""
ORDER = TEXT.split()
FRAMEWORK_FREE = ORDER[: ORDER.index("_handlers")]
FRAMEWORKS = {"flask", "werkzeug", "blinker", "click"}
# These are imported as libraries, which need no application: an error is a ready response,
# Werkzeug's password hashes are read by Werkzeug, and signals are blinker's.
LIBRARIES_OF = {"errors": "werkzeug.", "_passwords": "werkzeug.security", "signals": "blinker"}
# The private names that flask_jwt.extended imports; everything else it imports is public.
PRIVATE_NAMES_OF_EXTENDED = {
    "_context": {"app_state", "checked_config"},
    "_options": {"TokenLifetime", "TokenLocation"},
    "_settings": {"Spelling"},
}
# Not in __all__: programs written for Flask-JWT import them.
NAMES_OF_FLASK_JWT = {
    "CONFIG_DEFAULTS",
    "_default_auth_request_handler",
    "_default_auth_response_handler",
    "_default_jwt_decode_handler",
    "_default_jwt_encode_handler",
    "_default_jwt_error_handler",
    "_default_jwt_headers_handler",
    "_default_jwt_payload_handler",
    "_default_request_handler",
    "_jwt",
    "_jwt_required",
}
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
            if level and not is_of_the_same_room:
                assert ORDER.index(target) < ORDER.index(room), f"{room} imports {target}"


def test_extended_imports_public_names_and_a_few_private_ones():
    public = {*flask_jwt.__all__, "errors"}
    private = {}
    for path in (PACKAGE / "extended").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = {alias.name for alias in node.names}
                if node.module is None:
                    assert names <= public, path
                elif node.module.startswith("_"):
                    private.setdefault(node.module, set()).update(names)
    assert private == PRIVATE_NAMES_OF_EXTENDED


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_upper_half_knows_no_framework(path):
    room = name_of(path).split(".")[0]
    if room in FRAMEWORK_FREE:
        found = {
            module.split(".")[0]
            for level, module in imports(path)
            if not level and not module.startswith(LIBRARIES_OF.get(room, "no module"))
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
    assert source.count("\n") <= 500, "a module this long wants a reason, or to be two"
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
    assert set(flask_jwt.__all__) == exported - NAMES_OF_FLASK_JWT
    assert exported >= NAMES_OF_FLASK_JWT


@pytest.mark.parametrize("name", flask_jwt.__all__)
def test_public_names_are_documented(name):
    value = vars(flask_jwt)[name]
    assert type(value).__name__ == "LocalProxy" or value.__doc__, name
