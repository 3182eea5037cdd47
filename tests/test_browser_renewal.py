"""Renewal in Chromium: what its cookies, tabs and handshakes make of it.

The application is served by threads of this process, so that a test can set its clock.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from flask import request
from werkzeug.serving import make_server

import flask_jwt
from flask_jwt import jwt_required
from tests.browsers import launched
from tests.support import heard, make_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOST, PARENT = "shop.example.test", "example.test"
ACCESS_LIFETIME, GRACE = 400, 30


@pytest.fixture(scope="module")
def chromium():
    with launched(f"--host-resolver-rules=MAP *.{PARENT} 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def shop(clock):
    """A served application: its pages say who asks, and how often they were rotated."""
    app = make_app(
        clock=clock,
        guards={},
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_COOKIE_SECURE=False,
        JWT_STORAGE_URI="memory://",
    )
    app.testing = True  # so that there is no warning of cookies over plain HTTP
    slow = SimpleNamespace(is_running=threading.Event(), may_end=threading.Event())

    @app.get("/log-in")
    def log_in():
        return app.jwt.log_in(app.users[0])

    @app.get("/")
    @jwt_required(optional=True)
    def home():
        return f"user {flask_jwt.get_jwt_identity()}"

    @app.get("/page")
    @jwt_required()
    def page():
        return f"user {flask_jwt.get_jwt_identity()}"

    @app.get("/slow")
    @jwt_required()
    def view():
        slow.is_running.set()
        slow.may_end.wait(20)
        return "slow"

    @app.route("/socket", websocket=True)
    @jwt_required()
    def socket():
        handshakes.append(request.headers["Upgrade"])
        return "no socket"

    handshakes = []
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield SimpleNamespace(
        app=app, slow=slow, handshakes=handshakes, url=f"http://{HOST}:{server.port}"
    )
    slow.may_end.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def context(chromium):
    context = chromium.new_context()
    yield context
    context.close()


def open_page(page, shop, path="/page"):
    page.goto(shop.url + path)
    return page.inner_text("body")


def sign_in(context, shop):
    page = context.new_page()
    page.goto(f"{shop.url}/log-in")
    return page


def refresh_cookies(context):
    return [c["value"] for c in context.cookies() if c["name"] == "refresh_token_cookie"]


def test_ten_tabs(context, shop, clock):
    page = sign_in(context, shop)
    clock.tick(ACCESS_LIFETIME)
    with heard(shop.app, "session_refreshed", "refresh_token_reused") as events:
        texts = page.evaluate(
            """() => Promise.all(Array.from({length: 10}, (_, number) =>
                fetch(`/page?${number}`).then(response => response.text())))"""
        )
    assert texts == ["user 1"] * 10
    assert [name for name, _ in events] == ["session_refreshed"]
    for _ in range(3):
        clock.tick(ACCESS_LIFETIME)
        assert open_page(page, shop) == "user 1"


def test_a_page_that_takes_longer_than_the_grace_period(context, shop, clock):
    page = sign_in(context, shop)
    clock.tick(ACCESS_LIFETIME)
    with heard(shop.app, "refresh_token_reused", "session_revoked") as events:
        page.evaluate("""() => {
            window.slow = fetch('/slow').then(response => response.text());
        }""")
        assert shop.slow.is_running.wait(20)
        second = context.new_page()
        assert open_page(second, shop) == "user 1"
        clock.tick(GRACE + 5)
        shop.slow.may_end.set()
        assert page.evaluate("() => window.slow") == "slow"
        for _ in range(3):
            clock.tick(ACCESS_LIFETIME)
            assert open_page(page, shop) == open_page(second, shop) == "user 1"
    assert events == []


def test_a_changed_cookie_domain(context, shop, clock):
    page = sign_in(context, shop)
    shop.app.config["JWT_COOKIE_DOMAIN"] = PARENT
    for _ in range(3):
        clock.tick(ACCESS_LIFETIME)
        assert open_page(page, shop) == "user 1"
    assert len(refresh_cookies(context)) == 2
    # The old cookies go with their session, and the new session has its own.
    with shop.app.app_context():
        shop.app.jwt.sessions.revoke_all(1)
    assert open_page(page, shop, "/") == "user None"
    assert refresh_cookies(context) == []
    page.goto(f"{shop.url}/log-in")
    assert open_page(page, shop) == "user 1"
    assert len(refresh_cookies(context)) == 1


def test_a_login_beside_the_cookies_of_an_ended_session(context, shop):
    page = sign_in(context, shop)
    shop.app.config["JWT_COOKIE_DOMAIN"] = PARENT
    # The login ends the old session, and the page that it leads to finds its cookies.
    page.goto(f"{shop.url}/log-in")
    assert page.inner_text("body") == "user 1"
    assert len(refresh_cookies(context)) == 1
    assert open_page(page, shop) == "user 1"


def test_a_websocket_after_the_access_token_has_expired(context, shop, clock):
    page = sign_in(context, shop)
    clock.tick(ACCESS_LIFETIME)
    before = refresh_cookies(context)
    page.evaluate("""() => new Promise(done => {
        const socket = new WebSocket(`ws://${location.host}/socket`);
        socket.onerror = socket.onclose = done;
    })""")
    assert shop.handshakes == ["websocket"], "the guard let it in"
    assert refresh_cookies(context) == before
    clock.tick(GRACE + 1)
    assert open_page(page, shop) == "user 1"


def test_a_replayed_cookie_ends_the_session(chromium, context, shop, clock):
    page = sign_in(context, shop)
    stolen = context.cookies()
    clock.tick(ACCESS_LIFETIME)
    assert open_page(page, shop) == "user 1"
    clock.tick(ACCESS_LIFETIME)
    thief = chromium.new_context()
    thief.add_cookies(stolen)
    with heard(shop.app, "refresh_token_reused") as events:
        assert "already been used" in open_page(thief.new_page(), shop)
    assert len(events) == 1
    assert thief.cookies() == []
    thief.close()
    assert "revoked" in open_page(page, shop)
    assert context.cookies() == []
