import sqlite3

from flask import Flask, request
from flask_jwt import (
    JWT,
    Issuer,
    current_identity,
    decode_token,
    get_jwt_issuer,
    jwt_required,
)

app = Flask(__name__)
app.config.from_prefixed_env()
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
# One row for each account that belongs to a user. The e-mail address is not in it.
database.execute(
    "CREATE TABLE accounts (issuer TEXT, subject TEXT, user_id INTEGER, "
    "PRIMARY KEY (issuer, subject))"
)

auth0 = Issuer.auth0("acme.eu.auth0.com", audience="https://api.acme.dev")
google = Issuer.google(client_id="4711.apps.googleusercontent.com")
jwt = JWT(app, issuers=[auth0, google])


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


@app.post("/accounts")
@jwt_required()
def link_google():
    """Let the user log in with a Google account, too."""
    claims = decode_token(request.form["google_token"])
    if claims["iss"] not in google.names:
        return {"error": "This is no token of Google"}, 400
    account = (google.issuer, claims["sub"])  # "iss" may be an alias
    added = database.execute(
        "INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)", (*account, current_identity["id"])
    )
    if not added.rowcount:
        return {"error": "This account belongs to a user already"}, 409
    return {"linked": claims["sub"]}


@app.get("/me")
@jwt_required()
def show_me():
    return {"user": current_identity["id"]}
