"""examples/store over HTTP: two workers of gunicorn, real databases, and httpx as the client."""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

import httpx
import jwt
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.ports import free_port
from tests.servers import stores, until
from tests.store_server import SECRET, STORE, environment, python, serving
from tests.support import ROOT, bearer

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"


@pytest.fixture(scope="module", params=stores("sqlite", "postgres", "redis"))
def databases(request, tmp_path_factory):
    """The URLs of the store's database and of its sessions."""
    folder = tmp_path_factory.mktemp("database")
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        return {"DATABASE_URL": url, "SESSIONS_URL": url}
    sessions = f"sqlite:///{folder}/sessions.db"
    if request.param == "redis":
        sessions = request.getfixturevalue("redis_url")
    return {"DATABASE_URL": f"sqlite:///{folder}/store.db", "SESSIONS_URL": sessions}


@pytest.fixture(scope="module")
def store(databases, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server"), **databases) as client:
        yield client


@pytest.fixture(scope="module")
def joe(store):
    """A user of the store, whose password is PASSWORD."""
    return sign_up(store)


@pytest.fixture(scope="module")
def auth(store, joe):
    """The header of a request that joe sends."""
    return {"Authorization": f"JWT {log_in(store, joe).json()['access_token']}"}


@pytest.fixture
def item(store, auth):
    name = f"item {token_hex(4)}"
    response = store.post(f"/items/{name}", headers=auth, json={"price": 12.5})
    assert response.status_code == 201
    return name


def sign_up(store, password=PASSWORD):
    username = f"joe-{token_hex(4)}"
    response = store.post("/register", json={"username": username, "password": password})
    assert response.status_code == 201
    return username


def log_in(store, username, password=PASSWORD):
    return store.post("/auth", json={"username": username, "password": password})


def signed(secret=SECRET, **claims):
    now = int(time.time())
    claims = {"identity": 1, "iat": now, "nbf": now, "exp": now + 60, **claims}
    return jwt.encode(claims, secret, "HS256")


def assert_rejected(response, status=None):
    """Assert a 4xx, or exactly *status*, with the JSON that all errors have, and return it."""
    assert 400 <= response.status_code < 500, response.text
    if status is not None:
        assert response.status_code == status, response.text
    body = response.json()
    assert body["status_code"] == response.status_code
    assert isinstance(body["error"], str)
    assert isinstance(body["description"], str)
    assert body.keys() <= {"status_code", "error", "description", "code", "hint"}
    return body


# -- users --


def test_a_user_registers_and_logs_in(store):
    username = f"joe-{token_hex(4)}"
    response = store.post("/register", json={"username": username, "password": PASSWORD})
    assert response.status_code == 201
    assert response.json()["username"] == username
    assert response.json().keys() == {"id", "username", "roles"}

    response = log_in(store, username)
    assert response.status_code == 200
    assert response.json().keys() == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert response.headers["Cache-Control"] == "no-store"


def test_devices_are_listed_refreshed_and_logged_out(store, joe):
    phone, desk = (log_in(store, joe).json() for _ in range(2))
    devices = store.get("/auth/sessions", headers=bearer(desk["access_token"])).json()["sessions"]
    assert len(devices) >= 2
    renewed = store.post("/auth/refresh", headers=bearer(phone["refresh_token"])).json()
    assert store.get("/me", headers=bearer(renewed["access_token"])).status_code == 200
    ended = store.post(
        "/auth/logout", headers=bearer(desk["access_token"]), json={"scope": "others"}
    )
    assert ended.json()["revoked"] >= 1
    response = store.post("/auth/refresh", headers=bearer(renewed["refresh_token"]))
    assert (response.status_code, response.json()["code"]) == (401, "token_revoked")
    assert store.get("/me", headers=bearer(desk["access_token"])).status_code == 200


def test_names_and_passwords_may_be_in_any_script(store):
    username = f"Zoë 李 😀 {token_hex(4)}"
    password = "пароль пароль"
    body = {"username": username, "password": password}
    assert store.post("/register", json=body).status_code == 201
    token = log_in(store, username, password).json()["access_token"]
    me = store.get("/me", headers={"Authorization": f"JWT {token}"})
    assert me.json()["username"] == username


def test_a_wrong_password_and_an_unknown_user_get_the_same_response(store, joe):
    wrong = log_in(store, joe, "wrong password")
    unknown = log_in(store, f"nobody-{token_hex(4)}", "wrong password")
    assert wrong.text == unknown.text
    body = assert_rejected(wrong, 401)
    assert body["error"] == "Bad Request"
    assert body["description"] == "Invalid credentials"
    assert body["code"] == "invalid_credentials"


def test_an_unknown_user_takes_as_long_as_a_wrong_password(store, joe):
    def time_login(username):
        start = time.perf_counter()
        log_in(store, username, "wrong password")
        return time.perf_counter() - start

    # In turns, and the fastest of each: the machine may have other work for a while.
    pairs = [(time_login("nobody"), time_login(joe)) for _ in range(8)]
    unknown, known = map(min, zip(*pairs, strict=True))
    assert unknown > known / 2


def test_a_name_is_taken_once(store, joe):
    response = store.post("/register", json={"username": joe, "password": "another password"})
    assert_rejected(response, 409)
    assert log_in(store, joe).status_code == 200


SAME_NAMES = [
    str.upper,
    str.title,
    lambda name: f" {name} ",
    lambda name: name.replace("j", "\uff4a"),  # full width, as Japanese keyboards write it
    lambda name: name.replace("k", "\u212a"),  # the Kelvin sign
    lambda name: name.replace("strasse", "straße"),
    lambda name: name.replace("é", "e\u0301"),
]


@pytest.mark.parametrize("respell", SAME_NAMES)
def test_a_name_is_one_account_whatever_its_case(store, respell):
    username = f"jok strasse é {token_hex(4)}"
    other = respell(username)
    assert other != username
    body = {"username": username, "password": PASSWORD}
    assert store.post("/register", json=body).status_code == 201
    assert_rejected(store.post("/register", json={**body, "username": other}), 409)
    token = log_in(store, other).json()["access_token"]
    assert store.get("/me", headers=bearer(token)).json()["username"] == username


@pytest.mark.parametrize("letter", ["\ufdfa", "ß", "ŉ"])
def test_a_name_may_be_longer_without_its_case(store, letter):
    """The letters of which some databases would otherwise get more than a column holds."""
    username = letter * 72 + token_hex(4)
    body = {"username": username, "password": PASSWORD}
    assert store.post("/register", json=body).status_code == 201
    assert log_in(store, username).status_code == 200


def test_one_of_many_requests_at_once_gets_a_name(store):
    name = f"joe-{token_hex(4)}"
    bodies = [
        {"username": name.upper() if number % 2 else name, "password": PASSWORD}
        for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda body: store.post("/register", json=body), bodies))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 7


