import os

from flask_cors import CORS

import app as same_origin


def create_app(**config):
    origins = os.environ["PAGE_ORIGINS"].split()  # such as https://app.example.com
    app = same_origin.create_app(JWT_CSRF_TRUSTED_ORIGINS=origins, **config)
    CORS(
        app,
        origins=origins,
        supports_credentials=True,  # cookies
        allow_headers=["Content-Type", "X-CSRF-TOKEN"],
        max_age=600,  # how long the browser need not ask again
    )
    return app
