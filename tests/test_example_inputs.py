"""What clients may send to the programs of the documentation, beyond what their pages show."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version

import pytest

from tests.guides import example
from tests.support import ROOT, SECRET, Browser, run_example

GOOD = "correct horse"
PASSWORDS = ["", "short", "x" * 5000, "\N{ROCKET}" * 1025]


@pytest.fixture
def tutorial(tmp_path):
    with example("tutorial", "app", "models") as (program, models):
        database = f"sqlite:///{tmp_path}/shop.db"
        app = program.create_app(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=database)
        yield app.test_client()
        with app.app_context():
            models.db.engine.dispose()


@pytest.mark.parametrize(
    ("username", "password"),
    [
        *[("joe", password) for password in [*PASSWORDS, None, 12345678, "\ud800" * 9]],
        *[(name, GOOD) for name in ["", "x" * 81, "a\0", "\ud800", "a\n", None, 1, ["joe"]]],
    ],
)
def test_tutorial_rejects_a_registration(tutorial, username, password):
    body = {"username": username, "password": password}
    response = tutorial.post("/register", data=json.dumps(body), content_type="application/json")
    assert response.status_code == 400


PRICES = ["1e999", "-1e999", "NaN", "true", "null", '"5"', "[]", "-1", "1000001", "1" * 400]


@pytest.mark.parametrize(
    ("name", "price"), [*[("chair", price) for price in PRICES], ("x" * 81, "5"), ("a%00", "5")]
)
def test_tutorial_rejects_an_item(tutorial, name, price):
    joe = {"username": "joe", "password": GOOD}
    assert tutorial.post("/register", json=joe).status_code == 201
    headers = {"Authorization": f"Bearer {tutorial.post('/auth', json=joe).json['access_token']}"}

    def add(name, price):
        return tutorial.post(
            f"/items/{name}", data=f'{{"price": {price}}}', headers=headers,
            content_type="application/json",
        ).status_code  # fmt: skip

    assert add(name, price) == 400
    assert [add("chair", "1000000"), add("chair", "0")] == [201, 409]
    assert tutorial.get("/items").json == {"items": [{"name": "chair", "price": 1000000}]}


@pytest.mark.parametrize("password", PASSWORDS)
def test_login_view_rejects_a_password(password, tmp_path, monkeypatch):
    browser = Browser(run_example("pages/login_view.py", tmp_path, monkeypatch)["app"])
    page = browser.post("/sign-up", data={"name": "joe", "password": password})
    assert (page.status_code, "8 to 200" in page.text) == (400, True)
    assert browser.post("/sign-up", data={"name": "joe", "password": GOOD}).status_code == 303


def test_only_its_own_pages_sign_out_of_the_login_view(tmp_path, monkeypatch):
    app = run_example("pages/login_view.py", tmp_path, monkeypatch)["app"]
    browser, foreign = Browser(app), {"Sec-Fetch-Site": "cross-site"}
    browser.post("/sign-up", data={"name": "joe", "password": GOOD})
    assert browser.post("/sign-out", headers=foreign).status_code == 403
    assert "Hello, joe." in browser.get("/").text
    # SameSite=Lax: the browser sends no cookie with this form, but takes those of the response.
    assert "Set-Cookie" not in Browser(app).post("/sign-out", headers=foreign).headers
    assert "Set-Cookie" in browser.post("/sign-out").headers
    assert browser.get("/").status_code == 303


@pytest.fixture
def accounts():
    with example("e_mail_links", "app") as program:
        program.users.clear()
        mails = []
        app = program.create_app(
            SEND_MAIL=lambda *mail: mails.append(mail), SECRET_KEY=SECRET,
            JWT_STORAGE_URI="memory://",
        )  # fmt: skip
        yield app.test_client(), mails


ADDRESSES = ["", " ", "joe", "@", "joe@", "@example.com", "joe@a.example, ann@b.example",
             "joe@example.com\nBcc: ann@b.example", "joe\0@example.com", "x" * 255 + "@a.b"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("path", ["/sign-up", "/forgot-password"])
def test_an_e_mail_needs_an_address(accounts, path, address):
    client, mails = accounts
    assert (client.post(path, data={"address": address}).status_code, mails) == (400, [])
    assert client.post(path, data={"address": " O'Brien+x@bücher.example "}).status_code == 200


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_page_of_a_link_rejects_a_password(accounts, password):
    client, mails = accounts
    client.post("/sign-up", data={"address": "joe@example.com"})
    link = mails[0][2]
    assert client.post(link, data={"password": password}).status_code == 400
    assert client.post(link, data={"password": GOOD}).status_code == 200


needs_model_class = pytest.mark.skipif(
    version("flask-sqlalchemy") < "3.1", reason="pip install 'Flask-SQLAlchemy>=3.1'"
)


@pytest.mark.parametrize(
    "folder", ["tutorial", "flask_migrate", pytest.param("store", marks=needs_model_class)]
)
def test_no_user_gets_the_id_of_another(folder, tmp_path):
    """In SQLite, INTEGER PRIMARY KEY alone gives the id of the deleted newest row again."""
    shutil.copytree(ROOT / "examples" / folder, tmp_path, dirs_exist_ok=True)
    config = {"SECRET_KEY": SECRET, "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/users.db"}
    with example(tmp_path, "app") as program:
        store = folder == "store"
        app = program.create_app(config) if store else program.create_app(**config)
        db = app.extensions["sqlalchemy"]
        with app.app_context():
            db.create_all()
            users = db.metadata.tables["users" if store else "user"]
            row = {
                column.name: column.type.python_type("1")
                for column in users.columns
                if not column.primary_key
            }
            ids = []
            for _ in range(2):
                ids += db.session.execute(db.insert(users).values(row)).inserted_primary_key
                db.session.execute(db.delete(users))
            db.session.commit()
            db.engine.dispose()
    assert ids == [1, 2]


@pytest.mark.parametrize("name", ["swagger_ui/app.py", "openapi_document/app.py"])
def test_no_client_chooses_the_server_in_the_document(name, tmp_path, monkeypatch):
    """The library keeps the first document that it has served."""
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    app = run_example(name, tmp_path, monkeypatch)["app"]
    document = app.test_client().get("/openapi.json", base_url="http://evil.example")
    assert "evil.example" not in document.text
    assert document.json["paths"]["/orders"]["get"]["security"] == [{"bearerAuth": []}]
