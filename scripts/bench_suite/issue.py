"""Measure how many tokens per second are issued."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import flask_jwt_extended
import jwt as pyjwt

import flask_jwt

from .candidates import SECRET, extended, key_config, ours
from .measure import Plan, Section, Spread, Table, interleave

BATCH = 100


def run(plan: Plan) -> Section:
    labels: dict[str, str] = {}
    tasks: dict[str, Callable[[], float]] = {}
    for algorithm in ("HS256", "EdDSA"):
        config = {} if algorithm == "HS256" else key_config(algorithm)
        key = config.get("JWT_PRIVATE_KEY", SECRET)
        name = algorithm.lower()
        for who, label, task in (
            ("ours", "Flask-JWT-Too", in_app(ours(config)[0], _ours)),
            ("fje", "Flask-JWT-Extended", in_app(extended("flask_jwt_extended", config)[0], _fje)),
            ("pyjwt", "PyJWT's encode alone", _pyjwt(key, algorithm)),
        ):
            labels[f"{name}_{who}"] = f"{algorithm}: {label}"
            tasks[f"{name}_{who}"] = task
    rounds = plan.choose(15, 150)
    interleave(tasks, 2)
    samples = interleave(tasks, rounds)
    rates = {name: Spread.of(samples[name]) for name in tasks}
    data = {
        "rounds": rounds,
        "batch": BATCH,
        "per_second": {n: {"label": labels[n], **rate._asdict()} for n, rate in rates.items()},
    }
    rows = [
        [labels[name], f"{rate.median:,.0f}", f"{rate.low:,.0f} to {rate.high:,.0f}"]
        for name, rate in rates.items()
    ]
    notes = [
        f"{rounds} interleaved rounds of {BATCH} tokens, in an application context.",
        "PyJWT alone gets the same claims as this package, and the key as a PEM string.",
    ]
    return Section(
        data, [Table("Tokens issued per second", ["", "median", "quartiles"], rows, notes)]
    )


def in_app(app: Any, issue: Callable[[], str]) -> Callable[[], float]:
    def task() -> float:
        with app.app_context():
            return _rate(issue)

    return task


def _rate(issue: Callable[[], str]) -> float:
    issue()
    start = time.perf_counter()
    for _ in range(BATCH):
        issue()
    return BATCH / (time.perf_counter() - start)


def _ours() -> str:
    return flask_jwt.create_access_token(42)


def _fje() -> str:
    return flask_jwt_extended.create_access_token("42")


def _pyjwt(key: str, algorithm: str) -> Callable[[], float]:
    def issue() -> str:
        now = int(time.time())
        claims = {
            "identity": 42,
            "sub": "42",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
            "type": "access",
        }
        return pyjwt.encode(claims, key, algorithm)

    return lambda: _rate(issue)
