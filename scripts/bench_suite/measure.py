"""Interleaved rounds, medians and quartiles: what every section measures with."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    quick: bool = False

    def choose(self, quick: Any, full: Any) -> Any:
        return quick if self.quick else full


class Spread(NamedTuple):
    """Half of all rounds lie between the quartiles *low* and *high*."""

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
    """One section's figures: *data* for machines, *tables* for people."""

    data: dict[str, Any]
    tables: list[Table]


def interleave(tasks: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What each task returned in each round.

    Every round runs every task once, in another order each time, so that a slow moment of the
    machine, or a neighbour in the order, falls on all of them alike.
    """
    order = random.Random(1)
    results: dict[str, list[Any]] = {name: [] for name in tasks}
    names = list(tasks)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            results[name].append(tasks[name]())
    return results
