"""Build the wheel, the source distribution and the SBOM of the last commit into dist/.

With --check, the distributions are built a second time, elsewhere and under other circumstances,
and must be the same byte for byte. Then their contents and metadata are checked, some tests run
from the unpacked source distribution, and each extra is installed alone into a new environment,
where an application answers requests over HTTP.

Exit status: 0 if all is as it should be; 1 if not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from release_suite import building, contents, extras, metadata
from release_suite.building import ROOT, Failed

DIST = ROOT / "dist"


def main() -> int:
    parser = argparse.ArgumentParser(
        "scripts/release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="also check what was built")
    parser.add_argument("--tag", help="the tag of this release, which must be v and the version")
    arguments = parser.parse_args()
    try:
        release(is_checked=arguments.check, tag=arguments.tag)
    except Failed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    return 0


def release(*, is_checked: bool, tag: str | None) -> None:
    if building.has_uncommitted_changes():
        print("Uncommitted changes are left out: the last commit is built.")
    shutil.rmtree(DIST, ignore_errors=True)
    with building.workspace() as folder:
        wheel, sdist = building.build(folder / "first", DIST)
        step(f"built {wheel.name} ({size(wheel)}) and {sdist.name} ({size(sdist)})")
        if is_checked:
            again = building.build(folder / "a second folder", folder / "again", differently=True)
            building.compare((wheel, sdist), again)
            step("a second build is the same byte for byte")
            contents.check_wheel(wheel)
            contents.check_sdist(sdist)
            step("the contents are the files of the commit, and nothing else")
            version = metadata.check(wheel, sdist)
            metadata.check_changelog(version, tag)
            step("twine and pyroma miss nothing in the metadata; the changelog has this version")
            contents.run_tests_of(sdist, folder / "unpacked")
            step("tests pass in the unpacked source distribution")
            for extra in extras.names():
                extras.check(wheel, extra, folder / f"extra-{extra}")
                step(f"extra {extra}: installed alone, answered over HTTP")
        bom = building.write_sbom(wheel, folder / "sbom")
        step(f"wrote {bom.name} ({size(bom)})")


def step(text: str) -> None:
    print(f"ok: {text}", flush=True)


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1024:.0f} KiB"


if __name__ == "__main__":
    sys.exit(main())
