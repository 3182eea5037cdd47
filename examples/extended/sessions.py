import secrets

from flask import Flask, request
from flask_jwt.extended import JWTManager, get_jwt, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_STORAGE_URI="memory://",  # to try it; then sqlite:///…, postgresql+psycopg://…, redis://…
    JWT_REFRESH_URL_RULE="/refresh",  # the package has these three views
    JWT_LOGOUT_URL_RULE="/logout",
    JWT_SESSIONS_URL_RULE="/devices",
)
app.config.from_prefixed_env()
# Set FLASK_SECRET_KEY to what `flask jwt secret` prints, or a restart makes all tokens invalid.
app.secret_key = app.secret_key or secrets.token_hex()
jwt = JWTManager(app)


@app.post("/login")
def login():
    body = request.get_json()
    if (body["username"], body["password"]) != ("ada", "engine"):
        return {"msg": "Wrong user name or password"}, 401
    return jwt.log_in("ada", label=body.get("device"))  # access_token, refresh_token, …


@app.get("/me")
@jwt_required()
def me():
    # A token from before the sessions has no sid.
    return {"name": get_jwt_identity(), "session": get_jwt().get("sid")}


@app.post("/password")
@jwt_required(fresh=True)  # a token of a login, not of a refresh
def change_password():
    ended = jwt.sessions.revoke_all(get_jwt_identity(), keep=get_jwt().get("sid"))
    return {"logged_out": ended}
