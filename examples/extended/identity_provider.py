import os

from flask import Flask
from flask_jwt.extended import JWTManager, get_jwt_identity, jwt_required
from jwt import PyJWKClient

ISSUER = os.environ.get("PROVIDER_ISSUER", "https://login.example.com/realms/shop")
# The provider's metadata, at {ISSUER}/.well-known/openid-configuration, names this URL.
KEYS_URL = os.environ.get("PROVIDER_KEYS_URL", f"{ISSUER}/.well-known/jwks.json")

app = Flask(__name__)
app.config.update(
    JWT_ALGORITHM="RS256",
    JWT_DECODE_ISSUER=ISSUER,
    # Tokens for other APIs are rejected. Amazon Cognito's access tokens name no audience; an empty
    # PROVIDER_AUDIENCE accepts them.
    JWT_DECODE_AUDIENCE=os.environ.get("PROVIDER_AUDIENCE", "shop-api") or None,
)
jwt = JWTManager(app)
keys = PyJWKClient(KEYS_URL, timeout=3)


@jwt.decode_key_loader
def find_key(header, payload):  # called before the token is verified
    return keys.get_signing_key(header["kid"])


@app.get("/me")
@jwt_required()
def me():
    return {"subject": get_jwt_identity()}
