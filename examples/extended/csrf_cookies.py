import secrets

from flask import Flask, jsonify
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    unset_jwt_cookies,
)

app = Flask(__name__)
app.config.update(
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_COOKIE_SECURE=True,  # False only to develop without HTTPS
    JWT_COOKIE_CSRF_PROTECT=True,
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    response = jsonify(done=True)
    set_access_cookies(response, create_access_token("ada"))
    return response


@app.post("/transfer")
@jwt_required()
def transfer():
    # A script in the browser has to send the value of the cookie csrf_access_token:
    #   fetch("/transfer", {method: "POST", headers: {"X-CSRF-TOKEN": value}})
    return {"from": get_jwt_identity()}


@app.post("/logout")
def logout():
    response = jsonify(done=True)
    unset_jwt_cookies(response)
    return response
