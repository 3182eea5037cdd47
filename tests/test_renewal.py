"""TODO"""

from __future__ import annotations


def test_renewal_is_transparent(client, clock):
    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    answer = client.get("/page")
    assert answer.text.startswith("joe")
    assert answer.headers["Cache-Control"] == "no-store"
    after = cookies(client)
    assert after["access_token_cookie"] != before["access_token_cookie"]
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    assert "Set-Cookie" not in client.get("/page").headers, "once is enough"


def test_renewal_where_the_access_cookie_is_gone(client):
    sign_in(client)
    client.delete_cookie("access_token_cookie")
    assert client.get("/page").text.startswith("joe")


def test_no_cache_keeps_somebody_s_cookies(app, client, clock):
    @app.get("/cached")
    @jwt_required(optional=True)
    def cached():
        return "page", {"Cache-Control": "public, max-age=600"}

    sign_in(client)
    assert client.get("/cached").headers["Cache-Control"] == "public, max-age=600"
    clock.tick(400)
    answer = client.get("/cached")
    assert len(answer.headers.getlist("Set-Cookie")) == 4
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    with app.app_context():
        app.jwt.sessions.revoke_all(1)
    answer = client.get("/cached")
    assert len(answer.headers.getlist("Set-Cookie")) == 4, "they are taken away"
    assert answer.headers.getlist("Cache-Control") == ["no-store"]


def test_a_view_s_own_access_cookie_outlasts_the_renewal(app, client, clock):
    @app.get("/own")
    @jwt_required()
    def own():
        response = app.make_response("own")
        set_access_cookies(response, create_access_token(current_identity, claims={"own": True}))
        return response

    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    client.get("/own")
    after = cookies(client)
    assert after["refresh_token_cookie"] != before["refresh_token_cookie"]
    with app.app_context():
        assert decode_token(after["access_token_cookie"])["own"] is True


def test_ten_tabs_rotate_once(app, client, clock):
    sign_in(client)
    clock.tick(400)
    tabs = [copy_of(client) for _ in range(10)]
    assert {tab.get("/page").status_code for tab in tabs} == {200}
    assert len({cookies(tab)["refresh_token_cookie"] for tab in tabs}) == 1
    with app.app_context():
        assert [session.generation for session in app.jwt.sessions.list(1)] == [1]


def test_a_guard_within_a_guard_rotates_once(make, clock):
    app = make(JWT_REFRESH_GRACE=0)
    view = app.view_functions["page"]
    app.add_url_rule("/twice", "twice", jwt_required()(view))
    client = browser(app)
    sign_in(client)
    clock.tick(400)
    assert client.get("/twice").status_code == 200


def test_a_stolen_refresh_cookie_ends_the_session(client, clock):
    sign_in(client)
    thief = copy_of(client)
    clock.tick(400)
    assert client.get("/page").status_code == 200
    clock.tick(400)
    answer = thief.get("/page", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "refresh_reused")
    assert not cookies(thief), "they are good for nothing"
    assert location(client.get("/page")) == "/sign-in?error=token_revoked&next=%2Fpage"
    assert not cookies(client)


def test_the_login_page_is_told_that_a_copy_was_used(client, clock):
    sign_in(client)
    thief = copy_of(client)
    clock.tick(400)
    client.get("/page")
    clock.tick(400)
    assert location(thief.get("/page")) == "/sign-in?error=refresh_reused&next=%2Fpage"


def test_an_ended_session_is_nobody_s_where_a_login_is_optional(app, client, clock):
    sign_in(client)
    other = copy_of(client)
    with app.app_context():
        app.jwt.sessions.revoke_all(1)
    answer = client.get("/home")
    assert answer.text.startswith("nobody")
    assert not cookies(client)
    clock.tick(400)
    assert other.get("/home").text.startswith("nobody")
    assert not cookies(other)


def test_a_user_who_is_gone(client, users, clock):
    sign_in(client)
    users.clear()
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"
    assert not cookies(client)


def test_renewal_needs_proof_too(client, clock):
    sign_in(client)
    before = cookies(client)
    clock.tick(400)
    assert client.post("/page", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert cookies(client) == before, "a forged request doesn't even use the session up"
    assert client.post("/page", headers=OWN).status_code == 200


def test_a_store_that_is_down_takes_no_cookies(make, clock):
    class Down(MemoryStore):
        is_down = False

        def rotate(self, *args, **kwargs):
            if self.is_down:
                from flask_jwt.errors import StoreUnavailable

                raise StoreUnavailable
            return super().rotate(*args, **kwargs)

    app = make()
    client = browser(app)
    sign_in(client)
    store = app.extensions["flask-jwt"].sessions.store.store
    store.__class__ = Down
    store.is_down = True
    clock.tick(400)
    assert client.get("/page").status_code == 503
    assert client.get("/home").status_code == 503
    assert len(cookies(client)) == 4


def test_a_header_is_not_renewed_by_a_cookie_s_refusal(make, clock):
    app = make(["headers", "cookies"])
    client = browser(app)
    sign_in(client)
    expired = cookies(client)["access_token_cookie"]
    clock.tick(400)
    assert client.get("/page", headers={**bearer(expired), "Accept": "*/*"}).status_code == 401
    assert len(cookies(client)) == 4


@pytest.mark.parametrize("cookie", ["rubbish", "a.b.c", "x" * 9000, "é", "\x01"])
def test_odd_refresh_cookies(app, cookie):
    answer = app.test_client().get(
        "/page", environ_overrides={"HTTP_COOKIE": f"refresh_token_cookie={cookie}"}
    )
    assert answer.status_code == 401


def test_refresh_with_the_cookie(client):
    sign_in(client)
    before = cookies(client)
    script = {"Accept": "*/*"}
    assert client.post("/auth/refresh", headers=script).status_code == 403
    answer = client.post("/auth/refresh", headers={**script, **OWN})
    assert (answer.status_code, answer.data) == (204, b"")
    assert len(answer.headers.getlist("Set-Cookie")) == 4
    assert cookies(client)["refresh_token_cookie"] != before["refresh_token_cookie"]


def test_refresh_with_the_cookie_beside_another_scheme_s_header(make):
    client = browser(make(["headers", "cookies"]))
    sign_in(client)
    answer = client.post(
        "/auth/refresh", headers={**OWN, "Authorization": "Basic am9lOnBhc3M=", "Accept": "*/*"}
    )
    assert answer.status_code == 204


def test_claims_that_are_refused_end_no_session(app, client):
    app.jwt.token_verification_loader(lambda header, claims: False)
    sign_in(client)
    assert location(client.get("/page")) == "/sign-in?next=%2Fpage"
    assert client.get("/home").status_code == 303
    assert len(cookies(client)) == 4
