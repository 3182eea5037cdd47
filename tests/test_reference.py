"""docs/reference: everything public is in it, and its tables say what the code does.

After a change of the commands, ``python -m tests.test_reference`` writes docs/reference/cli.md.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import click
import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt
from flask_jwt import JWT, errors, jwt_required, signals
from flask_jwt._cli import jwt_cli
from flask_jwt._config.settings import OPTIONS
from flask_jwt.extended import JWTManager
from tests.support import ROOT, SECRET, bearer

REFERENCE = ROOT / "docs/reference"
CLI_PAGE = REFERENCE / "cli.md"


def rows(page: str, first_cell: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables whose heading begins with *first_cell*."""
    is_wanted = False
    for line in (REFERENCE / page).read_text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            is_wanted = False
        elif is_wanted and set(line) - set("|-: "):
            yield cells
        elif cells[0] == first_cell:
            is_wanted = True


def code_in(text: str) -> list[str]:
    return re.findall(r"`([^`]*)`", text)


# Names


DOCUMENTED = re.compile(r"^\.\. (?:auto|py:)\w+:: ([\w.]+)", re.MULTILINE)
MODULES = ["", ".errors", ".extended", ".openapi", ".signals", ".stores", ".testing"]


def public_names() -> list[str]:
    names = []
    for each in MODULES:
        module = importlib.import_module(f"flask_jwt{each}")
        public = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
            and issubclass(value, Exception)
        ]  # fmt: skip
        names += [f"{module.__name__}.{name}" for name in public]
    return names


DOCUMENTED_ELSEWHERE = {
    "flask_jwt.ConfigError": "flask_jwt.errors.ConfigError",
    "flask_jwt.JWTError": "flask_jwt.errors.JWTError",
    "flask_jwt.stores.Session": "flask_jwt.Session",
}


def documented_names() -> list[str]:
    return [
        name for page in REFERENCE.rglob("*.md") for name in DOCUMENTED.findall(page.read_text())
    ]


@pytest.mark.parametrize("name", public_names())
def test_a_public_name_is_in_the_reference(name):
    assert documented_names().count(DOCUMENTED_ELSEWHERE.get(name, name)) == 1


def test_the_reference_has_only_public_names():
    modules = {"flask_jwt.errors", "flask_jwt.signals", "flask_jwt.extended.exceptions"}
    assert not set(documented_names()) - set(public_names()) - modules


# What the extension classes have for other modules of this package.
NOT_FOR_APPLICATIONS = {"issues_for_users", "profile", "translate_error"}
NOT_FOR_APPLICATIONS_OF_SESSIONS = {
    "begin_refresh", "check_access_token", "complete_refresh", "drop_superseded",
    "follow_revocations", "have_same_user",
}  # fmt: skip


def options_of(name: str, page: str = "api.md") -> str:
    text = (REFERENCE / page).read_text()
    return re.search(rf":: {re.escape(name)}(?:\(\))?\n((?:   :.*\n)*)", text)[1]


def public_attributes(owner: type) -> set[str]:
    return {
        name for name in dir(owner)
        if not name.startswith("_") and callable(getattr(owner, name))
    }  # fmt: skip


def test_the_reference_leaves_out_only_what_is_not_for_applications():
    hidden = re.search(r":exclude-members: (.*)", options_of("flask_jwt.JWT"))[1]
    assert set(hidden.split(", ")) == NOT_FOR_APPLICATIONS
    shown = re.search(r":members: (.*)", options_of("flask_jwt.SessionManager"))[1]
    left_out = public_attributes(flask_jwt.SessionManager) - set(shown.split(", "))
    assert left_out == NOT_FOR_APPLICATIONS_OF_SESSIONS
    shown = re.search(r":members: (.*)", options_of("flask_jwt.Issuer"))[1]
    presets = {
        name for name in public_attributes(flask_jwt.Issuer)
        if inspect.ismethod(getattr(flask_jwt.Issuer, name))
    }  # fmt: skip
    assert set(shown.split(", ")) == presets


# Errors


def error_classes() -> dict[str, type[errors.AuthError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.AuthError)
    }


def test_the_table_of_codes_is_that_of_the_classes():
    documented = {code_in(cells[0])[0]: int(cells[1]) for cells in rows("errors.md", "code")}
    classes = error_classes().values()
    assert documented == {each.error_code: each.status for each in classes if each.error_code}
    for cells in rows("errors.md", "code"):
        assert all(cells), cells


def test_the_response_on_the_page_is_what_a_client_gets():
    app = Flask("tested")
    app.config["SECRET_KEY"] = SECRET
    JWT(app)
    app.add_url_rule("/", view_func=jwt_required()(lambda: "ok"))
    claims = {"identity": 1, "iat": 1, "nbf": 1, "exp": 2}
    response = app.test_client().get("/", headers=bearer(pyjwt.encode(claims, SECRET)))
    page = (REFERENCE / "errors.md").read_text()
    assert json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1]) == response.get_json()
    challenge = f"WWW-Authenticate: {response.headers['WWW-Authenticate']}"
    assert re.search(r"```text\n(.*?)\n```", page, re.DOTALL)[1] == challenge


