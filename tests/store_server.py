"""examples/store, served by two workers of gunicorn as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from secrets import token_hex

import httpx

from tests.ports import free_port
from tests.serving import wait_until_it_responds
from tests.support import ROOT

STORE = ROOT / "examples" / "store"
SECRET = token_hex(32)


def environment(**settings):
    """Return the environment of this process without variables of the store or gunicorn."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLASK_", "GUNICORN_"))
        and name
        not in {
            "DATABASE_URL",
            "SESSIONS_URL",
            "SECRET_KEY",
            "SEED_PASSWORD",
            "WEB_CONCURRENCY",
            "PORT",
        }
    }
    return {**variables, "PYTHONDONTWRITEBYTECODE": "1", **settings}


def python(*arguments, folder=STORE, **settings):
    """Return the output of a Python process in *folder*, whose warnings are errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder, env=environment(**settings), check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@contextmanager
def served(log, *arguments, **settings):
    """Serve the store, and give its URL.

    :param log: the file for the output
    :param arguments: those of gunicorn
    :param settings: environment variables of the store
    """
    python("-m", "flask", "--app", "app", "init-db", SECRET_KEY=SECRET, **settings)
    url = f"http://127.0.0.1:{free_port()}"
    gunicorn = ["-m", "gunicorn", "--workers", "2", "--no-control-socket", *arguments]
    gunicorn += ["--bind", url.removeprefix("http://")]
    # A worker that ends leaves its socket to the system; other warnings are errors.
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", *gunicorn]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=STORE,
            env=environment(**{"SECRET_KEY": SECRET, "FLASK_JWT_STORE_TIMEOUT": "10", **settings}),
            stdout=output,
            stderr=output,
        )
        try:
            wait_until_it_responds(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=60)


FIRST_REJECTION = "A request was rejected: "
"""A server whose log shows only warnings says once where the others are."""


@contextmanager
def serving(folder, **settings):
    """Serve the store, and give a client of it. Its log must have nothing but one notice."""
    log = folder / "log"
    try:
        with (
            served(log, "--log-level", "warning", "app:create_app()", **settings) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield client
    finally:
        print(log.read_text())
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith(FIRST_REJECTION)] == []
