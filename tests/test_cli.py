"""The command line: whatever is put in, no traceback, no control characters, tables of 80 columns.

What is put in comes from attackers (tokens, user agents, labels), from files, and from the shell.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import unicodedata
from dataclasses import replace

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_jwt import Issuer, create_refresh_token
from flask_jwt._cli import jwt_cli
from flask_jwt._cli.output import clean, print_table
from flask_jwt._jose.key_set import KeySet
from flask_jwt._jose.keys import Key
from flask_jwt.testing import FakeIssuer
from tests.support import ROOT, SECRET, issue, login

CONTROLS = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H",
    "overwrite": "ok\r\x1b[Kadmin",
    "8-bit CSI": "\x9b31mred",
    "direction": "\u202egnp.exe",
    "newline": "a\nb: forged",
    "DEL": "a\x7fb",
    "NUL": "a\x00b",
    "surrogate": "a\ud800b",
    "not UTF-8, from the shell": os.fsdecode(b"a\xff\xfe"),
    "line separator": "a\u2028b",
    "zero width": "a\u200bb",
    "private use": "a\ue000b",
}
ODD = {
    **CONTROLS,
    "empty": "",
    "blank": " ",
    "dash": "-x",
    "dashes": "--",
    "option": "--help-me",
    "long": "x" * 5000,
    "wide": "名前" * 400,
    "combining": "e\u0301" * 300,
    "markup": "[bold]%s%n{0}",
    "number": "9" * 400,
    "JSON": '{"a": [1, {"b": null}]}',
    "deep JSON": "[" * 3000,
    "path": "../../etc/passwd",
    "token": "a.b.c",
    "JWE": "a.b.c.d.e",
}
odd = pytest.mark.parametrize("value", ODD.values(), ids=ODD)


def run(app, *arguments, **options):
    return app.test_cli_runner().invoke(jwt_cli, list(arguments), **options)


def width(line):
    wide = sum(unicodedata.east_asian_width(c) in "FW" for c in line)
    return len(line) + wide - sum(unicodedata.combining(c) > 0 for c in line)


def check(result, *, is_table=False):
    """Check what a terminal shows, and return the result."""
    if not isinstance(result.exception, (SystemExit, type(None))):
        raise AssertionError(f"a traceback: {result.exception!r}") from result.exception
    assert result.exit_code in (0, 1, 2)
    shown = result.output + result.stderr
    assert "Traceback" not in shown
    assert [c for c in shown if not c.isprintable() and c != "\n"] == []
    if is_table:
        assert [line for line in result.stdout.split("\n") if width(line) > 80] == []
    return result


@pytest.fixture
def shop(make_app):
    return make_app(JWT_STORAGE_URI="memory://")


def store_session(app, **fields):
    """Store a session as another program or an earlier version may have written it."""
    login(app.test_client())
    with app.app_context():
        manager = app.jwt.sessions
        (session,) = manager.list(1)
        manager.revoke(session.sid)
        changed = replace(session, **{"sid": "other-sid", **fields})
        manager.store.create(changed)
    return changed


# Arguments


COMMANDS = [
    ("sessions", "list"),
    ("sessions", "list", "--json"),
    ("sessions", "list", "--type", "json"),
    ("sessions", "show"),
    ("sessions", "revoke"),
    ("sessions", "revoke", "--subject"),
    ("sessions", "revoke", "--type"),
    ("sessions",),
    ("sessions", "stats"),
    ("sessions", "upgrade"),
    ("keys", "generate", "--algorithm"),
    ("keys", "generate", "--file"),
    ("keys", "list"),
    ("keys", "prune"),
    ("keys", "rotate", "--keep-for"),
    ("keys", "rotate", "--now"),
    ("keys",),
    ("inspect",),
    ("inspect", "--json"),
    ("inspect", "a.b.c"),
    ("passwords", "check", "--file"),
    ("passwords", "check", "--database", "sqlite://", "--table"),
    ("passwords", "check", "--table", "t", "--column", "c", "--database"),
    ("passwords", "check", "--table", "t", "--database", "sqlite://", "--column"),
    ("secret", "--bytes"),
    (),
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@odd
def test_an_odd_argument(shop, command, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    shop.config["JWT_KEY_FILE"] = str(path)
    check(run(shop, *command, value, input=""))


@odd
def test_odd_standard_input(shop, value):
    data = value.encode("utf-8", "surrogatepass")
    check(run(shop, "inspect", "-", input=data))
    check(run(shop, "passwords", "check", "--file", "-", input=data))


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 9, b"\xff\xfea\0", b"\x80" * 99, b"\0" * 2**21]
)
def test_binary_standard_input(shop, data):
    assert check(run(shop, "inspect", "-", input=data)).exit_code == 1
    assert check(run(shop, "passwords", "check", "--file", "-", input=data)).exit_code == 0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_token(text):
    app = Flask("tool")
    app.secret_key = SECRET
    from flask_jwt import JWT

    JWT(app)
    check(run(app, "inspect", "--", text))


# Content of tokens, stores and key files


@odd
def test_an_odd_token(shop, value):
    claims = {"a": value, value: 1, "list": [value], "sub2": {value: value}}
    try:
        token = issue(shop, 1, claims=claims, headers={"kid": value, "x": value})
    except ValueError:
        pytest.skip("such a token can't be issued")
    result = check(run(shop, "inspect", token), is_table=True)
    if "accepts" in result.output:
        assert result.exit_code == 0
    check(run(shop, "inspect", token + value))


@odd
def test_an_odd_session(shop, value):
    session = store_session(shop, label=value, user_agent=value, ip=value, sid=value or "x")
    result = check(run(shop, "sessions", "list", "1", "--type", "json"), is_table=True)
    assert result.exit_code == 0, result.output
    check(run(shop, "sessions", "show", "--", session.sid), is_table=True)
    assert check(run(shop, "sessions", "list", "1", "--json")).exit_code == 0
    check(run(shop, "sessions", "revoke", "--", session.sid))


@odd
def test_an_odd_kid(make_app, tmp_path, value):
    path = tmp_path / "keys.json"
    key = Key.generate(kid=value or "x")
    path.write_text(json.dumps({"keys": [key.private_jwk()]}))
    path.chmod(0o600)
    if any(0xD800 <= ord(c) < 0xE000 for c in value):
        assert check(flask(path, "keys", "list")).exit_code == 1
        return
    app = make_app(JWT_KEY_FILE=str(path))
    assert check(run(app, "keys", "list"), is_table=True).exit_code == 0
    check(run(app, "keys", "prune", "--", value))
    assert check(run(app, "keys", "rotate", "--now")).exit_code == 0
    check(run(app, "inspect", issue(app)), is_table=True)


BROKEN = {
    "binary": bytes(range(256)),
    "empty": b"",
    "not JSON": b"\x1b[2J",
    "no keys": b"{}",
    "list": b"[]",
    "deep": b"[" * 100_000,
    "long": b'{"keys": [' + b" " * 2**21 + b"]}",
    "kid of controls, and no key": b'{"keys": [{"kty": "oct", "kid": "\\u001b[2J", "k": "AA"}]}',
    "dates": b'{"keys": [{"kty": "oct", "alg": "HS256", "sign_from": 1e999}]}',
}


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["prune"], ["prune", "x"]], ids=" ".join)
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_key_file(tmp_path, content, command):
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    path.chmod(0o600)
    result = check(flask(path, "keys", *command))
    assert result.exit_code == 1
    assert str(path) in result.output


@pytest.mark.parametrize("place", ["folder", "missing", "FIFO", "device", "loop", "file as folder"])
@pytest.mark.parametrize("option", ["JWT_KEY_FILE", "JWT_PRIVATE_KEY", "JWT_PUBLIC_KEY", "--file"])
def test_a_path_that_is_no_file(tmp_path, place, option):
    path = tmp_path / "keys.pem"
    if place == "folder":
        path.mkdir()
    elif place == "FIFO":
        os.mkfifo(path)
    elif place == "device":
        path = "/dev/null" if option == "--file" else "/dev/zero"
    elif place == "loop":
        path.symlink_to(path)
    elif place == "file as folder":
        path.write_text("x")
        path = path / "keys.pem"
    if option != "--file":
        assert check(flask(path, "keys", "list", option=option)).exit_code == 1
        return
    assert check(run(Flask("tool"), "keys", "generate", "--file", str(path))).exit_code == (
        0 if place == "missing" else 1
    )
    if place == "FIFO":
        threading.Thread(target=path.write_text, args=["plain\n"], daemon=True).start()
    result = check(run(Flask("tool"), "passwords", "check", "--file", str(path)))
    assert result.exit_code == (0 if place in ("missing", "FIFO", "device") else 1)


def flask(path, *arguments, option="JWT_KEY_FILE"):
    """Run a command of an application that can't start; it is loaded by the command."""
    from flask.cli import ScriptInfo

    def create_app():
        from flask_jwt import JWT

        app = Flask("tool")
        app.config.update({option: os.fspath(path), "SECRET_KEY": SECRET})
        JWT(app)
        return app

    return (
        Flask("tool")
        .test_cli_runner()
        .invoke(jwt_cli, list(arguments), obj=ScriptInfo(create_app=create_app))
    )


