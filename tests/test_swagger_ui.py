"""The document of docs/guides/openapi.md in Swagger UI: Authorize, Try it out, 200.

``scripts/providers`` installs Swagger UI from npm.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from flask import send_from_directory

from tests.browsers import launched
from tests.guides import example
from tests.support import ROOT, SECRET, run_example, token_of
from tests.test_openapi import running

SWAGGER_UI = ROOT / "tests" / "providers" / "node_modules" / "swagger-ui-dist"
if not SWAGGER_UI.exists():
    pytest.skip("needs Swagger UI: scripts/providers", allow_module_level=True)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GUIDE = (ROOT / "docs/guides/swagger-ui.md").read_text()

PAGE = """<!doctype html><title>API</title>
<link rel="stylesheet" href="/ui/swagger-ui.css"><div id="ui"></div>
<script src="/ui/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "/openapi.json", dom_id: "#ui"})</script>"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    app = run_example("openapi_document/app.py", tmp_path, monkeypatch)["app"]
    app.add_url_rule("/page", "page", lambda: PAGE)
    app.add_url_rule("/ui/<name>", "ui", lambda name: send_from_directory(SWAGGER_UI, name))
    return app


@pytest.fixture
def page(app):
    with running(app) as url, launched() as browser:
        page = browser.new_page()
        page.goto(f"{url}/page")
        yield page


def try_out(page, operation):
    """Send the request of an operation, and return the status that Swagger UI shows."""
    block = page.locator(f"#operations-default-{operation}")
    if not block.locator(".try-out__btn").is_visible():
        block.locator(".opblock-summary-control").click()
        block.locator(".try-out__btn").click()
    with page.expect_response("**/orders"):
        block.locator(".execute").click()
    return block.locator(".live-responses-table .response-col_status").last.inner_text().split()[0]


def test_authorize_and_try_it_out(app, page):
    page.wait_for_selector(".opblock")
    guarded = page.locator(".opblock", has=page.locator(".authorization__btn"))
    paths = guarded.locator(".opblock-summary-path").all_inner_texts()
    assert [path.replace("\u200b", "") for path in paths] == ["/orders", "/orders"]

    assert try_out(page, "get_orders") == "401"
    page.locator(".auth-wrapper .authorize").first.click()
    page.locator("#auth-bearer-value").fill(token_of(app.test_client()))
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".auth-btn-wrapper .btn-done").click()
    assert try_out(page, "get_orders") == "200"
    assert try_out(page, "post_orders") == "403"


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """The application of docs/guides/swagger-ui.md, with the files and options for no CDN."""
    for name, value in re.findall(r"^export (FLASK_(?!SECRET).*)=(.*)$", GUIDE, re.MULTILINE):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    (tmp_path / "swagger-ui").symlink_to(SWAGGER_UI)
    with example("swagger_ui", "app") as program:
        program.app.static_folder = tmp_path
        yield program.app


@contextmanager
def opened(app, policy):
    """Open /docs under a policy, and give the page, what it reported, and what it fetched."""

    @app.after_request
    def set_policy(response):
        response.headers["Content-Security-Policy"] = policy
        return response

    with running(app) as url, launched() as browser:
        page, reports, fetched = browser.new_page(), [], []
        page.on("console", lambda message: reports.append(message.text))
        page.on("request", lambda request: fetched.append(request.url.removeprefix(url)))
        page.goto(f"{url}/docs")
        page.wait_for_load_state("networkidle")
        yield page, reports, fetched


def test_guide_in_swagger_ui_without_a_cdn(guide):
    policy = " ".join(re.search(r"`(default-src [^`]*)`", GUIDE)[1].split())
    with opened(guide, policy) as (page, reports, fetched):
        page.wait_for_selector(".opblock")
        page.locator(".auth-wrapper .authorize").first.click()
        page.locator("#auth-bearer-value").fill(token_of(guide.test_client()))
        page.locator(".auth-btn-wrapper .authorize").click()
        page.locator(".auth-btn-wrapper .btn-done").click()
        page.locator("[id$=get_orders] .opblock-summary-control").click()
        page.locator("[id$=get_orders] .try-out__btn").click()
        with page.expect_response("**/orders") as response:
            page.locator("[id$=get_orders] .execute").click()
        assert response.value.json() == {"of": "joe", "orders": [1, 2]}
        assert not [text for text in reports if "Content Security Policy" in text]
        assert not [url for url in fetched if not url.startswith(("/", "data:"))]


def test_stricter_policy_leaves_the_guide_page_empty(guide):
    """What the page says under "What goes wrong"."""
    with opened(guide, "default-src 'self'") as (page, reports, _):
        assert [text for text in reports if "Content Security Policy" in text]
        assert page.locator(".opblock").count() == 0
