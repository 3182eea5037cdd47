"""Tell a proxy whether it may serve a file to the client of a request."""

from flask_jwt import jwt_required

from app import app


@app.get("/gate")
@jwt_required(renew=False)  # the proxy drops this response, and new cookies with it
def gate():
    return "", 204
