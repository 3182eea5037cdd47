"""Install the packages of the section http, and serve each with gunicorn and its own database."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from .http_client import Address
from .peers import PASSWORD, SECRET, Peer

ROOT = Path(__file__).parents[2]
APPLICATIONS = Path(__file__).with_name("http_peers")
VENV = ROOT / ".venv-bench"
WORKERS = 2
USERS = 1000

sys.path.insert(0, str(ROOT))

from tests.servers import LAUNCHER, PostgresServer  # noqa: E402


def install() -> Path:
    """Return the Python of .venv-bench, into which the packages are installed once."""
    requirements, constraints = APPLICATIONS / "requirements.txt", ROOT / "constraints.txt"
    python = VENV / "bin" / "python"
    digest = hashlib.sha256(requirements.read_bytes() + constraints.read_bytes()).hexdigest()
    stamp = VENV / f"installed-{digest[:16]}"
    if stamp.exists():
        return python
    print("Installing into .venv-bench (once) ...", file=sys.stderr, flush=True)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", VENV], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    subprocess.run([*pip, "install", "--quiet", "-c", constraints, "-r", requirements], check=True)
    stamp.touch()
    return python


def versions(python: Path) -> dict[str, str]:
    """Return the versions of what is compared and of what it runs on."""
    names = [
        "Flask-JWT-Extended", "Flask-Security-Too", "djangorestframework-simplejwt",
        "djangorestframework", "Django", "Flask", "Werkzeug", "SQLAlchemy", "Flask-SQLAlchemy",
        "psycopg", "redis", "PyJWT", "gunicorn",
    ]  # fmt: skip
    code = (
        "import importlib.metadata as m, json, sys; "
        "print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"
    )
    ran = subprocess.run(
        [python, "-c", code, *names], check=True, capture_output=True, encoding="utf-8"
    )
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def create_database(store: str, peer: Peer, folder: Path, postgres: PostgresServer) -> str:
    """Create the database of *peer* with the table of users, and return its URL."""
    if store == "SQLite":
        url = f"sqlite:///{folder}/{peer.name}.db"
    else:
        name = f"{peer.name}_{store.lower()}"
        url = postgres.url.rpartition("/")[0] + f"/{name}"
        engine = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
    metadata = sa.MetaData()
    users = sa.Table(
        "users",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(255), unique=True, nullable=False),
        sa.Column("password", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("fs_uniquifier", sa.String(64), unique=True, nullable=False),
        sa.Column("last_login", sa.DateTime),
    )
    engine = sa.create_engine(url)
    metadata.create_all(engine)
    password = hashlib.sha256(PASSWORD.encode()).hexdigest()
    with engine.begin() as connection:
        connection.execute(
            sa.insert(users),
            [
                {
                    "email": email_of(number),
                    "password": password,
                    "active": True,
                    "fs_uniquifier": hashlib.sha256(str(number).encode()).hexdigest(),
                }
                for number in range(USERS)
            ],
        )
    engine.dispose()
    return url


def email_of(number: int) -> str:
    """Return the name of a user; they are taken in turn."""
    return f"user{number % USERS}@bench.dev"


@contextmanager
def serve(
    python: Path, peer: Peer, database: str, store_url: str, folder: Path
) -> Iterator[Address]:
    """Serve the application of *peer* with gunicorn, and provide its address."""
    environ = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{APPLICATIONS}",
        "BENCH_SECRET": SECRET,
        "BENCH_DATABASE": database,
        "BENCH_STORE": store_url,
        **dict(peer.environ),
    }
    log = folder / f"{peer.name}.log"
    with log.open("ab") as output, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        created = subprocess.run(
            [python, APPLICATIONS / f"{peer.module}.py"],
            check=False, env=environ, cwd=folder, stdout=output, stderr=output,
        )  # fmt: skip
        if created.returncode:
            raise SystemExit(f"{peer.label} can't create its tables:\n{log.read_text()[-2000:]}")
        descriptor = listener.fileno()
        command = [python, "-m", "gunicorn", "--bind", f"fd://{descriptor}"]
        command += ["--workers", str(WORKERS), "--worker-class", "sync", "--log-level", "warning"]
        command += ["--no-control-socket", f"{peer.module}:app"]
        gunicorn = subprocess.Popen(
            # The launcher ends gunicorn, and so its workers, if the benchmark is killed.
            [sys.executable, "-c", LAUNCHER, "", *command],
            env=environ, cwd=folder, stdout=output, stderr=output, pass_fds=[descriptor],
        )  # fmt: skip
        try:
            yield listener.getsockname()
        except SystemExit:
            print(f"{peer.label}: {log.read_text()[-2000:]}", file=sys.stderr)
            raise
        finally:
            gunicorn.terminate()
            try:
                gunicorn.wait(20)
            except subprocess.TimeoutExpired:
                gunicorn.kill()
                gunicorn.wait()
