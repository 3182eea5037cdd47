"""Give access to the names of the package that test suites replace.

Test suites written for Flask-JWT patch ``flask_jwt._jwt_required`` and
``flask_jwt._request_ctx_stack``. So these two names are read from the package when they are used.
No other module of this folder may import the package.
"""

from typing import Any

import flask_jwt

package: Any = flask_jwt
