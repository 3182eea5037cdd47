from flask import Flask, request
from flask_jwt.extended import JWTManager, get_jwt, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY="write-your-own: flask jwt secret prints one",
    JWT_STORAGE_URI="memory://",  # for a try; then sqlite:///…, postgresql+psycopg://…, redis://…
    JWT_REFRESH_URL_RULE="/refresh",  # these three views come with the package
    JWT_LOGOUT_URL_RULE="/logout",
    JWT_SESSIONS_URL_RULE="/devices",
)
jwt = JWTManager(app)


@app.post("/login")
def login():
    given = request.get_json()
    if (given["username"], given["password"]) != ("ada", "engine"):
        return {"msg": "Wrong user name or password"}, 401
    return jwt.log_in("ada", label=given.get("device"))  # access_token, refresh_token, …


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity(), "session": get_jwt()["sid"]}


@app.post("/password")
@jwt_required(fresh=True)  # true of a login's token, and not of a refresh's
def change_password():
    return {"logged_out": jwt.sessions.revoke_all(get_jwt_identity(), keep=get_jwt()["sid"])}
