"""The command lines of docs/operate/servers.md and containers.md, with the real servers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from flask_jwt import hash_password
from flask_jwt._cli import jwt_cli
from tests.ports import free_port
from tests.serving import running
from tests.support import ROOT, bearer, claims_of, make_app

FILES = ROOT / "examples/operate"
LINES = re.findall(r"`((?:gunicorn|uwsgi) .*?)`", (ROOT / "docs/operate/servers.md").read_text())
LOGIN = {"username": "joe", "password": "pass"}


@contextmanager
def served(line, folder, **environment):
    """Run a command line of the docs on a free port."""
    address = f"127.0.0.1:{free_port()}"
    command, *arguments = shlex.split(re.sub(r"[\d.]+:8000", address, line))
    program = Path(sys.executable).with_name(command)
    if not program.exists():
        pytest.skip(f"{command} is not installed: pip install {command}")
    if command == "uwsgi":
        arguments += ["--home", sys.prefix]
    environment = {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONPATH": str(ROOT / "src"),
        "FLASK_USERS": json.dumps({"joe": hash_password("pass")}),
        **environment,
    }
    arguments = [program, *arguments]
    url = f"http://{address}"
    with running(arguments, f"{url}/healthz", folder / "log", cwd=FILES, environment=environment):
        yield url


def use(address):
    """Log in, refresh and log out again and again, on all workers."""
    with httpx.Client(base_url=address, headers={"Connection": "close"}, timeout=30) as client:
        for _ in range(5):
            tokens = client.post("/auth", json=LOGIN).json()
            for _ in range(4):
                headers = bearer(tokens["access_token"])
                assert client.get("/me", headers=headers).json() == {"name": "joe"}
                response = client.post("/auth/refresh", headers=bearer(tokens["refresh_token"]))
                assert response.status_code == 200, response.text
                tokens = response.json()
            headers = bearer(tokens["access_token"])
            assert client.post("/auth/logout", headers=headers).json() == {"revoked": 1}
            for _ in range(4):
                assert client.get("/me", headers=headers).json()["code"] == "token_revoked"
    return tokens


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_each_line_serves(line, tmp_path):
    with served(
        line,
        tmp_path,
        FLASK_SECRET_KEY="a-secret-of-32-bytes-for-testing",
        FLASK_JWT_STORAGE_URI=f"sqlite:///{tmp_path}/sessions.db",
        FLASK_JWT_REVOCATION_CHECK="always",
    ) as address:
        use(address)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_all_kinds_of_server_are_there():
    assert len(LINES) == 5
    assert {"--preload", "gevent"} <= set(" ".join(LINES).split())


# Containers


def dockerfile():
    """Return the instructions of the Dockerfile, each with its arguments."""
    lines = (FILES / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and line[0] != "#"]


def variables():
    lines = (FILES / "shop.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.slow
def test_the_container_s_command_serves_with_the_container_s_variables(tmp_path):
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    made = make_app().test_cli_runner().invoke(
        jwt_cli, ["keys", "generate", "--file", str(data / "keys.json")]
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    (data / "keys.json").chmod(0o440)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "keys.json").symlink_to("..data/keys.json")
    command = json.loads(dict(dockerfile())["CMD"])
    values = {
        **variables(),
        "FLASK_SECRET_KEY": "a-secret-of-32-bytes-for-testing",
        "FLASK_JWT_KEY_FILE": str(tmp_path / "keys.json"),
        "FLASK_JWT_STORAGE_URI": f"sqlite:///{tmp_path}/sessions.db",
        "FLASK_JWT_REVOCATION_CHECK": "always",
    }
    with served(shlex.join(command), tmp_path, **values) as address:
        claims = claims_of(use(address)["access_token"])
        assert claims["iss"] == claims["aud"] == "https://shop.example"
        assert httpx.get(f"{address}/.well-known/jwks.json").json()["keys"]
    log = (tmp_path / "log").read_text()
    assert "ERROR" not in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_the_probe_succeeds_without_the_store(tmp_path):
    command = json.loads(dict(dockerfile())["CMD"])
    path = deployment()["containers"][0]["readinessProbe"]["httpGet"]["path"]
    values = {
        "FLASK_SECRET_KEY": "a-secret-of-32-bytes-for-testing",
        "FLASK_JWT_STORAGE_URI": "redis://127.0.0.1:1",
        "FLASK_JWT_REQUIRED_BY_DEFAULT": "true",
    }
    with served(shlex.join(command), tmp_path, **values) as address:
        assert httpx.get(address + path).status_code == 200
        assert httpx.post(f"{address}/auth", json=LOGIN).status_code == 503


def manifests():
    return list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))


def deployment():
    return manifests()[0]["spec"]["template"]["spec"]


def test_the_dockerfile_has_no_secret_and_no_root():
    instructions = dockerfile()
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "CMD"}
    assert {name for name, _ in instructions} <= known
    assert dict(instructions)["USER"] == "10001:10001"
    assert not re.search(r"secret|password|JWT_", (FILES / "Dockerfile").read_text(), re.IGNORECASE)
    copied = [word for name, text in instructions if name == "COPY" for word in text.split()[:-1]]
    assert all((FILES / name).exists() for name in copied)


def test_the_requirements_are_extras_of_this_package():
    extras = re.search(r"Flask-JWT-Too\[(.*?)\]", (FILES / "requirements.txt").read_text())[1]
    optional = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1]
    assert set(extras.split(",")) <= set(re.findall(r"^(\w+) = ", optional, re.MULTILINE))


def test_the_manifests_fit_together():
    deployed, job = manifests()
    pods = [deployment(), job["spec"]["jobTemplate"]["spec"]["template"]["spec"]]
    assert (
        deployed["spec"]["selector"]["matchLabels"]
        == deployed["spec"]["template"]["metadata"]["labels"]
    )
    user = dict(dockerfile())["USER"].split(":")[0]
    for pod in pods:
        context = pod["securityContext"]
        assert (str(context["runAsUser"]), context["fsGroup"]) == (user, context["runAsGroup"])
        (container,) = pod["containers"]
        (mount,) = container["volumeMounts"]
        (volume,) = pod["volumes"]
        assert mount["name"] == volume["name"]
        assert mount["mountPath"] == str(Path(variables()["FLASK_JWT_KEY_FILE"]).parent)
        assert volume["secret"]["defaultMode"] == 0o440
    port = int(dict(dockerfile())["EXPOSE"])
    assert pods[0]["containers"][0]["ports"] == [{"containerPort": port}]
    for probe in ("livenessProbe", "readinessProbe"):
        assert pods[0]["containers"][0][probe]["httpGet"]["port"] == port
    command = pods[1]["containers"][0]["command"]
    assert command[:2] == ["flask", "jwt"]
    assert jwt_cli.get_command(None, command[2]).get_command(None, command[3])


# Upgrades


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({}, ""),
        ({"FLASK_JWT_ACESS_TOKEN_EXPIRES": "60"}, "JWT_ACCESS_TOKEN_EXPIRES"),
        ({"FLASK_JWT_COOKIE_SECURE": "maybe"}, "JWT_COOKIE_SECURE"),
    ],
    ids=["valid", "misspelled", "invalid"],
)
def test_the_check_before_an_upgrade_finds_wrong_options(variable, expected):
    page = (ROOT / "docs/operate/upgrades.md").read_text()
    line = re.search(r"^ *python (-W error.*)$", page, re.MULTILINE)[1]
    done = subprocess.run(
        [sys.executable, *shlex.split(line)], cwd=FILES, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "FLASK_SECRET_KEY": "a-secret-of-32-bytes-for-testing",
             **variable},
    )  # fmt: skip
    assert (done.returncode == 0) == (not expected)
    assert expected in done.stderr


@pytest.mark.slow
def test_without_a_secret_a_login_is_an_error(tmp_path):
    with served(LINES[0], tmp_path) as address:
        assert httpx.post(f"{address}/auth", json=LOGIN).status_code == 500
    assert "There is no secret to sign tokens with" in (tmp_path / "log").read_text()
