"""Serve Flask-JWT-Too with its own endpoints, as it is shipped."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from shared import SECRET, STORE, UserColumns, check_password, create_tables, db, flask_app

from flask_jwt import JWT, current_identity, jwt_required

options = {}
if os.environ.get("BENCH_AUTOCOMMIT"):
    options["SQLALCHEMY_ENGINE_OPTIONS"] = {"isolation_level": "AUTOCOMMIT"}
app = flask_app(
    **options,
    JWT_SECRET_KEY=SECRET,
    JWT_STORAGE_URI=STORE,
    JWT_TOKEN_LOCATION=["headers", "cookies"],
)
if check := os.environ.get("BENCH_REVOCATION_CHECK"):
    app.config["JWT_REVOCATION_CHECK"] = check

if os.environ.get("BENCH_WITHOUT_LIMITS"):
    app.config["JWT_LOGIN_LIMITS"] = None


class User(UserColumns, db.Model):
    pass


def authenticate(username: str, password: str) -> User | None:
    user = db.session.scalar(sa.select(User).where(User.email == username))
    return user if user and check_password(user.password, password) else None


def identity(payload: dict[str, Any]) -> User | None:
    return db.session.get(User, payload["identity"])


JWT(app, authenticate, identity)


@app.get("/guarded")
@jwt_required()
def guarded() -> dict[str, str]:
    return {"email": current_identity.email}


if __name__ == "__main__":
    create_tables(app)
