import json
import secrets

from flask import Flask
from flask_jwt import JWT, current_identity, get_jwt, jwt_required

import audit

app = Flask(__name__)
app.config.from_prefixed_env()
# Set FLASK_SECRET_KEY to what `flask jwt secret` prints, or a restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {"joe": {"id": 1, "password": "pass", "plan": "pro"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(app, authenticate, identity)
audit.connect(app)


@jwt.additional_claims_loader
def add_claims(user):  # each login and each refresh calls this
    return {"plan": user["plan"]}


@jwt.jwt_error_handler
def change_error(error):
    response = error.get_response()  # keep its status and headers
    body = {"message": error.description, "code": error.error_code, "hint": error.hint}
    response.data = json.dumps(body)
    return response


@app.get("/plan")
@jwt_required(optional=True)
def show_plan():
    if not current_identity:  # the request has no token
        return {"plan": "free"}
    return {"plan": get_jwt()["plan"]}
