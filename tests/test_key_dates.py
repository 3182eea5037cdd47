"""The dates in key files, and what becomes of them when a clock or an argument is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flask_jwt import ConfigError
from flask_jwt._cli import jwt_cli

from .support import code, issue, login, make_app


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, list(arguments))


@pytest.fixture
def app(tmp_path, clock):
    path = str(tmp_path / "keys.json")
    assert run(make_app(), "keys", "generate", "--file", path).exit_code == 0
    return make_app(JWT_KEY_FILE=path, clock=clock)


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e300", "1000000000000", "-1"])
def test_keep_for_never_makes_the_key_file_unreadable(app, seconds):
    """With inf, the file got an Infinity, and the application could not start again."""
    path = app.config["JWT_KEY_FILE"]
    before = Path(path).read_text()
    result = run(app, "keys", "rotate", "--now", "--keep-for", seconds)
    assert (result.exit_code, "Traceback" in result.output) == (2, False), result.output
    assert Path(path).read_text() == before
    assert run(app, "keys", "list").exit_code == 0


@pytest.mark.parametrize("date", [10**18, 10**400, 1e300, -1])
@pytest.mark.parametrize("name", ["sign_from", "verify_until"])
def test_a_date_that_is_none_is_one_message(app, name, date):
    path = app.config["JWT_KEY_FILE"]
    document = json.loads(Path(path).read_text())
    document["keys"][0][name] = date
    Path(path).write_text(json.dumps(document))
    result = run(app, "keys", "list")
    assert result.exit_code == 1
    assert "must be numbers of seconds" in result.output
    assert isinstance(result.exception, SystemExit)
    with pytest.raises(ConfigError, match="must be numbers of seconds"):
        make_app(JWT_KEY_FILE=path)


def test_the_first_key_signs_on_a_host_whose_clock_is_slow(app, clock):
    clock.tick(-3600 * 24 * 365)
    assert login(app.test_client()).status_code == 200


def test_without_a_key_that_can_sign_the_message_names_the_clock(app, clock):
    document = json.loads(Path(app.config["JWT_KEY_FILE"]).read_text())
    document["keys"][0]["sign_from"] = clock() + 5
    Path(app.config["JWT_KEY_FILE"]).write_text(json.dumps(document))
    late = make_app(JWT_KEY_FILE=app.config["JWT_KEY_FILE"], clock=clock)
    with pytest.raises(ConfigError, match="Check the clock"):
        issue(late)
    clock.tick(5)
    assert code(login(late.test_client())) == (200, None)


@pytest.mark.parametrize("path", ["", "{folder}/new/"])
def test_a_key_file_needs_a_name(app, tmp_path, path):
    result = run(app, "keys", "generate", "--file", path.format(folder=tmp_path))
    assert result.exit_code == 1
    assert "not the path of a file" in result.output
