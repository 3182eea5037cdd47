"""Run the test suites of Flask-JWT and Flask-JWT-Extended against this package.

Then run idioms of their programs, and Flask-AppBuilder's tests of authentication with
flask_jwt.extended in the place of Flask-JWT-Extended, and compare the results with those that the
predecessors gave, which are recorded in scripts/idioms/recorded.

The source distributions are downloaded from the package index into .conformance/, unless they are
there already, and compared with known SHA-256 sums. Only their tests are unpacked. The tests run
unedited, and nothing of the distributions is kept in this project.

Exit status: 0 if Flask-JWT's suite passes, and all others differ only where
scripts/conformance-allowed.txt gives a reason; 1 if not; 2 if a suite could not be run.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

import conformance_programs as programs

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
ARCHIVES = ROOT / ".conformance"
ALLOWED = SCRIPTS / "conformance-allowed.txt"


@dataclass(frozen=True)
class Suite:
    name: str
    version: str
    sha256: str
    module: str  # the name that its tests import
    ours: str  # the module of this package that they get instead
    tests: int  # the number that pytest collects; fewer means that a file could not be imported


SUITES = (
    Suite(
        "Flask-JWT",
        "0.3.2",
        "49c0672fbde0f1cd3374bd834918d28956e3c521c7e00089cdc5380d323bd0ad",
        module="flask_jwt",
        ours="flask_jwt",
        tests=19,
    ),
    Suite(
        "Flask-JWT-Extended",
        "4.7.4",
        "78fd0f460317facf3a0084a6457ffaf2f1dda9eefbd576f94cea35b0eadd5531",
        module="flask_jwt_extended",
        ours="flask_jwt.extended",
        tests=181,
    ),
)


APPBUILDER = Suite(
    programs.APPBUILDER,
    programs.APPBUILDER_VERSION,
    programs.APPBUILDER_SHA256,
    module="flask_jwt_extended",
    ours="flask_jwt.extended",
    tests=0,
)


class CannotRun(Exception):
    """Raised when a suite can't be downloaded or started; the message says what to do about it."""


@dataclass
class Failure:
    test: str
    reason: str | None
    allowed: str | None = None


@dataclass
class Result:
    name: str
    version: str
    total: int
    built: bool = True
    passed: int = 0
    note: str | None = None
    skipped: list[Failure] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        if not self.built:
            return True
        return not self.missing and all(failure.allowed for failure in self.failures)

    @property
    def missing(self) -> int:
        """Return the number of tests that never ran, usually because an import failed."""
        ran = self.passed + len(self.skipped) + sum("::" in entry.test for entry in self.failures)
        return self.total - ran


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--verbose", action="store_true", help="also show pytest's output")
    parser.add_argument(
        "--original",
        action="store_true",
        help="run Flask-JWT-Extended's suite against Flask-JWT-Extended itself: a test that fails "
        "there does not show a fault of this package",
    )
    parser.add_argument(
        "--without-appbuilder",
        action="store_true",
        help="leave out Flask-AppBuilder, which takes about a minute and a virtual environment",
    )
    parser.add_argument(
        "--record",
        nargs=2,
        metavar=("NAME", "PYTHON"),
        help="record what a predecessor does: Flask-JWT (in a Python with Flask-JWT 0.3.2, PyJWT "
        "1.4.2, Flask 1.0.4, Werkzeug 0.16.1 and Flask-RESTful), Flask-JWT-Extended, or "
        "Flask-AppBuilder (with any Python)",
    )
    options = parser.parse_args()
    try:
        if options.record:
            record(*options.record)
            return 0
        allowed = read_allowed(ALLOWED.read_text(encoding="utf-8"))
        suites = SUITES[1:] if options.original else SUITES
        results = [
            run(suite, allowed, verbose=options.verbose, original=options.original)
            for suite in suites
        ]
        if not options.original:
            results += [run_idioms(idioms, allowed) for idioms in programs.ALL_IDIOMS]
            if not options.without_appbuilder:
                results.append(run_appbuilder())
    except CannotRun as error:
        print(error, file=sys.stderr)
        return 2
    ok = all(result.ok for result in results)
    if options.json:
        print(json.dumps({"ok": ok, "suites": [asdict(result) for result in results]}, indent=2))
    else:
        for result in results:
            print("\n".join(describe(result)))
    return 0 if ok else 1


