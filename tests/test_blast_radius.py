"""What fails for one caller does not fail for others; and what fails is named in the log, once.

The databases are real, and so are their errors: triggers raise them for the rows of one session.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis

from tests.faults import MariadbRows, PostgresqlRows
from tests.proxy import Proxy
from tests.servers import RedisServer, stores, until, uri_of
from tests.stopwatch import Stopwatch
from tests.support import bearer, claims_of, get
from tests.workers import log_in, new_app, refresh

pytestmark = pytest.mark.slow

soak = pytest.mark.soak
TIMEOUT = 4
"""More than a machine of tests stands still: what works is never late by this."""
COUNTS = pytest.mark.parametrize("count", [100, pytest.param(1000, marks=soak)])

DATABASES = ("postgres", "pgbouncer", "mariadb", "mysqlclient")
ROWS = {"postgres": PostgresqlRows, "pgbouncer": PostgresqlRows,
        "mariadb": MariadbRows, "mysqlclient": MariadbRows}  # fmt: skip
SERVERS = {"pgbouncer": "postgres", "mysqlclient": "mariadb", "redis": "redis_server"}


def server_of(store, request):
    return request.getfixturevalue(SERVERS.get(store, store))


@pytest.fixture
def make(request, tmp_path):
    """Return a function that makes an application, which is closed after the test."""
    apps = []

    def make(store, **config):
        uri = store if ":" in store else uri_of(store, request, tmp_path)
        options = {"JWT_STORE_TIMEOUT": TIMEOUT, "JWT_REVOCATION_CHECK": "always", **config}
        apps.append(new_app(uri, JWT_LOGIN_LIMITS=None, **options))
        return apps[-1]

    yield make
    for app in apps:
        app.extensions["flask-jwt"].sessions.close()


def sid_of(tokens):
    return claims_of(tokens["access_token"])["sid"]


def label(app, tokens, label):
    with app.app_context():
        assert app.jwt.sessions.rename(sid_of(tokens), label)


def use_sessions(app, count, *, writes=True):
    """Send *count* requests of others in four threads, and count their statuses."""

    def work(number):
        tokens = log_in(app, f"other {number}") if writes else stored[number]
        token, statuses = tokens["refresh_token"], Counter()
        for n in range(count // 4):
            if n % 2 and writes:
                status, token = refresh(app, token)
            else:
                status = get(app, "/protected", tokens["access_token"]).status_code
            statuses[status] += 1
        return statuses

    stored = [log_in(app, f"other {n}") for n in range(4)] if not writes else []
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(work, range(4)), Counter())


@contextmanager
def failing(app, token, statuses):
    """Refresh with *token* again and again meanwhile; give up its first response."""
    stopped = threading.Event()

    def work():
        while not stopped.is_set():
            statuses[refresh(app, token)[0]] += 1
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize(
    ("store", "fault", "count"),
    [
        *((store, fault, 100) for store in DATABASES for fault in ("row lock", "read-only")),
        *(
            pytest.param(store, fault, 1000, marks=soak)
            for store in DATABASES
            for fault in ("row lock", "slow", *ROWS[store].codes)
        ),
    ],
)
def test_an_error_of_one_row_affects_no_one_else(make, request, store, fault, count, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    rows = ROWS[store](server_of(store, request))
    app = make(store)
    victim = log_in(app, "victim")
    if fault in rows.codes:
        label(app, victim, f"fault {rows.codes[fault]}")
    elif fault == "slow":
        label(app, victim, "slow")
    statuses = Counter()
    with rows.locking(sid_of(victim)) if fault == "row lock" else threading.Lock():
        with Stopwatch() as watch:
            before = watch.now()
            assert refresh(app, victim["refresh_token"])[0] == 503
            assert watch.now() - before < 1.5 * TIMEOUT
        assert refresh(app, log_in(app, "next")["refresh_token"])[0] == 200, "right afterwards"
        with failing(app, victim["refresh_token"], statuses):
            others = use_sessions(app, count)
            until(lambda: statuses, "a failure")
            others += use_sessions(app, count)
    assert others == {200: 2 * count}
    assert set(statuses) == {503}
    lines = [record.getMessage() for record in caplog.records]
    # The database gives a statement up just before the client does, if the time was not used up
    # otherwise. PgBouncer can't be given the timeouts of the store.
    words = {"row lock": ("timeout", "in time"), "slow": ("timeout", "in time")}
    words = words.get(fault, [fault.partition(" ")[0]])
    assert 1 <= len(lines) <= len(words), lines
    for line in lines:
        assert "The session store " in line
        assert " has failed (" in line
        assert any(word in line for word in words), lines
        assert victim["refresh_token"] not in line
        assert '"identity"' not in line, "no part of a row"


@COUNTS
@pytest.mark.parametrize(
    "store", stores("postgres", "pgbouncer", "mariadb", "mysqlclient", "redis")
)
def test_an_operation_that_the_network_swallows_affects_no_one_else(make, request, store, count):
    server = request.getfixturevalue(store) if store == "pgbouncer" else server_of(store, request)
    victim = {}
    proxy = Proxy(server.port, lambda data: bool(victim) and victim["sid"].encode() in data)
    url = server.url.replace(f":{server.port}", f":{proxy.port}")
    if store == "mysqlclient":
        url = url.replace("+pymysql", "+mysqldb")
    app = make(url)
    tokens = log_in(app, "victim")
    victim["sid"] = sid_of(tokens)
    proxy.break_next("drop", times=10_000)
    statuses = Counter()
    with failing(app, tokens["refresh_token"], statuses):
        others = use_sessions(app, count)
        until(lambda: statuses, "a timeout")
        others += use_sessions(app, count)
    proxy.heal()
    assert others == {200: 2 * count}
    assert set(statuses) == {503}
    until(lambda: refresh(app, tokens["refresh_token"])[0] == 200, "the network works again")
    proxy.close()


@pytest.mark.parametrize("store", DATABASES)
@pytest.mark.parametrize("fault", ["deadlock", "serialization"])
def test_what_the_database_undoes_in_favor_of_others_is_repeated(
    make, request, store, fault, caplog
):
    caplog.set_level(logging.WARNING, "flask_jwt")
    rows = ROWS[store](server_of(store, request))
    app = make(store)
    tokens = log_in(app, "victim")
    label(app, tokens, f"twice {rows.codes[fault]}")
    assert refresh(app, tokens["refresh_token"])[0] == 200
    assert caplog.text == ""


@pytest.mark.servers
def test_a_serializable_database_rotates_once(make, request):
    """The option is one of the URL, which is kept beside those of the store."""
    url = request.getfixturevalue("postgres_url")
    app = make(f"{url}?options=-cdefault_transaction_isolation%3Dserializable", JWT_STORE_TIMEOUT=5)
    token = log_in(app)["refresh_token"]
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(refresh, [app] * 64, [token] * 64))
    assert {status for status, _ in responses} == {200}
    assert len({each for _, each in responses}) == 1


# Reads go on when writes can't


@contextmanager
def postgresql_without_writes(server):
    rows = PostgresqlRows(server)
    rows.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        yield
    finally:
        rows.execute("ALTER DATABASE postgres RESET default_transaction_read_only")


@contextmanager
def mariadb_without_writes(server):
    rows = MariadbRows(server)
    rows.execute("CREATE USER IF NOT EXISTS reader@'127.0.0.1'")
    rows.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX ON tested.* TO reader@'127.0.0.1'"
    )
    rows.execute("SET GLOBAL read_only = 1")  # root may still write
    try:
        yield
    finally:
        rows.execute("SET GLOBAL read_only = 0")


@contextmanager
def redis_without_writes(server):
    with redis.Redis(port=server.port) as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            client.config_set("min-replicas-to-write", 0)


@contextmanager
def sqlite_without_writes(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@COUNTS
@pytest.mark.parametrize("store", stores("sqlite", "postgres", "mariadb", "mysqlclient", "redis"))
def test_reads_go_on_when_writes_fail(make, request, tmp_path, store, count, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    server = None if store == "sqlite" else server_of(store, request)
    if store in ("mariadb", "mysqlclient"):
        with mariadb_without_writes(server):  # makes the user
            pass
        driver = "mysqldb" if store == "mysqlclient" else "pymysql"
        app = make(f"mysql+{driver}://reader@127.0.0.1:{server.port}/tested")
    else:
        app = make(store)
    victim = log_in(app, "victim")
    caplog.clear()
    failing_store = {
        "sqlite": lambda: sqlite_without_writes(tmp_path / "sessions.db"),
        "postgres": lambda: postgresql_without_writes(server),
        "redis": lambda: redis_without_writes(server),
    }.get(store, lambda: mariadb_without_writes(server))
    if store == "postgres":  # the setting is one of new connections
        app.extensions["flask-jwt"].sessions.close()
    readers = [log_in(app, f"reader {n}") for n in range(2)]
    with failing_store():
        if store == "postgres":
            app.extensions["flask-jwt"].sessions.store.store.engine.dispose()
        statuses = Counter()
        until(lambda: refresh(app, victim["refresh_token"])[0] == 503, "no writes")
        with failing(app, victim["refresh_token"], statuses):
            for n in range(count):
                token = readers[n % 2]["access_token"]
                assert get(app, "/protected", token).status_code == 200, n
    assert set(statuses) <= {503}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1, lines
    assert "has failed (" in lines[0]
    until(lambda: refresh(app, victim["refresh_token"])[0] == 200, "writes work again")


# Warnings


@pytest.mark.servers
def test_a_redis_user_without_info_has_no_outage(make, redis_server, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    with redis.Redis(port=redis_server.port) as client:
        client.acl_setuser(
            "app", enabled=True, passwords=["+secret"], keys=["*"],
            categories=["+@all"], commands=["-info"],
        )  # fmt: skip
        app = make(f"redis://app:secret@127.0.0.1:{redis_server.port}/0")
        for _ in range(5):
            assert refresh(app, log_in(app)["refresh_token"])[0] == 200
        client.acl_deluser("app")
    assert caplog.text == ""


# Limits of the server


@pytest.mark.servers
def test_the_connection_limit_of_postgresql_affects_only_new_connections(make, postgres, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    rows = PostgresqlRows(postgres)
    rows.execute("DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN CONNECTION LIMIT 2;"
                 "GRANT ALL ON ALL TABLES IN SCHEMA public TO few")  # fmt: skip
    app = make(postgres.url.replace("postgres@", "few@"))
    tokens = [log_in(app, f"user {n}") for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        statuses = Counter(
            status for _ in range(10)
            for status, _ in pool.map(refresh, [app] * 12, [t["refresh_token"] for t in tokens])
        )  # fmt: skip
    assert statuses[200] > 0
    assert set(statuses) <= {200, 503}
    assert refresh(app, tokens[0]["refresh_token"])[0] == 200, "the circuit has not opened"
    lines = [record.getMessage() for record in caplog.records]
    assert all("has failed (connection limit)" in line for line in lines), lines
    assert len(lines) <= 1


@pytest.mark.servers
def test_the_connection_limit_of_mariadb_affects_only_new_connections(make, mariadb, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    rows = MariadbRows(mariadb)
    rows.execute("CREATE OR REPLACE USER few@'127.0.0.1' WITH MAX_USER_CONNECTIONS 2")
    rows.execute("GRANT ALL ON tested.* TO few@'127.0.0.1'")
    app = make(f"mysql+pymysql://few@127.0.0.1:{mariadb.port}/tested")
    tokens = [log_in(app, f"user {n}") for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        statuses = Counter(
            status for _ in range(10)
            for status, _ in pool.map(refresh, [app] * 12, [t["refresh_token"] for t in tokens])
        )  # fmt: skip
    assert set(statuses) <= {200, 503}
    assert refresh(app, tokens[0]["refresh_token"])[0] == 200, "the circuit has not opened"
    lines = [record.getMessage() for record in caplog.records]
    assert all("has failed (connection limit)" in line for line in lines), lines
    assert len(lines) <= 1


@pytest.mark.servers
def test_a_full_redis_affects_only_writes(make, caplog):
    caplog.set_level(logging.WARNING, "flask_jwt")
    server = RedisServer("--maxmemory-policy", "noeviction").start()
    try:
        app = make(server.url)
        tokens = log_in(app)
        with redis.Redis(port=server.port) as client:
            client.config_set("maxmemory", 1)
            assert refresh(app, tokens["refresh_token"])[0] == 503
            assert get(app, "/protected", tokens["access_token"]).status_code == 200
            client.config_set("maxmemory", 0)
        assert refresh(app, tokens["refresh_token"])[0] == 200
        (line,) = [record.getMessage() for record in caplog.records]
        assert "has failed (out of memory)" in line
    finally:
        server.remove()


# A server that was demoted


@pytest.mark.servers
@pytest.mark.parametrize("store", ["postgres", "mariadb", "mysqlclient"])
def test_a_connection_to_a_demoted_server_is_dropped(make, request, store):
    """The row is read-only over this connection only, as over one to a former primary."""
    server = server_of(store, request)
    url = server.url
    if store != "postgres":
        with mariadb_without_writes(server):
            pass
        driver = "mysqldb" if store == "mysqlclient" else "pymysql"
        url = f"mysql+{driver}://reader@127.0.0.1:{server.port}/tested"
    app = make(url)
    tokens = log_in(app)
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    with engine.connect() as connection:  # the one that is used next
        statement = {
            "postgres": "SET default_transaction_read_only = on",
        }.get(store, "SET SESSION TRANSACTION READ ONLY")
        connection.exec_driver_sql(statement)
    assert refresh(app, tokens["refresh_token"])[0] == 200, "on a new connection"


@pytest.mark.servers
def test_a_demoted_redis_is_left_for_the_new_primary(make):
    """The address stays the same, as behind a load balancer."""
    old, new = RedisServer().start(), RedisServer().start()
    proxy = Proxy(old.port, lambda data: False)
    try:
        app = make(f"redis://127.0.0.1:{proxy.port}/0")
        tokens = log_in(app)
        with redis.Redis(port=old.port) as a, redis.Redis(port=new.port) as b:
            b.replicaof("127.0.0.1", old.port)
            until(lambda: b.info("replication")["master_link_status"] == "up", "replication")
            until(lambda: b.dbsize() == a.dbsize(), "the keys")
            b.replicaof("NO", "ONE")
            a.replicaof("127.0.0.1", new.port)
        proxy.server_port = new.port
        assert refresh(app, tokens["refresh_token"])[0] == 200, "on a new connection"
    finally:
        proxy.close()
        old.remove()
        new.remove()


def test_a_database_may_be_read_only_when_a_worker_starts(make, tmp_path):
    log_in(make("sqlite"))
    (tmp_path / "sessions.db").chmod(0o644)
    app = make(f"sqlite:///file:{tmp_path}/sessions.db?mode=ro&uri=true")
    response = app.test_client().post("/auth", json={"username": "joe", "password": "pass"})
    assert response.status_code == 503
    other = make("sqlite")
    tokens = log_in(other)
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    assert app.test_client().post(
        "/auth/refresh", headers=bearer(tokens["refresh_token"])
    ).status_code == 503  # fmt: skip
