import secrets

from flask import Flask, jsonify
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    get_jwt_request_location,
    jwt_required,
    set_access_cookies,
    unset_jwt_cookies,
)

app = Flask(__name__)
app.config.update(
    # Searched in this order. A token in a URL gets into logs and into the browser's history.
    JWT_TOKEN_LOCATION=["headers", "cookies", "json", "query_string"],
    JWT_COOKIE_SECURE=True,
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    token = create_access_token("ada")
    response = jsonify(access_token=token)
    set_access_cookies(response, token)
    return response


@app.post("/logout")
def logout():
    response = jsonify(done=True)
    unset_jwt_cookies(response)
    return response


@app.route("/where", methods=["GET", "POST"])
@jwt_required()
def where():
    return {"found_in": get_jwt_request_location()}


@app.get("/download")
@jwt_required(locations=["query_string"])  # a link can't send a header
def download():
    return {"file": "report.pdf"}
