"""Key files on disk: who may read them, links, locks, and files that are broken."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import time

import pytest
from flask import Flask

from flask_jwt import JWT, ConfigError, create_access_token, verify_jwt_in_request
from flask_jwt._cli import jwt_cli
from flask_jwt._jose.key_file import (
    change_key_file,
    create_key_file,
    read_key_file,
    rotate,
)
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import Key
from flask_jwt.testing import Clock
from tests.support import bearer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keys.json"
    create_key_file(str(path), KeySet([Key.generate()]))
    return path


def make_app(path):
    app = Flask("tested")
    app.config["JWT_KEY_FILE"] = str(path)
    JWT(app)
    return app


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, list(arguments))


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def add_key(keys):
    return rotate(keys, Key.generate(), now=time.time(), lifetime=300, delay=0)


def kids(path):
    return [key.kid for key in read_key_file(str(path)).keys]


# Folders, modes, links


def test_the_folder_is_created_for_the_owner_only(tmp_path):
    path = tmp_path / "instance" / "keys" / "jwt.json"
    old = os.umask(0)
    try:
        result = run(Flask("tool"), "keys", "generate", "--file", str(path))
    finally:
        os.umask(old)
    assert result.exit_code == 0, result.output
    assert [mode(path), mode(path.parent), mode(path.parent.parent)] == [0o600, 0o700, 0o700]
    assert read_key_file(str(path)).keys


def test_a_file_in_the_current_folder_needs_no_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(Flask("tool"), "keys", "generate", "--file", "keys.json").exit_code == 0
    assert run(make_app("keys.json"), "keys", "rotate").exit_code == 0
    assert len(kids("keys.json")) == 2


def test_an_existing_folder_keeps_its_mode(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    create_key_file(str(folder / "keys.json"), KeySet([Key.generate()]))
    assert mode(folder) == 0o755


@pytest.mark.parametrize(
    ("bits", "is_accepted"),
    [
        (0o600, True), (0o400, True), (0o440, True), (0o640, True), (0o550, True),
        (0o644, False), (0o604, False), (0o660, False), (0o620, False), (0o601, False),
        (0o602, False), (0o444, False), (0o777, False),
    ],
)  # fmt: skip
def test_the_group_may_read_and_others_may_not(path, bits, is_accepted):
    path.chmod(bits)
    if is_accepted:
        make_app(path)
    else:
        with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
            make_app(path)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o440])
def test_a_change_keeps_the_mode(path, bits):
    path.chmod(bits)
    assert run(make_app(path), "keys", "rotate", "--now").exit_code == 0
    assert mode(path) == bits


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_change_keeps_owner_and_group(path):
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    change_key_file(str(path), add_key)
    status = os.stat(path)
    assert (status.st_uid, status.st_gid, mode(path)) == (12345, 23456, 0o640)


def test_a_group_that_can_not_be_kept_is_no_reason_to_let_another_read(path, monkeypatch, caplog):
    def chown(*arguments):
        raise PermissionError

    os.chown(path, -1, 23456) if os.getuid() == 0 else pytest.skip("only root can prepare this")
    path.chmod(0o640)
    monkeypatch.setattr(os, "chown", chown)
    change_key_file(str(path), add_key)
    assert mode(path) == 0o600
    assert "belongs to another user or group" in caplog.text


def test_a_symbolic_link_stays_a_link(path, tmp_path):
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(path)
    before = kids(path)
    assert run(make_app(link), "keys", "rotate", "--now").exit_code == 0
    assert link.is_symlink()
    assert kids(path) == kids(link) != before
    assert list(link.parent.iterdir()) == [link], "the new file was written beside the real one"


def test_a_relative_link_and_a_link_to_a_link(path, tmp_path):
    (tmp_path / "one").symlink_to("keys.json")
    (tmp_path / "two").symlink_to("one")
    change_key_file(str(tmp_path / "two"), add_key)
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "two").is_symlink()
    assert len(kids(path)) == 2


def test_generate_follows_a_link_to_a_file_that_is_missing(tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "data" / "keys.json")
    assert run(Flask("tool"), "keys", "generate", "--file", str(link)).exit_code == 0
    assert link.is_symlink()
    assert kids(tmp_path / "data" / "keys.json")


def test_a_kubernetes_secret_is_followed(tmp_path, path):
    """The kubelet replaces ..data, a link to a folder, when the secret changes."""
    clock = Clock()
    for number in (1, 2):
        folder = tmp_path / f"..2026_{number}"
        folder.mkdir()
        shutil.copy(path, folder / "keys.json")
        (folder / "keys.json").chmod(0o440)
        change_key_file(str(path), add_key)
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "..data").symlink_to(tmp_path / "..2026_1")
    (volume / "keys.json").symlink_to("..data/keys.json")
    app = Flask("pod")
    app.config["JWT_KEY_FILE"] = volume / "keys.json"
    JWT(app)
    codecs = app.extensions["flask-jwt"].codecs
    app.extensions["flask-jwt"].clock.monotonic = clock
    assert len(codecs.access().keys.keys) == 1
    (volume / "..tmp").symlink_to(tmp_path / "..2026_2")
    os.replace(volume / "..tmp", volume / "..data")
    clock.tick(2)
    assert len(codecs.access().keys.keys) == 2


# Concurrent changes


WRITER = """
import sys, time
from flask_jwt._jose import key_file
from flask_jwt._jose.keys import Key
path, action, wait = sys.argv[1:4]

