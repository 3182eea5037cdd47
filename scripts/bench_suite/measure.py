"""Run interleaved rounds, and compute their medians and quartiles, for every section."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Plan:
    """Choose how long to measure."""

    quick: bool = False

    def choose(self, quick: Any, full: Any) -> Any:
        return quick if self.quick else full


class Spread(NamedTuple):
    """Hold the median and the quartiles: half of all rounds are between *low* and *high*."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass
class Section:
    """Hold the figures of one section: *data* for the JSON file, *tables* for people."""

    data: dict[str, Any]
    tables: list[Table]


def interleave(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """Run every task once per round, and return the results of each task.

    The order changes in each round. So when the machine is slow for a while, or one task slows
    the next, this affects all tasks alike.
    """
    # The seed is fixed, so that two runs of the benchmark differ in nothing but time.
    order = random.Random(1)
    results: dict[str, list[Any]] = {name: [] for name in tasks}
    names = list(tasks)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            results[name].append(tasks[name]())
    return results
