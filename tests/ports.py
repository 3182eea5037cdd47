"""Ports of this machine for the servers of tests."""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from contextlib import suppress

# A server may take its port seconds later, so its port is given to no other one meanwhile: not in
# this process, nor in another worker of pytest-xdist, of which each has every eighth port.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
_given: deque[int] = deque(maxlen=200)


def free_port() -> int:
    """Return a free port; that ten thousand higher, a Redis Cluster node's own bus, is free too.

    Both lie below the ports that the system gives to connections, which would else take a
    server's while it is down: a client that tries again and again can even connect to itself.
    """
    while True:
        port = random.randrange(10_000 + _WORKER, 22_000, 8)
        if {port, port + 10_000, port - 10_000} & set(_given):
            continue
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            _given.append(port)
            return port
