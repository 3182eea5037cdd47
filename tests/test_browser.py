"""examples/store in a browser: Chromium, driven by Playwright.

Screenshots of the pages are kept in artifacts/screenshots/.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex

import httpx
import jwt
import pytest

from tests.browsers import ARGUMENTS, CHROMIUM, api, launched, stop_motion
from tests.store_server import SECRET, served
from tests.support import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SCREENSHOTS = ROOT / "artifacts" / "screenshots"
PASSWORD = f"correct horse {token_hex(8)}"
WRONG_PASSWORD = f"wrong horse {token_hex(8)}"
NEW_PASSWORD = f"new horse {token_hex(8)}"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"

# The store with its debug log on stderr and each page in a file.
WATCHED = """
import logging
from pathlib import Path

from app import create_app

logging.basicConfig(level="DEBUG")
logging.getLogger("sqlalchemy.engine").setLevel("DEBUG")  # each statement, and what goes into it
app = create_app()

@app.after_request
def keep(response):
    if response.mimetype == "text/html":
        with Path(__file__).with_name("pages").open("a") as pages:
            pages.write(response.get_data(as_text=True))
    return response
"""


@contextmanager
def watched(folder, **settings):
    """Serve the store, and give its URL; its log, its pages and its sessions are in *folder*."""
    (folder / "watched_store.py").write_text(WATCHED)
    arguments = ["--threads", "8", "--log-level", "debug", "--access-logfile", "-"]
    arguments += ["--pythonpath", str(folder), "watched_store:app"]
    settings["DATABASE_URL"] = f"sqlite:///{folder}/store.db"
    settings["SESSIONS_URL"] = f"sqlite:///{folder}/sessions.db"
    with served(folder / "log", *arguments, **settings) as url:
        yield url
    assert "Traceback" not in (folder / "log").read_text()
    assert_no_secrets(folder)


def assert_no_secrets(folder):
    """Assert that no page and no line of the log shows a password, a token or the key."""
    for name in "pages", "log":
        text = (folder / name).read_text()
        for secret in PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, SECRET:
            assert secret not in text, f"{name} shows a secret"
        assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", text), f"{name} shows a token"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(folder):
    with watched(folder) as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    with launched() as browser:
        yield browser


@contextmanager
def device(chromium, **options):
    """Open a page in another browser. Chromium must report no violation of the CSP."""
    context = chromium.new_context(**options)
    messages = []
    context.on("console", lambda message: messages.append(message.text))
    try:
        yield context.new_page()
    finally:
        context.close()
    assert not [text for text in messages if "Content Security Policy" in text]


@pytest.fixture
def page(chromium):
    with device(chromium) as page:
        yield page


@pytest.fixture
def phone(chromium):
    with device(chromium, user_agent=IPHONE) as page:
        yield page


def fill_in(page, username, password, button):
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name=button).click()


def sign_up(page, store):
    username = f"ann-{token_hex(4)}"
    page.goto(f"{store}/sign-up")
    fill_in(page, username, PASSWORD, "Sign up")
    assert_on(page, "Items")
    return username


def sign_in(page, store, username, password=PASSWORD):
    page.goto(f"{store}/sign-in")
    fill_in(page, username, password, "Sign in")


def assert_on(page, title):
    api.expect(page.get_by_role("heading", level=1)).to_have_text(title)


def assert_signed_in(page, store, is_signed_in=True):
    page.goto(store)
    assert_on(page, "Items" if is_signed_in else "Sign in")


def cookie(page, name):
    (cookie,) = (cookie for cookie in page.context.cookies() if cookie["name"] == name)
    assert cookie["secure"]
    assert cookie["httpOnly"]
    return cookie["value"]


def claims(page, name="access_token_cookie"):
    return jwt.decode(cookie(page, name), options={"verify_signature": False})


def expire(page):
    """Let the access token in a browser be as it is an hour later, whatever this machine's speed."""
    (kept,) = (c for c in page.context.cookies() if c["name"] == "access_token_cookie")
    earlier = {name: claims(page)[name] - 3600 for name in ("iat", "nbf", "exp")}
    header = jwt.get_unverified_header(kept["value"])
    token = jwt.encode({**claims(page), **earlier}, SECRET, headers=header)
    page.context.add_cookies([{**kept, "value": token}])


