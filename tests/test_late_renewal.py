"""When cookies are renewed: the guard verifies the refresh cookie, the last hook of the response
rotates the session.

So a refresh token is used up only by a response that brings the browser the next one.
"""

from __future__ import annotations

import io
import logging
import threading

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    after_this_request,
    redirect,
    render_template_string,
    request,
    send_file,
)

import flask_jwt
from flask_jwt import jwt_required, signals, verify_jwt_in_request
from flask_jwt._sessions import circuit_breaker
from flask_jwt.errors import StoreUnavailable
from flask_jwt.extended import JWTManager
from flask_jwt.extended import jwt_required as extended_jwt_required
from flask_jwt.stores.memory import MemoryStore
from tests.support import Browser, claims_of, code, heard, make_app

GRACE = 30
ACCESS_LIFETIME = 400
"""Seconds after which an access cookie has expired."""


def generation(app):
    """Return the generation of the only session."""
    with app.app_context():
        return [session.generation for session in app.jwt.sessions.list(1)]


@pytest.fixture
def expire(clock):
    """Return a browser whose access cookie has expired; the application has its views by then."""

    def expire(app):
        browser = Browser(app)
        browser.sign_in()
        clock.tick(ACCESS_LIFETIME)
        return browser

    return expire


def assert_renewed(app, browser, before):
    """Assert that the session was rotated, and that the browser has got the new tokens."""
    assert browser.cookies["refresh_token_cookie"] != before["refresh_token_cookie"]
    assert browser.cookies["access_token_cookie"] != before["access_token_cookie"]
    assert generation(app) == [1]


def assert_untouched(app, browser, before):
    """Assert that the cookies are unchanged, and the session not rotated."""
    assert browser.cookies == before
    assert generation(app) == [0]


# What a response may be


def stream():
    yield "a"
    yield "b"


def fail():
    raise ZeroDivisionError


