"""A small store: users log in with POST /auth and keep its items with their token."""

import os

from flask import Flask, json
from flask_jwt import JWT
from werkzeug.exceptions import HTTPException

from commands import init_db, seed
from config import database_url, secret_key, sessions_url
from db import db
from resources import items, users
from security import authenticate, identity


def create_app(config=None):
    """Build the application; *config* goes over what the environment says."""
    app = Flask(__name__)
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=16 * 1024,
        JWT_STORAGE_URI=sessions_url(app.instance_path),
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SQLALCHEMY_DATABASE_URI=database_url(),
    )
    app.config.from_prefixed_env()  # FLASK_JWT_EXPIRATION_DELTA=60 in the environment, say
    app.config.from_mapping(config)
    app.secret_key = app.secret_key or secret_key(app.instance_path)

    db.init_app(app)
    JWT(app, authenticate, identity)  # registers POST /auth, /auth/refresh, /auth/logout …
    app.register_blueprint(users.blueprint)
    app.register_blueprint(items.blueprint)
    app.register_error_handler(HTTPException, as_json)
    app.cli.add_command(init_db)
    app.cli.add_command(seed)
    return app


def as_json(error):
    """Answer every other error in the shape flask_jwt's have."""
    response = error.get_response()
    body = {"status_code": error.code, "error": error.name, "description": error.description}
    response.data = json.dumps(body) + "\n"
    response.content_type = "application/json"
    return response
