import secrets
from datetime import datetime, timedelta, timezone

from flask import Flask, jsonify
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
)

app = Flask(__name__)
app.config.update(
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_COOKIE_SECURE=True,
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(hours=1),
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)
SOON = timedelta(minutes=30)


@app.after_request
def renew(response):
    """Set a new token when the current one is about to expire.

    Such a user can't be logged out, and neither can a thief. Sessions (JWT_STORAGE_URI) solve this.
    """
    try:
        expires = datetime.fromtimestamp(get_jwt()["exp"], timezone.utc)
    except (RuntimeError, KeyError):  # no guarded view, or an anonymous request
        return response
    if expires - datetime.now(timezone.utc) < SOON:
        set_access_cookies(response, create_access_token(get_jwt_identity()))
    return response


@app.post("/login")
def login():
    response = jsonify(done=True)
    set_access_cookies(response, create_access_token("ada"))
    return response


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity()}
