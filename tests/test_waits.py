"""How long a request waits for a store that does not respond, in each phase of a call.

Run it as ``python -m tests.test_waits`` to print the table of docs/operate/outages.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.servers import MARIADBD, PGBOUNCER
from tests.waits import CASES, STORES, Waits

TIMEOUT = 2

pytestmark = [pytest.mark.slow, pytest.mark.servers]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case in ("statement", "counters") else pytest.mark.soak)
        for case in CASES
    ],
)
def test_no_request_waits_much_longer_than_the_timeout(store, case):
    if store == "PgBouncer" and not Path(PGBOUNCER).exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    if store.startswith("MariaDB") and not Path(MARIADBD).exists():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with Waits(store, TIMEOUT) as waits:
        seconds = CASES[case](waits)
    if seconds is None:
        pytest.skip("This store has no such phase")
    assert seconds < 1.5 * TIMEOUT


def print_table():
    """Print a table of the waits."""
    print(f"| s, with a timeout of {TIMEOUT} s | {' | '.join(CASES)} |")
    print("|---" * (1 + len(CASES)) + "|")
    for store in STORES:
        cells = []
        for case in CASES.values():
            with Waits(store, TIMEOUT) as waits:
                seconds = case(waits)
            cells.append("" if seconds is None else f"{seconds:.1f}")
        print(f"| {store} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(print_table())
