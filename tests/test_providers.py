"""Tokens of real identity providers: oidc-provider, and Amazon Cognito as moto imitates it.

Each test verifies its token with PyJWT first, which knows neither this package nor its keys.
``scripts/providers`` installs oidc-provider; without it, its tests are skipped.
"""

from __future__ import annotations

import flask_jwt_extended as fje
import httpx
import jwt as pyjwt
import pytest
from flask import Flask

import flask_jwt.extended as ours
from flask_jwt import JWT, current_identity, jwt_required
from tests.providers import jwk_of, pem_of
from tests.providers.cognito import GROUP, USERNAME
from tests.providers.oidc import CLIENT, LIFETIME, RESOURCES, generate_keys
from tests.support import bearer

pytest_plugins = ["tests.providers.fixtures"]


def verify_with_pyjwt(token, provider, algorithm="RS256", **expected):
    """Return the claims of *token*, verified with the key that it names of the provider's JWKS."""
    pem = pem_of(jwk_of(token, provider.jwks()))
    return pyjwt.decode(token, pem, algorithms=[algorithm], issuer=provider.issuer, **expected)


@pytest.mark.parametrize(("resource", "algorithm"), RESOURCES.items())
def test_oidc_provider_issues_rfc_9068_access_tokens(oidc_provider, resource, algorithm):
    token = oidc_provider.token(resource, scope="read")
    assert pyjwt.get_unverified_header(token) == {
        "alg": algorithm, "typ": "at+jwt", "kid": f"{algorithm.lower()}-1",
    }  # fmt: skip
    claims = verify_with_pyjwt(token, oidc_provider, algorithm, audience=resource)
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp"}
    assert claims["sub"] == claims["client_id"] == CLIENT["client_id"]
    assert claims["scope"] == "read"
    assert claims["exp"] - claims["iat"] == LIFETIME


def test_oidc_provider_publishes_one_public_key_for_each_algorithm(oidc_provider):
    assert oidc_provider.discover()["issuer"] == oidc_provider.issuer
    keys = oidc_provider.jwks()["keys"]
    assert [jwk["alg"] for jwk in keys] == list(RESOURCES.values())
    assert not any({"d", "key_ops"} & jwk.keys() for jwk in keys)


@pytest.mark.slow
def test_oidc_provider_rotates_its_keys(isolated_oidc_provider):
    before = isolated_oidc_provider.token()
    isolated_oidc_provider.rotate()
    after = isolated_oidc_provider.token()
    assert pyjwt.get_unverified_header(after)["kid"] == "rs256-2"
    for token in (before, after):
        verify_with_pyjwt(token, isolated_oidc_provider, audience="urn:api")

    isolated_oidc_provider.rotate(publish_old=False)
    kids = [jwk["kid"] for jwk in isolated_oidc_provider.jwks()["keys"]]
    assert kids == [f"{algorithm.lower()}-3" for algorithm in RESOURCES.values()]


@pytest.mark.slow
def test_oidc_provider_hangs_stops_and_comes_back(isolated_oidc_provider):
    jwks = isolated_oidc_provider.jwks()
    isolated_oidc_provider.freeze()
    with pytest.raises(httpx.ReadTimeout):
        isolated_oidc_provider.discover(timeout=0.2)
    isolated_oidc_provider.thaw()
    assert isolated_oidc_provider.jwks() == jwks

    isolated_oidc_provider.stop()
    with pytest.raises(httpx.ConnectError):
        isolated_oidc_provider.discover()
    isolated_oidc_provider.start()
    assert isolated_oidc_provider.jwks() == jwks


def test_a_cognito_access_token_names_no_audience(cognito):
    claims = verify_with_pyjwt(cognito.access_token, cognito)
    assert claims["token_use"] == "access"
    assert claims["client_id"] == cognito.client_id
    assert claims["username"] == USERNAME
    assert claims["cognito:groups"] == [GROUP]
    assert not {"aud", "nbf"} & claims.keys()


def test_a_cognito_id_token_differs_from_an_access_token_in_its_claims_alone(cognito):
    claims = verify_with_pyjwt(cognito.id_token, cognito, audience=cognito.client_id)
    assert claims["token_use"] == "id"
    assert claims["cognito:username"] == USERNAME
    assert not {"client_id", "nbf", "type"} & claims.keys()
    assert pyjwt.get_unverified_header(cognito.id_token) == pyjwt.get_unverified_header(
        cognito.access_token
    )


@pytest.fixture(
    params=[
        *(pytest.param(resource, marks=pytest.mark.servers) for resource in RESOURCES),
        "cognito access token",
        "cognito ID token",
    ]
)
def accepted(request):
    """A token that PyJWT accepts, its subject, and the configuration that should accept it too.

    The provider's key is there as PEM, as its users copy it from its console.
    """
    algorithm, audience = RESOURCES.get(request.param, "RS256"), None
    if request.param in RESOURCES:
        provider = request.getfixturevalue("oidc_provider")
        audience = request.param
        token = provider.token(audience)
    else:
        provider = request.getfixturevalue("cognito")
        token = provider.access_token
        if request.param == "cognito ID token":
            token, audience = provider.id_token, provider.client_id
    claims = verify_with_pyjwt(token, provider, algorithm, audience=audience)
    config = {
        "JWT_ALGORITHM": algorithm,
        "JWT_PUBLIC_KEY": pem_of(jwk_of(token, provider.jwks())),
        "JWT_DECODE_AUDIENCE": audience,
        "JWT_DECODE_ISSUER": provider.issuer,
    }
    return token, claims["sub"], config


def respond_natively(token, config):
    app = Flask("native")
    # The tokens have no nbf, which this package requires by default.
    app.config.update(
        config,
        JWT_AUTH_URL_RULE=None,
        JWT_IDENTITY_CLAIM="sub",
        JWT_REQUIRED_CLAIMS=["exp", "iat"],
    )
    jwt = JWT(app)

    @jwt.identity_handler
    def identity(payload):
        return payload["sub"]

    @app.get("/")
    @jwt_required()
    def view():
        return {"subject": str(current_identity)}

    return app.test_client().get("/", headers=bearer(token))


def respond_extended(package, token, config):
    """Respond with *package*, which is flask_jwt_extended or flask_jwt.extended."""
    app = Flask("extended")
    app.config.update(config)
    package.JWTManager(app)

    @app.get("/")
    @package.jwt_required()
    def view():
        return {"subject": package.get_jwt_identity()}

    return app.test_client().get("/", headers=bearer(token))


def test_jwt_accepts_a_providers_token(accepted):
    token, subject, config = accepted
    response = respond_natively(token, config)
    assert (response.status_code, response.get_json()) == (200, {"subject": subject})


def test_jwt_manager_accepts_a_providers_token_as_flask_jwt_extended_does(accepted):
    token, subject, config = accepted
    theirs = respond_extended(fje, token, config)
    assert (theirs.status_code, theirs.get_json()) == (200, {"subject": subject})
    response = respond_extended(ours, token, config)
    assert (response.status_code, response.get_json()) == (200, {"subject": subject})


def test_another_key_verifies_no_token_of_a_provider(accepted):
    """The signature decides, and neither kid nor claims: those are as they should be."""
    token, _, config = accepted
    (jwk,) = (jwk for jwk in generate_keys(1) if jwk["alg"] == config["JWT_ALGORITHM"])
    config["JWT_PUBLIC_KEY"] = pem_of(jwk)
    assert respond_natively(token, config).status_code == 401
    assert respond_extended(fje, token, config).status_code == 422
    assert respond_extended(ours, token, config).status_code == 422
