"""The performance page: every section of scripts/bench has its place, and its tables are written."""

from __future__ import annotations

import importlib
import json
import re
import sys
from xml.etree import ElementTree

import pytest

from tests.support import ROOT

PAGE = ROOT / "docs/design/performance.md"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield importlib.import_module("bench")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def page(bench):
    return sys.modules["bench_suite.page"]


def tables_of(text):
    """Return the rows of each Markdown table."""
    return [
        [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
    ]


def spread(label, median):
    return {
        "label": label, "algorithm": "HS256", "median": median, "low": median - 1,
        "high": median + 1,
    }  # fmt: skip


def report():
    """Return a report as ``--json`` writes it, with figures made up."""
    rate = {"median": 500.0, "low": 400.0, "high": 600.0}
    packages = {"ours": {"label": "Flask-JWT-Too", "requests_per_second": rate}}
    table = {
        "title": "Overhead", "columns": ["", "µs"], "rows": [["a | b", "1.0"]], "notes": ["Noted."],
    }  # fmt: skip
    return {
        "conditions": {
            "date": "2026-01-02", "run": "full", "Python": "CPython 3", "CPU": "a & b, 2 cores",
            "system": "Linux", "packages": {"Flask": "3"},
        },
        "guard": {"overhead_us": {"warm": spread("Flask-JWT-Too", 5.0)}},
        "http": {"stores": {"PostgreSQL": {"operations": {"login": packages}}}},
        "tables": {"guard": [table], "http": [table]},
    }  # fmt: skip


def test_each_section_has_its_place_on_the_page(bench):
    text = PAGE.read_text()
    for section in bench.SECTIONS:
        found = re.findall(rf"<!-- bench:{section} -->\n(.*?)<!-- /bench:{section} -->", text, re.S)
        assert len(found) == 1, f"docs/design/performance.md needs the markers of {section}"
        assert found[0].strip(), f"write the figures of {section} with scripts/bench --page"


def test_the_tables_of_the_page_are_tables():
    tables = tables_of(PAGE.read_text())
    assert len(tables) > 8
    for header, rule, *rows in tables:
        assert set("".join(rule)) <= set(" -:")
        assert rows
        assert {len(row) for row in [rule, *rows]} == {len(header)}


@pytest.mark.parametrize("name", ["guard", "http"])
def test_the_charts_of_the_page_are_svg(name):
    file = f"performance-{name}.svg"
    assert f"({file})" in PAGE.read_text()
    assert ElementTree.parse(PAGE.with_name(file)).getroot().tag.endswith("svg")


def test_figures_are_written_between_the_markers(page, tmp_path):
    copy, figures = tmp_path / "performance.md", tmp_path / "figures.json"
    copy.write_text(PAGE.read_text())
    figures.write_text(json.dumps(report()))
    assert page.write_page([figures], copy) == ["guard", "http"]
    text = copy.read_text()
    assert text.count("| a \\| b | 1.0 |") == 2
    assert "2026-01-02" in text
    for name in ("guard", "http"):
        chart = ElementTree.parse(tmp_path / f"performance-{name}.svg")
        assert "a & b, 2 cores" in "".join(chart.getroot().itertext())
    # Other sections and the text around the figures stay, and a second time changes nothing.
    outside = re.compile(r"<!-- bench:(guard|http) -->.*?<!-- /bench:\1 -->", re.DOTALL)
    assert outside.sub("", text) == outside.sub("", PAGE.read_text())
    page.write_page([figures], copy)
    assert copy.read_text() == text


def test_a_section_without_markers_is_named(page, tmp_path):
    copy, figures = tmp_path / "performance.md", tmp_path / "figures.json"
    copy.write_text("# Performance\n")
    figures.write_text(json.dumps(report()))
    with pytest.raises(SystemExit, match="<!-- bench:guard -->"):
        page.write_page([figures], copy)
