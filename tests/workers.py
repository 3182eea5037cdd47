"""What the processes do that tests/test_under_fire.py starts, kills and compares."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from flask_jwt import JWT, create_access_token, current_identity, jwt_required
from tests.conftest import SECRET, bearer


def new_app(uri, **config):
    """A shop whose sessions are at *uri*."""
    app = Flask("shop")
    app.config.update({"SECRET_KEY": SECRET, "JWT_STORAGE_URI": uri, **config})
    JWT(
        app,
        lambda username, password: {"id": username},
        lambda payload: {"id": payload["identity"]},
    )
    app.add_url_rule(
        "/protected", view_func=jwt_required()(lambda: {"user": current_identity["id"]})
    )
    return app


def log_in(app, username="joe"):
    response = app.test_client().post("/auth", json={"username": username, "password": "pass"})
    assert response.status_code == 200, response.text
    return response.get_json()


def refresh(app, token):
    """Status and refresh token (or the reason there is none)."""
    response = app.test_client().post("/auth/refresh", headers=bearer(token))
    body = response.get_json()
    return response.status_code, body.get("refresh_token") or body


def stateless_token(app):
    with app.app_context():
        return create_access_token("joe", expires_delta=3600)


def refresh_on_command(uri, pipe, threads):
    """For each token received, refresh it in all *threads* at once and send what they got."""
    app = new_app(uri)
    with ThreadPoolExecutor(threads) as pool:
        pipe.send("ready")
        while token := pipe.recv():
            pipe.send(list(pool.map(refresh, [app] * threads, [token] * threads)))


def refresh_until_killed(uri, pipe, token):
    """Refresh again and again, telling each new token."""
    app = new_app(uri)
    while True:
        status, token = refresh(app, token)
        pipe.send((status, token))
        if status != 200:
            return