# -- tokens --


def test_me_is_the_user_of_the_token(store, joe, auth):
    other = sign_up(store)
    token = log_in(store, other).json()["access_token"]
    assert store.get("/me", headers=auth).json()["username"] == joe
    me = store.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json()["username"] == other


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/me"),
        ("GET", "/items"),
        ("GET", "/items/x"),
        ("POST", "/items/x"),
        ("DELETE", "/items/x"),
    ],
)
def test_a_token_is_required(store, method, path):
    response = store.request(method, path)
    assert assert_rejected(response, 401)["code"] == "token_missing"
    assert response.headers["WWW-Authenticate"] == 'JWT realm="Login Required"'


@pytest.mark.parametrize(
    "header",
    [
        "JWT",
        "JWT x",
        "JWT a.b.c",
        "JWT a b",
        "Basic am9lOnBhc3M=",
        "JWT " + "x" * 8000,
        b"JWT \xff\xfe",
        f"JWT {signed(secret='another secret of 32 bytes or more')}",
        f"JWT {jwt.encode({'identity': 1, 'exp': 2**31}, None, 'none')}",
        f"JWT {signed(exp=1)}",
        f"JWT {signed(identity=10**9)}",
    ],
)
def test_an_invalid_token_is_rejected(store, header):
    response = store.get("/me", headers={"Authorization": header})
    assert_rejected(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("JWT realm=")


def serve_short_tokens(folder):
    """Serve the store with access tokens that live six seconds."""
    return serving(
        folder,
        DATABASE_URL=f"sqlite:///{folder}/store.db",
        SESSIONS_URL=f"sqlite:///{folder}/sessions.db",
        FLASK_JWT_EXPIRATION_DELTA="6",
        FLASK_JWT_LEEWAY="0",
    )


@pytest.mark.slow
def test_a_token_expires(tmp_path):
    with serve_short_tokens(tmp_path) as store:
        username = sign_up(store)

        def get_headers():
            return {"Authorization": f"JWT {log_in(store, username).json()['access_token']}"}

        # On a machine that stands still meanwhile, one has expired before it is used.
        until(lambda: store.get("/me", headers=get_headers()).status_code == 200, "a valid token")
        headers, deadline = get_headers(), time.monotonic() + 20
        while (response := store.get("/me", headers=headers)).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert assert_rejected(response, 401)["code"] == "token_expired"


# -- items --


def test_items_are_created_and_deleted(store, auth):
    name = f"chair {token_hex(4)} / 椅"
    path = f"/items/{name.replace('/', '|')}"
    response = store.post(path, headers=auth, json={"price": 12.5})
    assert response.status_code == 201
    created = response.json()
    assert created == {"name": name.replace("/", "|"), "price": 12.5, "currency": "USD"}
    assert store.get(response.headers["Location"], headers=auth).json() == created
    assert created in store.get("/items", headers=auth).json()["items"]

    assert_rejected(store.post(path, headers=auth, json={"price": 1}), 409)
    assert store.get(path, headers=auth).json() == created

    response = store.delete(path, headers=auth)
    assert (response.status_code, response.content) == (204, b"")
    assert_rejected(store.get(path, headers=auth), 404)
    assert_rejected(store.delete(path, headers=auth), 404)
    assert created not in store.get("/items", headers=auth).json()["items"]


def test_items_are_listed_by_name(store, auth, item):
    store.post(f"/items/{item} too", headers=auth, json={"price": 1})
    names = [item["name"] for item in store.get("/items", headers=auth).json()["items"]]
    assert names.index(item) + 1 == names.index(f"{item} too")


@pytest.mark.parametrize("price", [0, 0.1, 19.99, 1_000_000])
def test_prices_are_kept_exactly(store, auth, price):
    path = f"/items/{token_hex(8)}"
    assert store.post(path, headers=auth, json={"price": price}).json()["price"] == price
    assert store.get(path, headers=auth).json()["price"] == price


@pytest.mark.parametrize(
    "price",
    [
        "NaN", "Infinity", "-Infinity", "1e999", "-0.01", "1000001", "1" + "0" * 400, "9" * 5000,
        '"12"', "null", "true", "[1]", "{}",
    ],
)  # fmt: skip
def test_an_invalid_price_is_rejected(store, auth, price):
    headers = {**auth, "Content-Type": "application/json"}
    path = f"/items/{token_hex(8)}"
    response = store.post(path, headers=headers, content=f'{{"price": {price}}}')
    assert_rejected(response, 400)
    assert_rejected(store.get(path, headers=auth), 404)


def test_an_item_may_be_created_and_deleted_at_once(store, auth):
    path = f"/items/{token_hex(8)}"

    def request(number):
        if number % 2:
            return store.delete(path, headers=auth)
        return store.post(path, headers=auth, json={"price": number})

    with ThreadPoolExecutor(8) as pool:
        statuses = [response.status_code for response in pool.map(request, range(48))]
    assert set(statuses) <= {201, 204, 404, 409}
    assert 0 <= statuses.count(201) - statuses.count(204) <= 1


# -- invalid requests --


@pytest.mark.parametrize("path", ["/register", "/auth", "/items/x"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"nonsense", b"[]", b'"text"', b"null", b"1", b"true", b"{}", b'{"username":',
        b"\xff\xfe\x00", b'{"username": "\xff"}', "{}".encode("utf-16"), b"{}{}",
        b"[" * 15_000, b'{"a":' * 3_000, b"9" * 15_000,
    ],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_an_invalid_body_is_rejected(store, auth, path, body):
    headers = {**auth, "Content-Type": "application/json"}
    assert_rejected(store.post(path, headers=headers, content=body))


@pytest.mark.parametrize("path", ["/register", "/auth"])
@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize(
    "value",
    [None, 1, 1.5, True, [], ["joe"], {}, {"$ne": ""}, "", "joe\0joe-joe", "joe\ud800joe-joe"],
    ids=ascii,
)
def test_invalid_credentials_are_rejected(store, path, field, value):
    body = {"username": f"joe-{token_hex(4)}", "password": PASSWORD, field: value}
    headers = {"Content-Type": "application/json"}
    assert_rejected(store.post(path, headers=headers, content=json.dumps(body)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "x" * 81),
        ("username", "line\nbreak"),
        ("password", "7 chars"),
        ("password", "x" * 201),
    ],
)
def test_credentials_have_a_length(store, field, value):
    body = {"username": f"joe-{token_hex(4)}", "password": PASSWORD, field: value}
    assert field in assert_rejected(store.post("/register", json=body), 400)["description"]


@pytest.mark.parametrize("path", ["/register", "/auth", "/items/x"])
def test_a_body_that_is_too_long_or_no_json_is_rejected(store, auth, path):
    good = json.dumps({"username": "joe", "password": PASSWORD, "price": 1})
    assert_rejected(store.post(path, headers=auth, content=good))
    assert_rejected(store.post(path, headers=auth, data={"username": "joe", "password": "x"}))
    long = json.dumps({"username": "x" * 100_000, "password": PASSWORD})
    headers = {**auth, "Content-Type": "application/json"}
    assert_rejected(store.post(path, headers=headers, content=long))
    assert_rejected(store.post(path, headers=headers, content=iter([long.encode()])))


@pytest.mark.parametrize("name", ["%00", "a%00b", "a%0Ab", "%C2%85", "x" * 81, "a%2Fb", "%20%2F"])
def test_an_invalid_name_of_an_item_is_rejected(store, auth, name):
    assert_rejected(store.get(f"/items/{name}", headers=auth))
    assert_rejected(store.post(f"/items/{name}", headers=auth, json={"price": 1}))
    assert_rejected(store.delete(f"/items/{name}", headers=auth))


@pytest.mark.parametrize("name", ["%FF", "%ED%A0%80", "%F0%9F%98%80", "%27%3B--", "..", "%25s"])
def test_an_unusual_name_of_an_item_is_valid(store, auth, name):
    """Werkzeug replaces bytes that are no UTF-8, before the application gets them."""
    made = store.post(f"/items/odd{name}", headers=auth, json={"price": 1})
    assert made.status_code in (201, 409)
    assert store.get(f"/items/odd{name}", headers=auth).json() == {**made.json(), "price": 1}
    store.delete(f"/items/odd{name}", headers=auth)


def test_an_unknown_path_is_not_found(store, auth):
    assert_rejected(store.get("/nowhere"), 404)
    assert_rejected(store.get("/items/", headers=auth), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/auth"), ("PUT", "/items/x"), ("DELETE", "/me")]
)
def test_another_method_is_not_allowed(store, method, path):
    response = store.request(method, path)
    assert_rejected(response, 405)
    assert response.headers["Allow"]


# -- pages; tests/test_browser.py has more --

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def send_form(store, path, cookies="", **fields):
    headers = {**PAGE, "Sec-Fetch-Site": "same-origin", "Cookie": cookies}
    return store.post(path, data=fields, headers=headers)


@pytest.fixture(scope="module")
def cookies(store, joe):
    """The cookies of joe's browser. They are Secure, so httpx would not send them over HTTP."""
    response = send_form(store, "/sign-in", username=joe, password=PASSWORD, next="/devices")
    assert (response.status_code, response.headers["Location"]) == (303, "/devices")
    return "; ".join(f"{name}={value}" for name, value in response.cookies.items())


def problem_in(response, status):
    """Return what a page says was wrong; it may also mark a field, which gets the focus."""
    assert response.status_code == status
    marked = re.findall(r"<input[^>]* (?:aria-invalid|autofocus)[^>]*>", response.text)
    assert all('aria-invalid="true" aria-describedby="problem' in field for field in marked)
    assert all(" autofocus" in field for field in marked)
    assert len(marked) <= 1
    assert not marked or ' id="problem"' in response.text
    return re.search(r'role="alert">(.*?)</p>', response.text)[1]


def test_a_sign_up_of_another_site_leaves_no_user(store):
    fields = {"username": "somebody-elsewhere", "password": PASSWORD}
    response = store.post("/sign-up", data=fields, headers={**PAGE, "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert send_form(store, "/sign-up", **fields).status_code == 303


@pytest.mark.parametrize("path", ["/", "/devices", "/account", "/admin"])
def test_guarded_pages_lead_to_the_sign_in_page(store, path):
    response = store.get(path, headers=PAGE)
    assert response.status_code == 303
    assert response.headers["Location"] == f"/sign-in?next=%2F{path[1:]}"


def marked_in(response):
    (field,) = re.findall(r'<input id="([\w-]+)"[^>]* aria-invalid="true"', response.text)
    return field


def test_a_form_marks_the_field_that_was_wrong(store, joe, cookies, item):
    wrong = [
        ("/sign-in", {"username": joe, "password": "wrong password"}, 401, "password"),
        ("/sign-up", {"username": joe, "password": PASSWORD}, 409, "username"),
        ("/sign-up", {"username": "", "password": PASSWORD}, 400, "username"),
        ("/sign-up", {"username": "x" * 81, "password": PASSWORD}, 400, "username"),
        ("/sign-up", {"username": "new", "password": "short"}, 400, "password"),
        ("/", {"name": item, "price": "1"}, 409, "name"),
        ("/", {"name": "", "price": "1"}, 400, "name"),
        ("/", {"name": "new", "price": "much"}, 400, "price"),
        ("/account", {"current": "wrong password", "password": PASSWORD}, 400, "current"),
        ("/account", {"current": PASSWORD, "password": "short"}, 400, "password"),
    ]
    for path, fields, status, field in wrong:
        response = send_form(store, path, "" if "sign" in path else cookies, **fields)
        assert problem_in(response, status)
        assert marked_in(response) == field
    response = store.get("/account", headers={**PAGE, "Cookie": cookies})
    assert "aria-invalid" not in response.text


# -- the account --


@pytest.fixture
def ann(store):
    """Another user, whom a test may change, and the cookies of her browser."""
    name = sign_up(store)
    return name, cookies_of(send_form(store, "/sign-in", username=name, password=PASSWORD))


def cookies_of(response):
    assert response.status_code == 303
    return "; ".join(f"{name}={value}" for name, value in response.cookies.items())


def shows(store, path, cookies):
    """Return whether a page is shown, rather than the sign-in page."""
    response = store.get(path, headers={**PAGE, "Cookie": cookies})
    assert response.status_code in (200, 303)
    return response.status_code == 200


def test_a_new_password_logs_the_other_devices_out(store, ann):
    name, cookies = ann
    phone = log_in(store, name).json()
    form = {"current": PASSWORD, "password": "another password"}
    response = send_form(store, "/account", cookies, **form)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/account?done=password")
    assert shows(store, "/account", cookies)
    assert_rejected(store.get("/me", headers=bearer(phone["access_token"])), 401)
    rejected = store.post("/auth/refresh", headers=bearer(phone["refresh_token"]))
    assert rejected.json()["code"] == "token_revoked"
    assert_rejected(log_in(store, name), 401)
    assert log_in(store, name, "another password").status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"password": "another password"}, {"current": PASSWORD},
        {"current": "wrong password", "password": "another password"},
        {"current": PASSWORD, "password": "7 chars"},
        {"current": PASSWORD, "password": "another\0password"},
    ],
)  # fmt: skip
def test_a_rejected_new_password_changes_nothing(store, ann, fields):
    name, cookies = ann
    phone = log_in(store, name).json()["access_token"]
    assert problem_in(send_form(store, "/account", cookies, **fields), 400)
    assert store.get("/me", headers=bearer(phone)).status_code == 200
    assert log_in(store, name).status_code == 200


