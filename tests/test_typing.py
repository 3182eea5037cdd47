"""Annotations: the types that mypy and pyright find in programs that use this package."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A line ends with the type that its reveal_type() has, or with "rejected" if it is an error.
PROGRAM = """
from datetime import timedelta
from typing import Any

import flask_jwt
from flask_jwt import CONFIG_DEFAULTS, PasswordCheck, Session, Tokens, _jwt, extended

jwt = flask_jwt.JWT()
manager = extended.JWTManager()


@flask_jwt.jwt_required(locations=["cookies", "headers"], fresh=timedelta(minutes=5))
def native(number: int, text: str = "") -> dict[str, str]:
    return {}


@extended.jwt_required(locations="cookies")
def view(number: int, text: str = "") -> dict[str, str]:
    return {}


@jwt.exempt
def exempt(number: int) -> str:
    return ""


@jwt.identity_handler
def identity(payload: dict[str, Any]) -> str:
    return ""


@manager.expired_token_loader
def expired(jwt_header: dict[str, Any], jwt_payload: dict[str, Any]) -> tuple[str, int]:
    return "", 401


@manager.unauthorized_loader
async def unauthorized(reason: str) -> tuple[str, int]:
    return reason, 401


def show(session: Session, tokens: Tokens, check: PasswordCheck) -> None: ...


reveal_type(native)  # (number: int, text: str) -> dict[str, str]
reveal_type(view)  # (number: int, text: str) -> dict[str, str]
reveal_type(exempt)  # (number: int) -> str
reveal_type(identity)  # (payload: dict[str, Any]) -> str
reveal_type(expired)  # (jwt_header: dict[str, Any], jwt_payload: dict[str, Any]) -> tuple[str, int]
reveal_type(manager._expired_token_callback)  # (dict[str, Any], dict[str, Any]) -> Any
reveal_type(manager._decode_key_callback)  # (dict[str, Any], dict[str, Any]) -> Any
reveal_type(manager._user_claims_callback)  # (Any) -> Any
reveal_type(flask_jwt.get_jwt())  # dict[str, Any]
reveal_type(extended.get_jwt())  # dict[str, Any]
reveal_type(jwt.sessions)  # SessionManager

flask_jwt.create_access_token(1, expires_delta=5)
flask_jwt.create_refresh_token(1, expires_delta=timedelta(days=1))
extended.create_access_token("1", expires_delta=False)
extended.create_refresh_token("1", expires_delta=0.5)

native("x")  # rejected
view("x")  # rejected
manager.unauthorized_loader(expired)  # rejected
manager.expired_token_loader(unauthorized)  # rejected
flask_jwt.jwt_required(locations="header")  # rejected
extended.jwt_required(locations=["header"])  # rejected
flask_jwt.create_access_token(1, expires_delta="1h")  # rejected
extended.create_access_token("1", expires_delta="1h")  # rejected
"""

EXPECTED = {
    number: comment
    for number, line in enumerate(PROGRAM.splitlines(), 1)
    for _, _, comment in [line.partition("  # ")]
    if comment
}


@pytest.fixture
def folder(tmp_path):
    """A folder with PROGRAM and the example of a typed user, as a project of its own."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "typed.py").write_text((ROOT / "examples/login/typed.py").read_text())
    settings = {"include": ["*.py"], "extraPaths": [str(ROOT / "src")], "pythonVersion": "3.10"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    return tmp_path


def simplified(message):
    """The type that a note reveals, in one notation for both checkers; else "rejected"."""
    revealed = re.search(r'(?:Revealed type is|Type of ".*" is) "(.*)"', message)
    if revealed is None:
        return "rejected"
    shown = re.sub(r"^def |builtins\.|typing\.|flask_jwt\.[\w.]+\.", "", revealed[1])
    return re.sub(r' ?= ?("")?(?=[,)])', "", shown)


@pytest.mark.slow
def test_mypy(folder):
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--output=json"]
    command += ["--python-version=3.10", "--follow-imports=silent", "program.py", "typed.py"]
    checked = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    notes = [json.loads(line) for line in checked.stdout.splitlines()]
    assert {note["file"] for note in notes} == {"program.py"}, notes
    assert {note["line"]: simplified(note["message"]) for note in notes} == EXPECTED


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright isn't installed")
def test_pyright(folder):
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    checked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    notes = json.loads(checked.stdout)["generalDiagnostics"]
    assert {Path(note["file"]).name for note in notes} == {"program.py"}, notes
    found = {note["range"]["start"]["line"] + 1: simplified(note["message"]) for note in notes}
    assert found == EXPECTED
