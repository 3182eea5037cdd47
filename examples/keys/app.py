from pathlib import Path

from flask import Flask
from flask_jwt import JWT, get_jwt_identity, jwt_required

KEYS = {"2026-11": Path("jwt-public.pem").read_text()}  # by their kid

app = Flask(__name__)
jwt = JWT()


@jwt.decode_key_loader
def find_key(header, payload):  # both are unverified
    return KEYS[header["kid"]]


jwt.init_app(app)  # after the loader, or a warning says that there is no secret


@app.get("/me")
@jwt_required()
def show_me():
    return {"subject": get_jwt_identity()}
