"""What the Redis store sends and keeps: round trips, keys that expire, settings of the server."""

from __future__ import annotations

import secrets
import time

import pytest
import redis

from flask_jwt.stores import open_store
from tests.servers import RedisClusterServers, RedisServer, running, stores, uri_of
from tests.support import ANYONE, bearer, login, make_app
from tests.test_stores import new

# What a client sends for itself, not for an operation.
OF_CONNECTIONS = {"auth", "client", "cluster", "command", "config", "hello", "info", "ping", "role"}


@pytest.fixture
def server():
    """A server of the test's own."""
    with running(RedisServer()) as server:
        yield server


@pytest.fixture
def client(server):
    with redis.Redis(port=server.port, decode_responses=True) as client:
        yield client


class Requests:
    """Count the commands that clients send to a server, without those inside of scripts."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        self.monitor = self.client.monitor().__enter__()
        return self

    def __exit__(self, *_):
        end = secrets.token_hex(8)
        self.client.echo(end)
        self.names = []
        for entry in self.monitor.listen():
            name = entry["command"].split()[0].lower()
            if end in entry["command"]:
                break
            if entry["client_type"] != "lua" and name not in OF_CONNECTIONS:
                self.names.append(name)
        self.monitor.__exit__(None, None, None)


@pytest.fixture
def app(server):
    app = make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=server.url, JWT_LOGIN_LIMITS=None)
    yield app
    app.jwt.close(app)


def test_a_login_a_refresh_and_a_logout_are_one_request_each(app, client):
    browser = app.test_client()
    tokens = login(browser, "ann").get_json()
    headers = bearer(tokens["access_token"])
    assert browser.get("/protected", headers=headers).status_code == 200
    assert browser.post("/auth/refresh", headers=bearer(tokens["refresh_token"])).status_code == 200
    assert browser.post("/auth/logout", headers=headers).status_code == 200
    steps = {
        "login": lambda: login(browser, "ann"),
        "refresh": lambda: browser.post("/auth/refresh", headers=bearer(tokens["refresh_token"])),
        "logout": lambda: browser.post("/auth/logout", headers=bearer(tokens["access_token"])),
    }
    sent = {}
    for name, step in steps.items():
        with Requests(client) as requests:
            response = step()
        assert response.status_code == 200
        tokens = {**tokens, **response.get_json()}
        sent[name] = requests.names
    assert sent == {name: ["evalsha"] for name in steps}


def test_operations_on_a_cluster(redis_cluster, redis_cluster_url):
    """The session, the list of the user's sessions and the feed are on three nodes."""
    store = open_store(redis_cluster_url, 5)
    clients = [redis.Redis(port=server.port) for server in redis_cluster.servers]
    for _ in range(30):  # each node has to learn the scripts
        store.create(session := new())
        store.rotate(session.sid, 0, now=1500.0, idle_expires_at=None)
        store.revoke(session.sid, time.time())
    session = new()
    for operation, most in (
        (lambda: store.create(session), 3),
        (lambda: store.rotate(session.sid, 0, now=1500.0, idle_expires_at=None), 1),
        (lambda: store.revoke(session.sid, time.time()), 2),
    ):
        counters = [Requests(client) for client in clients]
        for counter in counters:
            counter.__enter__()
        operation()
        for counter in counters:
            counter.__exit__()
        assert sum(len(counter.names) for counter in counters) == most
    for client in clients:
        client.close()
    store.close()


@pytest.mark.parametrize("kind", stores("redis", "redis_cluster", "redis_sentinel"))
def test_all_keys_expire(kind, request, tmp_path):
    url = uri_of(kind, request, tmp_path)
    store = open_store(url, 5)
    now = time.time()
    for number in range(30):
        session = new("user", created_at=now, expires_at=now + 1000)
        store.create(session)
        store.rotate(session.sid, 0, now=now, idle_expires_at=None)
        if number % 2:
            store.revoke(session.sid, now, kept_until=now + 5000)
    store.list_active(session.subject_key, now)
    store.rename(session.sid, "phone")
    keys = list(store.client.scan_iter(match="jwt:*", count=1000))
    assert len(keys) >= 30 + 1 + 2
    lasting = [key for key in keys if store.client.ttl(key) == -1]  # -2: it has just expired
    assert lasting == []
    assert 4990 <= store.client.ttl(f"jwt:{{{session.sid}}}") <= 5002, "as its revocation"
    assert 990 <= store.client.ttl(f"jwt:sessions:{session.subject_key}") <= 1003
    store.close()