# Options


def option_rows() -> dict[str, tuple[str, str]]:
    """Return the default and the meaning of each option; one row may have two of each."""
    found = {}
    for cells in rows("options.md", "key"):
        names, defaults = code_in(cells[0]), cells[1].split(", ")
        if len(defaults) != len(names):
            defaults = [cells[1]] * len(names)
        for name, default in zip(names, defaults, strict=True):
            assert name not in found, name
            found[name] = default, cells[2]
    return found


def test_the_table_of_options_has_each_option_once():
    assert set(option_rows()) == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_marked_if_it_is_read_once(name):
    assert ("*at start*" in option_rows()[name][1]) == OPTIONS[name].at_start


@pytest.mark.parametrize("name", OPTIONS)
def test_the_default_on_the_page_is_that_of_the_code(name):
    assert option_rows()[name][0].partition(", or")[0] in describe(name, OPTIONS[name].default)


def describe(name: str, default: Any) -> set[str]:
    """Return the ways in which the page may write a default."""
    match default:
        case None:  # or the option whose value it has
            return {"None", "", *(f"`{each}`" for each in OPTIONS if each != name)}
        case "":
            return {"empty"}
        case bool():
            return {str(default)}
        case str():
            return {f"`{default}`"}
        case timedelta():
            return {f"{default.total_seconds():.0f} s", f"{default.days} days"}
        case int():
            return {f"{default} s", str(default), f"{default // 86400} days"}
        case [*names] | (*names,) if names:
            return {f"`{' '.join(names)}`", f"`{default!r}`".replace("'", '"')}
    return {f"`{default!r}`"}


def test_the_defaults_of_jwtmanager_are_those_of_the_code():
    documented = {code_in(cells[0])[0]: cells[1] for cells in rows("options.md", "option")}
    defaults = JWTManager.profile.defaults
    assert documented.keys() == defaults.keys()
    for name, default in documented.items():
        assert default in describe(name, defaults[name]), name


# Signals


def documented_arguments() -> dict[str, list[str]]:
    """Return the arguments of each signal, as the docstring below its assignment names them."""
    body = ast.parse(inspect.getsource(signals)).body
    return {
        statement.targets[0].id: re.findall(r"\*(\w+)\*", following.value.value)
        for statement, following in pairwise(body)
        if isinstance(statement, ast.Assign) and statement.targets[0].id in signals.__all__
    }


def sent_arguments() -> Iterator[tuple[str, list[str]]]:
    """Yield the keywords with which the package sends a signal, for each place that names them."""
    for path in (ROOT / "src/flask_jwt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(ast.Attribute(attr=name), "send")) if all(
                    keyword.arg for keyword in node.keywords
                ):
                    yield name, [str(keyword.arg) for keyword in node.keywords]


def test_the_table_of_signals_is_that_of_the_module():
    documented = {code_in(cells[0])[0]: code_in(cells[2]) for cells in rows("signals.md", "signal")}
    assert documented == documented_arguments()
    assert documented.keys() == set(signals.__all__)
    sent = list(sent_arguments())
    assert len(sent) > 4
    for name, arguments in sent:
        assert sorted(documented[name]) == sorted(arguments), name


# Commands


INTRODUCTION = """# Commands

`flask jwt` has the commands below in each application in whose environment this package is installed. Like all commands
of Flask, they take the application from `--app` or `FLASK_APP`: `flask --app app jwt routes`. `--help` prints what
stands here.

| command | purpose |
|---|---|
"""


def write_page() -> str:
    """Return docs/reference/cli.md."""
    commands = [(path, command) for path, command in walk(jwt_cli, "flask jwt") if is_leaf(command)]
    table = [
        f"| [`{path}`](#{path.replace(' ', '-')}) | {summary(command)} |"
        for path, command in commands
    ]
    sections = [describe_command(path, command) for path, command in commands]
    return INTRODUCTION + "\n".join(table) + "\n\n" + "\n\n".join(sections) + "\n"


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from walk(command.commands[name], f"{path} {name}")


def is_leaf(command: click.Command) -> bool:
    return not isinstance(command, click.Group)


def summary(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " ")


def describe_command(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    options = [
        (option, option.get_help_record(context))
        for option in command.params
        if isinstance(option, click.Option)
    ]
    lines = [f"## {path}", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```"]
    if options:
        lines += ["", "| option | meaning |", "|---|---|"]
        lines += [f"| `{escape(record[0])}` | {escape(record[1])} |" for _, record in options]
    return "\n".join(lines)


def escape(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def test_the_page_of_the_commands_is_what_they_say():
    assert CLI_PAGE.read_text() == write_page(), "run: python -m tests.test_reference"


@pytest.mark.parametrize(
    ("path", "command"), [each for each in walk(jwt_cli, "flask jwt") if is_leaf(each[1])]
)
def test_a_command_and_its_options_have_a_help(path, command):
    assert summary(command).endswith(".")
    context = click.Context(command, info_name=path)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.get_help_record(context)[1].strip("[]"), option.name
            assert option.help, f"{path} {option.opts}"


if __name__ == "__main__":
    CLI_PAGE.write_text(write_page())
