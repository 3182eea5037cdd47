"""Measure the time of an import, in a new process each time."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile

from .measure import Plan, Section, Spread, Table, interleave

MODULES = {
    "flask": "flask alone",
    "flask_jwt": "flask_jwt",
    "flask_jwt_extended": "flask_jwt_extended",
}
PROGRAM = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def run(plan: Plan) -> Section:
    rounds = plan.choose(5, 31)
    with tempfile.TemporaryDirectory() as bytecode:
        tasks = {module: functools.partial(import_ms, module, bytecode) for module in MODULES}
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
    notes = [
        f"{rounds} interleaved rounds, each in a new process; the start of the process is not "
        "counted, and all modules were compiled before."
    ]
    return Section(data, [Table("Import time, ms (flask included)", columns, rows, notes)])


def import_ms(module: str, bytecode: str) -> float:
    """Return the milliseconds that it takes to import *module*.

    :param bytecode: a folder for compiled modules, which the first run fills
    """
    # Installed packages are compiled already, but this source tree may not be.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", PROGRAM.format(module)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return 1e3 * float(run.stdout)
