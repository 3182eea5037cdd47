import secrets
from datetime import timedelta

import pytest

from app import create_app


@pytest.fixture
def app():  # jwt_client and jwt_clock, which come with Flask-JWT-Too, use this
    return create_app(TESTING=True, SECRET_KEY=secrets.token_hex(), JWT_STORAGE_URI="memory://")


def test_no_token(jwt_client):
    response = jwt_client.get("/me")
    assert response.status_code == 401
    assert response.json["code"] == "token_missing"


def test_wrong_password(jwt_client):
    response = jwt_client.post("/auth", json={"username": "joe", "password": "wrong"})
    assert response.status_code == 401
    assert response.json["code"] == "invalid_credentials"


def test_login_and_logout(jwt_client):
    jwt_client.login("joe", "pass")
    assert jwt_client.get("/me").json == {"name": "joe"}
    jwt_client.logout()
    assert jwt_client.get("/me").status_code == 401


def test_refresh(jwt_client, jwt_clock):
    jwt_client.login("joe", "pass")
    jwt_clock.tick(timedelta(minutes=6))
    assert jwt_client.get("/me").json["code"] == "token_expired"
    jwt_client.refresh()
    assert jwt_client.get("/me").status_code == 200
