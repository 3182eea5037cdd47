from apiflask import APIFlask
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required
from flask_jwt.openapi import secure

users = {"joe": {"id": 1, "name": "joe", "hash": hash_password("pass")}}


def authenticate(username, password):
    user = users.get(username)
    is_valid = check_password(user["hash"] if user else None, password)
    return user if is_valid else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


app = APIFlask(__name__, title="Orders")
app.config["AUTO_SERVERS"] = False  # a client chooses the Host, which would be in the document
app.config.from_prefixed_env()
jwt = JWT(app, authenticate, identity)
secure(app)


@app.get("/orders")
@jwt_required()
def list_orders():
    return {"orders": [1, 2], "of": current_identity["name"]}


@app.post("/orders")
@jwt_required(scopes="orders:write")
def add_order():
    return {"order": 3}


@app.get("/prices")
def list_prices():
    return {"prices": [5]}