def session_row(folder, sid):
    with closing(sqlite3.connect(folder / "sessions.db")) as database:
        database.row_factory = sqlite3.Row
        query = "SELECT * FROM jwt_sessions WHERE sid = ?"
        return database.execute(query, [sid]).fetchone()


# -- signing up, in and out --


def test_a_user_signs_up_out_and_in(page, store):
    page.goto(f"{store}/devices")
    assert_on(page, "Sign in")
    page.get_by_role("link", name="Sign up").click()
    username = f"ann-{token_hex(4)}"
    fill_in(page, username, PASSWORD, "Sign up")
    assert_on(page, "Your devices")  # where the way to the sign-in page began
    api.expect(page.get_by_role("banner")).to_contain_text(username)

    page.get_by_role("button", name="Sign out", exact=True).click()
    api.expect(page.get_by_role("status")).to_have_text("You are signed out.")
    assert_on(page, "Sign in")
    assert page.context.cookies() == []
    page.go_back()
    assert_on(page, "Sign in")

    fill_in(page, username, WRONG_PASSWORD, "Sign in")
    problem = page.get_by_role("alert")
    api.expect(problem).to_have_text("This user name and password don't match.")
    assert page.get_by_label("User name").input_value() == username
    assert page.get_by_label("Password").input_value() == ""
    fill_in(page, username, PASSWORD, "Sign in")
    assert_on(page, "Your devices")
    assert_signed_in(page, store)


def test_a_name_is_taken_once(page, phone, store):
    username = sign_up(page, store)
    phone.goto(f"{store}/sign-up")
    fill_in(phone, username, PASSWORD, "Sign up")
    api.expect(phone.get_by_role("alert")).to_have_text("This username is taken.")
    assert_signed_in(phone, store, False)


def test_items_are_added_and_removed(page, store):
    sign_up(page, store)
    name = f"<b>chair</b> & 椅 {token_hex(4)}"

    def add():
        page.get_by_label("Name").fill(name)
        page.get_by_label("Price").fill("12.5")
        page.get_by_role("button", name="Add", exact=True).click()

    add()
    row = page.get_by_role("row").filter(has_text=name)
    api.expect(row.get_by_role("cell").first).to_have_text("$12.50")
    add()
    problem = page.get_by_role("alert")
    api.expect(problem).to_have_text("There already is an item with this name.")
    row.get_by_role("link", name=f"Remove {name}").click()
    assert_on(page, f"Remove {name}?")
    page.get_by_role("link", name="Cancel").click()
    row.get_by_role("link", name=f"Remove {name}").click()
    page.get_by_role("main").get_by_role("button", name="Remove").click()
    api.expect(page.get_by_role("status")).to_have_text("The item was removed.")
    api.expect(row).to_have_count(0)


def test_the_field_that_was_wrong_has_the_focus(page, store):
    page.goto(f"{store}/sign-in")
    fill_in(page, "nobody", WRONG_PASSWORD, "Sign in")
    password = page.get_by_label("Password")
    api.expect(password).to_be_focused()
    api.expect(password).to_have_attribute("aria-invalid", "true")
    api.expect(password).to_have_accessible_description("This user name and password don't match.")
    api.expect(page.get_by_label("User name")).not_to_have_attribute("aria-invalid", "true")


def confirm(page, verb):
    """Press the button of a page that asks whether to do it."""
    api.expect(page.get_by_role("link", name="Cancel")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name=verb).click()


def test_a_changed_password_signs_the_other_devices_out(page, phone, store):
    username = sign_up(phone, store)
    sign_in(page, store, username)
    page.get_by_role("link", name="Account").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    api.expect(page.get_by_role("status")).to_contain_text("Your password was changed")
    assert_signed_in(page, store)
    assert_signed_in(phone, store, False)
    api.expect(phone.get_by_role("alert")).to_have_text("You were signed out from another device.")
    fill_in(phone, username, PASSWORD, "Sign in")
    api.expect(phone.get_by_role("alert")).to_be_visible()
    fill_in(phone, username, NEW_PASSWORD, "Sign in")
    assert_on(phone, "Items")


# -- staying signed in --


