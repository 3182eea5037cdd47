import os
import secrets

from flask import Flask
from flask_jwt.extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    jwt_required,
)
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config.update(
    SQLALCHEMY_DATABASE_URI=os.environ.get("DATABASE_URL", "sqlite://"),
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)
db = SQLAlchemy(app)


class RevokedToken(db.Model):
    jti = db.Column(db.String(36), primary_key=True)
    token_type = db.Column(db.String(16), nullable=False)
    expires = db.Column(db.Integer, nullable=False, index=True)  # then the row can go


@jwt.token_in_blocklist_loader
def is_revoked(header, claims):
    return db.session.get(RevokedToken, claims["jti"]) is not None


@app.post("/login")
def login():
    return {
        "access_token": create_access_token("ada"),
        "refresh_token": create_refresh_token("ada"),
    }


@app.delete("/login")
@jwt_required(verify_type=False)  # clients call it with each of the two tokens
def logout():
    claims = get_jwt()
    token = RevokedToken(jti=claims["jti"], token_type=claims["type"], expires=claims["exp"])
    db.session.add(token)
    db.session.commit()
    return {"ended": claims["type"]}


@app.get("/me")
@jwt_required()
def me():
    return {"in": True}


with app.app_context():
    db.create_all()
