"""A Redis Cluster whose slots move from node to node meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress

import pytest
import redis

from tests.servers import RedisClusterServers
from tests.support import bearer, claims_of, get
from tests.workers import log_in, new_app, refresh


@pytest.fixture
def own_cluster():
    servers = RedisClusterServers()
    try:
        yield servers.start()
    finally:
        servers.remove()


def move_slot(clients, names, slot, source, target):
    """Move a slot as ``redis-cli --cluster reshard`` does."""
    clients[target].cluster("SETSLOT", slot, "IMPORTING", names[source])
    clients[source].cluster("SETSLOT", slot, "MIGRATING", names[target])
    time.sleep(0.01)  # commands are sent on with ASK
    while keys := clients[source].execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        port = clients[target].connection_pool.connection_kwargs["port"]
        clients[source].execute_command(
            "MIGRATE", "127.0.0.1", port, "", 0, 5000, "REPLACE", "KEYS", *keys
        )
    for client in clients:
        client.cluster("SETSLOT", slot, "NODE", names[target])


@pytest.mark.slow
@pytest.mark.servers
def test_requests_go_on_while_slots_move(own_cluster):
    app = new_app(own_cluster.url, JWT_REVOCATION_CHECK="always", JWT_LOGIN_LIMITS=None)
    tokens = [log_in(app, f"user {n}") for n in range(12)]
    statuses, stopped = Counter(), threading.Event()

    def work(pair):
        token = pair["refresh_token"]
        while not stopped.is_set():
            statuses[get(app, "/protected", pair["access_token"]).status_code] += 1
            status, new = refresh(app, token)
            statuses[status] += 1
            token = new if status == 200 else token

    threads = [threading.Thread(target=work, args=(pair,)) for pair in tokens[:4]]
    clients = [redis.Redis(port=s.port, decode_responses=True) for s in own_cluster.servers]
    names = [client.execute_command("CLUSTER MYID") for client in clients]
    for thread in threads:
        thread.start()
    try:
        for _ in range(6):
            for pair in tokens:
                key = f"jwt:{{{claims_of(pair['access_token'])['sid']}}}"
                slot = clients[0].execute_command("CLUSTER KEYSLOT", key)
                source = next(
                    n for n, client in enumerate(clients)
                    if client.execute_command("CLUSTER COUNTKEYSINSLOT", slot)
                )  # fmt: skip
                with suppress(redis.ResponseError):
                    move_slot(clients, names, slot, source, (source + 1) % 3)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()
    assert set(statuses) <= {200, 503}, statuses
    assert statuses[503] < statuses[200] / 10
    for pair in tokens[4:]:
        assert refresh(app, pair["refresh_token"])[0] == 200
    app.extensions["flask-jwt"].sessions.close()


def test_a_foreign_exception_of_the_client_is_a_503(redis_cluster_url, caplog):
    """The tables of the client are in the state in which another thread renews them."""
    app = new_app(redis_cluster_url, JWT_LOGIN_LIMITS=None)
    token = log_in(app)["refresh_token"]
    client = app.extensions["flask-jwt"].sessions.store.store.client
    slots, client.nodes_manager.slots_cache = client.nodes_manager.slots_cache, None
    assert refresh(app, token)[0] == 503
    assert "has failed (the cluster is changing)" in caplog.text
    client.nodes_manager.slots_cache = slots
    assert refresh(app, token)[0] == 200
    app.extensions["flask-jwt"].sessions.close()


def test_a_mistake_of_this_package_is_no_outage(redis_cluster_url, monkeypatch):
    app = new_app(redis_cluster_url, JWT_LOGIN_LIMITS=None)
    token = log_in(app)["refresh_token"]
    monkeypatch.setattr("flask_jwt.stores.redis._key", lambda sid: {}[sid])
    assert app.test_client().post("/auth/refresh", headers=bearer(token)).status_code == 500
    app.extensions["flask-jwt"].sessions.close()
