"""Upgrade the store of an earlier version: its sessions go on, and are found by their users."""

from __future__ import annotations

import json
import secrets
import time

import pytest
import redis
import sqlalchemy as sa
from flask import Flask

from flask_jwt import JWT, ConfigError, jwt_required
from flask_jwt._cli import jwt_cli
from flask_jwt.errors import StoreUnavailable
from flask_jwt.stores import open_store
from flask_jwt.stores.sql import metadata, sessions_table
from tests.servers import stores
from tests.support import SECRET

pytestmark = pytest.mark.slow

# The table as version 1 creates it.
version_1 = sa.MetaData()
old_table = sa.Table(
    "jwt_sessions",
    version_1,
    sa.Column("sid", sa.String(32), primary_key=True),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("rotated_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("idle_expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
    sa.Column("user_agent", sa.String(255)),
    sa.Column("ip", sa.String(45)),
    sa.Column("label", sa.String(255)),
    sa.Index("jwt_sessions_subject", "subject"),
    sa.Index("jwt_sessions_revoked_at", "revoked_at"),
    sa.Index("jwt_sessions_expires_at", "expires_at"),
)


@pytest.fixture(params=stores("sqlite", "postgres", "mariadb"))
def uri(request, tmp_path):
    """The URI of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/sessions.db"
        return
    server = sa.make_url(request.getfixturevalue(f"{request.param}_url"))
    name = f"upgrade_{secrets.token_hex(4)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        force = " WITH (FORCE)" if request.param == "postgres" else ""
        connection.execute(sa.text(f"DROP DATABASE {name}{force}"))
    engine.dispose()


@pytest.fixture
def engine(uri):
    engine = sa.create_engine(uri)
    yield engine
    engine.dispose()


@pytest.fixture
def make_app(uri):
    apps = []

    def make_app(uri=uri, **config):
        app = Flask("tested")
        app.config.update(SECRET_KEY=SECRET, JWT_STORAGE_URI=uri, **config)
        app.jwt = JWT(
            app,
            lambda username, password: {"id": username},
            lambda payload: {"id": payload.get("identity")},
        )
        app.jwt.user_identity_loader(lambda user: user["id"])
        app.add_url_rule("/me", view_func=jwt_required()(lambda: "me"))
        apps.append(app)
        return app

    yield make_app
    for app in apps:
        app.jwt.close(app)


def old_session(subject, payload, **changes):
    now = float(int(time.time()))
    row = {
        "sid": secrets.token_hex(16), "subject": subject, "payload": json.dumps(payload),
        "generation": 0, "created_at": now - 60, "rotated_at": now - 60, "expires_at": now + 3600,
        "idle_expires_at": None, "revoked_at": None, "user_agent": None, "ip": None, "label": None,
    }  # fmt: skip
    return {**row, **changes}


ROWS = {
    "number": old_session("1", {"identity": 1, "sub": "1"}),
    "string": old_session("1", {"identity": "1", "sub": "1"}),
    "joe": old_session("joe", {"identity": "joe", "sub": "joe"}),
    "JOE": old_session("JOE", {"identity": "JOE", "sub": "JOE"}),
    "second": old_session("joe", {"identity": "joe"}, created_at=time.time() - 30),
    "dict": old_session('{"b":1,"a":2}', {"identity": {"b": 1, "a": 2}}),
    "unknown": old_session("7", {"user": 7}),
    "other": old_session("joe", {"identity": "joe", "iss": "another application"}),
    "revoked": old_session("joe", {"identity": "joe"}, revoked_at=time.time()),
}
LISTED = {
    "joe": ["joe", "second"],
    "JOE": ["JOE"],
    "1": ["string"],
    1: ["number"],
    "7": ["unknown"],
    7: ["unknown"],  # nothing tells which of the two it is
    "joe ": [],
}
BY_SID = {row["sid"]: name for name, row in ROWS.items()}


@pytest.fixture
def old_rows(engine):
    version_1.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(old_table), list(ROWS.values()))


def refresh_token(app, row):
    """The refresh token of a session that version 1 has started."""
    with app.app_context():
        claims = {
            "type": "refresh", "sid": row["sid"], "gen": 0, "sub": row["subject"],
            "payload": json.loads(row["payload"]), "auth_time": int(row["created_at"]),
            "iat": int(row["rotated_at"]), "exp": int(row["expires_at"]), "jti": f"{row['sid']}.0",
        }  # fmt: skip
        return app.extensions["flask-jwt"].codecs.refresh().issue(claims, now=time.time())


def log_in(app, username="joe"):
    return app.test_client().post("/auth", json={"username": username, "password": "pass"})


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, ["sessions", *arguments])


def listed(app, identity):
    with app.app_context():
        return [BY_SID.get(s.sid, s.sid) for s in app.jwt.sessions.list(identity)]


USES = {
    "login": log_in,
    "list": lambda app: listed(app, "joe"),
    "init": lambda app: run(app, "init"),
    "stats": lambda app: run(app, "stats"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.usefixtures("old_rows")
def test_without_the_upgrade_one_message_names_the_command(make_app, use):
    app = make_app()
    app.testing = True
    message = "Run: flask jwt sessions upgrade"
    if use in ("init", "stats"):
        result = USES[use](app)
        assert result.exit_code == 1
        assert message in result.output
    else:
        with pytest.raises(ConfigError, match=message):
            USES[use](app)
    assert run(app, "upgrade").exit_code == 0
    response = USES[use](app)
    assert getattr(response, "status_code", 200) == 200
    assert getattr(response, "exit_code", 0) == 0


@pytest.mark.usefixtures("old_rows")
def test_sessions_go_on_and_are_found_by_their_users(make_app):
    app = make_app()
    result = run(app, "upgrade")
    assert result.exit_code == 0
    assert "Added columns: subject_key, sequence," in result.output
    assert "7 sessions got a subject key" in result.output, "not those of unknown users"
    for identity, names in LISTED.items():
        assert listed(app, identity) == names
    assert listed(app, {"id": {"a": 2, "b": 1}}) == ["dict"]
    token = refresh_token(app, ROWS["joe"])
    response = app.test_client().post("/auth/refresh", json={"refresh_token": token})
    assert response.status_code == 200
    access = {"Authorization": f"Bearer {response.get_json()['access_token']}"}
    devices = app.test_client().get("/auth/sessions", headers=access).get_json()["sessions"]
    assert [BY_SID[device["sid"]] for device in devices] == ["joe", "second"]
    assert log_in(app).status_code == 200
    assert listed(app, "joe")[:2] == ["joe", "second"], "the new session comes after the old ones"
    with app.app_context():
        assert app.jwt.sessions.revoke_all("joe") == 3
    assert listed(app, "JOE") == ["JOE"]
    assert listed(make_app(JWT_ENCODE_ISSUER="another application"), "joe") == ["other"]


@pytest.mark.usefixtures("old_rows")
def test_the_upgrade_may_be_repeated(make_app, engine):
    app = make_app()
    first = json.loads(run(app, "upgrade", "--json").output)
    assert first["sessions"] == 7
    assert first["tables"] == ["jwt_store", "jwt_login_counters"]
    nothing = {"tables": [], "columns": [], "indexes": [], "sessions": 0}
    assert json.loads(run(app, "upgrade", "--json").output) == nothing
    for table in metadata.tables.values():
        present = sa.inspect(engine)
        columns = {column["name"] for column in present.get_columns(table.name)}
        assert columns == set(table.columns.keys())
        indexes = {index["name"] for index in present.get_indexes(table.name)}
        assert indexes == {index.name for index in table.indexes}


@pytest.mark.parametrize("index", sorted(index.name for index in sessions_table.indexes))
def test_a_missing_index_is_created(make_app, engine, index):
    app = make_app()
    assert run(app, "init").exit_code == 0
    on_table = " ON jwt_sessions" if engine.dialect.name == "mysql" else ""
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP INDEX {index}{on_table}"))
    assert log_in(app).status_code == 200
    added = json.loads(run(app, "upgrade", "--json").output)
    assert added == {"tables": [], "columns": [], "indexes": [index], "sessions": 0}


@pytest.mark.usefixtures("old_rows")
def test_processes_of_the_earlier_version_go_on_meanwhile(make_app, engine):
    """They store sessions without a subject key until the last one has ended."""
    app = make_app()
    run(app, "upgrade")
    late = [{**row, "sid": secrets.token_hex(16)} for row in ROWS.values()]
    names = {row["sid"]: name for row, name in zip(late, ROWS, strict=True)}
    with engine.begin() as connection:
        connection.execute(sa.insert(old_table), late)
    for identity, expected in LISTED.items():
        found = [names.get(sid, sid) for sid in listed(app, identity)]
        assert sorted(found) == sorted(expected * 2)
    row = next(row for row in late if names[row["sid"]] == "joe")
    response = app.test_client().post(
        "/auth/refresh", json={"refresh_token": refresh_token(app, row)}
    )
    access = {"Authorization": f"Bearer {response.get_json()['access_token']}"}
    devices = app.test_client().get("/auth/sessions", headers=access).get_json()["sessions"]
    assert len(devices) == 4
    assert json.loads(run(app, "upgrade", "--json").output)["sessions"] == 7
    for identity, expected in LISTED.items():
        assert len(listed(app, identity)) == 2 * len(expected)
    with app.app_context():
        assert app.jwt.sessions.revoke_all("joe") == 4
        assert app.jwt.sessions.revoke_all(1) == 2
    assert len(listed(app, "1")) == 2


@pytest.mark.usefixtures("old_rows")
def test_many_sessions_are_upgraded_in_batches(make_app, engine):
    many = [old_session(str(n), {"identity": n}) for n in range(1200)]
    with engine.begin() as connection:
        connection.execute(sa.insert(old_table), many)
    app = make_app()
    steps = []
    with app.app_context():
        added = app.jwt.sessions.upgrade(
            on_batch=lambda number, total: steps.append((number, total))
        )
    assert added["sessions"] == 7 + 1200
    assert sum(number for number, _ in steps) == 1200 + len(ROWS)
    assert {total for _, total in steps} == {1200 + len(ROWS)}


def test_a_batch_that_fails_leaves_no_transaction_open(monkeypatch):
    """A database in memory has one connection, which the next operation uses."""
    store = open_store("sqlite://", 5)
    store.setup()
    with store.engine.connect() as connection:
        connection.execute(sa.insert(sessions_table), old_session("1", '{"identity": 1}'))
    monkeypatch.setattr("flask_jwt.stores._sql_statements.SET_KEY", sa.text("UPDATE nothing"))
    with pytest.raises(StoreUnavailable):
        store.upgrade(lambda _: "key", lambda *_: None)
    with store.engine.connect() as connection:
        assert not connection.connection.dbapi_connection.in_transaction
    store.close()


def test_the_version_is_stored(make_app, engine):
    run(make_app(), "init")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT name, value FROM jwt_store")).all() == [
            ("version", 2)
        ]


def test_tables_that_alembic_has_created_need_no_ddl(make_app, engine):
    """The user of the application may not create tables."""
    metadata.create_all(engine)
    statements = []
    app = make_app()
    store_engine = app.extensions["flask-jwt"].sessions.store.store.engine
    sa.event.listen(
        store_engine, "before_cursor_execute", lambda c, cursor, text, *_: statements.append(text)
    )
    assert log_in(app).status_code == 200
    assert not [text for text in statements if text.lstrip().startswith(("CREATE", "ALTER"))]


# Redis


@pytest.fixture
def redis_uri(redis_url):
    yield redis_url.replace("/0", "/7")
    with redis.Redis.from_url(redis_url.replace("/0", "/7")) as client:
        client.flushdb()


@pytest.fixture
def old_hashes(redis_uri):
    """Store sessions as version 1 does."""
    with redis.Redis.from_url(redis_uri, decode_responses=True) as client:
        for row in ROWS.values():
            fields = {name: str(value) for name, value in row.items() if value is not None}
            client.hset(f"jwt:{{{row['sid']}}}", mapping=fields)
            client.zadd(f"jwt:subject:{row['subject']}", {row["sid"]: row["expires_at"]})


@pytest.mark.usefixtures("old_hashes")
@pytest.mark.parametrize("is_upgraded", [False, True])
@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_sessions_in_redis_are_found_with_and_without_the_upgrade(make_app, redis_uri, is_upgraded):
    app = make_app(redis_uri)
    if is_upgraded:
        added = json.loads(run(app, "upgrade", "--json").output)
        assert added == {"tables": [], "columns": [], "indexes": [], "sessions": 7}
        assert json.loads(run(app, "upgrade", "--json").output)["sessions"] == 0
    for identity, names in LISTED.items():
        assert listed(app, identity) == names
    token = refresh_token(app, ROWS["joe"])
    response = app.test_client().post("/auth/refresh", json={"refresh_token": token})
    assert response.status_code == 200
    log_in(app)
    with app.app_context():
        assert app.jwt.sessions.revoke_all("joe") == 3
    assert listed(app, "joe") == []
    assert listed(app, "JOE") == ["JOE"]


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
def test_fields_of_a_later_version_are_ignored(make_app, redis_uri):
    app = make_app(redis_uri)
    log_in(app)
    (sid,) = listed(app, "joe")
    with redis.Redis.from_url(redis_uri) as client:
        client.hset(f"jwt:{{{sid}}}", "from_the_future", "1")
    assert listed(app, "joe") == [sid]
