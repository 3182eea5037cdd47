"""TODO"""

from __future__ import annotations


@pytest.fixture
def browser(make):
    """A client with the cookies of a login, of an application that takes them."""
    app = make(JWT_TOKEN_LOCATION="cookies")
    client = app.test_client()
    client.post("/cookies", base_url="https://localhost")
    return client


def https(client, method, path, **options):
    return client.open(path, method=method, base_url="https://localhost", **options)


def csrf(client, kind="access"):
    return client.get_cookie(f"csrf_{kind}_token").value


def test_a_request_that_changes_something_needs_the_proof(browser):
    assert https(browser, "GET", "/any").status_code == 200
    response = https(browser, "POST", "/any")
    assert response.status_code == 403
    assert "X-CSRF-TOKEN" in response.get_json()["description"]
    assert "csrf_access_token" in response.get_json()["description"]
    proof = {"X-CSRF-TOKEN": csrf(browser)}
    assert https(browser, "POST", "/any", headers=proof).status_code == 200
    assert https(browser, "DELETE", "/any", headers=proof).status_code == 200


@pytest.mark.parametrize("value", ["x", "é", "\xff\xfe", "x" * 10_000, "csrf"])
def test_a_wrong_proof_is_refused(browser, value):
    response = https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": value})
    assert response.status_code == 403


def test_the_proof_belongs_to_one_token(browser):
    old = csrf(browser)
    other = csrf(browser, "refresh")
    assert https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": other}).status_code == 403
    https(browser, "POST", "/cookies")
    assert old != csrf(browser)
    assert https(browser, "POST", "/any", headers={"X-CSRF-TOKEN": old}).status_code == 403


def test_a_refresh_token_needs_its_own_proof(browser):
    proof = {"X-CSRF-TOKEN": csrf(browser, "refresh")}
    assert https(browser, "POST", "/refresh", headers=proof).status_code == 200
    proof = {"X-CSRF-TOKEN": csrf(browser)}
    assert https(browser, "POST", "/refresh", headers=proof).status_code == 403


def test_a_missing_proof_is_no_missing_token(browser):
    assert https(browser, "POST", "/optional").status_code == 403


def test_the_proof_in_a_form_where_that_is_on(make):
    for is_on in (True, False):
        app = make(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=is_on)
        client = app.test_client()
        https(client, "POST", "/cookies")
        response = https(client, "POST", "/any", data={"csrf_token": csrf(client)})
        assert response.status_code == (200 if is_on else 403)


def test_protection_can_be_turned_off_and_methods_chosen(make):
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_COOKIE_CSRF_PROTECT=False)
    client = app.test_client()
    assert len(cookies_of(https(client, "POST", "/cookies"))) == 2
    assert https(client, "POST", "/any").status_code == 200
    app = make(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_METHODS=["delete"])
    client = app.test_client()
    https(client, "POST", "/cookies")
    assert https(client, "POST", "/any").status_code == 200
    assert https(client, "DELETE", "/any").status_code == 403


def test_csrf_value_for_a_form(browser, make):
    with browser.application.app_context():
        assert get_csrf_token(browser.get_cookie("access_token_cookie").value) == csrf(browser)


