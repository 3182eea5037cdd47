"""Build the distributions of the last commit, reproducibly, and their SBOM."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")


class Failed(Exception):
    """A check of the release has failed."""


def run(*command: object, **options: object) -> str:
    """Run a command and return its output; fail with the output if the command does."""
    result = subprocess.run(
        [str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, **options,
    )  # fmt: skip
    if result.returncode:
        raise Failed(f"{' '.join(map(str, command))}\n{result.stdout}")
    return result.stdout


def git(*arguments: str) -> str:
    return run("git", "-C", ROOT, *arguments).strip()


def has_uncommitted_changes() -> bool:
    return bool(git("status", "--porcelain"))


def tracked_files() -> set[str]:
    """Return the paths of all files of the last commit."""
    return set(git("ls-tree", "-r", "-z", "--name-only", "HEAD").rstrip("\0").split("\0"))


@contextmanager
def workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        yield Path(folder)


def build(source: Path, out: Path, *, differently: bool = False) -> tuple[Path, Path]:
    """Build the wheel and the sdist of the last commit, which is exported to *source*.

    :param differently: with another time zone, locale, umask, hash seed and times of the files
    """
    source.mkdir(parents=True)
    archive = source.with_name(source.name + ".tar")
    run("git", "-C", ROOT, "archive", "--output", archive, "HEAD")
    run("tar", "-xf", archive, "-C", source, *(["--touch"] if differently else []))
    environment = {
        **os.environ,
        # The times in the archives, which would otherwise be fixed at 2020 by the build backend.
        "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct"),
        # The same build backend in both builds, and in those of others.
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
        "PYTHONHASHSEED": "1",
    }
    if differently:
        environment |= {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "2"}
    run(
        sys.executable, "-m", "build", "--outdir", out, source,
        env=environment, umask=0o077 if differently else 0o022,
    )  # fmt: skip
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    return wheel, sdist


def compare(first: Sequence[Path], second: Sequence[Path]) -> None:
    """Fail unless the files have the same names and bytes."""
    for one, other in zip(first, second, strict=True):
        if one.name != other.name or digest(one) != digest(other):
            raise Failed(f"{one.name} differs from a second build, {other}")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_environment(folder: Path, *packages: str) -> Path:
    """Install packages, in the versions that CI uses, and return the environment's Python."""
    run(UV, "venv", "--no-project", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    run(
        UV,
        "pip",
        "install",
        "--python",
        python,
        "--constraints",
        ROOT / "constraints.txt",
        *packages,
    )
    return python


def write_sbom(wheel: Path, folder: Path) -> Path:
    """List what the package and its extras need, in CycloneDX's format, beside the wheel."""
    python = make_environment(folder, f"{wheel}[all]")
    bom = wheel.with_name(wheel.name.split("-py3")[0] + ".cdx.json")
    run(
        sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--validate",
        "--spec-version", "1.6", "--output-format", "JSON", "--mc-type", "library",
        "--pyproject", ROOT / "pyproject.toml", "--output-file", bom, python,
    )  # fmt: skip
    names = {component["name"].lower() for component in json.loads(bom.read_text())["components"]}
    if missing := {"flask", "pyjwt", "cryptography"} - names:
        raise Failed(f"{bom.name} lacks {', '.join(sorted(missing))}")
    shutil.rmtree(folder)
    return bom