def record(name: str, python: str) -> None:
    """Run what is recorded about the predecessor *name*."""
    if name == programs.APPBUILDER:
        programs.record_appbuilder(fetch(APPBUILDER), make_appbuilder_python())
    for idioms in programs.ALL_IDIOMS:
        if idioms.name.partition(" ")[0] == name:
            programs.record_idioms(idioms, python)


def run_idioms(idioms: programs.Idioms, allowed: dict[str, str]) -> Result:
    total, different = programs.compare_idioms(idioms)
    name, _, version = idioms.name.partition(" ")
    result = Result(f"Idioms of {name}", version, total, passed=total - len(different))
    for idiom, reason in different.items():
        test = f"{idioms.file}::{idiom}"
        result.failures.append(Failure(test, reason, allowed.get(test)))
    return result


def run_appbuilder() -> Result:
    """Run Flask-AppBuilder's tests; those that fail with Flask-JWT-Extended may fail here."""
    archive, python = fetch(APPBUILDER), make_appbuilder_python()
    try:
        outcomes = programs.run_appbuilder(archive, python, original=False)
    except RuntimeError as error:
        raise CannotRun(f"Flask-AppBuilder's tests did not run:\n{error}") from None
    recorded = programs.read_appbuilder()
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    theirs = sum(outcome == "passed" for outcome in recorded.values())
    result = Result(
        "Authentication tests of Flask-AppBuilder",
        APPBUILDER.version,
        len(outcomes),
        passed=passed,
        note=f"Flask-JWT-Extended: {theirs}",
    )
    reason = "fails with Flask-JWT-Extended, too"
    for test, outcome in outcomes.items():
        if outcome != "passed":
            allowed = reason if recorded.get(test, "passed") != "passed" else None
            result.failures.append(Failure(test, outcome, allowed))
    return result


def make_appbuilder_python() -> str:
    """Return a Python with Flask-AppBuilder, in a virtual environment that is made once."""
    home = ARCHIVES / f"appbuilder-{programs.APPBUILDER_VERSION}"
    python = home / "bin" / "python"
    done = home / "installed"
    if not done.exists():
        print(f"Installing Flask-AppBuilder into {home.name} (once) ...", file=sys.stderr)
        for command in (
            [sys.executable, "-m", "venv", str(home)],
            [str(python), "-m", "pip", "install", "--quiet", *programs.APPBUILDER_NEEDS],
        ):
            installed = subprocess.run(command, capture_output=True, text=True, check=False)
            if installed.returncode:
                raise CannotRun("Could not install Flask-AppBuilder:\n" + installed.stderr[-2000:])
        done.touch()
    return str(python)


def read_allowed(content: str) -> dict[str, str]:
    """Parse ``test-id # reason`` lines.

    :raises CannotRun: if an entry has no reason
    """
    allowed = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        test, _, reason = line.partition(" # ")
        if not reason.strip():
            raise CannotRun(f"{ALLOWED.name}:{number}: write the test's id, ' # ' and the reason")
        allowed[test.strip()] = reason.strip()
    return allowed


def run(suite: Suite, allowed: dict[str, str], *, verbose: bool, original: bool = False) -> Result:
    result = Result(suite.name, suite.version, suite.tests)
    ours = None if original else locate(suite.ours)
    if ours is None and not original:
        if suite.ours == "flask_jwt":
            raise CannotRun(f"{suite.ours} was not found in {ROOT / 'src'}")
        result.built = False
        return result

    archive = fetch(suite)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        home = Path(folder)
        unpack_tests(archive, home)
        tests = run_pytest(suite, home, ours, verbose=verbose)

    for test in tests:
        entry = Failure(test["test"], test["reason"])
        if test["outcome"] == "passed":
            result.passed += 1
        elif test["outcome"] == "skipped":
            result.skipped.append(entry)
        else:
            if suite.module != "flask_jwt" and not original:
                entry.allowed = allowed.get(entry.test)
            result.failures.append(entry)
    return result


def locate(module: str) -> Path | None:
    """Return the file of a module of this package.

    This imports nothing but the parent of the module.
    """
    sys.path.insert(0, str(ROOT / "src"))
    try:
        spec = importlib.util.find_spec(module)
    except ImportError as error:
        raise CannotRun(f"Could not import {module}: {error}") from error
    finally:
        sys.path.pop(0)
    return Path(spec.origin) if spec and spec.origin else None


