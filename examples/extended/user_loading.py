import secrets
from dataclasses import dataclass

from flask import Flask
from flask_jwt.extended import JWTManager, create_access_token, current_user, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@dataclass
class User:
    id: int
    name: str


users = {7: User(7, "ada")}


@jwt.user_identity_loader
def id_of(user):  # returns the identity for the token
    return str(user.id)


@jwt.user_lookup_loader
def user_of(header, claims):  # None rejects the request
    return users.get(int(claims["sub"]))


@app.post("/login")
def login():
    return {"access_token": create_access_token(users[7])}


@app.get("/me")
@jwt_required()
def me():
    return {"name": current_user.name}
