"""Plug this package into the test run of a predecessor; scripts/conformance.py loads this plugin.

It maps the old import names to the modules of this package, checks that they arrive there, and
writes the outcome of each test into a JSON file.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import the module ``target[.sub]`` for ``import alias[.sub]``.

    The finder handles every name under the alias, also those that the target lacks. So a submodule
    that this package lacks is missing, and is never loaded from the original.
    """

    def __init__(self, alias: str, target: str) -> None:
        self.alias = alias
        self.target = target

    def install(self) -> None:
        taken = [name for name in sys.modules if self._covers(name)]
        if taken:
            raise RuntimeError(f"imported before the alias was in place: {', '.join(taken)}")
        sys.meta_path.insert(0, self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - part of the protocol
        target: ModuleType | None = None,  # noqa: ARG002 - part of the protocol
    ) -> importlib.machinery.ModuleSpec | None:
        if not self._covers(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        # importlib returns the module that is in sys.modules after this call. So the target keeps
        # its __name__ and __spec__, and no class exists twice.
        name = module.__name__
        sys.modules[name] = importlib.import_module(self.target + name.removeprefix(self.alias))

    def _covers(self, name: str) -> bool:
        return name == self.alias or name.startswith(self.alias + ".")


class Recorder:
    """Collect the outcome of each test, and the reason if it failed or was skipped."""

    def __init__(self, report: Path) -> None:
        self.report = report
        self.outcomes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid, "error", report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or (report.skipped and report.when != "teardown"):
            self._note(report.nodeid, report.outcome, report)
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, report.outcome)

    def pytest_sessionfinish(self) -> None:
        tests = [
            {"test": test, "outcome": outcome, "reason": self.reasons.get(test)}
            for test, outcome in self.outcomes.items()
        ]
        self.report.write_text(json.dumps(tests), encoding="utf-8")

    def _note(
        self, test: str, outcome: str, report: pytest.CollectReport | pytest.TestReport
    ) -> None:
        self.outcomes[test] = outcome
        self.reasons[test] = _one_line(report)


def _one_line(report: pytest.CollectReport | pytest.TestReport) -> str:
    details = report.longrepr
    if isinstance(details, tuple):  # a skip: path, line, reason
        return str(details[2])
    crash = getattr(details, "reprcrash", None)
    if crash is not None:
        return f"{crash.message.splitlines()[0]} ({Path(crash.path).name}:{crash.lineno})"
    lines = [line.removeprefix("E").strip() for line in str(details).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install the alias and the recorder, as the CONFORMANCE_* environment variables say."""
    # Before pytest imports a conftest.py, which may import the old names.
    module = os.environ["CONFORMANCE_MODULE"]
    alias_of = os.environ.get("CONFORMANCE_ALIAS_OF")
    if alias_of:
        AliasFinder(module, alias_of).install()

    # A suite that tested the original by mistake would pass, and prove nothing.
    imported = importlib.import_module(module).__file__
    expected = os.environ["CONFORMANCE_FILE"]
    if imported is None or not Path(imported).samefile(expected):
        raise RuntimeError(f"{module} was imported from {imported} instead of {expected}")
    early_config.pluginmanager.register(Recorder(Path(os.environ["CONFORMANCE_REPORT"])))
