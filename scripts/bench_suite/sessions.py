"""Measure sessions: refreshes beside the bare statement, many rows, many revocations."""

from __future__ import annotations

import itertools
import secrets
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis
import sqlalchemy as sa
from flask import Flask

from bench_suite.measure import Plan, Section, Table, interleave
from flask_jwt import JWT, check_password, hash_password
from flask_jwt._clock import Clock
from flask_jwt._sessions.revocations import Revocations
from flask_jwt.stores import Session
from flask_jwt.stores.memory import MemoryStore
from flask_jwt.stores.sql import sessions_table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers import PostgresServer, RedisServer

SECRET = "a-secret-of-32-bytes-for-testing"


def run(plan: Plan) -> Section:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        uris = {
            "SQLite": f"sqlite:///{folder}/sessions.db",
            "PostgreSQL": stack.enter_context(_server(PostgresServer)).url,
            "Redis": stack.enter_context(_server(RedisServer)).url,
        }
        refreshes = {name: _refreshes(name, uri, plan) for name, uri in uris.items()}
        rows = {name: _rows(uri, plan) for name, uri in uris.items() if name != "Redis"}
        logins = {
            f"{name}, {how}": _logins(uris[name], plan, is_hashed=how != "no password hash")
            for name in ("SQLite", "Redis")
            for how in ("no password hash", "argon2")
        }
    revoked = _revoked(plan)
    return Section(
        data={"refreshes": refreshes, "rows": rows, "revoked": revoked, "logins": logins},
        tables=[
            Table(
                "Refreshes per second, one thread; bare: the same UPDATE or script with the driver",
                ["store", "bare/s", "refreshes/s", "ratio"],
                [
                    [name, f"{r['bare']:,.0f}", f"{r['refresh']:,.0f}", f"{r['ratio']:.2f}"]
                    for name, r in refreshes.items()
                ],
                ["Durable: SQLite synchronous=FULL, PostgreSQL defaults, Redis appendfsync always.",
                 "Target: a ratio of 0.70."],
            ),
            Table(
                "Logins per second with JWT_LOGIN_LIMITS and without, one thread, interleaved",
                ["store", "without/s", "with/s", "ratio"],
                [
                    [name, f"{r['without']:,.0f}", f"{r['with']:,.0f}", f"{r['ratio']:.2f}"]
                    for name, r in logins.items()
                ],
                ["Each user logs in forty times. Target: a ratio of 0.80."],
            ),
            Table(
                f"One refresh with more sessions in the table, median in ms (sizes {_sizes(plan)})",
                ["store", "few", "many", "ratio"],
                [
                    [name, f"{r['few']:.3f}", f"{r['many']:.3f}", f"{r['ratio']:.2f}"]
                    for name, r in rows.items()
                ],
                ["Target: a ratio of at most 1.20."],
            ),
            Table(
                f"The guard's check for revocations, with {revoked['revoked']:,} that count",
                ["", ""],
                [
                    ["µs per check with none", f"{revoked['none']:.2f}"],
                    ["µs per check", f"{revoked['many']:.2f}"],
                    ["bytes for each that counts", f"{revoked['bytes']:.0f}"],
                ],
                ["Targets: at most 1 µs more, at most 100 bytes. Older ones are not read at all."],
            ),
        ],
    )  # fmt: skip


@contextmanager
def _server(server_class: Any) -> Iterator[Any]:
    server = server_class()
    server.is_durable = True
    try:
        yield server.start()
    finally:
        server.remove()


def _app(uri: str) -> Any:
    app = Flask("bench")
    app.config.update(SECRET_KEY=SECRET, JWT_STORAGE_URI=uri)
    JWT(app, lambda *_: {"id": 1}, lambda payload: {"id": payload["identity"]})
    return app


def _rate(action: Callable[[], object], seconds: float) -> float:
    count, start = 0, time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        # The clock is read once for 20 calls, so that reading it adds little.
        for _ in range(20):
            action()
        count += 20
    return count / (now - start)


def _refreshes(name: str, uri: str, plan: Plan) -> dict[str, float]:
    app = _app(uri)
    with app.app_context():
        sessions = app.extensions["flask-jwt"].sessions
        tokens = sessions.start({"id": 1})

        def refresh() -> None:
            nonlocal tokens
            tokens = sessions.refresh(tokens.refresh_token)

        refresh()
        with ExitStack() as stack:
            bare = _bare(name, uri, sessions.store.store, stack)
            rounds = 3 if plan.quick else 15
            pairs = [(_rate(bare, 0.3), _rate(refresh, 0.3)) for _ in range(rounds)]
    return {
        "bare": statistics.median(pair[0] for pair in pairs),
        "refresh": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
    }


