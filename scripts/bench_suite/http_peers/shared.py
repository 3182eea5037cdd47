"""Provide what all applications of the section http share: settings, and the table of users.

This module and the applications run in .venv-bench, each under gunicorn.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

SECRET = os.environ["BENCH_SECRET"]
DATABASE = os.environ["BENCH_DATABASE"]
#: The JWT_STORAGE_URI of Flask-JWT-Too, and the database or Redis of a blocklist.
STORE = os.environ["BENCH_STORE"]


def check_password(stored: str, password: str) -> bool:
    """Compare a password with a hash that costs nothing, so that the rest of a login is seen."""
    return hmac.compare_digest(stored, hashlib.sha256(password.encode()).hexdigest())


db = SQLAlchemy()


def flask_app(**config: Any) -> Flask:
    app = Flask("bench")
    app.config.update(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=DATABASE, **config)
    db.init_app(app)
    if DATABASE.startswith("sqlite"):
        with app.app_context():
            sa.event.listen(db.engine, "connect", _configure_sqlite)
    return app


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The settings of Flask-JWT-Too's own store.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=20000")


def create_tables(app: Flask) -> None:
    """Create the tables once: the workers, which start together, would conflict."""
    with app.app_context():
        db.create_all()


class UserColumns:
    """The table of users, which :mod:`bench_suite.http` creates and fills."""

    __tablename__ = "users"
    id = db.Column(sa.Integer, primary_key=True)
    email = db.Column(sa.String(255), unique=True, nullable=False)
    password = db.Column(sa.String(255), nullable=False)
    active = db.Column(sa.Boolean, nullable=False)
    fs_uniquifier = db.Column(sa.String(64), unique=True, nullable=False)
    last_login = db.Column(sa.DateTime)
