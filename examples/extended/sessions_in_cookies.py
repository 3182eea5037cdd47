import secrets
from datetime import timedelta

from flask import Flask
from flask_jwt.extended import JWTManager, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_STORAGE_URI="memory://",
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_COOKIE_SECURE=True,
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=15),
    JWT_SESSION_IDLE=timedelta(days=7),  # a user who returns within a week stays logged in,
    JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=90),  # but for at most three months
    JWT_LOGOUT_URL_RULE="/logout",
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    return jwt.log_in("ada")  # sets both cookies


@app.get("/me")
@jwt_required()  # replaces an expired access cookie if the refresh cookie is valid
def me():
    return {"name": get_jwt_identity()}
