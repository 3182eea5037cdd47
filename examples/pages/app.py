import secrets

from flask import Flask, render_template_string
from flask_jwt import JWT, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_STORAGE_URI="sqlite:///sessions.db",
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_LOGIN_VIEW="sign_in",  # the endpoint or the path of the login page
)
app.config.from_prefixed_env()
# `export FLASK_SECRET_KEY=$(flask jwt secret)` first, or each restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
users = {"joe": {"id": 1, "name": "joe", "password": "pass"}}


def authenticate(username, password):
    user = users.get(username)
    return user if user and user["password"] == password else None


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(app, authenticate, identity)

SIGN_IN = """
{% if request.args.error == "invalid_credentials" %}
<p role="alert">The user name or password is wrong.</p>
{% elif request.args.error == "too_many_attempts" %}
<p role="alert">Too many wrong passwords. Try again later.</p>
{% elif request.args.error %}
<p role="alert">You have been signed out.</p>
{% endif %}
<form method="post" action="{{ url_for('jwt') }}">
  <input type="hidden" name="next" value="{{ request.args.next }}">
  <label>Name <input name="username" autocomplete="username"></label>
  <label>Password <input name="password" type="password" autocomplete="current-password"></label>
  <button>Sign in</button>
</form>
"""

HOME = """
<p>Hello, {{ current_identity.name }}.</p>
<form method="post" action="{{ url_for('jwt_logout') }}">
  {{ jwt_csrf_field() }}
  <button>Sign out</button>
</form>
"""


@app.get("/sign-in")
def sign_in():
    return render_template_string(SIGN_IN)


@app.get("/")
@jwt_required()
def home():
    return render_template_string(HOME)
