"""Measure logins, refreshes, logouts, guarded views and renewals over HTTP beside other packages.

Each package runs under gunicorn with the same workers and the same table of users, and is checked
before it is measured. The rounds of all packages alternate.
"""

from __future__ import annotations

import functools
import itertools
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .candidates import forge
from .http_client import Address, Client, Response, run_clients, send
from .measure import Plan, Section, Spread, Table
from .peer_servers import WORKERS, create_database, email_of, install, serve, versions
from .peers import PASSWORD, PEERS, Peer, Tokens

from tests.servers import PostgresServer, RedisServer  # isort: skip  # peer_servers sets the path

CLIENTS = 4
#: The cell of what a package has no equivalent for.
ABSENT = "\N{EN DASH}"
STORES = ("SQLite", "PostgreSQL", "Redis")
OPERATIONS = {
    "login": "Login",
    "refresh": "Refresh",
    "logout": "Logout",
    "guard": "Guarded view",
    "page": "Renewing page",
}
#: Seconds within which our processes reject the access token of a logout (JWT_REVOCATION_CHECK).
REVOCATION_CHECK = 10


@dataclass
class Served:
    """Hold a package that is served, with what was measured."""

    peer: Peer
    address: Address
    checks: dict[str, str] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    logins: Iterator[int] = field(default_factory=itertools.count)

    def log_in(self) -> Tokens:
        response = send(self.address, self.peer.login(email_of(next(self.logins))))
        return self.peer.tokens(self.accept(response))

    def log_in_browser(self) -> Tokens:
        response = send(self.address, self.peer.page_login(email_of(next(self.logins))))
        if response.status not in (200, 204):
            self.accept(response)
        return self.peer.page_tokens(response)

    def accept(self, response: Response) -> Response:
        if response.status != 200:
            raise SystemExit(f"{self.peer.label} responded {response.status}: {response.body!r}")
        return response


def run(plan: Plan) -> Section:
    previous = signal.signal(signal.SIGTERM, _exit)
    try:
        return _run(plan)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _exit(_number: int, _frame: Any) -> None:
    raise SystemExit("terminated")  # so that all servers are stopped


def _run(plan: Plan) -> Section:
    python = install()
    rounds, requests = plan.choose(3, 15), plan.choose(20, 60)
    data: dict[str, Any] = {
        "packages": versions(python), "workers": WORKERS, "clients": CLIENTS,
        "rounds": rounds, "requests": requests, "stores": {},
    }  # fmt: skip
    tables = []
    with ExitStack() as stack:
        postgres = PostgresServer()
        postgres.is_durable = True
        stack.callback(postgres.remove)
        postgres.start()
        redis = RedisServer()
        redis.is_durable = True
        stack.callback(redis.remove)
        redis.start()
        for store in STORES:
            measured = measure_store(store, postgres, redis, python, rounds, requests)
            data["stores"][store] = summarize(measured)
            tables.append(rates_table(store, data["stores"][store]))
    notes = [
        f"gunicorn, {WORKERS} sync workers each, {CLIENTS} clients at a time on the loopback, a "
        f"connection for each request; {rounds} rounds of {requests} requests, in which the "
        "packages alternate. The clients, the servers and the databases share the processors.",
        "Durable: SQLite in WAL mode with synchronous=FULL for all, PostgreSQL with fsync, Redis "
        "with appendfsync=always. Users are in the same table, with Redis in PostgreSQL, and each "
        "guarded view reads its user. Their passwords are hashed with SHA-256 here, to show what "
        "the packages cost: argon2 adds the same 20 to 40 ms to each login.",
        "Flask-JWT-Too as shipped: with login limits, which the others don't have.",
        ", ".join(f"{name} {version}" for name, version in data["packages"].items()),
    ]
    tables.append(checks_table(data["stores"], notes))
    return Section(data, tables)


