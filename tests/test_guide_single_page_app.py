"""docs/guides/single-page-app.md in Chromium, on the API's origin and on a sibling of it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from flask import Flask, send_from_directory
from flask_cors import CORS
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_jwt.testing import freeze
from tests.browsers import launched
from tests.guides import example, served
from tests.support import ROOT, SECRET

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STATIC = ROOT / "examples" / "single_page_app" / "static"
CONFIG = {"TESTING": True, "SECRET_KEY": SECRET, "JWT_STORAGE_URI": "memory://"}


@pytest.fixture(scope="module")
def chromium():
    with launched("--test-third-party-cookie-phaseout") as browser:
        yield browser


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    page = context.new_page()
    yield page
    context.close()


def pages_of(api_url):
    """Return an application that serves the pages alone, with the address of the API in them."""
    pages = Flask("pages")
    index = (STATIC / "index.html").read_text()

    @pages.get("/")
    def page():
        return index.replace('<html lang="en"', f'<html lang="en" data-api="{api_url}"')

    @pages.get("/static/<name>")
    def static_file(name):
        return send_from_directory(STATIC, name)

    return pages


@pytest.fixture(params=["same origin", "another origin"])
def site(request, monkeypatch):
    """The application, and the address of the page."""
    if request.param == "same origin":
        with example("single_page_app", "app") as program:
            app = program.create_app(**CONFIG)
            with served(app) as port:
                yield app, f"http://shop.localhost:{port}/"
        return
    with ExitStack() as stack:
        program = stack.enter_context(example("single_page_app", "other_origin"))
        # The address of the pages is in the API, and that of the API in the pages.
        apps = []

        def respond(environ, start_response):
            return apps[0](environ, start_response)

        api_port = stack.enter_context(served(respond))
        pages = pages_of(f"http://api.shop.localhost:{api_port}")
        origin = f"http://app.shop.localhost:{stack.enter_context(served(pages))}"
        monkeypatch.setenv("PAGE_ORIGINS", origin)
        apps.append(program.create_app(**CONFIG))
        yield apps[0], f"{origin}/"


def log_in(page, password="pass"):
    page.fill("[name=username]", "joe")
    page.fill("[name=password]", password)
    page.click("#login button")


def alert_of(page):
    return page.inner_text("[role=alert]")


def test_log_in_add_renew_and_log_out(site, page):
    app, url = site
    with freeze(app) as clock:
        page.goto(url)
        page.wait_for_selector("#login:not([hidden])")
        assert alert_of(page) == ""
        log_in(page, "wrong")
        page.wait_for_function("document.querySelector('[role=alert]').textContent")
        assert alert_of(page) == "Invalid credentials"

        log_in(page)
        page.wait_for_selector("main:not([hidden])")
        assert page.inner_text("h1") == "Notes of joe"
        assert page.input_value("[name=password]") == ""
        page.fill("[name=note]", "Call Ann")
        page.click("#add button")
        page.wait_for_selector("li:nth-child(2)")
        page.wait_for_function("!document.querySelector('[name=note]').value")

        clock.tick(400)  # the access token has expired
        with page.expect_response("**/notes") as renewal:
            page.fill("[name=note]", "Renewed")
            page.click("#add button")
        assert "access_token_cookie" in renewal.value.all_headers()["set-cookie"]
        page.wait_for_selector("li:nth-child(3)")
        page.reload()
        page.wait_for_selector("li:nth-child(3)")

        assert "access_token_cookie" not in page.evaluate("document.cookie")
        page.fill("[name=note]", "A draft")
        page.click("#logout")
        page.wait_for_selector("#login:not([hidden])")
        assert page.evaluate("document.querySelector('main').textContent").split() == [
            "Note", "Add", "Log", "out",
        ]  # fmt: skip
        for name in ("note", "password"):
            assert page.eval_on_selector(f"[name={name}]", "input => input.value") == ""
        page.reload()
        page.wait_for_selector("#login:not([hidden])")


def test_session_that_another_device_has_ended_shows_the_login(site, page):
    app, url = site
    page.goto(url)
    page.wait_for_selector("#login:not([hidden])")
    log_in(page)
    page.wait_for_selector("main:not([hidden])")
    with app.app_context():
        app.extensions["flask-jwt"].sessions.revoke_all(1)
    page.click("#add button")
    page.wait_for_selector("#login:not([hidden])")
    assert "revoked" in alert_of(page)


def test_page_below_a_path(page):
    """What docs/operate/proxies.md says of it: the proxy's prefix becomes SCRIPT_NAME."""
    with example("single_page_app", "app") as program:
        app = program.create_app(JWT_REFRESH_COOKIE_PATH="/shop", **CONFIG)
        app.view_functions["page"] = pages_of("/shop").view_functions["page"]
        outer = DispatcherMiddleware(Flask("outer", static_folder=None), {"/shop": app})
        with served(outer) as port, freeze(app) as clock:
            page.goto(f"http://shop.localhost:{port}/shop/")
            page.wait_for_selector("#login:not([hidden])")
            log_in(page)
            page.wait_for_selector("main:not([hidden])")
            clock.tick(400)
            page.reload()  # the refresh cookie arrives
            page.wait_for_selector("main:not([hidden])")


@pytest.mark.parametrize(
    ("page_host", "api_host", "message"),
    [("localhost", "localhost", ""), ("app.shop.localhost", "api.shop.localhost", "CSRF")],
)
def test_another_port_of_localhost_is_not_another_host(page, page_host, api_host, message):
    """Without JWT_CSRF_TRUSTED_ORIGINS, a page that works on localhost fails after deployment."""
    with ExitStack() as stack:
        app = stack.enter_context(example("single_page_app", "app")).create_app(**CONFIG)
        api_port = stack.enter_context(served(app))
        port = stack.enter_context(served(pages_of(f"http://{api_host}:{api_port}")))
        origin = f"http://{page_host}:{port}"
        headers = ["Content-Type", "X-CSRF-TOKEN"]
        CORS(app, origins=[origin], supports_credentials=True, allow_headers=headers)
        page.goto(origin)
        page.wait_for_selector("#login:not([hidden])")
        log_in(page)
        page.wait_for_selector("main:not([hidden])")
        with page.expect_response(lambda response: response.request.method == "POST") as added:
            page.click("#add button")
        assert added.value.status == (403 if message else 201)
        page.wait_for_timeout(200)
        assert message in alert_of(page)


def test_page_of_an_origin_that_is_not_trusted_neither_reads_nor_writes(site, page, caplog):
    _, url = site
    caplog.set_level("INFO", "werkzeug")
    page.goto(url)
    page.wait_for_selector("#login:not([hidden])")
    log_in(page)
    page.wait_for_selector("main:not([hidden])")
    address = page.evaluate("document.documentElement.dataset.api ?? location.origin")
    with served(Flask("other", static_folder=None)) as port:
        page.goto(f"http://other.shop.localhost:{port}/")
        post = """async (url) => {
            try {
                const response = await fetch(url, {method: "POST", credentials: "include"});
                return response.status;
            } catch { return "blocked"; }
        }"""
        assert page.evaluate(post, f"{address}/notes") == "blocked"
    # Chromium shows a blocked response to no one, so read the server's log.
    (line,) = [m for m in caplog.messages if "POST /notes" in m]
    assert line.endswith(" 403 -")