def test_the_current_password_can_not_be_guessed(store, ann):
    name, cookies = ann
    fields = {"current": "wrong password", "password": "another password"}
    for _ in range(50):
        response = send_form(store, "/account", cookies, **fields)
        if response.status_code != 400:
            break
    assert problem_in(response, 429).startswith("Too many failed logins")
    assert int(response.headers["Retry-After"]) > 0
    assert "aria-invalid" not in response.text


# -- administrators --


@pytest.fixture(scope="module")
def admin(store, databases):
    """The cookies of an administrator."""
    name = f"root-{token_hex(4)}"
    arguments = ["-m", "flask", "--app", "app", "seed", "--username", name, "--admin"]
    python(*arguments, SECRET_KEY=SECRET, SEED_PASSWORD=PASSWORD, **databases)
    return cookies_of(send_form(store, "/sign-in", username=name, password=PASSWORD))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/admin"), ("GET", "/admin/users/1/sign-out"), ("POST", "/admin/users/1/sign-out")],
)
def test_only_administrators_administrate(store, admin, cookies, method, path):
    headers = {**PAGE, "Sec-Fetch-Site": "same-origin"}
    response = store.request(method, path, headers={**headers, "Cookie": cookies})
    assert response.status_code == 403
    assert "This needs the role" in response.text
    if method == "GET":
        assert store.get(path, headers={**headers, "Cookie": admin}).status_code == 200


