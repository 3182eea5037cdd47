"""A program for version 3 of Flask-JWT-Extended, and for the Flask of its time."""

from flask import Flask, escape
from flask_jwt_extended import JWTManager, get_raw_jwt, jwt_optional, jwt_required

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "the secret of this shop, 32 bytes"
app.config["JWT_BLACKLIST_ENABLED"] = True
jwt = JWTManager(app)


@jwt.token_in_blacklist_loader
def is_revoked(token):
    return False


@app.route("/basket")
@jwt_optional
def basket():
    return escape(get_raw_jwt().get("identity"))


@app.route("/orders")
@jwt_required
def orders():
    return "no orders"
