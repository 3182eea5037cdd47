"""What a login with its limits costs in each store, counted by the server."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time

import psycopg
import pytest
import redis
import sqlalchemy as sa

from flask_jwt.stores._sql_statements import FEW_SESSIONS
from tests.servers import PostgresServer, running, until
from tests.support import User, make_app

COUNTERS = "jwt_login_counters"
OF_A_LOGIN = re.compile(r"jwt_|\A(?:BEGIN|START|COMMIT|ROLLBACK|SET)\b", re.IGNORECASE)
"""All but PRAGMA, which no server gets, and the time of the database, which is read once a minute."""


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
    assert more == 20, f"one before each login and one after it: {counted}"
    assert len(counted["limited"]) <= 10 * most, counted["limited"][-most:]
    with Monitor(servers) as commands:
        assert [log_in(app, "wrong", "ann") for _ in range(12)] == [401] * 10 + [429] * 2
    assert len(commands) == 12, "a failed login has one round trip"
    close(app, unlimited)


class Statements:
    """The statements of logins, as the server has logged them."""

    def __init__(self, read):
        self.read = read

    def __enter__(self):
        self.seen = len(self.read())
        return self

    def __exit__(self, *_):
        time.sleep(0.3)  # the server writes its log while it responds
        self.all = [s for s in self.read()[self.seen :] if OF_A_LOGIN.search(s)]
        self.statements = [s for s in self.all if COUNTERS in s]


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def logged(request, tmp_path):
    """A URI, and a function that returns the statements that were logged."""
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
                return re.findall(pattern, log.read_text())

            until(lambda: execute("SHOW log_statement").scalar() == "all", "log_statement")
            yield server.url, read, None
            execute("ALTER SYSTEM RESET log_statement")
            execute("SELECT pg_reload_conf()")
        else:
            execute("SET GLOBAL log_output = 'TABLE', general_log = 1")

            def read():
                query = "SELECT argument FROM mysql.general_log WHERE command_type = 'Query'"
                rows = [str(row[0]) for row in execute(query)]
                return [s for s in rows if "general_log" not in s]

            yield server.url, read, None
            execute("SET GLOBAL general_log = 0")
    engine.dispose()


def new_logged_app(uri, statements, **config):
    config["JWT_STORAGE_NAMESPACE"] = random.randbytes(8).hex()  # other tests have the server too
    users = [User(1), User(2, "eve")]
    app = make_app(
        clock=time.time, users=users, JWT_STORAGE_URI=uri, JWT_REVOCATION_CHECK=None, **config
    )
    if statements is not None:  # SQLite has no server: its library traces
        sa.event.listen(
            app.extensions["flask-jwt"].sessions.store.store.engine,
            "connect",
            lambda raw, _: raw.set_trace_callback(statements.append),
        )
    log_in(app)
    return app


SQLALCHEMY = tuple(int(part) for part in sa.__version__.split(".")[:3])


@pytest.mark.servers
@pytest.mark.skipif(SQLALCHEMY < (2, 0, 43), reason="it reports fewer row counts, and rolls back")
def test_a_login_is_four_statements(logged):
    uri, read, statements = logged
    app = new_logged_app(uri, statements)
    for name in ("joe", "eve"):  # eve logs in for the first time
        with Statements(read) as login:
            assert log_in(app, name=name) == 200
        words = [" ".join(re.findall(r"[A-Za-z_]\w*", s)) for s in login.all]
        assert len(words) == 4, words
        assert words[0].startswith("SELECT counter_key")
        assert words[1].startswith(f"INSERT INTO {COUNTERS}")
        assert words[2].startswith(f"INSERT INTO {COUNTERS}")
        assert words[3].startswith("INSERT INTO jwt_sessions")
    close(app)


@pytest.mark.servers
@pytest.mark.skipif(SQLALCHEMY < (2, 0, 43), reason="it reports fewer row counts, and rolls back")
def test_a_query_for_too_many_sessions_is_made_only_where_it_may_find_some(logged):
    uri, read, statements = logged
    app = new_logged_app(uri, statements, JWT_MAX_SESSIONS=2)
    with Statements(read) as login:
        assert log_in(app) == 200
    assert len(login.all) == 5, login.all
    app.config["JWT_MAX_SESSIONS"] = None
    for _ in range(FEW_SESSIONS):
        assert log_in(app, name="eve") == 200
    with Statements(read) as login:
        assert log_in(app, name="eve") == 200
    assert len(login.all) == 6, login.all
    close(app)


@pytest.mark.servers
def test_statements_of_a_login_in_a_database(logged):
    uri, read, statements = logged
    app = new_logged_app(uri, statements)
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


@pytest.fixture
def own_postgres():
    """A server that no other test uses."""
    with running(PostgresServer()) as server:
        yield server


def configure(server, **options):
    uri = server.url.replace("+psycopg", "")
    with psycopg.connect(uri, autocommit=True) as connection:
        for name, value in options.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
        for name, value in options.items():
            until(lambda n=name, v=value: connection.execute(f"SHOW {n}").fetchone() == (v,), name)


def test_only_the_session_waits_for_what_postgresql_calls_durable(own_postgres, caplog):
    """With a standby that isn't there, a commit that has to be durable waits indefinitely."""
    users = [User(1), User(2, "eve")]
    config = {"JWT_STORAGE_URI": own_postgres.url, "JWT_REVOCATION_CHECK": None}
    app = make_app(clock=time.time, users=users, JWT_STORE_TIMEOUT=4, **config)
    assert log_in(app) == 200
    configure(own_postgres, synchronous_standby_names="absent")
    assert [log_in(app, "wrong", "eve") for _ in range(10)] == [401] * 10
    assert log_in(app, "wrong", "eve") == 429
    assert "counts failed logins in its memory" not in caplog.text, "the store has counted them"
    assert log_in(app) == 503, "the tokens of a session that may be lost are not sent"
    configure(own_postgres, synchronous_standby_names="")
    close(app)


@pytest.mark.slow
def test_a_crash_of_postgresql_undoes_neither_a_login_nor_the_failures_before_it(own_postgres):
    configure(own_postgres, wal_writer_delay="10s")
    users = [User(1), User(2, "eve")]
    app = make_app(clock=time.time, users=users, JWT_STORAGE_URI=own_postgres.url)
    assert [log_in(app, "wrong", "eve") for _ in range(8)] == [401] * 8
    response = app.test_client().post("/auth", json={"username": "joe", "password": "pass"})
    assert log_in(app, "wrong", "eve") == 401
    own_postgres.kill()
    own_postgres.start()
    close(app)  # its connections, so that it connects anew
    refresh_token = response.get_json()["refresh_token"]
    headers = {"Authorization": f"Bearer {refresh_token}"}
    assert app.test_client().post("/auth/refresh", headers=headers).status_code == 200
    attempts = [log_in(app, "wrong", "eve") for _ in range(3)]
    assert attempts in ([401, 429, 429], [401, 401, 429]), "eight or nine have been counted"
    close(app)