RESPONSES = {
    "text": (lambda: "ok", 200),
    "redirect": (lambda: redirect("/elsewhere"), 302),
    "stream": (lambda: Response(stream()), 200),
    "file": (lambda: send_file(io.BytesIO(b"file"), "text/plain"), 200),
    "304": (lambda: Response(status=304), 304),
    "204": (lambda: ("", 204), 204),
    "404": (lambda: ("none", 404), 404),
    "500": (fail, 500),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", RESPONSES)
def test_every_response_brings_the_new_cookies(pages, expire, name, method):
    view, status = RESPONSES[name]
    pages.add_url_rule("/view", "view", jwt_required()(view))
    expired = expire(pages)
    before = expired.cookies
    response = expired.open("/view", method=method)
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    assert_renewed(pages, expired, before)


def test_no_response_no_rotation(pages, expire):
    pages.config["PROPAGATE_EXCEPTIONS"] = True
    pages.add_url_rule("/view", "view", jwt_required()(fail))
    expired = expire(pages)
    before = expired.cookies
    with pytest.raises(ZeroDivisionError):
        expired.get("/view")
    assert_untouched(pages, expired, before)


# Hooks of the program


def another_response(response):
    return Response("another") if request.path == "/view" else response


def cleared_headers(response):
    if request.path == "/view":
        response.headers.clear()
    return response


@pytest.mark.parametrize("hook", [another_response, cleared_headers])
@pytest.mark.parametrize("scope", ["after_request", "after_this_request", "blueprint", "early"])
def test_a_hook_can_not_drop_the_cookies(make_app, clock, hook, scope):
    app = Flask("early")
    if scope == "early":  # registered before the extension
        app.after_request(hook)
    app = make_app(
        flask=lambda name: app,
        guards={},
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_STORAGE_URI="memory://",
    )
    if scope == "after_request":
        app.after_request(hook)
    site = Blueprint("site", "site")
    if scope == "blueprint":
        site.after_request(hook)

    @site.get("/view")
    @jwt_required()
    def view():
        if scope == "after_this_request":
            after_this_request(hook)
        return "view"

    app.register_blueprint(site)
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    browser.get("/view")
    assert_renewed(app, browser, before)
    clock.tick(ACCESS_LIFETIME)
    assert browser.get("/view").status_code == 200, "the browser holds the current token"


def test_a_hook_that_raises_uses_up_no_token(pages, expire):
    @pages.after_request
    def fail_always(response):
        if request.path == "/page":
            raise ZeroDivisionError
        return response

    expired = expire(pages)
    before = expired.cookies
    assert expired.get("/page").status_code == 500
    assert_untouched(pages, expired, before)


def test_a_hook_that_raises_once(pages, expire):
    failures = [ZeroDivisionError]

    @pages.after_request
    def fail_once(response):
        if failures and request.path == "/page":
            raise failures.pop()
        return response

    expired = expire(pages)
    before = expired.cookies
    assert expired.get("/page").status_code == 500
    assert_renewed(pages, expired, before)


def test_a_session_interface_that_raises_once(pages, expire):
    """Flask saves its session after the last hook, so the hook runs again for the 500."""
    failures = [ZeroDivisionError]

    class Interface(type(pages.session_interface)):
        def save_session(self, *args):
            if failures and request.path == "/page":
                raise failures.pop()

    pages.session_interface = Interface()
    expired = expire(pages)
    before = expired.cookies
    assert expired.get("/page").status_code == 500
    assert_renewed(pages, expired, before)


def test_a_receiver_that_raises_does_not_cost_the_cookies(pages, expire, caplog):
    def receive(sender, **arguments):
        raise ZeroDivisionError

    expired = expire(pages)
    before = expired.cookies
    with signals.session_refreshed.connected_to(receive, pages):
        assert expired.get("/page").status_code == 200
    assert_renewed(pages, expired, before)
    assert "session_refreshed" in caplog.text


# Requests whose response never reaches the browser

HANDSHAKES = {
    "simple-websocket": {
        "environ_base": {"werkzeug.socket": object()},
        "headers": {"Upgrade": "websocket", "Connection": "Upgrade"},
    },
    "upper case": {"headers": {"Upgrade": "WebSocket", "Connection": "upgrade"}},
    "a list": {"headers": {"Upgrade": "h2c, websocket"}},
    "gevent": {"environ_overrides": {"wsgi.websocket": object()}},
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_websocket_handshake_rotates_nothing(pages, expire, clock, name):
    # Werkzeug routes a complete handshake only to such a rule.
    is_complete = "Connection" in HANDSHAKES[name].get("headers", {})
    view = jwt_required()(flask_jwt.get_jwt_identity)
    pages.add_url_rule("/socket", "socket", lambda: str(view()), websocket=is_complete)
    expired = expire(pages)
    before = expired.cookies
    response = expired.get("/socket", **HANDSHAKES[name])
    assert (response.status_code, response.text) == (200, "1")
    assert_untouched(pages, expired, before)
    clock.tick(GRACE + 1)
    assert expired.get("/page").status_code == 200


def test_an_ordinary_upgrade_is_no_handshake(pages, expire):
    expired = expire(pages)
    before = expired.cookies
    expired.get("/page", headers={"Upgrade": "h2c"})
    assert_renewed(pages, expired, before)


def test_a_request_context_without_a_response_rotates_nothing(pages, expire):
    """As Flask-SocketIO makes one for each event."""
    expired = expire(pages)
    before = expired.cookies
    header = "; ".join(f"{name}={value}" for name, value in before.items())
    with pages.test_request_context("/page", headers={"Cookie": header}):
        verify_jwt_in_request()
        assert flask_jwt.get_jwt_identity() == 1
    assert_untouched(pages, expired, before)


@pytest.mark.parametrize("profile", ["flask_jwt", "extended"])
@pytest.mark.parametrize("how", ["decorator", "function"])
def test_renew_false_judges_and_never_rotates(make_app, clock, profile, how):
    is_extended = profile == "extended"
    extension = JWTManager if is_extended else flask_jwt.JWT
    verify = flask_jwt.extended.verify_jwt_in_request if is_extended else verify_jwt_in_request
    required = extended_jwt_required if is_extended else jwt_required
    app = make_app(
        extension,
        users=False,
        guards={},
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_STORAGE_URI="memory://",
        JWT_COOKIE_SECURE=True,
        JWT_REFRESH_COOKIE_PATH="/",
        JWT_ACCESS_COOKIE_PATH="/",
    )

    @app.get("/log-in")
    def log_in():
        return app.jwt.log_in("1")

    if how == "decorator":
        app.add_url_rule("/ask", "ask", required(renew=False)(lambda: "yes"))
    else:
        app.add_url_rule("/ask", "ask", lambda: (verify(renew=False), "yes")[1])
    app.add_url_rule("/view", "view", required()(lambda: "yes"))

    browser = Browser(app)
    browser.get("/log-in")
    clock.tick(1000)
    before = browser.cookies
    assert len(before) == 4
    for _ in range(3):
        response = browser.get("/ask")
        assert (response.status_code, "Set-Cookie" in response.headers) == (200, False)
        clock.tick(GRACE + 1)
    assert browser.cookies == before
    assert browser.get("/view").status_code == 200
    assert browser.cookies["refresh_token_cookie"] != before["refresh_token_cookie"]


def test_renew_false_rejects_an_ended_session(pages, expire):
    pages.add_url_rule("/ask", "ask", jwt_required(renew=False)(lambda: "yes"))
    expired = expire(pages)
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    assert code(expired.get("/ask", accept="*/*")) == (401, "token_revoked")


# One request, one access token, one rotation


def before_request(app):
    @app.before_request
    def verify():
        if request.endpoint == "jti":
            verify_jwt_in_request()

    return lambda view: view


def guard_in_guard(app):
    return lambda view: jwt_required()(jwt_required()(view))


def call_in_view(app):
    def decorate(view):
        def view_of_several():
            verify_jwt_in_request(renew=False)
            verify_jwt_in_request()
            return view()

        return view_of_several

    return decorate


def optional_first(app):
    return lambda view: jwt_required(optional=True)(jwt_required()(view))


@pytest.mark.parametrize("grace", [0, GRACE])
@pytest.mark.parametrize("guards", [before_request, guard_in_guard, call_in_view, optional_first])
def test_all_guards_of_a_request_share_one_access_token(make_pages, clock, guards, grace):
    app = make_pages(JWT_REFRESH_GRACE=grace)
    app.add_url_rule("/jti", "jti", guards(app)(lambda: flask_jwt.get_jwt()["jti"]))
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    with heard(app, "session_refreshed") as events:
        response = browser.get("/jti")
    assert response.text == claims_of(browser.cookies["access_token_cookie"])["jti"]
    assert_renewed(app, browser, before)
    assert len(events) == 1


def test_the_default_guard_and_a_guard(make_pages, clock):
    app = make_pages(JWT_REQUIRED_BY_DEFAULT=True, JWT_REFRESH_GRACE=0)
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    assert browser.get("/page").status_code == 200
    assert_renewed(app, browser, before)


@pytest.mark.parametrize("guard", [{}, {"optional": True}])
def test_a_refresh_after_a_guard_rotates_once(make_pages, clock, guard):
    app = make_pages(JWT_REFRESH_GRACE=0)
    app.before_request(lambda: verify_jwt_in_request(**guard) if guard else None)
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    assert browser.post("/auth/refresh", accept="*/*").status_code == 204
    assert_renewed(app, browser, before)


def test_a_guard_for_refresh_tokens_accepts_the_cookie_of_a_pending_renewal(make_pages, clock):
    app = make_pages(JWT_REFRESH_GRACE=0)
    app.add_url_rule("/both", "both", jwt_required()(jwt_required(refresh=True)(lambda: "both")))
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    assert browser.get("/both").text == "both"


@pytest.mark.parametrize("extension", [flask_jwt.JWT, JWTManager])
def test_a_form_belongs_to_the_cookie_that_the_response_brings(clock, extension):
    app = make_app(
        extension,
        users=False,
        clock=clock,
        guards={},
        JWT_TOKEN_LOCATION=["cookies"],
        JWT_STORAGE_URI="memory://",
        JWT_COOKIE_SECURE=True,
        JWT_CSRF_CHECK_FORM=True,
    )
    app.add_url_rule("/log-in", "log_in", lambda: app.jwt.log_in("1"))

    @app.route("/form", methods=["GET", "POST"])
    @jwt_required()
    def form():
        return render_template_string("{{ jwt_csrf_field() }}")

    browser = Browser(app)
    browser.get("/log-in")
    clock.tick(1000)
    field = browser.get("/form").text
    value = field.partition('value="')[2].partition('"')[0]
    with app.app_context():
        token = browser.cookies["access_token_cookie"]
        assert flask_jwt.get_csrf_token(token) == value
    assert browser.post("/form", data={"csrf_token": value}, site=None).status_code == 200


# What else may happen between the guard and the response


def test_a_login_in_the_view_is_newer(pages, expire, clock):
    pages.add_url_rule("/again", "again", jwt_required()(lambda: pages.jwt.log_in(pages.users[0])))
    expired = expire(pages)
    before = expired.cookies
    lines = expired.get("/again").headers.getlist("Set-Cookie")
    names = [line.partition("=")[0] for line in lines]
    assert len(names) == len(set(names)) == 4, "no cookie is set twice"
    sid = claims_of(before["access_token_cookie"])["sid"]
    assert claims_of(expired.cookies["access_token_cookie"])["sid"] != sid
    clock.tick(ACCESS_LIFETIME)
    assert expired.get("/page").status_code == 200


@pytest.mark.parametrize("path", ["/auth/logout", "/out"])
def test_a_logout_in_the_view_is_newer(pages, expire, path):
    @pages.post("/out")
    @jwt_required()
    def out():
        response = pages.make_response("out")
        flask_jwt.unset_jwt_cookies(response)
        return response

    expired = expire(pages)
    assert expired.post(path).status_code in (200, 303)
    assert not expired.cookies


def test_a_session_that_the_view_revokes_loses_its_cookies(pages, expire):
    @pages.get("/revoke")
    @jwt_required()
    def revoke():
        pages.jwt.sessions.revoke(flask_jwt.get_jwt()["sid"])
        return "revoked"

    expired = expire(pages)
    assert expired.get("/revoke").text == "revoked"
    assert not expired.cookies


def test_a_login_page_with_an_ended_session_keeps_the_new_cookies(pages, browser, clock):
    """The guard has found the old session ended; the view logs in."""
    pages.add_url_rule(
        "/again", "again", jwt_required(optional=True)(lambda: pages.jwt.log_in(pages.users[0]))
    )
    browser.sign_in()
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    browser.get("/again")
    assert len(browser.cookies) == 4
    assert browser.get("/page").status_code == 200


@pytest.mark.parametrize("grace", [0, GRACE])
@pytest.mark.parametrize("seconds", [0, GRACE, GRACE + 5])
def test_a_rotation_that_another_tab_has_won(make_pages, clock, grace, seconds):
    app = make_pages(JWT_REFRESH_GRACE=grace)
    browser = Browser(app)
    tabs = []

    @app.get("/slow")
    @jwt_required()
    def slow():
        tabs.append(browser.copy())
        assert tabs[0].get("/page").status_code == 200
        clock.tick(seconds)
        return "slow"

    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    with heard(app, "refresh_token_reused", "session_revoked") as events:
        response = browser.get("/slow")
    assert (response.status_code, events) == (200, [])
    assert generation(app) == [1]
    other = tabs[0]
    if seconds <= grace and grace > 0:
        token = other.cookies["refresh_token_cookie"]
        assert browser.cookies["refresh_token_cookie"] == token
        assert browser.cookies["access_token_cookie"] != before["access_token_cookie"]
    else:
        assert "Set-Cookie" not in response.headers
    # The tabs of one browser share its cookies.
    clock.tick(ACCESS_LIFETIME)
    assert other.get("/page").status_code == 200


def test_a_slow_view_while_another_tab_renews_twice(pages, expire, clock):
    @pages.get("/slow")
    @jwt_required()
    def slow():
        tab = expired.copy()
        for _ in range(2):
            assert tab.get("/page").status_code == 200
            clock.tick(ACCESS_LIFETIME)
        return "slow"

    expired = expire(pages)
    with heard(pages, "refresh_token_reused") as events:
        response = expired.get("/slow")
    assert (response.status_code, "Set-Cookie" in response.headers, events) == (200, False, [])


def test_a_token_that_was_replaced_during_the_grace_period_brings_the_present_ones(
    pages, expire, clock
):
    expired = expire(pages)
    other = expired.copy()
    other.get("/page")
    clock.tick(GRACE)
    assert expired.get("/page").status_code == 200
    token = other.cookies["refresh_token_cookie"]
    assert expired.cookies["refresh_token_cookie"] == token
    assert generation(pages) == [1]


def test_a_reused_token_ends_the_session_before_the_view(pages, expire, clock):
    called = []
    pages.add_url_rule("/view", "view", jwt_required()(lambda: called.append(1) or "ok"))
    expired = expire(pages)
    thief = expired.copy()
    expired.get("/page")
    clock.tick(GRACE + 1)
    with heard(pages, "refresh_token_reused") as events:
        assert code(thief.get("/view", accept="*/*")) == (401, "refresh_reused")
    assert (len(events), called) == (1, [])
    assert not thief.cookies


def test_a_request_within_a_view(pages, expire):
    """The inner request renews the cookies first; the outer one then brings the same tokens."""

    @pages.get("/outer")
    @jwt_required()
    def outer():
        inner = expired.copy()
        inner.get("/page")
        return inner.cookies["refresh_token_cookie"]

    expired = expire(pages)
    before = expired.cookies
    response = expired.get("/outer")
    assert expired.cookies["refresh_token_cookie"] == response.text
    assert_renewed(pages, expired, before)


def test_ten_tabs_at_the_same_time(pages, expire):
    """All ten are verified before the first one rotates."""
    barrier = threading.Barrier(10)

    @pages.get("/tab")
    @jwt_required()
    def tab():
        barrier.wait(10)
        return "tab"

    expired = expire(pages)
    tabs = [expired.copy() for _ in range(10)]
    statuses = []
    threads = [
        threading.Thread(target=lambda each=each: statuses.append(each.get("/tab").status_code))
        for each in tabs
    ]
    with heard(pages, "session_refreshed", "refresh_token_reused") as events:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 10
    assert [name for name, _ in events] == ["session_refreshed"]
    assert len({each.cookies["refresh_token_cookie"] for each in tabs}) == 1


class Dying(MemoryStore):
    """A store that fails at one operation."""

    error = None

    def rotate(self, *args, **kwargs):
        if self.error is not None:
            raise self.error
        return super().rotate(*args, **kwargs)


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("broken")], ids=["down", "bug"])
def test_a_store_that_dies_after_the_guard_costs_no_response(
    make_pages, clock, caplog, monkeypatch, error
):
    monkeypatch.setattr(circuit_breaker, "FAIL_FAST_FOR", 0)
    store = Dying()
    app = make_pages(store=store)
    browser = Browser(app)
    browser.sign_in()
    clock.tick(ACCESS_LIFETIME)
    before = browser.cookies
    store.error = error
    with caplog.at_level(logging.WARNING, "flask_jwt"):
        response = browser.get("/page")
    assert (response.status_code, "Set-Cookie" in response.headers) == (200, False)
    assert "cookies" in caplog.text
    store.error = None
    clock.tick(GRACE + 1)
    assert_untouched(app, browser, before)
    assert browser.get("/page").status_code == 200
    assert_renewed(app, browser, before)
