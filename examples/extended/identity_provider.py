import os

from flask import Flask
from flask_jwt.extended import JWTManager, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.update(
    # Another service issues the tokens. So there is a public key to verify them, and none to sign.
    JWT_ALGORITHM="RS256",
    JWT_PUBLIC_KEY=os.environ["PROVIDER_PUBLIC_KEY"],  # a PEM string, or the path of a file
    JWT_DECODE_ISSUER="https://login.example.com/realms/shop",
    JWT_DECODE_AUDIENCE="shop-api",
    JWT_IDENTITY_CLAIM="preferred_username",
)
jwt = JWTManager(app)


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity()}
