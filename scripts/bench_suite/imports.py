"""How long an import takes, in a new process each time."""

from __future__ import annotations

import functools
import subprocess
import sys

from .measure import Plan, Section, Spread, Table, interleave

MODULES = {
    "flask": "flask alone",
    "flask_jwt": "flask_jwt",
    "flask_jwt_extended": "flask_jwt_extended",
}
PROGRAM = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def run(plan: Plan) -> Section:
    tasks = {module: functools.partial(import_ms, module) for module in MODULES}
    rounds = plan.choose(5, 31)
    interleave(tasks, 1)
    times = {module: Spread.of(runs) for module, runs in interleave(tasks, rounds).items()}
    data = {"rounds": rounds, "ms": {module: spread._asdict() for module, spread in times.items()}}
    flask = times["flask"].median
    rows = [
        [
            MODULES[module],
            f"{spread.median:.0f}",
            f"{spread.low:.0f} to {spread.high:.0f}",
            "" if module == "flask" else f"{spread.median - flask:.0f}",
        ]
        for module, spread in times.items()
    ]
    columns = ["", "median", "quartiles", "beyond flask"]
    notes = [f"{rounds} interleaved rounds, each in a new process, whose own start isn't counted."]
    return Section(data, [Table("Import time, ms (flask included)", columns, rows, notes)])


def import_ms(module: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return 1e3 * float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
