"""Scopes and roles of a session: they outlast refreshes, and change without its end."""

from __future__ import annotations

import secrets
import time

import pytest
import sqlalchemy as sa

from flask_jwt import (
    ConfigError,
    Grants,
    any_of,
    create_access_token,
    current_grants,
    extended,
    jwt_required,
    verify_jwt_in_request,
)
from flask_jwt._cli import jwt_cli
from flask_jwt._jose.grants import GrantClaims, replace_grants
from flask_jwt._sessions.granted import write_grants
from flask_jwt.errors import RefreshTokenReused, StoreUnavailable, TokenRevoked, UserNotFound
from flask_jwt.stores.memory import MemoryStore
from tests.servers import stores, uri_of
from tests.support import ANYONE, bearer, claims_of, get, make_app

GUARDS = {
    "/read": {"scopes": "orders:read"},
    "/write": {"scopes": "orders:write"},
    "/staff": {"roles": any_of("staff", "Übersicht")},
    "/renew": {"refresh": True, "roles": "staff"},
}


@pytest.fixture(
    params=stores(
        "memory", "sqlite", "postgres", "pgbouncer", "mariadb", "mysqlclient",
        "redis", "redis_cluster", "redis_sentinel",
    )
)  # fmt: skip
def app(request, tmp_path):
    uri = uri_of(request.param, request, tmp_path)
    # The servers have sessions of other tests.
    app = make_app(
        users=ANYONE, guards=GUARDS, clock=time.time, JWT_STORAGE_URI=uri,
        JWT_STORAGE_NAMESPACE=secrets.token_hex(8),
    )  # fmt: skip
    yield app
    app.jwt.close(app)


@pytest.fixture
def shop(make_app):
    """An application with sessions in memory."""
    return make_app(users=ANYONE, guards=GUARDS, JWT_STORAGE_URI="memory://")


def start(app, user="joe", **grants):
    with app.test_request_context():
        return app.jwt.sessions.start(user, **grants)


def refresh(app, tokens):
    with app.test_request_context():
        return app.jwt.sessions.refresh(tokens.refresh_token)


def update(app, user="joe", **grants):
    with app.test_request_context():
        return app.jwt.sessions.update_grants(user, **grants)


def list_allowed(app, tokens):
    """Return the paths that the access token, or the refresh token, opens."""
    return {
        path
        for path, guard in GUARDS.items()
        for token in [tokens.refresh_token if "refresh" in guard else tokens.access_token]
        if get(app, path, token).status_code == 200
    }


class Calls:
    """Record the calls of the store."""

    def __init__(self, app, monkeypatch):
        self.names = []
        store = app.extensions["flask-jwt"].sessions.store.store.store
        for name in ("get", "rotate", "set_grants", "create", "list_active"):
            monkeypatch.setattr(store, name, self._recording(name, getattr(store, name)))

    def _recording(self, name, method):
        def call(*args, **kwargs):
            self.names.append(name)
            return method(*args, **kwargs)

        return call

    def of(self, action, *args):
        self.names.clear()
        result = action(*args)
        return result, list(self.names)


def test_grants_outlast_refreshes_and_change(app, monkeypatch):
    calls = Calls(app, monkeypatch)
    tokens = start(app, scopes="orders:read", roles=["staff", "Übersicht"])
    plain = start(app)
    other = start(app, "ann", roles="staff")
    for _ in range(3):
        assert list_allowed(app, tokens) == {"/read", "/staff", "/renew"}
        tokens, called = calls.of(refresh, app, tokens)
        assert called == ["rotate"]

    assert update(app, scopes=["orders:read", "orders:write"], roles=[]) == 2
    assert list_allowed(app, tokens) == {"/read", "/staff"}, "the access token until it expires"
    tokens, called = calls.of(refresh, app, tokens)
    assert called == ["rotate", "get", "rotate"]
    assert list_allowed(app, tokens) == {"/read", "/write"}
    assert claims_of(tokens.access_token)["roles"] == []
    tokens, called = calls.of(refresh, app, tokens)
    assert called == ["rotate"]
    assert list_allowed(app, tokens) == {"/read", "/write"}
    assert list_allowed(app, refresh(app, plain)) == {"/read", "/write"}
    assert list_allowed(app, refresh(app, other)) == {"/staff", "/renew"}

    assert update(app, roles="STAFF") == 2
    assert update(app, roles="staff") == 2
    tokens = refresh(app, tokens)
    assert list_allowed(app, tokens) == {"/read", "/write", "/staff", "/renew"}, "scopes are kept"
    assert update(app) == 2
    tokens = refresh(app, tokens)
    assert list_allowed(app, tokens) == set()
    assert "grants" not in claims_of(tokens.refresh_token)
    with app.app_context():
        assert app.jwt.sessions.get(tokens.session.sid).grants is None


