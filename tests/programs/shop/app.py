"""A shop with Flask-JWT-Extended: cookies, a blocklist, and users of an identity provider."""

from datetime import timedelta

from flask import Flask, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)
from jwt import PyJWKClient

app = Flask(__name__)
app.config["JWT_TOKEN_LOCATION"] = ["cookies", "headers"]
app.config["JWT_COOKIE_SECURE"] = False
app.config["JWT_COOKIE_SAMESITE"] = "lax"
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(minutes=15)
app.config["JWT_SECRET_KEY"] = "the secret of this shop, 32 bytes"
app.config["JWT_BLACKLIST_ENABLED"] = True

jwt = JWTManager(app)
provider = PyJWKClient("https://id.example.com/.well-known/jwks.json")
revoked = set()


@jwt.token_in_blocklist_loader
def is_revoked(header, payload):
    return payload["jti"] in revoked


@jwt.decode_key_loader
def find_key(header, payload):
    if payload.get("iss") == "https://id.example.com":
        return provider.get_signing_key(header["kid"]).key
    return app.config["JWT_SECRET_KEY"]


@jwt.user_lookup_loader
def find_user(header, payload):
    return {"name": payload["sub"]}


@app.post("/login")
def login():
    response = jsonify(login=True)
    set_access_cookies(response, create_access_token("ada", fresh=True))
    set_refresh_cookies(response, create_refresh_token("ada"))
    return response


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():
    response = jsonify(refresh=True)
    set_access_cookies(response, create_access_token(get_jwt_identity()))
    return response


@app.post("/logout")
@jwt_required()
def logout():
    revoked.add(get_jwt()["jti"])
    response = jsonify(logout=True)
    unset_jwt_cookies(response)
    return response


@app.get("/basket")
@jwt_required(optional=True)
def basket():
    return {"user": get_jwt_identity()}


@app.post("/orders")
@jwt_required(fresh=True)
def order():
    return {"user": get_jwt_identity()}
