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
from tests.servers import RedisServer
from tests.support import ANYONE, ROOT, bearer, code, make_app
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
