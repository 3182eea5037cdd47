import os
import secrets
from datetime import timedelta

import redis
from flask import Flask
from flask_jwt.extended import JWTManager, create_access_token, get_jti, get_jwt, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(hours=1),
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)
ended = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost"))


@jwt.token_in_blocklist_loader
def is_revoked(header, claims):  # called at each request; an error rejects the request
    return bool(ended.exists("ended:" + claims["jti"]))


@app.post("/login")
def login():
    token = create_access_token("ada")
    return {"access_token": token, "id": get_jti(token)}


@app.post("/logout")
@jwt_required(verify_type=False)  # revokes refresh tokens as well
def logout():
    # Redis deletes the entry when the token would have expired anyway.
    ended.set("ended:" + get_jwt()["jti"], "", ex=app.config["JWT_ACCESS_TOKEN_EXPIRES"])
    return {"done": True}


@app.get("/me")
@jwt_required()
def me():
    return {"in": True}
