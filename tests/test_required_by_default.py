"""TODO"""

from __future__ import annotations


@pytest.fixture
def closed(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    @app.get("/unmarked")
    def unmarked():
        return str(current_identity.username)

    @app.get("/open")
    @app.jwt.exempt
    def open_():
        return "open"

    class Methods(MethodView):
        def get(self):
            return "get"

        @app.jwt.exempt
        def post(self):
            return "post"

    app.add_url_rule("/methods", view_func=Methods.as_view("methods"))

    @app.jwt.exempt
    class Free(MethodView):
        def get(self):
            return "free"

    app.add_url_rule("/free", view_func=Free.as_view("free"))

    class Optional(MethodView):
        @jwt_required(optional=True)
        def get(self):
            return "optional"

    app.add_url_rule("/optional", view_func=Optional.as_view("optional"))
    return app


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/unmarked", 401),
        ("HEAD", "/unmarked", 401),
        ("OPTIONS", "/unmarked", 200),
        ("GET", "/page", 401),
        ("GET", "/home", 200),
        ("GET", "/open", 200),
        ("GET", "/methods", 401),
        ("HEAD", "/methods", 401),
        ("POST", "/methods", 200),
        ("GET", "/free", 200),
        ("HEAD", "/free", 200),
        ("GET", "/optional", 200),
        ("GET", "/static/nothing", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/unmarked", 405),
        ("GET", "/sign-in", 200),
        ("POST", "/auth", 400),
        ("POST", "/auth/refresh", 401),
        ("GET", "/auth/sessions", 401),
    ],
)
def test_what_is_open_where_all_is_guarded(closed, method, path, status):
    answer = closed.test_client().open(path, method=method)
    assert answer.status_code == status


def test_what_a_login_opens_where_all_is_guarded(closed):
    client = browser(closed)
    sign_in(client)
    assert client.get("/unmarked").text == "joe"
    assert client.get("/methods").text == "get"


def test_the_login_page_is_open_under_its_path_too(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True, JWT_LOGIN_VIEW="/sign-in")
    assert browser(app).get("/sign-in").status_code == 200


@pytest.mark.parametrize("page", ["/sign-in?from=guard", "/shop/sign-in"])
def test_the_login_page_is_open_under_each_of_its_urls(make, page):
    client = make(JWT_REQUIRED_BY_DEFAULT=True, JWT_LOGIN_VIEW=page).test_client()
    answer = client.get("/page", headers=PAGE, base_url="https://localhost/shop")
    assert location(answer).startswith(page)
    assert (
        client.get("/sign-in", headers=PAGE, base_url="https://localhost/shop").status_code == 200
    )


def test_a_view_that_is_called_static_is_no_static_file(make, tmp_path):
    (tmp_path / "file").write_text("file")
    app = make(JWT_REQUIRED_BY_DEFAULT=True)
    plain = Blueprint("plain", __name__, url_prefix="/plain")
    plain.add_url_rule("/", "static", lambda: "secret")
    app.register_blueprint(plain)
    inner = Blueprint("inner", __name__, static_folder=tmp_path, static_url_path="/static")
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer)
    app.add_url_rule("/dotted", "some.static", lambda: "secret")
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/plain/", "/dotted")] == [401, 401]
    with client.get("/outer/inner/static/file") as answer:
        assert answer.text == "file"


def test_a_view_that_takes_options_itself_is_not_run_for_it(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)
    app.add_url_rule("/both", "both", lambda: "secret", methods=["GET", "OPTIONS"])

    class Preflight(MethodView):
        def get(self):
            return "secret"

        @app.jwt.exempt
        def options(self):
            return "", 204

    app.add_url_rule("/preflight", view_func=Preflight.as_view("preflight"))

    def decorated():  # as Flask-CORS's cross_origin() leaves it
        return "of the decorator" if request.method == "OPTIONS" else "secret"

    decorated.required_methods = {"OPTIONS"}
    decorated.provide_automatic_options = False
    app.add_url_rule("/decorated", "decorated", decorated)
    client = app.test_client()
    answer = client.options("/both")
    assert (answer.status_code, answer.data) == (200, b"")
    assert {"GET", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert client.options("/preflight").status_code == 204
    assert client.options("/decorated").text == "of the decorator"
    for path in ("/both", "/preflight", "/decorated"):
        assert client.get(path).status_code == 401


def test_a_subclass_of_an_open_class_is_guarded(make):
    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    @app.jwt.exempt
    class Open(MethodView):
        def get(self):
            return "open"

    class Closed(Open):
        def get(self):
            return "closed"

    app.add_url_rule("/base", view_func=Open.as_view("base"))
    app.add_url_rule("/sub", view_func=Closed.as_view("sub"))
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/base", "/sub")] == [200, 401]


@pytest.mark.parametrize("install", FRAMEWORKS, ids=lambda f: f.__name__)
def test_under_each_framework_all_is_guarded(make, install):
    if install is apiflask:
        from apiflask import APIFlask

        app = make(App=APIFlask, JWT_REQUIRED_BY_DEFAULT=True)
    else:
        app = make(JWT_REQUIRED_BY_DEFAULT=True)
    install(app, lambda: {"it": "runs"})
    client = app.test_client()
    answer = client.get("/protected")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_missing")
    endpoint = next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == "/protected")
    app.jwt.exempt(app.view_functions[endpoint])
    assert client.get("/protected").get_json() == {"it": "runs"}


def test_a_method_of_a_resource_may_be_open(make):
    from flask_restful import Api, Resource

    app = make(JWT_REQUIRED_BY_DEFAULT=True)

    class Half(Resource):
        def get(self):
            return "guarded"

        @app.jwt.exempt
        def post(self):
            return "free"

    Api(app).add_resource(Half, "/rest")
    client = app.test_client()
    assert client.get("/rest").status_code == 401
    assert client.post("/rest").status_code == 200


def test_in_the_extended_spelling_all_is_guarded():
    from flask_jwt import extended

    app = Flask("extended")
    app.config.update(JWT_SECRET_KEY=SECRET, JWT_REQUIRED_BY_DEFAULT=True)
    jwt = extended.JWTManager(app)
    app.add_url_rule("/closed", "closed", lambda: "closed")
    app.add_url_rule("/open", "open", jwt.exempt(lambda: "open"))
    app.add_url_rule("/own", "own", extended.jwt_required(optional=True)(lambda: "own"))
    client = app.test_client()
    assert client.get("/closed").get_json() == {"msg": "Missing Authorization Header"}
    assert [client.get(path).text for path in ("/open", "/own")] == ["open", "own"]
    with app.app_context():
        headers = bearer(extended.create_access_token("joe"))
    assert client.get("/closed", headers=headers).text == "closed"
