import sqlite3

from flask import Flask
from flask_jwt import JWT, Issuer, get_jwt_identity, get_jwt_issuer, jwt_required

app = Flask(__name__)
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute(
    "CREATE TABLE tenants (issuer TEXT PRIMARY KEY, audience TEXT, name TEXT, is_active INTEGER)"
)
database.execute(
    "INSERT INTO tenants VALUES ('https://acme.eu.auth0.com/', 'https://api.acme.dev', 'Acme', 1)"
)


def find_issuer(iss):
    """Return the issuer of a tenant that is our customer, or None."""
    row = database.execute(
        "SELECT audience FROM tenants WHERE issuer = ? AND is_active = 1", [iss]
    ).fetchone()
    return None if row is None else Issuer(iss, audience=row[0])


jwt = JWT(app, issuers=find_issuer)


@app.get("/me")
@jwt_required()
def show_me():
    (tenant,) = database.execute(
        "SELECT name FROM tenants WHERE issuer = ?", [get_jwt_issuer()]
    ).fetchone()
    return {"tenant": tenant, "subject": get_jwt_identity()}
