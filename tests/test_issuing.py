"""The tokens that the package issues, and what its functions read from tokens."""

from __future__ import annotations

from datetime import timedelta

import jwt as pyjwt
import pytest

from flask_jwt import create_access_token, create_refresh_token, decode_token
from flask_jwt.errors import TokenExpired, TokenInvalid, WrongTokenType
from tests.support import User, claims_of, get, issue, token_of

# Identities


@pytest.mark.parametrize(
    "identity",
    [{"id": 5}, {"id": 0}, {"id": ""}, User(0), User(""), User("x")],
    ids=repr,
)
def test_strings_and_integers_are_ids(app, client, identity):
    user_id = identity["id"] if isinstance(identity, dict) else identity.id
    app.jwt.authentication_handler(lambda username, password: identity)
    app.jwt.identity_handler(lambda payload: User(payload["identity"]))
    token = token_of(client)
    assert claims_of(token)["identity"] == user_id
    assert isinstance(claims_of(token)["sub"], str)
    assert get(app, "/protected", token).get_json() == {"user": user_id}


def test_the_identity_claim_has_a_configured_name(make_app):
    app = make_app(JWT_IDENTITY_CLAIM="uid")
    app.jwt.identity_handler(lambda payload: User(payload["uid"]))
    token = issue(app)
    assert claims_of(token)["uid"] == 1
    assert "identity" not in claims_of(token)
    assert get(app, "/protected", token).get_json() == {"user": 1}


def test_sub_has_to_be_a_string_only_if_an_option_says_so(make_app):
    app = make_app(JWT_VERIFY_SUB=True, JWT_IDENTITY_CLAIM="sub")
    with pytest.warns(UserWarning, match=r"JWT_VERIFY_SUB = False"):
        number = issue(app)
    response = get(app, "/protected", number)
    assert "Subject must be a string" in response.get_json()["description"]


# Claims


def test_create_access_token_takes_claims_headers_and_a_lifetime(app, clock):
    options = {"claims": {"role": "admin"}, "headers": {"x": 1}}
    token = issue(app, 7, expires_delta=timedelta(minutes=1), **options)
    with app.app_context():
        claims = decode_token(token)
    assert (claims["identity"], claims["sub"], claims["role"]) == (7, "7", "admin")
    assert claims["exp"] == clock() + 60
    assert pyjwt.get_unverified_header(token)["x"] == 1


def test_extra_claims_do_not_replace_issued_ones_by_accident(app):
    with app.app_context():
        with pytest.raises(ValueError, match="exp, sub"):
            create_access_token(7, claims={"exp": 1, "sub": "root", "x": 1})
        token = create_access_token(7, claims={"sub": "root"}, overwrite=True)
        assert decode_token(token)["sub"] == "root"


def test_the_audience_of_a_token_may_be_chosen_where_no_option_sets_it(make_app):
    audiences = {1: "phone", 2: "desk"}
    for option in (None, "web"):
        app = make_app(JWT_ENCODE_AUDIENCE=option, JWT_DECODE_AUDIENCE=["phone", "web"])
        app.jwt.additional_claims_loader(lambda user: {"aud": audiences[user]})
        if option is None:
            assert get(app, "/protected", issue(app, 1)).status_code == 200
            assert get(app, "/protected", issue(app, 2)).status_code == 401
        else:
            with pytest.raises(ValueError, match="claims would replace aud, which this package"):
                issue(app, 1)


def test_claims_that_json_can_not_hold_are_an_error(app):
    with app.app_context():
        with pytest.raises(TypeError):
            create_access_token(7, claims={"x": object()})
        with pytest.raises(ValueError, match="NaN|float"):
            create_access_token(7, claims={"x": float("nan")})
        with pytest.raises(ValueError, match="JWT_MAX_TOKEN_SIZE"):
            create_access_token(7, claims={"x": "x" * 9000})


def test_audience_and_issuer(make_app):
    """What an application issues it accepts, unless it is configured otherwise."""
    app = make_app(JWT_ENCODE_AUDIENCE="shop", JWT_ENCODE_ISSUER="me")
    token = issue(app)

    def status(app, token=token):
        return get(app, "/protected", token).status_code

    assert status(app) == 200
    plain = make_app()
    assert status(plain) == 401, "it is for an audience, which this application is not"
    assert status(make_app(JWT_DECODE_AUDIENCE=["desk", "shop"])) == 200
    assert status(make_app(JWT_DECODE_AUDIENCE="desk")) == 401
    assert status(make_app(JWT_DECODE_AUDIENCE="shop", JWT_DECODE_ISSUER="you")) == 401
    assert status(app, issue(plain)) == 401, "it lacks both"
    with app.app_context():
        assert decode_token(token)["aud"] == "shop"


# Lifetimes


def test_tokens_may_never_expire(make_app, clock):
    app = make_app(JWT_ACCESS_TOKEN_EXPIRES=False, JWT_REQUIRED_CLAIMS=[])
    token = issue(app)
    assert "exp" not in claims_of(token)
    clock.tick(10 * 366 * 86400)
    assert get(app, "/protected", token).status_code == 200


def test_the_lifetime_may_have_either_name(make_app, clock):
    for name in ("JWT_ACCESS_TOKEN_EXPIRES", "JWT_EXPIRATION_DELTA"):
        app = make_app(**{name: timedelta(seconds=60)})
        token = issue(app)
        clock.tick(69)
        assert get(app, "/protected", token).status_code == 200
        clock.tick(1)
        assert get(app, "/protected", token).status_code == 401


# Reading


def test_decode_token_may_accept_expired_tokens_but_nothing_else_that_is_wrong(app, clock):
    old = issue(app)
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
