"""Sessions: login, refresh, logout, the devices of a user, and how soon a revocation counts."""

from __future__ import annotations

import json
import time
import traceback
from io import BytesIO

import pytest

import flask_jwt
from flask_jwt import JWT, ConfigError
from flask_jwt._cli import jwt_cli
from flask_jwt.errors import RefreshTokenReused, TokenRevoked
from flask_jwt.testing import Clock
from tests.support import User, bearer, claims_of, code, get, heard, issue


@pytest.fixture
def shop(make_app):
    """Make applications with sessions, in memory unless the test says otherwise."""

    def shop(**config):
        users = [User(1), User("eve", "eve")]
        return make_app(users=users, **{"JWT_STORAGE_URI": "memory://", **config})

    return shop


def login(app, username="joe", agent="Agent/1", **fields):
    response = app.test_client().post(
        "/auth",
        json={"username": username, "password": "pass", **fields},
        headers={"User-Agent": agent},
    )
    assert response.status_code == 200, response.text
    return response.get_json()


def refresh(app, token):
    return app.test_client().post("/auth/refresh", headers=bearer(token))


def post(app, path, token, **body):
    return app.test_client().post(path, headers=bearer(token), json=body)


OK = (200, None)


# login and refresh


def test_login_returns_both_tokens(shop, clock):
    clock.tick(0.7)  # a token holds whole seconds
    app = shop()
    response = app.test_client().post("/auth", json={"username": "joe", "password": "pass"})
    assert response.headers["Cache-Control"] == "no-store"
    body = response.get_json()
    assert set(body) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert (body["expires_in"], body["token_type"]) == (300, "Bearer")
    assert get(app, "/protected", body["access_token"]).get_json() == {"user": 1}


def test_without_a_store_there_are_no_sessions(make_app):
    app = make_app()
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {rule for rule in rules if "auth" in rule} == {"/auth"}
    body = app.test_client().post("/auth", json={"username": "joe", "password": "pass"}).get_json()
    assert set(body) == {"access_token"}
    with app.app_context(), pytest.raises(ConfigError, match="JWT_STORAGE_URI"):
        _ = JWT().sessions


def test_a_refresh_returns_new_tokens(shop, clock):
    app = shop()
    first = login(app)
    clock.tick(400)
    assert code(get(app, "/protected", first["access_token"])) == (401, "token_expired")
    response = refresh(app, first["refresh_token"])
    assert response.headers["Cache-Control"] == "no-store"
    second = response.get_json()
    assert second["refresh_token"] != first["refresh_token"]
    assert get(app, "/protected", second["access_token"]).get_json() == {"user": 1}


def test_the_refresh_token_may_be_in_a_json_body(shop):
    app = shop()
    tokens = login(app)
    for headers in ({}, bearer(tokens["access_token"])):
        response = app.test_client().post(
            "/auth/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=headers
        )
        assert response.status_code == 200


def test_within_the_grace_period_the_same_new_token_is_returned_again(shop, clock):
    app = shop()
    first = login(app)["refresh_token"]
    second = refresh(app, first).get_json()["refresh_token"]
    clock.tick(30)
    assert refresh(app, first).get_json()["refresh_token"] == second
    assert refresh(app, second).status_code == 200


def test_after_the_grace_period_reuse_ends_the_session(shop, clock):
    app = shop()
    first = login(app)
    second = refresh(app, first["refresh_token"]).get_json()
    clock.tick(31)
    response = refresh(app, first["refresh_token"])
    assert code(response) == (401, "refresh_reused")
    assert code(refresh(app, second["refresh_token"])) == (401, "token_revoked")
    assert code(get(app, "/protected", second["access_token"])) == (401, "token_revoked")


def test_an_older_generation_ends_the_session_at_once(shop):
    app = shop()
    first = login(app)["refresh_token"]
    second = refresh(app, first).get_json()["refresh_token"]
    third = refresh(app, second).get_json()["refresh_token"]
    assert code(refresh(app, first)) == (401, "refresh_reused")
    assert code(refresh(app, third)) == (401, "token_revoked")


