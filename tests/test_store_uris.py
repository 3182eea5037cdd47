"""``JWT_STORAGE_URI``: what can't work is rejected at start; and what databases can hold."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pymysql
import pytest

from flask_jwt.errors import ConfigError
from flask_jwt.stores import open_store
from tests.faults import PostgresqlRows
from tests.servers import stores, uri_of
from tests.support import bearer, login
from tests.test_stores import new
from tests.workers import log_in, new_app

POSTGRESQL = "postgresql+psycopg://app:secret@db.example/app"
MYSQL = "mysql+pymysql://app:secret@db.example/app"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("postgresql+psycopg2://app:secret@db/app", "postgresql+psycopg://"),
        ("postgresql+asyncpg://app:secret@db/app", "asynchronous"),
        ("postgresql+psycopg_async://app:secret@db/app", "asynchronous"),
        ("postgresql+pg8000://app:secret@db/app", "postgresql+psycopg://"),
        ("mysql+aiomysql://app:secret@db/app", "mysql+pymysql:// or mysql+mysqldb://"),
        ("mysql+asyncmy://app:secret@db/app", "mysql+pymysql:// or mysql+mysqldb://"),
        ("mysql+mysqlconnector://app:secret@db/app", "mysql+pymysql:// or mysql+mysqldb://"),
        ("mariadb+mariadbconnector://app:secret@db/app", "mariadb+pymysql://"),
        ("sqlite+aiosqlite:///app.db", "sqlite:///path"),
        ("sqlite+nothing:///app.db", "unknown driver"),
        ("mysql+pymysql://app:secret@db", "names no database"),
        ("mysql+pymysql://app:secret@db/", "names no database"),
        (f"{POSTGRESQL}?no_such_option=1", '"no_such_option"'),
        (f"{POSTGRESQL}?prepare_threshold=never", "prepare_threshold=none"),
        (f"{MYSQL}?no_such_option=1", "'no_such_option'"),
        ("sqlite://host/path", "JWT_STORAGE_URI is invalid"),
        ("redis://:secret@db/zero?no_such_option=1", "'no_such_option'"),
        ("redis+sentinel://:secret@db:1/main?no_such_option=1", "'no_such_option'"),
        ("redis://:secret@db/0?socket_timeout=x", "JWT_STORAGE_URI is invalid"),
    ],
)
def test_a_uri_that_can_not_work_is_rejected_at_start(uri, message):
    with pytest.raises(ConfigError) as raised:
        new_app(uri)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "package"),
    [(POSTGRESQL, "psycopg"), (MYSQL, "pymysql"), ("mysql://app@db/app", "MySQLdb"),
     ("mariadb+mysqldb://app@db/app", "MySQLdb")],
)  # fmt: skip
def test_a_missing_driver_is_named_with_its_package(uri, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    packages = {"psycopg": "psycopg[binary]", "pymysql": "PyMySQL", "MySQLdb": "mysqlclient"}
    with pytest.raises(ConfigError, match="pip install") as raised:
        new_app(uri)
    assert f"pip install '{packages[package]}'" in str(raised.value)


# The options of a URL


@pytest.mark.servers
def test_the_options_of_a_url_are_kept(postgres):
    rows = PostgresqlRows(postgres)
    rows.execute("DROP SCHEMA IF EXISTS auth CASCADE; CREATE SCHEMA auth")
    store = open_store(f"{postgres.url}?options=-csearch_path%3Dauth&application_name=shop", 5)
    session = new()
    store.create(session)
    with rows.connect() as connection:
        found = connection.execute("SELECT sid FROM auth.jwt_sessions").fetchall()
        assert found == [(session.sid,)]
    with store.engine.connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("search_path", "application_name", "statement_timeout", "lock_timeout")
        ]
    assert shown == ["auth", "shop", "4500ms", "4500ms"]
    store.close()


@pytest.mark.parametrize("store", stores("mariadb", "mysqlclient"))
def test_the_options_of_a_url_of_mariadb_are_kept(store, request, tmp_path):
    url = uri_of(store, request, tmp_path).partition("?")[0]
    store = open_store(f"{url}?init_command=SET+%40shop%3D7", 5)
    with store.engine.connect() as connection:
        values = connection.exec_driver_sql(
            "SELECT @shop, @@innodb_lock_wait_timeout, @@max_statement_time, @@character_set_client"
        ).one()
    assert tuple(values) == (7, 4, 4.5, "utf8mb4"), "the default character set has all characters"
    store.close()


# SQLite's files

SCRIPT = """
from flask import Flask
from flask_jwt import JWT

