"""A browser: Debian's Chromium, or the one that the environment variable CHROMIUM names.

A module of tests that imports this one is skipped without Chromium or Playwright.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager

import pytest

api = pytest.importorskip("playwright.sync_api", reason="pip install -r requirements-dev.txt")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("needs a browser: apt-get install chromium, or set CHROMIUM=/path/to/chromium",
                allow_module_level=True)  # fmt: skip

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# As all of Playwright's other calls; its own 5 seconds are too few on a busy machine.
api.expect.set_options(timeout=30_000)


@contextmanager
def launched(*arguments):
    """Run Chromium, with further arguments of its command line."""
    with api.sync_playwright() as playwright:
        args = [*ARGUMENTS, *arguments]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield browser
        browser.close()


def stop_motion(page):
    """Let colours change at once: else axe or a screenshot may see one on its way.

    To finish the transitions that run isn't enough. A child inherits its parent's colour when that
    has arrived, and only then begins its own.
    """
    page.evaluate(
        """() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync("* {transition: none !important; animation: none !important}");
            document.adoptedStyleSheets.push(sheet);
        }"""
    )
