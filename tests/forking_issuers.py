"""An application, and its gunicorn configuration, whose master forks during a fetch of keys.

tests/test_issuers_soak.py serves it with ``--preload``. Each worker serves one request, so each
request makes the master fork another one.
"""

from __future__ import annotations

import os
import threading
import time

import jwt as pyjwt

from flask_jwt import Issuer
from tests.test_issuers_providers import api, status

preload_app = True
workers = 2
max_requests = 1
timeout = 60
loglevel = "warning"

URL, TOKEN = os.environ["ISSUER_URL"], os.environ["ISSUER_TOKEN"]
app = api(Issuer(URL, audience="api"))
# Not verified: only to fail at start, and not later, if the token is none.
pyjwt.get_unverified_header(TOKEN)


def pre_fork(server, worker):
    """Begin to fetch in the master: at the fork, its thread holds the lock."""
    master = server.app.wsgi()
    number = master.forks = getattr(master, "forks", 0) + 1
    master.config["JWT_ISSUERS"] = [Issuer(URL, audience="api", leeway=number % 60)]
    threading.Thread(target=status, args=(master, TOKEN), daemon=True).start()
    (remote,) = master.extensions["flask-jwt"].codecs.issuers().all
    deadline = time.monotonic() + 10
    while not remote.source._in_flight and time.monotonic() < deadline:
        time.sleep(0.001)
    with open(os.environ["FORK_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{remote.source._in_flight} {remote.source._lock.locked()}\n")
