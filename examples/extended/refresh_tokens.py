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
app.config.update(
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=10),
    JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=14),
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    return {
        "access_token": create_access_token("ada"),
        "refresh_token": create_refresh_token("ada"),
    }


@app.post("/refresh")
@jwt_required(refresh=True)  # accepts refresh tokens only
def refresh():
    return {"access_token": create_access_token(get_jwt_identity())}


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity()}
