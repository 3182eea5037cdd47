"""The pytest plugin: ``jwt_client`` and ``jwt_clock``.

It stands outside of the package and imports it in fixtures only: pytest imports plugins first thing
in each of its runs, so the package would be loaded where nobody uses it, and before pytest-cov
looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_jwt.testing import Clock, JWTClient

# pytest shows the lines from a fixture's decorator to its def where `app` is missing.


@pytest.fixture
# Needs a fixture `app` that returns your Flask application; write one into conftest.py.
def jwt_client(app: Flask) -> JWTClient:
    """A test client of ``app`` that can log in; at first it is nobody."""
    from flask_jwt.testing import JWTClient

    return JWTClient(app)


@pytest.fixture
# Needs a fixture `app` that returns your Flask application; write one into conftest.py.
def jwt_clock(app: Flask) -> Iterator[Clock]:
    """The clock of ``app``, which stands still until ``jwt_clock.tick(seconds)``."""
    from flask_jwt.testing import freeze

    with freeze(app) as clock:
        yield clock
