"""An application that tests/test_processes.py serves. It uses its store before workers fork."""

from __future__ import annotations

import os

from tests.workers import log_in, new_app

app = new_app(
    os.environ["STORE_URL"],
    JWT_LOGIN_LIMITS=None,
    JWT_REVOCATION_CHECK="always",
    JWT_STORE_TIMEOUT=10,
)
log_in(app, "before the fork")
print("An application is ready", flush=True)
