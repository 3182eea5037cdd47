from flask import Flask, request
from flask_jwt import (
    JWT,
    JWTError,
    current_identity,
    get_jwt_identity,
    jwt_required,
    verify_jwt_in_request,
)
from flask_limiter import Limiter

users = {
    "joe": {"id": 1, "name": "joe", "password": "pass"},
    "ann": {"id": 2, "name": "ann", "password": "pass"},
}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


def user_or_address():
    try:
        verify_jwt_in_request(optional=True)
        user = get_jwt_identity()
    except JWTError:  # the request counts, and then the guard rejects it
        user = None
    return f"address {request.remote_addr}" if user is None else f"user {user!r}"


jwt = JWT(authentication_handler=authenticate, identity_handler=identity)
limiter = Limiter(user_or_address, headers_enabled=True)


def create_app(**config):
    app = Flask(__name__)
    app.config.update(RATELIMIT_STORAGE_URI="memory://")  # or redis://…, for all workers together
    app.config.from_prefixed_env()
    app.config.update(config)
    jwt.init_app(app)
    limiter.init_app(app)
    app.add_url_rule("/search", view_func=search)
    app.register_error_handler(429, too_many_requests)
    return app


@limiter.limit("5 per minute")
@jwt_required()
def search():
    return {"found": [], "for": current_identity["name"]}


def too_many_requests(error):
    if error.response is not None:  # a login with too many failures
        return error.response
    return {"status_code": 429, "code": "too_many_requests", "description": error.description}, 429
