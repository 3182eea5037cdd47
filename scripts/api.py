"""Find changes of the public API since the last release that break programs.

The last release is the last tag whose name is a version, such as v1.0.0, in the history of HEAD.
griffe compares the sources, so nothing is imported. Names that begin with an underscore are not
public, and neither is what a module with __all__ doesn't list in it.

Exit status: 0 if nothing breaks programs, there is no release yet, or the major version has
changed; 1 if something does; 2 if the history has no tags because the clone is shallow.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "flask_jwt"


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def last_release() -> str | None:
    """Return the last tag of a version, or None."""
    tags = git("tag", "--merged", "HEAD", "--sort=-version:refname", "--list", "v[0-9]*")
    return next((tag for tag in tags.split() if re.fullmatch(r"v\d+(\.\d+)+", tag)), None)


def version_of(package: griffe.Module) -> str:
    return str(package["__version__"].value).strip("'\"")


def load(folder: Path) -> griffe.Module:
    """Load the package in *folder* without importing it."""
    return griffe.load(PACKAGE, search_paths=[folder], allow_inspection=False)  # type: ignore[return-value]


def main() -> int:
    parser = argparse.ArgumentParser(
        "scripts/api", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="REF", help="a tag or a commit; default: the last tag")
    against = parser.parse_args().against or last_release()
    if against is None:
        if git("rev-parse", "--is-shallow-repository") == "true":
            print("This clone is shallow, so its tags are missing: git fetch --unshallow --tags")
            return 2
        print("There is no tag of a release yet, so there is no API to compare with.")
        return 0
    before = griffe.load_git(
        PACKAGE, ref=against, repo=ROOT, search_paths=["src"], allow_inspection=False
    )
    after = load(ROOT / "src")
    breakages = list(griffe.find_breaking_changes(before, after))
    for breakage in breakages:
        explanation = breakage.explain(griffe.ExplanationStyle.ONE_LINE)
        print(re.sub(r"\x1b\[\d+m", "", explanation))  # the colours, which logs don't show
    versions = version_of(before), version_of(after)
    print(f"{len(breakages)} changes since {against} ({versions[0]}) break programs.")
    is_major = int(versions[1].split(".")[0]) > int(versions[0].split(".")[0])
    return 1 if breakages and not is_major else 0


if __name__ == "__main__":
    sys.exit(main())
