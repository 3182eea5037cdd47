from flask import Flask, request
from flask_jwt.testing import FakeIssuer

ISSUER = "http://localhost:5001"
app = Flask(__name__)
provider = FakeIssuer(ISSUER, audience="https://api.acme.dev")


@app.get("/.well-known/openid-configuration")
def show_metadata():
    return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}


@app.get("/jwks")
def show_keys():
    return provider.jwks()


@app.post("/tokens/<subject>")
def create_token(subject):
    return {"access_token": provider.token(subject, **request.form)}