@pytest.mark.slow
def test_ten_tabs_refresh_at_once_and_stay_signed_in(chromium, tmp_path):
    with watched(tmp_path) as store, device(chromium) as first:
        sign_up(first, store)
        tabs = [first, *(first.context.new_page() for _ in range(9))]
        for number, tab in enumerate(tabs):
            tab.goto(f"{store}/?tab={number}")
        before = session_row(tmp_path, claims(first)["sid"])
        expire(first)
        old = cookie(first, "access_token_cookie")
        with ExitStack() as all_loaded:
            for tab in tabs:
                all_loaded.enter_context(tab.expect_navigation())
            for tab in tabs:
                tab.evaluate("() => { setTimeout(() => location.reload()) }")
        for tab in tabs:
            assert_on(tab, "Items")
        assert cookie(first, "access_token_cookie") != old
        after = session_row(tmp_path, before["sid"])
        assert after["generation"] == before["generation"] + 1
        assert after["revoked_at"] is None


@pytest.mark.slow
def test_replaying_a_stolen_refresh_cookie_ends_the_session(chromium, tmp_path):
    with (
        watched(tmp_path, FLASK_JWT_REFRESH_GRACE="1") as store,
        device(chromium) as victim,
        device(chromium) as thief,
    ):
        sign_up(victim, store)
        sid = claims(victim)["sid"]
        thief.context.add_cookies(victim.context.cookies())
        assert_signed_in(thief, store)  # like the original, until either is renewed
        expire(victim)
        expire(thief)
        assert_signed_in(victim, store)
        assert claims(victim, "refresh_token_cookie")["gen"] == 1
        time.sleep(1.1)  # the grace period
        assert_signed_in(thief, store, False)
        api.expect(thief.get_by_role("alert")).to_contain_text("Somebody used a copy")
        assert thief.context.cookies() == []
        assert session_row(tmp_path, sid)["revoked_at"]
        assert_signed_in(victim, store, False)


# -- your devices --


def test_one_device_signs_out_another(page, phone, store):
    username = sign_up(phone, store)
    sign_in(page, store, username)
    page.get_by_role("link", name="Devices").click()
    devices = page.get_by_role("main").get_by_role("listitem")
    api.expect(devices).to_have_count(2)
    api.expect(devices.first.get_by_role("heading")).to_have_text(re.compile("This device"))
    other = devices.last
    api.expect(other.get_by_role("heading")).to_have_text("Safari on iPhone")

    other.get_by_text("Rename").click()
    other.get_by_label("Name of this device").fill("Ann's phone")
    other.get_by_role("button", name="Save").click()
    api.expect(other.get_by_role("heading")).to_have_text("Ann's phone")
    api.expect(other).to_contain_text("Safari on iPhone")

    other.get_by_role("link", name="Sign out Ann's phone").click()
    assert_on(page, "Sign out Ann's phone?")
    confirm(page, "Sign out")
    api.expect(devices).to_have_count(1)
    assert_signed_in(phone, store, False)
    api.expect(phone.get_by_role("alert")).to_have_text("You were signed out from another device.")
    assert_signed_in(page, store)


def test_a_device_signs_out_the_others(page, phone, store):
    username = sign_up(phone, store)
    sign_in(page, store, username)
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("link", name="Sign out the others").click()
    confirm(page, "Sign out")
    api.expect(page.get_by_role("status")).to_have_text("Your other devices were signed out.")
    assert_signed_in(phone, store, False)
    assert_signed_in(page, store)


def test_a_user_signs_out_everywhere(page, phone, store):
    username = sign_up(phone, store)
    sign_in(page, store, username)
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("link", name="Sign out everywhere").click()
    confirm(page, "Sign out")
    api.expect(page.get_by_role("status")).to_have_text("You are signed out on all your devices.")
    for each in page, phone:
        assert_signed_in(each, store, False)
        assert each.context.cookies() == []


def test_a_device_of_another_user_is_not_found(page, phone, store):
    sign_up(page, store)
    sign_up(phone, store)
    page.goto(f"{store}/devices")
    form = "form[action$='/rename']"
    theirs = f"/devices/{claims(phone)['sid']}/rename"
    page.locator(form).evaluate("(form, path) => { form.action = path }", theirs)
    page.get_by_text("Rename").click()
    page.get_by_role("button", name="Save").click()
    assert_on(page, "Not Found")
    api.expect(page.get_by_role("main")).to_contain_text("Device not found.")


