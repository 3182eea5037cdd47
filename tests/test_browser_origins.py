"""Origins in Chromium: a page on a sibling domain, a websocket, plain HTTP, and what cookies it keeps.

The applications are served by threads of this process.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from flask import Flask, make_response, request
from flask_cors import CORS
from werkzeug.serving import make_server

from flask_jwt import JWT, jwt_required
from flask_jwt.extended import JWTManager
from tests.browsers import launched
from tests.support import ANYONE, make_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def chromium():
    with launched("--test-third-party-cookie-phaseout") as browser:
        yield browser


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@contextmanager
def served(app, address="127.0.0.1"):
    """Serve an application, and give its port."""
    server = make_server(address, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=[JWT, JWTManager])
def extension(request):
    return request.param


@pytest.fixture
def site(extension):
    """An API on api.shop.localhost, and pages that any host serves, on another port.

    Flask-CORS allows scripts of two siblings to read responses; one of them is a trusted origin.
    """
    pages = Flask("pages")
    pages.add_url_rule("/", "index", lambda: "a page")
    pages.add_url_rule("/frame", "frame", lambda: f"<iframe src='{request.args['src']}'></iframe>")
    with ExitStack() as stack:
        page_port = stack.enter_context(served(pages))
        trusted, other = (f"http://{name}.shop.localhost:{page_port}" for name in ("app", "other"))
        app = make_app(
            extension, users=ANYONE, guards={"/protected": {}}, TESTING=True,
            JWT_AUTH_URL_RULE="/auth", JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=True,
            JWT_STORAGE_URI="memory://", JWT_CSRF_TRUSTED_ORIGINS=[trusted],
        )  # fmt: skip
        CORS(
            app, origins=[trusted, other], supports_credentials=True,
            allow_headers=["Content-Type", "X-CSRF-TOKEN"],
        )  # fmt: skip
        sockets = []

        @app.route("/socket", websocket=True)
        @jwt_required()
        def socket():
            sockets.append(request.headers.get("Origin"))
            return "no socket"

        @app.get("/own")
        def own():
            return "own"

        app.url = f"http://api.shop.localhost:{stack.enter_context(served(app))}"
        yield SimpleNamespace(
            app=app, url=app.url, trusted=trusted, other=other, sockets=sockets,
            page_port=page_port,
        )  # fmt: skip


FETCH = """async ([url, options]) => {
    const response = await fetch(url, {credentials: "include", ...options});
    return [response.status, await response.text()];
}"""


def fetch(page, url, **options):
    status, body = page.evaluate(FETCH, [url, {"method": "POST", **options}])
    return status, body


def log_in(page, site):
    """Log in by a script of the trusted origin, and return the CSRF value that it gets."""
    page.goto(site.trusted)
    options = {
        "headers": {"Content-Type": "application/json"},
        "body": '{"username": "joe", "password": "pass"}',
    }
    status, _ = fetch(page, f"{site.url}/auth", **options)
    assert status == 200
    return page.evaluate(
        """async ([url, options]) => (await (await fetch(url, options)).json()).csrf_token""",
        [f"{site.url}/auth", {"method": "POST", "credentials": "include", **options}],
    )


def test_a_page_on_a_trusted_sibling_domain_posts_and_another_does_not(page, site, extension):
    value = log_in(page, site)
    assert fetch(page, f"{site.url}/protected") == (200, '{"user":"joe"}\n')
    assert fetch(page, f"{site.url}/protected", method="DELETE")[0] == 200
    assert fetch(page, f"{site.url}/auth/refresh")[0] == 200
    assert "csrf_access_token" not in page.evaluate("document.cookie")
    rejected = 403 if extension is JWT else 401
    page.goto(site.other)
    assert fetch(page, f"{site.url}/protected")[0] == rejected
    assert fetch(page, f"{site.url}/protected", method="DELETE")[0] == rejected
    assert fetch(page, f"{site.url}/auth/refresh")[0] == rejected
    # The cookies were sent, so only the origin made the difference.
    assert fetch(page, f"{site.url}/protected", method="GET")[0] == 200
    headers = {"X-CSRF-TOKEN": value}
    assert fetch(page, f"{site.url}/protected", headers=headers)[0] == 200


def test_a_form_on_a_sibling_domain_that_is_not_trusted(page, site, extension):
    log_in(page, site)
    for origin, status in (site.trusted, 200), (site.other, 403 if extension is JWT else 401):
        page.goto(origin)
        page.set_content(f"<form method=post action='{site.url}/protected'><button>go</button>")
        with page.expect_navigation() as navigation:
            page.click("button")
        assert navigation.value.status == status


OPEN_SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onerror = socket.onclose = () => done();
})"""


def test_a_websocket_from_a_foreign_origin_is_rejected(page, site):
    log_in(page, site)
    url = site.url.replace("http", "ws") + "/socket"
    own = site.url
    for origin in site.other, site.trusted, f"{own}/own":
        page.goto(origin)
        page.evaluate(OPEN_SOCKET, url)
    assert site.sockets == [site.trusted, own]


def test_a_secure_cookie_on_a_second_loopback_address_is_logged(page, extension, caplog):
    app = make_app(
        extension, users=ANYONE, guards={"/protected": {}}, TESTING=True, JWT_AUTH_URL_RULE="/auth",
        JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=True,
    )  # fmt: skip
    form = (
        "<form method=post action=/auth><input name=username value=joe>"
        "<input name=password value=pass><button>go</button></form>"
    )
    app.add_url_rule("/log-in", "log_in", lambda: form)
    with served(app, "0.0.0.0") as port:
        for host, is_logged in ("localhost", False), ("127.0.0.2", True):
            page.goto(f"http://{host}:{port}/log-in")
            with page.expect_navigation():
                page.click("button")
            found = [r for r in caplog.records if "ProxyFix" in r.message]
            assert len(found) == is_logged
    assert found[0].levelno == logging.WARNING


@pytest.mark.parametrize(("size", "is_kept"), [(4096, True), (4097, False)])
def test_the_largest_cookie(page, size, is_kept):
    app = Flask("sizes")
    app.config["MAX_COOKIE_SIZE"] = 0  # Werkzeug warns of large ones

    @app.get("/")
    def index():
        response = make_response("")
        response.set_cookie("access_token_cookie", "x" * (size - len("access_token_cookie")))
        return response

    with served(app) as port:
        page.goto(f"http://localhost:{port}/")
        assert bool(page.context.cookies()) == is_kept


@pytest.mark.parametrize("is_partitioned", [True, False])
def test_a_partitioned_cookie_in_a_frame_of_another_site(page, site, is_partitioned):
    site.app.config.update(JWT_COOKIE_PARTITIONED=is_partitioned, JWT_COOKIE_SAMESITE="None")
    page.goto(f"http://127.0.0.1:{site.page_port}/frame?src={site.url}/own")
    frame = page.frames[1]
    frame.wait_for_load_state()
    body = "username=joe&password=pass"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert fetch(frame, "/auth", headers=headers, body=body)[0] in (200, 204)
    status, _ = fetch(frame, "/protected")
    assert status == (200 if is_partitioned else 401)
    assert fetch(frame, "/auth/logout")[0] == (200 if is_partitioned else 401)
    assert page.context.cookies() == []