def measure_store(
    store: str,
    postgres: Any,
    redis: Any,
    python: Path,
    rounds: int,
    requests: int,
) -> list[Served]:
    """Serve all packages that support *store*, check them, and measure them in turns."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-http-")))
        measured = []
        for number, peer in enumerate(peer for peer in PEERS if store in peer.stores):
            database = create_database(store, peer, folder, postgres)
            url = redis.url.replace("/0", f"/{number}") if store == "Redis" else database
            address = stack.enter_context(serve(python, peer, database, url, folder))
            measured.append(Served(peer, address))
        check_all(measured)
        for served in measured:
            for operation in served.peer.operations:
                run_operation(served, operation, CLIENTS)
        # The seed is fixed, so that two runs of the benchmark differ in nothing but time.
        order = random.Random(1)
        for _ in range(rounds):
            for operation in OPERATIONS:
                turn = [served for served in measured if operation in served.peer.operations]
                order.shuffle(turn)
                for served in turn:
                    seconds, latencies, failures = run_operation(served, operation, requests)
                    served.rates.setdefault(operation, []).append(
                        (len(latencies) - failures) / seconds
                    )
                    served.latencies.setdefault(operation, []).extend(latencies)
                    previous = served.failures.get(operation, 0)
                    served.failures[operation] = previous + failures
    return measured


def run_operation(served: Served, operation: str, requests: int) -> tuple[float, list[float], int]:
    """Return the seconds for *requests*, those of each response, and how many failed with a 5xx."""
    failures: list[Response] = []
    each = requests // CLIENTS
    clients = [build_client(served, operation, each, failures) for _ in range(CLIENTS)]
    seconds, latencies = run_clients(served.address, clients)
    return seconds, latencies, len(failures)


def build_client(served: Served, operation: str, requests: int, failures: list[Response]) -> Client:
    """Return a client that sends *requests*; what it needs for them is requested before."""
    peer = served.peer
    repeat = functools.partial(repeat_request, served, requests, failures)
    if operation == "login":
        return repeat(lambda _: peer.login(email_of(next(served.logins))), None, lambda *_: None)
    if operation == "logout":
        sessions = iter([served.log_in() for _ in range(requests)])
        return repeat(peer.logout, next(sessions), lambda *_: next(sessions, None))
    if operation == "page":
        return repeat(peer.page, served.log_in_browser(), peer.page_tokens)
    if operation == "refresh":
        return repeat(peer.refresh, served.log_in(), lambda response, _: peer.tokens(response))
    return repeat(peer.guard, served.log_in(), lambda _, tokens: tokens)


def repeat_request(
    served: Served,
    requests: int,
    failures: list[Response],
    make: Callable[[Any], bytes],
    state: Any,
    update: Callable[[Response, Any], Any],
) -> Client:
    """Send *requests*, each of which is made of a state that the last response has updated."""
    done = 0
    while done < requests:
        response = yield make(state)
        if response.status >= 500:  # counted, and tried again
            failures.append(response)
            if len(failures) > CLIENTS * requests:
                served.accept(response)
            continue
        if not 200 <= response.status < 300:
            served.accept(response)
        state = update(response, state)
        done += 1


def check_all(measured: list[Served]) -> None:
    """Check what each package does before it is measured, and note what it doesn't."""
    logged_out = []
    for served in measured:
        check_login(served)
        if "refresh" in served.peer.operations:
            check_refresh(served)
        if "page" in served.peer.operations:
            check_page(served)
        if "logout" in served.peer.operations:
            tokens = served.log_in()
            response = send(served.address, served.peer.logout(tokens))
            if not 200 <= response.status < 300:
                served.accept(response)
            at_once = not any(is_accepted(served, tokens) for _ in range(12))
            logged_out.append((served, tokens, at_once))
    deadline = time.monotonic() + REVOCATION_CHECK + 1
    for served, tokens, at_once in logged_out:
        while (is_valid := any(is_accepted(served, tokens) for _ in range(8))) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.5)
        rejected = "rejected at once" if at_once else f"rejected within {REVOCATION_CHECK} s"
        served.checks["access token after logout"] = (
            "valid until it expires" if is_valid else rejected
        )
        refreshed = send(served.address, served.peer.refresh(tokens)).status
        served.checks["refresh token after logout"] = (
            "still valid" if refreshed == 200 else "rejected at once"
        )
    for served in measured:
        if served.peer.name == "ours" and "valid" in " ".join(served.checks.values()):
            raise SystemExit(f"{served.peer.label} accepts a token after its logout")


def is_accepted(served: Served, tokens: Tokens) -> bool:
    return send(served.address, served.peer.guard(tokens)).status == 200


def check_login(served: Served) -> None:
    peer, address = served.peer, served.address
    wrong = peer.login(email_of(1)).replace(PASSWORD.encode(), PASSWORD[::-1].encode())
    if send(address, wrong).status not in (400, 401):
        raise SystemExit(f"{peer.label} accepts a wrong password")
    tokens = served.log_in()
    served.accept(send(address, peer.guard(tokens)))
    for invalid in ("", forge(tokens.access)):
        if is_accepted(served, Tokens(invalid, "")):
            raise SystemExit(f"{peer.label} accepts an invalid token")


