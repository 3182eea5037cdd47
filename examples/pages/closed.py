import secrets

from flask import Flask
from flask_jwt import JWT

app = Flask(__name__)
app.config.update(SECRET_KEY=secrets.token_hex(), JWT_REQUIRED_BY_DEFAULT=True)
app.config.from_prefixed_env()
jwt = JWT(app)


@app.get("/orders")
def orders():
    return {"orders": []}


@app.get("/about")
@jwt.exempt
def about():
    return {"about": "us"}