def test_an_administrator_signs_a_user_out(store, admin, ann):
    name, cookies = ann
    page = store.get("/admin", headers={**PAGE, "Cookie": admin}).text
    row = re.search(rf"<tr>\s*<th[^>]*>{name}.*?</tr>", page, re.DOTALL)[0]
    path = re.search(r'href="([^"]+)"', row)[1]
    assert f"Sign out {name}?" in store.get(path, headers={**PAGE, "Cookie": admin}).text
    assert shows(store, "/account", cookies)
    assert send_form(store, path, admin).status_code == 303
    assert not shows(store, "/account", cookies)
    assert send_form(store, "/admin/users/999999/sign-out", admin).status_code == 404


# -- under the hood --


def panel_of(response):
    """Return the words of the panel, and assert that no page shows a token."""
    assert not re.search(r"eyJ[\w-]+", response.text)
    panel = re.search(r'<details class="hood">(.*?)</details>', response.text, re.DOTALL)[1]
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", panel).split()))


def test_each_page_shows_the_token_but_neither_its_signature_nor_its_csrf_value(store, cookies):
    token = re.search(r"access_token_cookie=([^;]+)", cookies)[1]
    claims = jwt.decode(token, options={"verify_signature": False})
    for path in "/", "/devices", "/account", "/docs", "/nowhere", "/items/none":
        panel = panel_of(store.get(path, headers={**PAGE, "Cookie": cookies}))
        assert f"GET {path} was accepted by the access token in a cookie" in panel
        assert "None was needed: this request changes nothing." in panel
        assert "Generation 0," in panel
        for name in *claims, *jwt.get_unverified_header(token):
            assert f" {name} " in panel
        for shown in claims["jti"], claims["sid"], str(claims["exp"]):
            assert shown in panel
        for hidden in claims["csrf"], token.split(".")[2]:
            assert hidden not in panel


