"""Flask-JWT-Extended's names, on this package's machine: ``from flask_jwt.extended import …``."""

from .jwt_manager import JWTManager as JWTManager
from .utils import *  # noqa: F403 - its __all__ is Flask-JWT-Extended's
from .view_decorators import jwt_required as jwt_required
from .view_decorators import verify_jwt_in_request as verify_jwt_in_request