def fetch(suite: Suite) -> Path:
    """Return the suite's archive, downloaded with pip if it is not in .conformance/ already."""
    archive = find_archive(suite)
    if archive:
        return archive
    ARCHIVES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        # With the hash in the requirement, pip rejects a wrong archive before it runs its setup.py.
        requirements = Path(folder, "requirement.txt")
        requirement = f"{suite.name}=={suite.version} --hash=sha256:{suite.sha256}\n"
        requirements.write_text(requirement, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet"]
        command += ["--disable-pip-version-check", "--no-deps", "--no-binary", suite.name]
        command += ["--dest", str(ARCHIVES), "--requirement", str(requirements)]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
    archive = find_archive(suite)
    if archive is None:
        lines = pip.stderr.strip().splitlines()[-5:]
        raise CannotRun(
            f"{suite.name} {suite.version}: no source distribution. Output of pip:\n  "
            + "\n  ".join(lines or ["nothing"])
            + f"\nYou can also put its .tar.gz (SHA-256 {suite.sha256}) into {ARCHIVES.name}/."
        )
    return archive


def find_archive(suite: Suite) -> Path | None:
    # By its content, because the name of the file may differ.
    for path in sorted(ARCHIVES.glob("*.tar.gz")):
        if hashlib.sha256(path.read_bytes()).hexdigest() == suite.sha256:
            return path
    return None


def unpack_tests(archive: Path, home: Path) -> None:
    """Write ``tests/*.py`` of the archive under *home*, without its package and its .pyc files."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if not member.isfile() or len(parts) != 3 or parts[1] != "tests":
                continue
            if not parts[2].endswith(".py"):
                continue
            content = tar.extractfile(member)
            assert content is not None
            target = home / "tests" / parts[2]
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content.read())


def run_pytest(
    suite: Suite, home: Path, ours: Path | None, *, verbose: bool
) -> list[dict[str, str | None]]:
    """Run the tests under *home*, without this project's pytest settings and plugins."""
    settings = home / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    report = home / "report.json"

    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "PYTHON", "FLASK_", "COVERAGE_", "CONFORMANCE_"))
    }
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(SCRIPTS)]),
        "CONFORMANCE_REPORT": str(report),
        "CONFORMANCE_MODULE": suite.module,
    }
    if ours is None:
        original = importlib.util.find_spec(suite.module)
        if original is None or original.origin is None:
            raise CannotRun(f"{suite.name} is not installed: pip install {suite.name}")
        environment["CONFORMANCE_FILE"] = original.origin
    else:
        environment["CONFORMANCE_FILE"] = str(ours)
        if suite.ours != suite.module:
            environment["CONFORMANCE_ALIAS_OF"] = suite.ours

    command = [sys.executable, "-m", "pytest", "-p", "conformance_plugin", "-p", "no:cacheprovider"]
    command += ["-c", str(settings), "--rootdir", str(home), "--continue-on-collection-errors"]
    command += ["-rA" if verbose else "-q", "tests"]
    pytest = subprocess.run(
        command,
        cwd=home,
        env=environment,
        stdout=sys.stderr if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not report.exists():
        output = "" if verbose else "\n  ".join(["", *pytest.stdout.strip().splitlines()[-15:]])
        raise CannotRun(f"{suite.name} {suite.version}: pytest did not run the tests{output}")
    tests: list[dict[str, str | None]] = json.loads(report.read_text(encoding="utf-8"))
    return tests


def describe(result: Result) -> list[str]:
    head = f"{result.name} {result.version}: {result.passed}/{result.total}"
    if not result.built:
        return [f"{head} (flask_jwt.extended is not built yet)"]
    notes = [] if result.note is None else [result.note]
    if result.skipped:
        notes.append(f"{len(result.skipped)} skipped by the suite itself")
    allowed = [failure for failure in result.failures if failure.allowed]
    if allowed:
        notes.append(f"{len(allowed)} failing on purpose")
    if result.missing:
        notes.append(f"{result.missing} not run")
    lines = [f"{head} ({', '.join(notes)})" if notes else head]
    for failure in result.failures:
        mark = "on purpose" if failure.allowed else "FAILED"
        lines.append(f"  {mark}: {failure.test}")
        lines.append(f"    {failure.allowed or failure.reason}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
