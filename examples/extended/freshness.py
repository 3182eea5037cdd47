import secrets
from datetime import timedelta

from flask import Flask
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt_identity,
    jwt_required,
)

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():  # the user has entered the password, so the token is fresh for ten minutes
    return {
        "access_token": create_access_token("ada", fresh=timedelta(minutes=10)),
        "refresh_token": create_refresh_token("ada"),
    }


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():  # no password, so the token is not fresh
    return {"access_token": create_access_token(get_jwt_identity(), fresh=False)}


@app.get("/orders")
@jwt_required()
def orders():
    return {"orders": [1, 2]}


@app.post("/address")
@jwt_required(fresh=True)
def change_address():
    return {"changed": True}
