"""Check which files the distributions contain."""

from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from .building import Failed, run, tracked_files

FORBIDDEN = re.compile(
    r"(^|/)(artifacts|instance|node_modules|__pycache__|\.venv|\.git|dist|build)/"
    r"|\.(pem|key|p12|pyc|db|sqlite3?|log)$|(^|/)\.env"
)
"""Paths of what a working copy has beside the files of the project."""
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64}")
"""A private key in PEM: the line that begins one, with text that may be its material."""
TESTS = ("tests/unit", "tests/test_guard.py", "tests/test_keys.py", "tests/test_architecture.py")
"""Tests that run from the unpacked sdist; they need no server."""


def check_wheel(path: Path) -> None:
    """Fail unless the wheel has all modules of the package, and its metadata, alone."""
    with zipfile.ZipFile(path) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    check_paths(files)
    check_keys(files)
    modules = {name for name in files if ".dist-info/" not in name}
    compare(path, modules, {name[4:] for name in tracked_files() if name.startswith("src/")})
    for name in ("METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE"):
        if not any(file.endswith(f".dist-info/{name}") for file in files):
            raise Failed(f"{path.name} has no {name}")
    if "flask_jwt/py.typed" not in files:
        raise Failed(f"{path.name} has no py.typed")


def check_sdist(path: Path) -> None:
    """Fail unless the sdist has all files of the commit. A packager needs tests and docs."""
    with tarfile.open(path) as archive:
        files = {
            member.name.split("/", 1)[1]: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }
    check_paths(files)
    check_keys({name: data for name, data in files.items() if name.startswith("src/")})
    compare(path, set(files) - {"PKG-INFO"}, tracked_files())


def check_paths(paths: Iterable[str]) -> None:
    if wrong := sorted(path for path in paths if FORBIDDEN.search(path)):
        raise Failed(f"These must not be distributed: {', '.join(wrong)}")


def check_keys(files: dict[str, bytes]) -> None:
    if wrong := sorted(path for path, data in files.items() if PRIVATE_KEY.search(data)):
        raise Failed(f"A private key is in {', '.join(wrong)}")


def compare(path: Path, actual: set[str], expected: set[str]) -> None:
    if missing := expected - actual:
        raise Failed(f"{path.name} lacks {', '.join(sorted(missing))}")
    if surplus := actual - expected:
        raise Failed(f"{path.name} has {', '.join(sorted(surplus))}, which are not of the commit")


def run_tests_of(sdist: Path, folder: Path) -> None:
    """Run tests that need no server in the unpacked sdist, with the requirements of this clone."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    # Before the clone, which is installed in this environment.
    environment = {**os.environ, "PYTHONPATH": str(source / "src")}
    run(sys.executable, "-m", "pytest", "-q", *TESTS, cwd=source, env=environment)
