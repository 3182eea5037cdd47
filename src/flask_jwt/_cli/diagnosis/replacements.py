"""List names and options that programs of the two predecessors use, and what to write instead.

:mod:`flask_jwt._former_names` has the names of the predecessors themselves.
"""

from __future__ import annotations

_SERIALIZER = "from flask_jwt import create_access_token, decode_token"

REPLACEMENTS = {
    # Werkzeug
    "werkzeug.security.safe_str_cmp": (
        "from hmac import compare_digest  # compare_digest(a.encode(), b.encode())"
    ),
    "werkzeug.security.pbkdf2_hex": "from hashlib import pbkdf2_hmac",
    "werkzeug.security.pbkdf2_bin": "from hashlib import pbkdf2_hmac",
    "werkzeug.security.safe_join": "from werkzeug.utils import safe_join",
    "werkzeug.secure_filename": "from werkzeug.utils import secure_filename",
    "werkzeug.generate_password_hash": "from werkzeug.security import generate_password_hash",
    "werkzeug.check_password_hash": "from werkzeug.security import check_password_hash",
    "werkzeug.cached_property": "from werkzeug.utils import cached_property",
    "werkzeug.LocalProxy": "from werkzeug.local import LocalProxy",
    "werkzeug.FileStorage": "from werkzeug.datastructures import FileStorage",
    "werkzeug.contrib": "from werkzeug.middleware.proxy_fix import ProxyFix",
    "werkzeug.wsgi.DispatcherMiddleware": (
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware"
    ),
    "werkzeug.urls.url_quote": "from urllib.parse import quote",
    "werkzeug.urls.url_encode": "from urllib.parse import urlencode",
    "werkzeug.urls.url_decode": "from urllib.parse import parse_qs",
    "werkzeug.urls.url_parse": "from urllib.parse import urlsplit",
    "werkzeug.urls.url_unquote": "from urllib.parse import unquote",
    "werkzeug.wrappers.BaseResponse": "from werkzeug.wrappers import Response",
    "werkzeug.wrappers.BaseRequest": "from werkzeug.wrappers import Request",
    # Flask
    "flask._request_ctx_stack": "from flask.globals import request_ctx",
    "flask._app_ctx_stack": "from flask import g",
    "flask.globals._request_ctx_stack": "from flask.globals import request_ctx",
    "flask.globals._app_ctx_stack": "from flask import g",
    "flask.Markup": "from markupsafe import Markup",
    "flask.escape": "from markupsafe import escape",
    "flask.json.JSONEncoder": "from flask.json.provider import DefaultJSONProvider",
    "flask.ext": "import the extension by its own name, such as flask_sqlalchemy",
    "flask.helpers.safe_join": "from werkzeug.utils import safe_join",
    "flask.safe_join": "from werkzeug.utils import safe_join",
    # Jinja
    "jinja2.Markup": "from markupsafe import Markup",
    "jinja2.escape": "from markupsafe import escape",
    "jinja2.contextfilter": "from jinja2 import pass_context",
    "jinja2.environmentfilter": "from jinja2 import pass_environment",
    "jinja2.evalcontextfilter": "from jinja2 import pass_eval_context",
    # ItsDangerous
    "itsdangerous.JSONWebSignatureSerializer": _SERIALIZER,
    "itsdangerous.TimedJSONWebSignatureSerializer": _SERIALIZER,
    "itsdangerous.json": "import json",
    # PyJWT
    "jwt.ExpiredSignature": "from jwt import ExpiredSignatureError",
    "jwt.InvalidAudience": "from jwt import InvalidAudienceError",
    "jwt.InvalidIssuer": "from jwt import InvalidIssuerError",
}
"""Names that are gone, and the line to write instead."""
