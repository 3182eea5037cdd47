import secrets
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask
from flask_jwt import JWT, current_identity, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()


@dataclass
class User:
    id: int
    name: str


users = {1: User(1, "joe")}

current_user = cast(User, current_identity)  # the same proxy, with the type of your users


def user_or_none() -> User | None:
    """Return the user, or None; for views where a token is optional."""
    return cast(User | None, current_identity._get_current_object())


def authenticate(username: str, password: str) -> User | None:
    return users[1] if (username, password) == ("joe", "pass") else None


def identity(payload: dict[str, Any]) -> User | None:
    return users.get(payload["identity"])


jwt = JWT(app, authenticate, identity)


@app.get("/me")
@jwt_required()
def me() -> dict[str, str]:
    return {"name": current_user.name}


@app.get("/greeting")
@jwt_required(optional=True)
def greeting() -> dict[str, str]:
    user = user_or_none()
    return {"hello": "stranger" if user is None else user.name}
