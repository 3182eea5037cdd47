"""Pages in a browser: logging in with a form, redirects to the login and back, logging out."""

from __future__ import annotations

import pytest

from flask_jwt import ConfigError, verify_jwt_in_request
from tests.support import Browser, User, bearer, code, location

JOE = {"username": "joe", "password": "pass"}

# Logging in


def test_a_script_that_logs_in_gets_cookies_and_no_body(browser):
    response = browser.post("/auth", json=JOE, accept="*/*")
    assert (response.status_code, response.data) == (204, b"")
    lines = response.headers.getlist("Set-Cookie")
    assert len(lines) == 4
    for line in lines:
        assert "Secure" in line
        assert "SameSite=Lax" in line
        assert ("HttpOnly" in line) is line.split("=")[0].endswith("_cookie")
    assert response.headers["Cache-Control"] == "no-store"
    assert browser.get("/page").text.startswith("joe")


def test_a_login_with_a_form_leads_to_a_page(browser):
    assert location(browser.sign_in()) == "/"
    assert location(browser.sign_in(next="/page?x=1")) == "/page?x=1"
    assert location(browser.post("/auth?next=/page", data=JOE)) == "/page"


FOREIGN = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\n//evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "///evil.example",
    "/x\r\nSet-Cookie: a=b",
    "",
]


@pytest.mark.parametrize("target", FOREIGN)
def test_a_login_never_leads_to_another_host(browser, target):
    assert location(browser.sign_in(next=target)) == "/"


def test_a_rejected_login_leads_back_to_its_page(browser):
    response = browser.sign_in(password="no", next="/page")
    assert location(response) == "/sign-in?error=invalid_credentials&next=%2Fpage"
    for _ in range(10):
        response = browser.sign_in(password="no")
    assert location(response) == "/sign-in?error=too_many_attempts"
    assert not browser.cookies


def test_a_rejected_login_of_a_script_is_json(browser):
    response = browser.post("/auth", json={**JOE, "password": "no"}, accept="*/*")
    assert code(response) == (401, "invalid_credentials")


@pytest.mark.parametrize("path", ["/page", "/auth", "/auth/logout"])
def test_a_query_string_that_is_not_utf_8_is_no_server_error(make_pages, path):
    app = make_pages(JWT_TOKEN_LOCATION=["cookies", "query_string"])
    browser = Browser(app)
    browser.sign_in()
    raw = {"QUERY_STRING": "jwt=\xff&next=\xff"}
    response = browser.post(path, data=JOE, environ_overrides=raw)
    assert response.status_code in (200, 303)
    response = Browser(app).post(path, environ_overrides=raw)
    assert response.status_code in (303, 400, 401)


def test_if_headers_carry_tokens_too_a_form_gets_cookies_and_json_gets_tokens(make_pages):
    browser = Browser(make_pages(JWT_TOKEN_LOCATION=["headers", "cookies"]))
    body = browser.post("/auth", json=JOE, site=None).get_json()
    assert {"access_token", "refresh_token"} <= set(body)
    assert not browser.cookies
    headers = bearer(body["refresh_token"])
    response = browser.post("/auth/refresh", headers=headers, site=None)
    assert "access_token" in response.get_json()
    assert location(browser.sign_in()) == "/"
    assert len(browser.cookies) == 4


def test_a_form_is_rejected_if_no_token_may_be_in_a_cookie(make_pages):
    browser = Browser(make_pages(JWT_TOKEN_LOCATION=["headers"]))
    assert browser.sign_in().status_code == 400
    assert browser.post("/auth", data=JOE, site=None).status_code == 400


def test_cookies_work_without_sessions(make_pages, clock):
    browser = Browser(make_pages(JWT_STORAGE_URI=None))
    browser.sign_in()
    assert set(browser.cookies) == {"access_token_cookie", "csrf_access_token"}
    assert browser.get("/page").text.startswith("joe")
    clock.tick(311)
    assert location(browser.get("/page")) == "/sign-in?next=%2Fpage"


