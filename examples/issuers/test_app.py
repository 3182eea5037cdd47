import pytest
from flask_jwt.testing import FakeIssuer, freeze

from app import app, auth0


@pytest.fixture
def clock():
    with freeze(app) as clock:
        yield clock


@pytest.fixture
def fake(clock):
    """Issue tokens as Auth0 does: with its issuer, the audience of this API, and other keys."""
    fake = FakeIssuer(auth0, clock=clock)
    app.config["JWT_ISSUERS"] = [fake.issuer]
    return fake


def get(path, headers=None):
    return app.test_client().get(path, headers=headers)


def test_subject(fake):
    assert get("/me").status_code == 401
    assert get("/me", fake.headers("auth0|7")).json["subject"] == "auth0|7"


def test_scope(fake):
    assert get("/reports", fake.headers()).status_code == 403
    assert get("/reports", fake.headers(scope="read:reports")).status_code == 200


def test_token_for_another_api(fake):
    assert get("/me", fake.headers(aud="https://other.example")).status_code == 401


def test_expiry(fake, clock):
    headers = fake.headers()
    clock.tick(3600 + 31)
    assert get("/me", headers).json["code"] == "token_expired"


def test_new_keys(fake, clock):
    assert get("/me", fake.headers()).status_code == 200
    clock.tick(31)  # JWT_ISSUER_COOLDOWN; until then the new keys aren't fetched
    fake.rotate()
    assert get("/me", fake.headers()).status_code == 200


def test_outage(fake):
    fake.down()
    assert get("/me", fake.headers()).status_code == 503
