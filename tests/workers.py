"""What the worker processes of tests/test_concurrency.py do, and how sessions are used there."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.support import ANYONE, bearer, issue, make_app


def new_app(uri, **config):
    """Make an application in real time, whose sessions are at *uri*."""
    return make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=uri, **config)


def log_in(app, username="joe"):
    response = app.test_client().post("/auth", json={"username": username, "password": "pass"})
    assert response.status_code == 200, response.text
    return response.get_json()


def refresh(app, token):
    """Return the status and the new refresh token, or the error."""
    response = app.test_client().post("/auth/refresh", headers=bearer(token))
    body = response.get_json()
    return response.status_code, body.get("refresh_token") or body


def stateless_token(app):
    """Return an access token that belongs to no session."""
    return issue(app, "joe", expires_delta=3600)


def refresh_on_command(uri, pipe, threads):
    """Receive tokens, refresh each in all threads at once, and send the responses."""
    app = new_app(uri)
    with ThreadPoolExecutor(threads) as pool:
        pipe.send("ready")
        while token := pipe.recv():
            pipe.send(list(pool.map(refresh, [app] * threads, [token] * threads)))


def refresh_until_killed(uri, pipe, token):
    """Refresh again and again, and send each new token."""
    app = new_app(uri)
    while True:
        status, token = refresh(app, token)
        pipe.send((status, token))
        if status != 200:
            return
