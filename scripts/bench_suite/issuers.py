"""Measure what other issuers cost a guard: tokens seen before, and RS256 beside PyJWT."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from statistics import mean
from typing import Any

import jwt as pyjwt
from flask import Flask
from werkzeug.test import EnvironBuilder

from flask_jwt import JWT, Issuer, create_access_token, jwt_required
from flask_jwt.testing import FakeIssuer

from .guard import time_requests
from .measure import Plan, Section, Spread, Table, interleave

COUNTS = (1, 8, 200)
LIMIT = 0.5
"""µs that a request with a token seen before may take longer than without other issuers."""


def run(plan: Plan) -> Section:
    rounds = plan.choose(60, 400)
    idp = FakeIssuer("https://idp.example", audience="api")
    apps = {"own token, no other issuer": guarded(None, 0)}
    for count in COUNTS:
        apps[f"own token, {count} issuers"] = guarded(None, count, idp)
        apps[f"foreign token, {count} issuers"] = guarded(idp, count, idp)
    apps["foreign token, found by a function"] = guarded(idp, 1, idp, lookup=True)
    tasks: dict[str, Callable[[], float]] = {
        label: functools.partial(one_round, *app) for label, app in apps.items()
    }
    interleave(tasks, 5)
    samples = interleave(tasks, rounds)
    warm = {label: Spread.of(samples[label]) for label in tasks}
    base = warm["own token, no other issuer"].median
    rows = [
        [label, f"{spread.median:.2f}", f"{spread.median - base:+.2f}"]
        for label, spread in warm.items()
    ]
    cold = measure_cold(plan.choose(40, 300))
    data = {
        "rounds": rounds,
        "warm_us": {label: spread._asdict() for label, spread in warm.items()},
        "more_us": {label: spread.median - base for label, spread in warm.items()},
        "limit_us": LIMIT,
        "cold_us": {label: spread._asdict() for label, spread in cold.items()},
    }
    notes = [f"Difference of the medians of {rounds} interleaved rounds; at most +{LIMIT}."]
    return Section(
        data,
        [
            Table(
                "Other issuers: a request, token seen before, µs",
                ["", "median", "more"],
                rows,
                notes,
            ),
            Table(
                "A token of another issuer, RS256, verified for the first time: µs",
                ["", "median", "quartiles"],
                [
                    [label, f"{spread.median:.1f}", f"{spread.low:.1f} to {spread.high:.1f}"]
                    for label, spread in cold.items()
                ],
                ["PyJWT gets the key as an object, and checks the same claims."],
            ),
        ],
    )


def guarded(
    signer: FakeIssuer | None, count: int, idp: FakeIssuer | None = None, *, lookup: bool = False
) -> Any:
    """Return an application that trusts *count* issuers, and a request with a token.

    :param lookup: whether a function finds the issuers
    """
    app = Flask("bench")
    app.config.update(SECRET_KEY="x" * 32, JWT_EXPIRATION_DELTA=10**6)
    others = [Issuer(f"https://{number}.example", audience="api") for number in range(count - 1)]
    issuers = [idp.issuer, *others] if idp and count else []
    by_name = {issuer.issuer: issuer for issuer in issuers}
    JWT(app, issuers=by_name.get if lookup else issuers or None)
    app.get("/")(jwt_required()(lambda: "ok"))
    if signer is not None:
        token = signer.token("joe", exp=int(time.time()) + 10**6)
    else:
        with app.app_context():
            token = create_access_token("joe")
    headers = {"Authorization": f"Bearer {token}"}
    environ = EnvironBuilder("/", headers=headers).get_environ()
    with app.test_client() as client:
        assert client.get("/", headers=headers).status_code == 200
    return app, environ


def one_round(app: Flask, environ: Any) -> float:
    return mean(time_requests(app, (environ,)))


def measure_cold(rounds: int) -> dict[str, Spread]:
    idp = FakeIssuer("https://idp.example", audience="api", algorithm="RS256")
    app = Flask("cold")
    app.config.update(SECRET_KEY="x" * 32, JWT_CACHE_SIZE=0)
    JWT(app, issuers=[idp.issuer])
    state = app.extensions["flask-jwt"]
    issuers = state.codecs.issuers()
    token = idp.token("joe")
    key = pyjwt.PyJWK(idp.jwks()["keys"][0]).key

    def ours() -> None:
        codec = issuers.codec_for(*state.codecs.decode_unverified(token))
        codec.verify(token, time.time())

    def theirs() -> None:
        pyjwt.decode(
            token, key, ["RS256"], audience="api", issuer="https://idp.example", leeway=30,
            options={"require": ["exp", "iss", "sub"]},
        )  # fmt: skip

    tasks = {"ours, which issuer included": timed(ours), "PyJWT, prepared key": timed(theirs)}
    interleave(tasks, 3)
    samples = interleave(tasks, rounds)
    return {label: Spread.of(samples[label]) for label in tasks}


def timed(function: Callable[[], None], batch: int = 20) -> Callable[[], float]:
    def task() -> float:
        start = time.perf_counter()
        for _ in range(batch):
            function()
        return 1e6 * (time.perf_counter() - start) / batch

    return task
