"""Measure what required scopes and roles add to a guard whose token was seen before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from statistics import median
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from flask_jwt import JWT, any_of, create_access_token, jwt_required

from .guard import time_requests
from .measure import Plan, Section, Spread, Table, interleave

LIMIT = 0.5
"""µs by which a request may take longer because the guard requires scopes."""

BARE = "no requirement"
GUARDS: dict[str, dict[str, Any]] = {
    BARE: {},
    "nothing, another view": {},
    "one scope": {"scopes": "orders:read"},
    "two scopes": {"scopes": ["orders:read", "orders:write"]},
    "one of two roles": {"roles": any_of("admin", "support")},
    "a scope and a role": {"scopes": "orders:read", "roles": "support"},
}


def run(plan: Plan) -> Section:
    rounds = plan.choose(60, 400)
    app = make_app()
    with app.app_context():
        token = create_access_token("joe", scopes="orders:read orders:write", roles=["support"])
    headers = {"Authorization": f"Bearer {token}"}
    tasks: dict[str, Callable[[], float]] = {}
    for number, label in enumerate(GUARDS):
        path = f"/view{number}"
        assert app.test_client().get(path, headers=headers).status_code == 200
        environ = EnvironBuilder(path, headers=headers).get_environ()
        tasks[label] = functools.partial(one_round, app, environ)
    interleave(tasks, 5)
    samples = interleave(tasks, rounds)
    spreads = {label: Spread.of(samples[label]) for label in tasks}
    # By round, so that what slows the machine for a while is in both.
    more = {
        label: Spread.of([one - bare for one, bare in zip(taken, samples[BARE], strict=True)])
        for label, taken in samples.items()
        if label != BARE
    }
    rows = [
        [label, f"{spread.median:.2f}", f"{more[label].median:+.2f}" if label in more else ""]
        for label, spread in spreads.items()
    ]
    data = {
        "rounds": rounds,
        "request_us": {label: spread._asdict() for label, spread in spreads.items()},
        "more_us": {label: spread._asdict() for label, spread in more.items()},
        "limit_us": LIMIT,
    }
    notes = [
        f"Medians of {rounds} interleaved rounds, each the median of 40 requests. 'More' is the",
        f"median of the differences within a round; at most +{LIMIT}.",
        "The scopes and roles are in the token.",
    ]
    title = "Scopes and roles: a request, token seen before, µs"
    return Section(data, [Table(title, ["the guard requires", "request", "more"], rows, notes)])


def make_app() -> Flask:
    app = Flask("bench")
    app.config.update(SECRET_KEY="x" * 32, JWT_EXPIRATION_DELTA=10**6)
    JWT(app)
    for number, options in enumerate(GUARDS.values()):
        app.get(f"/view{number}", endpoint=f"view{number}")(jwt_required(**options)(lambda: "ok"))
    return app


def one_round(app: Flask, environ: Any) -> float:
    # Not the mean: a collection of garbage has nothing to do with the guard's requirement.
    return median(time_requests(app, (environ,)))