# -- without scripts, and without encryption --


def test_everything_works_without_scripts(chromium, store):
    with device(chromium, java_script_enabled=False) as page:
        sign_up(page, store)
        name = f"chair {token_hex(4)}"
        page.get_by_label("Name").fill(name)
        page.get_by_label("Price").fill("12.5")
        page.get_by_role("button", name="Add", exact=True).click()
        page.get_by_role("link", name=f"Remove {name}").click()
        confirm(page, "Remove")
        api.expect(page.get_by_role("status")).to_have_text("The item was removed.")
        page.get_by_text("Under the hood").click()
        api.expect(page.get_by_text("This request", exact=True)).to_be_visible()
        page.get_by_role("link", name="API").click()
        api.expect(page.get_by_role("row", name="GET /items/{name}")).to_contain_text("needed")
        api.expect(page.get_by_text("allow it to run scripts")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        fill_in(page, "nobody", WRONG_PASSWORD, "Sign in")
        api.expect(page.get_by_label("Password")).to_be_focused()


def test_over_plain_http_a_page_says_that_no_one_stays_signed_in(chromium, store):
    """Chromium takes this name for another host, and keeps no Secure cookie."""
    arguments = [*ARGUMENTS, "--host-resolver-rules=MAP shop.test 127.0.0.1"]
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    with closing(browser), device(browser) as page:
        page.goto(f"{store.replace('127.0.0.1', 'shop.test')}/sign-up")
        notice = page.get_by_text("Your browser won't keep you signed in here. Use HTTPS.")
        api.expect(notice).to_be_visible()
        fill_in(page, f"ann-{token_hex(4)}", PASSWORD, "Sign up")
        assert_on(page, "Sign in")
        api.expect(notice).to_be_visible()
        assert page.context.cookies() == []
        page.goto(f"{store}/sign-up")
        api.expect(page.get_by_role("heading", level=1)).to_have_text("Sign up")
        api.expect(notice).to_have_count(0)


# -- Swagger UI --


def try_out(page, method, path):
    """Send a request with Swagger UI, and return the status that it shows."""
    block = page.locator(f".opblock-{method}").filter(has=page.locator(f"[data-path='{path}']"))
    if not block.locator(".execute").is_visible():
        block.locator(".opblock-summary-control").click()
        block.locator(".try-out__btn").click()
    with page.expect_response(f"**{path}") as response:
        block.locator(".execute").click()
    status = response.value.status
    shown = block.locator(".live-responses-table .response-col_status").last
    api.expect(shown).to_contain_text(str(status))
    return status


def test_swagger_ui_sends_requests(chromium, store):
    with device(chromium) as page:
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{store}/docs")
        assert_on(page, "API")
        assert try_out(page, "get", "/items") == 401
        username = f"ann-{token_hex(4)}"
        login = {"username": username, "password": PASSWORD}
        assert httpx.post(f"{store}/register", json=login).status_code == 201
        token = httpx.post(f"{store}/auth", json=login).json()["access_token"]
        page.locator(".auth-wrapper .authorize").first.click()
        form = page.locator("form").filter(has_text="bearerAuth")
        form.locator("#auth-bearer-value").fill(token)
        form.locator(".authorize").click()
        page.locator(".modal-ux .close-modal").click()
        assert try_out(page, "get", "/items") == 200
        assert all(url.startswith((store, "data:")) for url in requests), requests


def test_the_cookie_of_the_pages_is_a_token_in_swagger_ui(page, store):
    sign_up(page, store)
    page.get_by_role("link", name="API").click()
    assert try_out(page, "get", "/items") == 200


# -- other sites --


FORGED = {
    "an item": ("/", {"name": "forged", "price": "1"}),
    "a sign-out": ("/auth/logout", {"scope": "global"}),
    "a sign-in": ("/sign-in", {"username": "mallory", "password": "mallory's password"}),
    "a sign-in at the API": ("/auth", {"username": "mallory", "password": "mallory's password"}),
}


class Elsewhere(BaseHTTPRequestHandler):
    """Another site, with a form that posts to the store."""

    def __init__(self, page, *arguments):
        self.page = page
        super().__init__(*arguments)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *arguments):
        pass