def test_a_store_restored_from_a_backup_asks_for_a_login(shop):
    app = shop()
    first = login(app)["refresh_token"]
    store = app.extensions["flask-jwt"].sessions.store.store
    backup = dict(store._sessions)
    second = refresh(app, first).get_json()["refresh_token"]
    store._sessions.update(backup)
    assert code(refresh(app, second)) == (401, "token_revoked")


def test_without_a_grace_period_each_reuse_ends_the_session(shop):
    app = shop(JWT_REFRESH_GRACE=0)
    first = login(app)["refresh_token"]
    second = refresh(app, first).get_json()["refresh_token"]
    assert code(refresh(app, first)) == (401, "refresh_reused")
    assert code(refresh(app, second)) == (401, "token_revoked")


def test_the_absolute_limit_is_never_extended(shop, clock):
    app = shop(JWT_REFRESH_TOKEN_EXPIRES=1000)
    token = login(app)["refresh_token"]
    for _ in range(9):
        clock.tick(100)
        body = refresh(app, token).get_json()
        token = body["refresh_token"]
    claims = claims_of(body["access_token"])
    assert claims["exp"] == int(clock.now) + 100, "no access token outlives its session"
    clock.tick(100)
    assert code(refresh(app, token)) == (401, "token_expired")


def test_the_idle_limit_moves_with_each_refresh(shop, clock):
    app = shop(JWT_SESSION_IDLE=100)
    token = login(app)["refresh_token"]
    for _ in range(5):
        clock.tick(99)
        token = refresh(app, token).get_json()["refresh_token"]
    clock.tick(100)
    assert code(refresh(app, token)) == (401, "token_expired")


def test_a_refresh_for_a_deleted_user_ends_the_session(shop):
    app = shop()
    tokens = login(app)
    joe = app.users.pop(0)
    assert code(refresh(app, tokens["refresh_token"])) == (401, "user_gone")
    app.users.append(joe)
    assert code(refresh(app, tokens["refresh_token"])) == (401, "token_revoked")


def test_an_id_keeps_its_type(shop):
    app = shop()
    for name, user_id in (("joe", 1), ("eve", "eve")):
        token = login(app, name)["refresh_token"]
        body = refresh(app, token).get_json()
        assert get(app, "/protected", body["access_token"]).get_json() == {"user": user_id}


def test_custom_payloads_are_refreshed_too_and_can_be_revoked(shop, clock):
    app = shop()
    app.jwt.jwt_payload_handler(
        lambda user: {"user": user.id, "exp": clock() + 60, "iat": clock(), "nbf": clock()}
    )
    app.jwt.identity_handler(lambda payload: app.users[0] if payload["user"] == 1 else None)
    body = refresh(app, login(app)["refresh_token"]).get_json()
    assert get(app, "/protected", body["access_token"]).get_json() == {"user": 1}
    assert post(app, "/auth/logout", body["access_token"]).status_code == 200
    assert code(get(app, "/protected", body["access_token"])) == (401, "token_revoked")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", None])
def test_an_invalid_refresh_token_is_rejected(shop, token):
    app = shop()
    headers = {} if token is None else bearer(token)
    assert app.test_client().post("/auth/refresh", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "body", ["null", "[]", "{", '{"refresh_token": 5}', '{"refresh_token": null}', "{}"]
)
def test_a_refresh_with_an_invalid_body_is_rejected(shop, body):
    response = (
        shop().test_client().post("/auth/refresh", data=body, content_type="application/json")
    )
    assert response.status_code in (400, 401)
    assert response.get_json()["description"]


def test_neither_token_is_accepted_for_the_other(shop):
    app = shop()
    tokens = login(app)
    assert code(get(app, "/protected", tokens["refresh_token"])) == (401, "wrong_token_type")
    assert get(app, "/renew", tokens["refresh_token"]).get_json() == {"user": 1}
    assert get(app, "/renew", tokens["access_token"]).status_code == 401
    assert refresh(app, tokens["access_token"]).status_code == 401


def test_a_guard_for_refresh_tokens_follows_rotation_and_revocation(shop, clock):
    app = shop()
    first = login(app)["refresh_token"]
    second = refresh(app, first).get_json()["refresh_token"]
    assert get(app, "/renew", first).status_code == 200
    clock.tick(31)
    assert code(get(app, "/renew", first)) == (401, "token_revoked")
    assert get(app, "/renew", second).status_code == 200
    post(app, "/auth/logout", second)
    assert code(get(app, "/renew", second)) == (401, "token_revoked")


