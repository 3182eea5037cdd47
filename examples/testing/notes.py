from datetime import timedelta

from flask import Flask
from flask_jwt import JWT, current_identity, get_jwt, jwt_required

users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


@jwt_required()
def me():
    return {"name": current_identity["name"]}


@jwt_required()
def report():
    return {"all": 1} if get_jwt().get("role") == "admin" else ({"only": "admins"}, 403)


@jwt_required(fresh=timedelta(minutes=5))
def close_account():
    return {"closed": current_identity["name"]}


def create_app(**config):
    app = Flask(__name__)
    app.config.update(config)
    jwt.init_app(app)
    app.add_url_rule("/me", view_func=me)
    app.add_url_rule("/report", view_func=report)
    app.add_url_rule("/close", view_func=close_account, methods=["POST"])
    return app
