import secrets
from functools import wraps

from flask import Flask, jsonify
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    get_jwt,
    jwt_required,
    verify_jwt_in_request,
)

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


def admin_required():  # as Flask-JWT-Extended's documentation has it
    def wrapper(fn):
        @wraps(fn)
        def decorator(*args, **kwargs):
            verify_jwt_in_request()
            claims = get_jwt()
            if "admin" in claims.get("roles", []):
                return fn(*args, **kwargs)
            return jsonify(msg="Admins only!"), 403

        return decorator

    return wrapper


@app.post("/login/<name>")
def login(name):
    roles = ["admin", "buyer"] if name == "ada" else ["buyer"]
    return {"access_token": create_access_token(name, additional_claims={"roles": roles})}


@app.get("/before")
@admin_required()
def before():
    return {"apples": 12}


@app.get("/after")
@jwt_required(roles="admin")
def after():
    return {"apples": 12}
