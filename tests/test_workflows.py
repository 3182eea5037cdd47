"""The workflows in .github: they call scripts that exist, and their actions are pinned."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}
JOBS = {
    f"{name}: {job}": (name, content)
    for name, workflow in WORKFLOWS.items()
    for job, content in workflow["jobs"].items()
}
STEPS = [(name, step) for name, job in JOBS.items() for step in job[1]["steps"]]
MATRIX = WORKFLOWS["tests.yml"]["jobs"]["dependencies"]["strategy"]["matrix"]["include"]
RUNS = [(name, step["run"]) for name, step in STEPS if "run" in step]


def test_there_are_workflows_for_tests_docs_and_releases():
    assert set(WORKFLOWS) == {"docs.yml", "release.yml", "tests.yml"}


@pytest.mark.parametrize(("job", "command"), RUNS)
def test_each_command_is_one_script_of_this_project(job, command):
    script = ROOT / shlex.split(command)[0]
    assert "\n" not in command.strip(), "write a script, which runs on any machine"
    assert script.is_relative_to(ROOT)
    assert script.is_file(), f"{job} runs {command}, which doesn't exist"
    assert os.access(script, os.X_OK), f"{command} can't be executed"


@pytest.mark.parametrize(("job", "command"), RUNS)
def test_each_script_takes_the_options_that_it_gets(job, command):
    script, *options = shlex.split(re.sub(r"\$\{\{.*?\}\}", "", command))
    text = (ROOT / script).read_text()
    text += (ROOT / f"{script}.py").read_text() if (ROOT / f"{script}.py").exists() else ""
    for option in (each for each in options if each.startswith("-")):
        assert option in text


def test_each_action_is_pinned_to_a_commit():
    for path in FOLDER.glob("*.yml"):
        for line in re.findall(r"uses:.*", path.read_text()):
            assert re.fullmatch(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_an_action_has_one_version():
    pins = {}
    for path in FOLDER.glob("*.yml"):
        for action, pin in re.findall(r"uses: ([^@]+)@(.*)", path.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize("name", JOBS)
def test_each_job_says_what_it_may_do_and_how_long(name):
    workflow, job = JOBS[name]
    assert WORKFLOWS[workflow]["permissions"] == {}
    assert isinstance(job["permissions"], dict)
    assert job["timeout-minutes"]


def test_only_the_publishing_jobs_get_an_identity():
    """A job with ``id-token: write`` can publish, so it runs no code of this repository."""
    publishing = {n for n, job in JOBS.items() if "id-token" in job[1]["permissions"]}
    assert publishing == {"docs.yml: publish", "release.yml: publish"}
    assert publishing.isdisjoint(name for name, _ in RUNS)


def test_the_matrix_has_the_versions_of_python_that_the_package_names():
    classifiers = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text()
    )
    matrix = WORKFLOWS["tests.yml"]["jobs"]["matrix"]["strategy"]["matrix"]["python"]
    assert matrix == classifiers
    assert f'requires-python = ">={matrix[0]}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        ["check-jsonschema", "--builtin-schema", "vendor.dependabot", "../dependabot.yml"],
    ],
    ids=["zizmor", "schema of workflows", "schema of dependabot"],
)
def test_linters_of_workflows_find_nothing(command):
    program = Path(sys.executable).with_name(command[0])
    if not program.exists():
        pytest.skip(f"{command[0]} is not installed: pip install -r requirements-release.txt")
    folder = ROOT if command[0] == "zizmor" else FOLDER
    result = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, cwd=folder
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("options", [row["versions"] for row in MATRIX])
def test_the_versions_of_dependencies_are_options_of_scripts_matrix(options):
    usage = (ROOT / "scripts" / "matrix").read_text().split('"\n')[0]
    assert options.split("=")[0] in usage


def test_the_documentation_names_the_versions_of_python_and_the_oldest_dependencies():
    text = (ROOT / "docs" / "reference" / "versioning.md").read_text()
    rows = re.findall(r"^\| (3\.\d+)\.(.*) \|$", text, re.MULTILINE)
    matrix = WORKFLOWS["tests.yml"]["jobs"]["matrix"]["strategy"]["matrix"]["python"]
    assert [python for python, _ in rows] == matrix
    oldest = rows[0][1].split(" | ")[1:]
    bounds = dict(re.findall(r'"([A-Za-z0-9-]+)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    names = ["Flask", "PyJWT", "cryptography", "SQLAlchemy", "redis", "argon2-cffi", "bcrypt"]
    found = dict(zip(names, [oldest[0], *oldest[2:]], strict=True))
    for name in names:
        assert f"{found[name]}.0.0".startswith(f"{bounds[name]}."), name
