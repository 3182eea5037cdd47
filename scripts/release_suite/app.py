"""The application that scripts/release serves in the environment of each extra."""

import os
import secrets

from flask import Flask

from flask_jwt import JWT, check_password, current_identity, hash_password, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
app.secret_key = app.secret_key or secrets.token_hex()
joe = {"id": "joe", "password": os.environ.get("STORED_HASH") or hash_password("pass")}

if os.environ.get("WITH_ISSUER"):
    from flask_jwt.testing import FakeIssuer

    idp = FakeIssuer("https://idp.test", audience="api")
    app.config["JWT_ISSUERS"] = [idp.issuer]
    app.add_url_rule("/foreign", view_func=lambda: {"access_token": idp.token("joe")})


def authenticate(username, password):
    return joe if username == "joe" and check_password(joe["password"], password) else None


jwt = JWT(app, authenticate, lambda payload: joe if payload["sub"] == "joe" else None)


@app.get("/me")
@jwt_required()
def show_me():
    return {"id": current_identity["id"], "hash": joe["password"]}