def test_names_that_differ_only_in_case_or_accents_are_a_change(app):
    """A database may compare strings so that they are equal."""
    tokens = start(app, roles=["Staff"])
    for roles, allowed in ([["staff"], {"/staff", "/renew"}], [["Staff"], set()],
                           [["Ubersicht"], set()], [["Übersicht"], {"/staff"}]):  # fmt: skip
        update(app, roles=roles)
        tokens = refresh(app, tokens)
        assert list_allowed(app, tokens) == allowed, roles


def test_an_update_is_no_reuse(app):
    """The refresh tokens of before stay valid, within the grace period also the previous one."""
    tokens = start(app, roles="staff")
    update(app, roles="a")
    first = refresh(app, tokens)
    again = refresh(app, tokens)
    assert first.refresh_token == again.refresh_token
    update(app, roles="b")
    newest = refresh(app, tokens)
    assert claims_of(newest.access_token)["roles"] == ["b"]
    assert newest.session.generation == 1
    assert refresh(app, first).session.generation == 2
    with pytest.raises(RefreshTokenReused):
        refresh(app, tokens)


def test_a_refresh_during_an_update(app, monkeypatch):
    """The update comes between the first rotation and the reading, and before the second one."""
    tokens = start(app, roles="a")
    store = app.extensions["flask-jwt"].sessions.store.store.store
    rotate = store.rotate
    left = [["c"], ["d"]]

    def rotate_late(*args, **kwargs):
        if left:
            update(app, roles=left.pop(0))
        return rotate(*args, **kwargs)

    monkeypatch.setattr(store, "rotate", rotate_late)
    with pytest.raises(Exception, match="try again|temporarily|unavailable"):
        refresh(app, tokens)
    assert claims_of(refresh(app, tokens).access_token)["roles"] == ["d"]


def test_an_ended_session_stays_ended(app):
    tokens, kept = start(app, roles="a"), start(app)
    with app.app_context():
        app.jwt.sessions.revoke(tokens.session.sid)
    assert update(app, roles="staff") == 1
    with pytest.raises(Exception, match="revoked"):
        refresh(app, tokens)
    assert list_allowed(app, refresh(app, kept)) == {"/staff", "/renew"}


def test_sqlite_rotates_with_one_statement(tmp_path):
    uri = f"sqlite:///{tmp_path}/s.db"
    app = make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=uri)
    tokens = start(app, roles="a")
    texts = []
    engine = app.extensions["flask-jwt"].sessions.store.store.engine
    sa.event.listen(engine, "before_cursor_execute", lambda c, cursor, text, *_: texts.append(text))
    refresh(app, tokens)
    assert [text.split()[0] for text in texts] == ["UPDATE"]
    app.jwt.close(app)


# Where grants come from


def test_the_payload_handler_is_called_anew_at_each_refresh(shop):
    now = {"roles": ["a"], "scope": "orders:read"}
    shop.jwt.additional_claims_loader(lambda user: now)
    tokens = start(shop)
    narrow = start(shop, scopes=[])
    now = {"roles": ["staff"], "scope": "orders:write"}
    assert list_allowed(shop, refresh(shop, tokens)) == {"/write", "/staff"}
    assert list_allowed(shop, narrow) == set(), "what the session was given goes first"
    assert list_allowed(shop, refresh(shop, narrow)) == {"/staff"}


