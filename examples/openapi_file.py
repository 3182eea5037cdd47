import json
import os
from pathlib import Path

from flask import Flask
from flask_jwt import JWT, jwt_required
from flask_jwt.openapi import annotate

app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
JWT(app)


@app.get("/orders/<int:order_id>")
@jwt_required()
def show_order(order_id):
    return {"order": order_id}


@app.get("/openapi.json")
def show_document():
    document = json.loads(Path("openapi.json").read_text())
    return annotate(document, app)