def _logins(uri: str, plan: Plan, *, is_hashed: bool) -> dict[str, float]:
    stored = hash_password("pass")
    number = itertools.count()

    def make_task(limits: str | None) -> Callable[[], float]:
        app = Flask("bench")
        app.config.update(SECRET_KEY=SECRET, JWT_STORAGE_URI=uri, JWT_LOGIN_LIMITS=limits)

        def authenticate(username: str, password: str) -> str | None:
            is_correct = not is_hashed or check_password(stored, password).is_correct
            return username if is_correct else None

        JWT(app, authenticate, lambda payload: payload["identity"])
        client = app.test_client()

        def log_in() -> None:
            body = {"username": f"user {next(number) // 40}", "password": "pass"}
            address = {"REMOTE_ADDR": "192.0.2.7"}
            response = client.post("/auth", json=body, environ_base=address)
            assert response.status_code == 200, response.text

        log_in()
        return lambda: _rate(log_in, 0.3)

    tasks = {"with": make_task("10/minute; 100/hour"), "without": make_task(None)}
    rates = interleave(tasks, plan.choose(3, 15))
    ratios = [one / other for one, other in zip(rates["with"], rates["without"], strict=True)]
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {**medians, "ratio": statistics.median(ratios)}


_UPDATE = (
    "UPDATE jwt_sessions SET generation = generation + 1, rotated_at = {0}, idle_expires_at = NULL "
    "WHERE sid = {0} AND generation = {0} AND revoked_at IS NULL AND expires_at > {0} "
    "AND (idle_expires_at IS NULL OR idle_expires_at > {0})"
)


def _bare(name: str, uri: str, store: Any, stack: ExitStack) -> Callable[[], None]:
    session = _session()
    store.create(session)
    generation = 0
    execute: Callable[..., Any]
    if name == "Redis":
        from flask_jwt.stores._redis_scripts import ROTATE
        from flask_jwt.stores.redis import _key

        client = stack.enter_context(redis.Redis.from_url(uri, decode_responses=True))

        def execute(now: float) -> Any:
            changes = (str(generation), "", repr(now), "idle_expires_at", "")
            return client.eval(ROTATE.script, 1, _key(session.sid), *changes)
    elif name == "SQLite":
        import sqlite3

        connection: Any = sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)
        stack.callback(connection.close)
        # As the store does: otherwise the bare statement would not wait for the disk.
        connection.execute("PRAGMA synchronous=FULL")
        statement = _UPDATE.format("?")

        def execute(now: float) -> Any:
            return connection.execute(statement, (now, session.sid, generation, now, now)).rowcount
    else:
        connection = stack.enter_context(
            psycopg.connect(uri.replace("+psycopg", ""), autocommit=True)
        )
        statement = _UPDATE.format("%s")

        def execute(now: float) -> Any:
            return connection.execute(statement, (now, session.sid, generation, now, now)).rowcount

    def bare() -> None:
        nonlocal generation
        assert execute(time.time()) == 1
        generation += 1

    return bare


def _session() -> Session:
    now = time.time()
    return Session(secrets.token_hex(16), "bench", "{}", 0, now, now, now + 1e7)


def _sizes(plan: Plan) -> str:
    few, many = (1_000, 20_000) if plan.quick else (10_000, 1_000_000)
    return f"{few:,} and {many:,}"


def _rows(uri: str, plan: Plan) -> dict[str, float]:
    few, many = (1_000, 20_000) if plan.quick else (10_000, 1_000_000)
    app = _app(uri)
    medians = []
    with app.app_context():
        sessions = app.extensions["flask-jwt"].sessions
        sessions.store.setup()
        for size in (few, many):
            _fill(sessions.store.store.engine, size)
            # Of users of their own, because a user may have 100 sessions.
            started = [sessions.start({"id": user}).refresh_token for user in range(1, 201)]
            times = []
            for _ in range(2 if plan.quick else 10):
                for index, token in enumerate(started):
                    start = time.perf_counter()
                    started[index] = sessions.refresh(token).refresh_token
                    times.append(time.perf_counter() - start)
            medians.append(statistics.median(times) * 1000)
    sessions.close()
    return {"few": medians[0], "many": medians[1], "ratio": medians[1] / medians[0]}


def _fill(engine: sa.Engine, size: int) -> None:
    now = time.time()
    with engine.execution_options(isolation_level="SERIALIZABLE").begin() as connection:
        present = connection.execute(sa.select(sa.func.count()).select_from(sessions_table))
        missing = size - present.scalar_one()
        for start in range(0, missing, 10_000):
            rows = [
                {
                    "sid": secrets.token_hex(16), "subject": str(n % 1000), "payload": "{}",
                    "generation": 0, "created_at": now, "rotated_at": now,
                    "expires_at": now + 1e6,
                }
                for n in range(min(10_000, missing - start))
            ]  # fmt: skip
            connection.execute(sa.insert(sessions_table), rows)
    if engine.dialect.name == "postgresql":
        # Without it the planner's statistics are of an empty table.
        with engine.connect() as connection:
            connection.execute(sa.text("VACUUM ANALYZE jwt_sessions"))


def _revoked(plan: Plan) -> dict[str, float]:
    size = 50_000 if plan.quick else 1_000_000
    sids = [secrets.token_hex(16) for _ in range(1000)]
    results: dict[str, float] = {"revoked": size}
    for name, count in (("none", 0), ("many", size)):
        revocations = Revocations(MemoryStore(), lifetime=310, staleness=1e9, clock=Clock())
        revocations.check(sids[0])
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            revocations.add(secrets.token_hex(16))
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        if count:
            results["bytes"] = used / count
        rounds = []
        for _ in range(30):
            start = time.perf_counter()
            for sid in sids:
                revocations.check(sid)
            rounds.append((time.perf_counter() - start) / len(sids) * 1e6)
        results[name] = statistics.median(rounds)
    return results
