"""scripts/release and scripts/api: each of their checks can fail, and the files agree on the version."""

from __future__ import annotations

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
PUBLIC_MODULES = ("", ".errors", ".extended", ".openapi", ".stores", ".testing")


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


def test_no_tag_no_comparison(tmp_path):
    """Without a release, scripts/api says so."""
    repository = clone(tmp_path)
    result = run_api(repository)
    assert (result.returncode, result.stdout) == (
        0, "There is no tag of a release yet, so there is no API to compare with.\n"
    )  # fmt: skip


def test_a_shallow_clone_without_tags_is_an_error(tmp_path):
    repository = clone(tmp_path, "--depth=1")
    assert run_api(repository).returncode == 2


def test_each_removed_name_is_found(tmp_path):
    """All public names of all public modules, and a parameter."""
    repository = clone(tmp_path)
    git(repository, "tag", "v1.0.0")
    assert run_api(repository).returncode == 0
    package = repository / "src" / "flask_jwt"
    expected = set()
    for module in PUBLIC_MODULES:
        names = __import__(f"flask_jwt{module}", fromlist=["_"]).__all__
        expected |= {f"flask_jwt{module}", *names} - {"flask_jwt"}
        folder = package / module.strip(".")
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        path.write_text('__version__ = "1.1.0"\n')
    result = run_api(repository)
    assert result.returncode == 1
    assert [name for name in expected if not re.search(rf"\b{name}\b", result.stdout)] == []


def test_a_new_major_version_may_remove_names(tmp_path):
    repository = clone(tmp_path)
    git(repository, "tag", "v1.0.0")
    init = repository / "src" / "flask_jwt" / "__init__.py"
    text = init.read_text().replace('    "has_scope",\n', "", 1)
    init.write_text(text)
    assert run_api(repository).returncode == 1
    init.write_text(re.sub(r'__version__ = ".*"', '__version__ = "2.0.0"', text))
    result = run_api(repository)
    assert result.returncode == 0
    assert "has_scope" in result.stdout


def clone(folder: Path, *options: str) -> Path:
    """Make a clone of this repository, with its sources and scripts as they are now."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git clone")
    pytest.importorskip("griffe")
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
