"""The settings of docs/operate/stores.md, in real servers."""

from __future__ import annotations

import re
import time

import psycopg
import pymysql
import pytest

from flask_jwt._cli import jwt_cli
from flask_jwt.stores import open_store
from flask_jwt.stores.sql import MOST_CONNECTIONS
from flask_jwt.testing import freeze
from tests.servers import RedisServer, until
from tests.support import ANYONE, ROOT, Browser, bearer, code, get, issue, login, make_app
from tests.workers import log_in, refresh

FILES = ROOT / "examples/operate"


def check(app):
    """Log in, refresh, look at the devices and log out."""
    status, token = refresh(app, log_in(app)["refresh_token"])
    assert status == 200, token
    client = app.test_client()
    access = bearer(log_in(app)["access_token"])
    assert len(client.get("/auth/sessions", headers=access).get_json()["sessions"]) == 2
    assert client.post("/auth/logout", headers=access).get_json() == {"revoked": 1}
    assert app.test_cli_runner().invoke(jwt_cli, ["sessions", "prune"]).exit_code == 0
    app.jwt.close(app)


def new(uri):
    return make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=uri)


def init(uri):
    """Create the tables as their owner, with the command."""
    app = new(uri)
    result = app.test_cli_runner().invoke(jwt_cli, ["sessions", "init"])
    assert result.exit_code == 0, result.output
    app.jwt.close(app)


def statements(name):
    return [line for line in (FILES / name).read_text().split(";") if line.strip()]


@pytest.mark.servers
@pytest.mark.slow
def test_redis_with_these_settings_gets_no_warning():
    options = [f"--{line}" for line in (FILES / "redis.conf").read_text().splitlines()]
    words = [word for option in options for word in option.split()]
    server = RedisServer(*words)
    try:
        server.start()
        store = open_store(server.url, timeout=5)
        assert store.warnings() == []
        store.close()
        check(new(server.url))
    finally:
        server.remove()


@pytest.mark.servers
@pytest.mark.slow
def test_the_application_s_role_in_postgresql_needs_no_more_rights(postgres, caplog):
    base = postgres.url.replace("+psycopg", "")
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute("CREATE DATABASE roles")
    base = base.removesuffix("/postgres") + "/roles"
    with psycopg.connect(base, autocommit=True) as connection:
        for statement in statements("postgresql.sql"):
            connection.execute(statement)

    def uri(role):
        return f"postgresql+psycopg://{role}@127.0.0.1:{postgres.port}/roles"

    assert code(new_login(new(uri("shop")))) == (503, "store_unavailable")  # no tables yet
    assert re.search(r"has failed \(.*permission", caplog.text)
    init(uri("shop_owner"))
    check(new(uri("shop")))
    with psycopg.connect(uri("shop").replace("+psycopg", "")) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE jwt_sessions")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE another (id integer)")


def new_login(app):
    return app.test_client().post("/auth", json={"username": "joe", "password": "pass"})


@pytest.mark.servers
@pytest.mark.slow
def test_the_application_s_user_in_mariadb_needs_no_more_rights(mariadb, caplog):
    with pymysql.connect(host="127.0.0.1", port=mariadb.port, user="root") as connection:
        for statement in statements("mariadb.sql"):
            connection.cursor().execute(statement)

    def uri(user, password):
        address = f"127.0.0.1:{mariadb.port}/shop?charset=utf8mb4"
        return f"mysql+pymysql://{user}:{password}@{address}"

    assert code(new_login(new(uri("shop", "change%20me")))) == (503, "store_unavailable")
    assert re.search(r"has failed \(.*CREATE command denied", caplog.text)
    init(uri("shop_owner", "change%20me%20too"))
    check(new(uri("shop", "change%20me")))


def test_the_page_names_the_limit_of_connections():
    page = (ROOT / "docs/operate/stores.md").read_text()
    assert f"at most {MOST_CONNECTIONS} connections" in page
    assert f"{MOST_CONNECTIONS} times the number of workers" in page


@pytest.mark.servers
@pytest.mark.slow
def test_the_table_of_an_outage():
    """Each row of docs/operate/outages.md, with a Redis that is killed and started again."""
    server = RedisServer().start()
    app, always = (
        make_app(
            JWT_STORAGE_URI=server.url,
            JWT_REVOCATION_CHECK=check,
            JWT_TOKEN_LOCATION=["headers", "cookies"],
        )
        for check in (10, "always")
    )
    app.add_url_rule("/open", "open", lambda: "open")
    try:
        with freeze(app) as clock:
            check_outage(server, app, always, clock)
    finally:
        server.remove()
        app.jwt.close(app)
        always.jwt.close(always)


def check_outage(server, app, always, clock):
    client, browser = app.test_client(), Browser(app)
    tokens, others = login(client).get_json(), login(always.test_client()).get_json()
    access, renew = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    browser.sign_in()
    assert browser.get("/protected").status_code == 200
    server.kill()
    down = (503, "store_unavailable")
    for response in (
        login(client), client.post("/auth/refresh", headers=renew),
        client.post("/auth/logout", headers=access), client.get("/auth/sessions", headers=access),
        get(always, "/protected", others["access_token"]),
    ):  # fmt: skip
        assert code(response) == down
        assert response.headers["Retry-After"]
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    assert browser.get("/protected").status_code == 200
    clock.tick(11)
    assert code(get(app, "/protected", tokens["access_token"])) == down
    clock.tick(400)
    cookies = browser.cookies
    assert code(browser.get("/protected")) == code(browser.get("/optional")) == down
    assert browser.cookies == cookies
    assert client.get("/open").text == "open"
    assert get(app, "/protected", issue(app)).status_code == 200
    assert get(always, "/protected", issue(always)).status_code == 200
    result = app.test_cli_runner().invoke(jwt_cli, ["sessions", "stats"])
    assert result.exit_code == 1
    assert "unavailable" in result.output
    server.start()
    clock.tick(2)  # calls fail at once for a second after a failure
    until(lambda: browser.get("/protected").status_code == 200, "the renewal")
    assert browser.cookies != cookies
    assert app.test_cli_runner().invoke(jwt_cli, ["sessions", "stats"]).exit_code == 0
