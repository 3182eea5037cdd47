"""Soak: an application that works for a long time under load makes no errors and does not grow.

scripts/soak runs this for the given number of minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter

import psutil
import pytest

from tests.servers import stores, uri_of
from tests.support import bearer, login
from tests.workers import new_app

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
MIB = 2**20

pytestmark = pytest.mark.soak


@pytest.fixture(params=stores("memory", "sqlite", "postgres", "redis"))
def app(request, tmp_path):
    app = new_app(
        uri_of(request.param, request, tmp_path),
        JWT_ACCESS_TOKEN_EXPIRES=20,
        JWT_REFRESH_TOKEN_EXPIRES=60,
        JWT_REFRESH_GRACE=5,
        JWT_CACHE_SIZE=500,
    )
    yield app
    app.jwt.close(app)


def work(app, until, statuses):
    """Log in, use the session for a while, and log out or leave it."""
    client = app.test_client()
    while time.monotonic() < until:
        username = f"user-{random.randrange(200)}"
        client.environ_base["REMOTE_ADDR"] = f"10.0.{random.randrange(256)}.{random.randrange(256)}"
        if random.random() < 0.1:
            statuses["wrong", login(client, username, "wrong").status_code] += 1
        response = login(client, username)
        statuses["login", response.status_code] += 1
        tokens = response.get_json()
        for _ in range(random.randrange(20)):
            response = client.get("/protected", headers=bearer(tokens["access_token"]))
            statuses["read", response.status_code] += 1
            if random.random() < 0.2:
                headers = bearer(tokens["refresh_token"])
                response = client.post("/auth/refresh", headers=headers)
                statuses["refresh", response.status_code] += 1
                tokens = response.get_json()
        if random.random() < 0.7:
            response = client.post("/auth/logout", headers=bearer(tokens["access_token"]))
            statuses["logout", response.status_code] += 1


def test_memory_and_connections_are_stable_under_load(app):
    process = psutil.Process()
    start, statuses, samples = time.monotonic(), Counter(), []
    end = start + 60 * MINUTES
    threads = [threading.Thread(target=work, args=(app, end, statuses)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(min(5.0, 6 * MINUTES))
        with app.app_context():
            app.jwt.sessions.prune()
        samples.append((process.memory_info().rss / MIB, len(process.net_connections("tcp"))))
    for thread in threads:
        thread.join()
    print(dict(statuses), samples[:: max(1, len(samples) // 10)])
    assert {key for key in statuses if key[1] != 200} == {("wrong", 401)}
    half = len(samples) // 2
    grown = max(rss for rss, _ in samples[half:]) - max(rss for rss, _ in samples[:half])
    # Ended sessions are kept for an hour, so a short run still grows by their rows in memory.
    assert grown < 20 + 4 * MINUTES, samples
    assert max(connections for _, connections in samples) < 40
