import secrets
from datetime import timedelta

import pytest
from flask_jwt.testing import JWTClient, jwt_headers

from app import create_app
from models import User, db

JOE = {"username": "joe", "password": "correct horse"}


@pytest.fixture
def make_app(tmp_path):
    apps = []

    def make():
        database = f"sqlite:///{tmp_path}/test{len(apps)}.db"
        secret = secrets.token_hex()
        apps.append(create_app(TESTING=True, SECRET_KEY=secret, SQLALCHEMY_DATABASE_URI=database))
        return apps[-1]

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make_app):
    app = make_app()
    app.test_client().post("/register", json=JOE)
    return app


def test_every_view_that_writes_is_guarded(jwt_client):
    assert jwt_client.get("/items").status_code == 200
    for method in ("GET", "POST", "DELETE"):
        response = jwt_client.open("/items/chair", method=method, json={"price": 5})
        assert (response.status_code, response.json["code"]) == (401, "token_missing")


def test_login(jwt_client):
    jwt_client.login(**JOE)
    assert jwt_client.post("/items/chair", json={"price": 5}).status_code == 201
    assert jwt_client.get("/items/chair").json == {"name": "chair", "price": 5}


@pytest.mark.parametrize("price", [None, "5", True, -1, float("inf"), float("nan")])
def test_wrong_price(jwt_client, price):
    jwt_client.login(**JOE)
    assert jwt_client.post("/items/chair", json={"price": price}).status_code == 400


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "ann"}])
def test_wrong_login(jwt_client, wrong):
    response = jwt_client.post("/auth", json={**JOE, **wrong})
    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")


def test_only_the_owner_deletes_an_item(app, jwt_client):
    jwt_client.login(**JOE)
    jwt_client.post("/items/chair", json={"price": 5})
    app.test_client().post("/register", json={**JOE, "username": "ann"})
    ann = JWTClient(app)
    ann.login("ann", JOE["password"])
    assert ann.delete("/items/chair").status_code == 403
    assert jwt_client.delete("/items/chair").status_code == 204


def test_token_expires(jwt_client, jwt_clock):
    jwt_client.login(**JOE)
    jwt_clock.tick(timedelta(minutes=6))
    response = jwt_client.get("/items/chair")
    assert (response.status_code, response.json["code"]) == (401, "token_expired")


def test_deleted_user(app, jwt_client):
    jwt_client.login(**JOE)
    with app.app_context():
        db.session.delete(db.session.get(User, 1))
        db.session.commit()
    jwt_client.post("/register", json={**JOE, "username": "ann"})  # doesn't get joe's id
    response = jwt_client.get("/items/chair")
    assert (response.status_code, response.json["code"]) == (401, "user_gone")


def test_token_of_another_application(make_app, jwt_client):
    token = jwt_headers(1, app=make_app())
    response = jwt_client.get("/items/chair", headers=token)
    assert (response.status_code, response.json["code"]) == (401, "token_invalid")
