"""A program for this package, with several mistakes."""

from flask import Flask
from flask_jwt import JWT, jwt_required

from users import authenticate, identity

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY="the secret of these notes, 32 bytes",
    JWT_ACESS_TOKEN_EXPIRES=3600,
    JWT_COOKIE_SECURE="False",
    JWT_TOKEN_LOCATION=["header"],
)
jwt = JWT(app, authenticate, identity)


@jwt.error_handler
def mine(error):
    return "no", 401


@jwt_required()
@app.get("/notes")
def notes():
    return "notes"
