"""Cross-site request forgery: which requests may use cookies, and which may log somebody in.

A request proves where it comes from by ``Sec-Fetch-Site`` or ``Origin``, which browsers send, or
by the CSRF value of its token, which only the application's own pages can read.
"""

from __future__ import annotations

import jwt as pyjwt
import pytest
from flask import request

from flask_jwt import _default_request_handler, check_csrf_token, get_csrf_token
from flask_jwt.errors import CsrfFailed
from tests.support import (
    IS_WERKZEUG_3_0,
    SECRET,
    OldBrowser,
    add_cookie_views,
    bearer,
    code,
    issue,
    location,
)

JOE = {"username": "joe", "password": "pass"}


# Where a request comes from


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://localhost"}, 403),
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Origin": "https://localhost"}, 200),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "https://localhost.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://[::1"}, 403),
        ({"Origin": ""}, 403),
        ({}, 403),
    ],
)
def test_which_requests_may_post_with_a_cookie(browser, headers, status):
    browser.sign_in()
    response = browser.post("/page", site=None, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.get_json()["code"] == "csrf_failed"
        # The usual mistake: the page is the developer's own, on another origin.
        says_origin = bool(headers)
        assert ("JWT_CSRF_TRUSTED_ORIGINS" in response.get_json().get("hint", "")) == says_origin


def test_what_a_request_without_a_csrf_value_is_told_to_send(browser):
    browser.sign_in()
    for body, is_form in (({"data": {}}, True), ({"json": {}}, False)):
        description = browser.post("/page", site=None, **body).get_json()["description"]
        assert "send the header X-CSRF-TOKEN" in description
        assert ("csrf_token, which" in description) == is_form


@pytest.mark.skipif(IS_WERKZEUG_3_0, reason="its client sends no cookies to this host")
def test_a_host_that_can_not_be_parsed_is_not_the_same_as_an_origin_that_can_not(browser):
    browser.sign_in()
    host = {"HTTP_HOST": "my_app.example"}
    for origin in ("null", "", "https://evil.example"):
        response = browser.post(
            "/page", site=None, headers={"Origin": origin}, environ_overrides=host
        )
        assert response.status_code == 403


# Logins


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
     {"Origin": "https://evil.example"}, {"Origin": "https://[::1"}],
)  # fmt: skip
def test_another_site_can_not_log_a_browser_in(browser, headers):
    response = browser.post("/auth", data=JOE, site=None, headers=headers)
    assert code(response) == (403, "csrf_failed")
    assert not browser.cookies


@pytest.mark.parametrize("path", ["/own-sign-in", "/own-sign-up"])
def test_another_site_can_not_log_a_browser_in_by_a_custom_view(pages, browser, path):
    @pages.post("/own-sign-in")
    def own_sign_in():
        pages.jwt.authenticate("joe", "pass")
        return "the password was compared"

    @pages.route("/own-sign-up", methods=["GET", "POST"])
    def own_sign_up():
        return pages.jwt.log_in(pages.users[0])

    assert code(browser.post(path, site="cross-site")) == (403, "csrf_failed")
    assert not browser.cookies
    assert browser.post(path).status_code < 400
    assert browser.get("/own-sign-up", site="cross-site").status_code == 303


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}])
def test_a_forged_login_uses_up_no_attempt_of_its_victim(pages, browser, headers):
    @pages.post("/own")
    def own():
        return pages.jwt.log_in(pages.jwt.authenticate("joe", request.form["password"]))

    @pages.post("/sign-up")
    def sign_up():
        return pages.jwt.log_in(1)

    def forge(path, **form):
        return browser.post(path, data={**JOE, **form}, site=None, headers=headers)

    assert [forge(path).status_code for path in ("/own", "/sign-up")] == [403, 403]
    assert not browser.cookies
    assert {forge("/own", password="no").status_code for _ in range(11)} == {403}
    assert location(browser.post("/own", data=JOE)) == "/"


# The CSRF value


@pytest.fixture
def make_old_browser(make_app):
    """Make an old browser with the cookies of a login; it proves nothing by its headers."""

    def make_old_browser(**config):
        app = make_app(JWT_TOKEN_LOCATION="cookies", **config)
        add_cookie_views(app)
        browser = OldBrowser(app)
        browser.post("/cookies")
        return browser

    return make_old_browser


@pytest.fixture
def old_browser(make_old_browser):
    return make_old_browser()


def proof(browser, token_type="access"):
    """Return the header with the CSRF value of a cookie."""
    return {"X-CSRF-TOKEN": browser.cookies[f"csrf_{token_type}_token"]}


def test_a_request_that_changes_something_needs_the_value(old_browser):
    assert old_browser.get("/protected").status_code == 200
    response = old_browser.post("/protected")
    assert response.status_code == 403
    assert "X-CSRF-TOKEN" in response.get_json()["description"]
    assert "csrf_access_token" in response.get_json()["description"]
    assert old_browser.post("/protected", headers=proof(old_browser)).status_code == 200
    assert old_browser.delete("/protected", headers=proof(old_browser)).status_code == 200