def test_the_panel_shows_how_a_request_was_verified(store, cookies, auth):
    token = re.search(r"access_token_cookie=([^;]+)", cookies)[1]
    csrf = jwt.decode(token, options={"verify_signature": False})["csrf"]
    own = str(store.base_url).rstrip("/")
    for proof_headers, proof in [
        ({"Sec-Fetch-Site": "same-origin"}, "Sec-Fetch-Site says"),
        ({"Origin": own}, "Origin names"),
        ({"X-CSRF-TOKEN": csrf}, "CSRF token"),
    ]:
        headers = {**PAGE, **proof_headers, "Cookie": cookies}
        panel = panel_of(store.post("/", data={"name": ""}, headers=headers))
        assert re.search(f"CSRF proof Accepted, because [^.]*{proof}", panel)
        form = {"name": f"item {token_hex(4)}", "price": "1"}
        response = store.post("/", data=form, headers=headers, follow_redirects=False)
        response = store.get(response.headers["Location"], headers={**PAGE, "Cookie": cookies})
        assert re.search(
            f"The form before it was accepted, because [^.]*{proof}", panel_of(response)
        )
    panel = panel_of(store.post("/", data={"name": ""}, headers={**PAGE, **auth}))
    assert "in the header Authorization." in panel
    assert "None was needed: other sites can't send that header." in panel
    for path in "/sign-in", "/docs", "/nowhere":
        assert "so no one is signed in" in panel_of(store.get(path, headers=PAGE))


@pytest.mark.slow
def test_the_panel_shows_a_renewal(tmp_path):
    with serve_short_tokens(tmp_path) as store:
        form = {"username": sign_up(store), "password": PASSWORD}

        def sign_in():
            cookies = cookies_of(send_form(store, "/sign-in", **form))
            token = re.search(r"access_token_cookie=([^;]+)", cookies)[1]
            exp = jwt.decode(token, options={"verify_signature": False})["exp"]
            panel = panel_of(store.get("/", headers={**PAGE, "Cookie": cookies}))
            # On a machine that stands still meanwhile, it expires before it is used.
            return time.time() < exp and (cookies, exp, panel)

        cookies, exp, panel = until(sign_in, "an access token that is used in time")
        assert "had expired" not in panel
        assert "expires in less than a minute" in panel
        time.sleep(max(0, exp - time.time()) + 0.1)
        response = store.get("/", headers={**PAGE, "Cookie": cookies})
        panel = panel_of(response)
        assert "The one before had expired" in panel
        assert "Generation 0, " in panel
        assert "this response rotates it once more" in panel
        renewed = "; ".join(f"{name}={value}" for name, value in response.cookies.items())
        panel = panel_of(store.get("/", headers={**PAGE, "Cookie": renewed}))
        assert "Generation 1, " in panel
        assert "once more" not in panel


def test_a_page_is_shown_without_the_session_if_the_store_goes_down_meanwhile(copy):
    script = """
from app import create_app
from flask_jwt.errors import StoreUnavailable
import under_the_hood

app = create_app()
app.test_cli_runner().invoke(args=["init-db"])
client = app.test_client()
body = {"username": "ann", "password": "correct horse"}
client.post("/register", json=body)
token = client.post("/auth", json=body).json["access_token"]

class Sessions:
    def get(self, sid):
        raise StoreUnavailable

class Jwt:
    sessions = Sessions()

under_the_hood.jwt = Jwt
headers = {"Accept": "text/html", "Authorization": f"Bearer {token}"}
response = client.get("/items/none", headers=headers)
print(response.status_code, "auth_time" in response.text, "Generation" in response.text)
"""
    assert python("-c", script, folder=copy) == "404 True False\n"