def test_a_grants_loader_goes_first(shop):
    before = start(shop, scopes="orders:read")
    shop.jwt.grants_loader(lambda user, claims: Grants(roles="staff"))
    assert list_allowed(shop, refresh(shop, before)) == {"/staff", "/renew"}


NESTED = {
    "JWT_SCOPE_CLAIMS": ["scope", "scp", ("auth", "more", "scopes")],
    "JWT_ROLE_CLAIMS": ["roles", ("auth", "roles"), "groups"],
}


@pytest.mark.parametrize("path", [("permissions",), ("scp",), ("scope",), ("roles",)], ids=str)
@pytest.mark.parametrize("handler", ["additional_claims_loader", "jwt_payload_handler"])
def test_given_grants_replace_all_claims_that_are_read(shop, path, handler):
    check_replacement(shop, path, handler)


@pytest.mark.parametrize(
    "path", [("scp",), ("auth", "more", "scopes"), ("auth", "roles"), ("groups",)], ids=str
)
def test_given_grants_replace_nested_claims(make_app, path):
    app = make_app(users=ANYONE, guards=REPLACED, JWT_STORAGE_URI="memory://", **NESTED)
    check_replacement(app, path, "additional_claims_loader")


REPLACED = {
    "/write": {"scopes": "x"},
    "/staff": {"roles": "x"},
    "/renew-write": {"scopes": "x", "refresh": True},
    "/renew-staff": {"roles": "x", "refresh": True},
}


def check_replacement(app, path, handler):
    """Start, update and refresh sessions of a user with a scope or a role "x" in a claim."""
    name = "roles" if path[-1] in ("roles", "groups") else "scopes"
    other = "scopes" if name == "roles" else "roles"
    claims = {"kept": 1}
    for part, more in ((path, ["x"]), (("auth", "kept"), 2)):
        place = claims
        for key in part[:-1]:
            place = place.setdefault(key, {})
        place[part[-1]] = more
    if handler == "jwt_payload_handler":
        make = app.jwt.jwt_payload_callback
        app.jwt.jwt_payload_handler(lambda user: {**make(user), **claims})
    else:
        app.jwt.additional_claims_loader(lambda user: claims)
    seen = []
    app.jwt.identity_handler(lambda payload: seen.append(payload) or "joe")

    def is_granted(tokens, expected):
        """Check the access token, and what the guard for refresh tokens reads."""
        assert has_x(claims_of(tokens.access_token)) is expected
        seen.clear()
        for method in ("access_token", "refresh_token"):
            token = getattr(tokens, method)
            with app.test_request_context(headers=bearer(token)):
                verify_jwt_in_request(refresh=method == "refresh_token")
                assert ("x" in getattr(current_grants, name)) is expected
        assert [has_x(payload) for payload in seen] == [expected, expected]

    def has_x(value):
        if isinstance(value, dict):
            return any(map(has_x, value.values()))
        return value in ("x", ["x"])

    for given in ([], ["y"]):
        tokens = start(app, **{name: given})
        is_granted(tokens, expected=False)
        seen.clear()
        tokens = refresh(app, tokens)
        assert not any(map(has_x, seen))
        is_granted(tokens, expected=False)
        present = claims_of(tokens.access_token)
        assert (present["kept"], present["auth"]["kept"]) == (1, 2), "nothing else is removed"

    is_granted(start(app), expected=True)
    is_granted(tokens := start(app, **{other: ["y"]}), expected=True)
    update(app, **{name: []})
    is_granted(tokens := refresh(app, tokens), expected=False)
    update(app)
    is_granted(refresh(app, tokens), expected=True)


def test_a_claim_that_a_path_leads_through_is_removed_if_it_is_no_object():
    class Other:
        """A JSON encoder of the application may make an object of it."""

    sources = GrantClaims(roles=(("roles",), ("a", "roles")))
    for value in (Other(), ["x"], "x", None, {"roles": "x"}):
        kept = replace_grants({"a": value, "b": 1}, {"roles": []}, sources)
        assert kept == {"roles": [], "b": 1} | ({"a": {}} if type(value) is dict else {})


