import pytest

from notes import create_app


@pytest.fixture
def app():
    return create_app(
        TESTING=True,
        SECRET_KEY="only-for-tests-but-32-bytes-long",
        JWT_STORAGE_URI="memory://",
    )