def test_an_unknown_page_shows_who_is_signed_in(store, joe, cookies, auth):
    assert joe in store.get("/nowhere", headers={**PAGE, "Cookie": cookies}).text
    assert joe in store.get("/nowhere", headers={**PAGE, **auth}).text
    for headers in {}, {"Cookie": "access_token_cookie=x"}, {"Authorization": "JWT x"}:
        response = store.get("/nowhere", headers={**PAGE, **headers})
        assert response.status_code == 404
        assert "Sign out" not in response.text


# -- the API's document; tests/test_browser.py has Swagger UI --


def test_the_document_has_each_endpoint_of_the_api(store):
    document = store.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    script = """
from app import create_app
pages = "pages", "account", "admin", "docs", "static"
for rule in create_app().url_map.iter_rules():
    if rule.endpoint.split(".")[0] not in pages:
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            print(method.lower(), rule.rule.replace("<", "{").replace(">", "}"))
"""
    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    rules = python("-c", script, SECRET_KEY=SECRET).splitlines()
    assert {tuple(rule.split(" ", 1)) for rule in rules} == described
    assert ("get", "/me") in described
    assert document["paths"]["/me"]["get"]["security"]


def test_the_responses_are_as_the_document_says(store, auth, item):
    document = store.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for path, name in ("/me", "User"), (f"/items/{item}", "Item"):
        OAS31Validator(schemas[name]).validate(store.get(path, headers=auth).json())


def test_docs_list_the_requests_without_scripts(store):
    text = store.get("/docs", headers=PAGE).text
    for request in "POST /register", "GET /items/{name}", "POST /auth/refresh":
        assert f"<code>{request}</code>" in text


def test_docs_say_how_to_get_swagger_ui(copy):
    script = """
from app import create_app
import resources.docs
resources.docs.find_spec = lambda name: None
client = create_app().test_client()
print(client.get("/docs").text)
print(client.get("/docs/swagger-ui/swagger-ui.css").status_code)
"""
    text = python("-c", script, folder=copy)
    assert "pip install flask-swagger-ui" in text
    assert "<code>GET /items</code>" in text
    assert "<script" not in text
    assert text.endswith("404\n")


# -- plain HTTP --


EXPOSED = [
    ("http://shop.example", {}, True),
    ("http://192.168.1.20:5000", {}, True),
    ("http://localhost.example", {}, True),
    ("http://localhost:5000", {}, False),
    ("http://127.0.0.1", {}, False),
    ("http://[::1]:5000", {}, False),
    ("https://shop.example", {}, False),
    ("http://shop.example", {"Sec-Fetch-Mode": "navigate"}, False),  # a proxy ends the TLS
]


def test_a_page_over_plain_http_says_so():
    script = f"""
from app import create_app
for secure in True, False:
    client = create_app({{"JWT_COOKIE_SECURE": secure}}).test_client()
    for url, headers, _ in {EXPOSED!r}:
        text = client.get("/sign-in", base_url=url, headers=headers).text
        print("sent without encryption" in text, "won't keep you signed in" in text)
"""
    shown = python("-c", script, SECRET_KEY=SECRET).splitlines()
    expected = [
        f"{exposed} {exposed and secure}" for secure in (True, False) for _, _, exposed in EXPOSED
    ]
    assert shown == expected


def test_errors_are_pages_for_browsers_only(store, auth):
    for path, status in ("/nowhere", 404), ("/items/none", 404), ("/auth", 405):
        response = store.get(path, headers={**auth, **PAGE})
        assert response.status_code == status
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>" in response.text
        for accept in "*/*", "application/json", "application/json, text/html;q=0.5":
            assert_rejected(store.get(path, headers={**auth, "Accept": accept}), status)


def test_pages_run_no_scripts_and_are_not_cached(store, cookies):
    for path in "/", "/devices", "/account", "/admin", "/sign-in", "/sign-up", "/nowhere":
        headers = store.get(path, headers={**PAGE, "Cookie": cookies}).headers
        policy = headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy
        assert not [rule for rule in policy if "script-src" in rule or "unsafe" in rule]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
    for name in "style.css", "icon.svg":
        assert store.get(f"/static/{name}").status_code == 200


