import secrets

from flask import Flask, jsonify
from flask_jwt.extended import JWTManager, create_access_token, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@jwt.unauthorized_loader
def no_token(reason):
    return jsonify(problem="no token", reason=reason), 401


@jwt.expired_token_loader
def expired(header, claims):
    return jsonify(problem="too late", whose=claims["sub"]), 401


@jwt.invalid_token_loader
def invalid(reason):
    return jsonify(problem="bad token", reason=reason), 422


@app.post("/login")
def login():
    return {"access_token": create_access_token("ada")}


@app.get("/me")
@jwt_required()
def me():
    return {"in": True}
