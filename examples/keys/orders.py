from flask import Flask
from flask_jwt import JWT, Issuer, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config["JWT_AUTH_URL_RULE"] = None  # users log in at the shop
keys = "http://localhost:5000/.well-known/jwks.json"  # https, if it is another computer
jwt = JWT(app, issuers=[Issuer("shop", audience="orders", jwks_uri=keys)])


@app.get("/orders")
@jwt_required()
def list_orders():
    return {"orders": [], "of": get_jwt_identity()}
