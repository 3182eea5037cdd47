from flask import Flask
from flask_jwt import JWT, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_AUTH_URL_RULE=None,  # users log in, refresh and log out at the shop
    JWT_PUBLIC_KEY="jwt-public.pem",  # of the shop
    JWT_DECODE_ISSUER="shop",
    JWT_DECODE_AUDIENCE="orders",
    JWT_STORAGE_URI="sqlite:///sessions.db",  # that of the shop
    JWT_REVOCATION_CHECK="always",  # read it at each request, rather than every 10 seconds
)
jwt = JWT(app)


@app.get("/orders")
@jwt_required()
def list_orders():
    return {"orders": [], "of": get_jwt_identity()}
