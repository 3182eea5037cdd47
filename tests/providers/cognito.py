"""Amazon Cognito as moto imitates it: in this process, and without a network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

REGION = "eu-west-1"
USERNAME = "joe"
PASSWORD = "Passw0rd!"
GROUP = "admins"


def is_installed():
    """Return whether moto and boto3 are here."""
    return bool(find_spec("moto") and find_spec("boto3"))


@dataclass(frozen=True)
class Cognito:
    """A user pool, and the tokens that a user of it got by logging in.

    An access token has no ``aud``: its ``client_id`` names the client. An ID token has an ``aud``.
    The signatures, ``iss`` and JWKS are the same for both; ``token_use`` tells them apart. They
    expire after an hour of real time.
    """

    issuer: str
    client_id: str
    access_token: str
    id_token: str
    keys: tuple

    def jwks(self):
        """Return the keys that the pool publishes."""
        return {"keys": [dict(jwk) for jwk in self.keys]}


def sign_up():
    """Make a pool with a client and a user, and log the user in."""
    import boto3
    from moto import mock_aws

    with pytest.MonkeyPatch.context() as patch:
        # A profile or an endpoint of the developer's own would lead around the mock.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, os.devnull)
        with mock_aws():
            return _sign_up(boto3.Session(region_name=REGION).client("cognito-idp"))


def _sign_up(client):
    pool = client.create_user_pool(PoolName="api")["UserPool"]["Id"]
    app = client.create_user_pool_client(
        UserPoolId=pool, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    client.admin_create_user(UserPoolId=pool, Username=USERNAME)
    client.admin_set_user_password(
        UserPoolId=pool, Username=USERNAME, Password=PASSWORD, Permanent=True
    )
    client.create_group(UserPoolId=pool, GroupName=GROUP)
    client.admin_add_user_to_group(UserPoolId=pool, Username=USERNAME, GroupName=GROUP)
    tokens = client.initiate_auth(
        ClientId=app,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": USERNAME, "PASSWORD": PASSWORD},
    )["AuthenticationResult"]
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{pool}"
    metadata = _get(f"{issuer}/.well-known/openid-configuration")
    assert metadata["issuer"] == issuer
    return Cognito(
        issuer=issuer,
        client_id=app,
        access_token=tokens["AccessToken"],
        id_token=tokens["IdToken"],
        keys=tuple(_get(metadata["jwks_uri"])["keys"]),
    )


def _get(url):
    """Fetch *url* as a program would. moto intercepts requests, and neither httpx nor urllib."""
    import requests

    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.json()
