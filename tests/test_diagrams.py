"""The sequence diagrams of the documentation are drawn from the text beside them."""

from __future__ import annotations

import importlib.util
import re
from xml.etree import ElementTree as ET

import pytest

from tests.support import ROOT

spec = importlib.util.spec_from_file_location("diagrams", ROOT / "scripts" / "diagrams.py")
diagrams = importlib.util.module_from_spec(spec)
# dataclasses look their module up.
__import__("sys").modules["diagrams"] = diagrams
spec.loader.exec_module(diagrams)

SOURCES = sorted(diagrams.FOLDER.glob("*.txt"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_diagram_is_current(source):
    drawn = diagrams.draw(source.read_text())
    assert source.with_suffix(".svg").read_text() == drawn, "run: python scripts/diagrams.py"
    ET.fromstring(drawn)


def test_diagrams_are_shown_in_a_page_with_a_description():
    pages = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    assert len(SOURCES) == len(list(diagrams.FOLDER.glob("*.svg"))) >= 4
    for source in SOURCES:
        assert re.search(rf"!\[[^\]]{{20,}}\]\([./]*images/sequences/{source.stem}\.svg\)", pages)


@pytest.mark.parametrize("line", ["client => api: x", "client -> nobody: x", "note nobody: x"])
def test_wrong_step_is_reported(line):
    with pytest.raises(ValueError, match=re.escape(line)):
        diagrams.draw(f"title A\nclient Client\napi API\n\n{line}\n")
