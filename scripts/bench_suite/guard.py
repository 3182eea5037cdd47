"""Measure a guard's overhead: a request to a guarded view minus one to an open view."""

from __future__ import annotations

import functools
import itertools
import operator
import time
from collections.abc import Iterator
from statistics import mean, median
from typing import Any, NamedTuple

from .candidates import Candidate, Environ, candidates
from .measure import Plan, Section, Spread, Table, interleave

BATCH = 40
"""Number of measured requests to each view in a round."""
WARM_UP = 10
"""Number of requests to each view before those; they are not measured."""


class Target(NamedTuple):
    """Hold a ratio of two overheads, and the range in which it should be."""

    label: str
    numerator: str
    denominator: str
    at_least: float = 0
    at_most: float = float("inf")
    wanted: str = ""


TARGETS = [
    Target("Flask-JWT-Extended / ours, seen before", "fje", "ours_warm", 30, wanted=">= 30"),
    Target("Flask-JWT-Extended / ours, no cache", "fje", "ours_cold", 10, wanted=">= 10"),
    Target(
        "Flask-JWT-Extended, its own token / ours, no cache",
        "fje_own", "ours_cold", 10, wanted=">= 10",
    ),
    Target(
        "Flask-JWT-Extended / flask_jwt.extended, seen before",
        "fje", "extended_warm", 15, wanted=">= 15",
    ),
    Target("ours, seen before / a dict look-up", "ours_warm", "dict", at_most=2, wanted="<= 2"),
    Target(
        "ours, no cache / HMAC + JSON by hand", "ours_cold", "by_hand", at_most=1.2, wanted="<= 1.2"
    ),
    Target(
        "EdDSA / HS256, both ours, seen before",
        "eddsa_ours_warm", "ours_warm", 0.85, 1.15, "~ 1 (0.85 to 1.15)",
    ),
    Target("Flask session, read / ours, seen before", "session_read", "ours_warm", 1, wanted="> 1"),
]  # fmt: skip


def run(plan: Plan) -> Section:
    guards = candidates()
    for candidate in guards:
        check(candidate)
    rounds = plan.choose(40, 500)
    tasks = {
        candidate.name: functools.partial(one_round, candidate, itertools.cycle([True, False]))
        for candidate in guards
    }
    interleave(tasks, 4)  # not measured: caches fill and code is compiled
    samples = interleave(tasks, rounds)

    overhead = {name: Spread.of([one.mean for one in results]) for name, results in samples.items()}
    ratios = [judge(target, overhead) for target in TARGETS]
    data = {
        "rounds": rounds,
        "batch": BATCH,
        "token_length": len(guards[0].requests[0]["HTTP_AUTHORIZATION"].split()[1]),
        "overhead_us": {
            candidate.name: {
                "label": candidate.label,
                "algorithm": candidate.algorithm,
                **overhead[candidate.name]._asdict(),
                "median_request": median(one.median for one in samples[candidate.name]),
                "open_view": median(one.open_view for one in samples[candidate.name]),
            }
            for candidate in guards
        },
        "ratios": ratios,
    }
    return Section(data, [*overhead_tables(data), ratio_table(ratios)])


def check(candidate: Candidate) -> None:
    """Check that the guard accepts and rejects requests as it should.

    :raises SystemExit: if it does not, because its overhead would mean nothing
    """
    expected = [(environ, {"200"}) for environ in (candidate.open_request, *candidate.requests)]
    # Flask-JWT-Extended rejects a forged token with 422, the others with 401.
    expected += [(environ, {"401", "422"}) for environ in candidate.rejected]
    for environ, statuses in expected:
        status = get_status(candidate.app, environ)
        if status not in statuses:
            path = environ["PATH_INFO"]
            raise SystemExit(f"{candidate.label}: {path} returned {status}, not {statuses}")


def get_status(app: Any, environ: Environ) -> str:
    statuses = []
    body = app(environ.copy(), lambda status, headers, exc_info=None: statuses.append(status))  # noqa: ARG005
    b"".join(body)
    body.close()
    return str(statuses[0].split()[0])


class Round(NamedTuple):
    """Hold µs: what the guard added to the mean and median request, and the open view's mean."""

    mean: float
    median: float
    open_view: float


def one_round(candidate: Candidate, turns: Iterator[bool]) -> Round:
    """Measure a block of requests to each view, so that the caches are warm as on a server."""
    times: dict[bool, list[float]] = {}
    first = next(turns)
    for guarded in (first, not first):
        requests = candidate.requests if guarded else (candidate.open_request,)
        times[guarded] = time_requests(candidate.app, requests)
    return Round(
        mean(times[True]) - mean(times[False]),
        median(times[True]) - median(times[False]),
        mean(times[False]),
    )


def time_requests(app: Any, requests: tuple[Environ, ...]) -> list[float]:
    turn = itertools.islice(itertools.cycle(requests), WARM_UP + BATCH)
    return [time_request(app, environ) for environ in turn][WARM_UP:]


def time_request(app: Any, environ: Environ) -> float:
    start = time.perf_counter()
    body = app(environ.copy(), _start_response)
    b"".join(body)
    body.close()
    return 1e6 * (time.perf_counter() - start)


def _start_response(status: str, headers: Any, exc_info: Any = None) -> None:
    pass


def judge(target: Target, overhead: dict[str, Spread]) -> dict[str, Any]:
    ratio = overhead[target.numerator].median / overhead[target.denominator].median
    return {
        "ratio": target.label,
        "value": ratio,
        "target": target.wanted,
        "met": target.at_least <= ratio <= target.at_most,
    }


def overhead_tables(data: dict[str, Any]) -> list[Table]:
    columns = ["", "overhead", "quartiles", "median request", "open view"]
    rows = sorted(data["overhead_us"].values(), key=operator.itemgetter("median"))
    hs256 = [cells(row) for row in rows if row["algorithm"] == "HS256"]
    pairs = [
        [f"{row['algorithm']}: {row['label']}", *cells(row)[1:]]
        for row in data["overhead_us"].values()
        if row["algorithm"] != "HS256"
    ]
    notes = [
        f"Overhead: median of {data['rounds']} interleaved rounds; a round is the mean of "
        f"{data['batch']} requests to each view,",
        "so garbage collection counts. Median request: the same with a round's median request,",
        f"mostly without it. One token of {data['token_length']} characters for all but the row "
        "that says otherwise.",
        "Flask opens its session before any view, the open one too: the row 'opened and read' is",
        "against an open view that gets no cookie.",
    ]
    title = "The guard's overhead, HS256: guarded view minus open view, µs a request"
    return [
        Table(title, columns, hs256, notes),
        Table("The guard's overhead, key pairs (PEM): µs a request", columns, pairs),
    ]


def cells(row: dict[str, Any]) -> list[str]:
    return [
        row["label"],
        f"{row['median']:.1f}",
        f"{row['low']:.1f} to {row['high']:.1f}",
        f"{row['median_request']:.1f}",
        f"{row['open_view']:.0f}",
    ]


def ratio_table(ratios: list[dict[str, Any]]) -> Table:
    rows = [
        [row["ratio"], f"{row['value']:.2f}", row["target"], "met" if row["met"] else "NOT met"]
        for row in ratios
    ]
    return Table("Ratios of overheads, and their targets", ["", "ratio", "target", ""], rows)
