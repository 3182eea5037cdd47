"""docs/guides/e-mail-links.md: links to verify an address and to set a new password."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import itsdangerous.timed
import pytest

from flask_jwt.testing import JWTClient
from tests.guides import example
from tests.support import OTHER_SECRET, SECRET

ADDRESS = "joe@example.com"


class Site:
    """The example, a client, and the e-mails that it has sent."""

    def __init__(self, program):
        program.users.clear()
        self.mails = []
        self.app = program.create_app(
            SEND_MAIL=lambda *mail: self.mails.append(mail),
            TESTING=True,
            SECRET_KEY=SECRET,
            JWT_STORAGE_URI="memory://",
        )
        self.client = JWTClient(self.app)
        self.users = program.users
        self.program = program

    def path(self, index=-1):
        """Return path and query of the link in an e-mail."""
        url = urlsplit(self.mails[index][2])
        assert url.netloc == "localhost:5000"
        return f"{url.path}?{url.query}"

    def follow(self, path, **form):
        """Open a link, and submit the form that it shows; return the last response."""
        page = self.client.get(path)
        if page.status_code != 200:
            return page
        assert page.headers["Referrer-Policy"] == "no-referrer"
        token = re.search(r'name="token" value="([^"]*)"', page.text)[1]
        return self.client.post(urlsplit(path).path, data={"token": token, **form})

    def sign_up(self, address=ADDRESS, **form):
        return self.client.post("/sign-up", data={"address": address, **form})

    def log_in(self, password="first password"):
        login = {"username": ADDRESS, "password": password}
        return self.client.post("/auth", json=login).status_code


@pytest.fixture
def site():
    with example("e_mail_links", "app") as program:
        yield Site(program)


@pytest.fixture
def verified(site):
    site.sign_up()
    site.follow(site.path(), password="first password")
    return site


def test_address_is_verified_before_the_first_login(site):
    assert (site.sign_up().status_code, site.log_in()) == (200, 401)
    assert site.client.get(site.path()).status_code == 200
    assert site.log_in() == 401  # opening the link alone changes nothing
    assert site.log_in("") == 401
    assert site.follow(site.path(), password="first password").status_code == 200
    assert site.log_in() == 200


def test_link_is_as_long_as_the_page_says(site):
    site.sign_up()
    assert len(site.mails[0][2]) == pytest.approx(150, abs=5)


def test_stranger_who_signs_up_an_address_gets_no_account(site):
    """The owner of the address follows the link later, without having signed up."""
    site.sign_up(password="of the stranger")
    assert site.log_in("of the stranger") == 401
    site.follow(site.path(), password="first password")
    site.sign_up(password="of the stranger")
    assert (site.log_in("of the stranger"), site.log_in()) == (401, 200)


def test_second_sign_up_sends_another_link(site):
    first, second = site.sign_up(), site.sign_up(ADDRESS.upper())
    assert first.json == second.json
    assert site.follow(site.path(-2), password="first password").status_code == 200
    assert site.follow(site.path(-1), password="second password").status_code == 400
    assert site.sign_up().json == first.json
    assert site.follow(site.path(), password="second password").status_code == 200
    assert len(site.users) == 1


def test_no_user_gets_the_id_of_another_after_a_restart(verified):
    """The users are in memory, and the sessions in a database that survives."""
    verified.client.login(ADDRESS, "first password")
    verified.users.clear()
    verified.sign_up("ann@example.com")
    verified.follow(verified.path(), password="password of ann")
    assert verified.client.get("/me").json["code"] == "user_gone"


def test_password_is_set_once_and_sessions_end(verified):
    verified.client.login(ADDRESS, "first password")
    verified.client.post("/forgot-password", data={"address": ADDRESS.upper()})
    verified.client.post("/forgot-password", data={"address": ADDRESS})
    link, second = verified.path(-2), verified.path(-1)
    assert verified.follow(link, password="short").status_code == 400
    assert verified.follow(link, password="second password").status_code == 200
    assert verified.client.get("/me").json["code"] == "token_revoked"
    assert (verified.log_in(), verified.log_in("second password")) == (401, 200)
    for used in (link, second):
        assert verified.follow(used, password="third password").status_code == 400


def test_responses_are_the_same_for_an_unknown_address(verified):
    known = verified.client.post("/forgot-password", data={"address": ADDRESS})
    unknown = verified.client.post("/forgot-password", data={"address": "ann@example.com"})
    assert known.json == unknown.json
    assert len(verified.mails) == 2
    assert verified.sign_up().json == verified.sign_up("ann@example.com").json


def test_links_are_for_one_purpose_and_are_no_tokens(verified):
    verified.client.post("/forgot-password", data={"address": ADDRESS})
    token = verified.path().partition("token=")[2]
    (user,) = verified.users.values()

    def read(purpose):
        with verified.app.app_context():
            find, bound = verified.program.find_by_id, verified.program.get_bound
            return verified.program.read_token(purpose, token, find, bound, max_age=3600)

    assert read("password") is user
    assert read("verify") is None
    headers = {"Authorization": f"Bearer {token}"}
    assert verified.client.get("/me", headers=headers).status_code == 401
    verified.client.login(ADDRESS, "first password")
    access_token = verified.client.access_token
    assert verified.client.get(f"/set-password?token={access_token}").status_code == 400


@pytest.mark.parametrize("token", ["", "x", "W10.x.y", "é", "null"])
def test_no_link_at_all(verified, token):
    assert verified.client.get(f"/set-password?token={token}").status_code == 400
    assert verified.client.post("/set-password", data={"password": "x"}).status_code == 400


def test_links_expire(verified, monkeypatch):
    verified.client.post("/forgot-password", data={"address": ADDRESS})
    link = verified.path()
    time = itsdangerous.timed.time.time
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: time() + 3590)
    assert verified.client.get(link).status_code == 200
    monkeypatch.setattr(itsdangerous.timed.time, "time", lambda: time() + 3610)
    assert verified.client.get(link).status_code == 400


def test_links_survive_a_rotation_of_the_secret(verified):
    verified.client.post("/forgot-password", data={"address": ADDRESS})
    verified.app.config.update(SECRET_KEY=OTHER_SECRET, SECRET_KEY_FALLBACKS=[SECRET])
    assert verified.follow(verified.path(), password="second password").status_code == 200
    verified.client.post("/forgot-password", data={"address": ADDRESS})
    verified.app.config.update(SECRET_KEY_FALLBACKS=[])
    assert verified.client.get(verified.path()).status_code == 200
