"""Provide the pytest fixtures ``jwt_client`` and ``jwt_clock``."""

# pytest imports this plugin at the start of every run in an environment with Flask-JWT-Too. It is
# outside of the package, and imports it in fixtures only, because otherwise flask_jwt would be
# loaded in runs that don't use it, and before pytest-cov starts to measure.

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from flask_jwt.testing import Clock, JWTClient

# Without a fixture `app`, pytest's error shows the source from the decorator to the def. So the
# hint in the fixtures below has to be between these two lines.


@pytest.fixture
# Needs a fixture `app` that returns your Flask application; write one into conftest.py.
def jwt_client(app: Flask) -> JWTClient:
    """Return a test client of ``app`` that can log in; anonymous at first."""
    from flask_jwt.testing import JWTClient

    return JWTClient(app)


@pytest.fixture
# Needs a fixture `app` that returns your Flask application; write one into conftest.py.
def jwt_clock(app: Flask) -> Iterator[Clock]:
    """Stop the clock of ``app`` until ``jwt_clock.tick(seconds)`` advances it."""
    from flask_jwt.testing import freeze

    with freeze(app) as clock:
        yield clock
