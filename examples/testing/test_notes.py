from datetime import timedelta

from flask_jwt.testing import jwt_headers

from notes import me, users


def test_an_anonymous_request_is_rejected(jwt_client):
    assert jwt_client.get("/me").status_code == 401


def test_a_login(jwt_client):  # POST /auth, calls your authentication handler
    jwt_client.login("joe", "pass")
    assert jwt_client.get("/me").json == {"name": "joe"}
    jwt_client.logout()
    assert jwt_client.get("/me").status_code == 401


def test_a_user_without_the_password(jwt_client):
    jwt_client.login_as(users["joe"])  # a user object or dict with an id, or the id
    assert jwt_client.get("/me").json == {"name": "joe"}
    assert jwt_client.get("/report").status_code == 403


def test_claims(jwt_client):
    jwt_client.login_as(1, role="admin")
    assert jwt_client.get("/report").json == {"all": 1}


def test_time_passes(jwt_client, jwt_clock):
    jwt_client.login_as(1)
    assert jwt_client.post("/close").json == {"closed": "joe"}
    jwt_clock.tick(timedelta(minutes=6))
    assert jwt_client.get("/me").status_code == 401
    jwt_client.refresh()
    assert jwt_client.get("/me").status_code == 200
    assert jwt_client.post("/close").status_code == 401  # the login is too long ago


def test_with_any_client(app):
    response = app.test_client().get("/me", headers=jwt_headers(1, app=app))
    assert response.json == {"name": "joe"}


def test_a_view_without_a_client(app):
    with app.test_request_context(headers=jwt_headers(1, app=app)):
        assert me() == {"name": "joe"}