@pytest.mark.parametrize("value", ["x", "é", "\xff\xfe", "x" * 10_000, "csrf"])
def test_a_wrong_value_is_rejected(old_browser, value):
    response = old_browser.post("/protected", headers={"X-CSRF-TOKEN": value})
    assert response.status_code == 403


def test_the_value_belongs_to_one_token(old_browser):
    old, other = proof(old_browser), proof(old_browser, "refresh")
    assert old_browser.post("/protected", headers=other).status_code == 403
    old_browser.post("/cookies")
    assert old != proof(old_browser)
    assert old_browser.post("/protected", headers=old).status_code == 403


def test_a_refresh_token_needs_its_own_value(old_browser):
    assert old_browser.post("/renew", headers=proof(old_browser, "refresh")).status_code == 200
    assert old_browser.post("/renew", headers=proof(old_browser)).status_code == 403


def test_a_missing_value_is_not_a_missing_token(old_browser):
    assert old_browser.post("/optional").status_code == 403


@pytest.mark.parametrize(("is_on", "status"), [(True, 200), (False, 403)])
def test_the_value_may_be_in_a_form_if_that_is_turned_on(make_old_browser, is_on, status):
    browser = make_old_browser(JWT_CSRF_CHECK_FORM=is_on)
    form = {"csrf_token": browser.cookies["csrf_access_token"]}
    assert browser.post("/protected", data=form).status_code == status


def test_the_protection_can_be_turned_off(make_old_browser):
    browser = make_old_browser(JWT_COOKIE_CSRF_PROTECT=False)
    assert len(browser.cookies) == 2
    assert browser.post("/protected").status_code == 200


def test_the_protected_methods_can_be_chosen(make_old_browser):
    browser = make_old_browser(JWT_CSRF_METHODS=["delete"])
    assert browser.post("/protected").status_code == 200
    assert browser.delete("/protected").status_code == 403


def test_a_program_can_read_the_value_of_a_token(old_browser):
    with old_browser.application.app_context():
        value = get_csrf_token(old_browser.cookies["access_token_cookie"])
    assert value == old_browser.cookies["csrf_access_token"]


def test_a_program_can_check_the_value_of_a_token(app):
    token = issue(app)
    with app.app_context():
        check_csrf_token(token, get_csrf_token(token))
        for wrong in ("", "x", "é", "\ud800"):
            with pytest.raises(CsrfFailed):
                check_csrf_token(token, wrong)


def decode_with_pyjwt(app):
    @app.jwt.jwt_decode_handler
    def decode(token):
        unchecked = dict.fromkeys(["verify_exp", "verify_iat", "verify_nbf"], False)
        return pyjwt.decode(token, SECRET, ["HS256"], options=unchecked)


def find_by_a_handler(app):
    @app.jwt.request_handler
    def find():
        return _default_request_handler()


@pytest.mark.parametrize("set_handler", [decode_with_pyjwt, find_by_a_handler])
def test_custom_handlers_need_the_proof_too(make_pages, set_handler):
    app = make_pages(JWT_TOKEN_LOCATION=["cookies", "headers"], JWT_STORAGE_URI=None)
    set_handler(app)
    browser = OldBrowser(app)
    browser.post("/auth", data=JOE, site="same-origin")
    token = browser.cookies["access_token_cookie"]
    assert code(browser.post("/page", site="cross-site")) == (403, "csrf_failed")
    assert browser.post("/page", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 403
    assert browser.post("/page", headers=proof(browser)).status_code == 200
    assert browser.post("/page", site="same-origin").status_code == 200
    assert browser.get("/page").status_code == 200
    response = browser.post("/page", headers=bearer(token), site="cross-site")
    assert response.status_code == 200, "another site can't make a browser send a header"


# The field of a form


def value_in(page):
    return page.text.split('value="')[1].split('"')[0]


@pytest.fixture
def signed_in(pages):
    """An old browser that is signed in: only the field of its forms proves anything."""
    browser = OldBrowser(pages)
    browser.post("/auth", data=JOE, site="same-origin")
    return browser


def test_the_field_of_a_form_proves_that_the_form_is_the_application_s(signed_in, pages):
    value = value_in(signed_in.get("/home"))
    assert signed_in.post("/page", data={"csrf_token": value}).status_code == 200
    assert signed_in.post("/page", data={"csrf_token": value[:-1] + "x"}).status_code == 403
    assert signed_in.post("/page", headers={"X-CSRF-TOKEN": value}).status_code == 200
    other = OldBrowser(pages)
    other.post("/auth", data=JOE, site="same-origin")
    assert other.post("/page", data={"csrf_token": value}).status_code == 403


def test_a_form_stays_valid_while_tokens_are_renewed(signed_in, clock):
    value = value_in(signed_in.get("/home"))
    clock.tick(400)
    assert signed_in.post("/page", data={"csrf_token": "wrong"}).status_code == 403
    assert signed_in.post("/page", data={"csrf_token": value}).status_code == 200
    assert signed_in.post("/page", data={"csrf_token": value}).status_code == 200


def test_the_field_is_empty_without_a_valid_token(browser):
    assert 'name="csrf_token" value=""' in browser.get("/home").text
    browser.set_cookie("access_token_cookie", "rubbish", secure=True)
    assert 'value=""' in browser.get("/home").text
