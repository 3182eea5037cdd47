"""docs/troubleshooting.md: each message and code that it quotes exists, and no code is missing."""

from __future__ import annotations

import re
from functools import cache

import pytest

from flask_jwt import errors
from tests.support import ROOT
from tests.test_operate import PAGES, strings

PAGE = ROOT / "docs/troubleshooting.md"


def quoted():
    """Return the messages that the page quotes, with … for what differs."""
    text = re.sub(r"\s*\n(?=\S)(?![-#|`])", " ", PAGE.read_text())  # paragraphs in one line
    found = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    cells = [re.findall(r"`([^`]+)`", row) for row in re.findall(r"^\| (`.*?`) \| ", text, re.M)]
    sentences = [m for m in found if re.match(r"([A-Z]\w*|…) \S+ \S+", m)]
    return sorted({*sentences, *(message for row in cells for message in row)})


def pattern(text):
    return ".*".join(re.escape(part) for part in re.split(" ?…", text))


@cache
def template(text):
    return re.compile(pattern(text)) if len(re.sub(r"[\W_]", "", text)) >= 8 else re.compile("$^")


def is_in(message, known):
    # A message may leave out what a template has, or say what a template leaves open.
    sought = re.compile(pattern(message), re.DOTALL)
    return any(sought.search(text) for text in known) or any(
        template(text).fullmatch(message) for text in known
    )


KNOWN = strings()
MESSAGES = quoted()


@pytest.mark.parametrize("message", MESSAGES)
def test_each_quoted_message_is_in_the_source(message):
    assert is_in(message, KNOWN)


def test_the_check_can_fail():
    assert len(MESSAGES) > 60
    assert not is_in("Signature verification has failed", KNOWN)
    assert not is_in("The … was eaten by a grue", KNOWN)


def codes_of(kind):
    found = {kind.error_code} if kind.error_code else set()
    return found.union(*map(codes_of, kind.__subclasses__()))


def test_the_codes_are_those_of_the_errors():
    rows = re.findall(r"^\|.*$", PAGE.read_text().split("## Messages to clients")[1], re.MULTILINE)
    cells = [row.split(" | ")[1] for row in rows if len(row.split(" | ")) == 4]
    named = {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}
    assert named == codes_of(errors.JWTError)


# Links to headings


def slugs(path):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_to_headings(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([\w-]+)\)", page.read_text()):
        if "://" not in target:
            path = (page.parent / target).resolve() if target else page
            assert anchor in slugs(path), f"{target}#{anchor}"
