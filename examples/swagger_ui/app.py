from apiflask import APIFlask
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required
from flask_jwt.openapi import secure

users = {"joe": {"id": 1, "name": "joe", "password": hash_password("pass")}}


def authenticate(username, password):
    user = users.get(username)
    correct = check_password(user["password"] if user else None, password)
    return user if correct else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


app = APIFlask(__name__, title="Orders", docs_path="/docs")
app.config["AUTO_SERVERS"] = False  # a client chooses the Host, which would be in the document
app.config.from_prefixed_env()
JWT(app, authenticate, identity)
secure(app)


@app.get("/orders")
@jwt_required()
def list_orders():
    return {"orders": [1, 2], "of": current_identity["name"]}
