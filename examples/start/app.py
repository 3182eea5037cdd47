from datetime import timedelta

from flask import Flask
from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required

users = {"joe": {"id": 1, "name": "joe", "password": hash_password("pass")}}


def authenticate(username, password):  # POST /auth calls this
    user = users.get(username)
    # None, for an unknown user, takes as long to check as a wrong password.
    correct = check_password(user["password"] if user else None, password)
    return user if correct else None


def identity(payload):  # each request to a guarded view calls this
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(
        JWT_STORAGE_URI="sqlite:///sessions.db",  # the file instance/sessions.db
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=5),
    )
    app.config.from_prefixed_env()  # FLASK_SECRET_KEY of .env is SECRET_KEY here
    app.config.update(config)
    jwt.init_app(app)  # adds /auth, /auth/refresh, /auth/logout and /auth/sessions

    @app.get("/me")
    @jwt_required()
    def me():
        return {"name": current_identity["name"]}

    return app
