"""Compare this package with its predecessors in idioms of programs, and in Flask-AppBuilder.

scripts/conformance.py runs this. Results of the predecessors stand in scripts/idioms/recorded/,
with the versions and the date of the run that gave them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
SOURCES = SCRIPTS.parent / "src"
IDIOMS = SCRIPTS / "idioms"
RECORDED = IDIOMS / "recorded"


@dataclass(frozen=True)
class Idioms:
    """A file with idioms of programs of one predecessor.

    :param original: the argument with which the predecessor runs
    :param ours: the argument with which this package does
    """

    name: str
    file: str
    original: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()

    @property
    def recorded(self) -> Path:
        return RECORDED / f"{self.file}.json"


ALL_IDIOMS = (
    Idioms("Flask-JWT 0.3.2", "flask_jwt_idioms"),
    Idioms(
        "Flask-JWT-Extended 4.7.4",
        "extended_idioms",
        original=("flask_jwt_extended",),
        ours=("flask_jwt.extended",),
    ),
)


def run_idioms(idioms: Idioms, python: str = sys.executable, *, original: bool) -> dict[str, Any]:
    """Return the results of each idiom, the versions and the date."""
    arguments = idioms.original if original else idioms.ours
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FLASK_"))}
    if not original:
        environment["PYTHONPATH"] = str(SOURCES)
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [python, str(IDIOMS / f"{idioms.file}.py"), *arguments],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def record_idioms(idioms: Idioms, python: str) -> None:
    """Run the predecessor's idioms, and write down what they gave."""
    document = run_idioms(idioms, python, original=True)
    distribution = idioms.name.partition(" ")[0]
    if distribution not in document["versions"]:
        raise SystemExit(f"{python} has no {distribution}")
    idioms.recorded.parent.mkdir(exist_ok=True)
    idioms.recorded.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def compare_idioms(idioms: Idioms) -> tuple[int, dict[str, str]]:
    """Return the number of idioms, and those that differ, with both results."""
    recorded = json.loads(idioms.recorded.read_text())["results"]
    results = run_idioms(idioms, original=False)["results"]
    different = {
        name: f"recorded {json.dumps(recorded.get(name))}, here {json.dumps(results.get(name))}"
        for name in sorted(recorded.keys() | results.keys())
        if recorded.get(name) != results.get(name)
    }
    return len(recorded), different


# Flask-AppBuilder

APPBUILDER = "Flask-AppBuilder"
APPBUILDER_VERSION = "5.3.0"
APPBUILDER_SHA256 = "baf645c3c150471c6660049cdb61a1e79f318b63524531f890d42f406f5d5596"
# Tests of LDAP need its library, which has to be compiled.
APPBUILDER_TESTS = ["-k", "auth", "--ignore", "tests/security/test_auth_ldap.py", "tests"]
APPBUILDER_NEEDS = [
    f"Flask-AppBuilder[oauth,jmespath]=={APPBUILDER_VERSION}",
    "hiro", "parameterized", "pytest", "requests",
]  # fmt: skip


def run_appbuilder(archive: Path, python: str, *, original: bool) -> dict[str, str]:
    """Return the outcomes of Flask-AppBuilder's tests of authentication.

    :param original: with Flask-JWT-Extended, on which it is written
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        home = Path(folder)
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.partition("/")[2]
                # Its package is the installed one.
                if member.isfile() and name.startswith("tests/"):
                    content = tar.extractfile(member)
                    assert content is not None
                    target = home / name
                    if home in target.resolve().parents:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(content.read())
        (home / "pytest.ini").write_text("[pytest]\n")
        report = home / "report.json"
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PYTHON", "FLASK_", "CONFORMANCE_"))
        }
        environment |= {
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{home / 'tests.db'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(SOURCES), str(SCRIPTS)]),
            "CONFORMANCE_REPORT": str(report),
            "CONFORMANCE_MODULE": "flask_jwt_extended",
        }
        if original:
            environment["PYTHONPATH"] = str(SCRIPTS)
            code = "import flask_jwt_extended as m; print(m.__file__)"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            environment["CONFORMANCE_FILE"] = done.stdout.strip()
        else:
            environment["CONFORMANCE_ALIAS_OF"] = "flask_jwt.extended"
            environment["CONFORMANCE_FILE"] = str(SOURCES / "flask_jwt/extended/__init__.py")
        command = [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "conformance_plugin",
            "-p",
            "no:cacheprovider",
        ]
        done = subprocess.run(
            [*command, *APPBUILDER_TESTS], cwd=home, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if not report.exists():
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        return {test["test"]: test["outcome"] for test in json.loads(report.read_text())}


def record_appbuilder(archive: Path, python: str) -> None:
    """Run Flask-AppBuilder's tests with Flask-JWT-Extended, and write down the outcomes."""
    outcomes = run_appbuilder(archive, python, original=True)
    code = (
        "import json; from importlib.metadata import version as v; names = ['Flask-AppBuilder', "
        "'Flask-JWT-Extended', 'PyJWT', 'Flask', 'Werkzeug', 'SQLAlchemy'];"
        "print(json.dumps({n: v(n) for n in names}))"
    )
    versions = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    document = {
        "date": time.strftime("%Y-%m-%d"),
        "versions": json.loads(versions.stdout),
        "outcomes": outcomes,
    }
    _APPBUILDER_RECORD.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_appbuilder() -> dict[str, str]:
    """Return the recorded outcomes with Flask-JWT-Extended."""
    outcomes: dict[str, str] = json.loads(_APPBUILDER_RECORD.read_text())["outcomes"]
    return outcomes


_APPBUILDER_RECORD = RECORDED / "appbuilder.json"
