import secrets

from flask import Blueprint, Flask
from flask_jwt import (
    JWT,
    Grants,
    any_of,
    check_password,
    current_identity,
    has_scope,
    hash_password,
    jwt_required,
)

users = {
    "joe": {"id": 1, "hash": hash_password("pass"), "scopes": ["orders:read"], "roles": []},
    "ann": {
        "id": 2,
        "hash": hash_password("word"),
        "scopes": ["orders:read", "orders:write"],
        "roles": ["support"],
    },
}


def authenticate(username, password):
    user = users.get(username)
    is_valid = check_password(user["hash"] if user else None, password)
    return user if is_valid else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


@jwt.grants_loader
def load_grants(user, claims):
    return Grants(scopes=user["scopes"], roles=user["roles"])


admin = Blueprint("admin", __name__, url_prefix="/admin")
admin.before_request(jwt.require(roles=any_of("admin", "support")))


@admin.get("/users")
def list_users():
    return {"users": sorted(users)}


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env()
    # `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
    app.secret_key = app.secret_key or secrets.token_hex()
    jwt.init_app(app)
    app.register_blueprint(admin)

    @app.get("/orders")
    @jwt_required(scopes="orders:read")
    def list_orders():
        return {"orders": [1, 2], "may_add": has_scope("orders:write")}

    @app.post("/orders")
    @jwt_required(scopes=["orders:read", "orders:write"])
    def add_order():
        return {"added_by": current_identity["id"]}, 201

    return app