@pytest.mark.parametrize("storage", ["memory://", None])
def test_a_login_without_a_session_replaces_them_too(make_app, storage):
    app = make_app(users=ANYONE, guards=GUARDS, JWT_STORAGE_URI=storage)
    app.jwt.additional_claims_loader(lambda user: {"permissions": ["orders:write"]})
    app.post("/log-in")(lambda: app.jwt.log_in("joe", scopes=[]))
    token = app.test_client().post("/log-in").get_json()["access_token"]
    assert get(app, "/write", token).status_code == 403


@pytest.mark.filterwarnings("ignore:The tokens of the jwt_encode_handler have no sid")
@pytest.mark.parametrize("grants", [{"scopes": []}, {"roles": "staff"}], ids=str)
@pytest.mark.parametrize("storage", ["memory://", None])
@pytest.mark.parametrize("handler", ["grants_loader", "jwt_encode_handler"])
def test_a_handler_that_would_ignore_them_is_an_error(make_app, handler, storage, grants):
    app = make_app(users=ANYONE, guards=GUARDS, JWT_STORAGE_URI=storage)
    app.post("/log-in", endpoint="log-in")(lambda: app.jwt.log_in("joe", **grants))
    app.post("/plain", endpoint="plain")(lambda: app.jwt.log_in("joe"))
    if storage:
        tokens = start(app, roles="a")
    getattr(app.jwt, handler)(
        {"grants_loader": lambda user, claims: Grants(), "jwt_encode_handler": create_access_token}[
            handler
        ]
    )
    app.testing = True
    with pytest.raises(ConfigError, match=f"(?s){handler}.*Drop one of the two"):
        app.test_client().post("/log-in")
    assert app.test_client().post("/plain").status_code == 200
    if storage:
        for function in (start, update):
            with pytest.raises(ConfigError, match=handler):
                function(app, **grants)
        assert update(app) == 2, "those of before can be removed"
        with app.app_context():
            assert app.jwt.sessions.get(tokens.session.sid).grants is None


def test_the_identity_handler_gets_them(shop):
    seen = []
    shop.jwt.identity_handler(lambda payload: seen.append(payload.get("roles")) or "joe")
    tokens = refresh(shop, start(shop, roles="staff"))
    list_allowed(shop, tokens)
    assert len(seen) == 5
    assert all(roles == ["staff"] for roles in seen)


@pytest.mark.parametrize("step", ["refresh", "repeat", "begin"])
def test_the_identity_handler_gets_the_changed_ones(shop, step):
    """What it returns decides the claims of the new access token."""
    shop.jwt.identity_handler(lambda payload: payload.get("roles") or "joe")
    shop.jwt.user_identity_loader(lambda user: "joe")
    shop.jwt.additional_claims_loader(
        lambda user: {"permissions": ["orders:write"] if "admin" in user else []}
    )
    tokens = refresh(shop, start(shop, roles=["admin"]))
    assert list_allowed(shop, tokens) == {"/write"}
    if step == "repeat":
        refresh(shop, tokens)
    update(shop, roles=[])
    if step == "begin":
        with shop.test_request_context():
            pending = shop.jwt.sessions.begin_refresh(tokens.refresh_token)
            tokens = shop.jwt.sessions.complete_refresh(pending)
    else:
        tokens = refresh(shop, tokens)
    assert list_allowed(shop, tokens) == set()
    assert tokens.identity == "joe"


@pytest.mark.parametrize("method", ["refresh", "begin_refresh"])
def test_a_user_who_is_gone_after_the_change(shop, method):
    shop.jwt.identity_handler(lambda payload: "joe" if payload["roles"] else None)
    tokens = start(shop, roles=["staff"])
    update(shop, roles=[])
    with shop.test_request_context():
        with pytest.raises(UserNotFound):
            getattr(shop.jwt.sessions, method)(tokens.refresh_token)
        assert shop.jwt.sessions.get(tokens.session.sid).revoked_at is not None


