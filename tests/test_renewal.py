"""Renewal: a browser whose access cookie has expired stays signed in by its refresh cookie.

The guard renews the cookies during any request, unless the refresh cookie was used before.
"""

from __future__ import annotations

import pytest

from flask_jwt import (
    create_access_token,
    current_identity,
    decode_token,
    jwt_required,
    set_access_cookies,
)
from flask_jwt.errors import StoreUnavailable
from flask_jwt.stores.memory import MemoryStore
from tests.support import Browser, bearer, code, location


def test_an_expired_access_cookie_is_renewed(browser, clock):
    browser.sign_in()
    before = browser.cookies
    clock.tick(400)
    response = browser.get("/page")
    assert response.text.startswith("joe")
    assert response.headers["Cache-Control"] == "no-store"
    after = browser.cookies
    assert after["access_token_cookie"] != before["access_token_cookie"]
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    assert "Set-Cookie" not in browser.get("/page").headers, "once is enough"


def test_a_missing_access_cookie_is_renewed(browser):
    browser.sign_in()
    browser.delete_cookie("access_token_cookie")
    assert browser.get("/page").text.startswith("joe")


def test_no_cache_may_keep_a_response_with_cookies(pages, browser, clock):
    @pages.get("/cached")
    @jwt_required(optional=True)
    def cached():
        return "page", {"Cache-Control": "public, max-age=600"}

    browser.sign_in()
    assert browser.get("/cached").headers["Cache-Control"] == "public, max-age=600"
    clock.tick(400)
    response = browser.get("/cached")
    assert len(response.headers.getlist("Set-Cookie")) == 4
    assert response.headers.getlist("Cache-Control") == ["no-store"]
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    response = browser.get("/cached")
    assert len(response.headers.getlist("Set-Cookie")) == 4, "the cookies are deleted"
    assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_an_access_cookie_that_a_view_sets_replaces_the_renewed_one(pages, browser, clock):
    @pages.get("/own")
    @jwt_required()
    def own():
        response = pages.make_response("own")
        set_access_cookies(response, create_access_token(current_identity, claims={"own": True}))
        return response

    browser.sign_in()
    before = browser.cookies
    clock.tick(400)
    browser.get("/own")
    after = browser.cookies
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    with pages.app_context():
        assert decode_token(after["access_token_cookie"])["own"] is True


def test_ten_tabs_rotate_once(pages, browser, clock):
    browser.sign_in()
    clock.tick(400)
    tabs = [browser.copy() for _ in range(10)]
    assert {tab.get("/page").status_code for tab in tabs} == {200}
    assert len({tab.cookies["refresh_token_cookie"] for tab in tabs}) == 1
    with pages.app_context():
        assert [session.generation for session in pages.jwt.sessions.list(1)] == [1]


def test_a_guard_within_a_guard_rotates_once(make_pages, clock):
    app = make_pages(JWT_REFRESH_GRACE=0)
    view = app.view_functions["page"]
    app.add_url_rule("/twice", "twice", jwt_required()(view))
    browser = Browser(app)
    browser.sign_in()
    clock.tick(400)
    assert browser.get("/twice").status_code == 200


def test_a_stolen_refresh_cookie_ends_the_session(browser, clock):
    browser.sign_in()
    thief = browser.copy()
    clock.tick(400)
    assert browser.get("/page").status_code == 200
    clock.tick(400)
    response = thief.get("/page", accept="*/*")
    assert code(response) == (401, "refresh_reused")
    assert not thief.cookies
    assert location(browser.get("/page")) == "/sign-in?error=token_revoked&next=%2Fpage"
    assert not browser.cookies


def test_the_login_page_learns_that_a_copy_was_used(browser, clock):
    browser.sign_in()
    thief = browser.copy()
    clock.tick(400)
    browser.get("/page")
    clock.tick(400)
    assert location(thief.get("/page")) == "/sign-in?error=refresh_reused&next=%2Fpage"


def test_an_ended_session_is_anonymous_if_a_login_is_optional(pages, browser, clock):
    browser.sign_in()
    other = browser.copy()
    with pages.app_context():
        pages.jwt.sessions.revoke_all(1)
    response = browser.get("/home")
    assert response.text.startswith("anonymous")
    assert not browser.cookies
    clock.tick(400)
    assert other.get("/home").text.startswith("anonymous")
    assert not other.cookies


def test_a_user_who_was_deleted_is_signed_out(pages, browser):
    browser.sign_in()
    pages.users.clear()
    assert location(browser.get("/page")) == "/sign-in?next=%2Fpage"
    assert not browser.cookies


def test_a_forged_request_renews_nothing(browser, clock):
    browser.sign_in()
    before = browser.cookies
    clock.tick(400)
    assert browser.post("/page", site="cross-site").status_code == 403
    assert browser.cookies == before, "nor does it use up the refresh token"
    assert browser.post("/page").status_code == 200


class Down(MemoryStore):
    """A store that can be down."""

    is_down = False

    def get(self, sid):
        if self.is_down:
            raise StoreUnavailable
        return super().get(sid)


def test_cookies_are_kept_while_the_store_is_down(make_pages, clock):
    store = Down()
    browser = Browser(make_pages(store=store))
    browser.sign_in()
    store.is_down = True
    clock.tick(400)
    assert browser.get("/page").status_code == 503
    assert browser.get("/home").status_code == 503
    assert len(browser.cookies) == 4


def test_an_expired_header_is_not_renewed_by_a_cookie(make_pages, clock):
    browser = Browser(make_pages(JWT_TOKEN_LOCATION=["headers", "cookies"]))
    browser.sign_in()
    expired = browser.cookies["access_token_cookie"]
    clock.tick(400)
    assert browser.get("/page", headers=bearer(expired), accept="*/*").status_code == 401
    assert len(browser.cookies) == 4


@pytest.mark.parametrize("cookie", ["rubbish", "a.b.c", "x" * 9000, "é", "\x01"])
def test_invalid_refresh_cookies_are_rejected(pages, cookie):
    response = pages.test_client().get(
        "/page", environ_overrides={"HTTP_COOKIE": f"refresh_token_cookie={cookie}"}
    )
    assert response.status_code == 401


def test_rejected_claims_end_no_session(pages, browser):
    pages.jwt.token_verification_loader(lambda header, claims: False)
    browser.sign_in()
    assert location(browser.get("/page")) == "/sign-in?next=%2Fpage"
    assert browser.get("/home").status_code == 303
    assert len(browser.cookies) == 4


# By a script


def test_a_script_refreshes_with_the_cookie(browser):
    browser.sign_in()
    before = browser.cookies
    assert browser.post("/auth/refresh", accept="*/*", site=None).status_code == 403
    response = browser.post("/auth/refresh", accept="*/*")
    assert (response.status_code, response.data) == (204, b"")
    assert len(response.headers.getlist("Set-Cookie")) == 4
    assert browser.cookies["refresh_token_cookie"] != before["refresh_token_cookie"]


def test_a_header_of_another_scheme_does_not_hide_the_cookie(make_pages):
    browser = Browser(make_pages(JWT_TOKEN_LOCATION=["headers", "cookies"]))
    browser.sign_in()
    basic = {"Authorization": "Basic am9lOnBhc3M="}
    assert browser.post("/auth/refresh", headers=basic, accept="*/*").status_code == 204
