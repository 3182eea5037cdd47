import secrets
from functools import wraps

from flask import Flask, jsonify
from flask_jwt.extended import JWTManager, create_access_token, get_jwt, verify_jwt_in_request

app = Flask(__name__)
app.config.from_prefixed_env()
# Set FLASK_SECRET_KEY to what `flask jwt secret` prints, or a restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


def roles_required(*roles):
    """Require a token that has all of *roles*."""

    def decorate(view):
        @wraps(view)
        def guarded(*args, **kwargs):
            verify_jwt_in_request()
            if not set(roles) <= set(get_jwt().get("roles", [])):
                return jsonify(msg=f"Only for: {', '.join(roles)}"), 403
            # ensure_sync, so that the decorator also works with async views.
            return app.ensure_sync(view)(*args, **kwargs)

        return guarded

    return decorate


@app.post("/login/<name>")
def login(name):
    roles = ["staff", "buyer"] if name == "ada" else ["buyer"]
    return {"access_token": create_access_token(name, additional_claims={"roles": roles})}


@app.get("/stock")
@roles_required("staff")
def stock():
    return {"apples": 12}