def test_an_identity_handler_that_fails_uses_no_token_up(make_app):
    app = make_app(users=ANYONE, JWT_STORAGE_URI="memory://", JWT_REFRESH_GRACE=0)
    is_down = True

    def identify(payload):
        if is_down and not payload["roles"]:
            raise RuntimeError("the database is down")
        return "joe"

    app.jwt.identity_handler(identify)
    tokens = start(app, roles=["staff"])
    update(app, roles=[])
    with pytest.raises(RuntimeError, match="down"):
        refresh(app, tokens)
    is_down = False
    assert refresh(app, tokens).session.generation == 1


# Simultaneous changes


def test_no_change_is_lost(app, monkeypatch):
    """A role is taken away while another caller, who has read it, changes the scopes."""
    store = app.extensions["flask-jwt"].sessions.store.store.store
    set_grants, late = store.set_grants, [{"roles": []}]

    def set_late(*args, **kwargs):
        if late:
            update(app, **late.pop())
        return set_grants(*args, **kwargs)

    # Before the first use, because the circuit breaker keeps the method.
    monkeypatch.setattr(store, "set_grants", set_late)
    tokens = start(app, scopes="orders:read", roles="staff")
    assert update(app, scopes="orders:write") == 1
    assert not late
    assert list_allowed(app, refresh(app, tokens)) == {"/write"}


def test_a_session_that_changes_again_and_again(shop, monkeypatch):
    store = shop.extensions["flask-jwt"].sessions.store.store.store
    set_grants = store.set_grants

    def set_late(sid, grants, *, expected):
        other = write_grants({"roles": [secrets.token_hex(4)]})
        assert set_grants(sid, other, expected=store.get(sid).grants)
        return set_grants(sid, grants, expected=expected)

    monkeypatch.setattr(store, "set_grants", set_late)
    start(shop, roles="staff")
    with pytest.raises(StoreUnavailable):
        update(shop, scopes="a")


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_session_that_ends_meanwhile(shop, monkeypatch, is_pruned):
    store = shop.extensions["flask-jwt"].sessions.store.store.store

    def end(sid, grants, *, expected):
        shop.jwt.sessions.revoke(sid)
        if is_pruned:
            monkeypatch.setattr(store, "get", lambda sid: None)
        return False

    monkeypatch.setattr(store, "set_grants", end)
    tokens = start(shop, roles="staff")
    assert update(shop, scopes="a") == 0
    monkeypatch.undo()
    with pytest.raises(TokenRevoked):
        refresh(shop, tokens)


def test_grants_that_are_required_claims(make_app):
    app = make_app(users=ANYONE, JWT_REQUIRED_CLAIMS=["scope"], JWT_STORAGE_URI="memory://")
    assert claims_of(start(app, scopes="a").access_token)["scope"] == "a"
    with pytest.raises(ConfigError, match="missing required claims: scope"):
        start(app)


@pytest.mark.parametrize("storage", ["memory://", None])
@pytest.mark.parametrize("extension", ["native", "extended"])
def test_log_in(make_app, storage, extension):
    rule = "/auth/refresh"  # JWTManager has none by default
    options = {"guards": GUARDS, "JWT_STORAGE_URI": storage, "JWT_REFRESH_URL_RULE": rule}
    if extension == "extended":
        app = make_app(extended.JWTManager, users=False, api=extended, **options)
    else:
        app = make_app(users=ANYONE, **options)

    @app.post("/log-in")
    def log_in():
        return app.jwt.log_in("joe", scopes="orders:write", roles=["staff"])

    body = app.test_client().post("/log-in").get_json()
    assert get(app, "/write", body["access_token"]).status_code == 200
    assert get(app, "/staff", body["access_token"]).status_code == 200
    assert get(app, "/read", body["access_token"]).status_code == 403
    if storage:
        body = app.test_client().post(rule, headers=bearer(body["refresh_token"])).json
        assert get(app, "/staff", body["access_token"]).status_code == 200
        assert get(app, "/read", body["access_token"]).status_code == 403


