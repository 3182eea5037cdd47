import secrets

from flask import Flask
from flask_jwt.extended import JWTManager, create_access_token, get_jwt, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)
shops = {"ada": "London", "grace": "New York"}


@jwt.additional_claims_loader
def claims_of(identity):  # are added to every token
    return {"shop": shops[identity]}


@app.post("/login/<name>")
def login(name):
    # These are added to this token. Everyone who has a token can read its claims.
    return {"access_token": create_access_token(name, additional_claims={"till": 4})}


@app.get("/where")
@jwt_required()
def where():
    claims = get_jwt()
    return {"shop": claims["shop"], "till": claims["till"]}
