import secrets

from flask import Flask, jsonify
from flask_jwt import JWT, current_identity, jwt_required, unset_jwt_cookies

app = Flask(__name__)
app.config.update(
    JWT_TOKEN_LOCATION=["headers", "cookies"],  # API clients and browsers
    JWT_ACCESS_COOKIE_NAME="__Host-access",
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(app, authenticate, identity)  # /auth: JSON gets a token, a form gets cookies


@app.post("/transfer")
@jwt_required()
def transfer():
    return {"from": current_identity["name"]}


@app.post("/goodbye")
def goodbye():
    response = jsonify(done=True)
    # The token itself stays valid until it expires; with sessions, logout revokes it too.
    unset_jwt_cookies(response)
    return response