# Tables


cells = st.one_of(st.text(max_size=120), st.sampled_from([*ODD.values()]), st.integers(), st.none())


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 7))
def test_any_table_has_80_columns_and_loses_nothing(data, columns):
    rows = data.draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), max_size=4))
    headings = ["KID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL", "IP", ""][:columns]
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", lambda line="": printed.append(line))
        print_table(headings, rows)
    assert [line for line in printed if width(line) > 80] == []
    assert "".join(printed).replace("\n", "").isprintable()
    shown = "".join("".join(printed).split())
    for cell in (cell for row in rows for cell in row):
        assert set("".join(clean(cell).split())) <= set(shown)
    assert printed == ["none"] or rows


def test_a_long_cell_goes_on_below(capsys):
    print_table(("NAME", "VALUE"), [("a", "x" * 100), ("b", 1)])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "NAME  VALUE"
    assert lines == ["a     " + "x" * 74, "      " + "x" * 26, "b     1"]


def test_rows_that_are_too_wide_become_lists(make_app, tmp_path):
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    app = make_app(JWT_KEY_FILE=str(path))
    result = check(run(app, "keys", "rotate"), is_table=True)
    kids = [json.loads(path.read_text())["keys"][number]["kid"] for number in (0, 1)]
    for kid in kids:
        assert f"KID             {kid}\n" in result.output, "in one piece, to copy it"
    assert "STATE           pending" in result.output


