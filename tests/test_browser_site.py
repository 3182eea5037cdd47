"""The site that scripts/docs builds, in Chromium: complete without a network, and accessible.

Screenshots are saved in artifacts/screenshots/site.
"""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading

import pytest

from tests.browsers import api, launched, stop_motion
from tests.support import ROOT

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="pip install -r requirements-dev.txt"
)
pytest.importorskip("furo", reason="pip install -e '.[docs]', with Python 3.11 or newer")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {
    "index": "index.html",
    "guide": "guides/pages.html",
    "api": "reference/api.html",
    "errors": "reference/errors.html",
    "options": "reference/options.html",
    "search": "search.html?q=refresh",
}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-nWqb", "html", "docs", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def url(site):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            """Log nothing."""

    handler = functools.partial(Handler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(params=PAGES)
def page(request, browser, url):
    page = browser.new_page()
    requested, messages = [], []
    page.on("request", lambda each: requested.append(each.url))
    page.on("console", lambda each: messages.append(each.text))
    page.goto(f"{url}/{PAGES[request.param]}")
    if request.param == "search":
        api.expect(page.locator("ul.search li").first).to_be_visible()
    yield page
    page.close()
    assert not [each for each in requested if not each.startswith((url, "data:"))]
    assert not messages


def test_a_page_is_accessible_and_fits(request, page):
    shots = ROOT / "artifacts/screenshots/site"
    shots.mkdir(parents=True, exist_ok=True)
    stop_motion(page)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for scheme in "light", "dark":
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=shots / f"{request.node.callspec.id}-{size}-{scheme}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            results = axe.Axe().run(page)
            assert results.violations_count == 0, results.generate_report()


def test_the_site_has_an_index_for_programs(site):
    lines = (site / "llms.txt").read_text().splitlines()
    assert lines[0] == "# Flask-JWT-Too"
    assert lines[2].startswith("> ")
    linked = {line.partition("](")[2].partition(")")[0] for line in lines if line.startswith("- ")}
    written = {str(path.relative_to(site)) for path in site.rglob("*.md")}
    assert linked == written - {"index.md"}
    for path in written:
        assert "```{" not in (site / path).read_text(), path
    text = (site / "reference/api.md").read_text()
    assert "### flask_jwt.jwt_required(realm: str | None = None, *, " in text
    assert "Require a valid access token for a view" in text
    assert "Return the user with this name and password" in text
