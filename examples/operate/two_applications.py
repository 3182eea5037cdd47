"""Two applications on one host, whose cookies, sessions and tokens don't mix."""

import secrets

from flask import Flask
from flask_jwt import JWT, current_identity, jwt_required
from werkzeug.middleware.dispatcher import DispatcherMiddleware

users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


def create_app(name):
    app = Flask(__name__)
    app.config.update(
        JWT_ENCODE_ISSUER=name,  # also the default of JWT_STORAGE_NAMESPACE
        JWT_ENCODE_AUDIENCE=name,
        JWT_ACCESS_COOKIE_NAME=f"__Host-{name}-access",
        JWT_REFRESH_COOKIE_NAME=f"__Host-{name}-refresh",
        JWT_ACCESS_CSRF_COOKIE_NAME=f"{name}-csrf-access",
        JWT_REFRESH_CSRF_COOKIE_NAME=f"{name}-csrf-refresh",
        SESSION_COOKIE_NAME=f"{name}-session",
        JWT_TOKEN_LOCATION=["headers", "cookies"],
    )
    app.config.from_prefixed_env(name.upper())  # SHOP_SECRET_KEY, SHOP_JWT_STORAGE_URI, …
    # Set SHOP_SECRET_KEY and ADMIN_SECRET_KEY, or a restart makes all tokens invalid.
    app.secret_key = app.secret_key or secrets.token_hex()
    JWT(app, authenticate, identity)

    @app.get("/me")
    @jwt_required()
    def me():
        return {"application": name, "name": current_identity["name"]}

    return app


shop, admin = create_app("shop"), create_app("admin")
application = DispatcherMiddleware(shop, {"/admin": admin})
