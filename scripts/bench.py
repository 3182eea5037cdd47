"""Measure the guard's overhead beside other packages and beside lower limits.

Sections: guard (overhead of a request), issue (tokens per second), memory (of the cache),
import (time), gunicorn (requests per second), sessions (refreshes), passwords
(whether the duration of a login reveals which users exist), issuers
(what tokens of other issuers cost), grants (what required scopes and roles cost), openapi
(what the guards cost in documents of 500 routes), http (requests beside other packages, over
HTTP; it installs them into .venv-bench). All servers run on this machine.

--page writes the figures of --json files into docs/design/performance.md, and measures nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench_suite import (
    grants,
    guard,
    http,
    imports,
    issue,
    issuers,
    memory,
    openapi,
    passwords,
    serving,
    sessions,
)
from bench_suite.chart import overhead_chart
from bench_suite.measure import Plan, Section, Table
from bench_suite.page import summary, write_page

#: To add a section, write a module with ``run(plan)`` and list it here.
SECTIONS: dict[str, Callable[[Plan], Section]] = {
    "guard": guard.run,
    "issue": issue.run,
    "memory": memory.run,
    "import": imports.run,
    "gunicorn": serving.run,
    "sessions": sessions.run,
    "passwords": passwords.run,
    "issuers": issuers.run,
    "grants": grants.run,
    "openapi": openapi.run,
    "http": http.run,
}

PACKAGES = (
    "Flask", "Werkzeug", "PyJWT", "cryptography",
    "Flask-JWT-Extended", "Authlib", "Flask-HTTPAuth", "gunicorn", "argon2-cffi",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="take less than 30 s")
    parser.add_argument(
        "--only", type=_sections, default=list(SECTIONS), metavar="SECTION,...",
        help=f"measure only these: {', '.join(SECTIONS)}",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the section guard into FILE")
    parser.add_argument(
        "--page", type=Path, action="append", metavar="FILE",
        help="write the figures in FILE, which --json has written, into the performance page",
    )  # fmt: skip
    options = parser.parse_args()
    if options.page:
        print(f"{', '.join(write_page(options.page))}: written into the page")
        return 0
    if options.svg and "guard" not in options.only:
        parser.error("--svg draws the figures of the section guard; add it to --only")

    environment = conditions(options.quick)
    print("\n".join(f"{name}: {value}" for name, value in environment.items()))
    report: dict[str, Any] = {"conditions": environment, "tables": {}}
    start = time.perf_counter()
    for name in options.only:
        section = SECTIONS[name](Plan(quick=options.quick))
        report[name] = section.data
        report["tables"][name] = [asdict(table) for table in section.tables]
        for table in section.tables:
            print()
            print("\n".join(lines(table)), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")
    if options.json:
        document = json.dumps(report, indent=2, ensure_ascii=False)
        options.json.write_text(document + "\n", encoding="utf-8")
    if options.svg:
        chart = overhead_chart(report["guard"], summary(environment))
        options.svg.write_text(chart, encoding="utf-8")
    return 0


def _sections(argument: str) -> list[str]:
    names = argument.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; choose from {','.join(SECTIONS)}"
        )
    return names


def conditions(quick: bool) -> dict[str, Any]:
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "run": "quick" if quick else "full",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    # platform.processor() is empty on most Linux systems.
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown CPU"


def lines(table: Table) -> list[str]:
    cells = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.columns))]
    rows = [
        "  " + "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]  # fmt: skip
    return [table.title, *rows, *(f"  {note}" for note in table.notes)]


if __name__ == "__main__":
    sys.exit(main())
