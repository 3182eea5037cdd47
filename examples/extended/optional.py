import secrets

from flask import Flask
from flask_jwt.extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    return {"access_token": create_access_token("ada")}


@app.get("/greeting")
@jwt_required(optional=True)  # an invalid token is still rejected
def greeting():
    return {"hello": get_jwt_identity() or "stranger"}
