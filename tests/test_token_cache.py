"""One cache of verified tokens for each application, keyed by the token alone."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask

import flask_jwt
from flask_jwt import JWT, create_access_token, extended, jwt_required

SECRET = "a-secret-of-32-bytes-for-testing"


def make_app(manager=JWT, **config):
    app = Flask("cached")
    app.config.update(SECRET_KEY=SECRET, JWT_SECRET_KEY=SECRET, **config)
    app.manager = manager(app)
    app.add_url_rule("/view", "view", jwt_required()(lambda: "in"))
    any_type = jwt_required(verify_type=False)(lambda: "in")
    app.add_url_rule("/any", "any", any_type)
    return app


def token_of(app, identity="ann"):
    with app.app_context():
        return create_access_token(identity)


def get(app, authorization, path="/view"):
    return app.test_client().get(path, headers={"Authorization": authorization})


def cache_of(app):
    return app.extensions["flask-jwt"].codecs.cache


def spell(scheme):
    """Yield the scheme in each mixture of upper and lower case."""
    yield from map("".join, itertools.product(*((c.lower(), c.upper()) for c in scheme)))


@pytest.mark.parametrize("manager", [JWT, extended.JWTManager], ids=["native", "extended"])
def test_one_token_in_1000_different_headers_is_one_entry(manager):
    app = make_app(manager)
    token = token_of(app)
    blanks = [" ", "  ", "\t", " \t ", "    "]
    ends = ["", " ", "\t", "  "]
    headers = [
        f"{scheme}{blank}{token}{end}"
        for scheme, blank, end in itertools.product(spell("bearer"), blanks, ends)
    ]
    client = app.test_client()
    assert len(set(headers)) >= 1000
    for authorization in headers:
        assert client.get("/view", headers={"Authorization": authorization}).text == "in"
    assert len(cache_of(app)) == 1


@pytest.mark.parametrize(
    ("config", "scheme"),
    [
        ({}, "Bearer "),
        ({}, "JWT "),
        ({"JWT_AUTH_HEADER_PREFIX": "Token"}, "Token "),
        ({"JWT_HEADER_TYPE": "Key"}, "Key "),
        ({"JWT_HEADER_TYPE": ""}, ""),
    ],
)
def test_each_scheme_finds_the_entry(config, scheme):
    app = make_app(**config)
    token = token_of(app)
    for written in (scheme, scheme.lower(), scheme.upper(), scheme):
        assert get(app, written + token).status_code == 200
    assert len(cache_of(app)) == 1
    cached = cache_of(app).tokens[token]
    get(app, scheme + token)
    assert cache_of(app).tokens[token] is cached


@pytest.mark.parametrize(
    "authorization",
    ["{0} {0}", "Basic {0}", "{0}", "Bearer", "Bearer {0} x", "Bearer,{0}"],
)
def test_a_cached_token_makes_no_other_header_valid(authorization):
    app = make_app()
    token = token_of(app)
    assert get(app, f"Bearer {token}").status_code == 200
    assert get(app, authorization.format(token)).status_code == 401


def test_an_entry_counts_only_for_the_codec_that_made_it():
    app = make_app()
    token = token_of(app)
    with app.app_context():
        refresh = flask_jwt.create_refresh_token("ann")
    assert get(app, f"Bearer {refresh}", "/any").status_code == 200
    assert get(app, f"Bearer {refresh}").status_code == 401
    assert get(app, f"Bearer {token}").status_code == 200
    assert get(app, f"Bearer {token}", "/any").status_code == 200
    assert len(cache_of(app)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"JWT_SECRET_KEY": "another-secret-of-32-bytes-or-so"},
        {"JWT_DECODE_ISSUER": "other"},
        {"JWT_REQUIRED_CLAIMS": ["exp", "iat", "nbf", "scope"]},
    ],
)
def test_a_changed_option_leaves_no_entry_in_force(change):
    app = make_app()
    token = token_of(app)
    assert get(app, f"Bearer {token}").status_code == 200
    app.config.update(change)
    assert get(app, f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("size", [0, 1, 10])
def test_the_size_bounds_all_codecs_together(size):
    app = make_app(JWT_CACHE_SIZE=size)
    keys = [f"loaded-secret-{i:02}-of-32-bytes-at-least" for i in range(64)]
    app.manager.encode_key_loader(lambda identity: keys[int(identity)])
    app.manager.decode_key_loader(lambda header, payload: keys[int(payload["sub"])])
    client = app.test_client()
    for i in range(64):
        for _ in range(2):
            headers = {"Authorization": f"Bearer {token_of(app, str(i))}"}
            assert client.get("/view", headers=headers).text == "in"
    assert len(cache_of(app)) == size


def test_a_smaller_size_takes_effect_at_the_next_new_token():
    app = make_app()
    for i in range(10):
        get(app, f"Bearer {token_of(app, str(i))}")
    assert len(cache_of(app)) == 10
    app.config["JWT_CACHE_SIZE"] = 3
    get(app, f"Bearer {token_of(app)}")
    assert len(cache_of(app)) == 3


def test_requests_with_one_token_share_no_claims():
    app = make_app()

    @app.get("/change")
    @jwt_required()
    def change():
        claims = flask_jwt.get_jwt()
        claims["list"].append(1)
        claims["flat"] = 1
        return claims

    with app.app_context():
        token = create_access_token("ann", claims={"list": []})
    for _ in range(3):
        claims = get(app, f"Bearer {token}", "/change").get_json()
        assert claims["list"] == [1]