def test_the_response_handler_gets_the_refresh_token_from_issued_tokens(shop):
    app = shop()

    @app.jwt.auth_response_handler
    def respond(access_token, identity):
        return {"a": access_token, "r": flask_jwt.issued_tokens().refresh_token, "id": identity.id}

    body = login(app)
    assert body["id"] == 1
    again = refresh(app, body["r"]).get_json()
    assert get(app, "/protected", again["a"]).status_code == 200


# logout


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_logout_ends_both_tokens(shop, which):
    app = shop()
    tokens, other = login(app), login(app)
    response = app.test_client().post("/auth/logout", headers=bearer(tokens[which]))
    assert response.get_json() == {"revoked": 1}
    assert code(get(app, "/protected", tokens["access_token"])) == (401, "token_revoked")
    assert code(refresh(app, tokens["refresh_token"])) == (401, "token_revoked")
    assert get(app, "/protected", other["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("scope", "alive", "count"),
    [
        ("local", [False, True, True], 1),
        ("others", [True, False, False], 2),
        ("global", [False] * 3, 3),
    ],
)
def test_a_logout_has_a_scope(shop, scope, alive, count):
    app = shop()
    devices = [login(app) for _ in range(3)]
    stranger = login(app, "eve")
    assert post(app, "/auth/logout", devices[0]["access_token"], scope=scope).get_json() == {
        "revoked": count
    }
    is_alive = [
        get(app, "/protected", tokens["access_token"]).status_code == 200 for tokens in devices
    ]
    assert is_alive == alive
    assert get(app, "/protected", stranger["access_token"]).status_code == 200


@pytest.mark.parametrize(
    "body", ['{"scope": "all"}', '{"scope": null}', '{"scope": []}', "[]", "{"]
)
def test_a_logout_with_an_invalid_body_is_rejected(shop, body):
    app = shop()
    token = login(app)["access_token"]
    response = app.test_client().post(
        "/auth/logout", data=body, headers=bearer(token), content_type="application/json"
    )
    assert response.status_code == 400
    assert get(app, "/protected", token).status_code == 200


def test_a_chunked_logout_with_a_body_is_rejected_and_not_guessed_at(shop):
    app = shop()
    token = login(app)["access_token"]
    chunked = {**bearer(token), "Transfer-Encoding": "chunked"}
    response = app.test_client().post(
        "/auth/logout",
        input_stream=BytesIO(b'{"scope": "global"}'),
        content_type="application/json",
        headers=chunked,
    )
    assert code(response) == (400, "login_malformed")
    assert app.test_client().post("/auth/logout", headers=chunked).status_code == 200, "no body"


def test_a_logout_needs_a_token(shop):
    assert code(shop().test_client().post("/auth/logout")) == (401, "token_missing")


# devices


def test_a_user_sees_their_devices_but_no_tokens(shop, clock):
    app = shop()
    phone = login(app, agent="Phone/1", label="My phone")
    clock.tick(50)
    desk = login(app, agent="Desk/2")
    login(app, "eve")
    body = get(app, "/auth/sessions", desk["access_token"]).get_json()
    first, second = body["sessions"]
    assert (first["label"], first["user_agent"], first["current"]) == ("My phone", "Phone/1", False)
    assert (second["label"], second["user_agent"], second["current"]) == (None, "Desk/2", True)
    assert second["created_at"] - first["created_at"] == 50
    assert first["ip"] == "127.0.0.1"
    text = json.dumps(body)
    for tokens in (phone, desk):
        assert tokens["refresh_token"].rpartition(".")[2] not in text


def test_one_device_logs_out_another(shop, clock):
    app = shop()
    phone = login(app)
    clock.tick(1)
    desk = login(app)
    sids = [
        s["sid"] for s in get(app, "/auth/sessions", desk["access_token"]).get_json()["sessions"]
    ]
    client = app.test_client()
    assert (
        client.delete(f"/auth/sessions/{sids[0]}", headers=bearer(desk["access_token"])).status_code
        == 204
    )
    assert code(get(app, "/protected", phone["access_token"])) == (401, "token_revoked")
    assert get(app, "/protected", desk["access_token"]).status_code == 200
    again = client.delete(f"/auth/sessions/{sids[0]}", headers=bearer(desk["access_token"]))
    assert code(again) == (404, "session_unknown")


def test_a_device_can_be_renamed(shop):
    app = shop()
    mine, stranger = login(app), login(app, "eve")
    client = app.test_client()

    def rename(tokens, **body):
        return client.patch(f"/auth/sessions/{sid}", json=body, headers=bearer(tokens))

    sid = get(app, "/auth/sessions", mine["access_token"]).get_json()["sessions"][0]["sid"]
    assert rename(mine["access_token"], label="Kitchen\n").status_code == 204
    sessions = get(app, "/auth/sessions", mine["access_token"]).get_json()["sessions"]
    assert sessions[0]["label"] == "Kitchen"
    for body in ({}, {"label": 5}, {"label": ["x"]}):
        assert rename(mine["access_token"], **body).status_code == 400
    assert rename(stranger["access_token"], label="Hall").status_code == 404
    assert rename(mine["access_token"], label=None).status_code == 204
    sessions = get(app, "/auth/sessions", mine["access_token"]).get_json()["sessions"]
    assert sessions[0]["label"] is None


@pytest.mark.parametrize("sid", ["0" * 32, "x", "%00", "' OR 1=1"])
def test_sessions_of_other_users_are_not_found(shop, sid):
    app = shop()
    mine, theirs = login(app), login(app, "eve")
    their_sid = get(app, "/auth/sessions", theirs["access_token"]).get_json()["sessions"][0]["sid"]
    for target in (sid, their_sid):
        response = app.test_client().delete(
            f"/auth/sessions/{target}", headers=bearer(mine["access_token"])
        )
        assert code(response) == (404, "session_unknown")
    assert get(app, "/protected", theirs["access_token"]).status_code == 200


@pytest.mark.parametrize("check", [10, "always"])
@pytest.mark.parametrize("sid", [None, 1, [], {}, "", "x", "\0", "0" * 31, "Z" * 32, "0" * 1000])
def test_a_signed_sid_of_another_form_never_reaches_the_store(shop, check, sid):
    app = shop(JWT_REVOCATION_CHECK=check)
    token = issue(app, claims={"sid": sid}, overwrite=True)
    expected = 200 if sid is None else 401
    assert get(app, "/protected", token).status_code == expected


@pytest.mark.parametrize("sid", ["%00", "%F0%9F%98%80", "x" * 3000, "0" * 32])
def test_an_invalid_sid_in_a_path_is_not_taken_for_an_outage(shop, postgres_url, sid):
    app = shop(JWT_STORAGE_URI=postgres_url)
    token = login(app)["access_token"]
    response = app.test_client().delete(f"/auth/sessions/{sid}", headers=bearer(token))
    assert code(response) == (404, "session_unknown")
    assert get(app, "/auth/sessions", token).status_code == 200


def test_an_access_token_with_a_long_life_is_looked_up_in_the_store(shop, clock, passed):
    """A payload handler may issue tokens that live longer than recent revocations are kept."""
    app = shop()
    app.jwt.jwt_payload_handler(
        lambda user: {"identity": user.id, "exp": clock() + 86400, "iat": clock(), "nbf": clock()}
    )
    kept, ended = login(app)["access_token"], login(app)["access_token"]
    post(app, "/auth/logout", ended)
    for _ in range(20):
        clock.tick(60)
        passed.tick(60)
        assert get(app, "/protected", kept).status_code == 200
        assert code(get(app, "/protected", ended)) == (401, "token_revoked")


def test_names_of_devices_are_cut_and_lose_control_characters(shop):
    app = shop()
    tokens = login(app, agent="A" * 5000 + "\x01\x7f", label="\u202e\x00evil" * 500)
    (device,) = get(app, "/auth/sessions", tokens["access_token"]).get_json()["sessions"]
    assert len(device["user_agent"]) == 255
    assert len(device["label"]) == 255
    assert device["label"].startswith("evilevil")


def test_one_session_too_many_ends_the_oldest(shop, clock):
    app = shop(JWT_MAX_SESSIONS=2)
    devices = []
    for _ in range(3):
        devices.append(login(app))
        clock.tick(1)
    codes = [code(get(app, "/protected", tokens["access_token"])) for tokens in devices]
    assert codes == [(401, "token_revoked"), OK, OK]


# revocation, as other processes see it


@pytest.fixture
def passed(monkeypatch):
    """The monotonic clock, which stands still."""
    passed = Clock(1000)
    monkeypatch.setattr(time, "monotonic", passed)
    return passed


def test_another_process_learns_of_a_logout_within_the_configured_time(
    shop, tmp_path, passed, clock
):
    uri = f"sqlite:///{tmp_path}/s.db"
    one, other = shop(JWT_STORAGE_URI=uri), shop(JWT_STORAGE_URI=uri)
    token = login(one)["access_token"]
    assert get(other, "/protected", token).status_code == 200
    post(one, "/auth/logout", token)
    assert code(get(one, "/protected", token)) == (401, "token_revoked")
    assert get(other, "/protected", token).status_code == 200
    passed.tick(10)
    assert code(get(other, "/protected", token)) == (401, "token_revoked")


def test_always_reads_the_store_at_each_request(shop, tmp_path):
    uri = f"sqlite:///{tmp_path}/s.db"
    one, other = (shop(JWT_STORAGE_URI=uri, JWT_REVOCATION_CHECK="always") for _ in range(2))
    token = login(one)["access_token"]
    assert get(other, "/protected", token).status_code == 200
    post(one, "/auth/logout", token)
    assert code(get(other, "/protected", token)) == (401, "token_revoked")


def test_the_check_of_revocations_can_be_turned_off_and_on(shop):
    app = shop(JWT_REVOCATION_CHECK=None)
    tokens = login(app)
    post(app, "/auth/logout", tokens["access_token"])
    assert get(app, "/protected", tokens["access_token"]).status_code == 200
    assert refresh(app, tokens["refresh_token"]).status_code == 401
    app.config["JWT_REVOCATION_CHECK"] = 5
    assert code(get(app, "/protected", tokens["access_token"])) == (401, "token_revoked")


def test_revocations_of_expired_tokens_are_forgotten(shop, passed, clock):
    app = shop()
    revocations = None
    for _ in range(50):
        token = login(app)["access_token"]
        post(app, "/auth/logout", token)
        clock.tick(60)
        passed.tick(60)
    get(app, "/protected", login(app)["access_token"])
    revocations = app.extensions["flask-jwt"].sessions.revocations
    assert 5 <= len(revocations) <= 10, "six minutes' worth and a bucket"


# signals, python, cli


def test_signals_report_what_happened_without_tokens(shop, clock):
    app = shop()
    names = ("session_started", "session_refreshed", "session_revoked", "refresh_token_reused")
    with heard(app, *names) as events:
        first = login(app)
        refresh(app, first["refresh_token"])
        clock.tick(31)
        refresh(app, first["refresh_token"])
    assert [name for name, _ in events] == list(names)
    assert first["refresh_token"].rpartition(".")[2] not in repr(events)


def test_a_program_starts_refreshes_lists_and_revokes_sessions(shop):
    app = shop()
    joe = app.users[0]
    with app.app_context():
        tokens = app.jwt.sessions.start(joe, label="script", ip="192.0.2.1")
        assert tokens.access_token not in repr(tokens)
        (session,) = app.jwt.sessions.list(joe)
        assert (session.sid, session.label) == (tokens.session.sid, "script")
        assert app.jwt.sessions.list(1) == [session]
        assert app.jwt.sessions.list("1") == []
        again = app.jwt.sessions.refresh(tokens.refresh_token)
        assert app.jwt.sessions.revoke(session.sid)
        assert not app.jwt.sessions.revoke(session.sid)
        with pytest.raises(TokenRevoked):
            app.jwt.sessions.refresh(again.refresh_token)
        tokens = app.jwt.sessions.start(joe)
        keep = app.jwt.sessions.start(joe)
        assert app.jwt.sessions.revoke_all(joe, keep=keep.session.sid) == 1


def test_reuse_is_an_exception_in_a_program(shop, clock):
    app = shop()
    joe = app.users[0]
    with app.app_context():
        tokens = app.jwt.sessions.start(joe)
        app.jwt.sessions.refresh(tokens.refresh_token)
        clock.tick(31)
        with pytest.raises(RefreshTokenReused):
            app.jwt.sessions.refresh(tokens.refresh_token)


def run(app, *arguments):
    return app.test_cli_runner().invoke(jwt_cli, ["sessions", *arguments])


def test_the_commands_list_show_revoke_and_prune(shop, tmp_path, clock):
    app = shop(JWT_STORAGE_URI=f"sqlite:///{tmp_path}/s.db")
    assert run(app, "init").exit_code == 0
    tokens = login(app, label="My phone")
    listed = run(app, "list", "1")
    assert "My phone" in listed.output
    (shown,) = json.loads(run(app, "list", "1", "--json").output)
    sid = shown["sid"]
    assert "Agent/1" in run(app, "show", sid).output
    assert json.loads(run(app, "show", sid, "--json").output)["label"] == "My phone"
    assert json.loads(run(app, "stats", "--json").output) == {
        "active": 1,
        "revoked": 0,
        "expired": 0,
    }
    assert "Revoked 1 session." in run(app, "revoke", sid).output
    assert code(get(app, "/protected", tokens["access_token"])) == (401, "token_revoked")
    assert run(app, "revoke", "nonesuch").exit_code == 1
    assert run(app, "revoke", "-starts-with-a-dash").exit_code == 1
    assert run(app, "show", "-starts-with-a-dash").exit_code == 1
    assert run(app, "revoke").exit_code == 2
    assert run(app, "show", "nonesuch").exit_code == 1
    login(app)
    assert "Revoked 1 session of the number 1." in run(app, "revoke", "--subject", "1").output
    assert json.loads(run(app, "prune", "--json").output) == {"forgotten": 0}
    clock.tick(4000)
    assert "Deleted 2 of 2" in run(app, "prune").output
    assert "active" in run(app, "stats").output


def test_the_commands_without_a_store_say_what_to_configure(make_app):
    result = run(make_app(), "stats")
    assert result.exit_code == 1
    assert "JWT_STORAGE_URI" in result.output


# configuration


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"JWT_STORAGE_URI": "mongodb://x"}, "mongodb"),
        ({"JWT_STORAGE_URI": "sqlite"}, "JWT_STORAGE_URI"),
        ({"JWT_STORAGE_URI": "mysql+nodriver://x/y"}, "JWT_STORAGE_URI"),
        ({"JWT_STORAGE_URI": "redis+cluster://nohost"}, "host:port"),
        ({"JWT_REFRESH_TOKEN_EXPIRES": 0}, "JWT_REFRESH_TOKEN_EXPIRES"),
        ({"JWT_REVOCATION_CHECK": "sometimes"}, "JWT_REVOCATION_CHECK"),
        ({"JWT_REFRESH_GRACE": -1}, "JWT_REFRESH_GRACE"),
    ],
    ids=repr,
)
def test_mistakes_are_reported_at_start(shop, config, message):
    with pytest.raises(ConfigError, match=message):
        shop(**config)


def test_rules_follow_the_login_s_and_can_be_turned_off(shop):
    app = shop(
        JWT_AUTH_URL_RULE="/api/login", JWT_LOGOUT_URL_RULE=None, JWT_SESSIONS_URL_RULE="/devices"
    )
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {"/api/login", "/api/login/refresh", "/devices", "/devices/<sid>"} <= rules
    assert not any("logout" in rule for rule in rules)
    none = shop(JWT_AUTH_URL_RULE=None)
    assert not any("refresh" in rule.rule for rule in none.url_map.iter_rules())


@pytest.mark.parametrize(
    "uri",
    [
        "redis://:hunter2@localhost\n",  # as it stands in a file of secrets
        "redis://:hunter2/x@localhost",
        "redis+cluster://:hunter2/x@localhost:1",
        "redis+sentinel://:hunter2:x@localhost",
        "postgresql://joe:b@hunter2:x@localhost/db",
        "mysql+hunter2",
    ],
)
def test_the_error_for_an_invalid_uri_does_not_show_its_password(make_app, uri):
    with pytest.raises(ConfigError, match="JWT_STORAGE_URI") as caught:
        make_app(JWT_STORAGE_URI=uri)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
