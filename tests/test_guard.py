"""TODO"""

from __future__ import annotations


def test_class_based_views(app):
    class Items(MethodView):
        decorators = [jwt_required()]

        def get(self):
            return str(current_identity.id)

        async def post(self):
            return "posted"

    app.add_url_rule("/items", view_func=Items.as_view("items"))
    client = app.test_client()
    token = token_of(client)
    assert get(client, token, "/items").text == "1"
    assert client.post("/items", headers=bearer(token)).text == "posted"
    assert client.post("/items").status_code == 401


def test_jwt_required_by_hand_for_an_optional_token(app):
    @app.get("/maybe")
    def maybe():
        try:
            _jwt_required("realm")
        except JWTError:
            return "anonymous"
        return f"user {current_identity.id}"

    client = app.test_client()
    assert client.get("/maybe").text == "anonymous"
    assert get(client, token_of(client), "/maybe").text == "user 1"


def test_identity_does_not_outlive_its_request_in_an_open_app_context(app):
    app.add_url_rule("/open", view_func=lambda: str(current_identity._get_current_object()))
    client = app.test_client()
    with app.app_context():
        token = token_of(client)
        assert get(client, token).status_code == 200
        assert client.get("/open").text == "None"


def test_identity_is_none_outside_of_a_request():
    assert current_identity._get_current_object() is None


def test_use_before_init_app_tells_the_fix(app):
    other = Flask("other")
    other.testing = True
    other.add_url_rule("/p", view_func=jwt_required()(lambda: "in"))
    with pytest.raises(ConfigError, match="forget to call init_app"):
        other.test_client().get("/p")


def test_forgotten_parentheses_are_an_error_not_an_open_door():
    with pytest.raises(TypeError, match="parentheses"):
        jwt_required(lambda: "in")


def test_decorating_a_class_is_an_error():
    with pytest.raises(TypeError, match="decorators"):
        jwt_required()(MethodView)


def test_realm_can_not_break_out_of_the_challenge(app):
    app.add_url_rule("/p", view_func=jwt_required('say "hi"\\')(lambda: "in"))
    challenge = app.test_client().get("/p").headers["WWW-Authenticate"]
    assert challenge == 'JWT realm="say \\"hi\\"\\\\"'


def test_current_request_s_token(app, user):
    @app.get("/claims")
    @jwt_required()
    def claims():
        flask_jwt.get_jwt()["identity"] = "changed"
        return {
            "identity": flask_jwt.get_jwt_identity(),
            "header": flask_jwt.get_jwt_header(),
        }

    client = app.test_client()
    token = token_of(client)
    body = get(client, token, "/claims").get_json()
    assert body == {"identity": "changed", "header": {"alg": "HS256", "typ": "JWT"}}
    assert get(client, token).get_json() == {"user": 1}, "a view can't poison the next request"


@pytest.mark.parametrize("function", ["get_jwt", "get_jwt_header", "get_jwt_identity"])
def test_asking_for_a_token_that_was_not_verified(app, function):
    with app.test_request_context(), pytest.raises(RuntimeError, match=function):
        getattr(flask_jwt, function)()


def test_a_token_of_another_type_is_refused(make):
    app = make()
    client = app.test_client()
    with app.app_context():
        refresh = create_refresh_token(1)
    assert client.get("/any", headers=bearer(refresh)).get_json()["code"] == "wrong_token_type"
    assert client.get("/refresh", headers=bearer(refresh)).get_json()["id"] == 1
    response = client.get("/refresh", headers=bearer(token(app)))
    assert response.get_json()["code"] == "wrong_token_type"
    for either in (refresh, token(app)):
        assert client.get("/whatever", headers=bearer(either)).status_code == 200


@pytest.mark.parametrize(
    ("options", "is_fresh", "is_new"),
    [
        ({"fresh": True}, True, True),
        ({"fresh": False}, False, False),
        ({}, False, False),
        ({"fresh": timedelta(minutes=5)}, True, False),
        ({"fresh": 1_800_000_000 + 30}, True, False),
        ({"fresh": 1_800_000_000 - 30}, False, False),
        ({"claims": {"fresh": None}, "overwrite": True}, False, False),
        ({"claims": {"fresh": "yes"}, "overwrite": True}, False, False),
        ({"claims": {"fresh": [True]}, "overwrite": True}, False, False),
        ({"claims": {"fresh": 1}, "overwrite": True}, False, False),
        ({"claims": {"auth_time": "now"}, "overwrite": True}, False, False),
    ],
)
def test_freshness(make, options, is_fresh, is_new):
    app = make()
    headers = bearer(token(app, **options))
    client = app.test_client()
    assert client.get("/fresh", headers=headers).status_code == (200 if is_fresh else 401)
    response = client.get("/fresh-for-a-minute", headers=headers)
    assert response.status_code == (200 if is_new else 401)


def test_freshness_passes(make, clock):
    app = make()
    headers = bearer(token(app, fresh=timedelta(seconds=30)))
    assert app.test_client().get("/fresh", headers=headers).status_code == 200
    clock.tick(31)
    response = app.test_client().get("/fresh", headers=headers)
    assert response.get_json()["code"] == "insufficient_user_authentication"


def test_optional(shop):
    app = shop()
    client = app.test_client()
    token = login(app)["access_token"]
    assert client.get("/optional").get_json() == {"user": None}
    assert client.get("/optional", headers={"Authorization": "Basic am9lOng="}).get_json() == {
        "user": None
    }
    assert get(app, "/optional", token).get_json() == {"user": 1}
    assert get(app, "/optional", token + "x").status_code == 401
    assert client.get("/optional", headers={"Authorization": "Bearer"}).status_code == 401


def test_fresh_means_from_a_login(shop, clock):
    app = shop()
    tokens = login(app)
    assert get(app, "/fresh", tokens["access_token"]).text == "fresh"
    clock.tick(5)
    refreshed = refresh(app, tokens["refresh_token"]).get_json()["access_token"]
    response = get(app, "/fresh", refreshed)
    assert code(response) == (401, "insufficient_user_authentication")
    assert 'error="insufficient_user_authentication"' in response.headers["WWW-Authenticate"]
    assert get(app, "/recent", refreshed).text == "recent"
    clock.tick(120)
    assert 'max_age="120"' in get(app, "/recent", refreshed).headers["WWW-Authenticate"]


def test_fresh_works_without_sessions(make_app):
    app = make_app()
    app.add_url_rule("/fresh", view_func=jwt_required(fresh=True)(lambda: "fresh"))
    token = (
        app.test_client()
        .post("/auth", json={"username": "joe", "password": "pass"})
        .get_json()["access_token"]
    )
    assert get(app, "/fresh", token).text == "fresh"
    with app.app_context():
        made = flask_jwt.create_access_token(1)
    assert code(get(app, "/fresh", made)) == (401, "insufficient_user_authentication")
