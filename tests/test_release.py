"""scripts/release and scripts/api: each of their checks can fail, and the files agree on the version."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import flask_jwt
from tests.support import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
from release_suite import building, contents, extras, metadata

sys.path.pop(0)

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PUBLIC_MODULES = ("", ".errors", ".extended", ".openapi", ".signals", ".stores", ".testing")


needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git clone")


# The version and the changelog


def test_the_changelog_begins_with_the_version():
    metadata.check_changelog(flask_jwt.__version__, f"v{flask_jwt.__version__}")


@pytest.mark.parametrize(
    ("version", "tag"), [("99.0.0", None), (flask_jwt.__version__, "v99.0.0"), ("1.0", None)]
)
def test_another_version_or_tag_is_reported(version, tag):
    with pytest.raises(building.Failed):
        metadata.check_changelog(version, tag)


def test_the_changelog_has_the_groups_of_keep_a_changelog():
    groups = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for release in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert found == [group for group in groups if group in found]


# What is built


def test_a_second_build_that_differs_is_reported(tmp_path):
    one, other = tmp_path / "a.whl", tmp_path / "other" / "a.whl"
    other.parent.mkdir()
    one.write_bytes(b"same")
    other.write_bytes(b"same")
    building.compare([one], [other])
    other.write_bytes(b"not the same")
    with pytest.raises(building.Failed, match=r"a\.whl differs"):
        building.compare([one], [other])


@pytest.mark.parametrize(
    "path",
    [
        "artifacts/screenshots/a.png", "examples/store/instance/store.db", "node_modules/a.js",
        "tests/providers/node_modules/a.js", "flask_jwt/__pycache__/a.pyc", "private.pem", "a.key",
        ".env", "tests/.env.local", ".venv/bin/python", "sessions.db", "gunicorn.log",
    ],
)  # fmt: skip
def test_files_of_a_working_copy_are_reported(path):
    with pytest.raises(building.Failed, match=re.escape(path)):
        contents.check_paths([path])


@needs_git
def test_files_of_the_project_are_not_reported():
    paths = building.tracked_files()
    contents.check_paths(paths)
    assert "src/flask_jwt/_jose/key_file.py" in paths


def test_a_private_key_is_reported():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    for form in (PrivateFormat.PKCS8, PrivateFormat.OpenSSH):
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, form, NoEncryption())
        with pytest.raises(building.Failed, match="key is in flask_jwt/a"):
            contents.check_keys({"flask_jwt/a": b"KEY = '''" + pem + b"'''"})


@needs_git
@pytest.mark.parametrize("change", ["missing", "surplus"])
def test_a_wheel_with_other_modules_than_the_commit_is_reported(tmp_path, change):
    names = {name[4:] for name in building.tracked_files() if name.startswith("src/")}
    names |= {
        f"x.dist-info/{n}" for n in ("METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    names ^= {"flask_jwt/errors.py" if change == "missing" else "flask_jwt/leftover.py"}
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        for name in names:
            wheel.writestr(name, "")
    with pytest.raises(building.Failed, match=r"errors\.py|leftover\.py"):
        contents.check_wheel(tmp_path / "x.whl")


def test_each_extra_has_a_check():
    assert set(extras.names()) == set(extras.CHECKS)
    assert {"none", "crypto", "all"} <= set(extras.names())


@pytest.mark.parametrize(
    "text", ["[a](docs/a.md)", '<img src="docs/a.png">', '<a href="/a">', "[a](http://a.test)"]
)
def test_a_link_that_does_not_work_on_pypi_is_reported(text):
    metadata.check_readme("[a](https://a.test) [b](#b)")
    with pytest.raises(building.Failed):
        metadata.check_readme(text)


# The public API


@pytest.mark.slow
@needs_git
def test_no_tag_no_comparison(tmp_path):
    """Without a release, scripts/api says so."""
    repository = clone(tmp_path)
    result = run_api(repository)
    assert (result.returncode, result.stdout) == (
        0, "There is no tag of a release yet, so there is no API to compare with.\n"
    )  # fmt: skip


@pytest.mark.slow
@needs_git
def test_a_shallow_clone_without_tags_is_an_error(tmp_path):
    repository = clone(tmp_path, "--depth=1")
    assert run_api(repository).returncode == 2


@pytest.mark.slow
@needs_git
def test_each_removed_name_is_found(tmp_path):
    """All public names of all public modules."""
    repository = clone(tmp_path)
    git(repository, "tag", "v1.0.0")
    assert run_api(repository).returncode == 0
    expected = set()
    for module in PUBLIC_MODULES:
        names = public_names(f"flask_jwt{module}")
        assert names
        folder = repository / "src" / "flask_jwt" / module.strip(".")
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        path.write_text('__version__ = "1.1.0"\n__all__ = []\n')
        expected |= {(path.relative_to(repository), name) for name in names}
    result = run_api(repository)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    missed = [
        (str(path), name)
        for path, name in sorted(expected)
        if not any(line.startswith(f"{path}:") and f" {name}: " in f" {line}" for line in lines)
    ]
    assert missed == [], result.stdout


def public_names(name: str) -> list[str]:
    """Return the public names of a module as griffe's users see them."""
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is not None:
        return names
    own = (n for n, value in vars(module).items() if getattr(value, "__module__", "") == name)
    return [n for n in own if not n.startswith("_")]


@pytest.mark.slow
@needs_git
def test_a_removed_parameter_is_found_and_a_new_major_version_may_remove_it(tmp_path):
    repository = clone(tmp_path)
    git(repository, "tag", "v1.0.0")
    testing = repository / "src" / "flask_jwt" / "testing.py"
    testing.write_text(testing.read_text().replace("def tick(self, by: ", "def tick(self, step: "))
    result = run_api(repository)
    assert result.returncode == 1
    assert "tick(by)" in result.stdout
    init = repository / "src" / "flask_jwt" / "__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "2.0.0"', init.read_text()))
    result = run_api(repository)
    assert result.returncode == 0
    assert "tick(by)" in result.stdout


def clone(folder: Path, *options: str) -> Path:
    """Make a clone of this repository, with its sources and scripts as they are now."""
    repository = folder / "clone"
    git(ROOT, "clone", "--quiet", "--no-tags", *options, f"file://{ROOT}", repository)
    for name in ("src", "scripts"):
        shutil.rmtree(repository / name)
        shutil.copytree(
            ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    git(repository, "add", "--all")
    git(
        repository,
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@a.test",
        "commit",
        "-qm",
        "now",
        "--allow-empty",
    )
    return repository


def git(repository: Path, *arguments: object) -> None:
    subprocess.run(["git", "-C", repository, *map(str, arguments)], check=True, capture_output=True)


def run_api(repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/api.py"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
