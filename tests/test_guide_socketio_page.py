"""docs/guides/socketio.md in Chromium: a page whose tokens expire goes on, and loses no message.

``scripts/providers`` installs socket.io's client from npm.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from tests.browsers import api, launched
from tests.guides import example, served
from tests.support import ROOT, SECRET

CLIENT = ROOT / "tests/providers/node_modules/socket.io-client/dist/socket.io.min.js"
if not CLIENT.exists():
    pytest.skip("needs socket.io's client: scripts/providers", allow_module_level=True)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LIFETIME, LEEWAY = 3, 3
PAGE = (ROOT / "docs/guides/socketio.md").read_text()
AUTH = re.search(r"`io\({.* auth: (.*) }\)`", PAGE)[1]

# A page that keeps its tokens, in place of one with cookies; newToken is what the guide asks for.
WITH_OWN_TOKENS = """async () => {
    const post = async (path, body, headers) => {
        headers["Content-Type"] = "application/json";
        const response = await fetch(path, {method: "POST", headers, body: JSON.stringify(body)});
        if (!response.ok) throw new Error(response.status);
        return response.json();
    };
    let tokens = await post("/auth", {username: "joe", password: "pass"}, {});
    const newToken = async () => {
        tokens = await post("/auth/refresh", {}, {Authorization: `Bearer ${tokens.refresh_token}`});
        return tokens.access_token;
    };
    socket.disconnect();
    socket.auth = %s;
    socket.connect();
}"""


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@pytest.fixture
def site():
    """The example's application. Its tokens live for seconds, because the pages' time is real."""
    with example("socketio_chat", "app") as program:
        app = program.create_app(
            SECRET_KEY=SECRET,
            JWT_STORAGE_URI="memory://",
            JWT_ACCESS_TOKEN_EXPIRES=LIFETIME,
            JWT_LEEWAY=LEEWAY,
        )
        with served(app) as port:
            yield SimpleNamespace(app=app, url=f"http://localhost:{port}")


@pytest.fixture
def page(site, chromium):
    """A page that counts its connections, with the client of the CDN from npm."""
    context = chromium.new_context()
    page = context.new_page()
    page.route(
        "https://cdn.socket.io/4.8.3/socket.io.min.js",
        lambda route: route.fulfill(
            path=CLIENT,
            headers={"Access-Control-Allow-Origin": "*"},
            content_type="text/javascript",
        ),
    )
    yield page
    context.close()


def open_page(site, page):
    page.goto(f"{site.url}/static/chat.html")
    page.fill("[name=username]", "joe")
    page.fill("[name=password]", "pass")
    with page.expect_navigation():
        page.click("text=Log in")
    page.wait_for_function("socket.connected")
    page.evaluate("connections = 1; socket.on('connect', () => connections++)")


def say(page, text):
    page.fill("[name=text]", text)
    page.click("text=Say")


@pytest.fixture(params=["cookies", "auth"])
def chat(request, site, page):
    """The page as it is, and with a token of its own in place of cookies."""
    open_page(site, page)
    if request.param == "auth":
        page.context.clear_cookies()
        page.evaluate(WITH_OWN_TOKENS % AUTH)
        page.wait_for_function("connections == 2")
    return page


def test_no_message_is_lost_when_tokens_expire(chat):
    """One each half second: before the expiry, within the leeway, and long after it."""
    page = chat
    texts = [str(number) for number in range(4 * (LIFETIME + LEEWAY))]
    for text in texts:
        say(page, text)
        page.wait_for_timeout(500)
    api.expect(page.locator("li")).to_have_text([f"joe: {text}" for text in texts])
    assert page.evaluate("connections") >= 2


def test_page_whose_session_has_ended_shows_it_and_stops(site, chat, request):
    sessions = site.app.extensions["flask-jwt"].sessions
    with site.app.app_context():
        sessions.revoke_all(1)
    # The function of a page with own tokens got no new one.
    code = "token_revoked" if request.node.callspec.params["chat"] == "cookies" else "token_missing"
    api.expect(chat.locator("li")).to_have_text([code])
