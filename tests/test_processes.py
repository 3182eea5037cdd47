"""Worker processes of uWSGI and gunicorn, whose master has used the store before it forked.

If workers shared a connection, one would read the responses to another: it would let revoked tokens
in, and reject valid ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
import pymysql
import pytest

from tests.ports import free_port
from tests.servers import stores, until, uri_of
from tests.serving import running
from tests.support import ROOT, bearer, claims_of

COUNT = int(os.environ.get("SOAK_RESPONSES", "5000"))
UWSGI = Path(sys.executable).with_name("uwsgi")
WORKERS = {
    "uwsgi": [], "uwsgi threads": ["--threads", "4"],
    "sync": [], "gthread": ["--threads", "4"], "gevent": [],
}  # fmt: skip


def command(server, address, *, is_preloaded):
    if server.startswith("uwsgi"):
        if not UWSGI.exists():
            pytest.skip("uWSGI is not installed: pip install uwsgi (it needs a C compiler)")
        # Without --py-call-osafterfork, Python doesn't learn that it was forked.
        return [
            UWSGI, "--http-socket", address, "--module", "tests.forked_app:app", "--master",
            "--processes", "4", "--disable-logging", "--die-on-term", "--need-app",
            "--home", sys.prefix, "--pythonpath", ROOT, "--pythonpath", ROOT / "src",
            *WORKERS[server], *([] if is_preloaded else ["--lazy-apps"]),
        ]  # fmt: skip
    if server == "gevent" and find_spec("gevent") is None:
        pytest.skip("gevent is not installed: pip install gevent")
    return [
        sys.executable, "-m", "gunicorn", "--workers", "4", "--worker-class", server,
        "--bind", address, "--no-control-socket", "--log-level", "warning", *WORKERS[server],
        *(["--preload"] if is_preloaded else []), "tests.forked_app:app",
    ]  # fmt: skip


@contextmanager
def served(server, url, folder, *, is_preloaded):
    address = f"127.0.0.1:{free_port()}"
    environment = {**os.environ, "STORE_URL": url, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    arguments = command(server, address, is_preloaded=is_preloaded)
    url = f"http://{address}"
    log = folder / "log"
    with running(arguments, f"{url}/protected", log, cwd=ROOT, environment=environment):
        # Others respond while a worker still loads the application, and a traceback would show that
        # it was stopped then.
        count = 1 if is_preloaded else 4
        until(lambda: log.read_text().count("An application is ready") >= count, "all workers")
        yield url


def use(url, number, count, wrong):
    """Send *count* requests of one client, and count what is wrong in the responses."""
    sent = 0
    # Connections aren't kept, so that the requests go to all workers.
    with httpx.Client(base_url=url, timeout=60, headers={"Connection": "close"}) as client:

        def send(method, path, token, expected):
            nonlocal sent
            sent += 1
            response = client.request(method, path, headers=bearer(token))
            if response.status_code != expected:
                wrong[method, path, expected, response.status_code, response.text] += 1
            return response.json()

        while sent < count:
            name = f"user {number}.{sent}"
            sent += 1
            response = client.post("/auth", json={"username": name, "password": "pass"})
            tokens = response.json()
            if response.status_code != 200:
                wrong["login", response.status_code] += 1
                continue
            for _ in range(4):
                access, renew = tokens["access_token"], tokens["refresh_token"]
                if send("GET", "/protected", access, 200).get("user") != name:
                    wrong["another user"] += 1
                tokens = send("POST", "/auth/refresh", renew, 200)
                if "refresh_token" not in tokens:
                    break
                if claims_of(tokens["refresh_token"])["sub"] != name:
                    wrong["another user's token"] += 1
            else:
                send("POST", "/auth/logout", tokens["access_token"], 200)
                send("GET", "/protected", tokens["access_token"], 401)
                send("POST", "/auth/refresh", tokens["refresh_token"], 401)


def count_wrong(url, count):
    wrong = Counter()
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(use, url, n, count // 8, wrong) for n in range(8)]:
            done.result()
    return wrong


def _parametrize(servers, names, count):
    return pytest.mark.parametrize(
        ("server", "is_preloaded", "store", "count"),
        [
            pytest.param(
                server, is_preloaded, *each, count,
                id=f"{server}-{'preloaded' if is_preloaded else 'lazy'}-{name}",
                marks=pytest.mark.servers,
            )
            for server in servers
            for is_preloaded in (True, False)
            for name in names
            for each in [[name]]
        ],
    )  # fmt: skip


def check(request, tmp_path, server, is_preloaded, store, count):
    url = uri_of(store, request, tmp_path)
    with served(server, url, tmp_path, is_preloaded=is_preloaded) as address:
        assert not count_wrong(address, count)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@_parametrize(["uwsgi", "gthread", "gevent"], ["postgres", "mysqlclient", "redis"], 200)
def test_no_response_is_wrong(request, tmp_path, server, is_preloaded, store, count):
    check(request, tmp_path, server, is_preloaded, store, count)


@pytest.mark.soak
@_parametrize(
    list(WORKERS), ["sqlite", "postgres", "mariadb", "mysqlclient", "redis", "redis_cluster"], COUNT
)
def test_none_of_many_responses_is_wrong(request, tmp_path, server, is_preloaded, store, count):
    check(request, tmp_path, server, is_preloaded, store, count)


CHILD = """
import os, sys
from flask_jwt.stores import open_store
from tests.test_stores import new

store = open_store(sys.argv[1], timeout=5)
store.create(session := new())
pid = os.fork()
if not pid:
    assert store.get(session.sid) == store.get(session.sid)
    sys.exit(0)  # not os._exit(): the child ends as a worker does, and collects its objects
assert os.waitpid(pid, 0)[1] == 0
for _ in range(3):
    assert store.rename(session.sid, "label")
print(len(store.__dict__) and "fine")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "store",
    stores("sqlite", "postgres", "pgbouncer", "mariadb", "mysqlclient", "redis", "redis_cluster",
           "redis_sentinel"),
)  # fmt: skip
def test_a_child_that_ends_leaves_the_connection_of_its_parent_alone(request, tmp_path, store):
    url = uri_of(store, request, tmp_path)
    before = count_connections(store, request)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, url], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "fine\n", done.stderr
    after = count_connections(store, request)
    if before is not None:
        # The parent's, the child's, and the one that counts.
        assert after - before == 3


def count_connections(store, request):
    """Return how many connections a MariaDB has had; None for other servers."""
    if store in ("mariadb", "mysqlclient"):
        port = request.getfixturevalue("mariadb").port
        with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Connections'")
            return int(cursor.fetchone()[1])
    return None