def test_the_keys_of_an_earlier_version_expire_after_an_upgrade(server, client):
    now = int(time.time())
    client.zadd("jwt:subject:joe", {"a" * 32: now + 100, "b" * 32: now + 500})
    client.zadd("jwt:revoked", {"c" * 32: now})
    client.incr("jwt:sequence")
    store = open_store(server.url, 5)
    assert store.read_revocations(None, now=now, lifetime=300).sids == ["c" * 32]
    store.upgrade(lambda payload: None, lambda *_: None)
    assert 490 <= client.ttl("jwt:subject:joe") <= 501
    assert all(client.ttl(key) > 0 for key in client.keys("*"))
    store.close()


@pytest.mark.parametrize("skew", [366 * 86400.0, -366 * 86400.0])
def test_redis_keeps_a_session_as_long_as_it_lasts(server, client, skew):
    """By its own clock, whatever the client's clock shows."""
    store = open_store(server.url, 5)
    now = time.time() + skew
    session = new(created_at=now, expires_at=now + 1000)
    store.create(session)
    store.revoke(session.sid, now, kept_until=now + 3000)
    assert 2990 <= client.ttl(f"jwt:{{{session.sid}}}") <= 3002
    for key in client.keys("jwt:feed*"):
        assert 2990 <= client.ttl(key) <= 3062
    store.close()


@pytest.mark.slow
def test_a_revocation_stays_in_the_feed_as_long_as_it_is_kept(server, client):
    store = open_store(server.url, 5)
    long, short, other = new(), new(), new()
    store.revoke(long.sid, 1000.0, kept_until=101_000.0)
    store.revoke(short.sid, 1000.0, kept_until=1000.0)
    time.sleep(2.2)
    store.revoke(other.sid, 1000.0, kept_until=1010.0)
    sids = store.read_revocations(None, now=1000.0, lifetime=300).sids
    assert sids == [long.sid, other.sid]
    assert client.zcard("jwt:feed-ends:{feed}") == 2
    assert client.ttl("jwt:feed:{feed}") > 99_000
    store.close()


@pytest.mark.servers
@pytest.mark.parametrize("servers", [RedisServer, RedisClusterServers])
def test_sessions_are_counted(servers):
    """In servers of their own, because sessions of other tests may expire meanwhile."""
    servers = servers()
    try:
        check_counts(servers.start().url)
    finally:
        servers.remove()


def check_counts(url):
    store = open_store(url, 5)
    before = store.count(1500.0)
    for number in range(40):
        idle = 1400.0 if number % 4 == 1 else None
        store.create(session := new(idle_expires_at=idle))
        if number % 4 == 2:
            store.revoke(session.sid, 1400.0)
    after = store.count(1500.0)
    new_ones = {state: after[state] - before[state] for state in after}
    assert new_ones == {"active": 20, "revoked": 10, "expired": 10}
    store.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "noeviction"])
def test_eviction_is_warned_of(server, client, policy):
    client.config_set("maxmemory-policy", policy)
    store = open_store(server.url, 5)
    warned = [sentence for sentence in store.warnings() if "evict" in sentence]
    assert len(warned) == (policy != "noeviction")
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["volatile-lru", "noeviction"])
def test_what_a_full_server_does(server, client, policy):
    """With noeviction it rejects logins. With another policy it forgets sessions and revocations."""
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)
    store = open_store(server.url, 5)
    sessions = [new() for _ in range(20)]
    for session in sessions:
        store.create(session)
    filler = open_store(server.url, 5)
    failed = 0
    for _ in range(3000):
        try:
            filler.create(new(label=secrets.token_hex(100)))
        except Exception:
            failed += 1
    left = sum(store.get(session.sid) is not None for session in sessions)
    if policy == "noeviction":
        assert (left, failed > 0) == (20, True)
    else:
        assert (left < 20, failed) == (True, 0)
    store.close()
    filler.close()