def check_refresh(served: Served) -> None:
    """Check that a refresh rotates: the old token is rejected when the new one has been used."""
    peer, address = served.peer, served.address
    first = served.log_in()
    second = peer.tokens(served.accept(send(address, peer.refresh(first))))
    if second.refresh == first.refresh:
        raise SystemExit(f"{peer.label} doesn't rotate")
    third = peer.tokens(served.accept(send(address, peer.refresh(second))))
    served.accept(send(address, peer.guard(third)))
    if send(address, peer.refresh(first)).status == 200:
        raise SystemExit(f"{peer.label} accepts a refresh token that was used before")
    status = send(address, peer.refresh(third)).status
    served.checks["a stolen refresh token that is used again"] = (
        "rejected, others stay valid" if status == 200 else "ends the session"
    )


def check_page(served: Served) -> None:
    peer = served.peer
    tokens = served.log_in_browser()
    response = served.accept(send(served.address, peer.page(tokens)))
    if not response.cookies:
        raise SystemExit(f"{peer.label} doesn't renew the cookies")
    served.checks["renewing page"] = (
        "rotates the refresh cookie" if tokens.refresh != peer.page_tokens(response, tokens).refresh
        else "extends a token that is still valid"
    )  # fmt: skip


def summarize(measured: list[Served]) -> dict[str, Any]:
    """Return the figures of one store, by operation and package."""
    ours = next(served for served in measured if served.peer.name == "ours")
    operations: dict[str, Any] = {}
    for operation in OPERATIONS:
        operations[operation] = {}
        for served in measured:
            if operation not in served.rates:
                continue
            rates = served.rates[operation]
            pairs = zip(ours.rates[operation], rates, strict=True)
            percentiles = statistics.quantiles(served.latencies[operation], n=20)
            operations[operation][served.peer.name] = {
                "label": served.peer.label,
                "requests_per_second": Spread.of(rates)._asdict(),
                "ours_to_this": statistics.median(our / rate for our, rate in pairs),
                "p50_ms": 1000 * percentiles[9],
                "p95_ms": 1000 * percentiles[18],
                "failures": served.failures[operation],
            }
    checks = {served.peer.name: served.checks for served in measured if served.checks}
    return {"operations": operations, "checks": checks}


def rates_table(store: str, data: dict[str, Any]) -> Table:
    rows = []
    notes = []
    for operation, title in OPERATIONS.items():
        for peer in PEERS:
            figures = data["operations"][operation].get(peer.name)
            if figures is None:
                if peer.name.startswith("ours_"):  # measures other operations
                    continue
                rows.append([title, peer.label, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT])
                continue
            rate = figures["requests_per_second"]
            rows.append(
                [
                    title,
                    peer.label,
                    f"{rate['median']:,.0f}",
                    f"{rate['low']:,.0f} to {rate['high']:,.0f}",
                    f"{figures['ours_to_this']:.2f}",
                    f"{figures['p50_ms']:.1f}",
                    f"{figures['p95_ms']:.1f}",
                ]
            )
            if figures["failures"]:
                notes.append(
                    f"{peer.label}, {title.lower()}: {figures['failures']} responses were server "
                    "errors (5xx), and were sent again."
                )
    columns = ["", "package", "requests/s", "quartiles", "ours / this", "p50 ms", "p95 ms"]
    return Table(f"Requests per second over HTTP, {store}", columns, rows, notes)


def checks_table(stores: dict[str, Any], notes: list[str]) -> Table:
    """Return what each package did before it was measured; it is the same with each store."""
    columns = [
        "access token after logout",
        "refresh token after logout",
        "a stolen refresh token that is used again",
        "renewing page",
    ]
    checks: dict[str, dict[str, str]] = {}
    for data in stores.values():
        for name, found in data["checks"].items():
            merged = checks.setdefault(name, {})
            for what, result in found.items():
                # It depends on the process that is asked whether "at once" is seen, so the later
                # result counts, which is also the later one in the alphabet.
                merged[what] = max(merged.get(what, ""), result)
    rows = [
        [peer.label, *(checks[peer.name].get(column, ABSENT) for column in columns)]
        for peer in PEERS
        if peer.name in checks
    ]
    return Table(
        "What the packages do, checked before the measurement", ["", *columns], rows, notes
    )
