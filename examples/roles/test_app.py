import pytest

from app import create_app, users


@pytest.fixture
def app():
    return create_app()


def test_only_admins_and_support_list_the_users(jwt_client, monkeypatch):
    jwt_client.login_as(users["joe"])
    assert jwt_client.get("/admin/users").status_code == 403
    monkeypatch.setitem(users["joe"], "roles", ["support"])
    assert jwt_client.get("/admin/users").status_code == 200
