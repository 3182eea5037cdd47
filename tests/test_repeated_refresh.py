"""A refresh token that another client repeats, and one that a fast clock has issued."""

from __future__ import annotations

import pytest

from flask_jwt import JWT
from flask_jwt.extended import JWTManager
from tests.support import ANYONE, heard


@pytest.fixture
def shop(make_app):
    return make_app(users=ANYONE, JWT_STORAGE_URI="memory://")


def send(app, path, ip="203.0.113.1", agent="Phone/1", **body):
    return app.test_client().post(
        path, json=body, headers={"User-Agent": agent}, environ_overrides={"REMOTE_ADDR": ip}
    )


def log_in(app, **client):
    return send(app, "/auth", username="joe", password="pass", **client).get_json()["refresh_token"]


def refresh(app, token, **client):
    return send(app, "/auth/refresh", refresh_token=token, **client)


CLIENTS = {
    "the same client": ({}, False),
    "another address": ({"ip": "198.51.100.9"}, True),
    "another user agent": ({"agent": "curl/8"}, True),
    "another address and user agent": ({"ip": "198.51.100.9", "agent": "curl/8"}, True),
    "no user agent": ({"agent": ""}, False),
}


@pytest.mark.parametrize("who", CLIENTS)
def test_a_repetition_by_another_client_is_reported(shop, who):
    client, is_reported = CLIENTS[who]
    token = log_in(shop, ip="192.0.2.77", agent="Login/1")  # only the rotation counts
    with heard(shop, "refresh_token_repeated", "refresh_token_reused") as events:
        new = refresh(shop, token).get_json()["refresh_token"]
        assert events == [], "the client has moved since its login"
        response = refresh(shop, token, **client)
        assert response.get_json()["refresh_token"] == new, "the session goes on"
    assert [name for name, _ in events] == ["refresh_token_repeated"] * is_reported
    if is_reported:
        _, arguments = events[0]
        assert arguments["session"].last_ip == "203.0.113.1"
        assert arguments["session"].last_user_agent == "Phone/1"
        assert arguments["ip"] == client.get("ip", "203.0.113.1")
        assert arguments["user_agent"] == client.get("agent", "Phone/1")


def test_a_reuse_after_the_grace_period_is_no_repetition(shop):
    token = log_in(shop)
    refresh(shop, token)
    shop.clock.tick(31)
    with heard(shop, "refresh_token_repeated", "refresh_token_reused") as events:
        assert refresh(shop, token, ip="198.51.100.9").status_code == 401
    assert [name for name, _ in events] == ["refresh_token_reused"]


@pytest.mark.parametrize(("extension", "invalid"), [(JWT, 401), (JWTManager, 422)])
@pytest.mark.parametrize(("ahead", "is_valid"), [(2, True), (30, True), (60, True), (62, False)])
@pytest.mark.parametrize("rotations", [0, 1])
def test_another_server_s_clock_may_be_a_minute_fast(
    make_app, extension, invalid, ahead, is_valid, rotations
):
    app = make_app(
        extension, users=ANYONE, JWT_STORAGE_URI="memory://", JWT_DECODE_LEEWAY=0,
        JWT_AUTH_URL_RULE="/auth",
    )  # fmt: skip
    with app.test_request_context():
        token = app.jwt.sessions.start("joe").refresh_token
        for _ in range(rotations):
            token = app.jwt.sessions.refresh(token).refresh_token
    app.clock.tick(-ahead)
    response = refresh(app, token)
    assert response.status_code == (200 if is_valid else invalid)
