"""Wait for servers of HTTP."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager

import httpx


def wait_until_it_responds(url, process, seconds=60):
    """Wait for any HTTP response from *url*; fail with the output of *process* if it ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended: {process.communicate()}")
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not respond within {seconds} s")


@contextmanager
def running(arguments, url, log_file, *, cwd, environment):
    """Run the server that *arguments* start until the end of the block; print its output then."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(arguments, cwd=cwd, env=environment, stdout=log, stderr=log)
        try:
            wait_until_it_responds(url, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)
            print(log_file.read_text())
