"""The stopwatch of the tests counts waiting, but not the time in which the process is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.stopwatch import Stopwatch
from tests.support import ROOT


def test_waiting_is_counted():
    took = 0
    with Stopwatch() as watch:
        for _ in range(50):  # the machine may stand still in some of these
            began = watch.now()
            time.sleep(0.05)
            took += watch.now() - began
    assert took > 0.5


MEASURE = """
from tests.stopwatch import Stopwatch
import time
with Stopwatch() as watch:
    began, real = watch.now(), time.monotonic()
    print("began", flush=True)
    input()
    print(watch.now() - began, time.monotonic() - real)
"""


@pytest.mark.slow
def test_a_pause_of_the_process_is_not_counted():
    with subprocess.Popen(
        [sys.executable, "-c", MEASURE], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "began\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGCONT)
        counted, real = map(float, process.communicate("\n")[0].split())
    assert real >= 1.5
    assert real - counted >= 1.4
