"""Measure whether the duration of a login reveals which users exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from flask import Flask

from bench_suite.measure import Plan, Section, Spread, Table, interleave
from flask_jwt import JWT, check_password, hash_password
from flask_jwt._login import passwords as _passwords

TARGET = 0.05


def run(plan: Plan) -> Section:
    tries = plan.choose(30, 200)
    measured = {"check_password, argon2id": _measure(_checks(), tries)}
    measured["POST /auth, argon2id"] = _measure(_logins(), tries)
    with _scrypt():
        measured["check_password, scrypt"] = _measure(_checks(), tries)
    data = {"tries": tries, **{name: _data(spreads) for name, spreads in measured.items()}}
    rows = [_row(name, *spreads) for name, spreads in measured.items()]
    columns = ["", "unknown user", "quartiles", "wrong password", "quartiles", "medians differ by"]
    notes = [
        f"{tries} tries each, interleaved in random order, including the first.",
        f"Target: at most {TARGET:.0%}.",
    ]
    title = "An unknown user and a wrong password: median in ms"
    return Section(data, [Table(title, columns, rows, notes)])


Pair = tuple[Callable[[], Any], Callable[[], Any]]


def _checks() -> Pair:
    stored = hash_password("correct horse")
    return lambda: check_password(None, "wrong"), lambda: check_password(stored, "wrong")


def _logins() -> Pair:
    """Measure the same through the login endpoint, with users in a dict."""
    app = Flask("measured")
    app.secret_key = "a-secret-of-32-bytes-for-testing"
    app.config["JWT_LOGIN_LIMITS"] = "1000000/minute"  # counts failures, but rejects none
    users = {"joe": hash_password("correct horse")}
    JWT(app, lambda name, password: check_password(users.get(name), password).is_correct or None)
    client = app.test_client()

    def log_in(name: str) -> None:
        response = client.post("/auth", json={"username": name, "password": "wrong"})
        assert response.status_code == 401, response.text

    return lambda: log_in("ann"), lambda: log_in("joe")


@contextmanager
def _scrypt() -> Iterator[None]:
    """Hash as if argon2-cffi were not installed."""
    with patch.object(_passwords, "_new_kind", lambda: _passwords.SCRYPT):
        yield


def _measure(pair: Pair, tries: int) -> tuple[Spread, Spread]:
    times = interleave({"unknown": _timed(pair[0]), "wrong": _timed(pair[1])}, tries)
    return Spread.of(times["unknown"]), Spread.of(times["wrong"])


def _timed(task: Callable[[], Any]) -> Callable[[], float]:
    def timed() -> float:
        start = time.perf_counter()
        task()
        return (time.perf_counter() - start) * 1e3

    return timed


def _difference(unknown: Spread, wrong: Spread) -> float:
    return unknown.median / wrong.median - 1


def _data(spreads: tuple[Spread, Spread]) -> dict[str, Any]:
    unknown, wrong = spreads
    return {
        "unknown": unknown._asdict(),
        "wrong": wrong._asdict(),
        "difference": _difference(unknown, wrong),
    }


def _row(name: str, unknown: Spread, wrong: Spread) -> list[str]:
    difference = _difference(unknown, wrong)
    verdict = "met" if abs(difference) <= TARGET else "NOT met"
    return [
        name,
        f"{unknown.median:.2f}",
        f"{unknown.low:.2f} to {unknown.high:.2f}",
        f"{wrong.median:.2f}",
        f"{wrong.low:.2f} to {wrong.high:.2f}",
        f"{difference:+.1%}  {verdict}",
    ]
