import sqlite3

from flask import Flask
from flask_jwt import JWT, Issuer, current_identity, get_jwt_issuer, jwt_required

app = Flask(__name__)
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
# One row for each account that belongs to a user. The e-mail address is not in it.
database.execute(
    "CREATE TABLE accounts (issuer TEXT, subject TEXT, user_id INTEGER, "
    "PRIMARY KEY (issuer, subject))"
)

jwt = JWT(
    app,
    issuers=[
        Issuer.auth0("acme.eu.auth0.com", audience="https://api.acme.dev"),
        Issuer.google(client_id="4711.apps.googleusercontent.com"),
    ],
)


@jwt.identity_handler
def load_user(payload):
    """Return the user of an account, who is added when the first token arrives."""
    account = (get_jwt_issuer(), payload["sub"])
    row = database.execute(
        "SELECT user_id FROM accounts WHERE issuer = ? AND subject = ?", account
    ).fetchone()
    if row is None:
        added = database.execute("INSERT INTO users (name) VALUES (?)", [payload.get("name")])
        row = (added.lastrowid,)
        database.execute("INSERT INTO accounts VALUES (?, ?, ?)", (*account, *row))
    return {"id": row[0]}


@app.get("/me")
@jwt_required()
def show_me():
    return {"user": current_identity["id"]}
