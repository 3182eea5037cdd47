"""Serve Flask-JWT-Extended with a blocklist, after its guides "Token revoking" and "Blocklist".

It has no endpoints, so these are its guide's, and no rotation: the refresh view adds the old
refresh token to the blocklist and issues a new one.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import redis
import sqlalchemy as sa
from flask import Response, abort, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    get_jwt,
    jwt_required,
    set_access_cookies,
)
from shared import SECRET, STORE, UserColumns, check_password, create_tables, db, flask_app

app = flask_app(
    JWT_SECRET_KEY=SECRET,
    JWT_TOKEN_LOCATION=["headers", "cookies"],
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=15),
    JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=30),
)
jwt = JWTManager(app)


class User(UserColumns, db.Model):
    pass


class TokenBlocklist(db.Model):
    id = db.Column(sa.Integer, primary_key=True)
    jti = db.Column(sa.String(36), nullable=False, index=True)
    type = db.Column(sa.String(16), nullable=False)
    user_id = db.Column(sa.Integer, nullable=False)
    created_at = db.Column(sa.DateTime, nullable=False)


blocklist = redis.Redis.from_url(STORE) if STORE.startswith("redis") else None


def block(claims: dict[str, Any]) -> None:
    if blocklist is not None:
        lifetime = claims["exp"] - int(datetime.now(timezone.utc).timestamp())
        blocklist.set(claims["jti"], "", ex=max(1, lifetime))
        return
    db.session.add(
        TokenBlocklist(
            jti=claims["jti"],
            type=claims["type"],
            user_id=int(claims["sub"]),
            created_at=datetime.now(timezone.utc).replace(tzinfo=None),
        )
    )
    db.session.commit()


@jwt.token_in_blocklist_loader
def is_blocked(_header: Any, claims: dict[str, Any]) -> bool:
    if blocklist is not None:
        return blocklist.get(claims["jti"]) is not None
    statement = sa.select(TokenBlocklist.id).where(TokenBlocklist.jti == claims["jti"])
    return db.session.scalar(statement) is not None


@jwt.user_lookup_loader
def load_user(_header: Any, claims: dict[str, Any]) -> User | None:
    return db.session.get(User, int(claims["sub"]))


@app.post("/login")
def login() -> dict[str, str]:
    body = request.get_json()
    user = db.session.scalar(sa.select(User).where(User.email == body["username"]))
    if user is None or not check_password(user.password, body["password"]):
        abort(401)
    return issue(str(user.id))


def issue(identity: str) -> dict[str, str]:
    return {
        "access_token": create_access_token(identity),
        "refresh_token": create_refresh_token(identity),
    }


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> dict[str, str]:
    claims = get_jwt()
    block(claims)
    return issue(claims["sub"])


@app.post("/logout")
@jwt_required(verify_type=False)
def logout() -> dict[str, str]:
    block(get_jwt())
    return {}


@app.get("/guarded")
@jwt_required()
def guarded() -> dict[str, str]:
    return {"email": current_user.email}


@app.get("/page")
@jwt_required()
def page() -> dict[str, str]:
    return {"email": current_user.email}


@app.after_request
def refresh_expiring_tokens(response: Response) -> Response:
    """Renew cookies after the guide "Implicit refreshing with cookies": only before they expire."""
    if request.path != "/page" or response.status_code != 200:
        return response
    claims = get_jwt()
    if datetime.now(timezone.utc).timestamp() + 600 > claims["exp"]:
        set_access_cookies(response, create_access_token(claims["sub"]))
    return response


if __name__ == "__main__":
    create_tables(app)
