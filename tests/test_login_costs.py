"""What a login with its limits costs in each store, counted by the server."""

from __future__ import annotations

import hashlib
import re
import threading
import time

import pytest
import redis
import sqlalchemy as sa

from tests.servers import until
from tests.support import make_app

COUNTERS = "jwt_login_counters"


def new_app(uri, **config):
    app = make_app(clock=time.time, JWT_STORAGE_URI=uri, JWT_REVOCATION_CHECK=None, **config)
    # The first login connects, creates the tables, loads the scripts and reads the settings.
    for _ in range(3):
        assert log_in(app) == 200
    return app


def log_in(app, password="pass", name="joe"):
    return (
        app.test_client()
        .post(
            "/auth",
            json={"username": name, "password": password},
            environ_base={"REMOTE_ADDR": "192.0.2.7"},
        )
        .status_code
    )


def close(*apps):
    for app in apps:
        app.extensions["flask-jwt"].sessions.close()


TIME_SCRIPT = hashlib.sha1(b"return redis.call('TIME')").hexdigest()


class Monitor:
    """Commands that clients send to one of these servers, without those of scripts."""

    def __init__(self, servers):
        self.commands = []
        self.clients = [redis.Redis(port=s.port, decode_responses=True) for s in servers]
        self.threads = [
            threading.Thread(target=self.listen, args=[c], daemon=True) for c in self.clients
        ]

    def listen(self, client):
        with client.monitor() as monitor:
            self.ready.release()
            for seen in monitor.listen():
                if seen["command"] == "ECHO end":
                    return
                # Those of scripts, and of a new connection of this class, are not the login's; nor
                # is the script TIME, which is run once a minute.
                name = seen["command"].partition(" ")[0]
                is_time = seen["command"].startswith(f"EVALSHA {TIME_SCRIPT} ")
                if (
                    not is_time
                    and seen["client_type"] != "lua"
                    and name not in ("CLIENT", "HELLO", "ECHO")
                ):
                    self.commands.append(seen["command"])

    def __enter__(self):
        self.ready = threading.Semaphore(0)
        for thread in self.threads:
            thread.start()
        for _ in self.threads:
            self.ready.acquire()
        return self.commands

    def __exit__(self, *_):
        for client in self.clients:
            client.echo("end")
        for thread in self.threads:
            thread.join(10)
        for client in self.clients:
            client.close()


@pytest.mark.servers
@pytest.mark.parametrize(("kind", "most"), [("server", 4), ("cluster", 6)])
def test_commands_of_a_login_in_redis(request, kind, most):
    found = request.getfixturevalue(f"redis_{kind}")
    servers = found.servers if kind == "cluster" else [found]
    app = new_app(found.url)
    unlimited = new_app(found.url, JWT_LOGIN_LIMITS=None)
    counted = {}
    for name, which in (("limited", app), ("unlimited", unlimited)):
        with Monitor(servers) as commands:
            for _ in range(10):
                assert log_in(which) == 200
        counted[name] = commands
    more = len(counted["limited"]) - len(counted["unlimited"])
    assert more == 20, "one before each login and one after it"
    assert len(counted["limited"]) <= 10 * most, counted["limited"][-most:]
    with Monitor(servers) as commands:
        assert [log_in(app, "wrong", "ann") for _ in range(12)] == [401] * 10 + [429] * 2
    assert len(commands) == 12, "a failed login has one round trip"
    close(app, unlimited)


class Statements:
    """The statements on the login counters, as the server has logged them."""

    def __init__(self, read):
        self.read = read

    def __enter__(self):
        self.seen = len(self.read())
        return self

    def __exit__(self, *_):
        time.sleep(0.3)  # the server writes its log while it responds
        self.statements = self.read()[self.seen :]


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def logged(request, tmp_path):
    """A URI, and a function that returns the statements on the counters that were logged."""
    if request.param == "sqlite":
        statements = []
        yield f"sqlite:///{tmp_path}/a.db", lambda: list(statements), statements
        return
    server = request.getfixturevalue(request.param)
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        execute = connection.exec_driver_sql
        if request.param == "postgres":
            execute("ALTER SYSTEM SET log_statement = 'all'")
            execute("SELECT pg_reload_conf()")
            log = server.folder / "log"

            def read():
                pattern = r"LOG: +(?:statement|execute [^:]*): (.*)"
                return [s for s in re.findall(pattern, log.read_text()) if COUNTERS in s]

            until(lambda: execute("SHOW log_statement").scalar() == "all", "log_statement")
            yield server.url, read, None
            execute("ALTER SYSTEM RESET log_statement")
            execute("SELECT pg_reload_conf()")
        else:
            execute("SET GLOBAL log_output = 'TABLE', general_log = 1")

            def read():
                query = "SELECT argument FROM mysql.general_log WHERE command_type = 'Query'"
                rows = [str(row[0]) for row in execute(query)]
                return [s for s in rows if COUNTERS in s and "general_log" not in s]

            yield server.url, read, None
            execute("SET GLOBAL general_log = 0")
    engine.dispose()


@pytest.mark.servers
def test_statements_of_a_login_in_a_database(logged):
    uri, read, statements = logged
    app = make_app(clock=time.time, JWT_STORAGE_URI=uri, JWT_REVOCATION_CHECK=None)
    if statements is not None:  # SQLite has no server: its library traces
        sa.event.listen(
            app.extensions["flask-jwt"].sessions.store.store.engine,
            "connect",
            lambda raw, _: raw.set_trace_callback(
                lambda s: statements.append(s) if COUNTERS in s else None
            ),
        )
    log_in(app)
    with Statements(read) as login:
        for _ in range(10):
            assert log_in(app) == 200
    assert len(login.statements) == 30, login.statements
    assert [s for s in login.statements if "RETURNING" in s] == []
    with Statements(read) as failures:
        assert [log_in(app, "wrong", "ann") for _ in range(10)] == [401] * 10
    assert len(failures.statements) == 20
    with Statements(read) as blocked:
        assert [log_in(app, "wrong", "ann") for _ in range(10)] == [429] * 10
    assert len(blocked.statements) == 11, "the first of them sets the wait"
    close(app)