@contextmanager
def elsewhere(page):
    """Serve a page on another port, and give the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Elsewhere, page)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize(
    ("host", "site", "cookies_are_sent"),
    # Ports make another origin, but not another site: SameSite doesn't help there.
    [("127.0.0.1", "same-site", True), ("localhost", "cross-site", False)],
)
def test_a_forged_post_is_rejected(page, store, forged, host, site, cookies_are_sent):
    sign_up(page, store)
    before = page.context.cookies()
    path, fields = FORGED[forged]
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    form = f'<form method="post" action="{store}{path}">{inputs}<button>Win a prize</button></form>'
    with elsewhere(form) as port:
        page.goto(f"http://{host}:{port}/")
        with page.expect_navigation() as navigation:
            page.get_by_role("button").click()
    posted = navigation.value.request
    while posted.redirected_from is not None:
        posted = posted.redirected_from
    headers = posted.all_headers()
    assert (posted.method, headers["sec-fetch-site"]) == ("POST", site)
    assert ("access_token_cookie" in headers.get("cookie", "")) is cookies_are_sent
    if cookies_are_sent or "sign-in" in forged:
        assert posted.response().status == 403
        assert_on(page, "Forbidden")
    else:
        assert posted.response().status == 303  # to the sign-in page
    assert page.context.cookies() == before
    assert_signed_in(page, store)
    assert page.get_by_role("main").get_by_text("forged").count() == 0


# -- appearance --


PAGES = {
    "sign-in": "Sign in",
    "sign-in-problem": "Sign in",
    "sign-up": "Sign up",
    "items": "Items",
    "items-problem": "Items",
    "remove": "Remove Armchair?",
    "devices": "Your devices",
    "rename": "Your devices",
    "sign-out-everywhere": "Sign out everywhere?",
    "account": "Account",
    "account-problem": "Account",
    "admin": "Admin",
    "docs": "API",
    "docs-plain": "API",
    "under-the-hood": "Items",
    "not-found": "Not Found",
}
PATHS = {
    "items": "",
    "items-problem": "",
    "under-the-hood": "",
    "remove": "remove?name=Armchair",
    "rename": "devices",
    "sign-out-everywhere": "devices/sign-out/everywhere",
    "account-problem": "account",
    "docs-plain": "docs",
    "sign-in-problem": "sign-in",
}
AXE_OPTIONS = {
    "rules": {"target-size": {"enabled": True}},  # WCAG 2.2
    "preload": False,  # would add a <style>, which the CSP forbids
}
TARGETS = (
    ":is(a:not(p.lead a), button, summary, input):not(.skip, .hidden *, .swagger-ui *):visible"
)
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def member(chromium, store, folder):
    """A page of a user who has some items and some devices."""
    with device(chromium) as page:
        page.goto(f"{store}/sign-up")
        fill_in(page, "joe", PASSWORD, "Sign up")
        for name, price in {"Armchair": 249, "Desk lamp": 39.9, "Oak table": 1180}.items():
            page.get_by_label("Name").fill(name)
            page.get_by_label("Price").fill(str(price))
            page.get_by_role("button", name="Add", exact=True).click()
        login = {"username": "joe", "password": PASSWORD}
        for agent, label in {IPHONE: "Joe's phone", FIREFOX: None, "curl/8.14.1": None}.items():
            headers = {"User-Agent": agent}
            httpx.post(f"{store}/auth", json={**login, "label": label}, headers=headers)
        hours_ago = {"%iPhone%": (0.7, 150), "%Firefox%": (5, 330), "curl%": (70, 70)}
        with closing(sqlite3.connect(folder / "store.db")) as database, database:
            database.execute("UPDATE users SET is_admin = 1 WHERE username = 'joe'")
        with closing(sqlite3.connect(folder / "sessions.db")) as database, database:
            for agent, (seen, begun) in hours_ago.items():
                database.execute(
                    "UPDATE jwt_sessions SET rotated_at = rotated_at - 3600 * ?, created_at = "
                    "created_at - 3600 * ?, expires_at = expires_at - 3600 * ? "
                    "WHERE user_agent LIKE ?",
                    [seen, begun, begun, agent],
                )
        yield page


@pytest.fixture(scope="module")
def guest(chromium):
    with device(chromium) as page:
        yield page


@pytest.fixture(params=PAGES)
def shown(request, store, member, guest):
    """The name of a page, and the browser that shows it."""
    name = request.param
    page = guest if name in ("sign-in", "sign-in-problem", "sign-up") else member
    if name == "docs-plain":  # scripts must run for the tests themselves
        page.route("**/swagger-ui-bundle.js", lambda route: route.abort())
    page.goto(f"{store}/{PATHS.get(name, name)}")
    if name == "sign-in-problem":
        fill_in(page, "joe", WRONG_PASSWORD, "Sign in")
    elif name == "items-problem":
        page.get_by_label("Name").fill("Armchair")
        page.get_by_label("Price").fill("1")
        page.get_by_role("button", name="Add", exact=True).click()
    elif name == "account-problem":
        page.get_by_label("Current password").fill(WRONG_PASSWORD)
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Change password").click()
    elif name == "rename":
        page.get_by_text("Rename").first.click()
    elif name == "docs":
        page.locator(".opblock").first.wait_for()
    elif name == "under-the-hood":
        page.get_by_text("Under the hood").click()
    assert_on(page, PAGES[name])
    yield name, page
    page.unroute_all()


def test_pages_fit_each_screen(shown):
    """Whether they look right, only a look at the screenshots can show."""
    name, page = shown
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for scheme in "light", "dark":
            page.emulate_media(color_scheme=scheme)
            page.screenshot(
                path=SCREENSHOTS / f"{name}-{size}-{scheme}.png",
                full_page=True,
                animations="disabled",
            )
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_pages_are_accessible(shown):
    """Axe checks labels, landmarks, contrast and more."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install -r requirements-dev.txt"
    )
    _, page = shown
    stop_motion(page)
    for scheme in "light", "dark":
        page.emulate_media(color_scheme=scheme)
        results = axe.Axe().run(page, options=AXE_OPTIONS)
        assert results.violations_count == 0, results.generate_report()