def test_the_only_key_can_be_copied(make_app, tmp_path):
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    (key,) = json.loads(path.read_text())["keys"]
    for command in ("list", "prune"):
        result = check(run(make_app(JWT_KEY_FILE=str(path)), "keys", command), is_table=True)
        assert f"KID             {key['kid']}\n" in result.output


@pytest.mark.parametrize("table", [["list"], ["check"]])
def test_the_name_of_an_issuer_can_be_copied(make_app, table):
    url = "https://sso.acme.dev/realms/a-realm-with-a-rather-long-name"
    keys = FakeIssuer(url).jwks()
    issuer = Issuer(url, audience="https://api.acme.dev", jwks=keys)
    result = check(run(make_app(JWT_ISSUERS=[issuer]), "issuers", *table), is_table=True)
    assert url in result.output


def test_an_empty_list_says_none(shop):
    result = check(run(shop, "sessions", "list", "joe"))
    assert (result.exit_code, result.output.split(":")[0]) == (0, "none")
    assert json.loads(run(shop, "sessions", "list", "joe", "--json").output) == []
    both = check(run(shop, "sessions", "list", "99"))
    assert both.exit_code == 0
    assert both.output == 'none: the string "99" and the number 99 have no active sessions\n'


# Inspect


AROUND = [
    "{}", "Bearer {}", "bearer  {}", "JWT {}", "Bearer: {}", "Authorization: Bearer {}", '"{}"',
    "'{}'", "b'{}'", '"Bearer {}"', "  {}\n", "`{}`,", '"{}",', "Token {}",
]  # fmt: skip


@pytest.mark.parametrize("around", AROUND)
def test_inspect_takes_a_token_as_it_was_copied(shop, around):
    token = issue(shop)
    for result in (
        run(shop, "inspect", "--", around.format(token)),
        run(shop, "inspect", "-", input=around.format(token)),
    ):
        assert check(result, is_table=True).exit_code == 0, result.output
        assert "accepts the token" in result.output


def test_inspect_says_what_kind_of_token_it_got(shop):
    session = login(shop.test_client()).get_json()
    with shop.app_context():
        refresh = create_refresh_token(1)
    kinds = {
        session["access_token"]: ("an access token", 0),
        session["refresh_token"]: ("a refresh token of a session", 1),
        refresh: ("a refresh token without a session", 1),
        issue(shop, claims={"nonce": "n"}): ("an ID token", 0),
        issue(shop, claims={"type": "invite"}, overwrite=True): ("a token of another type", 1),
        "eyJhbGciOiJkaXIifQ....": ("an encrypted token", 1),
        "opaque": ("not a JWT", 1),
        "": ("not a JWT", 1),
    }
    for token, (kind, status) in kinds.items():
        result = check(run(shop, "inspect", "--", token), is_table=False)
        assert kind in result.output
        assert result.exit_code == status
        assert kind in json.loads(run(shop, "inspect", "--json", "--", token).output)["kind"]


