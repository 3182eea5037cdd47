import json
import secrets
from pathlib import Path

from flask import Flask
from flask_jwt import JWT, jwt_required
from flask_jwt.openapi import annotate

app = Flask(__name__)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
JWT(app)


@app.get("/orders/<int:order_id>")
@jwt_required()
def show_order(order_id):
    return {"order": order_id}


@app.get("/openapi.json")
def show_document():
    document = json.loads(Path("openapi.json").read_text())
    return annotate(document, app)