def change(keys):
    print("read", flush=True)
    time.sleep(float(wait))
    now = time.time()
    if action == "rotate":
        return key_file.rotate(keys, Key.generate(), now=now, lifetime=300, delay=0)
    return key_file.prune(keys, sys.argv[4:], now=now)

try:
    key_file.change_key_file(path, change)
except key_file.ConfigError as error:
    sys.exit(str(error))
"""


def start_writer(path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_pruned_key_never_comes_back(path):
    """A rotation has read the leaked key; while it runs, another process removes that key."""
    change_key_file(str(path), add_key)
    leaked = kids(path)[0]
    rotation = start_writer(path, "rotate", "1")
    assert rotation.stdout.readline() == "read\n"
    removal = start_writer(path, "prune", "0", leaked)
    assert removal.wait(20) == rotation.wait(20) == 0, (
        removal.stderr.read(),
        rotation.stderr.read(),
    )
    assert leaked not in kids(path)
    assert len(kids(path)) == 2, "the new key of the rotation is there"
    for process in (rotation, removal):
        process.communicate()


@pytest.mark.slow
def test_many_processes_lose_no_change(path):
    writers = [start_writer(path, "rotate", "0.01") for _ in range(6)]
    assert [writer.wait(60) for writer in writers] == [0] * 6
    for writer in writers:
        writer.communicate()
    assert len(kids(path)) == 7


def test_a_change_without_the_lock_stops_the_command(path):
    """An editor, or a copy from another host, takes no lock."""
    leaked = kids(path)[0]

    def change(keys):
        other = KeySet([Key.generate()])
        path.write_text(json.dumps({"keys": [key.private_jwk() for key in other.keys]}))
        return add_key(keys)

    with pytest.raises(ConfigError, match="changed while.*again"):
        change_key_file(str(path), change)
    assert leaked not in kids(path)
    assert sorted(os.listdir(path.parent)) == ["keys.json"], "no draft is left"


def test_two_processes_that_generate_one_file_make_one(tmp_path):
    code = (
        "import sys; from flask_jwt._jose.key_file import *; from flask_jwt._jose.keys import Key\n"
        "create_key_file(sys.argv[1], KeySet([Key.generate()]))"
    )
    path = tmp_path / "made" / "keys.json"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert sorted(process.wait(60) for process in processes) == [0, 1, 1, 1]
    for process in processes:
        assert b"Permission" not in process.communicate()[1]


def test_where_there_are_no_locks_the_comparison_remains(path, monkeypatch):
    monkeypatch.setattr("flask_jwt._jose.key_file.fcntl", None)
    change_key_file(str(path), add_key)
    assert len(kids(path)) == 2
    test_a_change_without_the_lock_stops_the_command(path)


# Broken files


BROKEN = {
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "cut short": ('{"keys": [', "keys.json"),
    "no JSON": ("-----BEGIN PRIVATE KEY-----", "keys.json"),
    "no UTF-8": (b"\xff\xfe", "keys.json"),
    "another document": ("[]", "A JWKS must be a JSON object"),
    "no keys": ('{"keys": []}', "holds no keys"),
    "a key without members": ('{"keys": [{}]}', "keys.json"),
    "a member of another type": (
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": 5}]}', "keys.json"
    ),
    "an unknown curve": ('{"keys": [{"kty": "EC", "crv": "P-512", "x": "AA", "y": "AA"}]}', "alg"),
    "deep nesting": ('{"keys": ' + "[" * 100_000, "keys.json"),
}  # fmt: skip


def break_file(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_at_start(name, path):
    content, reason = BROKEN[name]
    break_file(path, content)
    with pytest.raises(ConfigError, match=reason) as caught:
        make_app(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("command", [
    ["keys", "list"], ["keys", "rotate"], ["keys", "prune"], ["inspect", "a.b.c"],
    ["sessions", "list", "1"],
])  # fmt: skip
def test_a_command_of_an_application_that_can_not_start_prints_no_traceback(path, command):
    path.write_text("")
    (path.parent / "app.py").write_text(
        "from flask import Flask\nfrom flask_jwt import JWT\n"
        f"app = Flask('broken')\napp.config['JWT_KEY_FILE'] = {str(path)!r}\nJWT(app)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "flask", "jwt", *command],
        cwd=path.parent, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == f"Error: JWT_KEY_FILE {path} is empty\n"


def test_a_file_or_folder_that_can_not_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = run(Flask("tool"), "keys", "generate", "--file", str(tmp_path / "file" / "keys.json"))
    assert result.exit_code == 1
    assert "can't be written: Not a directory" in result.output
    assert "Traceback" not in result.output


@pytest.fixture
def running(path):
    """An application that runs, and a function that lets it check the file."""
    app = make_app(path)
    clock = Clock(time.monotonic() + 10)
    app.extensions["flask-jwt"].clock.monotonic = clock
    codecs = app.extensions["flask-jwt"].codecs
    codecs.access()

    def check(seconds=2):
        clock.tick(seconds)
        return [key.kid for key in codecs.access().keys.keys]

    return check


@pytest.mark.parametrize("name", BROKEN)
def test_a_running_application_keeps_its_keys_and_logs_once(name, path, running, caplog):
    before = kids(path)
    break_file(path, BROKEN[name][0])
    for _ in range(5):
        assert running() == before
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


def test_each_change_to_a_broken_file_is_logged_once(path, running, caplog):
    before, valid = kids(path), path.read_bytes()
    break_file(path, "")
    assert [running(), running()] == [before, before]
    path.unlink()
    assert [running(), running()] == [before, before]
    path.write_bytes(valid)
    path.chmod(0o644)
    assert [running(), running()] == [before, before]
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 3
    path.chmod(0o600)
    change_key_file(str(path), add_key)
    assert running() == kids(path) != before
    break_file(path, "")
    assert [running(), running()] == [running(), running()]
    assert len(caplog.records) == 4


# Several hosts


def test_rotate_says_to_copy_the_file_to_every_host(path):
    result = run(make_app(path), "keys", "rotate", "--json")
    assert result.exit_code == 0
    pending = json.loads(result.stdout)[-1]
    date = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(pending["sign_from"]))
    assert f"copy {path} to each of them before {date}" in result.stderr
    assert (
        f"copy {path} to each of them now" in run(make_app(path), "keys", "rotate", "--now").stderr
    )


def test_a_copy_before_sign_from_rejects_no_token(path, tmp_path):
    clock = Clock(time.time() + 1)
    other = tmp_path / "other.json"
    hosts = []
    for file in (path, other):
        if file is other:
            run(hosts[0], "keys", "rotate")
            shutil.copy(path, other)
        app = Flask("host")
        app.config["JWT_KEY_FILE"] = file
        JWT(app, clock=clock)
        hosts.append(app)
    ahead = Clock(time.monotonic() + 10)
    for app in hosts:
        app.extensions["flask-jwt"].clock.monotonic = ahead
    clock.tick(700)
    for issuer in hosts:
        with issuer.app_context():
            token = create_access_token(1)
        for verifier in hosts:
            with verifier.test_request_context(headers=bearer(token)):
                verify_jwt_in_request()
