from secrets import token_hex

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, render_template_string, request, session, url_for
from flask_jwt import JWT, jwt_required

users = {}  # in your application a table, with the columns id, issuer, subject, name

oauth = OAuth()
oauth.register(
    "google",  # reads GOOGLE_CLIENT_ID, _CLIENT_SECRET and _SERVER_METADATA_URL of app.config
    client_kwargs={"scope": "openid email profile", "code_challenge_method": "S256"},
)


def identity(payload):
    return next((u for u in users.values() if u["id"] == payload["identity"]), None)


jwt = JWT(identity_handler=identity)

SIGN_IN = """
{% if problem %}<p role="alert">{{ problem }}</p>
{% elif request.args.error %}<p role="alert">You have been signed out.</p>{% endif %}
<a href="{{ url_for('to_google', next=request.args.next) }}">Sign in with Google</a>
"""

HOME = """
<p>Hello, {{ current_identity.name }}.</p>
<form method="post" action="{{ url_for('jwt_logout') }}"><button>Sign out</button></form>
"""


def create_app(**config):
    app = Flask(__name__)
    app.config.update(
        GOOGLE_SERVER_METADATA_URL="https://accounts.google.com/.well-known/openid-configuration",
        JWT_AUTH_URL_RULE=None,  # nobody has a password here
        JWT_LOGOUT_URL_RULE="/sign-out",
        JWT_LOGIN_VIEW="sign_in",
        JWT_STORAGE_URI="sqlite:///sessions.db",
        JWT_TOKEN_LOCATION=["cookies"],
    )
    app.config.from_prefixed_env()
    app.config.update(config)
    oauth.init_app(app)
    jwt.init_app(app)
    app.add_url_rule("/sign-in", view_func=sign_in)
    app.add_url_rule("/sign-in/google", view_func=to_google)
    app.add_url_rule("/sign-in/google/callback", view_func=from_google)
    app.add_url_rule("/", view_func=home)
    return app


def sign_in(problem=None):
    return render_template_string(SIGN_IN, problem=problem)


def to_google():
    session["next"] = request.args.get("next")
    return oauth.google.authorize_redirect(url_for("from_google", _external=True))


def from_google():
    try:
        token = oauth.google.authorize_access_token()  # verifies state, nonce and the ID token
    except OAuthError as error:  # the user has declined, or the page was opened twice
        return sign_in(f"Google did not sign you in: {error.error}"), 400
    claims = token["userinfo"]  # the claims of the ID token
    account = (claims["iss"], claims["sub"])  # not the address, which may change owners
    if account not in users:
        name = claims.get("name", "somebody")  # some providers leave it out
        users[account] = {"id": token_hex(8), "name": name}
    return jwt.log_in(users[account], next_url=session.pop("next", None))


@jwt_required()
def home():
    return render_template_string(HOME)