def test_inspect_gives_the_hint(shop):
    assert "sent a JSON document" in run(shop, "inspect", '{"access_token": "x"}').output
    assert 'sent "undefined"' in run(shop, "inspect", "Bearer undefined").output


# Keys


def test_the_only_key_is_not_pruned(make_app, tmp_path):
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    app = make_app(JWT_KEY_FILE=str(path))
    (kid,) = (key["kid"] for key in json.loads(path.read_text())["keys"])
    result = check(run(app, "keys", "prune", "--", kid))
    assert result.exit_code == 1
    assert "Rotate first" in result.output
    run(app, "keys", "rotate")
    pending = check(run(app, "keys", "prune", "--", kid))
    assert "Rotate first" in pending.output, "the new key doesn't sign yet"
    run(app, "keys", "rotate", "--now")
    assert run(app, "keys", "prune", "--", kid).exit_code == 0


def test_rotating_at_once_reports_the_pending_key_that_it_removes(make_app, tmp_path):
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    app = make_app(JWT_KEY_FILE=str(path))
    assert "Removed" not in run(app, "keys", "rotate", "--now").stderr
    rows = json.loads(run(app, "keys", "rotate", "--json").stdout)
    (kid,) = (row["kid"] for row in rows if row["state"] == "pending")
    assert f"Removed the pending key {kid}, " in check(run(app, "keys", "rotate", "--now")).stderr


def test_the_advice_on_the_key_file_names_the_environment(make_app, tmp_path):
    created = run(Flask("tool"), "keys", "generate", "--file", str(tmp_path / "keys.json"))
    missing = run(make_app(), "keys", "list")
    for text in (created.stderr, missing.output + missing.stderr):
        assert "JWT_KEY_FILE" in text
        assert "FLASK_JWT_KEY_FILE" in text
        assert "from_prefixed_env()" in text


@pytest.mark.parametrize("command", [["rotate", "--now"], ["prune"]], ids=" ".join)
def test_a_command_that_waits_for_a_lock_says_so(make_app, tmp_path, command, monkeypatch):
    path = tmp_path / "keys.json"
    run(Flask("tool"), "keys", "generate", "--file", str(path))
    app = make_app(JWT_KEY_FILE=str(path))
    assert "Waiting" not in run(app, "keys", *command).stderr
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)

    lock = fcntl.flock

    def flock(descriptor, operation):
        # What waits would wait indefinitely: the other process ends as soon as the command waits.
        if not operation & fcntl.LOCK_NB:
            os.close(folder)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    result = check(run(app, "keys", *command))
    assert result.exit_code == 0
    assert f"Waiting: another process is changing the folder of {path}" in result.stderr


# The real program


@pytest.mark.slow
def test_flask_itself_shows_no_traceback_and_no_control_characters(tmp_path):
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom flask_jwt import JWT\napp = Flask('app')\n"
        f"app.secret_key = {SECRET!r}\njwt = JWT(app)\n"
    )
    calls = {
        ("inspect", b"\x1b[2J\xff"): 1,
        ("keys", b"\x1b]0;x\x07"): 2,
        ("keys", "list"): 1,
        ("keys", "prune", b"\x9b\xff"): 1,
        ("sessions", "list", "1"): 1,
        ("inspect",): 2,
        ("passwords", "check", "--file", b"/nope\x1b\xff"): 1,
        ("secret",): 0,
    }
    for arguments, status in calls.items():
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", "jwt", *arguments],
            cwd=tmp_path, env={"PYTHONPATH": f"{ROOT / 'src'}", "LC_ALL": "C.UTF-8"},
            capture_output=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        shown = (done.stdout + done.stderr).decode()
        assert done.returncode == status, (arguments, shown)
        assert "Traceback" not in shown
        assert [c for c in shown if not c.isprintable() and c != "\n"] == [], arguments


def test_keys_of_a_set_are_shown_in_the_order_of_their_dates(make_app, tmp_path):
    keys = KeySet([Key.generate(kid=kid, sign_from=date) for kid, date in (("b", 2), ("a", 1))])
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [key.private_jwk() for key in keys.keys]}))
    path.chmod(0o600)
    lines = run(make_app(JWT_KEY_FILE=str(path)), "keys", "list").output.splitlines()
    assert [line.split()[0] for line in lines] == ["KID", "a", "b"]