app = Flask(__name__)
app.config.update(SECRET_KEY="a-secret-of-32-bytes-for-testing", JWT_STORAGE_URI="sqlite:///s.db")
jwt = JWT(app, lambda username, password: {"id": 1}, lambda payload: {"id": 1})
"""


@pytest.mark.slow
def test_a_relative_path_is_in_the_instance_folder_for_the_server_and_the_cli(tmp_path):
    (tmp_path / "app.py").write_text(SCRIPT)
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments, folder):
        command = [sys.executable, *arguments]
        environment = {"PYTHONPATH": ":".join(sys.path)}
        return subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout

    start = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import app\n"
        "with app.app.app_context(): app.jwt.sessions.start(1)"
    )
    run("-c", start, folder=tmp_path)
    assert (tmp_path / "instance" / "s.db").exists()
    assert not (tmp_path / "s.db").exists()
    counted = run(
        "-m", "flask", "--app", str(tmp_path / "app.py"), "jwt", "sessions", "stats", "--json",
        folder=tmp_path / "elsewhere",
    )  # fmt: skip
    assert json.loads(counted)["active"] == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_log_says_the_path(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "flask_jwt")
    open_store("sqlite:///s.db", 1, str(tmp_path / "instance")).close()
    assert f"The sessions are in {tmp_path}/instance/s.db" in caplog.messages
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.db").touch()
    open_store("sqlite:///s.db", 1, str(tmp_path / "instance")).close()
    (message,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert f"names {tmp_path}/instance/s.db, not {tmp_path}/s.db" in message


# Text that a database can't hold

AGENT = "Agent \N{GRINNING FACE} \u20ac \u00e9"


@pytest.fixture(params=stores("latin1", "sql_ascii", "mariadb", "mysqlclient", "utf8mb3"))
def narrow(request):
    """The URI of a database that doesn't have all characters, or not as a matter of course."""
    if request.param in ("latin1", "sql_ascii"):
        server = request.getfixturevalue("postgres")
        rows = PostgresqlRows(server)
        rows.execute(f"DROP DATABASE IF EXISTS {request.param}")
        rows.execute(
            f"CREATE DATABASE {request.param} ENCODING '{request.param}' TEMPLATE template0 "
            "LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        return f"{server.url.rpartition('/')[0]}/{request.param}"
    server = request.getfixturevalue("mariadb")
    charset = "utf8mb3" if request.param == "utf8mb3" else "latin1"
    with pymysql.connect(host="127.0.0.1", port=server.port, user="root") as connection:
        cursor = connection.cursor()
        cursor.execute("DROP DATABASE IF EXISTS narrow")
        cursor.execute(f"CREATE DATABASE narrow CHARACTER SET {charset}")
    driver = "pymysql"
    if request.param == "mysqlclient":
        request.getfixturevalue("mysqlclient_url")  # skips the test if it is not installed
        driver = "mysqldb"
    return f"mysql+{driver}://root@127.0.0.1:{server.port}/narrow"


def test_text_that_a_database_can_not_hold_is_cut(narrow):
    app = new_app(narrow)
    client = app.test_client()
    name = "jos\u00e9 \N{GRINNING FACE}"
    response = client.post(
        "/auth", json={"username": name, "password": "pass"}, headers={"User-Agent": "Agent"}
    )
    assert response.status_code == 200, response.text
    tokens = response.get_json()
    headers = {**bearer(tokens["refresh_token"]), "User-Agent": AGENT.encode().decode("latin-1")}
    response = client.post("/auth/refresh", headers=headers)
    assert response.status_code == 200, response.text
    with app.app_context():
        (session,) = app.jwt.sessions.list(name)
        assert app.jwt.sessions.rename(session.sid, f"Phone {AGENT}")
        (session,) = app.jwt.sessions.list(name)
        assert session.label.startswith("Phone Agent")
        assert list(app.jwt.sessions.list("someone \N{GRINNING FACE}")) == []
    app.jwt.close(app)


@pytest.mark.parametrize("store", stores("mariadb", "mysqlclient"))
def test_a_payload_that_is_too_large_is_a_400(store, request, tmp_path, caplog):
    app = new_app(uri_of(store, request, tmp_path), JWT_MAX_TOKEN_SIZE=10**8)
    secret = "private " * 13_000

    @app.jwt.additional_claims_loader
    def add_claims(identity):
        return {"note": secret}

    response = login(app.test_client(), "joe")
    assert response.status_code in (200, 400), response.text[:200]
    if response.status_code == 400:
        assert response.get_json()["code"] == "text_not_storable"
    assert "private" not in caplog.text
    app.jwt.close(app)


@pytest.mark.servers
@pytest.mark.parametrize("store", ["postgres", "mariadb"])
def test_no_error_shows_a_row(store, request, caplog, tmp_path):
    """A constraint that an administrator has added fails, and PostgreSQL's message has the row."""
    server = request.getfixturevalue(store)
    app = new_app(server.url)
    log_in(app)
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "ALTER TABLE jwt_sessions ADD CONSTRAINT no_eve CHECK (subject <> 'eve')"
        )
    try:
        response = login(app.test_client(), "eve")
        assert response.status_code == 503
        assert "eve" not in caplog.text.replace("no_eve", "")
        assert login(app.test_client(), "adam").status_code == 200
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql("ALTER TABLE jwt_sessions DROP CONSTRAINT no_eve")
    app.jwt.close(app)
