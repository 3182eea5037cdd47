"""Stores that don't respond, and how long a request waits for each. See tests/test_waits.py."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

from tests.proxy import Proxy, is_postgres_operation, is_redis_operation
from tests.servers import (
    MariaDbServer,
    PgBouncer,
    PostgresServer,
    RedisClusterServers,
    RedisSentinel,
    RedisServer,
    until,
)
from tests.stopwatch import Stopwatch
from tests.support import bearer
from tests.workers import log_in, new_app

STORES = {
    "PostgreSQL": "postgresql+psycopg://postgres@{address}/postgres",
    "PgBouncer": "postgresql+psycopg://postgres@{address}/postgres?prepare_threshold=none",
    "MariaDB, PyMySQL": "mysql+pymysql://root@{address}/tested",
    "MariaDB, mysqlclient": "mysql+mysqldb://root@{address}/tested",
    "Redis": "redis://{address}/0",
    "Sentinel": "redis+sentinel://{address}/main",
    "Cluster": "redis+cluster://{address}",
}
SQL = [name for name in STORES if name not in ("Redis", "Sentinel", "Cluster")]


def is_mysql_operation(data):
    return len(data) > 4 and data[4:5] == b"\x03"  # COM_QUERY


def names_the_table(data):
    return b"jwt_" in data or b"jwt:" in data


def time_requests(app, tokens=None):
    """Return the longest time of requests that need the store, in seconds."""
    client = app.test_client()
    requests = {"login": lambda: client.post("/auth", json={"username": "joe", "password": "pass"})}
    if tokens is not None:
        access, renew = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
        requests = {
            "refresh": lambda: client.post("/auth/refresh", headers=renew),
            "guarded": lambda: client.get("/protected", headers=access),
            **requests,
        }
    longest = 0.0
    for name, request in requests.items():
        with Stopwatch() as watch:
            began = watch.now()
            status = request().status_code
            longest = max(longest, watch.now() - began)
        assert status == 503, (name, status)
        # The next request is not to fail fast.
        app.extensions["flask-jwt"].sessions.store._failed_at = None
    return longest


class Waits:
    """The servers of one store, and applications that wait for them.

    :param name: the store, one of ``STORES``
    :param timeout: ``JWT_STORE_TIMEOUT``
    """

    def __init__(self, name, timeout):
        self.name = name
        self.timeout = timeout
        self.stack = ExitStack()
        self.servers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            with suppress(Exception):
                server.thaw()
        self.stack.close()

    def open_app(self, *addresses, **config):
        """Make an application whose store is at these addresses."""
        uri = STORES[self.name].format(address=",".join(addresses))
        app = new_app(
            uri,
            JWT_STORE_TIMEOUT=self.timeout,
            **{"JWT_LOGIN_LIMITS": None, "JWT_REVOCATION_CHECK": "always", **config},
        )
        self.stack.callback(app.extensions["flask-jwt"].sessions.close)
        return app

    def start(self, server):
        self.stack.callback(server.remove)
        self.servers.append(server)
        return server.start()

    def start_store(self):
        """Start the servers of the store, and return their addresses."""
        if self.name == "PostgreSQL":
            ports = [self.start(PostgresServer()).port]
        elif self.name == "PgBouncer":
            ports = [self.start(PgBouncer(self.start(PostgresServer()).port, pool_size=20)).port]
        elif self.name.startswith("MariaDB"):
            ports = [self.start(MariaDbServer()).port]
        elif self.name == "Cluster":
            cluster = self.start(RedisClusterServers())
            self.servers = cluster.servers
            ports = [server.port for server in cluster.servers]
        else:
            ports = [self.start(RedisServer()).port]
            if self.name == "Sentinel":
                ports = [self.start(RedisSentinel(ports[0])).port]
        return [f"127.0.0.1:{port}" for port in ports]

    def proxied(self, is_operation):
        """Start the store, and return a proxy and its address."""
        (address,) = self.start_store()
        proxy = Proxy(int(address.rpartition(":")[2]), is_operation)
        self.stack.callback(proxy.close)
        return proxy, f"127.0.0.1:{proxy.port}"

    # The cases

    def refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        return time_requests(
            self.open_app(address, address, address)
            if self.name in ("Sentinel", "Cluster")
            else self.open_app(address)
        )

    def silent(self):
        """The system accepts the connection, and nothing responds."""
        count = 3 if self.name in ("Sentinel", "Cluster") else 1
        listeners = [
            self.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            for _ in range(count)
        ]
        return time_requests(
            self.open_app(*(f"127.0.0.1:{each.getsockname()[1]}" for each in listeners))
        )

    def syn_dropped(self):
        """The backlog is full, so Linux drops the first packet of a connection."""
        count = 3 if self.name in ("Sentinel", "Cluster") else 1
        listeners = [self.stack.enter_context(full_listener()) for _ in range(count)]
        return time_requests(self.open_app(*(f"127.0.0.1:{port}" for port in listeners)))

    def first_use(self):
        """The first statement gets no response, after the handshake."""
        if self.name in ("Sentinel", "Cluster"):
            return self._freeze_before_first_use()
        is_operation = (
            is_redis_operation if self.name == "Redis"
            else is_mysql_operation if self.name.startswith("MariaDB")
            else lambda data: is_postgres_operation(data) or data[:1] == b"Q"
        )  # fmt: skip
        proxy, address = self.proxied(is_operation)
        proxy.break_next("drop", times=10_000)
        return time_requests(self.open_app(address))

    def _freeze_before_first_use(self):
        addresses = self.start_store()
        app = self.open_app(*addresses)
        self.freeze()
        return time_requests(app)

    def set_up(self):
        """The first statement about the tables gets no response."""
        if self.name not in SQL:
            return None
        proxy, address = self.proxied(names_the_table)
        proxy.break_next("drop", times=10_000)
        return time_requests(self.open_app(address))

    def statement(self):
        """The server hangs later."""
        app = self.open_app(*self.start_store())
        tokens = until(lambda: log_in(app), "a login")
        self.freeze()
        return time_requests(app, tokens)

    def pool(self):
        """All connections are in use for statements without a response."""
        if self.name not in SQL:
            return None
        proxy, address = self.proxied(names_the_table)
        app = self.open_app(address)
        tokens = [until(lambda n=n: log_in(app, f"user {n}"), "a login") for n in range(30)]
        proxy.break_next("drop", times=10_000)
        took = []

        def refresh(pair):
            client = app.test_client()
            began = watch.now()
            response = client.post("/auth/refresh", headers=bearer(pair["refresh_token"]))
            took.append(watch.now() - began)
            assert response.status_code == 503

        threads = [threading.Thread(target=refresh, args=(pair,)) for pair in tokens]
        with Stopwatch() as watch:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(took) == len(tokens)
        return max(took)

    def counters(self):
        """The server hangs, and logins are limited: a failed one is counted in memory."""
        app = self.open_app(*self.start_store(), JWT_LOGIN_LIMITS="10/minute")
        until(lambda: log_in(app), "a login")
        self.freeze()
        longest = 0.0
        for password, expected in {"wrong": 401, "pass": 503}.items():
            app.extensions["flask-jwt"].sessions.store._failed_at = None
            body = {"username": "joe", "password": password}
            with Stopwatch() as watch:
                began = watch.now()
                status = app.test_client().post("/auth", json=body).status_code
                longest = max(longest, watch.now() - began)
            assert status == expected, status
        return longest

    def sentinel(self):
        """Two of three Sentinels don't respond; the request succeeds."""
        if self.name != "Sentinel":
            return None
        silent = [
            self.stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
            for _ in range(2)
        ]
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in silent]
        app = self.open_app(*addresses, *self.start_store())
        with Stopwatch() as watch:
            began = watch.now()
            log_in(app)
            return watch.now() - began

    def freeze(self):
        for server in self.servers:
            server.freeze()


@contextmanager
def full_listener():
    """Yield a port that accepts no further connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


CASES = {
    "refused": Waits.refused, "silent": Waits.silent, "SYN dropped": Waits.syn_dropped,
    "first use": Waits.first_use, "set-up": Waits.set_up, "statement": Waits.statement,
    "pool": Waits.pool, "counters": Waits.counters, "2 of 3 Sentinels": Waits.sentinel,
}  # fmt: skip
