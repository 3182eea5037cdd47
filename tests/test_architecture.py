"""The rules of docs/design/architecture.md, which no single file shows: who may import what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flask_jwt
from tests.support import ROOT

PACKAGE = Path(flask_jwt.__file__).parent

# A module may import what stands above its own room, which is a folder or a module of the root.
ROOMS = [
    "errors", "signals", "_clock", "_former_names",
    "_jose", "stores", "_issuers", "_config", "_sessions", "_login",
    "_web", "openapi", "__init__", "extended", "_cli", "testing",
]  # fmt: skip
FRAMEWORK_FREE = ROOMS[: ROOMS.index("_web")]
FRAMEWORKS = {"flask", "werkzeug", "click"}
# Werkzeug is imported as a library, which needs no application: an error is a ready response, and
# Werkzeug's password hashes are read by Werkzeug.
WERKZEUG_IN = {"errors": "werkzeug.", "_login.passwords": "werkzeug.security"}
DRIVERS_OF = {
    "stores.sql": {"sqlalchemy"},
    "stores._sql_engine": {"sqlalchemy"},
    "stores._sql_counters": {"sqlalchemy"},
    "stores._sql_statements": {"sqlalchemy"},
    "stores._sql_tables": {"sqlalchemy"},
    "stores.redis": {"redis"},
    "stores._redis_client": {"redis"},
    "stores._redis_counters": {"redis"},
    "stores._redis_scripts": {"redis"},
    "stores._redis_connections": {"redis"},
    "stores._redis_errors": {"redis"},
    "stores._sql_errors": {"sqlalchemy"},
    "stores._psycopg": {"psycopg"},
    "stores._pymysql": {"pymysql"},
    "stores._mysqlclient": {"MySQLdb"},
    "_login.passwords": {"argon2", "bcrypt"},
    "_cli.passwords": {"sqlalchemy"},
}
DRIVERS = {"sqlalchemy", "redis", "argon2", "bcrypt", "psycopg", "pymysql", "MySQLdb"}
# The private names that flask_jwt.extended imports; everything else that it imports is public.
PRIVATE_NAMES_OF_EXTENDED = {
    "_config.options": {"TokenLifetime", "TokenLocation"},
    "_config.profile": {"Profile"},
    "_former_names": {"OF_EXTENDED", "describe_import"},
    "_jose.claims": {"Claims", "Header"},
    "_jose.grants": {"RequiredNames", "parse_requirement"},
    "_web.app_state": {"AppState"},
    "_web.context": {"app_state", "checked_config", "foreign_identity"},
    "_web.current_user": {"UserProxy"},
    "_web.foreign_tokens": {"parse_issuer_names"},
    "_web.guard": {"check_revocation", "make_guard"},
    "_web.guarded_views": {"GuardOptions"},
    "_web.responses": {"render", "render_under_extensions"},
    "_web.rest_extensions": {"find_failing_api", "is_restx"},
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
    "_request_ctx_stack",
    "encode_token",
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """``stores.sql`` for stores/sql.py, ``stores`` for its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def imports(path):
    """Each import of a module, type-only ones too, as a dotted name from the package's root.

    What is not of this package has its own name; ``from . import x`` counts as ``x``.
    """
    folder = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ("__init__" if a.name == "flask_jwt" else a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                target = ".".join([*base, name])
                if node.level and not is_module(target):
                    target = ".".join(base) or "__init__"
                yield target.removeprefix("flask_jwt.") if not node.level else target


def is_module(name):
    place = PACKAGE.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def is_own(name):
    return name.split(".")[0] in ROOMS


def own_imports(path):
    """Each import of this package."""
    return set(filter(is_own, imports(path)))


def test_one_module_reads_names_of_the_package_itself():
    """Test suites written for Flask-JWT replace them; anywhere else this would hide a circle."""
    reading = {name_of(path) for path in modules() if "sys.modules" in path.read_text()}
    assert reading == {"_web.replaceable"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_room_imports_only_rooms_above_it(path):
    room = name_of(path).split(".")[0]
    for target in own_imports(path):
        other = target.split(".")[0]
        assert other == room or ROOMS.index(other) < ROOMS.index(room), target


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


def test_no_circle_inside_a_room():
    graph = {name_of(p): own_imports(p) - {name_of(p)} for p in modules()}
    while leaves := [name for name, targets in graph.items() if not targets & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, "these import each other, or something that does"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_upper_half_knows_no_framework(path):
    name = name_of(path)
    if name.split(".")[0] in FRAMEWORK_FREE:
        allowed = WERKZEUG_IN.get(name, "nothing")
        found = {target.split(".")[0] for target in imports(path) if not target.startswith(allowed)}
        assert not found & FRAMEWORKS


def test_the_root_has_few_doors():
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert sum(path.suffix == ".py" for path in entries) <= 12
    assert sum(path.is_dir() for path in entries) <= 10


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_current_app_is_named_in_few_places(path):
    named = any(
        isinstance(node, (ast.Name, ast.alias)) and "current_app" in ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert not named or name_of(path) in {"_cli", "testing"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_drivers_are_imported_only_in_their_own_module(path):
    found = {target.split(".")[0] for target in imports(path)}
    assert not found & DRIVERS - DRIVERS_OF.get(name_of(path), set())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_no_module_is_a_drawer_for_everything(path):
    names_are_another_s = path.parent.name == "extended"  # Flask-JWT-Extended's modules
    assert names_are_another_s or path.stem.strip("_") not in {"utils", "helpers", "common"}


def test_the_page_names_each_module():
    page = (ROOT / "docs/design/architecture.md").read_text()
    named = set(re.findall(r"\w+", page.partition("```")[2].partition("```")[0]))
    others = {"extended", "diagnosis"}  # the page describes each of these folders as a whole
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent.name not in others]
    assert [path.stem for path in modules if path.stem not in named | {"__init__"}] == []


def test_public_names_are_listed():
    exported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert set(flask_jwt.__all__) == exported - NAMES_OF_FLASK_JWT
    assert exported >= NAMES_OF_FLASK_JWT


def test_classes_for_annotations_are_loaded_when_they_are_named():
    """An application without sessions does not load them."""
    code = (
        "import sys, flask_jwt; assert 'flask_jwt._sessions.manager' not in sys.modules;"
        "assert not hasattr(flask_jwt, 'Nothing');"
        "from flask_jwt import Session, SessionManager, Tokens"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", flask_jwt.__all__)
def test_public_names_are_documented(name):
    value = getattr(flask_jwt, name)
    assert type(value).__name__ == "LocalProxy" or value.__doc__, name
