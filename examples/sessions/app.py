import secrets
from datetime import timedelta

from flask import Flask, request
from flask_jwt import JWT, current_identity, get_jwt, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_STORAGE_URI="sqlite:///sessions.db",  # or postgresql+psycopg://…, redis://…
)
app.config.from_prefixed_env()
# Set FLASK_SECRET_KEY to what `flask jwt secret` prints, or a restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(app, authenticate, identity)


@app.get("/me")
@jwt_required()
def me():
    return {"name": current_identity["name"]}


@app.post("/password")
@jwt_required(fresh=timedelta(minutes=5))  # logged in at most five minutes ago
def change_password():
    current_identity["password"] = request.form["new_password"]
    ended = jwt.sessions.revoke_all(current_identity, keep=get_jwt().get("sid"))  # but not this one
    return {"logged_out": ended}
