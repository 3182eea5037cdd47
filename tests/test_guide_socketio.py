"""docs/guides/socketio.md, with python-socketio's client over HTTP."""

from __future__ import annotations

import time
from types import SimpleNamespace

import httpx
import pytest
import socketio

from tests.guides import example, served
from tests.servers import until
from tests.support import SECRET, bearer

pytestmark = pytest.mark.slow
LOGIN = {"username": "joe", "password": "pass"}


@pytest.fixture
def site():
    with example("socketio_chat", "app") as program:
        app = program.create_app(SECRET_KEY=SECRET, JWT_STORAGE_URI="memory://")
        with served(app) as port:
            yield SimpleNamespace(program=program, url=f"http://127.0.0.1:{port}")


@pytest.fixture
def reasons():
    """The reasons for which the server has rejected connections."""
    return []


@pytest.fixture
def connect(site, reasons):
    clients = []

    def connect(headers, auth=None):
        client = socketio.Client(reconnection=False)
        clients.append(client)
        client.on(
            "connect_error",
            lambda data: reasons.append(data["message"] if isinstance(data, dict) else data),
        )
        client.connect(
            site.url, headers=headers, auth=auth, transports=["polling"], wait_timeout=10
        )
        return client

    yield connect
    for client in clients:
        client.disconnect()
        client.eio.http and client.eio.http.close()


def log_in(site):
    return httpx.post(f"{site.url}/auth", json=LOGIN).json()


def test_connection_with_a_header_speaks_until_the_logout(site, connect, reasons):
    tokens = log_in(site)
    client, heard = connect(bearer(tokens["access_token"])), []
    client.on("said", heard.append)
    assert client.call("say", "hello", timeout=10) == "ok"
    until(lambda: heard == [{"name": "joe", "text": "hello"}], "the message")
    httpx.post(f"{site.url}/auth/logout", headers=bearer(tokens["access_token"]))
    until(lambda: not client.connected, "the end of the connection")
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect(bearer(tokens["access_token"]))
    assert reasons == ["token_revoked"]


def test_connection_with_cookies(site, connect):
    response = httpx.post(f"{site.url}/auth", data=LOGIN)
    cookies = "; ".join(c.split(";")[0] for c in response.headers.get_list("set-cookie"))
    client = connect({"Cookie": cookies, "Origin": site.url})
    assert client.call("say", "hello", timeout=10) == "ok"


def test_page_of_another_site_does_not_connect(site, connect):
    response = httpx.post(f"{site.url}/auth", data=LOGIN)
    cookies = "; ".join(c.split(";")[0] for c in response.headers.get_list("set-cookie"))
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect({"Cookie": cookies, "Origin": "https://evil.example"})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [({}, "token_missing"), ({"Authorization": "Bearer x"}, "token_invalid")],
)
def test_connection_without_a_valid_token_is_rejected(connect, reasons, headers, reason):
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect(headers)
    assert reasons == [reason]


def test_connection_of_a_page_that_sends_its_token_as_auth(site, connect, reasons):
    tokens = log_in(site)
    client = connect({}, {"token": tokens["access_token"]})
    assert client.call("say", "hello", timeout=10) == "ok"
    httpx.post(f"{site.url}/auth/logout", headers=bearer(tokens["access_token"]))
    until(lambda: not client.connected, "the end of the connection")
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect({}, {"token": tokens["access_token"]})
    assert reasons == ["token_revoked"]


@pytest.mark.parametrize(
    ("auth", "reason"),
    [("", "token_missing"), ("x", "token_missing"), ([1], "token_missing"), ({}, "token_missing"),
     ({"token": ""}, "token_invalid"), ({"token": None}, "token_invalid"),
     ({"token": {"a": 1}}, "token_invalid"), ({"token": "a\r\nX: b"}, "token_invalid")],
)  # fmt: skip
def test_auth_that_is_no_token_is_rejected(connect, reasons, auth, reason):
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect({}, auth)
    assert reasons == [reason]


def test_connection_ends_with_its_token(site, connect, monkeypatch):
    client = connect(bearer(log_in(site)["access_token"]))
    later = SimpleNamespace(time=lambda: time.time() + 311)
    monkeypatch.setattr(site.program, "time", later)
    client.emit("say", "hello")
    until(lambda: not client.connected, "the end of the connection")


def test_program_of_the_page_connects(site):
    with example("socketio_chat", "client") as program:
        client = program.connect(site.url)
        assert client.call("say", "hello", timeout=10) == "ok"
        client.disconnect()


def test_program_connects_again_when_its_token_has_expired(site, monkeypatch):
    times = iter([time.time() + 311])
    clock = SimpleNamespace(time=lambda: next(times, time.time()))
    monkeypatch.setattr(site.program, "time", clock)
    with example("socketio_chat", "client") as program:
        first = program.connect(site.url)
        second = program.say(first, "hello", site.url)
        assert second is not first
        assert not first.connected
        assert program.say(second, "again", site.url) is second
        second.disconnect()
