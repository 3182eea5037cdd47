import secrets

from flask import Flask, redirect, render_template_string, request
from flask_jwt import (
    JWT,
    JWTError,
    check_password,
    hash_password,
    jwt_required,
    unset_jwt_cookies,
)

app = Flask(__name__)
app.config.update(
    JWT_AUTH_URL_RULE=None,  # instead of /auth there are the views below
    JWT_LOGIN_VIEW="/sign-in",
    JWT_TOKEN_LOCATION=["cookies"],
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {}


def authenticate(username, password):
    user = users.get(username)
    # None, for an unknown user, takes as long to check as a wrong password.
    check = check_password(user["password"] if user else None, password)
    return user if check else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(app, authenticate, identity)

FORM = """
{% if problem %}<p role="alert">{{ problem }}</p>{% endif %}
<form method="post">
  <label>Name <input name="name" value="{{ name }}" autocomplete="username"></label>
  <label>Password <input name="password" type="password"></label>
  <button>Continue</button>
</form>
"""

HOME = """
<p>Hello, {{ current_identity.name }}.</p>
<form method="post" action="/sign-out">
  {{ jwt_csrf_field() }}
  <button>Sign out</button>
</form>
"""


@app.get("/sign-in")
@app.get("/sign-up")
def form(problem=None, name=""):
    return render_template_string(FORM, problem=problem, name=name)


@app.post("/sign-in")
def sign_in():
    name = request.form.get("name", "")
    try:
        user = jwt.authenticate(name, request.form.get("password"))
    except JWTError as error:  # a wrong password, or too many attempts
        return form(error.description, name), error.status_code
    return jwt.log_in(user)  # sets the cookies and redirects to ?next=


@app.post("/sign-up")
def sign_up():
    name, password = request.form.get("name", ""), request.form.get("password", "")
    if not name or name in users or not 8 <= len(password) <= 200:
        problem = "Choose another name, or a password of 8 to 200 characters."
        return form(problem, name), 400
    user = {"id": secrets.token_hex(8), "name": name, "password": hash_password(password)}
    response = jwt.log_in(user)  # before the user is stored: it rejects forms of other sites
    users[name] = user
    return response


@app.post("/sign-out")
@jwt_required()  # rejects forms of other sites
def sign_out():
    response = redirect("/sign-in")
    unset_jwt_cookies(response)
    return response


@app.get("/")
@jwt_required()
def home():
    return render_template_string(HOME)
