from flask import Flask
from flask_jwt import JWT, Issuer, get_jwt_identity, jwt_required

app = Flask(__name__)
jwks = "http://localhost:5000/.well-known/jwks.json"  # between two computers https
jwt = JWT(app, issuers=[Issuer("shop", audience="orders", jwks_uri=jwks)])


@app.get("/orders")
@jwt_required()
def list_orders():
    return {"orders": [], "of": get_jwt_identity()}
