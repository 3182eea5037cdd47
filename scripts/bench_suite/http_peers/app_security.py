"""Serve Flask-Security-Too with its own endpoints, authentication tokens and refresh tokens."""

from __future__ import annotations

import sqlalchemy as sa
from flask_security import (
    RefreshTrackerMixin,
    RoleMixin,
    Security,
    SQLAlchemyUserDatastore,
    UserMixin,
    auth_token_required,
    current_user,
)
from shared import SECRET, UserColumns, check_password, create_tables, db, flask_app

app = flask_app(
    SECURITY_PASSWORD_SALT=SECRET,
    SECURITY_PASSWORD_HASH="plaintext",  # not used: see verify_and_update_password
    SECURITY_PASSWORD_SCHEMES=["plaintext"],
    SECURITY_REFRESH_TOKEN=True,
    SECURITY_REFRESH_TOKEN_COOKIE_NAME=None,
    SECURITY_JOIN_USER_ROLES=False,
    WTF_CSRF_ENABLED=False,  # the clients send tokens in headers
)

roles_users = db.Table(
    "roles_users",
    db.Column("user_id", sa.ForeignKey("users.id")),
    db.Column("role_id", sa.ForeignKey("role.id")),
)


class Role(db.Model, RoleMixin):
    id = db.Column(sa.Integer, primary_key=True)
    name = db.Column(sa.String(80), unique=True)


class RefreshTracker(db.Model, RefreshTrackerMixin):
    """The columns of flask_security.models.fsqla_v4."""

    id = db.Column(sa.Integer, primary_key=True)
    refresh_family = db.Column(sa.String(64), unique=True, nullable=False)
    gen = db.Column(sa.Integer, default=1)
    expires_at = db.Column(sa.DateTime, nullable=False)
    revoked_at = db.Column(sa.DateTime)
    last_used_at = db.Column(sa.DateTime, nullable=False)
    create_datetime = db.Column(sa.DateTime, nullable=False, server_default=sa.func.now())
    name = db.Column(sa.String(64), nullable=False)
    user_id = db.Column(sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True)


class User(UserColumns, db.Model, UserMixin):
    roles = db.relationship(Role, secondary=roles_users)
    refresh_trackers = db.relationship(RefreshTracker, cascade="all, delete")

    def verify_and_update_password(self, password: str) -> bool:
        return check_password(self.password, password)


Security(app, SQLAlchemyUserDatastore(db, User, Role, refresh_tracker_model=RefreshTracker))


@app.get("/guarded")
@auth_token_required
def guarded() -> dict[str, str]:
    return {"email": current_user.email}


if __name__ == "__main__":
    create_tables(app)