def test_csrf_value_compared_by_hand(make):
    app = make()
    with app.app_context():
        good = token(app)
        flask_jwt.check_csrf_token(good, get_csrf_token(good))
        for wrong in ("", "x", "é", "\ud800"):
            with pytest.raises(CsrfFailed):
                flask_jwt.check_csrf_token(good, wrong)


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
     {"Origin": "https://evil.example"}, {"Origin": "https://[::1"}],
)  # fmt: skip
def test_another_site_logs_nobody_in(client, headers):
    answer = client.post("/auth", data=GOOD, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert not cookies(client)


@pytest.mark.parametrize("path", ["/own-sign-in", "/own-sign-up"])
def test_another_site_logs_nobody_in_by_a_view_of_one_s_own(app, client, users, path):
    @app.post("/own-sign-in")
    def own_sign_in():
        app.jwt.authenticate("joe", "pass")
        return "the password was judged"

    @app.route("/own-sign-up", methods=["GET", "POST"])
    def own_sign_up():
        return app.jwt.log_in(users[1])

    answer = client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert not cookies(client)
    assert client.post(path, headers=OWN).status_code < 400
    assert client.get("/own-sign-up", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 303


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}])
def test_another_site_logs_nobody_in_through_a_view_of_one_s_own(app, client, headers):
    @app.post("/own")
    def own():
        return app.jwt.log_in(app.jwt.authenticate("joe", request.form["password"]))

    @app.post("/sign-up")
    def sign_up():
        return app.jwt.log_in(1)

    for path in ("/own", "/sign-up"):
        assert client.post(path, data=GOOD, headers=headers).status_code == 403
    assert not cookies(client)
    for _ in range(11):  # nor does it use up the tries of a user it knows by name
        assert client.post("/own", data={"password": "no"}, headers=headers).status_code == 403
    assert location(client.post("/own", data=GOOD, headers=OWN)) == "/"


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
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://localhost.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://[::1"}, 403),
        ({"Origin": ""}, 403),
        ({}, 403),
    ],
)
def test_who_may_post(client, headers, status):
    sign_in(client)
    answer = client.post("/page", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.get_json()["code"] == "csrf_failed"


def decoding(app):
    @app.jwt.jwt_decode_handler
    def decode(token):
        unchecked = dict.fromkeys(["verify_exp", "verify_iat", "verify_nbf"], False)
        return pyjwt.decode(token, SECRET, ["HS256"], options=unchecked)


def finding(app):
    @app.jwt.request_handler
    def find():
        return _default_request_handler()


@pytest.mark.parametrize("set_handler", [decoding, finding], ids=lambda f: f.__name__)
def test_handlers_of_one_s_own_need_proof_too(make, set_handler):
    app = make(["cookies", "headers"], JWT_STORAGE_URI=None)
    set_handler(app)
    client = browser(app)
    sign_in(client)
    value, token = (cookies(client)[name] for name in ("csrf_access_token", "access_token_cookie"))
    answer = client.post("/page", headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert client.post("/page", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 403
    assert client.post("/page", headers={"X-CSRF-TOKEN": value}).status_code == 200
    assert client.post("/page", headers=OWN).status_code == 200
    assert client.get("/page").status_code == 200
    answer = client.post("/page", headers={**bearer(token), "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200, "nobody is made to send a header"


def test_no_origin_is_not_that_of_a_host_that_can_not_be_read(client):
    sign_in(client)
    host = {"HTTP_HOST": "my_app.example"}
    for origin in ("null", "", "https://evil.example"):
        answer = client.post("/page", headers={"Origin": origin}, environ_overrides=host)
        assert answer.status_code == 403


def value_in(page):
    return page.text.split('value="')[1].split('"')[0]


def test_the_field_of_a_form_is_the_fallback(client):
    sign_in(client)
    value = value_in(client.get("/home"))
    assert client.post("/page", data={"csrf_token": value}).status_code == 200
    assert client.post("/page", data={"csrf_token": value[:-1] + "x"}).status_code == 403
    assert client.post("/page", headers={"X-CSRF-TOKEN": value}).status_code == 200
    other = browser(client.application)
    sign_in(other)
    assert other.post("/page", data={"csrf_token": value}).status_code == 403


def test_a_form_stays_good_while_tokens_are_renewed(client, clock):
    sign_in(client)
    value = value_in(client.get("/home"))
    clock.tick(400)
    assert client.post("/page", data={"csrf_token": "wrong"}).status_code == 403
    assert client.post("/page", data={"csrf_token": value}).status_code == 200
    assert client.post("/page", data={"csrf_token": value}).status_code == 200


def test_the_field_without_a_login_is_empty(client):
    assert 'name="csrf_token" value=""' in client.get("/home").text
    client.set_cookie("access_token_cookie", "rubbish", secure=True)
    assert 'value=""' in client.get("/home").text
