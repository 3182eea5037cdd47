"""Measure the memory that the cache uses for a verified token."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import flask_jwt

from .candidates import LIFETIME, environ, ours
from .guard import get_status
from .measure import Plan, Section, Table

TOKENS = 10_000


def run(plan: Plan) -> Section:  # noqa: ARG001 - takes equally long in both plans
    app, _ = ours({})
    with app.app_context():
        tokens = [
            flask_jwt.create_access_token(1000 + number, expires_delta=LIFETIME)
            for number in range(TOKENS)
        ]
    with_cache = allocated_bytes({"JWT_CACHE_SIZE": TOKENS}, tokens)
    without_cache = allocated_bytes({"JWT_CACHE_SIZE": 0}, tokens)
    length = round(sum(map(len, tokens)) / TOKENS)
    each = (with_cache - without_cache) / TOKENS
    data = {"tokens": TOKENS, "token_length": length, "bytes_per_token": each}
    rows = [["Flask-JWT-Too", f"{each:,.0f} bytes", f"{with_cache / 1e6:.1f} MB"]]
    notes = [
        f"tracemalloc over {TOKENS:,} distinct tokens of {length} characters on average, "
        "the token strings included."
    ]
    title = "Memory of the cache of verified tokens"
    return Section(data, [Table(title, ["", "a token", f"{TOKENS:,} tokens"], rows, notes)])


def allocated_bytes(config: dict[str, Any], tokens: list[str]) -> int:
    """Return the bytes that are still allocated after a request with each of *tokens*."""
    app, guarded = ours(config)
    app.add_url_rule("/guarded", view_func=guarded, endpoint="guarded")
    # The first request allocates what every application needs once.
    get_status(app, environ("/guarded", tokens[0]))
    gc.collect()
    tracemalloc.start()
    try:
        for token in tokens:
            # environ() creates a new string for the header, so what the cache keeps is counted.
            status = get_status(app, environ("/guarded", token))
            assert status == "200", status
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