def test_a_signed_in_user_is_led_past_the_sign_in_page(store, cookies):
    for path in "/sign-in", "/sign-up":
        response = store.get(path, headers={**PAGE, "Cookie": cookies})
        assert (response.status_code, response.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up"])
@pytest.mark.parametrize("fields", [
    {}, {"username": "joe"}, {"username": "joe", "password": ""},
    {"username": "joe\0", "password": "joe\0joe-joe"}, {"username": "", "password": PASSWORD},
])  # fmt: skip
def test_an_incomplete_form_is_rejected(store, path, fields):
    response = send_form(store, path, **fields)
    assert problem_in(response, 401 if path == "/sign-in" else 400)
    assert "set-cookie" not in response.headers


def test_a_short_password_is_explained_and_not_repeated(store):
    response = send_form(store, "/sign-up", username="ann & <bob>", password="sesame")
    assert problem_in(response, 400) == "Password must have 8 to 200 characters."
    assert 'value="ann &amp; &lt;bob&gt;"' in response.text
    assert "sesame" not in response.text


def test_too_many_attempts_have_to_wait(store):
    username = sign_up(store)
    for _ in range(50):
        response = send_form(store, "/sign-in", username=username, password="wrong password")
        if response.status_code != 401:
            break
    assert problem_in(response, 429).startswith("Too many failed logins; try again in ")
    assert int(response.headers["Retry-After"]) > 0


@pytest.mark.parametrize("price", ["", "much", "nan", "inf", "-1", "1000001", "1e999"])
def test_an_invalid_price_in_a_form_is_rejected(store, cookies, price):
    name = token_hex(8)
    response = send_form(store, "/", cookies, name=name, price=price)
    assert problem_in(response, 400) == "Price must be a number from 0 to 1000000."
    assert store.get(f"/items/{name}", headers={**PAGE, "Cookie": cookies}).status_code == 404


def test_a_device_can_be_renamed(store, cookies, auth):
    token = re.search(r"access_token_cookie=([^;]+)", cookies)[1]
    sid = jwt.decode(token, options={"verify_signature": False})["sid"]

    def label():
        devices = store.get("/auth/sessions", headers=auth).json()["sessions"]
        return next(device["label"] for device in devices if device["sid"] == sid)

    path = f"/devices/{sid}/rename"
    for name, kept in {" Joe's <phone> ": "Joe's <phone>", "": None, " ": None}.items():
        assert send_form(store, path, cookies, name=name).status_code == 303
        assert label() == kept
    for name in "x" * 41, "a\0b":
        assert send_form(store, path, cookies, name=name).status_code == 400
        assert label() is None
    for path in "/devices/x/rename", f"/devices/{'0' * 32}/sign-out":
        assert send_form(store, path, cookies).status_code == 404


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on Mac"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("curl/8.14.1", "curl"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)  # fmt: skip
def test_pages_name_browsers(words_module, agent, words):
    assert words_module.device_name(agent) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"), (-59, "just now"), (59, "in less than a minute"), (-60, "1 minute ago"),
        (-125, "2 minutes ago"), (3600, "in 1 hour"), (-86_400, "1 day ago"),
        (30 * 86_400 - 5, "in 30 days"),
    ],
)  # fmt: skip
def test_pages_describe_times(words_module, monkeypatch, seconds, words):
    monkeypatch.setattr(words_module, "time", lambda: 1_800_000_000.0)
    assert words_module.distance(1_800_000_000 + seconds) == words


