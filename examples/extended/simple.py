import secrets

from flask import Flask, request
from flask_jwt.extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    body = request.get_json()
    if (body["username"], body["password"]) != ("ada", "engine"):
        return {"msg": "Wrong user name or password"}, 401
    return {"access_token": create_access_token(identity="ada")}


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity()}
