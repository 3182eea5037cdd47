from flask import Flask
from flask_jwt import JWT, current_identity, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_PRIVATE_KEY="jwt.pem",
    JWT_ENCODE_ISSUER="shop",
    JWT_ENCODE_AUDIENCE=["shop", "orders"],  # the services for which its tokens are
    JWT_DECODE_AUDIENCE="shop",  # the name of this one
    JWT_STORAGE_URI="sqlite:///sessions.db",
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
