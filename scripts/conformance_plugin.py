"""The pytest plugin which scripts/conformance.py loads into each ancestor's test run.

It makes the old import names lead to our modules, proves that they do, and writes what happened
to each test into a JSON file.
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
    """Makes ``import alias[.sub]`` give the very module ``target[.sub]``.

    It answers for every name under the alias, also for those the target lacks: a submodule which
    is not ours must be missing, never be the original's.
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
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's
    ) -> importlib.machinery.ModuleSpec | None:
        if not self._covers(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        # importlib hands out what sys.modules holds after this call, so the target keeps its own
        # __name__ and __spec__, and there is one set of classes, not two.
        name = module.__name__
        sys.modules[name] = importlib.import_module(self.target + name.removeprefix(self.alias))

    def _covers(self, name: str) -> bool:
        return name == self.alias or name.startswith(self.alias + ".")


class Recorder:
    """Collects one outcome per test, and a reason for those that failed or were skipped."""

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
    text = report.longrepr
    if isinstance(text, tuple):  # a skip: path, line, reason
        return str(text[2])
    crash = getattr(text, "reprcrash", None)
    if crash is not None:
        return f"{crash.message.splitlines()[0]} ({Path(crash.path).name}:{crash.lineno})"
    lines = [line.removeprefix("E").strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Settings come by environment: CONFORMANCE_REPORT, _MODULE, _FILE, and maybe _ALIAS_OF."""
    module = os.environ["CONFORMANCE_MODULE"]
    alias_of = os.environ.get("CONFORMANCE_ALIAS_OF")
    if alias_of:
        AliasFinder(module, alias_of).install()

    found = importlib.import_module(module).__file__
    wanted = os.environ["CONFORMANCE_FILE"]
    if found is None or not Path(found).samefile(wanted):
        raise RuntimeError(f"{module} should be {wanted}, and is {found}")
    early_config.pluginmanager.register(Recorder(Path(os.environ["CONFORMANCE_REPORT"])))
