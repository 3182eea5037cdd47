from datetime import timedelta

from flask import Flask
from flask_jwt import JWT, current_identity, jwt_required

app = Flask(__name__)
app.config.update(
    SECRET_KEY="write-your-own: flask jwt secret prints one",
    JWT_STORAGE_URI="sqlite:///sessions.db",  # or postgresql+psycopg://…, redis://…
)
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
    ended = jwt.sessions.revoke_all(current_identity)  # on every device
    return {"logged_out": ended}