def test_a_custom_view_may_log_a_user_in(pages, browser):
    @pages.post("/sign-up")
    def sign_up():
        pages.users.append(ann := User(2, "ann"))
        return pages.jwt.log_in(ann, label="ann's phone")

    assert location(browser.post("/sign-up", data={"next": "/page"})) == "/page"
    assert browser.get("/page").text.startswith("ann")


# Guarded pages


def test_a_guarded_page_leads_a_browser_to_the_login(browser):
    assert location(browser.get("/page?a=1&b=é")) == "/sign-in?next=%2Fpage%3Fa%3D1%26b%3D%C3%A9"
    assert location(browser.post("/page")) == "/sign-in", "a form can't be repeated by a link"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, text/html;q=0.9", ""]
)
def test_a_script_gets_json_and_a_challenge(browser, accept):
    response = browser.get("/page", accept=accept)
    assert code(response) == (401, "token_missing")
    assert "WWW-Authenticate" in response.headers


def test_a_path_that_looks_like_another_host_stays_on_this_one(pages, browser):
    pages.before_request(verify_jwt_in_request)
    response = browser.get("/", environ_overrides={"PATH_INFO": "//evil.example"})
    assert location(response) == "/sign-in?next=%2Fevil.example"


def test_the_login_view_may_be_a_path(make_pages):
    browser = Browser(make_pages(JWT_LOGIN_VIEW="/login?from=guard"))
    assert location(browser.get("/page")) == "/login?from=guard&next=%2Fpage"


def test_a_login_view_that_does_not_exist_is_reported(make_pages):
    browser = Browser(make_pages(JWT_LOGIN_VIEW="signin", TESTING=True))
    with pytest.raises(ConfigError, match="write the endpoint"):
        browser.get("/page")


def test_redirects_stay_below_the_prefix_of_the_application(browser):
    response = browser.get("/page", base_url="https://localhost/shop")
    assert location(response) == "/shop/sign-in?next=%2Fshop%2Fpage"


def test_templates_know_the_current_identity(browser):
    assert browser.get("/home").text.startswith("anonymous")
    browser.sign_in()
    assert browser.get("/home").text.startswith("joe")


# Logging out


def test_a_logout_deletes_the_cookies_and_leads_to_the_login(browser):
    browser.sign_in()
    assert location(browser.post("/auth/logout")) == "/sign-in"
    assert not browser.cookies
    assert location(browser.get("/page")) == "/sign-in?next=%2Fpage"


def test_a_logout_leads_to_a_page_of_this_host_only(browser):
    browser.sign_in()
    assert location(browser.post("/auth/logout", data={"next": "/home"})) == "/home"
    browser.sign_in()
    response = browser.post("/auth/logout", data={"next": "//evil.example"})
    assert location(response) == "/sign-in"


def test_a_logout_needs_no_valid_access_cookie(browser, clock):
    browser.sign_in()
    clock.tick(400)
    browser.post("/auth/logout")
    assert not browser.cookies


@pytest.mark.parametrize(("scope", "stays"), [("others", True), ("global", False)])
def test_a_logout_has_a_scope(pages, browser, scope, stays):
    other = Browser(pages)
    for each in browser, other:
        each.sign_in()
    browser.post("/auth/logout", data={"scope": scope})
    assert (browser.get("/page").status_code == 200) is stays
    assert bool(browser.cookies) is stays
    assert other.get("/page").status_code == 303


def test_a_script_that_logs_out_gets_json(browser):
    browser.sign_in()
    response = browser.post("/auth/logout", accept="*/*")
    assert response.get_json() == {"revoked": 1}
    assert not browser.cookies


def test_a_client_without_cookies_gets_json_whatever_it_accepts(make_pages):
    browser = Browser(make_pages(JWT_TOKEN_LOCATION=["headers"]))
    tokens = browser.post("/auth", json=JOE).get_json()
    headers = bearer(tokens["access_token"])
    assert browser.post("/auth/logout", headers=headers).get_json() == {"revoked": 1}


def test_a_forged_logout_is_rejected(browser):
    browser.sign_in()
    assert browser.post("/auth/logout", site="same-site").status_code == 403
    assert browser.get("/page").status_code == 200
