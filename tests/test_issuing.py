"""TODO"""

from __future__ import annotations


@pytest.mark.parametrize(
    "identity",
    [{"id": 5}, {"id": 0}, {"id": ""}, User(0), User(""), User("x"), {"id": [1, "a"]}],
    ids=repr,
)
def test_any_json_id_is_an_id(make_app, jwt, identity):
    user_id = identity["id"] if isinstance(identity, dict) else identity.id
    jwt.authentication_handler(lambda username, password: identity)
    jwt.identity_handler(lambda payload: User(payload["identity"]))
    client = make_app().test_client()
    token = token_of(client)
    assert claims_of(token)["identity"] == user_id
    assert isinstance(claims_of(token)["sub"], str)
    assert get(client, token).get_json() == {"user": user_id}


@pytest.mark.parametrize("identity", [User(None), {"name": "joe"}, User(object()), object()])
def test_an_identity_without_a_usable_id_tells_the_fix(make_app, jwt, identity):
    jwt.authentication_handler(lambda username, password: identity)
    app = make_app()
    app.testing = True
    with pytest.raises(ConfigError, match="authentication handler"):
        login(app.test_client())


def test_create_access_token(app, clock):
    with app.app_context():
        token = flask_jwt.create_access_token(
            7, claims={"role": "admin"}, headers={"x": 1}, expires_delta=timedelta(minutes=1)
        )
        claims = flask_jwt.decode_token(token)
    assert (claims["identity"], claims["sub"], claims["role"]) == (7, "7", "admin")
    assert claims["exp"] == clock() + 60
    assert pyjwt.get_unverified_header(token)["x"] == 1


def test_extra_claims_do_not_replace_issued_ones_by_accident(app):
    with app.app_context():
        with pytest.raises(ValueError, match="exp, sub"):
            flask_jwt.create_access_token(7, claims={"exp": 1, "sub": "root", "x": 1})
        token = flask_jwt.create_access_token(7, claims={"sub": "root"}, overwrite=True)
        assert flask_jwt.decode_token(token)["sub"] == "root"


def test_claims_json_can_not_hold(app):
    with app.app_context():
        with pytest.raises(TypeError):
            flask_jwt.create_access_token(7, claims={"x": object()})
        with pytest.raises(ValueError, match="NaN|float"):
            flask_jwt.create_access_token(7, claims={"x": float("nan")})
        with pytest.raises(ValueError, match="JWT_MAX_TOKEN_SIZE"):
            flask_jwt.create_access_token(7, claims={"x": "x" * 9000})


def test_tokens_that_never_expire(make, clock):
    app = make(JWT_ACCESS_TOKEN_EXPIRES=False, JWT_REQUIRED_CLAIMS=[])
    forever = token(app)
    assert "exp" not in pyjwt.decode(
        forever, SECRET, ["HS256"], options={"verify_iat": False, "verify_nbf": False}
    )
    clock.tick(10 * 366 * 86400)
    assert app.test_client().get("/any", headers=bearer(forever)).status_code == 200


def test_lifetime_under_either_name(make, clock):
    for name in ("JWT_ACCESS_TOKEN_EXPIRES", "JWT_EXPIRATION_DELTA"):
        app = make(**{name: timedelta(seconds=60)})
        short = bearer(token(app))
        clock.tick(69)
        assert app.test_client().get("/any", headers=short).status_code == 200
        clock.tick(1)
        assert app.test_client().get("/any", headers=short).status_code == 401


def test_identity_claim(make):
    app = make(JWT_IDENTITY_CLAIM="uid")
    good = token(app)
    with app.app_context():
        assert decode_token(good)["uid"] == 1
        assert "identity" not in decode_token(good)
    assert app.test_client().get("/any", headers=bearer(good)).get_json()["id"] == 1


def test_sub_as_text_only_where_asked(make):
    app = make(JWT_VERIFY_SUB=True, JWT_IDENTITY_CLAIM="sub")
    with pytest.warns(UserWarning, match=r"JWT_VERIFY_SUB = False"):
        number = token(app)
    response = app.test_client().get("/any", headers=bearer(number))
    assert "Subject must be a string" in response.get_json()["description"]


def test_decode_token_may_forgive_age_alone(make, clock):
    app = make()
    old = token(app)
    clock.tick(1000)
    with app.app_context():
        assert decode_token(old, allow_expired=True)["identity"] == 1
        with pytest.raises(TokenExpired) as expired:
            decode_token(old)
        assert expired.value.jwt_data["identity"] == 1
        with pytest.raises(TokenInvalid):
            decode_token(old[:-4], allow_expired=True)
        refresh = create_refresh_token(1)
        with pytest.raises(WrongTokenType):
            decode_token(refresh)
        assert decode_token(refresh, refresh=True)["type"] == "refresh"
        assert decode_token(refresh, verify_type=False)["type"] == "refresh"


def test_audience_and_issuer(clock):
    app = new_app(clock, JWT_ENCODE_AUDIENCE="shop", JWT_ENCODE_ISSUER="me")
    token = issue(app)
    assert status(app, token) == 200
    plain = new_app(clock)
    assert status(plain, token) == 401, "it names an audience, and that isn't us"
    assert status(new_app(clock, JWT_DECODE_AUDIENCE=["desk", "shop"]), token) == 200
    assert status(new_app(clock, JWT_DECODE_AUDIENCE="desk"), token) == 401
    assert status(new_app(clock, JWT_DECODE_AUDIENCE="shop", JWT_DECODE_ISSUER="you"), token) == 401
    assert status(app, issue(plain)) == 401, "it lacks both"
    with app.app_context():
        assert decode_token(token)["aud"] == "shop"
