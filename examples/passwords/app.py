import secrets

from flask import Flask
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required
from werkzeug.security import generate_password_hash

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {
    "joe": {"id": 1, "password": hash_password("pass")},
    "ann": {"id": 2, "password": generate_password_hash("pass", "pbkdf2:sha256:1000")},  # outdated
}


def authenticate(username, password):
    user = users.get(username)
    correct, new_hash = check_password(user["password"] if user else None, password)
    if new_hash:  # only a login knows the password, so this is when an old hash can be replaced
        user["password"] = new_hash
        app.logger.warning("User %s has a new hash", user["id"])
    return user if correct else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


JWT(app, authenticate, identity)


@app.get("/me")
@jwt_required()
def me():
    return {"id": current_identity["id"]}
