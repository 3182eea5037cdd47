"""Secrets that were printed in the documentation, and the examples that no longer print any."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, ConfigError
from flask_jwt._config.key_sources import DOCUMENTED_SECRETS

ROOT = Path(__file__).parent.parent
EXAMPLES = [
    path for path in sorted((ROOT / "examples").glob("**/*.py")) if "store" not in path.parts
]
PRINTED = ["write-your-own: flask jwt secret prints one", "only-for-tests-but-32-bytes-long"]
"""All that README, docs and examples have shown since the first commit."""


@pytest.mark.parametrize("extension", [JWT, ours.JWTManager])
# From a file, a secret often comes with a line break.
@pytest.mark.parametrize("secret", [*PRINTED, PRINTED[0].encode(), f"{PRINTED[1]}\n"])
@pytest.mark.parametrize("option", ["SECRET_KEY", "JWT_SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_a_printed_secret_is_rejected(option, secret, extension):
    app = Flask("tested")
    app.config["SECRET_KEY"] = "a-secret-of-32-bytes-for-testing"
    app.config[option] = [secret] if option.endswith("S") else secret
    with pytest.raises(
        ConfigError, match=r"stands in the documentation.*`flask jwt secret`"
    ) as caught:
        extension(app)
    assert "prints one" not in str(caught.value)
    assert "only-for-tests" not in str(caught.value)


@pytest.mark.parametrize("flag", ["DEBUG", "TESTING"])
@pytest.mark.parametrize("secret", PRINTED)
def test_it_is_accepted_in_debug_mode_and_in_tests(secret, flag):
    app = Flask("tested")
    app.config.update({"SECRET_KEY": secret, flag: True})
    JWT(app)


def test_a_secret_that_is_changed_later_is_checked_too():
    app = Flask("tested")
    app.config["SECRET_KEY"] = "a-secret-of-32-bytes-for-testing"
    JWT(app)
    app.config["SECRET_KEY"] = PRINTED[0]
    with pytest.raises(ConfigError, match="documentation"):
        app.extensions["flask-jwt"].codecs.access()


@pytest.mark.parametrize(
    "secret", ["super-secret", "secret", "change-me", "dev", "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss"]
)
def test_the_secrets_of_other_documentations_are_not_ours_to_reject(secret):
    assert hashlib.sha256(secret.encode()).hexdigest() not in DOCUMENTED_SECRETS


def test_a_printed_secret_that_signs_no_tokens_is_flask_s_affair(tmp_path):
    app = Flask("tested")
    app.config.update(SECRET_KEY=PRINTED[0], JWT_SECRET_KEY="a-secret-of-32-bytes-for-testing")
    JWT(app)


def test_the_digests_are_those_of_the_printed_secrets():
    digests = {hashlib.sha256(secret.encode()).hexdigest() for secret in PRINTED}
    assert digests == DOCUMENTED_SECRETS


LITERAL = re.compile(
    # A variable or a command of the shell, as in FLASK_SECRET_KEY_FALLBACKS="[\"$OLD\"]", is no
    # secret.
    r"""secret_key\S*\s*=\s*["'](?!(?:\[\\")?\$)|SECRET_KEY["']?\]?\s*[=:]\s*["'](?!\$)""",
    re.IGNORECASE,
)


def test_no_page_and_no_example_prints_a_secret():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.*")]
    printed = [
        f"{page.relative_to(ROOT)}: {line}"
        for page in pages
        if page.suffix in (".md", ".py")
        for line in page.read_text().splitlines()
        if LITERAL.search(line)
    ]
    assert not printed


START = """
import sys, warnings
from pathlib import Path
from flask.cli import ScriptInfo

warnings.simplefilter("error")
for path in sys.argv[1:]:
    before = set(sys.modules)
    app = ScriptInfo(app_import_path=path).load_app()
    assert not app.debug and not app.testing, path
    assert app.test_client().get("/nowhere").status_code == 404, path
    print(path, app.secret_key)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == Path.cwd():
            del sys.modules[name]
"""


@pytest.mark.slow
def test_every_example_starts_as_pasted(tmp_path):
    """As ``flask --app FILE run`` starts it: without debug mode and without an environment."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    sources = {"readme.py": code}
    for path in EXAMPLES:
        source = path.read_text()
        # On servers a secret that each worker makes up would be worse than none. Programs with key
        # pairs have no secret, but keys that their page makes before.
        if path == ROOT / "examples/operate/app.py" or path.parent == ROOT / "examples/keys":
            continue
        if "app = Flask(__name__)" in source and "def create_app" not in source:
            sources["_".join(path.relative_to(ROOT / "examples").parts)] = source
    modules = {path.name: path.read_text() for path in EXAMPLES}  # which some programs import
    for name, source in {**modules, **sources}.items():
        (tmp_path / name).write_text(source)
    assert len(sources) > 20
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", START, *sources],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
        )
        for _ in range(2)
    ]  # fmt: skip
    for run in runs:
        assert run.returncode == 0, run.stderr
    first, second = (dict(line.split(" ", 1) for line in run.stdout.splitlines()) for run in runs)
    assert first.keys() == sources.keys()
    for name, secret in first.items():
        assert (secret == "None") or (len(secret) == 64 and secret != second[name]), name


@pytest.mark.slow
def test_an_example_takes_its_secret_from_the_environment(tmp_path):
    (tmp_path / "app.py").write_text((ROOT / "examples/sessions/app.py").read_text())
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path),
                   "FLASK_SECRET_KEY": "from-the-environment-32-bytes-lo"}  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", START, "app.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.stdout == "app.py from-the-environment-32-bytes-lo\n", result.stderr
