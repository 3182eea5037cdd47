"""Build a small store, which users manage in a browser or through an API with tokens."""

import os
from contextlib import suppress

from flask import Flask, json, render_template, request
from flask_jwt import JWTError, get_jwt_request_location, verify_jwt_in_request
from werkzeug.exceptions import HTTPException

from commands import init_db, seed
from config import database_url, secret_key, sessions_url
from db import db
from resources import account, admin, docs, items, pages, users
from security import jwt


def create_app(config=None):
    """Return the application; *config* overrides the environment."""
    app = Flask(__name__)
    app.config.from_mapping(
        MAX_CONTENT_LENGTH=16 * 1024,
        JWT_TOKEN_LOCATION=["headers", "cookies"],  # API clients send headers, browsers cookies
        JWT_LOGIN_VIEW="account.sign_in",
        JWT_STORAGE_URI=sessions_url(app.instance_path),
        JWT_REVOCATION_CHECK="always",  # signing out a device takes effect at once
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SQLALCHEMY_DATABASE_URI=database_url(),
    )
    app.config.from_prefixed_env()  # such as FLASK_JWT_EXPIRATION_DELTA=60
    app.config.from_mapping(config)
    app.secret_key = app.secret_key or secret_key(app.instance_path)

    db.init_app(app)
    jwt.init_app(app)  # registers POST /auth, /auth/refresh, /auth/logout …
    for resource in users, items, pages, account, admin, docs:
        app.register_blueprint(resource.blueprint)
    app.register_error_handler(HTTPException, explain)
    app.register_error_handler(JWTError, explain)
    app.cli.add_command(init_db)
    app.cli.add_command(seed)
    return app


def explain(error):
    """Render an error: as a page for browsers, and for others as JSON like that of flask_jwt."""
    response = error.get_response()
    if response.status_code == 303:
        return response  # a redirect to the sign-in page
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        if error.code == 404 and get_jwt_request_location() is None:  # no guard has verified it
            with suppress(HTTPException):
                verify_jwt_in_request(optional=True)  # so that the page shows who is signed in
        response.data = render_template("error.html", error=error)
        response.content_type = "text/html; charset=utf-8"
    elif not isinstance(error, JWTError):
        body = {"status_code": error.code, "error": error.name, "description": error.description}
        response.data = json.dumps(body) + "\n"
        response.content_type = "application/json"
    return response
