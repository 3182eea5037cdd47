"""Check the metadata of the distributions, and the changelog."""

from __future__ import annotations

import re
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from .building import ROOT, Failed, run

NO_ADDRESS = "Your package does not have author-email data."
"""Costs two of pyroma's ten points. PyPI rejects addresses that can't exist (.invalid)."""


def check(wheel: Path, sdist: Path) -> str:
    """Check the metadata as PyPI and pyroma do, and return the version."""
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    check_rating(run(sys.executable, "-m", "pyroma", "--min=1", sdist))
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        fields = Parser().parsestr(archive.read(name).decode())
    check_readme(fields.get_payload())
    return fields["Version"]


def check_rating(output: str) -> None:
    """Fail if pyroma misses more than an e-mail address, which the project doesn't have."""
    missed = output.split("-" * 30)[2].strip().splitlines()
    if set(missed) - {NO_ADDRESS}:
        raise Failed(f"pyroma: {output}")


def check_readme(text: str) -> None:
    """Fail if a link of the README is relative: it leads nowhere on PyPI."""
    targets = re.findall(r"\]\(([^)\s]+)|(?:href|src|srcset)=\"([^\"]+)", text)
    if relative := [a or b for a, b in targets if not re.match(r"https://|#", a or b)]:
        raise Failed(f"These links of the README don't work on PyPI: {', '.join(relative)}")


def check_changelog(version: str, tag: str | None) -> None:
    """Fail unless the newest release in CHANGELOG.md, and the tag, are *version*."""
    releases = re.findall(r"^## \[?(\d\S*?)\]? - \d{4}-\d\d-\d\d$", changelog(), re.MULTILINE)
    if releases[:1] != [version]:
        raise Failed(f"CHANGELOG.md must begin with version {version} and its date")
    if tag is not None and tag != f"v{version}":
        raise Failed(f"The tag is {tag}, but the version is {version}")


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()