@pytest.fixture(scope="module")
def words_module():
    spec = importlib.util.spec_from_file_location("words", STORE / "words.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- setting it up --


@pytest.fixture
def copy(tmp_path):
    """The example by itself, so that a developer's own instance folder is left alone."""
    ignored = shutil.ignore_patterns("instance", "__pycache__")
    return shutil.copytree(STORE, tmp_path / "store", ignore=ignored)


def test_seed_creates_a_user_once_and_prints_no_password(copy):
    script = """
from app import create_app
app = create_app()
for password in "first password", "second password", "short":
    environment = {"SEED_PASSWORD": password}
    print(app.test_cli_runner().invoke(args=["seed", "--username", "ann"], env=environment).output)
for password in "first password", "second password":
    body = {"username": "ann", "password": password}
    print(app.test_client().post("/auth", json=body).status_code)
"""
    assert python("-c", script, folder=copy).split("\n\n") == [
        "User ann can now log in.",
        "User ann can now log in.",
        "Error: password must have 8 to 200 characters",
        "401\n200\n",
    ]


def test_a_login_replaces_an_old_hash_but_not_a_newer_one(copy):
    """An old password must not return if it is changed during a login."""
    script = """
from app import create_app
from db import db
from models import User
from werkzeug.security import generate_password_hash
import security

app = create_app()
old = generate_password_hash("correct horse", "pbkdf2:sha256:10")
with app.app_context():
    db.create_all()
    joe, ann = (User(username=name, password_hash=old) for name in ("joe", "ann"))
    db.session.add_all([joe, ann])
    db.session.commit()
    print(security.authenticate("joe", "wrong horse"), joe.password_hash == old)
    print(security.authenticate("joe", "correct horse") is joe)
    db.session.refresh(joe)
    print(joe.password_hash.split("$")[1])

    check = security.check_password
    def while_it_is_changed(*arguments):
        with db.engine.begin() as other:
            other.execute(db.text("UPDATE users SET password_hash = 'new' WHERE username = 'ann'"))
        return check(*arguments)
    security.check_password = while_it_is_changed
    print(security.authenticate("ann", "correct horse") is ann)
    with app.test_request_context():
        security.jwt.log_in(ann)
    db.session.refresh(ann)
    print(ann.password_hash, security.jwt.sessions.list(ann))
"""
    assert python("-c", script, folder=copy).splitlines() == [
        "None True", "True", "argon2id", "True", "new []",
    ]  # fmt: skip


# A user, and a thief who knows the password, each with a browser.
TWO_BROWSERS = """
from app import create_app
from db import db
from flask_jwt.errors import StoreUnavailable
from flask_jwt.signals import authenticated
from security import jwt

app = create_app({"PREFERRED_URL_SCHEME": "https"})
with app.app_context():
    db.create_all()
    sessions = type(jwt.sessions)
headers = {"Origin": "https://localhost", "Accept": "text/html"}
user, thief = app.test_client(), app.test_client()
old = {"username": "ann", "password": "correct horse"}

def change():
    form = {"current": "correct horse", "password": "another password"}
    print(user.post("/account", data=form, headers=headers).status_code)

def sign_in():
    print(thief.post("/sign-in", data=old, headers=headers).status_code)

def get_token():
    token = thief.post("/auth", json=old).json["access_token"]
    thief.environ_base["HTTP_AUTHORIZATION"] = f"JWT {token}"
    print(303)

def show():
    print(*(client.get("/account", headers=headers).status_code for client in (user, thief)))

works = sessions.revoke_all
user.post("/sign-up", data=old, headers=headers)
"""


def test_a_password_stays_if_the_other_devices_can_not_be_signed_out(copy):
    """The user who sees the 503 tries again with the same form."""
    script = """
def fail(*arguments, **options):
    raise StoreUnavailable

sign_in()
sessions.revoke_all = fail
change()
sessions.revoke_all = works
change()
show()
"""
    assert python("-c", TWO_BROWSERS + script, folder=copy).split() == [
        "303", "503", "303", "200", "303",
    ]  # fmt: skip


@pytest.mark.parametrize("log_in", ["sign_in()", "get_token()"])
def test_a_login_during_a_change_of_the_password_does_not_outlast_it(copy, log_in):
    script = f"""
def revoke_all(*arguments, **options):
    sessions.revoke_all = works
    works(*arguments, **options)
    {log_in}

sessions.revoke_all = revoke_all
change()
show()
"""
    assert python("-c", TWO_BROWSERS + script, folder=copy).split() == ["303", "303", "200", "303"]


@pytest.mark.parametrize("log_in", ["sign_in()", "get_token()"])
def test_a_login_with_a_password_that_changes_meanwhile_does_not_last(copy, log_in):
    script = f"""
def change_once(sender, **details):
    authenticated.disconnect(change_once)
    change()

authenticated.connect(change_once)
{log_in}
show()
"""
    assert python("-c", TWO_BROWSERS + script, folder=copy).split() == ["303", "303", "200", "303"]


def test_tables_of_an_earlier_version_are_reported(copy):
    """create_all() doesn't add the columns that they lack."""
    script = """
import sqlite3
from app import create_app
app = create_app()
with sqlite3.connect("instance/store.db") as database:
    database.execute("CREATE TABLE users (id INTEGER, username TEXT, password_hash TEXT)")
database.close()
for command in ["init-db"], ["seed", "--password", "correct horse"]:
    result = app.test_cli_runner().invoke(args=command)
    print(result.exit_code, result.output)
"""
    first, second, *_ = python("-c", script, folder=copy).split("\n\n")
    assert first == second
    assert first.startswith("1 Error: The table users is from an earlier version")
    assert "instance/store.db" in first


def test_a_secret_key_is_created_once_and_only_its_owner_can_read_it(copy):
    script = """
from pathlib import Path
from app import create_app
print(create_app().secret_key)
print(create_app().secret_key)
Path.exists = lambda path: False  # as another worker sees it that starts at the same time
print(create_app().secret_key)
"""
    (key,) = set(python("-c", script, folder=copy).split())
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    kept = copy / "instance" / "secret_key"
    assert kept.read_text() == key
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("sqlite:////tmp/postgres://", "sqlite:////tmp/postgres://"),
        ("", "sqlite:///store.db"),
    ],
)
def test_the_url_of_the_database_names_a_driver(url, used):
    script = "import config; print(config.database_url())"
    assert python("-c", script, DATABASE_URL=url) == f"{used}\n"


# What runs the tests in the background may have told them to ignore Ctrl-C.
WITH_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="would install into this Python itself")
@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_demo_prints_three_lines_that_work(tmp_path):
    """scripts/demo in a copy of this repository whose .venv is the one the tests run in."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    ignored = shutil.ignore_patterns("instance", "__pycache__")
    shutil.copytree(STORE, tmp_path / "examples" / "store", ignore=ignored)
    (tmp_path / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    port = free_port()
    demo = subprocess.Popen(
        [sys.executable, "-c", WITH_CTRL_C, tmp_path / "scripts" / "demo", "--port", str(port)],
        env=environment(DATABASE_URL="sqlite:////nowhere/else.db", FLASK_JWT_LEEWAY="nonsense"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        # The first thing that it says is what to do; no warning of its own comes before.
        said = [demo.stderr.readline() for _ in range(2)]
        assert said[0].startswith(f"Open http://127.0.0.1:{port} in a browser")
        assert f"http://127.0.0.1:{port}/docs" in said[1]
        lines = [demo.stdout.readline() for _ in range(3)]
        assert re.search(r'"password": "\w+"', lines[0])
        assert all("curl" in line and f":{port}/" in line for line in lines), demo.stderr.read()
        response = subprocess.run(
            ["bash"], input="".join(lines), capture_output=True, text=True, check=True
        ).stdout
        me, rejection = response.split("\n", 1)
        assert json.loads(me) == {"id": 1, "roles": ["admin"], "username": "joe"}
        assert rejection.startswith("HTTP/1.1 401 ")
        assert '"token_missing"' in rejection
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # Ctrl-C reaches the whole group
        rest, errors = demo.communicate(timeout=30)
    assert rest == ""
    assert "Traceback" not in errors
    assert demo.returncode == 130
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/me")
