from flask import Flask, request
from flask_jwt.extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "write-your-own: flask jwt secret prints one"
jwt = JWTManager(app)


@app.post("/login")
def login():
    body = request.get_json()
    if (body["username"], body["password"]) != ("ada", "engine"):
        return {"msg": "Wrong user name or password"}, 401
    return {"access_token": create_access_token(identity="ada")}


@app.get("/me")
@jwt_required()
def me():
    return {"name": get_jwt_identity()}