def test_cookies_are_renewed_with_the_new_grants(pages, browser, clock):
    @pages.get("/staff")
    @jwt_required(roles="staff")
    def staff():
        return "staff"

    @pages.post("/enter")
    def enter():
        return pages.jwt.log_in(pages.users[0], roles="guest")

    browser.post("/enter")
    assert browser.get("/staff").status_code == 403
    clock.tick(400)
    assert browser.get("/staff").status_code == 403
    with pages.app_context():
        pages.jwt.sessions.update_grants(pages.users[0], roles="staff")
    assert browser.get("/staff").status_code == 403, "until the access token expires"
    for _ in range(3):
        clock.tick(400)
        response = browser.get("/staff")
        assert (response.status_code, "Set-Cookie" in response.headers) == (200, True)
        response = browser.get("/staff")
        assert (response.status_code, "Set-Cookie" in response.headers) == (200, False)
    with pages.app_context():
        pages.jwt.sessions.update_grants(pages.users[0], roles=[])
    clock.tick(400)
    assert browser.get("/staff").status_code == 403
    assert browser.get("/page").text.startswith("joe"), "the session goes on"


# Mistakes


@pytest.mark.parametrize("grants", [{"scopes": 5}, {"roles": [1]}, {"scopes": ['a"b']}], ids=str)
@pytest.mark.parametrize("function", [start, update])
def test_invalid_names_change_nothing(shop, grants, function):
    start(shop)
    with pytest.raises((TypeError, ValueError)):
        function(shop, **grants)
    with shop.app_context():
        assert [s.grants for s in shop.jwt.sessions.list("joe")] == [None]


def test_claims_that_the_guard_does_not_read(make_app):
    app = make_app(users=ANYONE, JWT_ROLE_CLAIMS=["groups"], JWT_STORAGE_URI="memory://")
    for function in (start, update):
        with pytest.raises(ConfigError, match="JWT_ROLE_CLAIMS doesn't contain 'roles'"):
            function(app, roles="staff")


class EarlierStore:
    """A custom store with what SessionStore had before sessions had grants of their own."""

    def __init__(self):
        self._store = MemoryStore()

    def __getattr__(self, name):
        if name == "set_grants":
            raise AttributeError(name)
        return getattr(self._store, name)

    def rotate(self, sid, generation, *, now, idle_expires_at, change_id=None, ip=None,
               user_agent=None):  # fmt: skip
        return self._store.rotate(
            sid, generation, now=now, idle_expires_at=idle_expires_at, change_id=change_id
        )


def test_a_custom_store_of_before(make_app):
    app = make_app(users=ANYONE, guards=GUARDS, store=EarlierStore())
    tokens = refresh(app, start(app))
    assert get(app, "/read", tokens.access_token).status_code == 403
    for function in (start, update):
        with pytest.raises(
            ConfigError, match=r"has no method set_grants\(sid, grants, expected=…\)"
        ):
            function(app, roles="staff")
    with app.app_context():
        assert len(app.jwt.sessions.list("joe")) == 1, "the login was rejected"


def test_a_table_without_the_column_is_upgraded(tmp_path):
    uri = f"sqlite:///{tmp_path}/s.db"
    app = make_app(users=ANYONE, clock=time.time, JWT_STORAGE_URI=uri)
    tokens = start(app)
    app.jwt.close(app)
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE jwt_sessions DROP COLUMN grants"))
    engine.dispose()
    with pytest.raises(ConfigError, match="Run: flask jwt sessions upgrade"):
        refresh(app, tokens)
    assert app.test_cli_runner().invoke(jwt_cli, ["sessions", "upgrade"]).exit_code == 0
    tokens = refresh(app, tokens)
    assert update(app, roles="staff") == 1
    assert claims_of(refresh(app, tokens).access_token)["roles"] == ["staff"]
    app.jwt.close(app)


def test_grants_are_not_shown(shop):
    tokens = start(shop, roles="secret-role")
    shown = shop.test_cli_runner().invoke(jwt_cli, ["sessions", "show", tokens.session.sid])
    assert "secret-role" not in shown.output
    assert "secret-role" not in repr(tokens)
