"""Tokens of real identity providers: oidc-provider, and Amazon Cognito as moto imitates it.

Each test verifies its token with PyJWT first, which knows neither this package nor its keys.
``scripts/providers`` installs oidc-provider; without it, its tests are skipped.
"""

from __future__ import annotations

import httpx
import jwt as pyjwt
import pytest

from tests.providers import jwk_of, pem_of
from tests.providers.cognito import GROUP, USERNAME
from tests.providers.oidc import CLIENT, LIFETIME, RESOURCES

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
