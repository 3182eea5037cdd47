import secrets

import pytest

from notes import create_app


@pytest.fixture
def app():
    return create_app(
        TESTING=True,
        SECRET_KEY=secrets.token_hex(),
        JWT_STORAGE_URI="memory://",
    )
