"""Mend in the finished pages what Sphinx and Furo write otherwise, as axe and readers see it."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

REPLACED = (
    # A heading needs a level.
    ('<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    # Two landmarks of one role need names.
    ('<aside class="sidebar-drawer">', '<aside class="sidebar-drawer" aria-label="Site">'),
    ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="This page">'),
    # What scrolls must be reachable with the keyboard.
    ('<div class="highlight"><pre>', '<div class="highlight"><pre tabindex="0">'),
    # Sphinx leaves dashes to smartquotes, which would also change "--json".
    ("</strong> -- ", "</strong>: "),
    ("</strong></a> -- ", "</strong></a>: "),
    # A page needs a heading of the first level.
    (
        '<div id="search-results">',
        '<h1 class="visually-hidden">Search</h1><div id="search-results">',
    ),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
)

# Sphinx writes the lines of a long signature as a list of definitions without terms.
SIGNATURE_LINES = re.compile(r"\s*<dl>\s*((?:<dd>(?:(?!<d[ltd]>).)*?</dd>\s*)+)</dl>\s*", re.DOTALL)


LONGEST_LINE = 60


def mend(html: str) -> str:
    """Return a page as it should have been written."""
    for old, new in REPLACED:
        html = html.replace(old, new)
    return SIGNATURE_LINES.sub(_as_spans, html)


def _as_spans(match: re.Match[str]) -> str:
    lines = re.findall(r"<dd>(.*?)</dd>", match[1], re.DOTALL)
    if len(re.sub(r"<[^>]*>", "", "".join(lines))) < LONGEST_LINE:
        # Sphinx has counted the names of modules, which it doesn't show.
        return " ".join(lines).removesuffix(",")
    spans = "".join(f'<span class="sig-line">{line}</span>' for line in lines)
    return f'<span class="sig-lines">{spans}</span>'


def mend_pages(app: Sphinx, error: Exception | None) -> None:
    """Mend all pages of the site when it is built."""
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        path.write_text(mend(path.read_text("utf-8")), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