def test_targets_are_large_enough(shown):
    """24 by 24 pixels (WCAG 2.2, 2.5.8), on a phone too; links within a sentence may be lower.

    Axe has the same rule for what is inside of Swagger UI.
    """
    _, page = shown
    for viewport in SIZES.values():
        page.set_viewport_size(viewport)
        for target in page.locator(TARGETS).all():
            box = target.bounding_box()
            size = min(box["width"], box["height"])
            assert size >= 24, f"{target.evaluate('node => node.outerHTML')}: {box}"


def test_pages_work_without_a_mouse_and_with_a_screen_reader(shown):
    name, page = shown
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    is_docs = name in ("docs", "docs-plain")
    scripts = "script:not([src])" if is_docs else "[style], style, script, [onclick]"
    assert page.locator(scripts).count() == 0
    unlabelled = "inputs => inputs.filter(input => !input.labels.length).length"
    assert page.locator("input:not([type=hidden])").evaluate_all(unlabelled) == 0
    if name.endswith("-problem"):
        invalid = page.locator("[aria-invalid=true]")
        api.expect(invalid).to_be_focused()
        api.expect(invalid).to_have_accessible_description(re.compile(r"\w\."))
        return
    page.reload()
    page.keyboard.press("Tab")
    focused = page.locator(":focus-visible")
    api.expect(focused).to_have_text("Skip to the content")
    focused.press("Enter")
    api.expect(page.get_by_role("main")).to_be_focused()


# -- secrets --


def test_no_page_or_log_shows_a_password_or_a_token(page, store, folder):
    """This is the last test: the log and the pages are those of all tests before."""
    username = sign_up(page, store)
    page.goto(f"{store}/devices")
    assert cookie(page, "refresh_token_cookie").startswith("eyJ")
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(page, store, username, WRONG_PASSWORD)
    assert_on(page, "Sign in")
    for name, part in ("pages", "Your devices"), ("log", "POST /sign-in"), ("log", "INSERT INTO"):
        text = (folder / name).read_text()
        assert part in text
        assert username in text
    assert_no_secrets(folder)
