from flask import Flask
from flask_jwt import JWT, Issuer, get_jwt_identity, get_jwt_issuer, jwt_required

app = Flask(__name__)
app.config.from_prefixed_env()  # reads FLASK_JWT_ISSUERS, which replaces the list below
auth0 = Issuer.auth0("acme.eu.auth0.com", audience="https://api.acme.dev")
jwt = JWT(app, issuers=[auth0])


@app.get("/me")
@jwt_required()
def show_me():
    return {"issuer": get_jwt_issuer(), "subject": get_jwt_identity()}


@app.get("/reports")
@jwt_required(scopes="read:reports")
def list_reports():
    return {"reports": []}
