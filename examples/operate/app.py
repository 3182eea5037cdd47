"""An API that is configured by environment variables only: FLASK_SECRET_KEY, FLASK_JWT_…"""

from flask import Flask
from flask_jwt import JWT, check_password, current_identity, jwt_required
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.config.from_prefixed_env()
proxies = app.config.get("PROXIES", 0)  # the number of proxies in front of this application
prefixes = app.config.get("PREFIXES", 0)  # how many of them send X-Forwarded-Prefix
app.wsgi_app = ProxyFix(
    app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_prefix=prefixes
)
users = app.config.get("USERS", {})  # names and hashes; yours are in a database


def authenticate(username, password):
    return username if check_password(users.get(username), password) else None


def identity(payload):
    name = payload["identity"]
    return {"id": name} if name in users else None


jwt = JWT(app, authenticate, identity)


@app.get("/healthz")
@jwt.exempt
def healthz():
    return {"ok": True}


@app.get("/me")
@jwt_required()
def me():
    return {"name": current_identity["id"]}
