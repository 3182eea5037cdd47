"""What remembering a verified token costs in memory."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import flask_jwt

from .candidates import LIFETIME, environ, ours
from .guard import answer
from .measure import Plan, Section, Table

TOKENS = 10_000


def run(plan: Plan) -> Section:  # noqa: ARG001 - as long as it takes
    app, _ = ours({})
    with app.app_context():
        tokens = [
            flask_jwt.create_access_token(1000 + number, expires_delta=LIFETIME)
            for number in range(TOKENS)
        ]
    kept = grown({"JWT_CACHE_SIZE": TOKENS}, tokens)
    unkept = grown({"JWT_CACHE_SIZE": 0}, tokens)
    length = round(sum(map(len, tokens)) / TOKENS)
    each = (kept - unkept) / TOKENS
    data = {"tokens": TOKENS, "token_length": length, "bytes_per_token": each}
    rows = [["Flask-JWT-Too", f"{each:,.0f} bytes", f"{kept / 1e6:.1f} MB"]]
    notes = [
        f"tracemalloc over {TOKENS:,} distinct tokens of {length} characters on average, "
        "the tokens' own text included."
    ]
    title = "Memory of the cache of verified tokens"
    return Section(data, [Table(title, ["", "a token", f"{TOKENS:,} tokens"], rows, notes)])


def grown(config: dict[str, Any], tokens: list[str]) -> int:
    """Bytes that requests with all tokens leave allocated."""
    app, guarded = ours(config)
    app.add_url_rule("/guarded", view_func=guarded, endpoint="guarded")
    answer(app, environ("/guarded", tokens[0]))
    gc.collect()
    tracemalloc.start()
    try:
        for token in tokens:
            # Each request makes its header's text anew, so what the cache keeps of it is counted.
            status = answer(app, environ("/guarded", token))
            assert status == "200", status
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
